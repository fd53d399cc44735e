/**
 * The rows that the gauge of duplicates (duplicate-gauge.ts) has looked at: how often each came, by its hashes.
 */

/** Of the first hash so many of its upper bits are kept beside the 32 of the second. */
export const FIRST_BITS = 21;
export const FIRST_END = 2 ** FIRST_BITS;

/** A table of counts by key in typed arrays: a Map of such numbers takes ten times as long. */
export class KeptRows {
  readonly counts: Float64Array;
  readonly bytes: Float64Array;
  readonly maxTokens: Float64Array;
  readonly modelNos: Uint8Array;
  /** The key and one more, so that 0 is free. */
  readonly #keys: Float64Array;
  readonly #mask: number;

  constructor(looksMax: number) {
    // What is left of a half, and what comes until the next: twice as many as are looked at, in a table twice as large.
    const slots = 2 ** Math.ceil(Math.log2(looksMax * 4 + 4));
    this.#mask = slots - 1;
    this.#keys = new Float64Array(slots);
    this.counts = new Float64Array(slots);
    this.bytes = new Float64Array(slots);
    this.maxTokens = new Float64Array(slots);
    this.modelNos = new Uint8Array(slots);
  }

  /** Counts one more; gives the place of the key. */
  count(key: number): number {
    const keys = this.#keys;
    let slot = Math.floor(key / FIRST_END) & this.#mask;
    for (let held = keys[slot]; held !== 0 && held !== key + 1; held = keys[slot]) slot = (slot + 1) & this.#mask;
    keys[slot] = key + 1;
    this.counts[slot] = (this.counts[slot] ?? 0) + 1;
    return slot;
  }

  describe(slot: number, bytes: number, maxTokens: number, modelNo: number): void {
    this.bytes[slot] = bytes;
    this.maxTokens[slot] = maxTokens;
    this.modelNos[slot] = modelNo;
  }

  *entries(): Generator<[number, number]> {
    for (const [slot, held] of this.#keys.entries()) if (held !== 0) yield [held - 1, slot];
  }

  *keys(): Generator<number> {
    for (const held of this.#keys) if (held !== 0) yield held - 1;
  }

  /** A table of those whose keys are kept. */
  only(isKept: (key: number) => boolean, looksMax: number): KeptRows {
    const rest = new KeptRows(looksMax);
    for (const [key, from] of this.entries()) {
      if (!isKept(key)) continue;
      const to = rest.count(key);
      rest.counts[to] = this.counts[from] ?? 0;
      rest.describe(to, this.bytes[from] ?? 0, this.maxTokens[from] ?? 0, this.modelNos[from] ?? 0);
    }
    return rest;
  }
}
