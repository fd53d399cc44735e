/**
 * `--format jsonl`: the line of the API's own results file, with the user's id in place of ours.
 *
 * The answer's bytes stay as they came and are not parsed (a million rows take seconds, not minutes). Rows without
 * a line get one in the same shape, so that a reader of the API's files reads this one too.
 */
import { invariant } from '../../base/errors.ts';
import { localErrorLine, renameResultLine } from '../../domain/result-line.ts';
import type { TextBlock } from '../../base/text-block.ts';
import type { OutputRecord, RawRecord, RecordFormatter } from '../../domain/output-record.ts';
import { errorMessageOf, errorTypeOf, isDeviant, resultText } from './record.ts';

export function jsonlFormatter(): RecordFormatter {
  return { header: () => null, format: (record) => `${jsonlLine(record)}\n`, appendRaw };
}

const LINE_START = '{"custom_id":';
const LF = 0x0a;
const CR = 0x0d;

/** A slice of the result file with a slice of the row file in place of the wire id. */
function appendRaw({ resultLine, wireId, idJson }: RawRecord, block: TextBlock): boolean {
  const start = `${LINE_START}"${wireId}"`;
  const end = resultLine.length;
  // A line that begins otherwise, or has its line end in it, goes the long way.
  if (
    resultLine.toString('latin1', 0, start.length) !== start ||
    resultLine[end - 1] === LF ||
    resultLine[end - 1] === CR
  )
    return false;
  if (!block.hasRoomForBytes(LINE_START.length + idJson.length + end)) return false;
  block.appendAscii(LINE_START);
  block.appendBytes(idJson);
  block.appendBytes(resultLine.subarray(start.length));
  block.appendAscii('\n');
  return true;
}

/** An error in the API's shape, with the answer that is paid and does not follow the schema in its details. */
function deviantLine(record: OutputRecord, line: string): string {
  const { result } = JSON.parse(line) as { readonly result: { readonly message: unknown } };
  const details = { answer: result.message };
  return localErrorLine(record.customId, errorTypeOf(record), errorMessageOf(record), details);
}

function jsonlLine(record: OutputRecord): string {
  const line = resultText(record);
  if (line !== null) {
    invariant(record.wireId !== null, `row ${record.seq} has a result line but no wire id`);
    const renamed = renameResultLine(line, record.wireId, record.customId);
    return isDeviant(record) ? deviantLine(record, renamed) : renamed;
  }
  invariant(record.state !== 'succeeded', `row ${record.seq} succeeded but has no result line`);
  if (record.state === 'canceled' || record.state === 'expired') {
    return JSON.stringify({ custom_id: record.customId, result: { type: record.state } });
  }
  return localErrorLine(record.customId, errorTypeOf(record), errorMessageOf(record));
}
