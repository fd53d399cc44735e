/**
 * The arithmetic of one pool of token buckets: pure, and the same for one process and for many. The script of the Redis
 * limiter (adapters/redis/script.ts) says it once more in Lua, line by line; test/contract/limiter-redis.test.ts holds
 * the two to the same answers.
 *
 * Calls that wait stand in a line (waiting-line.ts). Half of what flows in is put aside for them, first come first
 * served; the rest is for whoever asks.
 */
import {
  BUCKET_NAMES,
  MINUTE_MS,
  type Amounts,
  type BucketName,
  type Marks,
  type PoolLimits,
  type PoolView,
  type Sighting,
  type Taken,
  type TakeRequest,
} from './limiter.ts';
import { flowIn, type Bucket, type PoolState } from './pool.ts';
import { canPay, growAside, joinLine, leaveLine, untilPaid } from './waiting-line.ts';

/**
 * A level is raised only where the API shows more than this share of the bucket above it: less is noise. With a twentieth,
 * 900 rows at 600 a minute took 1.032 x the ideal time, with this 1.011, without a refusal (bench:pacing).
 */
export const RAISE_FROM_SHARE = 0.01;
/**
 * A waiter that is so much later than it was told to come has gone. A dead process holds up the others for no longer;
 * a living one is late by a busy event loop, or by one step on a slow server.
 */
export const WAITER_GONE_MS = MINUTE_MS / 4;
/** No wait is told longer than this: it is asked again, and a limit of nothing may have been changed. */
export const WAIT_MS_MAX = 60 * MINUTE_MS;

/** Lets flow in what has come since the last look, and strikes out those that have gone. */
export function refill(pool: PoolState, nowMs: number): void {
  const elapsedMs = Math.max(0, nowMs - pool.atMs);
  // A server's clock that was set back: what was to last so long still does, and no longer.
  const backMs = Math.max(0, pool.atMs - nowMs);
  pool.atMs = nowMs;
  pool.pausedUntilMs -= backMs;
  for (const waiter of pool.waiters.values()) waiter.untilMs -= backMs;
  for (const [id, waiter] of pool.waiters) if (waiter.untilMs < nowMs) leaveLine(pool, id);
  for (const [name, bucket] of pool.buckets) {
    const flow = flowIn(name, bucket.limit, elapsedMs);
    bucket.level = Math.min(bucket.limit.capacity, bucket.level + flow);
    growAside(pool, name, bucket, flow);
  }
}

export function take(pool: PoolState, request: TakeRequest, nowMs: number): Taken {
  refill(pool, nowMs);
  const { amounts, waiter } = request;
  if (nowMs < pool.pausedUntilMs) {
    const place = waiter === null ? undefined : pool.waiters.get(waiter);
    if (place) place.untilMs = pool.pausedUntilMs + WAITER_GONE_MS;
    return { kind: 'wait', waitMs: wholeMs(pool.pausedUntilMs - nowMs), bucket: 'paused' };
  }
  if (!canPay(pool, request)) {
    const { ms, bucket } = untilPaid(pool, request);
    const waitMs = wholeMs(ms);
    if (waiter !== null) joinLine(pool, { id: waiter, amounts, untilMs: nowMs + waitMs + WAITER_GONE_MS }, ms);
    return { kind: 'wait', waitMs, bucket };
  }
  if (waiter !== null) leaveLine(pool, waiter);
  return { kind: 'taken', marks: pay(pool, amounts) };
}

function pay(pool: PoolState, amounts: Amounts): Marks {
  const marks: Record<string, Marks[BucketName]> = {};
  for (const [name, bucket] of pool.buckets) {
    const amount = Math.max(0, amounts[name] ?? 0);
    bucket.level -= amount;
    bucket.paid += amount;
    const { level, corrected, paid, returned } = bucket;
    marks[name] = { life: pool.life, atMs: pool.atMs, level, corrected, paid, returned };
  }
  return marks;
}

function wholeMs(ms: number): number {
  return Math.min(WAIT_MS_MAX, Math.max(1, Math.ceil(ms)));
}

