/**
 * What the ledger says of a run, as far as the API can be asked about it: the states of its chunks, its batches, the
 * creates that got no clear answer. It is taken before the list is read: a batch that is made meanwhile is asked for.
 */
import { isSent } from '../../domain/lanes.ts';
import type { AttemptRecord, BatchInfo, BatchRecord, ChunkState, RunRecord } from '../../domain/model.ts';
import type { Store } from '../../domain/store.ts';
import type { AuditApi } from './api.ts';
import { FindingList } from './report.ts';
import type { Engine } from '../engine.ts';

const PAGE = 1_000;

/** What is kept of a chunk: a few dozen bytes. */
export interface ChunkPicture {
  readonly state: ChunkState;
  readonly batchId: string | null;
  readonly rowCount: number;
}

export interface RunPicture {
  readonly run: RunRecord;
  readonly chunks: ReadonlyMap<number, ChunkPicture>;
  /** Row counts of its chunks that batches are made of. */
  readonly sizes: ReadonlySet<number>;
  readonly batches: readonly BatchRecord[];
  /** Attempts that got no clear answer, and that nobody has decided. */
  readonly doubts: readonly AttemptRecord[];
  readonly found: FindingList;
  /** Batches that may be of this run; nobody can tell yet. */
  readonly undecided: BatchInfo[];
  /** Chunks in doubt whose batch was found. */
  readonly settled: Set<number>;
}

export interface AuditScope {
  readonly engine: Engine;
  readonly api: AuditApi;
  /** A process drives this state now: what is in doubt is being settled. */
  readonly driven: boolean;
  /** A command of ours as it has to be typed here. */
  readonly command: (words: string) => string;
  /** A line about how far it is. */
  readonly tell: (text: string) => void;
}

export async function pictureOf(store: Store, run: RunRecord): Promise<RunPicture> {
  const chunks = new Map<number, ChunkPicture>();
  const sizes = new Set<number>();
  for (let afterNo = 0; ;) {
    const page = await store.chunks(run.id, { afterNo, limit: PAGE });
    const last = page.at(-1);
    if (!last) break;
    afterNo = last.chunkNo;
    for (const chunk of page) {
      const { chunkNo, state, batchId, rowCount } = chunk;
      chunks.set(chunkNo, { state, batchId, rowCount });
      // No batch is made of a copy chunk.
      if (isSent(chunk)) sizes.add(rowCount);
    }
  }
  const doubts: AttemptRecord[] = [];
  for (let afterId = 0; ;) {
    const page = await store.attempts(run.id, { states: ['open', 'uncertain'], afterId, limit: PAGE });
    const last = page.at(-1);
    if (!last) break;
    afterId = last.id;
    doubts.push(...page);
  }
  const batches = await store.batches(run.id);
  return { run, chunks, sizes, batches, doubts, found: new FindingList(), undecided: [], settled: new Set() };
}
