/**
 * The rows that the gauge of duplicates (duplicate-gauge.ts) has looked at: how often each came, by its hashes.
 */

/** Of the first hash so many of its upper bits are kept beside the 32 of the second. */
export const FIRST_BITS = 21;
export const FIRST_END = 2 ** FIRST_BITS;

/** A table of counts by key in typed arrays: a Map of such numbers takes ten times as long. */
export class KeptRows {
  // None of them comes to four billion for one row.
  readonly counts: Uint32Array;
  readonly bytes: Uint32Array;
  readonly maxTokens: Uint32Array;
  readonly modelNos: Uint8Array;
  /** The key and one more, so that 0 is free. */
  readonly #keys: Float64Array;
  readonly #mask: number;

  /** `rowsMax`: so many different ones will be counted, and one more. */
  constructor(rowsMax: number) {
    // Half of it stays free. A larger one costs more to begin with than its looks take.
    const slots = 2 ** Math.ceil(Math.log2(rowsMax * 2 + 2));
    this.#mask = slots - 1;
    this.#keys = new Float64Array(slots);
    this.counts = new Uint32Array(slots);
    this.bytes = new Uint32Array(slots);
    this.maxTokens = new Uint32Array(slots);
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

  keys(): Float64Array {
    // In a plain loop, as below: this is done while rows wait, and before anything is compiled.
    const found = new Float64Array(this.#mask + 1);
    let count = 0;
    for (let slot = 0; slot <= this.#mask; slot++) {
      const held = this.#keys[slot] ?? 0;
      if (held !== 0) found[count++] = held - 1;
    }
    return found.subarray(0, count);
  }

  /** A table of those whose keys are kept. */
  only(isKept: (key: number) => boolean, rowsMax: number): KeptRows {
    const rest = new KeptRows(rowsMax);
    for (let from = 0; from <= this.#mask; from++) {
      const key = (this.#keys[from] ?? 0) - 1;
      if (key === -1 || !isKept(key)) continue;
      const to = rest.count(key);
      rest.counts[to] = this.counts[from] ?? 0;
      rest.describe(to, this.bytes[from] ?? 0, this.maxTokens[from] ?? 0, this.modelNos[from] ?? 0);
    }
    return rest;
  }
}
