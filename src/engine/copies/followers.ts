/**
 * Rows of copy chunks that `batchrun retry` wants again. The row whose answer they take is asked again, not they: they
 * wait for it in a copy chunk of retries, so that of rows that ask the same one is paid, however often it is tried.
 */
import { decodeLeaders } from '../../domain/leaders.ts';
import type { RowRecord, RunRecord } from '../../domain/model.ts';
import type { Store } from '../../domain/store.ts';
import { isHomeBlocked, readHome } from '../retry/home-chunk.ts';
import { RequestReader, type OpenedChunk } from '../retry/requests.ts';
import { RetryChunks } from '../retry/retry-chunks.ts';
import type { Session } from '../session.ts';

/** Row records read at a time. */
const PAGE_ROWS = 1_000;

/** Gives how many chunks were sealed. */
export async function sealFollowers(session: Session, run: RunRecord): Promise<number> {
  const { store, files } = session.engine;
  if (run.settings.coalesce?.dedupe !== true) return 0;
  const inputs = await store.chunks(run.id, { kind: 'input' });
  const homes = new Set(inputs.filter((chunk) => chunk.answers === 'rows').map((chunk) => chunk.chunkNo));
  if (homes.size === 0) return 0;
  const requests = new RequestReader(store, files);
  const chunks = new RetryChunks(session, run, requests);
  const leaders = new HomeLeaders(store);
  try {
    for (let afterSeq = -1; ;) {
      const rows = await store.rowRecords(run.id, { states: ['retry'], afterSeq, limit: PAGE_ROWS });
      const last = rows.at(-1);
      if (!last) return await chunks.sealAll();
      afterSeq = last.seq;
      for (const row of rows) {
        if (!homes.has(row.homeChunkNo) || isHomeBlocked(session, row)) continue;
        const home = await readHome(session, row, () => requests.chunk(run.id, row.homeChunkNo));
        if (home) await chunks.add(row, home.chunk, await leaders.of(row, home));
      }
    }
  } finally {
    await chunks.abort();
    await requests.close();
  }
}

/** Rows come in the order of the input, and so do their chunks: the list of one is at hand. */
class HomeLeaders {
  readonly #store: Store;
  #chunkNo = -1;
  #leaders: Float64Array = new Float64Array(0);

  constructor(store: Store) {
    this.#store = store;
  }

  async of({ runId, homeChunkNo, homeIndex }: RowRecord, { index }: OpenedChunk): Promise<number> {
    if (this.#chunkNo !== homeChunkNo) {
      const { leaders } = await this.#store.chunkIndex(runId, homeChunkNo);
      this.#leaders = decodeLeaders(leaders ?? new Uint8Array(), index.seqs);
      this.#chunkNo = homeChunkNo;
    }
    return this.#leaders[homeIndex] ?? -1;
  }
}
