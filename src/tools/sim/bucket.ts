/**
 * One token bucket, refilled continuously from the clock (facts 3.3). What it takes in a minute or a day may change
 * while it stands: it keeps its level, as far as the new capacity has room for it.
 *
 * A bucket may go below zero where the true cost is known only afterwards (output tokens).
 */

export type BucketKind = 'requests' | 'input' | 'output' | 'tokens' | 'day';

export interface Bucket {
  readonly kind: BucketKind;
  perWindow: number;
  capacity: number;
  level: number;
  updatedAtMs: number;
}

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;

function windowMs(kind: BucketKind): number {
  return kind === 'day' ? DAY_MS : MINUTE_MS;
}

/** What it holds at most: all that comes in its window, or less where it is enforced in smaller steps. */
function capacityOf(kind: BucketKind, perWindow: number, burstMs: number | null): number {
  if (burstMs === null || kind === 'day') return perWindow;
  return Math.max(1, Math.min(perWindow, (perWindow * burstMs) / MINUTE_MS));
}

/** A new one is full. */
export function newBucket(kind: BucketKind, perWindow: number, burstMs: number | null, nowMs: number): Bucket {
  const capacity = capacityOf(kind, perWindow, burstMs);
  return { kind, perWindow, capacity, level: capacity, updatedAtMs: nowMs };
}

/** Lets flow in what has come since the last look. */
export function refill(bucket: Bucket, nowMs: number): void {
  const elapsedMs = Math.max(0, nowMs - bucket.updatedAtMs);
  bucket.level = Math.min(bucket.capacity, bucket.level + (elapsedMs / windowMs(bucket.kind)) * bucket.perWindow);
  bucket.updatedAtMs = nowMs;
}

/** From the last look on another limit holds. */
export function adopt(bucket: Bucket, perWindow: number, burstMs: number | null): void {
  if (bucket.perWindow === perWindow) return;
  bucket.perWindow = perWindow;
  bucket.capacity = capacityOf(bucket.kind, perWindow, burstMs);
  bucket.level = Math.min(bucket.level, bucket.capacity);
}

/** Until it holds so much. What is more than it ever holds is there when it is full: else it could never go. */
export function waitMs(bucket: Bucket, wanted: number): number {
  // A limit of nothing lets nothing through; it may be another one later.
  if (bucket.perWindow <= 0) return wanted > 0 ? windowMs(bucket.kind) : 0;
  const needed = Math.min(wanted, bucket.capacity);
  return bucket.level >= needed ? 0 : ((needed - bucket.level) / bucket.perWindow) * windowMs(bucket.kind);
}

/** Below zero takes, above gives; never more than it holds. */
export function change(bucket: Bucket, by: number): void {
  bucket.level = Math.min(bucket.capacity, bucket.level + by);
}

export function fullInMs(bucket: Bucket): number {
  return waitMs(bucket, bucket.capacity);
}
