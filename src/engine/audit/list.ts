/**
 * The API's list of batches as an audit reads it: page by page and never as a whole, however many there are. Of a page
 * it keeps what the ledger knows as its own, and what nobody knows and has as many requests as one of our chunks.
 */
import { LIST_PAGE_MAX, LIST_PAGES_MAX, RESULTS_KEPT_MS } from '../../domain/limits.ts';
import { requestCount, type BatchInfo } from '../../domain/model.ts';
import type { Store } from '../../domain/store.ts';
import type { AuditApi } from './api.ts';

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

/** The lists of all workspaces that the keys open. */
export async function scanList(
  api: AuditApi,
  store: Store,
  needs: ListNeeds,
  onPage: (listed: number) => void,
): Promise<ListScan> {
  const scan = new Scan(store, needs);
  for (const one of api.apis) {
    let afterId: string | null = null;
    for (let pages = 0; ; pages++) {
      if (pages >= LIST_PAGES_MAX) return scan.result(false);
      const page = await api.page(one, afterId, LIST_PAGE_MAX);
      for (const batch of page.batches) await scan.take(batch);
      onPage(scan.listed);
      const last = page.batches.at(-1);
      if (!page.hasMore || page.lastId === null || last === undefined) break;
      if (last.createdAtMs < horizonMs(api, needs)) break;
      afterId = page.lastId;
    }
  }
  return scan.result(true);
}

class Scan {
  readonly #store: Store;
  readonly #needs: ListNeeds;
  readonly #ours = new Map<string, BatchInfo>();
  readonly #candidates = new Map<string, BatchInfo>();
  #leftOut = false;
  listed = 0;

  constructor(store: Store, needs: ListNeeds) {
    this.#store = store;
    this.#needs = needs;
  }

  async take(batch: BatchInfo): Promise<void> {
    this.listed++;
    if (!this.#needs.sizes.has(requestCount(batch.counts))) return;
    const known = await this.#store.batch(batch.id);
    if (known !== null && known.runId !== null) this.#ours.set(batch.id, batch);
    else if (this.#candidates.size < CANDIDATES_MAX) this.#candidates.set(batch.id, batch);
    else this.#leftOut = true;
  }

  /** `atEnd`: every list was read as far back as it has to be. */
  result(atEnd: boolean): ListScan {
    const candidates = [...this.#candidates.values()];
    return { ours: this.#ours, candidates, listed: this.listed, complete: atEnd && !this.#leftOut };
  }
}

/** Older batches are older than the runs, or their results are gone: nothing of them can be told any more. */
function horizonMs(api: AuditApi, { oldestRunMs }: ListNeeds): number {
  return Math.max(oldestRunMs, api.nowMs() - RESULTS_KEPT_MS) - CLOCK_SLACK_MS;
}
