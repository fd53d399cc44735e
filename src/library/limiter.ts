/**
 * `import { createLimiter } from 'batchrun/limiter'`: the pacing of batchrun for your own calls of the Messages API.
 */
import { systemClock } from '../base/clock.ts';
import { systemRng } from '../base/random.ts';
import type { LimiterOptions } from './limiter-options.ts';
import { limiterOn, type Limiter } from './paced-calls.ts';

export { BatchrunError, isBatchrunError, type ErrorCode } from '../base/errors.ts';
export type { PoolSnapshot } from '../domain/pacing/snapshot.ts';
export type { TierName } from '../domain/pacing/tiers.ts';
export type { Priority } from '../domain/priority.ts';
export type { CallNote } from './limiter-answer.ts';
export type { LimiterKey } from './limiter-keys.ts';
export type { CallGiven } from './limiter-waiting.ts';
export type { Backoff, LimitCaps, LogEntry } from './options.ts';
export type { LimiterOptions, RunOptions } from './limiter-options.ts';
export type { KeySnapshot, Limiter, LimiterSnapshot } from './paced-calls.ts';

/** Nothing is opened before the first call. */
export function createLimiter(options: LimiterOptions = {}): Limiter {
  return limiterOn(options, { clock: systemClock, rng: systemRng });
}
