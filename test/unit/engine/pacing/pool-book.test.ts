/** What is kept of limits for the next process, and what an organization may have in batches at once. */
import { describe, expect, test } from 'vitest';
import type { AdminLimits } from '../../../../src/domain/pacing/admin-limits.ts';
import type { PoolSnapshot } from '../../../../src/domain/pacing/snapshot.ts';
import { queueOfTier, TIERS } from '../../../../src/domain/pacing/tiers.ts';
import { BATCH_CLASS } from '../../../../src/engine/pacing/batch-limits.ts';
import { A, answer, B, call, headers, pacerLab, POOL, tooMany, type PacerLab } from './pacer.lab.ts';

const HOUR_MS = 3_600_000;
const LARGE = { input: 1_000_000, output: 1_000_000 };

/** Another process, so much later, with what this one kept. */
async function next(it: PacerLab, laterMs: number, parts: Parameters<typeof pacerLab>[0] = {}): Promise<PacerLab> {
  const after = pacerLab(parts);
  after.clock.advance(it.clock.monotonicMs() + laterMs);
  after.pacer.restore(await it.pacer.pools.snapshots());
  return after;
}

function ofPool(snapshots: readonly PoolSnapshot[], name: string): PoolSnapshot {
  const found = snapshots.find(({ pool }) => pool === name);
  if (!found) throw new Error(`nothing is kept of ${name}`);
  return found;
}

describe('buckets that are shared', () => {
  test('keep what others know of them when a process comes that knows nothing yet', async () => {
    const it = pacerLab();
    await it.pacer.answered(await it.go(), answer(headers({ requests: 600, ...LARGE })));
    const level = await it.level('requests');
    const shared = { ...it.limiter, mode: 'shared' as const };
    const other = pacerLab({ limiter: shared, clock: it.clock, headroom: 0.1 });
    await other.go();
    expect(await it.perMinute('requests')).toBeCloseTo(600);
    expect(await it.level('requests')).toBeCloseTo((level ?? 0) - 1);
    // What it hears itself counts as ever.
    await other.pacer.answered(await other.go(), answer(headers({ requests: 300, ...LARGE })));
    expect(await it.perMinute('requests')).toBeCloseTo(270);
  });
});

describe('what is kept', () => {
  test('brings limits, levels and use back; what flowed in meanwhile is there', async () => {
    const it = pacerLab();
    await it.pacer.answered(await it.go(), answer(headers({ requests: 60, ...LARGE })));
    expect(await it.burst()).toHaveLength(49);
    const at = ofPool(await it.pacer.pools.snapshots(), POOL);
    expect(at).toMatchObject({ organization: 'org_a', rateClass: 'haiku_5.5', mode: 'local', pausedUntilMs: null });
    expect(at.levels.requests).toBe(0);
    expect(at.limits[0]).toMatchObject({ name: 'requests', value: 60, source: 'headers' });
    const after = await next(it, 7_000);
    expect(await after.burst()).toHaveLength(7);
    expect(await after.perMinute('requests')).toBe(60);
    expect(after.pacer.pools.named(POOL).requestsOfLastMinute(after.clock.now())).toBeCloseTo(1, 6);
    expect(await (await next(it, HOUR_MS)).burst()).toHaveLength(60);
  });

  test('of a pool that this process never used is left as the earlier one wrote it', async () => {
    const it = pacerLab();
    await it.pacer.answered(await it.go(), answer(headers({ requests: 60, ...LARGE })));
    await it.burst();
    const idle = await next(it, 1_000);
    // Its levels are known to nobody here: written down, they would be lost.
    expect(await idle.pacer.pools.snapshots()).toEqual([]);
  });

  test('brings a pause back, for as long as it still lasts', async () => {
    const it = pacerLab();
    await it.pacer.failed(await it.go(), tooMany('wait', { retryAfterMs: 60_000 }), true);
    const after = await next(it, 20_000);
    expect(await after.pacer.take(call(), [A], null)).toMatchObject({ kind: 'wait', bucket: 'paused', waitMs: 40_000 });
    expect(await (await next(it, 60_000)).pacer.take(call(), [A], null)).toMatchObject({ kind: 'go' });
  });

  test('does not bring back what was assumed, what a flag said, or what is a week old', async () => {
    const capped = pacerLab({ caps: { requests: 3 } });
    await capped.go();
    for (let at = 0; at < 2; at++) await capped.pacer.answered(await capped.go(), answer());
    const after = await next(capped, 60_000);
    await after.go();
    expect(await after.perMinute('requests')).toBe(50);
    const it = pacerLab();
    await it.pacer.answered(await it.go(), answer(headers({ requests: 60, ...LARGE })));
    const old = await next(it, 7 * 24 * HOUR_MS + 1);
    await old.go();
    expect(await old.perMinute('requests')).toBe(50);
  });
});

