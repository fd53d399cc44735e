/**
 * The row files beside the chunk files: for each row of an input chunk, in the same order, one JSON line with what
 * the API must not see or cannot carry: the user's own id, where the row came from, the columns for the output.
 *
 * Skipped rows have lines of the same kind, with their problems, in rows/invalid.jsonl and rows/duplicates.jsonl.
 */
import { BatchrunError } from '../base/errors.ts';
import { BATCH_BYTES_MAX } from './limits.ts';
import { linesOf, type Line } from './lines.ts';
import type { RowProblem } from './source.ts';

export interface RowEntry {
  /** The user's custom_id, or the generated one. */
  readonly id: string;
  /** Line of the input, from 1. */
  readonly line: number;
  /** Index of the input file; absent for the first. */
  readonly file?: number;
  readonly columns?: Readonly<Record<string, unknown>>;
}

/** A row that was not sent (--on-invalid skip). */
export interface InvalidEntry extends RowEntry {
  readonly seq: number;
  readonly problems: readonly RowProblem[];
  /** The final params as far as they could be made, so that a mended row can be submitted again. */
  readonly params?: unknown;
}

/** One line with its line end. Keys in a fixed order; what is absent is left out. */
export function encodeRowEntry(entry: RowEntry): string {
  const { id, line, file = 0, columns } = entry;
  return rowEntryLine(JSON.stringify(id), line, file, columns === undefined ? '' : JSON.stringify(columns));
}

/** The same of parts that are JSON already; '' where there are no columns. */
export function rowEntryLine(idJson: string, line: number, file: number, columnsJson: string): string {
  const more = columnsJson === '' ? '' : `,"columns":${columnsJson}`;
  return `{"id":${idJson},"line":${line}${file === 0 ? '' : `,"file":${file}`}${more}}\n`;
}

const LINE_START = '{"id":"';
const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** The id of an encoded row entry as it stands there, in JSON; null where the line is none of ours. */
export function idJsonOf(line: Buffer): Buffer | null {
  if (line.toString('latin1', 0, LINE_START.length) !== LINE_START) return null;
  for (let at = LINE_START.length; at < line.length; at++) {
    const byte = line[at];
    if (byte === BACKSLASH) at++;
    else if (byte === QUOTE) return line.subarray(LINE_START.length - 1, at + 1);
  }
  return null;
}

export function encodeInvalidEntry(entry: InvalidEntry): string {
  return `${JSON.stringify(entry)}\n`;
}

/** `file` is named where the line is none of ours. */
export function decodeRowEntry(line: string, file = ROW_FILE): RowEntry {
  return decoded(line, file) as RowEntry;
}

export function decodeInvalidEntry(line: string, file = ROW_FILE): InvalidEntry {
  return decoded(line, file) as InvalidEntry;
}

const ROW_FILE = 'runs/<run>/rows';

function decoded(line: string, file: string): unknown {
  try {
    return JSON.parse(line);
  } catch (cause) {
    throw new BatchrunError('E_STATE_CORRUPT', `${file} is damaged: a line of it cannot be read`, { cause });
  }
}

/** A row has its params and its columns, and one record of an input holds both: a longer line is none of ours. */
const LINE_BYTES_MAX = 2 * BATCH_BYTES_MAX;

/** The lines of the bytes of such a file. */
export function rowFileLines(pieces: AsyncIterable<Buffer>): AsyncGenerator<Line> {
  return linesOf(pieces, {
    lineBytesMax: LINE_BYTES_MAX,
    tooLong: (bytes) => {
      throw new BatchrunError('E_STATE_CORRUPT', `a line of ${ROW_FILE} has more than ${bytes} bytes`);
    },
  });
}

/** The id of a row without one: `<line>` with one input, `<file>:<line>` (file from 1) with several. */
export function generatedId(file: number, line: number, inputCount: number): string {
  return inputCount > 1 ? `${file + 1}:${line}` : String(line);
}
