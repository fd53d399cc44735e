/**
 * What is known of the account's limits and of their use: kept in the ledger by whoever drives, so that the next process
 * does not begin from nothing, and so that `status`, `limits` and the metrics have something to show.
 */
import type { BucketName } from './limiter.ts';

/**
 * Where a limit is known from. `flag`: the user; `admin`: the Admin API; `headers`: an answer; `refusal`: a 429 that named
 * it; `tier`: the table of tiers, by another limit of the account; `assumed`: nothing is known yet, and little is taken.
 */
export type LimitSource = 'flag' | 'admin' | 'headers' | 'refusal' | 'tier' | 'assumed';

/** `queue`: requests in batches that are not processed yet; `batches`: batches open at once. */
export type LimitName = BucketName | 'queue' | 'batches';

export interface KnownLimit {
  readonly name: LimitName;
  /** In a minute (`day`: in a day; `queue`, `batches`: at once). */
  readonly value: number;
  readonly source: LimitSource;
  readonly atMs: number;
}

/** What one key used in one minute of one pool. */
export interface MinuteUse {
  /** Minutes since 1970. */
  readonly minute: number;
  readonly requests: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** Answers with 429. */
  readonly refused: number;
  /** Calls that failed in passing and are made again, refused ones included. */
  readonly retried: number;
}

export interface KeyUse {
  /** The key as people see it, masked. */
  readonly key: string;
  /** The last hour, oldest first; minutes without a call are left out. */
  readonly minutes: readonly MinuteUse[];
}

export interface LatencyView {
  readonly calls: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
}

/** What is known of the limits of one organization and class of models, and of their use. */
export interface PoolSnapshot {
  /** `<organization>|<class>`; the batch endpoints of an organization are the class `batches`. */
  readonly pool: string;
  readonly organization: string;
  readonly rateClass: string;
  readonly atMs: number;
  readonly limits: readonly KnownLimit[];
  readonly levels: Readonly<Partial<Record<BucketName, number>>>;
  /** Requests and batches that are open at the API; for the class `batches`. */
  readonly open: { readonly batches: number; readonly requests: number } | null;
  readonly pausedUntilMs: number | null;
  readonly use: readonly KeyUse[];
  /** Of the calls of the process that wrote this. */
  readonly latency: LatencyView | null;
  readonly mode: 'local' | 'shared' | 'alone';
}
