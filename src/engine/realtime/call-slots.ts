/**
 * Realtime calls under way in this process, of the lane and of warm-ups together: never more than `--concurrency` allows.
 */
export class CallSlots {
  /** Of the lane: paid for, and not committed yet. */
  lane = 0;
  /** What the lane may be about to start. */
  promised = 0;
  #warming = 0;
  #wanting = 0;

  /** How many more calls the lane may start. A warm-up that waits gets the next one: it is one, and holds a batch up. */
  leftForLane(most: number): number {
    return most - this.lane - this.#warming - this.#wanting;
  }

  /** From here on the lane leaves one free. */
  want(): void {
    this.#wanting++;
  }

  wantNoMore(): void {
    this.#wanting--;
  }

  takeForWarmUp(most: number): boolean {
    if (this.lane + this.promised + this.#warming >= most) return false;
    this.#warming++;
    return true;
  }

  giveBack(): void {
    this.#warming--;
  }
}
