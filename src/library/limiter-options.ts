/**
 * What programs may set about a limiter and about one call.
 */
import type { PoolSnapshot } from '../domain/pacing/snapshot.ts';
import type { TierName } from '../domain/pacing/tiers.ts';
import type { Priority } from '../domain/priority.ts';
import type { LimiterKey } from './limiter-keys.ts';
import type { Backoff, LimitCaps, LogEntry } from './options.ts';

/** What is known of the account, and how patient calls are. */
export interface LimiterOptions {
  /** The tier of the account, where it is known: limits to begin with, until an answer says better. */
  readonly tier?: TierName;
  /** The most that is used of each limit; what is known to be lower counts. */
  readonly limits?: LimitCaps;
  /** The share of each limit that is left to other users of the account, from 0 to 1: 0 unless given. */
  readonly headroom?: number;
  /** Calls under way at once: 50 unless given; the limits decide how many really are. */
  readonly concurrency?: number;
  /** Keys that calls are given, one for each try. Without any a call sends what it has. */
  readonly keys?: readonly (string | LimiterKey)[];
  /** `redis://…`: limits are shared with all processes that name the same server, batchrun's own runs too. */
  readonly redis?: string;
  /** Tries of one call that count: 4 unless given. A 429 and a connection that was never made do not count. */
  readonly maxAttempts?: number;
  /** From when a call was asked for, tries included: 600,000 ms unless given. */
  readonly giveUpMs?: number;
  readonly backoff?: Backoff;
  /** Pools of an earlier snapshot: what was known of limits is known again. */
  readonly known?: readonly PoolSnapshot[];
  /** Told where Redis is away, and when it is back. What it throws ends no call. */
  readonly log?: (entry: LogEntry) => void;
}

/** What a call is: whose limits it takes from, how large it is, how urgent. */
export interface RunOptions {
  /** Which limits it takes from. */
  readonly model: string;
  /** How large it is. What answers really take is learnt, `max_tokens` is only the most that is expected. */
  readonly estimate: { readonly maxTokens: number } & (
    { readonly inputTokens: number } | { readonly requestBytes: number }
  );
  /** `normal` unless given. What waits moves up: a step for every minute. */
  readonly priority?: Priority;
  /** Calls of one kind, whose sizes say something about each other. */
  readonly group?: string;
  /** Ends the waiting; a call that is under way is given it. */
  readonly signal?: AbortSignal;
}
