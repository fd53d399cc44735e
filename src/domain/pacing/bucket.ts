/**
 * The arithmetic of one pool of token buckets: pure, and the same for one process and for many. The script of the Redis
 * limiter says it once more in Lua; test/contract/limiter.suite.ts holds both to it.
 */
import {
  BUCKET_NAMES,
  windowMs,
  type Amounts,
  type BucketLimit,
  type BucketName,
  type Marks,
  type PoolLimits,
  type PoolView,
  type Sighting,
  type Taken,
  type TakeRequest,
} from './limiter.ts';

interface Bucket {
  limit: BucketLimit;
  level: number;
  /** Sum of all corrections by what the API said. */
  corrected: number;
}

interface Waiter {
  sinceMs: number;
  /** Asked again by then, or it has gone and nothing is kept for it. */
  untilMs: number;
  readonly amounts: Amounts;
}

export interface PoolState {
  readonly buckets: Map<BucketName, Bucket>;
  /** In the order in which they came. */
  readonly waiters: Map<string, Waiter>;
  atMs: number;
  pausedUntilMs: number;
}

/** The share of what flows in that is put aside for a call that waits. */
export const ASIDE_SHARE = 0.5;
/** A waiter that has not asked for so long has gone. */
export const WAITER_GONE_MS = 120_000;
/** A level is raised only by what the API shows above this share of the bucket: less is noise of calls under way. */
export const RAISE_FROM_SHARE = 0.05;
/** Levels are sums of fractions: what is short by less than this is there. */
const EPSILON = 1e-6;

export function newPool(nowMs: number): PoolState {
  return { buckets: new Map(), waiters: new Map(), atMs: nowMs, pausedUntilMs: 0 };
}

/** Lets flow in what has come since the last look. */
export function refill(pool: PoolState, nowMs: number): void {
  const elapsedMs = Math.max(0, nowMs - pool.atMs);
  for (const [name, bucket] of pool.buckets) {
    const { perWindow, capacity } = bucket.limit;
    bucket.level = Math.min(Math.max(capacity, bucket.level), bucket.level + (elapsedMs / windowMs(name)) * perWindow);
    bucket.level = Math.min(bucket.level, capacity);
  }
  pool.atMs = Math.max(pool.atMs, nowMs);
  for (const [id, waiter] of pool.waiters) if (waiter.untilMs < nowMs) pool.waiters.delete(id);
}

export function take(pool: PoolState, { amounts, waiter }: TakeRequest, nowMs: number): Taken {
  refill(pool, nowMs);
  if (nowMs < pool.pausedUntilMs) return { kind: 'wait', waitMs: pool.pausedUntilMs - nowMs, bucket: 'paused' };
  let waitMs = 0;
  let binding: BucketName = 'requests';
  for (const [name, bucket] of pool.buckets) {
    const short = shortOf(pool, name, bucket, { amounts, waiter, nowMs });
    if (short <= EPSILON) continue;
    const ms = (short / bucket.limit.perWindow) * windowMs(name);
    if (ms <= waitMs) continue;
    waitMs = ms;
    binding = name;
  }
  if (waitMs > 0) {
    if (waiter !== null) keepPlace(pool, waiter, amounts, nowMs + waitMs);
    return { kind: 'wait', waitMs: Math.max(1, Math.ceil(waitMs)), bucket: binding };
  }
  const marks: Record<string, Marks[BucketName]> = {};
  for (const [name, bucket] of pool.buckets) {
    bucket.level -= amounts[name] ?? 0;
    marks[name] = { level: bucket.level, corrected: bucket.corrected };
  }
  if (waiter !== null) pool.waiters.delete(waiter);
  return { kind: 'taken', marks };
}

/** What is missing in a bucket for this call, with what is put aside for those that wait longer than it. */
function shortOf(
  pool: PoolState,
  name: BucketName,
  bucket: Bucket,
  { amounts, waiter, nowMs }: { amounts: Amounts; waiter: string | null; nowMs: number },
): number {
  const wanted = amounts[name] ?? 0;
  if (wanted <= 0) return 0;
  // What is more than the bucket ever holds goes when it is full: else it could never go.
  const needed = Math.min(wanted, bucket.limit.capacity);
  return needed + asideOf(pool, name, bucket, { except: waiter, nowMs }) - bucket.level;
}

