/**
 * What a plan takes for the limits of an account: what was named, asked, learnt, or assumed, in this order.
 */
import { describe, expect, it } from 'vitest';
import { TIERS } from '../../../../src/domain/pacing/tiers.ts';
import type { AdminLimits } from '../../../../src/domain/pacing/admin-limits.ts';
import type { KnownLimit } from '../../../../src/domain/pacing/snapshot.ts';
import type { PoolRecord } from '../../../../src/domain/store-steps.ts';
import { planAccount } from '../../../../src/tools/plan/account.ts';

const MODEL = 'claude-haiku-5-5';
const NOTHING = { tier: undefined, admin: null, pools: [], history: [] };

function pool(rateClass: string, limits: Record<string, number>, more: Partial<PoolRecord> = {}): PoolRecord {
  const { source = 'headers', ...values } = limits as Record<string, number> & { source?: KnownLimit['source'] };
  return {
    ...{ origin: 'http://api', pool: `org|${rateClass}`, organization: 'org', rateClass, atMs: 0, levels: {}, use: [] },
    ...{ open: null, pausedUntilMs: null, latency: null, mode: 'local' },
    limits: Object.entries(values).map(([name, value]) => ({
      name: name as KnownLimit['name'],
      value,
      source,
      atMs: 0,
    })),
    ...more,
  };
}

const ADMIN: AdminLimits = {
  organization: 'org',
  groups: [
    {
      ...{ models: [MODEL], requestsPerMinute: 77, inputTokensPerMinute: 5_000, inputTokensPerMinuteCacheAware: null },
      ...{ outputTokensPerMinute: null, tokensPerMinute: null, tokensPerDay: null },
    },
  ],
  batch: { queuedRequests: 123_456, requestsPerMinute: null },
};

describe('limits', () => {
  it('are those of the lowest tier of today where nothing is known, and that is said', () => {
    const account = planAccount(NOTHING);
    expect(account).toMatchObject({ tier: null, assumed: true });
    expect(account.batch.queue).toEqual({ value: TIERS.start.queue, source: 'assumed' });
    expect(account.limitsOf(MODEL)).toMatchObject({ requests: { value: 1_000, source: 'assumed' }, tokens: null });
    expect(account.limitsOf('claude-fable-5').output?.value).toBe(100_000);
  });

  it('are those of the tier that is named, whatever else is known', () => {
    const pools = [pool('haiku_5.5', { requests: 7 }), pool('batches', { queue: 5 })];
    const account = planAccount({ ...NOTHING, tier: 'scale', admin: ADMIN, pools });
    expect(account).toMatchObject({ tier: 'scale', assumed: false });
    expect(account.batch.queue).toEqual({ value: 500_000, source: 'tier' });
    expect(account.limitsOf(MODEL).requests).toEqual({ value: 10_000, source: 'tier' });
  });

  it('are those of the Admin API before those that were learnt, one by one', () => {
    const pools = [pool('haiku_5.5', { requests: 7, output: 9_000 }), pool('batches', { queue: 5, requests: 11 })];
    const account = planAccount({ ...NOTHING, admin: ADMIN, pools });
    expect(account.batch).toMatchObject({ queue: { value: 123_456, source: 'admin' }, calls: { value: 11 } });
    expect(account.limitsOf(MODEL)).toMatchObject({
      requests: { value: 77, source: 'admin' },
      input: { value: 5_000, source: 'admin' },
      output: { value: 9_000, source: 'headers' },
    });
    expect(account.assumed).toBe(false);
  });

  it('show the tier that they are exactly those of: the rest is taken from it', () => {
    const { requests, input, output } = TIERS.build.models;
    const account = planAccount({ ...NOTHING, pools: [pool('haiku_5.5', { requests, input, output })] });
    expect(account).toMatchObject({ tier: 'build', assumed: false });
    expect(account.batch.queue).toEqual({ value: TIERS.build.queue, source: 'tier' });
  });

  it.each(['assumed', 'flag'] as const)(
    'that were only %s when they were kept say nothing of the account',
    (source) => {
      const pools = [pool('haiku_5.5', { requests: 7, source } as unknown as Record<string, number>)];
      expect(planAccount({ ...NOTHING, pools }).limitsOf(MODEL).requests).toEqual({ value: 1_000, source: 'assumed' });
    },
  );
});

describe('times', () => {
  it('of batches are those of earlier ones, else what the documentation says', () => {
    expect(planAccount(NOTHING).batchMs).toEqual({
      ms: { low: 60_000, expected: 3_600_000, high: 86_400_000 },
      batches: 0,
    });
    const history = Array.from({ length: 10 }, (_, at) => ({ tookMs: (10 - at) * 1_000 }));
    expect(planAccount({ ...NOTHING, history }).batchMs).toEqual({
      ms: { low: 1_000, expected: 6_000, high: 10_000 },
      batches: 10,
    });
  });

  it('of answers are those that this account saw', () => {
    const latency = { calls: 5, p50Ms: 700, p95Ms: 900, p99Ms: 950 };
    const account = planAccount({ ...NOTHING, pools: [pool('haiku_5.5', {}, { latency })] });
    expect(account.latencyMs(MODEL)).toBe(700);
    expect(account.latencyMs('claude-opus-5')).toBeNull();
  });
});
