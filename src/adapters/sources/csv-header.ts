/**
 * The header line of a CSV input: the names of its columns, and how its records are told apart.
 *
 * It is read before the first record, so that a template can be held against the columns at once. Names are
 * trimmed; a name that is missing or there twice is refused, because a cell could not be told by its name.
 */
import type { Options } from 'csv-parse';
import { parse as parseSync } from 'csv-parse/sync';
import { isUtf8 } from 'node:buffer';
import { BatchrunError, messageOf } from '../../base/errors.ts';
import { formatBytes } from '../../base/units.ts';
import type { InputBytes } from './bytes.ts';

export interface CsvShape {
  readonly columns: readonly string[];
  readonly delimiter: string;
  /** The last byte of a line break: LF, or CR in files of the old Macintosh. */
  readonly lineByte: 10 | 13;
}

/** Every option that matters said out loud, the same ones for the header and for the records. */
export function csvOptions(shape: Pick<CsvShape, 'delimiter' | 'lineByte'>, recordBytesMax: number): Options {
  return {
    // The mark was taken off with the bytes; places in the file are counted from after it.
    bom: false,
    cast: false,
    columns: false,
    comment: null,
    delimiter: shape.delimiter,
    encoding: 'utf8',
    escape: '"',
    quote: '"',
    info: false,
    max_record_size: recordBytesMax,
    raw: false,
    record_delimiter: shape.lineByte === 13 ? ['\r'] : ['\r\n', '\n'],
    // Records with too few or too many cells are told by csv.ts, with their line.
    relax_column_count: true,
    relax_quotes: false,
    skip_empty_lines: true,
    skip_records_with_error: false,
    trim: false,
  };
}

export function readHeader(input: InputBytes, delimiter: string): CsvShape {
  const { head, headIsAll, name } = input;
  const lineByte = head.includes(10) || !head.includes(13) ? 10 : 13;
  if (!headIsAll && !head.includes(lineByte)) {
    throw refusal(name, `has no end of its header line within the first ${formatBytes(head.length)}`);
  }
  let rows: unknown;
  try {
    rows = parseSync(head, { ...csvOptions({ delimiter, lineByte }, head.length), to: 1 });
  } catch (error) {
    throw refusal(name, `has a header line that cannot be read: ${messageOf(error).split(' at line')[0] ?? ''}`);
  }
  const first: unknown = Array.isArray(rows) ? rows[0] : undefined;
  const cells = Array.isArray(first) ? first.map((cell: unknown) => String(cell)) : [];
  if (!isUtf8(Buffer.from(head.subarray(0, head.indexOf(lineByte) + 1)))) {
    throw refusal(name, 'has a header line that is not UTF-8', 'Save the file as CSV UTF-8.');
  }
  return { columns: checkedNames(name, cells), delimiter, lineByte };
}

function checkedNames(name: string, cells: readonly string[]): readonly string[] {
  const columns = cells.map((cell) => cell.trim());
  const unnamed = columns.flatMap((column, index) => (column === '' ? [index + 1] : []));
  if (unnamed.length > 0) {
    throw refusal(
      name,
      `has columns without a name in its header line: column ${unnamed.slice(0, 10).join(', ')} of ${columns.length}`,
      'Give every column a name in the first line (pandas: to_csv(…, index=False)).',
    );
  }
  const twice = new Set(columns.filter((column, index) => columns.indexOf(column) !== index));
  if (twice.size > 0) {
    throw refusal(
      name,
      `has columns of the same name in its header line: ${[...twice].slice(0, 10).join(', ')}`,
      'Give every column a name of its own.',
    );
  }
  return columns;
}

function refusal(name: string, what: string, hint?: string): BatchrunError {
  return new BatchrunError('E_INPUT_FORMAT', `${name} ${what}`, hint === undefined ? {} : { hint });
}
