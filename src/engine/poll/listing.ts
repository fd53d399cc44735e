/**
 * One look at the API's list of batches, newest first, as far back as somebody needs: to the oldest batch that is
 * followed, and to the baseline of the oldest attempt in doubt. One pass serves polling and reconciling.
 */
import { LIST_PAGE_MAX, LIST_PAGES_MAX } from '../../domain/limits.ts';
import type { AttemptRecord, BatchInfo } from '../../domain/model.ts';
import type { ApiEngine } from '../engine.ts';

/** Where the baseline is gone from the list, batches made this long before the attempt are surely older. */
const CLOCK_SLACK_MS = 48 * 3_600_000;

export interface ListingNeeds {
  /** Batches that are followed: the listing ends when all have been seen. */
  readonly batchIds: ReadonlySet<string>;
  readonly attempts: readonly AttemptRecord[];
  /** Creation time of the oldest batch that is followed: older pages cannot hold one. */
  readonly oldestBatchMs: number | null;
}

export class BatchListing {
  readonly batches: readonly BatchInfo[];
  /** When the first page was asked for, on the clock that never jumps. */
  readonly startedAtMs: number;
  /** The list was read to its end. */
  readonly complete: boolean;
  readonly retryAfterMs: number | null;
  /** The API's clock when it answered the first page, or null where it does not say. */
  readonly serverAtMs: number | null;
  /** Calls that it took. */
  readonly pages: number;
  readonly #positions: ReadonlyMap<string, number>;

  constructor(parts: {
    batches: readonly BatchInfo[];
    startedAtMs: number;
    complete: boolean;
    retryAfterMs: number | null;
    serverAtMs: number | null;
    pages?: number;
  }) {
    this.pages = parts.pages ?? 1;
    this.batches = parts.batches;
    this.startedAtMs = parts.startedAtMs;
    this.complete = parts.complete;
    this.retryAfterMs = parts.retryAfterMs;
    this.serverAtMs = parts.serverAtMs;
    this.#positions = new Map(parts.batches.map((batch, at) => [batch.id, at]));
  }

  get(id: string): BatchInfo | undefined {
    const at = this.#positions.get(id);
    return at === undefined ? undefined : this.batches[at];
  }

  /** Batches that may come from one of these attempts: newer than the oldest baseline. */
  newerThan(attempts: readonly AttemptRecord[]): readonly BatchInfo[] {
    return this.batches.slice(0, Math.max(...attempts.map((attempt) => this.#end(attempt))));
  }

  /** Does the listing reach back to the baseline of this attempt? */
  covers(attempt: AttemptRecord): boolean {
    if (this.complete) return true;
    if (attempt.baselineBatchId === null) return false;
    return this.#positions.has(attempt.baselineBatchId) || this.#firstOlder(attempt) !== -1;
  }

  #end(attempt: AttemptRecord): number {
    // The list was empty before it: every batch is newer.
    if (attempt.baselineBatchId === null) return this.batches.length;
    const baseline = this.#positions.get(attempt.baselineBatchId);
    if (baseline !== undefined) return baseline;
    const older = this.#firstOlder(attempt);
    return older === -1 ? this.batches.length : older;
  }

  /**
   * Where the baseline is gone it goes by time: by the API's at the first look after the attempt where that is the
   * earlier one, because a clock that is days ahead here would make the very batch that is looked for an older one.
   */
  #firstOlder({ startedAtMs, doubtSinceMs }: AttemptRecord): number {
    const seenAtMs = doubtSinceMs ?? this.serverAtMs ?? startedAtMs;
    const surelyOlderMs = Math.min(startedAtMs, seenAtMs) - CLOCK_SLACK_MS;
    return this.batches.findIndex((batch) => batch.createdAtMs < surelyOlderMs);
  }
}

export async function listBatches(engine: ApiEngine, needs: ListingNeeds): Promise<BatchListing> {
  const startedAtMs = engine.clock.monotonicMs();
  const batches: BatchInfo[] = [];
  const missing = new Set(needs.batchIds);
  let afterId: string | null = null;
  let retryAfterMs: number | null = null;
  let serverAtMs: number | null = null;
  for (let pages = 0; pages < LIST_PAGES_MAX; pages++) {
    const page = await engine.api.listBatches({ afterId, limit: LIST_PAGE_MAX, signal: engine.signal });
    batches.push(...page.batches);
    serverAtMs ??= page.serverTimeMs;
    for (const batch of page.batches) missing.delete(batch.id);
    if (page.retryAfterMs !== null) retryAfterMs = Math.max(retryAfterMs ?? 0, page.retryAfterMs);
    const complete = !page.hasMore || page.lastId === null;
    const listing = new BatchListing({
      ...{ batches, startedAtMs, complete, retryAfterMs, serverAtMs },
      pages: pages + 1,
    });
    if (complete || isEnough(listing, needs, missing)) return listing;
    afterId = page.lastId;
  }
  return new BatchListing({ batches, startedAtMs, complete: false, retryAfterMs, serverAtMs });
}

function isEnough(listing: BatchListing, needs: ListingNeeds, missing: ReadonlySet<string>): boolean {
  if (!needs.attempts.every((attempt) => listing.covers(attempt))) return false;
  const oldest = listing.batches.at(-1)?.createdAtMs;
  const beyond = needs.oldestBatchMs !== null && oldest !== undefined && oldest < needs.oldestBatchMs;
  return missing.size === 0 || beyond;
}
