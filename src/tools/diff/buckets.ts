/**
 * Rows of a file sorted into buckets by their ids, on disk: rows of one id are in the same bucket of both files, so that
 * bucket after bucket can be compared in memory, in whatever order the files have their rows. Also what cannot be read
 * twice (stdin, a gzip) is read once.
 */
import { BatchrunError, invariant } from '../../base/errors.ts';
import { hashOf } from '../../domain/id-hash.ts';
import { linesOf } from '../../domain/lines.ts';
import type { AppendLog, Files } from '../../domain/ports.ts';
import type { ResultView } from '../results/result-view.ts';

export interface StoredRow extends ResultView {
  /** Its place among the rows of its file, from 0. */
  readonly seq: number;
  readonly line: number;
}

/** What a bucket should have at most of a file: about twice as much is in memory while it is compared. */
const BUCKET_BYTES = 16_000_000;
export const BUCKETS_MAX = 256;
/** For what has no size (a pipe). */
const BUCKETS_UNKNOWN = 64;
/** Of a gzip the size on disk is about an eighth. */
const GZIP_FACTOR = 8;
/** Held for all buckets of a file together before they are written. */
const HELD_CHARS_MAX = 4_000_000;
const LINE_BYTES_MAX = 1_000_000_000;

/** So many that each fits into memory. */
export function bucketCount(bytes: number | null, isPacked: boolean): number {
  if (bytes === null) return BUCKETS_UNKNOWN;
  return Math.min(BUCKETS_MAX, Math.max(1, Math.ceil((bytes * (isPacked ? GZIP_FACTOR : 1)) / BUCKET_BYTES)));
}

export class Buckets {
  readonly #files: Files;
  readonly #name: string;
  readonly #held: string[];
  readonly #logs: (AppendLog | undefined)[];
  #heldChars = 0;
  #rows = 0;

  constructor(files: Files, name: string, count: number) {
    this.#files = files;
    this.#name = name;
    this.#held = Array.from({ length: count }, () => '');
    this.#logs = Array.from({ length: count }, () => undefined);
  }

  get rows(): number {
    return this.#rows;
  }

  /** Gives a promise only when it has to write. */
  add(view: ResultView, line: number): Promise<void> | undefined {
    const bucket = hashOf(view.id) % this.#held.length;
    const row: StoredRow = { ...view, seq: this.#rows++, line };
    const text = `${JSON.stringify(row)}\n`;
    this.#held[bucket] = `${this.#held[bucket] ?? ''}${text}`;
    this.#heldChars += text.length;
    return this.#heldChars > HELD_CHARS_MAX ? this.flush() : undefined;
  }

  async flush(): Promise<void> {
    for (const [bucket, text] of this.#held.entries()) {
      if (text === '') continue;
      const log = (this.#logs[bucket] ??= await this.#files.openAppend(this.#path(bucket), 0));
      await log.append(Buffer.from(text));
      this.#held[bucket] = '';
    }
    this.#heldChars = 0;
  }

  /** Everything is written, and can be read. */
  async close(): Promise<void> {
    await this.flush();
    for (const log of this.#logs) await log?.close();
  }

  async *read(bucket: number): AsyncGenerator<StoredRow> {
    invariant(this.#heldChars === 0, 'what is held is written before it is read');
    if (!this.#logs[bucket]) return;
    const pieces = this.#files.stream(this.#path(bucket));
    for await (const { bytes } of linesOf(pieces, { lineBytesMax: LINE_BYTES_MAX, tooLong })) {
      yield JSON.parse(bytes.toString()) as StoredRow;
    }
  }

  #path(bucket: number): string {
    return `${this.#name}-${bucket}.jsonl`;
  }
}

function tooLong(bytes: number): never {
  throw new BatchrunError('E_INPUT_FORMAT', `a row has more than ${bytes} bytes`);
}
