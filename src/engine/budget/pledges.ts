/**
 * Money of `--max-cost` that is promised for what is about to be sent and that the ledger does not show yet. The realtime
 * lane and the creates of batches go on side by side: without a word to each other both would spend what is left.
 */
export class Pledges {
  readonly #usd = new Map<string, number>();
  #kept = 0;

  /** Counts pledges that the ledger shows by now. A look at the ledger that began before does not tell what is left. */
  get kept(): number {
    return this.#kept;
  }

  of(runId: string): number {
    return this.#usd.get(runId) ?? 0;
  }

  add(runId: string, usd: number): void {
    this.#usd.set(runId, this.of(runId) + usd);
  }

  /** Nothing is sent for it after all. */
  takeBack(runId: string, usd: number): void {
    // Sums of fractions may end a hair below nothing.
    const left = this.of(runId) - usd;
    if (left > EPSILON_USD) this.#usd.set(runId, left);
    else this.#usd.delete(runId);
  }

  /** The ledger shows it now, or what was made of it. */
  keep(runId: string, usd: number): void {
    if (usd === 0) return;
    this.#kept++;
    this.takeBack(runId, usd);
  }
}

const EPSILON_USD = 1e-9;
