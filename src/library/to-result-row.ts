/**
 * From the walk over a run to the rows that programs get (result-row.ts).
 */
import { fieldsOf } from '../adapters/sinks/fields.ts';
import { resultText } from '../adapters/sinks/record.ts';
import { readResultLine } from '../domain/result-line.ts';
import { toOutputRecord } from '../engine/output/output.ts';
import type { WalkedRow } from '../engine/output/walked-row.ts';
import type { ResultRow } from './result-row.ts';
import { libraryText } from './words.ts';

export function toResultRow(row: WalkedRow, withMessage: boolean): ResultRow {
  const record = toOutputRecord(row);
  const text = withMessage ? resultText(record) : null;
  // The fields are a table by name; here each gets its type.
  const fields = fieldsOf(record) as Omit<ResultRow, 'custom_id' | 'columns' | 'message'>;
  return {
    custom_id: record.customId,
    ...fields,
    error_message: ownText(fields),
    columns: record.columns ?? {},
    message: text === null ? null : (readResultLine(text)?.message ?? null),
  };
}

/** What the API says stays as it came. */
function ownText({
  error_type: type,
  error_message: message,
}: Pick<ResultRow, 'error_type' | 'error_message'>): string | null {
  return message !== null && type?.startsWith('batchrun_') === true ? libraryText(message) : message;
}
