/**
 * The API's list of batches as an audit reads it: page by page and never as a whole, however many there are. Of a page
 * it keeps what the ledger knows as its own, and what nobody knows and has as many requests as one of our chunks.
 */
import { LIST_PAGE_MAX, LIST_PAGES_MAX, RESULTS_KEPT_MS } from '../domain/limits.ts';
import { requestCount, type BatchInfo } from '../domain/model.ts';
import type { Store } from '../domain/store.ts';
import type { AuditApi } from './audit-api.ts';

/** The clock of a machine may be wrong by this much against the one that dates batches. */
export const CLOCK_SLACK_MS = 48 * 3_600_000;
/** Candidates are read one by one; of more, the workspace is full of batches that look like ours. */
const CANDIDATES_MAX = 2_000;

export interface ListNeeds {
  /** Row counts of chunks: a batch with another one is not ours. */
  readonly sizes: ReadonlySet<number>;
  /** When the oldest of the runs was made. */
  readonly oldestRunMs: number;
}

export interface ListScan {
  /** Batches of ours as the API describes them now. */
  readonly ours: ReadonlyMap<string, BatchInfo>;
  /** Batches that the ledger does not know as its own and that may be: newest first. */
  readonly candidates: readonly BatchInfo[];
  readonly listed: number;
  /** The list was read as far back as it has to be, and no candidate was left out. */
  readonly complete: boolean;
}

export async function scanList(
  api: AuditApi,
  store: Store,
  needs: ListNeeds,
  onPage: (listed: number) => void,
): Promise<ListScan> {
  const ours = new Map<string, BatchInfo>();
  const candidates = new Map<string, BatchInfo>();
  let listed = 0;
  let leftOut = false;
  let afterId: string | null = null;
  for (let pages = 0; pages < LIST_PAGES_MAX; pages++) {
    const page = await api.page(afterId, LIST_PAGE_MAX);
    for (const batch of page.batches) {
      listed++;
      if (!needs.sizes.has(requestCount(batch.counts))) continue;
      const known = await store.batch(batch.id);
      if (known !== null && known.runId !== null) ours.set(batch.id, batch);
      else if (candidates.size < CANDIDATES_MAX) candidates.set(batch.id, batch);
      else leftOut = true;
    }
    onPage(listed);
    const last = page.batches.at(-1);
    const end = !page.hasMore || page.lastId === null || last === undefined || last.createdAtMs < horizonMs(api, needs);
    if (end) return { ours, candidates: [...candidates.values()], listed, complete: !leftOut };
    afterId = page.lastId;
  }
  return { ours, candidates: [...candidates.values()], listed, complete: false };
}

/** Older batches are older than the runs, or their results are gone: nothing of them can be told any more. */
function horizonMs(api: AuditApi, { oldestRunMs }: ListNeeds): number {
  return Math.max(oldestRunMs, api.nowMs() - RESULTS_KEPT_MS) - CLOCK_SLACK_MS;
}
