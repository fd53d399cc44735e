/**
 * Sorts records of one size by the bytes of their key, whatever their number, in bounded memory: blocks are sorted and
 * spilled to disk, and brought together while they are read. A block is sorted as plain numbers, the beginning of the
 * key before the place in the block: that is ten times as fast as comparing records.
 */
import { invariant } from '../../base/errors.ts';
import type { FileReader, Files } from '../../domain/ports.ts';

export interface RecordShape {
  readonly recordBytes: number;
  /** The key is the beginning of a record, compared byte by byte. No two records have the same. */
  readonly keyBytes: number;
  /** The beginning of the key as a number in the same order, below PREFIX_END. */
  readonly prefixOf: (records: Buffer, at: number) => number;
}

/** Records of a block: with 24 bytes each it takes 6 MB, and as much again while it is sorted. */
const BLOCK_COUNT = 2 ** 18;
/** A prefix and a place in a block together are a whole number. */
export const PREFIX_END = 2 ** 35;
/** Records read at a time of each spilled block. */
const PIECE_COUNT = 4_096;

export class RecordSorter {
  readonly #files: Files;
  readonly #path: (part: number) => string;
  readonly #shape: RecordShape;
  readonly #blockCount: number;
  #block: Buffer;
  #count = 0;
  #parts = 0;

  constructor(files: Files, path: (part: number) => string, shape: RecordShape, blockCount = BLOCK_COUNT) {
    this.#files = files;
    this.#path = path;
    this.#shape = shape;
    this.#blockCount = blockCount;
    this.#block = Buffer.allocUnsafe(Math.min(1_024, blockCount) * shape.recordBytes);
  }

  /** Of all that were added. */
  get count(): number {
    return this.#parts * this.#blockCount + this.#count;
  }

