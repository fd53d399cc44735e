/**
 * What a rehearsal takes for granted: the best source of each figure, named; levels of faults that get worse; durations
 * that are as they are documented.
 */
import { describe, expect, test } from 'vitest';
import { seededRng } from '../../../../src/base/random.ts';
import { queueOfTier } from '../../../../src/domain/pacing/tiers.ts';
import { accountOf, type Account, type KnownAccount } from '../../../../src/tools/rehearse/account.ts';
import {
  drawAssumedLatencyMs,
  drawDocumentedMs,
  drawMeasuredLatencyMs,
  FAULT_LEVELS,
} from '../../../../src/tools/rehearse/assumptions.ts';
import { FAULT_NAMES } from '../../../../src/tools/sim/faults.ts';
import { poolSnapshot } from '../../../contract/store.lab.ts';
import { MINUTE_MS, MODEL, NOTHING_KNOWN, START_MS } from './lab.ts';

const account = (known: Partial<KnownAccount> = {}, slowness = 1): Account =>
  accountOf({ ...NOTHING_KNOWN, ...known }, [MODEL], slowness);
const sourceOf = ({ grounds }: Account, what: string): string => grounds.find((one) => one.what === what)?.source ?? '';

const LEARNT = [
  poolSnapshot('org', 'haiku_5.5', {
    limits: [
      { name: 'requests', value: 777, source: 'headers', atMs: START_MS },
      { name: 'input', value: 88_000, source: 'headers', atMs: START_MS },
    ],
    latency: { calls: 100, p50Ms: 900, p95Ms: 3_000, p99Ms: 5_000 },
  }),
  poolSnapshot('org', 'batches', { limits: [{ name: 'queue', value: 12_345, source: 'refusal', atMs: START_MS }] }),
];
const ADMIN = {
  organization: 'org',
  groups: [
    {
      ...{ models: [MODEL], requestsPerMinute: 4_321, inputTokensPerMinute: 1_000_000 },
      ...{ inputTokensPerMinuteCacheAware: null, outputTokensPerMinute: 200_000 },
      ...{ tokensPerMinute: null, tokensPerDay: null },
    },
  ],
  batch: { queuedRequests: 54_321, requestsPerMinute: 99 },
};

describe('limits', () => {
  test('of an account that nobody knows are those of the lowest tier, and it is said', () => {
    const made = account();
    expect(made.queueMax).toBe(queueOfTier('start'));
    expect(sourceOf(made, 'limits')).toMatch(/nothing is known.*say --tier/);
  });

  test('that earlier commands learnt stand before those of the Admin API, and these before the table', () => {
    const made = account({ pools: LEARNT, admin: ADMIN });
    expect(made.limits).toMatchObject({ batchQueueMax: 12_345, batchRpm: 99 });
    expect(made.limits.byClass?.['haiku_5.5']).toMatchObject({ rpm: 777, itpm: 88_000, otpm: 200_000 });
    expect(sourceOf(made, 'limits')).toMatch(/learnt by earlier.*Admin API/);
    expect(account({ admin: ADMIN }).limits.batchQueueMax).toBe(54_321);
  });

  test('of a tier that was asked for stand before all, and the engine knows nothing of the others', () => {
    const made = account({ pools: LEARNT, admin: ADMIN, tier: 'tier_1' });
    expect(made.limits).toMatchObject({ batchQueueMax: 100_000, batchRpm: 50 });
    expect(made.limits.byClass?.['haiku_5.5']).toMatchObject({ rpm: 50, itpm: 50_000, otpm: 10_000 });
    expect(made.snapshots('x')).toEqual([]);
    expect(made.admin).toBeNull();
  });

  test('that were only guessed are no knowledge', () => {
    const limits = [{ name: 'queue', value: 5, source: 'assumed', atMs: 0 }] as const;
    expect(account({ pools: [poolSnapshot('org', 'batches', { limits })] }).queueMax).toBe(queueOfTier('start'));
  });

  test('as the engine finds them are of its own organization, with nothing open and nothing paused', () => {
    const [pool] = account({ pools: LEARNT }).snapshots('key_1');
    expect(pool).toMatchObject({ pool: 'key_1|haiku_5.5', organization: 'key_1', open: null, pausedUntilMs: null });
  });
});

