/**
 * Finds ids that occur twice, in bounded memory, whatever the size of the input.
 *
 * Each id leaves a 53-bit hash. A million hashes at a time are sorted and spilled to disk; at the end the sorted runs
 * are merged, and hashes that occur more than once are given out, to be settled on the text. A unique index over ten
 * million random ids takes minutes; this takes about a second per million (design, section 4).
 */
import { paths } from '../domain/ids.ts';
import type { Files } from '../domain/ports.ts';

/** Hashes held in memory before a run is spilled: 8 MB. */
const SPILL_COUNT = 1_000_000;
/** Hashes read at a time from each spilled run while merging. */
const MERGE_COUNT = 16_384;
const HASH_BYTES = 8;

export class IdLedger {
  readonly #files: Files;
  readonly #runId: string;
  readonly #spillCount: number;
  #hashes: Float64Array;
  #count = 0;
  #parts = 0;

  constructor(files: Files, runId: string, spillCount = SPILL_COUNT) {
    this.#files = files;
    this.#runId = runId;
    this.#spillCount = spillCount;
    this.#hashes = new Float64Array(Math.min(4_096, spillCount));
  }

  /** Gives a promise only when a run has to be spilled. */
  add(id: string): Promise<void> | undefined {
    if (this.#count === this.#hashes.length) {
      const larger = new Float64Array(Math.min(this.#spillCount, this.#hashes.length * 4));
      larger.set(this.#hashes);
      this.#hashes = larger;
    }
    this.#hashes[this.#count++] = hashOf(id);
    return this.#count === this.#spillCount ? this.#spill() : undefined;
  }

  /** Hashes that occur more than once, in groups of at most `groupMax`, each group to be settled in one pass. */
  async *duplicateHashes(groupMax = 500_000): AsyncGenerator<ReadonlySet<number>> {
    let group = new Set<number>();
    let last = -1;
    let counted = false;
    for await (const hash of this.#merged()) {
      if (hash === last && !counted) {
        counted = true;
        group.add(hash);
        if (group.size >= groupMax) {
          yield group;
          group = new Set();
        }
      } else if (hash !== last) {
        counted = false;
      }
      last = hash;
    }
    if (group.size > 0) yield group;
  }

  /** Removes what was spilled. */
  async clear(): Promise<void> {
    for (let part = 0; part < this.#parts; part++) await this.#files.remove(paths.spill(this.#runId, part));
  }

  async #spill(): Promise<void> {
    const writer = await this.#files.create(paths.spill(this.#runId, this.#parts++));
    const run = this.#hashes.subarray(0, this.#count).sort();
    await writer.write(new Uint8Array(run.buffer, run.byteOffset, run.byteLength));
    await writer.commit();
    this.#count = 0;
  }

  async *#merged(): AsyncGenerator<number> {
    const rest = this.#hashes.subarray(0, this.#count).sort();
    if (this.#parts === 0) {
      yield* rest;
      return;
    }
    const runs: AsyncIterator<number>[] = [arrayIterator(rest)];
    for (let part = 0; part < this.#parts; part++) runs.push(this.#readPart(part));
    const heads = await Promise.all(runs.map((run) => run.next()));
    for (;;) {
      // A linear look for the smallest: ten million rows are ten runs.
      let best = -1;
      let smallest = Infinity;
      for (const [at, head] of heads.entries()) {
        if (head.done !== true && head.value < smallest) {
          smallest = head.value;
          best = at;
        }
      }
      const run = runs[best];
      if (!run) return;
      yield smallest;
      heads[best] = await run.next();
    }
  }

  async *#readPart(part: number): AsyncGenerator<number> {
    const reader = await this.#files.open(paths.spill(this.#runId, part));
    try {
      for (let at = 0; at < reader.bytes; at += MERGE_COUNT * HASH_BYTES) {
        const bytes = await reader.read(at, Math.min(MERGE_COUNT * HASH_BYTES, reader.bytes - at));
        // A copy, because a Float64Array must begin at a multiple of eight.
        yield* new Float64Array(Uint8Array.from(bytes).buffer);
      }
    } finally {
      await reader.close();
    }
  }
}

// An iterator over what is in memory, beside those that read files.
// eslint-disable-next-line @typescript-eslint/require-await
async function* arrayIterator(values: Float64Array): AsyncGenerator<number> {
  yield* values;
}

/** A 53-bit hash of a text (two 32-bit multiply-rotate lanes), exact as a JavaScript number. */
export function hashOf(text: string): number {
  let a = 0xdeadbeef;
  let b = 0x41c6ce57;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    a = Math.imul(a ^ code, 2654435761);
    b = Math.imul(b ^ code, 1597334677);
  }
  a = Math.imul(a ^ (a >>> 16), 2246822507) ^ Math.imul(b ^ (b >>> 13), 3266489909);
  b = Math.imul(b ^ (b >>> 16), 2246822507) ^ Math.imul(a ^ (a >>> 13), 3266489909);
  return (b >>> 0) * 2 ** 21 + (a >>> 11);
}
