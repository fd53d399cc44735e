/**
 * Puts the records of an input into the order of their draws, however many they are: what does not fit into memory goes
 * into bucket files by the first bits of its draw, and each bucket is sorted when its turn comes. With a limit only the
 * smallest draws are kept: a random sample of so many records.
 *
 * A record comes out as it went in: what a source has parsed from JSON is written as JSON and parsed again.
 */
import { BatchrunError } from '../../base/errors.ts';
import { linesOf } from '../lines.ts';
import type { SourceRecord } from '../source.ts';
import { DEPTH_MAX, isDeeper, TOO_DEEP } from './depth.ts';
import { DRAWS, type Draw } from './draw.ts';

/** Where buckets are: files that only grow, gone when the reading is over. */
export interface Spool {
  append(bucket: string, text: string): Promise<void>;
  /** In characters or bytes: what matters is whether it fits into memory. */
  size(bucket: string): number;
  stream(bucket: string): AsyncIterable<Buffer>;
  remove(bucket: string): Promise<void>;
}

export interface ShuffleOptions {
  readonly draw: Draw;
  /** Only so many records; null: all. */
  readonly limit: number | null;
  /** Opened when something has to be put aside. */
  readonly openSpool: () => Promise<Spool>;
  /** Characters held at once. */
  readonly heldMax?: number;
}

/** 16 to 32 MB with what is put together to be written; a bucket is as large at most. */
const HELD_MAX = 8 * 1024 * 1024;
/** What a record takes beside its text, in characters. */
const HELD_OVERHEAD = 64;
const BUCKET_BITS = 6;
const BUCKETS = 2 ** BUCKET_BITS;
const LEVELS = 48 / BUCKET_BITS;
/** A record and what it is wrapped in. */
const LINE_BYTES_MAX = 2 ** 30;

interface Held {
  readonly key: number;
  readonly file: number;
  readonly at: number;
  readonly json: string;
}

export async function* shuffled(
  batches: AsyncIterable<Iterable<SourceRecord>>,
  options: ShuffleOptions,
): AsyncGenerator<Iterable<SourceRecord>> {
  const { draw, limit, heldMax = HELD_MAX } = options;
  const smallest = limit === null ? null : new Smallest(limit);
  const held = new Pile(options.openSpool, { name: '', level: 0, heldMax });
  for await (const records of batches) {
    for (const record of records) {
      const key = draw(record);
      if (smallest?.takes(key) === false) continue;
      held.add({ key, file: record.file, at: record.element ?? record.line, json: toJson(record) });
      if (held.isFull) await held.putAside(smallest?.bound ?? DRAWS);
    }
  }
  let left = limit ?? Infinity;
  for await (const sorted of held.sorted()) {
    if (left <= 0) return;
    const some = sorted.length > left ? sorted.slice(0, left) : sorted;
    left -= some.length;
    yield read(some);
  }
}

/** Records are parsed as they are taken. */
function* read(held: readonly Held[]): Generator<SourceRecord> {
  for (const { json } of held) yield JSON.parse(json) as SourceRecord;
}

function toJson(record: SourceRecord): string {
  try {
    if (!isDeeper(record.value, DEPTH_MAX)) return JSON.stringify(record);
  } catch (error) {
    // A text that grew beyond what the engine can hold.
    if (!(error instanceof RangeError)) throw error;
  }
  const { file, line, element } = record;
  return JSON.stringify({ file, line, ...(element === undefined ? {} : { element }), problem: TOO_DEEP });
}

/** A bound that ever fewer draws are below: that of the `limit` smallest so far. */
class Smallest {
  readonly #limit: number;
  #keys: number[] = [];
  bound = DRAWS;

  constructor(limit: number) {
    this.#limit = limit;
  }

  takes(key: number): boolean {
    if (key > this.bound) return false;
    this.#keys.push(key);
    if (this.#keys.length >= 2 * this.#limit) {
      this.#keys = Array.from(Float64Array.from(this.#keys).sort().subarray(0, this.#limit));
      this.bound = this.#keys.at(-1) ?? DRAWS;
    }
    return true;
  }
}

