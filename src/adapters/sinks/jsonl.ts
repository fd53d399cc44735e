/**
 * `--format jsonl`: the line of the API's own results file, with the user's id in place of ours.
 *
 * The answer's bytes stay as they came and are not parsed (a million rows take seconds, not minutes). Rows without
 * a line get one in the same shape, so that a reader of the API's files reads this one too.
 */
import { invariant } from '../../base/errors.ts';
import { localErrorLine, renameResultLine } from '../../domain/result-line.ts';
import type { OutputRecord, RecordFormatter } from '../../domain/output-record.ts';
import { errorMessageOf, errorTypeOf, resultText } from './record.ts';

export function jsonlFormatter(): RecordFormatter {
  return { header: () => null, format: (record) => `${jsonlLine(record)}\n` };
}

function jsonlLine(record: OutputRecord): string {
  const line = resultText(record);
  if (line !== null) {
    invariant(record.wireId !== null, `row ${record.seq} has a result line but no wire id`);
    return renameResultLine(line, record.wireId, record.customId);
  }
  invariant(record.state !== 'succeeded', `row ${record.seq} succeeded but has no result line`);
  if (record.state === 'canceled' || record.state === 'expired') {
    return JSON.stringify({ custom_id: record.customId, result: { type: record.state } });
  }
  return localErrorLine(record.customId, errorTypeOf(record), errorMessageOf(record));
}
