/**
 * What became of one row, as programs get it. The names are those of `--format flat`.
 */
import type { OutputLane } from '../domain/output-record.ts';
import type { RowState } from '../domain/model.ts';

/** One row and what became of it. */
export interface ResultRow {
  /** Its own id, or the number of its line where it has none. */
  readonly custom_id: string;
  readonly status: RowState;
  /** The text of the answer; null where there is none. */
  readonly text: string | null;
  /** The blocks of an answer that is more than text (tool calls, thoughts); else null. */
  readonly content: unknown;
  readonly stop_reason: string | null;
  readonly model: string | null;
  /** Why it did not succeed: `invalid_request_error`, `expired`, `batchrun_schema:…`; null where it did. */
  readonly error_type: string | null;
  readonly error_message: string | null;
  readonly input_tokens: number | null;
  readonly output_tokens: number | null;
  readonly cache_creation_input_tokens: number | null;
  readonly cache_read_input_tokens: number | null;
  /** 0 for a row without an answer; null where the model has no known price. */
  readonly cost_usd: number | null;
  /** `copy`: the answer is that of another row, and cost nothing. */
  readonly lane: OutputLane | null;
  readonly attempts: number;
  /** What else the row had in the input. */
  readonly columns: Readonly<Record<string, unknown>>;
  /** The whole message of the API, where it was asked for with `messages: true`; else null. */
  readonly message: Readonly<Record<string, unknown>> | null;
}
