/**
 * What the formats share: the text of a result line, and the reason of a row that has none. The record itself is
 * domain/output-record.ts. Nothing here reads files or keeps rows.
 */
import type { OutputRecord } from '../../domain/output-record.ts';
import { SCHEMA_ERROR } from '../../domain/schema-error.ts';

/** The API's line as text, without its line end; null where the row has none. */
export function resultText(record: OutputRecord): string | null {
  const line = record.resultLine;
  if (line === null) return null;
  let end = line.length;
  while (end > 0 && (line[end - 1] === 0x0a || line[end - 1] === 0x0d)) end--;
  return line.toString('utf8', 0, end);
}

/** A row whose line is an answer, and one that does not follow the run's schema. */
export function isDeviant({ state, errorType, resultLine }: OutputRecord): boolean {
  return state !== 'succeeded' && errorType === SCHEMA_ERROR && resultLine !== null;
}

/** The error type of a row without an answer that has none of its own. */
export function errorTypeOf(record: OutputRecord): string {
  if (record.errorType !== null) return record.errorType;
  if (record.state === 'invalid') return 'batchrun_invalid';
  return record.state === 'failed' ? 'batchrun_failed' : 'batchrun_not_finished';
}

/** The message of a row without an answer that has none of its own: a sentence, never empty. */
export function errorMessageOf(record: OutputRecord): string {
  if (record.errorMessage !== null) return record.errorMessage;
  if (record.state === 'invalid') return 'The row was not sent: it is not valid.';
  if (record.state === 'failed') return `The row failed: ${errorTypeOf(record)}.`;
  return `The row is ${record.state.replace('_', ' ')}.`;
}
