/**
 * The first lines of a batch's results: the API's list does not show what is in a batch, so its custom_ids are the only
 * way to tell whose it is.
 */
import { BatchrunError } from '../base/errors.ts';
import { linesOf } from '../domain/lines.ts';
import { RESULT_LINE_BYTES_MAX } from '../domain/limits.ts';
import type { ApiFailure } from '../domain/failure-router.ts';
import { requestCount, type BatchInfo } from '../domain/model.ts';
import { parseResultLine, parseWireId } from '../domain/result-line.ts';
import type { ApiEngine } from './engine.ts';

/** Several, because one line that does not belong there must not make our batch a stranger's. */
const HEAD_LINES = 5;

/** The custom_ids; null when the results ended before they could have. Throws E_API when they cannot be had now. */
export async function readHead(
  { api, signal }: Pick<ApiEngine, 'api' | 'signal'>,
  batch: BatchInfo,
): Promise<readonly string[] | null> {
  const enough = new AbortController();
  const limits = { lineBytesMax: RESULT_LINE_BYTES_MAX, tooLong };
  const ids: string[] = [];
  try {
    for await (const line of linesOf(api.streamResults(batch, AbortSignal.any([signal, enough.signal])), limits)) {
      const wireId = parseResultLine(line.bytes.toString())?.wireId;
      if (wireId === undefined) break;
      ids.push(wireId);
      // An id of our kind says whose the batch is.
      if (parseWireId(wireId) !== null || ids.length >= HEAD_LINES) return ids;
    }
    return ids.length >= Math.min(requestCount(batch.counts), HEAD_LINES) ? ids : null;
  } finally {
    enough.abort();
  }
}

/** Of the shape of an answer that cannot be read, so that it is asked for again and does not end the driver. */
export function tooLong(bytes: number): never {
  const message = `a result line has more than ${bytes} bytes`;
  const failure: ApiFailure = {
    ...{ status: null, type: null, errorCode: null, retryAfterMs: null, shouldRetry: null, requestId: null },
    ...{ message, connection: null, unreadable: true },
  };
  throw new BatchrunError('E_API', message, { details: { failure } });
}
