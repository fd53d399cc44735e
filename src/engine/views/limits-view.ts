/**
 * What is known of the account's limits and how much of them is used, as people and scripts see it: the shape of
 * `--json`, from the ledger alone. Fields may be added, never removed; what is not known is null.
 */
import type { KnownLimit } from '../../domain/pacing/snapshot.ts';
import { NO_USE, sum, UseRing, type UseCounts } from '../../domain/pacing/use-ring.ts';
import type { PoolRecord } from '../../domain/store-steps.ts';

export interface LimitsView {
  /** `<organization>|<class of models>`; the batch endpoints are a class of their own. */
  readonly pool: string;
  readonly organization: string;
  readonly rate_class: string;
  readonly base_url: string;
  /** When a driver last wrote this down. */
  readonly as_of: string;
  /** `local`: the buckets of one process; `shared`: of many; `alone`: of many, and the server is away. */
  readonly mode: string;
  readonly limits: readonly LimitView[];
  readonly open: { readonly batches: number; readonly requests: number } | null;
  readonly paused_until: string | null;
  readonly use: { readonly last_minute: UseView; readonly last_hour: UseView };
  readonly keys: readonly { readonly key: string; readonly last_minute: UseView; readonly last_hour: UseView }[];
  readonly latency_ms: {
    readonly calls: number;
    readonly p50: number;
    readonly p95: number;
    readonly p99: number;
  } | null;
}

export interface LimitView {
  readonly name: string;
  readonly value: number;
  /** `minute`, `day`, or `at_once`. */
  readonly per: string;
  readonly source: string;
  readonly known_at: string;
  /** What is left in the bucket, as the limiter counts it. */
  readonly level: number | null;
  readonly used: number | null;
  /** `used` as a share of `value`. */
  readonly share: number | null;
  readonly warning: boolean;
}

export interface UseView {
  readonly requests: number;
  readonly input_tokens: number;
  readonly output_tokens: number;
  readonly refused: number;
  readonly retried: number;
}

/** From this share of a limit on it is worth a warning. */
const WARN_SHARE = 0.8;
const NEWS_SHARE = 0.5;
const MINUTE_MS = 60_000;

export function viewLimits(pools: readonly PoolRecord[], nowMs: number): LimitsView[] {
  return pools.map((pool) => viewPool(pool, nowMs));
}

/** Pools that somebody used in the last hour. */
export function usedLately(views: readonly LimitsView[]): LimitsView[] {
  return views.filter((view) => view.use.last_hour.requests > 0 && (view.rate_class !== 'batches' || isPressed(view)));
}

/** Every run makes a few batch calls; they are news only where something comes near its limit. */
function isPressed(view: LimitsView): boolean {
  return view.limits.some(({ share }) => share !== null && share >= NEWS_SHARE);
}

function viewPool(pool: PoolRecord, nowMs: number): LimitsView {
  const atMs = lookAtMs(pool, nowMs);
  const keys = pool.use.map(({ key, minutes }) => {
    const ring = UseRing.fromJson(minutes);
    return { key, minute: ring.lastMinute(atMs), hour: ring.lastHour(atMs) };
  });
  const minute = keys.reduce((all, one) => sum(all, one.minute), NO_USE);
  const hour = keys.reduce((all, one) => sum(all, one.hour), NO_USE);
  const { pausedUntilMs } = pool;
  return {
    pool: pool.pool,
    organization: pool.organization,
    rate_class: pool.rateClass,
    base_url: pool.origin,
    as_of: iso(pool.atMs),
    mode: pool.mode,
    limits: pool.limits.map((limit) => viewLimit(pool, limit, minute)),
    open: pool.open,
    paused_until: pausedUntilMs !== null && pausedUntilMs > nowMs ? iso(pausedUntilMs) : null,
    use: { last_minute: viewUse(minute), last_hour: viewUse(hour) },
    keys: keys.map((one) => ({ key: one.key, last_minute: viewUse(one.minute), last_hour: viewUse(one.hour) })),
    latency_ms: pool.latency && {
      calls: pool.latency.calls,
      p50: pool.latency.p50Ms,
      p95: pool.latency.p95Ms,
      p99: pool.latency.p99Ms,
    },
  };
}

/**
 * A driver writes every few seconds. The minute before it last wrote is what it used; to look at the minute before now
 * would take the seconds since then for idle ones. After a minute they are.
 */
function lookAtMs(pool: PoolRecord, nowMs: number): number {
  const ageMs = nowMs - pool.atMs;
  return ageMs >= 0 && ageMs < MINUTE_MS ? pool.atMs : nowMs;
}

function viewLimit(pool: PoolRecord, limit: KnownLimit, minute: UseCounts): LimitView {
  const level = limit.name === 'queue' || limit.name === 'batches' ? null : (pool.levels[limit.name] ?? null);
  const used = usedOf(pool, limit, minute);
  const share = used === null || limit.value <= 0 ? null : Math.round((used / limit.value) * 1_000) / 1_000;
  return {
    name: limit.name,
    value: limit.value,
    per: limit.name === 'day' ? 'day' : limit.name === 'queue' || limit.name === 'batches' ? 'at_once' : 'minute',
    source: limit.source,
    known_at: iso(limit.atMs),
    level: level === null ? null : Math.round(level),
    used,
    share,
    warning: share !== null && share >= WARN_SHARE,
  };
}

function usedOf(pool: PoolRecord, { name, value }: KnownLimit, minute: UseCounts): number | null {
  switch (name) {
    case 'requests':
      return Math.round(minute.requests);
    case 'input':
      return Math.round(minute.inputTokens);
    case 'output':
      return Math.round(minute.outputTokens);
    case 'tokens':
      return Math.round(minute.inputTokens + minute.outputTokens);
    case 'day': {
      // An hour is kept, not a day: what is missing in the bucket is what was used of it and has not come back.
      const level = pool.levels.day;
      return level === undefined ? null : Math.max(0, Math.round(value - level));
    }
    case 'queue':
      return pool.open?.requests ?? null;
    case 'batches':
      return pool.open?.batches ?? null;
  }
}

function viewUse(use: UseCounts): UseView {
  return {
    requests: Math.round(use.requests),
    input_tokens: Math.round(use.inputTokens),
    output_tokens: Math.round(use.outputTokens),
    refused: Math.round(use.refused),
    retried: Math.round(use.retried),
  };
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
