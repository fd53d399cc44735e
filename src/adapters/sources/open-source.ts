/**
 * Opens the inputs of a run: one RowSource over all of them, in the order in which they were named.
 *
 * Everything that can be known beforehand is known when it returns: that each input is there and can be read, what
 * format it has, and the columns of every CSV. Records are then read input by input, never more than a chunk ahead.
 */
import { BatchrunError, invariant } from '../../base/errors.ts';
import { BATCH_BYTES_MAX } from '../../domain/limits.ts';
import type { RowSource, SourceRecord } from '../../domain/source.ts';
import { openBytes, STDIN } from './bytes.ts';
import { readHeader } from './csv-header.ts';
import { readCsv } from './csv.ts';
import { detectFormat } from './detect.ts';
import type { InputFormat } from './detect.ts';
import { readJsonArray } from './json-array.ts';
import { readJsonLines } from './jsonl.ts';
import type { ReadOptions } from './jsonl.ts';

export interface SourceOptions {
  /** From --input-format; otherwise told from content and name. */
  readonly format?: InputFormat;
  /** One record may have so many bytes. */
  readonly lineBytesMax?: number;
  /** What the input `-` reads. */
  readonly stdin?: AsyncIterable<Uint8Array>;
}

/** A row of 256 MB must still be read to be told that it is too large; a little room for what is not sent. */
const LINE_BYTES_MAX = BATCH_BYTES_MAX + 4_000_000;

interface OpenInput {
  readonly columns: readonly string[];
  readonly totalBytes: number | null;
  readBytes(): number;
  records(): AsyncGenerator<Iterable<SourceRecord>, void, undefined>;
}

export async function openSource(inputs: readonly string[], options: SourceOptions = {}): Promise<RowSource> {
  if (inputs.length === 0) throw new BatchrunError('E_USAGE', 'no input was given');
  if (inputs.filter((input) => input === STDIN).length > 1) {
    throw new BatchrunError('E_USAGE', 'stdin (-) can be read only once, and it is named more than once');
  }
  const opened: OpenInput[] = [];
  // One after the other, so that the first one that is missing is the one that is named.
  for (const [file, input] of inputs.entries()) opened.push(await openInput(input, file, options));
  const columns = [...new Set(opened.flatMap((input) => input.columns))];
  let started = false;
  return {
    columns,
    async *records() {
      invariant(!started, 'a source is read once');
      started = true;
      for (const input of opened) yield* input.records();
    },
    progress() {
      const totals = opened.map((input) => input.totalBytes);
      const known = totals.filter((total) => total !== null);
      return {
        readBytes: opened.reduce((sum, input) => sum + input.readBytes(), 0),
        totalBytes: known.length === totals.length ? known.reduce((sum, total) => sum + total, 0) : null,
      };
    },
  };
}

async function openInput(path: string, file: number, options: SourceOptions): Promise<OpenInput> {
  const input = await openBytes(path, options.stdin);
  // The head of the input is not held on to: with thousands of inputs that would be gigabytes.
  const { name, totalBytes } = input;
  const chunks = input.chunks.bind(input);
  const readBytes = input.readBytes.bind(input);
  const read: ReadOptions = { file, recordBytesMax: options.lineBytesMax ?? LINE_BYTES_MAX };
  const detected = detectFormat(input, options.format);
  if (detected.format === 'csv') {
    const shape = readHeader(input, detected.delimiter);
    return { columns: shape.columns, totalBytes, readBytes, records: () => readCsv(chunks(), { ...read, shape }) };
  }
  if (detected.format === 'json') {
    const { wrapped } = detected;
    return { columns: [], totalBytes, readBytes, records: () => readJsonArray(chunks(), { ...read, name, wrapped }) };
  }
  return { columns: [], totalBytes, readBytes, records: () => readJsonLines(chunks(true), read) };
}
