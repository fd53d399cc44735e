/**
 * From the walk over a run to the rows that programs get (result-row.ts).
 */
import { fieldsOf } from '../adapters/sinks/fields.ts';
import { resultText } from '../adapters/sinks/record.ts';
import { readResultLine } from '../domain/result-line.ts';
import { toOutputRecord } from '../engine/output.ts';
import type { WalkedRow } from '../engine/walked-row.ts';
import type { ResultRow } from './result-row.ts';

export function toResultRow(row: WalkedRow, withMessage: boolean): ResultRow {
  const record = toOutputRecord(row);
  const text = withMessage ? resultText(record) : null;
  // The fields are a table by name; here each gets its type.
  const fields = fieldsOf(record) as Omit<ResultRow, 'custom_id' | 'columns' | 'message'>;
  return {
    custom_id: record.customId,
    ...fields,
    columns: record.columns ?? {},
    message: text === null ? null : (readResultLine(text)?.message ?? null),
  };
}
