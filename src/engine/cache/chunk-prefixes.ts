/**
 * Which shared prefixes the rows of a chunk are marked with. A few rows are looked at, spread over the chunk: a prefix that
 * none of them has is that of few rows, and they write it themselves.
 */
import { isBatchrunError } from '../../base/errors.ts';
import { readMarkedRow, type MarkedRow } from '../../domain/cache/warm-up.ts';
import type { ChunkRecord } from '../../domain/model.ts';
import type { JsonObject } from '../../domain/row/shape.ts';
import type { Engine } from '../engine.ts';
import { RequestReader } from '../retry/requests.ts';

const ROWS_LOOKED_AT = 16;

export interface CarriedPrefix {
  readonly marked: MarkedRow;
  /** Rows of the chunk that have it, by the share of those that were looked at. */
  readonly rows: number;
  /** UTF-8 bytes of a whole request with it, on average. */
  readonly requestBytes: number;
}

/** By key; nothing where the file of the chunk cannot be read: whoever sends it finds that out. */
export async function prefixesOf(
  { store, files }: Pick<Engine, 'store' | 'files'>,
  chunk: ChunkRecord,
): Promise<ReadonlyMap<string, CarriedPrefix>> {
  const requests = new RequestReader(store, files);
  const seen = new Map<string, { marked: MarkedRow; times: number; bytes: number }>();
  const count = Math.min(ROWS_LOOKED_AT, chunk.rowCount);
  try {
    for (let nth = 0; nth < count; nth++) {
      const homeIndex = Math.floor(((nth + 0.5) * chunk.rowCount) / count);
      const { paramsJson } = await requests.params(chunk.runId, { homeChunkNo: chunk.chunkNo, homeIndex });
      const marked = readMarkedRow(JSON.parse(paramsJson) as JsonObject);
      if (!marked) continue;
      const known = seen.get(marked.key) ?? { marked, times: 0, bytes: 0 };
      seen.set(marked.key, known);
      known.times++;
      known.bytes += Buffer.byteLength(paramsJson);
    }
  } catch (error) {
    const isDamage = isBatchrunError(error, 'E_STATE_CORRUPT') || isBatchrunError(error, 'E_FILE');
    if (!isDamage && !(error instanceof SyntaxError)) throw error;
    return new Map();
  } finally {
    await requests.close();
  }
  const carried = [...seen].map(([key, { marked, times, bytes }]): [string, CarriedPrefix] => {
    const rows = Math.round((chunk.rowCount * times) / count);
    return [key, { marked, rows, requestBytes: bytes / times }];
  });
  return new Map(carried);
}