  /** Its bytes are copied. Gives a promise only when a block has to be spilled. */
  add(record: Uint8Array): Promise<void> | undefined {
    const { recordBytes } = this.#shape;
    const at = this.#count * recordBytes;
    if (at === this.#block.length) {
      const larger = Buffer.allocUnsafe(Math.min(this.#blockCount * recordBytes, this.#block.length * 4));
      this.#block.copy(larger);
      this.#block = larger;
    }
    this.#block.set(record, at);
    this.#count++;
    return this.#count === this.#blockCount ? this.#spill() : undefined;
  }

  /** All of them as one stream, to be closed. Once: nothing can be added any more. */
  async sorted(): Promise<RecordStream> {
    const streams: RecordStream[] = [];
    const { recordBytes, keyBytes } = this.#shape;
    try {
      for (let part = 0; part < this.#parts; part++) {
        streams.push(await FileRecords.open(this.#files, this.#path(part), { recordBytes }));
      }
      streams.push(await FileRecords.of(this.#sortedBlock(), recordBytes));
    } catch (error) {
      for (const stream of streams) await stream.close();
      throw error;
    }
    return mergeRecords(streams, keyBytes);
  }

  /** Removes what was spilled. */
  async clear(): Promise<void> {
    for (let part = 0; part < this.#parts; part++) await this.#files.remove(this.#path(part));
  }

  async #spill(): Promise<void> {
    const writer = await this.#files.create(this.#path(this.#parts));
    try {
      await writer.write(this.#sortedBlock());
      await writer.commit();
    } catch (error) {
      await writer.abort();
      throw error;
    }
    this.#parts++;
    this.#count = 0;
  }

  #sortedBlock(): Buffer {
    const { recordBytes, prefixOf } = this.#shape;
    const [block, count] = [this.#block, this.#count];
    const numbers = new Float64Array(count);
    for (let at = 0; at < count; at++) {
      const prefix = prefixOf(block, at * recordBytes);
      invariant(prefix < PREFIX_END, 'the beginning of a key fits into the number that is sorted');
      numbers[at] = prefix * BLOCK_COUNT + at;
    }
    numbers.sort();
    const sorted = Buffer.allocUnsafe(count * recordBytes);
    for (let at = 0; at < count;) {
      let end = at + 1;
      while (end < count && prefixIn(numbers, end) === prefixIn(numbers, at)) end++;
      if (end - at > 1) this.#settle(numbers.subarray(at, end));
      for (; at < end; at++) {
        const from = ((numbers[at] ?? 0) % BLOCK_COUNT) * recordBytes;
        block.copy(sorted, at * recordBytes, from, from + recordBytes);
      }
    }
    return sorted;
  }

  /** Sorts records whose keys begin alike by the rest of them. */
  #settle(numbers: Float64Array): void {
    const { recordBytes, keyBytes } = this.#shape;
    const block = this.#block;
    numbers.sort((one, other) => {
      const [a, b] = [(one % BLOCK_COUNT) * recordBytes, (other % BLOCK_COUNT) * recordBytes];
      return block.compare(block, b, b + keyBytes, a, a + keyBytes);
    });
  }
}

function prefixIn(numbers: Float64Array, at: number): number {
  return Math.floor((numbers[at] ?? 0) / BLOCK_COUNT);
}

/** Records one after the other. `current` is valid until the next `advance`; null at the end. */
export interface RecordStream {
  readonly current: Buffer | null;
  /** Which of the streams that were brought together `current` is of; 0 where it is one. */
  readonly nth: number;
  /** Gives a promise only when something has to be read. */
  advance(): Promise<void> | undefined;
  close(): Promise<void>;
}

/** The records of a file, or of a piece of memory. */
export class FileRecords implements RecordStream {
  current: Buffer | null = null;
  readonly nth = 0;
  readonly #reader: FileReader | null;
  readonly #recordBytes: number;
  #piece: Buffer;
  #at: number;
  #readAt: number;
  readonly #end: number;

  private constructor(
    reader: FileReader | null,
    piece: Buffer,
    { recordBytes, start, end }: { readonly recordBytes: number; readonly start: number; readonly end: number },
  ) {
    this.#reader = reader;
    this.#piece = piece;
    this.#recordBytes = recordBytes;
    // The first advance goes to the first record.
    this.#at = -recordBytes;
    this.#readAt = start;
    this.#end = end;
  }

  static async of(records: Buffer, recordBytes: number): Promise<FileRecords> {
    const stream = new FileRecords(null, records, { recordBytes, start: 0, end: 0 });
    await stream.advance();
    return stream;
  }

  /** Those between these bytes of a file; of all of it unless said. */
  static async open(
    files: Files,
    path: string,
    { recordBytes, start = 0, end }: { readonly recordBytes: number; readonly start?: number; readonly end?: number },
  ): Promise<FileRecords> {
    const reader = await files.open(path);
    const stream = new FileRecords(reader, Buffer.alloc(0), { recordBytes, start, end: end ?? reader.bytes });
    await stream.advance();
    return stream;
  }

  advance(): Promise<void> | undefined {
    this.#at += this.#recordBytes;
    if (this.#at + this.#recordBytes <= this.#piece.length) {
      this.current = this.#piece.subarray(this.#at, this.#at + this.#recordBytes);
      return undefined;
    }
    if (this.#reader && this.#readAt < this.#end) return this.#read(this.#reader);
    this.current = null;
    return undefined;
  }

  async close(): Promise<void> {
    await this.#reader?.close();
  }

  async #read(reader: FileReader): Promise<void> {
    const bytes = Math.min(PIECE_COUNT * this.#recordBytes, this.#end - this.#readAt);
    this.#piece = await reader.read(this.#readAt, bytes);
    this.#readAt += bytes;
    this.#at = -this.#recordBytes;
    await this.advance();
  }
}

/** Sorted streams as one. Of equal keys the one whose stream comes first in the list comes first. */
export function mergeRecords(streams: readonly RecordStream[], keyBytes: number): RecordStream {
  const [only] = streams;
  return only && streams.length === 1 ? only : new MergedRecords(streams, keyBytes);
}

class MergedRecords implements RecordStream {
  readonly #all: readonly RecordStream[];
  readonly #keyBytes: number;
  /** A heap of those that are not at their end, by their current record. */
  readonly #heap: number[] = [];

  constructor(streams: readonly RecordStream[], keyBytes: number) {
    this.#all = streams;
    this.#keyBytes = keyBytes;
    for (const [nth, stream] of streams.entries()) if (stream.current) this.#heap.push(nth);
    for (let at = this.#heap.length >> 1; at >= 0; at--) this.#sink(at);
  }

  get current(): Buffer | null {
    const [first] = this.#heap;
    return first === undefined ? null : (this.#all[first]?.current ?? null);
  }

  get nth(): number {
    return this.#heap[0] ?? 0;
  }

  advance(): Promise<void> | undefined {
    const [first] = this.#heap;
    const moved = first === undefined ? undefined : this.#all[first]?.advance();
    if (moved) return moved.then(() => this.#settle());
    this.#settle();
    return undefined;
  }

  async close(): Promise<void> {
    for (const stream of this.#all) await stream.close();
  }

  /** The first may be anywhere now, or at its end. */
  #settle(): void {
    const [first] = this.#heap;
    if (first === undefined) return;
    if (!this.#all[first]?.current) {
      const last = this.#heap.pop();
      if (last !== undefined && this.#heap.length > 0) this.#heap[0] = last;
    }
    this.#sink(0);
  }

  #sink(from: number): void {
    const heap = this.#heap;
    for (let at = from; ;) {
      let least = at;
      for (const child of [2 * at + 1, 2 * at + 2])
        if (child < heap.length && this.#before(child, least)) least = child;
      if (least === at) return;
      const [one = 0, other = 0] = [heap[at], heap[least]];
      heap[at] = other;
      heap[least] = one;
      at = least;
    }
  }

  #before(one: number, other: number): boolean {
    const [a = 0, b = 0] = [this.#heap[one], this.#heap[other]];
    const [left, right] = [this.#all[a]?.current, this.#all[b]?.current];
    invariant(left && right, 'a stream in the heap has a record');
    const order = left.compare(right, 0, this.#keyBytes, 0, this.#keyBytes);
    return order === 0 ? a < b : order < 0;
  }
}