describe('durations', () => {
  const draws = (draw: () => number, count = 4_000): number[] =>
    Array.from({ length: count }, draw).sort((one, other) => one - other);
  const share = (list: readonly number[], upTo: number): number => list.filter((ms) => ms <= upTo).length / list.length;

  test('of batches are as documented: most within the hour, none beyond 24', () => {
    const rng = seededRng('durations');
    const list = draws(() => drawDocumentedMs(rng));
    expect(share(list, 60 * MINUTE_MS)).toBeCloseTo(0.9, 1);
    expect(share(list, 20 * MINUTE_MS)).toBeCloseTo(0.5, 1);
    expect(list[0]).toBeGreaterThanOrEqual(MINUTE_MS);
    expect(list.at(-1)).toBeLessThanOrEqual(12 * 60 * MINUTE_MS);
  });

  test('of batches are those of this state where there are enough, and longer in an incident', () => {
    const history = [5, 6, 7, 8, 9].map((minutes) => ({ rows: 10, tookMs: minutes * MINUTE_MS }));
    const rng = seededRng(1);
    const list = draws(() => account({ history }).batchDurationMs(rng), 200);
    expect(new Set(list)).toEqual(new Set(history.map(({ tookMs }) => tookMs)));
    expect(sourceOf(account({ history }), 'batch duration')).toContain('5 batches of this state');
    const slow = draws(() => account({ history }, 2).batchDurationMs(rng), 200);
    expect(slow[0]).toBe(10 * MINUTE_MS);
    expect(sourceOf(account({ history: history.slice(1) }), 'batch duration')).toContain('documentation');
    const said = account({ history, batchDurationMs: [1_000, 1_000] });
    expect(said.batchDurationMs(rng)).toBe(1_000);
  });

  test('of calls are those that were measured, else assumed by the length of the answer', () => {
    const rng = seededRng(2);
    const measured = draws(() => drawMeasuredLatencyMs(rng, { p50Ms: 900, p95Ms: 3_000 }));
    expect(share(measured, 900)).toBeCloseTo(0.5, 1);
    expect(share(measured, 3_000)).toBeCloseTo(0.95, 1);
    expect(sourceOf(account({ pools: LEARNT }), 'realtime call')).toContain('100 calls');
    expect(drawAssumedLatencyMs(rng, 1_000)).toBeGreaterThan(drawAssumedLatencyMs(rng, 10));
  });
});

test('answers are as long as said, else as in earlier runs, else a share of max_tokens', () => {
  const usage = { model: `${MODEL}-20261001`, lane: 'batch', rows: 50, outputTokens: 5_000, costUsd: 1 } as const;
  const entry = { ...usage, inputTokens: 0, cacheWrite5mTokens: 0, cacheWrite1hTokens: 0, cacheReadTokens: 0 };
  expect(account({ outputTokens: 7, usage: [entry] as never }).outputTokens(MODEL, 100)).toBe(7);
  expect(account({ usage: [entry] as never }).outputTokens(MODEL, 4_000)).toBe(100);
  expect(account({ usage: [{ ...entry, rows: 3 }] as never }).outputTokens(MODEL, 4_000)).toBe(1_000);
  expect(account().outputTokens(MODEL, 400)).toBe(256);
  expect(account().outputTokens(MODEL, 64)).toBe(64);
});

test('levels of faults: none is none, light is rare, and heavy is worse in everything', () => {
  const { none, light, heavy } = FAULT_LEVELS;
  expect([none.faults, none.rates, none.slowness]).toEqual([{}, {}, 1]);
  for (const [name, rate] of Object.entries(light.faults)) {
    expect(FAULT_NAMES).toContain(name);
    expect(rate).toBeLessThanOrEqual(0.02);
    expect(heavy.faults[name as keyof typeof heavy.faults]).toBeGreaterThan(rate);
  }
  for (const name of Object.keys(heavy.faults)) expect(FAULT_NAMES).toContain(name);
  expect(heavy.rates.errorRate).toBeGreaterThan(light.rates.errorRate ?? 1);
  expect(heavy.slowness).toBeGreaterThan(light.slowness);
});
