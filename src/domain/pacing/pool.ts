/** What is kept of a pool of token buckets, and the two sums that all of its arithmetic is made of. */
import { windowMs, type Amounts, type BucketLimit, type BucketName } from './limiter.ts';

export interface Bucket {
  limit: BucketLimit;
  level: number;
  /** Of the level, what is kept for those that wait. */
  aside: number;
  bornMs: number;
  /** Sums over its life, for the marks: see `BucketMark`. */
  corrected: number;
  paid: number;
  returned: number;
}

export interface Waiter {
  /** Asked again by then, or it has gone and nothing is kept for it. */
  untilMs: number;
  amounts: Amounts;
}

export interface PoolState {
  /** Tells this pool from one of the same name that was lost or is kept elsewhere. */
  readonly life: string;
  readonly buckets: Map<BucketName, Bucket>;
  /** In the order in which they came. */
  readonly waiters: Map<string, Waiter>;
  atMs: number;
  pausedUntilMs: number;
}

export function newPool(nowMs: number, life = 'local'): PoolState {
  return { life, buckets: new Map(), waiters: new Map(), atMs: nowMs, pausedUntilMs: 0 };
}

export function flowIn(name: BucketName, { perWindow }: BucketLimit, ms: number): number {
  return (ms / windowMs(name)) * perWindow;
}

/** What a call needs of a bucket. What is more than it ever holds goes when it is full: else it could never go. */
export function neededOf({ capacity }: BucketLimit, amount = 0): number {
  return Math.min(Math.max(0, amount), capacity);
}
