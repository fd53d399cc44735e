/**
 * The line of calls that could not be paid at once. Half of what flows into a bucket is put aside for it, in the order in
 * which they came, so that a large call is paid within twice the time that it would wait alone, while small ones go past
 * it on the other half. What is put aside is a part of the level; it is one number for each bucket.
 *
 * As bucket.ts this is said once more in Lua.
 */
import { windowMs, type BucketLimit, type BucketName, type TakeRequest } from './limiter.ts';
import { flowIn, neededOf, type Bucket, type PoolState, type Waiter } from './pool.ts';

/** The share of what flows in that is put aside for calls that wait. */
export const ASIDE_SHARE = 0.5;
/** More than this many wait without a place: a line costs time with every step. */
export const WAITERS_MAX = 1_000;
/** Levels are sums of fractions: what is short by less than this is there. */
export const EPSILON = 1e-6;

/** Until a call can be paid, and the bucket that takes longest. */
export interface Wait {
  readonly ms: number;
  readonly bucket: BucketName;
}

/** Is all of it there, beside what is kept for those that came before? */
export function canPay(pool: PoolState, { amounts, waiter }: TakeRequest): boolean {
  for (const [name, bucket] of pool.buckets) {
    const needed = neededOf(bucket.limit, amounts[name]);
    const kept = Math.min(bucket.aside, sumOf(pool, name, bucket.limit, waiter));
    if (needed > 0 && needed + kept - bucket.level > EPSILON) return false;
  }
  return true;
}

/** What those need that came before this one; all, where it does not stand in the line. */
function sumOf(pool: PoolState, name: BucketName, limit: BucketLimit, before: string | null): number {
  let sum = 0;
  for (const [id, { amounts }] of pool.waiters) {
    if (id === before) break;
    sum += neededOf(limit, amounts[name]);
  }
  return sum;
}

/** A bucket as it will be when some of the line have been paid. */
interface Foreseen {
  readonly name: BucketName;
  readonly limit: BucketLimit;
  level: number;
  aside: number;
  /** What those need that are still before the call. */
  ahead: number;
}

/**
 * How long until a call is paid when nobody else comes and all that wait ask in time: it either goes past the first in
 * the line, or that one is paid and the same is asked again.
 */
export function untilPaid(pool: PoolState, { amounts, waiter }: TakeRequest): Wait {
  const buckets = [...pool.buckets].map(([name, { limit, level, aside }]): Foreseen => {
    const ahead = sumOf(pool, name, limit, waiter);
    return { name, limit, level, aside: Math.min(aside, ahead), ahead };
  });
  let passedMs = 0;
  for (const [id, first] of pool.waiters) {
    if (id === waiter) break;
    const past = longest(buckets, (bucket) => untilPast(bucket, amounts[bucket.name]));
    const turn = longest(buckets, (bucket) => untilThere(bucket, first.amounts[bucket.name]));
    if (past.ms <= turn.ms) return { ms: passedMs + past.ms, bucket: past.bucket };
    passedMs += turn.ms;
    for (const bucket of buckets) payFirst(bucket, first.amounts[bucket.name], turn.ms);
  }
  const own = longest(buckets, (bucket) => untilThere(bucket, amounts[bucket.name]));
  return { ms: passedMs + own.ms, bucket: own.bucket };
}

function longest(buckets: readonly Foreseen[], msOf: (bucket: Foreseen) => number): Wait {
  let found: Wait = { ms: -1, bucket: 'requests' };
  for (const bucket of buckets) {
    const ms = msOf(bucket);
    if (ms > found.ms) found = { ms, bucket: bucket.name };
  }
  return { ms: Math.max(0, found.ms), bucket: found.bucket };
}

/** With nobody before it. */
function untilThere({ name, limit, level }: Foreseen, amount: number | undefined): number {
  const short = neededOf(limit, amount) - level;
  return neededOf(limit, amount) > 0 && short > EPSILON ? msFor(name, limit, short) : 0;
}

/** Past those that are before it, on what is not put aside for them. */
function untilPast({ name, limit, level, aside, ahead }: Foreseen, amount: number | undefined): number {
  const needed = neededOf(limit, amount);
  const short = needed + aside - level;
  if (needed <= 0 || short <= EPSILON) return 0;
  // What is put aside grows as long as they need more.
  const ms = Math.min(msFor(name, limit, short) / (1 - ASIDE_SHARE), msFor(name, limit, needed + ahead - level));
  const asideThen = Math.min(aside + ASIDE_SHARE * flowIn(name, limit, ms), ahead);
  return needed + asideThen > limit.capacity + EPSILON ? Infinity : ms;
}

function msFor(name: BucketName, { perWindow }: BucketLimit, amount: number): number {
  return perWindow > 0 ? (amount / perWindow) * windowMs(name) : Infinity;
}

function payFirst(bucket: Foreseen, amount: number | undefined, afterMs: number): void {
  const { name, limit } = bucket;
  const needed = neededOf(limit, amount);
  // Where nothing flows in, nobody's turn comes, and an endless time times nothing is no number.
  const flow = limit.perWindow > 0 ? flowIn(name, limit, afterMs) : 0;
  bucket.level = Math.min(limit.capacity, bucket.level + flow) - Math.max(0, amount ?? 0);
  bucket.aside = Math.max(0, Math.min(bucket.aside + ASIDE_SHARE * flow, bucket.ahead) - needed);
  bucket.ahead = Math.max(0, bucket.ahead - needed);
}

/** What has flowed in, in half, for those that wait; never more than they need. */
export function growAside(pool: PoolState, name: BucketName, bucket: Bucket, flow: number): void {
  const most = Math.min(bucket.limit.capacity, sumOf(pool, name, bucket.limit, null));
  bucket.aside = Math.min(bucket.aside + ASIDE_SHARE * flow, most);
}

/**
 * A call takes its place at the end of the line, or keeps the one that it has. Of what is there as much is put aside as
 * must be, so that half of the flow makes up the rest within twice its wait; a bucket that is not short stays free.
 */
export function joinLine(
  pool: PoolState,
  { id, amounts, untilMs }: Waiter & { readonly id: string },
  waitMs: number,
): void {
  const place = pool.waiters.get(id);
  if (place) {
    place.untilMs = untilMs;
    place.amounts = amounts;
    return;
  }
  if (pool.waiters.size >= WAITERS_MAX || waitMs === Infinity) return;
  for (const [name, bucket] of pool.buckets) {
    const needed = neededOf(bucket.limit, amounts[name]);
    const sum = sumOf(pool, name, bucket.limit, null) + needed;
    const missing = sum - bucket.aside - flowIn(name, bucket.limit, waitMs);
    bucket.aside += Math.max(0, Math.min(missing, needed, bucket.level - bucket.aside));
  }
  pool.waiters.set(id, { untilMs, amounts });
}

/** It was paid or has gone: what was put aside for it is free. */
export function leaveLine(pool: PoolState, id: string): void {
  const place = pool.waiters.get(id);
  if (!place) return;
  for (const [name, bucket] of pool.buckets) {
    const needed = neededOf(bucket.limit, place.amounts[name]);
    const before = sumOf(pool, name, bucket.limit, id);
    bucket.aside -= Math.max(0, Math.min(bucket.aside - before, needed));
  }
  pool.waiters.delete(id);
}
