/**
 * What a source of rows hands to ingest: records in input order, each with the place it came from. A record that
 * cannot be read is handed on with its problem, so that one bad line does not hide the next one.
 */

import type { Lane } from './lane.ts';
import type { RowMedia } from './media.ts';
import type { Priority } from './priority.ts';

/** One input record, as read and decoded but not yet understood. */
export interface SourceRecord {
  /** Index into the list of inputs. */
  readonly file: number;
  /** The line, from 1, on which the record begins. */
  readonly line: number;
  /** Of a JSON array: which element it is, from 1. Several may stand on one line. */
  readonly element?: number;
  /** The decoded JSON value, or for CSV an object of column -> text. Undefined when `problem` is set. */
  readonly value: unknown;
  /** Why the record could not be read: JSON or UTF-8 errors, too few columns, longer than the bound. */
  readonly problem?: RowProblem;
  /** Known to be ASCII without a backslash: no text in it needs escaping when it is written as JSON again. */
  readonly plain?: boolean;
}

/** Of an array it is the element that is counted: several may stand on one line. */
export function lineOf(record: SourceRecord): number {
  return record.element ?? record.line;
}

/** Why a row cannot be sent. Messages quote at most a few characters of the row. */
export interface RowProblem {
  /** Stable name, `json`, `utf8`, `missing_param`, `unsupported_param`, `duplicate_id`, …; in results as `batchrun_<code>`. */
  readonly code: string;
  readonly message: string;
}

export interface RowSource {
  /** The columns of a CSV header (of all inputs together, in order of first appearance); empty for JSON inputs. */
  readonly columns: readonly string[];
  /**
   * Batches of records in input order, each to be gone through once before the next is asked for: a batch may parse its
   * records as they are taken, so that few are alive at once. One pass; ends the reading when the consumer stops early.
   */
  records(): AsyncIterable<Iterable<SourceRecord>>;
  /** Bytes read from the inputs so far, as they lie on disk (compressed where they are), and the total if known. */
  progress(): { readonly readBytes: number; readonly totalBytes: number | null };
}

/** The rows of one input as they stand there, byte for byte. */
export interface RawRows {
  readonly format: 'jsonl' | 'csv' | 'json';
  /** Of a CSV, without its line end. */
  readonly header: Buffer | null;
  /** What ends a line there. */
  readonly lineEnd: string;
  /** Rows without their line ends, blank lines left out. Bytes are valid until the next batch is asked for. One pass. */
  rows(): AsyncIterable<readonly Buffer[]>;
}

/** A row that is ready to be sealed. */
export interface PreparedRow {
  /** The user's own id, or undefined where the row has none and gets its line number. */
  readonly customId: string | undefined;
  /** The final `params`, as JSON text. */
  readonly paramsJson: string;
  /** The params, the id and the columns are ASCII without a character that JSON escapes. */
  readonly plain: boolean;
  readonly model: string;
  readonly maxTokens: number;
  /** Sorted, without duplicates. They become one header of the whole batch. */
  readonly betas: readonly string[];
  /** The row's own; null where it has none: then that of its run counts. */
  readonly priority: Priority | null;
  /** It writes to the prompt cache, which costs more than plain input. */
  readonly caches: boolean;
  /** Tokens that the API puts before it at most (estimate/added-tokens.ts). */
  readonly addedTokens: number;
  /** Its images and PDFs (estimate/media-tokens.ts); null: none. */
  readonly media: RowMedia | null;
  /** The lane that its route has chosen; null: that of the run. */
  readonly lane: Lane | null;
  /** The route that took it; null: none. */
  readonly route: string | null;
  /** Input columns to carry to the output, or undefined where the record has none. */
  readonly columns: Readonly<Record<string, unknown>> | undefined;
}

/** Something worth saying once for all rows that it touches. */
export interface RowNotice {
  readonly code: string;
  readonly message: string;
}

export type RowReading =
  | { readonly ok: true; readonly row: PreparedRow; readonly notices: readonly RowNotice[] }
  | {
      readonly ok: false;
      readonly problems: readonly RowProblem[];
      /** As far as they could be made out, for the report of a skipped row. */
      readonly customId: string | undefined;
      readonly params: unknown;
      readonly columns: Readonly<Record<string, unknown>> | undefined;
    };