interface PileOptions {
  readonly name: string;
  /** Which bits of the draws tell its buckets apart. */
  readonly level: number;
  readonly heldMax: number;
}

/** Records in memory, and in buckets what of them did not fit. */
class Pile {
  readonly #openSpool: () => Promise<Spool>;
  readonly #options: PileOptions;
  #held: Held[] = [];
  #chars = 0;
  #spool: Spool | undefined;

  constructor(openSpool: () => Promise<Spool>, options: PileOptions) {
    this.#openSpool = openSpool;
    this.#options = options;
  }

  add(held: Held): void {
    this.#held.push(held);
    this.#chars += held.json.length + HELD_OVERHEAD;
  }

  get isFull(): boolean {
    return this.#chars > this.#options.heldMax;
  }

  /** Makes room: what is above the bound is dropped; where that is not half of it, all goes into buckets. */
  async putAside(bound: number): Promise<void> {
    this.#take(this.#held.filter(({ key }) => key <= bound));
    if (this.#chars > this.#options.heldMax / 2) await this.#spill();
  }

  /** In the order of the draws, a piece at a time. */
  async *sorted(): AsyncGenerator<readonly Held[]> {
    const spool = this.#spool;
    if (!spool) {
      yield this.#take([]).sort(byDraw);
      return;
    }
    await this.#spill();
    const { level, heldMax } = this.#options;
    for (let no = 0; no < BUCKETS; no++) {
      const bucket = this.#bucketName(no);
      if (spool.size(bucket) === 0) continue;
      // Draws that are equal to the last bit cannot be told apart any further.
      const isLarge = spool.size(bucket) > heldMax && level + 1 < LEVELS;
      const pile = new Pile(() => Promise.resolve(spool), { name: bucket, level: level + 1, heldMax });
      for await (const line of linesOf(spool.stream(bucket), { lineBytesMax: LINE_BYTES_MAX, tooLong })) {
        pile.add(heldOf(line.bytes.toString()));
        if (isLarge && pile.isFull) await pile.putAside(DRAWS);
      }
      await spool.remove(bucket);
      yield* pile.sorted();
    }
  }

  async #spill(): Promise<void> {
    const texts = new Map<string, string[]>();
    for (const held of this.#take([])) {
      const bucket = this.#bucketOf(held.key);
      const list = texts.get(bucket);
      if (list) list.push(lineOf(held));
      else texts.set(bucket, [lineOf(held)]);
    }
    this.#spool ??= await this.#openSpool();
    for (const [bucket, list] of texts) await this.#spool.append(bucket, list.join(''));
  }

  #take(kept: Held[]): Held[] {
    const before = this.#held;
    this.#held = kept;
    this.#chars = kept.reduce((sum, { json }) => sum + json.length + HELD_OVERHEAD, 0);
    return before;
  }

  #bucketOf(key: number): string {
    const bits = 48 - BUCKET_BITS * (this.#options.level + 1);
    return this.#bucketName(Math.floor(key / 2 ** bits) % BUCKETS);
  }

  #bucketName(no: number): string {
    return this.#options.name + no.toString(16).padStart(2, '0');
  }
}

/** Of equal draws the order of the input. */
function byDraw(one: Held, other: Held): number {
  return one.key - other.key || one.file - other.file || one.at - other.at;
}

function lineOf({ key, file, at, json }: Held): string {
  return `${key} ${file} ${at} ${json}\n`;
}

function heldOf(line: string): Held {
  const [first, second] = [line.indexOf(' '), line.indexOf(' ', line.indexOf(' ') + 1)];
  const third = line.indexOf(' ', second + 1);
  const [key, file, at] = [line.slice(0, first), line.slice(first, second), line.slice(second, third)].map(Number);
  return { key: key ?? 0, file: file ?? 0, at: at ?? 0, json: line.slice(third + 1) };
}

function tooLong(bytes: number): never {
  throw new BatchrunError('E_STATE_CORRUPT', `a record that was put aside for --shuffle has more than ${bytes} bytes`);
}
