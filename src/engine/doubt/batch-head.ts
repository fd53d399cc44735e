/**
 * The first lines of a batch's results: the API's list does not show what is in a batch, so its custom_ids are the only
 * way to tell whose it is.
 */
import { linesOf } from '../../domain/lines.ts';
import { RESULT_LINE_BYTES_MAX } from '../../domain/limits.ts';
import { requestCount, type BatchInfo } from '../../domain/model.ts';
import { parseResultLine, parseWireId } from '../../domain/result-line.ts';
import type { ApiEngine } from '../engine.ts';
import { tooLong } from '../collect/result-proof.ts';

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