describe('what batches may take', () => {
  const admin = (queuedRequests: number): AdminLimits => ({
    ...{ organization: 'org_a', groups: [], batch: { queuedRequests, requestsPerMinute: null } },
  });

  test('is the queue of the lowest tier, until the limits of the messages show another', async () => {
    const it = pacerLab();
    expect(it.pacer.pools.batchLimits('org_a')).toEqual({ rowsMax: queueOfTier('start'), batchesMax: Infinity });
    await it.pacer.answered(await it.go(), answer(headers(TIERS.scale.models)));
    expect(it.pacer.pools.batchLimits('org_a').rowsMax).toBe(queueOfTier('scale'));
    expect(it.pacer.pools.batchLimits('org_b').rowsMax).toBe(queueOfTier('start'));
    await it.pacer.answered(await it.go(call(), [B]), answer(headers({ ...TIERS.scale.models, output: 1 })));
    expect(it.pacer.pools.batchLimits('org_b').rowsMax).toBe(queueOfTier('start'));
  });

  test('a share of it is left to others, and a flag caps it', async () => {
    expect(pacerLab({ headroom: 0.25 }).pacer.pools.batchLimits('org_a').rowsMax).toBe(0.75 * queueOfTier('start'));
    const capped = pacerLab({ maxQueued: 70 });
    expect(capped.pacer.pools.batchLimits('org_a').rowsMax).toBe(70);
    await capped.pacer.takeBatchCalls('org_a', 'sk-a', 1);
    const { limits } = ofPool(await capped.pacer.pools.snapshots(), `org_a|${BATCH_CLASS}`);
    expect(limits.find(({ name }) => name === 'queue')).toMatchObject({ value: 70, source: 'flag' });
  });

  test('what a refusal of the queue lets guess is forgotten after half an hour', () => {
    const it = pacerLab();
    it.pacer.pools.hearBatchLimit('org_a', 'queue', { value: 90, isTold: false });
    it.pacer.pools.hearBatchLimit('org_a', 'batches', { value: 4, isTold: false });
    it.clock.advance(HOUR_MS / 2 - 1);
    expect(it.pacer.pools.batchLimits('org_a')).toEqual({ rowsMax: 90, batchesMax: 4 });
    it.clock.advance(2);
    expect(it.pacer.pools.batchLimits('org_a')).toEqual({ rowsMax: queueOfTier('start'), batchesMax: Infinity });
  });

  test('of a refusal and the Admin API the lower one counts, while the refusal is fresh', () => {
    const it = pacerLab();
    it.pacer.pools.administer('org_a', admin(1_000));
    it.pacer.pools.hearBatchLimit('org_a', 'queue', { value: 5_000, isTold: false });
    expect(it.pacer.pools.batchLimits('org_a').rowsMax).toBe(1_000);
    it.pacer.pools.hearBatchLimit('org_a', 'queue', { value: 500, isTold: false });
    expect(it.pacer.pools.batchLimits('org_a').rowsMax).toBe(500);
    it.clock.advance(HOUR_MS);
    expect(it.pacer.pools.batchLimits('org_a').rowsMax).toBe(1_000);
  });

  test('a number that a refusal told is kept for the next process', async () => {
    const it = pacerLab();
    await it.pacer.takeBatchCalls('org_a', 'sk-a', 1);
    it.pacer.pools.hearBatchLimit('org_a', 'queue', { value: 90, isTold: true });
    const after = await next(it, HOUR_MS);
    expect(after.pacer.pools.batchLimits('org_a').rowsMax).toBe(90);
  });
});
