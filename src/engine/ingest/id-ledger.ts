/**
 * Finds ids that occur twice, in bounded memory, whatever the size of the input.
 *
 * Each id leaves a 53-bit hash. A million hashes at a time are sorted and spilled to disk; at the end the sorted runs
 * are looked through side by side, range by range, and hashes that occur more than once are given out, to be settled on the text. A unique index over ten
 * million random ids takes minutes; this takes about a second per million (design, section 4).
 */
import { paths } from '../../domain/ids.ts';
import type { FileReader, Files } from '../../domain/ports.ts';

/** Hashes held in memory before a run is spilled: 8 MB. */
const SPILL_COUNT = 1_000_000;
/** Hashes read at a time from each spilled run while they are brought together. */
const PIECE_COUNT = 16_384;
/** Hashes are below this, and spread evenly over it. */
const HASH_END = 2 ** 53;
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
  add(hash: number): Promise<void> | undefined {
    if (this.#count === this.#hashes.length) {
      const larger = new Float64Array(Math.min(this.#spillCount, this.#hashes.length * 4));
      larger.set(this.#hashes);
      this.#hashes = larger;
    }
    this.#hashes[this.#count++] = hash;
    return this.#count === this.#spillCount ? this.#spill() : undefined;
  }

  /** Hashes that occur more than once, in groups of at most `groupMax`, each group to be settled in one pass. */
  async *duplicateHashes(groupMax = 500_000): AsyncGenerator<ReadonlySet<number>> {
    let group = new Set<number>();
    for await (const sorted of this.#ranges()) {
      // Equal hashes are neighbours, and never in two ranges.
      for (let at = 1; at < sorted.length; at++) {
        const hash = sorted[at];
        if (hash === undefined || hash !== sorted[at - 1] || hash === sorted[at - 2]) continue;
        group.add(hash);
        if (group.size < groupMax) continue;
        yield group;
        group = new Set();
      }
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

  /** All hashes, sorted, in ranges that have about as many as were held at once while they were gathered. */
  async *#ranges(): AsyncGenerator<Float64Array> {
    const rest = this.#hashes.subarray(0, this.#count).sort();
    if (this.#parts === 0) {
      yield rest;
      return;
    }
    const runs = [new SortedRun(rest, null)];
    for (let part = 0; part < this.#parts; part++) {
      runs.push(new SortedRun(new Float64Array(0), await this.#files.open(paths.spill(this.#runId, part))));
    }
    try {
      for (let range = 1; range <= runs.length; range++) {
        const end = range === runs.length ? Infinity : (HASH_END / runs.length) * range;
        const parts: Float64Array[] = [];
        for (const run of runs) await run.takeBelow(end, parts);
        yield joined(parts).sort();
      }
    } finally {
      for (const run of runs) await run.close();
    }
  }
}

/** One sorted run, in memory or on disk, read from its beginning to its end. */
class SortedRun {
  readonly #reader: FileReader | null;
  #piece: Float64Array;
  #readBytes = 0;

  constructor(piece: Float64Array, reader: FileReader | null) {
    this.#piece = piece;
    this.#reader = reader;
  }

  /** Moves what is left of it below `end` to `parts`. */
  async takeBelow(end: number, parts: Float64Array[]): Promise<void> {
    for (;;) {
      const count = countBelow(this.#piece, end);
      if (count > 0) parts.push(this.#piece.subarray(0, count));
      this.#piece = this.#piece.subarray(count);
      if (this.#piece.length > 0 || !(await this.#readOn())) return;
    }
  }

  async close(): Promise<void> {
    await this.#reader?.close();
  }

  async #readOn(): Promise<boolean> {
    if (!this.#reader || this.#readBytes >= this.#reader.bytes) return false;
    const length = Math.min(PIECE_COUNT * HASH_BYTES, this.#reader.bytes - this.#readBytes);
    const bytes = await this.#reader.read(this.#readBytes, length);
    this.#readBytes += length;
    // A copy, because a Float64Array must begin at a multiple of eight.
    this.#piece = new Float64Array(Uint8Array.from(bytes).buffer);
    return true;
  }
}

/** How many at the beginning of sorted values are below `end`. */
function countBelow(values: Float64Array, end: number): number {
  let [low, high] = [0, values.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((values[middle] ?? 0) < end) low = middle + 1;
    else high = middle;
  }
  return low;
}

function joined(parts: readonly Float64Array[]): Float64Array {
  const all = new Float64Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
