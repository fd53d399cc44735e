/**
 * What the output is made from: one record for each input row, with everything that a format may need.
 *
 * The engine fills it from the ledger, the row file and the result file; a format (adapters/sinks) turns it into text.
 */
import type { TextBlock } from '../base/text-block.ts';
import type { Lane, OutputFormat, RowState } from './model.ts';
import type { AnswerColumn } from './schema/answer-columns.ts';

/** Where an answer came from; `copy`: it is that of another row, or of an earlier run, and cost nothing. */
export type OutputLane = Lane | 'copy';

export interface OutputRecord {
  readonly seq: number;
  /** The user's id, or the generated one. */
  readonly customId: string;
  /** The input columns that the row carried along. */
  readonly columns: Readonly<Record<string, unknown>> | undefined;
  readonly state: RowState;
  readonly lane: OutputLane | null;
  /** The API's line with the wire id, with or without its line end; null where the row has none. */
  readonly resultLine: Buffer | null;
  readonly wireId: string | null;
  readonly errorType: string | null;
  readonly errorMessage: string | null;
  readonly attempts: number;
}

export interface OriginalRequest {
  /** The params as JSON text; null where the row never had any that could be read. */
  readonly paramsJson: string | null;
  readonly betas: readonly string[];
}

/** The same of a row that succeeded, as the bytes that lie in its files. They are valid until the next row. */
export interface RawRecord {
  /** The API's line with the wire id, without its line end. */
  readonly resultLine: Buffer;
  readonly wireId: string;
  /** The user's id as JSON. */
  readonly idJson: Buffer;
}

/** A record as text. Everything that comes out ends with `\n`, the header too. */
export interface RecordFormatter {
  /** The first line of the output, or null where the format has none. */
  header(): string | null;
  format(record: OutputRecord): string;
  /**
   * What `format` gives for it, without making text of it. False where the block has no room, or the record is not of
   * the usual form: then `format` it.
   */
  appendRaw?(record: RawRecord, block: TextBlock): boolean;
}

export interface FormatterOptions {
  readonly format: OutputFormat;
  /** The input's columns in their order. */
  readonly columns: readonly string[];
  readonly defuseFormulas: boolean;
  /** The input column that gave the ids: the id field of `flat` and `csv` is called like it. Default `custom_id`. */
  readonly idColumnName?: string | undefined;
  /** The fields of answers that follow a schema. */
  readonly answer?: readonly AnswerColumn[] | undefined;
}

/** The door to the formats. */
export interface Formats {
  formatter(options: FormatterOptions): RecordFormatter;
  /** A line of the --errors file: the row's reason and its original request, which can be submitted again as it is. */
  errorsLine(record: OutputRecord & OriginalRequest): string;
}
