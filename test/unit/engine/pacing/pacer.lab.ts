/** What the tests of pacing work with: the buckets of one process on a virtual clock, and what an API might say. */
import { VirtualClock } from '../../../../src/base/virtual-clock.ts';
import type { ApiFailure } from '../../../../src/domain/failure-router.ts';
import { NO_USAGE } from '../../../../src/domain/model.ts';
import { createLocalLimiter } from '../../../../src/domain/pacing/local-limiter.ts';
import type { BucketName, Limiter } from '../../../../src/domain/pacing/limiter.ts';
import type { CallSize } from '../../../../src/domain/pacing/forecast.ts';
import type { RateSeen, SeenBucketName } from '../../../../src/domain/pacing/rate-seen.ts';
import {
  Pacer,
  type Answered,
  type PacedKey,
  type PacerParts,
  type Ticket,
} from '../../../../src/engine/pacing/pacer.ts';
import { failureOf } from '../lab.ts';

export const A: PacedKey = { organization: 'org_a', label: 'sk-a' };
export const A2: PacedKey = { organization: 'org_a', label: 'sk-a2' };
export const B: PacedKey = { organization: 'org_b', label: 'sk-b' };
export const POOL = 'org_a|haiku_5.5';

export interface PacerLab {
  readonly pacer: Pacer;
  readonly clock: VirtualClock;
  readonly limiter: Limiter;
  /** Pools that were asked to pay, in order. */
  readonly asked: string[];
  /** Takes a call, which must be there. */
  go(size?: CallSize, keys?: readonly PacedKey[]): Promise<Ticket<PacedKey>>;
  /** As many calls as go at once, without an answer. */
  burst(keys?: readonly PacedKey[]): Promise<Ticket<PacedKey>[]>;
  level(bucket: BucketName, pool?: string): Promise<number | undefined>;
  perMinute(bucket: BucketName, pool?: string): Promise<number | undefined>;
}

export function pacerLab(parts: Partial<PacerParts> = {}): PacerLab {
  const clock = new VirtualClock();
  const local = createLocalLimiter(clock);
  const asked: string[] = [];
  const limiter: Limiter = {
    ...local,
    take: (request) => {
      asked.push(request.pool);
      return local.take(request);
    },
  };
  const pacer = new Pacer({ limiter, clock, caps: {}, headroom: 0, ...parts });
  const go = async (size: CallSize = call(), keys: readonly PacedKey[] = [A]): Promise<Ticket<PacedKey>> => {
    const taken = await pacer.take(size, keys, null);
    if (taken.kind === 'wait') throw new Error(`it has to wait ${taken.waitMs} ms for ${taken.bucket}`);
    return taken.ticket;
  };
  return {
    ...{ pacer, clock, limiter, asked, go },
    burst: async (keys = [A]) => {
      const tickets: Ticket<PacedKey>[] = [];
      for (;;) {
        const taken = await pacer.take(call(), keys, null);
        if (taken.kind === 'wait') return tickets;
        tickets.push(taken.ticket);
      }
    },
    level: async (bucket, pool = POOL) => (await limiter.view(pool))?.buckets[bucket]?.level,
    perMinute: async (bucket, pool = POOL) => (await limiter.view(pool))?.buckets[bucket]?.limit.perWindow,
  };
}

/** A small call: of its buckets that of requests is the narrow one. */
export function call(more: Partial<CallSize> = {}): CallSize {
  return { runId: 'run-1', model: 'claude-haiku-5-5', requestBytes: 40, maxTokens: 10, ...more };
}

/** Limits of all three buckets, and what is left. */
export function headers(
  limits: Partial<Record<SeenBucketName, number>>,
  left: Partial<Record<SeenBucketName, number>> = {},
  by: RateSeen['by'] = 'api',
): RateSeen {
  const names = new Set([...Object.keys(limits), ...Object.keys(left)]) as Set<SeenBucketName>;
  const buckets = Object.fromEntries(
    [...names].map((name) => [name, { limit: limits[name] ?? null, remaining: left[name] ?? null, resetMs: null }]),
  );
  return { organization: null, workspace: null, by, buckets };
}

export function answer(rates: RateSeen | null = null, inputTokens = 10, outputTokens = 10): Answered {
  return { usage: { ...NO_USAGE, inputTokens, outputTokens }, rates };
}

export function tooMany(message: string, more: Partial<ApiFailure> = {}): ApiFailure {
  return failureOf({ status: 429, type: 'rate_limit_error', message, ...more });
}