export function forget(pool: PoolState, waiter: string, nowMs: number): void {
  refill(pool, nowMs);
  leaveLine(pool, waiter);
}

export function correct(pool: PoolState, amounts: Amounts, nowMs: number): void {
  refill(pool, nowMs);
  for (const [name, bucket] of pool.buckets) {
    const amount = amounts[name] ?? 0;
    bucket.level = Math.min(bucket.limit.capacity, bucket.level - amount);
    if (amount > 0) bucket.paid += amount;
    else bucket.returned -= amount;
  }
}

export function setLimits(pool: PoolState, limits: PoolLimits, levels: Amounts, nowMs: number): void {
  refill(pool, nowMs);
  const before = new Map(pool.buckets);
  pool.buckets.clear();
  for (const name of BUCKET_NAMES) {
    const limit = limits[name];
    const bucket = before.get(name);
    if (!limit) continue;
    if (bucket) {
      pool.buckets.set(name, bucket);
      bucket.limit = limit;
      // What is cut off here is cut off at the API, too: answers to calls that were paid before must not do it again.
      moveLevel(bucket, bucket.level);
      bucket.aside = Math.min(bucket.aside, limit.capacity);
    } else {
      const level = Math.min(limit.capacity, levels[name] ?? limit.capacity);
      pool.buckets.set(name, { limit, level, aside: 0, bornMs: nowMs, corrected: 0, paid: 0, returned: 0 });
    }
  }
}

export function observe(pool: PoolState, sightings: readonly Sighting[], nowMs: number): void {
  refill(pool, nowMs);
  for (const sighting of sightings) {
    const bucket = pool.buckets.get(sighting.bucket);
    const { mark } = sighting;
    if (!bucket || mark.life !== pool.life || mark.atMs < bucket.bornMs) continue;
    const change = changeBy(bucket, sighting, nowMs);
    if (change !== 0) moveLevel(bucket, bucket.level + change);
  }
}

/**
 * When the API looked at its bucket is not known: at some instant between the payment here and now. In between other
 * calls were paid, took less than they had paid, or more, and more flowed in. Only what none of this explains is news.
 */
function changeBy(
  bucket: Bucket,
  { bucket: name, remaining, mark, underWay, roundedTo }: Sighting,
  nowMs: number,
): number {
  const level = mark.level + (bucket.corrected - mark.corrected);
  const least = level - (bucket.paid - mark.paid) - roundedTo;
  if (remaining < least) return remaining - least;
  const flow = flowIn(name, bucket.limit, Math.max(0, nowMs - mark.atMs));
  const most = level + (bucket.returned - mark.returned) + flow + underWay + roundedTo;
  return remaining - most > bucket.limit.capacity * RAISE_FROM_SHARE ? remaining - most : 0;
}

export function drain(pool: PoolState, names: readonly BucketName[], nowMs: number): void {
  refill(pool, nowMs);
  for (const name of names) {
    const bucket = pool.buckets.get(name);
    if (!bucket) continue;
    if (bucket.level > 0) moveLevel(bucket, 0);
    // What answers to calls from before say is older than the refusal.
    bucket.bornMs = nowMs + 1;
  }
}

/** Sets a level to what is known better now. Calls that were paid before are judged by it, too. */
function moveLevel(bucket: Bucket, to: number): void {
  const level = Math.min(bucket.limit.capacity, to);
  bucket.corrected += level - bucket.level;
  bucket.level = level;
}

export function pause(pool: PoolState, forMs: number, nowMs: number): void {
  refill(pool, nowMs);
  pool.pausedUntilMs = Math.max(pool.pausedUntilMs, nowMs + forMs);
}

export function view(pool: PoolState, nowMs: number): PoolView {
  refill(pool, nowMs);
  const buckets: Record<string, PoolView['buckets'][BucketName]> = {};
  for (const [name, { limit, level, aside }] of pool.buckets) buckets[name] = { limit, level, aside };
  return { buckets, pausedMs: Math.max(0, pool.pausedUntilMs - nowMs) };
}