function asideOf(
  pool: PoolState,
  name: BucketName,
  bucket: Bucket,
  { except, nowMs }: { except: string | null; nowMs: number },
): number {
  let aside = 0;
  for (const [id, { sinceMs, amounts }] of pool.waiters) {
    // Those that came later put nothing aside against this one.
    if (id === except) break;
    const needed = Math.min(amounts[name] ?? 0, bucket.limit.capacity);
    const flowed = (ASIDE_SHARE * (nowMs - sinceMs) * bucket.limit.perWindow) / windowMs(name);
    aside += Math.min(needed, flowed);
  }
  return Math.min(aside, bucket.limit.capacity);
}

function keepPlace(pool: PoolState, id: string, amounts: Amounts, dueMs: number): void {
  const known = pool.waiters.get(id);
  const untilMs = dueMs + WAITER_GONE_MS;
  if (known) known.untilMs = untilMs;
  else pool.waiters.set(id, { sinceMs: pool.atMs, untilMs, amounts });
}

export function correct(pool: PoolState, amounts: Amounts, nowMs: number): void {
  refill(pool, nowMs);
  for (const [name, bucket] of pool.buckets) {
    bucket.level = Math.min(bucket.limit.capacity, bucket.level - (amounts[name] ?? 0));
  }
}

export function setLimits(pool: PoolState, limits: PoolLimits, levels: Amounts, nowMs: number): void {
  refill(pool, nowMs);
  for (const name of BUCKET_NAMES) {
    const limit = limits[name];
    const bucket = pool.buckets.get(name);
    if (!limit) pool.buckets.delete(name);
    else if (bucket) {
      bucket.limit = limit;
      bucket.level = Math.min(bucket.level, limit.capacity);
    } else {
      const level = Math.min(limit.capacity, levels[name] ?? limit.capacity);
      pool.buckets.set(name, { limit, level, corrected: 0 });
    }
  }
}

export function observe(pool: PoolState, sightings: readonly Sighting[], nowMs: number): void {
  refill(pool, nowMs);
  for (const { bucket: name, remaining, mark, underWay, roundedTo } of sightings) {
    const bucket = pool.buckets.get(name);
    if (!bucket) continue;
    // As the bucket would have stood when the call was paid, had all corrections since then been made before it.
    const expected = mark.level + bucket.corrected - mark.corrected;
    const difference = remaining - expected;
    let change = 0;
    if (difference < -roundedTo) change = difference + roundedTo;
    else {
      const sure = difference - roundedTo - underWay;
      if (sure > bucket.limit.capacity * RAISE_FROM_SHARE) change = sure;
    }
    bucket.level = Math.min(bucket.limit.capacity, bucket.level + change);
    bucket.corrected += change;
  }
}

export function drain(pool: PoolState, names: readonly BucketName[], nowMs: number): void {
  refill(pool, nowMs);
  for (const name of names) {
    const bucket = pool.buckets.get(name);
    if (!bucket || bucket.level <= 0) continue;
    bucket.corrected -= bucket.level;
    bucket.level = 0;
  }
}

export function pause(pool: PoolState, forMs: number, nowMs: number): void {
  refill(pool, nowMs);
  pool.pausedUntilMs = Math.max(pool.pausedUntilMs, nowMs + forMs);
}

export function view(pool: PoolState, nowMs: number): PoolView {
  refill(pool, nowMs);
  const buckets: Record<string, PoolView['buckets'][BucketName]> = {};
  for (const [name, bucket] of pool.buckets) {
    buckets[name] = {
      limit: bucket.limit,
      level: bucket.level,
      aside: asideOf(pool, name, bucket, { except: null, nowMs }),
    };
  }
  return { buckets, pausedMs: Math.max(0, pool.pausedUntilMs - nowMs) };
}
