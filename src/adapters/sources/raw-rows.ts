/**
 * The rows of an input as they stand there: lines of JSON Lines byte for byte, records of a CSV with their quotes, and
 * the elements of a JSON array as lines of JSON. Nothing is judged but what makes it impossible to tell where a row ends.
 */
import { BatchrunError } from '../../base/errors.ts';
import { formatBytes } from '../../base/units.ts';
import type { RawRows } from '../../domain/source.ts';
import { openBytes } from './bytes.ts';
import { readHeader } from './csv-header.ts';
import { CsvCutter } from './csv-cutter.ts';
import { detectFormat, type InputFormat } from './detect.ts';
import { readJsonArray } from './json-array.ts';

export interface RawOptions {
  readonly format?: InputFormat;
  readonly stdin?: AsyncIterable<Uint8Array>;
  /** One row may have so many bytes. */
  readonly rowBytesMax?: number;
}

const ROW_BYTES_MAX = 260_000_000;

export async function openRawRows(path: string, options: RawOptions = {}): Promise<RawRows> {
  const input = await openBytes(path, options.stdin);
  const { name } = input;
  const detected = detectFormat(input, options.format);
  const rowBytesMax = options.rowBytesMax ?? ROW_BYTES_MAX;
  if (detected.format === 'json') {
    const read = { file: 0, recordBytesMax: rowBytesMax, name, wrapped: detected.wrapped };
    return { format: 'json', header: null, lineEnd: '\n', rows: () => elements(input.chunks(), read) };
  }
  const shape = detected.format === 'csv' ? readHeader(input, detected.delimiter) : null;
  const lineByte = shape?.lineByte ?? 10;
  const newCutter = (): CsvCutter =>
    new CsvCutter({ lineByte, delimiter: shape ? shape.delimiter.charCodeAt(0) : null, rowBytesMax, tooLong });
  const tooLong = (line: number): never => {
    throw new BatchrunError(
      'E_INPUT_FORMAT',
      `${name}:${line}: the row that begins here is longer than ${formatBytes(rowBytesMax)}`,
      { hint: 'In a CSV a closing quote may be missing: `batchrun check` names it.' },
    );
  };
  // The head of the input ends behind the header: readHeader has made sure of it.
  const [header] = shape
    ? newCutter()
        .push(input.head)
        .concat(input.headIsAll ? newCutter().all(input.head) : [])
    : [];
  return {
    format: detected.format,
    header: header ? Buffer.from(header) : null,
    lineEnd: String.fromCharCode(lineByte),
    rows: () => cut(input.chunks(), newCutter(), shape !== null),
  };
}

async function* cut(
  chunks: AsyncIterable<Buffer>,
  cutter: CsvCutter,
  hasHeader: boolean,
): AsyncGenerator<readonly Buffer[], void, undefined> {
  let skipped = !hasHeader;
  const batch = (rows: readonly Buffer[]): readonly Buffer[] => {
    if (skipped || rows.length === 0) return rows;
    skipped = true;
    return rows.slice(1);
  };
  for await (const chunk of chunks) yield batch(cutter.push(chunk));
  yield batch(cutter.end());
}

async function* elements(
  chunks: AsyncIterable<Buffer>,
  read: Parameters<typeof readJsonArray>[1],
): AsyncGenerator<readonly Buffer[], void, undefined> {
  for await (const records of readJsonArray(chunks, read)) {
    const rows: Buffer[] = [];
    for (const { value, problem, element = 0 } of records) {
      if (problem) throw new BatchrunError('E_INPUT_FORMAT', `${read.name}: element ${element}: ${problem.message}`);
      rows.push(Buffer.from(JSON.stringify(value)));
    }
    yield rows;
  }
}
