/**
 * `--errors FILE`: the rows that did not succeed, each with its reason and its original request.
 *
 * A line can be submitted again as it is: `custom_id`, `params` and `betas` are read as in any input, `error` is not
 * looked at. The params are the text that was sent, not a copy that was parsed and written again.
 */
import { jsonOnOneLine, messageText, readResultLine } from '../../domain/result-line.ts';
import type { OriginalRequest, OutputRecord } from '../../domain/output-record.ts';
import { errorMessageOf, errorTypeOf, isDeviant, resultText } from './record.ts';

export function errorsLine(record: OutputRecord & OriginalRequest): string {
  const betas = record.betas.length === 0 ? '' : `,"betas":${JSON.stringify(record.betas)}`;
  const error = JSON.stringify(reasonOf(record));
  const params = record.paramsJson === null ? 'null' : jsonOnOneLine(record.paramsJson);
  return `{"custom_id":${JSON.stringify(record.customId)},"params":${params}${betas},"error":${error}}\n`;
}

function reasonOf(record: OutputRecord): { type: string; message: string; status: string; answer?: string } {
  const text = resultText(record);
  const read = text === null ? null : readResultLine(text);
  const line = read?.line ?? null;
  const byState = record.state === 'expired' || record.state === 'canceled' ? record.state : errorTypeOf(record);
  return {
    type: record.errorType ?? line?.errorType ?? byState,
    message: record.errorMessage ?? line?.errorMessage ?? errorMessageOf(record),
    status: record.state,
    // It is paid, and does not follow the schema.
    ...(isDeviant(record) ? { answer: messageText(read?.message) } : {}),
  };
}
