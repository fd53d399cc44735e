/**
 * What is due when: arrivals, users who have thought, the tick of each second. One heap and one sleeper for all of them,
 * so that ten thousand users cost ten thousand entries and not as many timers. Equal times go in the order in which they
 * were put in.
 */
import type { Clock } from '../../base/clock.ts';
import { TurnHeap } from '../../engine/realtime/turn-heap.ts';

export class Agenda {
  readonly #clock: Clock;
  readonly #heap = new TurnHeap<() => void>();
  #sleep: AbortController | null = null;
  #wakesAtMs = Infinity;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** `atMs` is of the monotonic clock. */
  at(atMs: number, work: () => void): void {
    this.#heap.push(work, atMs);
    if (atMs < this.#wakesAtMs) this.wake();
  }

  /** Nothing that stands in it will happen. */
  clear(): void {
    this.#heap.clear();
    this.wake();
  }

  /** The sleeper looks again whether it is to go on. */
  wake(): void {
    this.#sleep?.abort();
  }

  /** Does what is due, in its order, until `over` says that there is an end. */
  async run(over: () => boolean): Promise<void> {
    let inARow = 0;
    while (!over()) {
      const { first } = this.#heap;
      const nowMs = this.#clock.monotonicMs();
      if (first && first.turn <= nowMs) {
        this.#heap.pop();
        first.item();
        // Whoever is behind with sending must not keep the answers from being read.
        if (++inARow % WORKS_IN_A_ROW === 0) await this.#clock.sleep(SHORTEST_MS);
        continue;
      }
      this.#sleep = new AbortController();
      this.#wakesAtMs = first?.turn ?? Infinity;
      await this.#clock.sleep(first ? first.turn - nowMs : IDLE_MS, this.#sleep.signal);
      this.#sleep = null;
      this.#wakesAtMs = Infinity;
    }
  }
}

/** Whoever ends the run wakes the sleeper; this is only so that a sleep has an end. */
const IDLE_MS = 60_000;
const WORKS_IN_A_ROW = 64;
const SHORTEST_MS = 0.001;
