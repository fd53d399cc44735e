/** The arithmetic of a pool where the port's suite (test/contract/limiter.suite.ts) does not look: inside, and at its bounds. */
import { describe, expect, test } from 'vitest';
import { chance, integerBetween, pick, seededRng } from '../../../../src/base/random.ts';
import {
  drain,
  forget,
  observe,
  pause,
  refill,
  setLimits,
  take,
  view,
  WAITER_GONE_MS,
} from '../../../../src/domain/pacing/bucket.ts';
import type { PoolLimits } from '../../../../src/domain/pacing/limiter.ts';
import { newPool, type PoolState } from '../../../../src/domain/pacing/pool.ts';
import { WAITERS_MAX } from '../../../../src/domain/pacing/waiting-line.ts';

const LIMITS: PoolLimits = {
  requests: { perWindow: 600, capacity: 600 },
  input: { perWindow: 6_000, capacity: 6_000 },
  output: { perWindow: 1_200, capacity: 300 },
};

const QUICK: PoolLimits = {
  requests: { perWindow: 6_000, capacity: 600 },
  input: { perWindow: 120_000, capacity: 6_000 },
  output: { perWindow: 6_000, capacity: 300 },
};

function poolAt(nowMs: number, limits: PoolLimits = LIMITS, levels = {}): PoolState {
  const pool = newPool(nowMs);
  setLimits(pool, limits, levels, nowMs);
  return pool;
}

describe('a clock that is set back', () => {
  test('lets nothing flow in, and stops nothing for longer than was asked', () => {
    const pool = poolAt(1_000_000, LIMITS, { requests: 100, input: 0 });
    pause(pool, 5_000, 1_000_000);
    refill(pool, 400_000);
    expect(view(pool, 400_000).buckets.requests?.level).toBe(100);
    expect(view(pool, 400_000).pausedMs).toBe(5_000);
    // From here it flows again, and not for the time that was taken back.
    expect(view(pool, 406_000).buckets.requests?.level).toBe(160);
    take(pool, { pool: '', amounts: { input: 3_000 }, waiter: 'a' }, 406_000);
    const left = (pool.waiters.get('a')?.untilMs ?? 0) - 406_000;
    refill(pool, 6_000);
    expect((pool.waiters.get('a')?.untilMs ?? 0) - 6_000).toBe(left);
  });
});

describe('the line', () => {
  test('has a bound: who comes later waits without a place', () => {
    const pool = poolAt(0, { requests: { perWindow: 60, capacity: 60 } }, { requests: 0 });
    for (let at = 0; at < WAITERS_MAX + 5; at++)
      take(pool, { pool: '', amounts: { requests: 1 }, waiter: `w${at}` }, 0);
    expect(pool.waiters.size).toBe(WAITERS_MAX);
    expect(take(pool, { pool: '', amounts: { requests: 1 }, waiter: 'late' }, 0)).toMatchObject({
      kind: 'wait',
      waitMs: (WAITERS_MAX + 1) * 1_000,
    });
  });

  test('is empty when all that waited have gone', () => {
    const pool = poolAt(0, LIMITS, { input: 1_000 });
    take(pool, { pool: '', amounts: { input: 2_000 }, waiter: 'a' }, 0);
    expect(view(pool, 0).buckets.input?.aside).toBe(1_000);
    expect(view(pool, 10_000 + WAITER_GONE_MS).buckets.input?.aside).toBe(2_000);
    expect(view(pool, 10_001 + WAITER_GONE_MS).buckets.input?.aside).toBe(0);
    expect(pool.waiters.size).toBe(0);
  });

  test('does not keep a bucket full for a call that waits for another one', () => {
    const pool = poolAt(0, LIMITS, { input: 6_000, output: 0 });
    expect(take(pool, { pool: '', amounts: { input: 2_000, output: 300 }, waiter: 'a' }, 0)).toMatchObject({
      waitMs: 15_000,
    });
    // In 15 seconds 1,500 flow in: of what is there 500 have to stay.
    expect(view(pool, 0).buckets.input?.aside).toBe(500);
    expect(take(pool, { pool: '', amounts: { input: 5_500 }, waiter: null }, 0).kind).toBe('taken');
  });

  test.each(Array.from({ length: 20 }, (_, seed) => seed))(
    'pays who finds it empty within twice its lone time, and never keeps more than is there (seed %i)',
    (seed) => {
      const rng = seededRng(`line-${seed}`);
      const pool = poolAt(0, QUICK, { input: rng.next() * 3_000, output: rng.next() * 300, requests: 50 });
      const due = new Map<string, { readonly amounts: Record<string, number>; readonly byMs: number }>();
      let nowMs = 0;
      let served = 0;
      for (let turn = 0; turn < 1_500; turn++) {
        nowMs += pick(rng, [0, 10, 40, 100]);
        if (chance(rng, 0.02)) {
          const amounts = { requests: 1, input: integerBetween(rng, 500, 6_000), output: integerBetween(rng, 1, 300) };
          const taken = take(pool, { pool: '', amounts, waiter: `w${turn}` }, nowMs);
          if (taken.kind === 'wait') {
            // Those behind others are as late as these are.
            const byMs = due.size === 0 ? nowMs + 2 * taken.waitMs : Infinity;
            due.set(`w${turn}`, { amounts, byMs });
          }
        }
        for (const [name, { amounts, byMs }] of due) {
          if (take(pool, { pool: '', amounts, waiter: name }, nowMs).kind === 'taken') {
            due.delete(name);
            served++;
          } else expect(nowMs, `${name} at turn ${turn}`).toBeLessThanOrEqual(byMs + 1);
        }
        // Whoever has no place takes all there is to take.
        while (
          take(pool, { pool: '', amounts: { requests: 0.2, input: 20, output: 1 }, waiter: null }, nowMs).kind ===
          'taken'
        );
        for (const [name, { level, aside, limit }] of Object.entries(view(pool, nowMs).buckets)) {
          expect(aside, name).toBeGreaterThanOrEqual(0);
          expect(aside, name).toBeLessThanOrEqual(Math.min(limit.capacity, level) + 1e-6);
        }
      }
      expect(served).toBeGreaterThan(5);
      for (const name of due.keys()) forget(pool, name, nowMs);
      for (const { aside } of Object.values(view(pool, nowMs).buckets)) expect(aside).toBeCloseTo(0, 6);
    },
  );
});

describe('news of the API', () => {
  test.each(Array.from({ length: 20 }, (_, seed) => seed))(
    'is none where it counts as we do, in whatever order calls arrive (seed %i)',
    (seed) => {
      const rng = seededRng(`order-${seed}`);
      const pool = poolAt(0);
      const api = poolAt(0);
      const marks = [];
      // A burst: paid here in one order, counted there in another, a little later each.
      for (let at = 0; at < 200; at++) {
        const taken = take(pool, { pool: '', amounts: { requests: 1 }, waiter: null }, at);
        if (taken.kind === 'taken' && taken.marks.requests)
          marks.push({ mark: taken.marks.requests, order: at + rng.next() * 150 });
      }
      marks.sort((a, b) => a.order - b.order);
      for (const { mark, order } of marks) {
        take(api, { pool: '', amounts: { requests: 1 }, waiter: null }, order);
        const remaining = Math.floor(view(api, order).buckets.requests?.level ?? 0);
        const seen = { bucket: 'requests', remaining, mark, underWay: 200, roundedTo: 1 } as const;
        observe(pool, [seen], 400);
      }
      const expected = 600 - 200 + 4;
      expect(view(pool, 400).buckets.requests?.level).toBeCloseTo(expected, 6);
    },
  );

  test('that a bucket is empty leaves a debt as it is', () => {
    const pool = poolAt(0, { input: { perWindow: 60, capacity: 10 } });
    take(pool, { pool: '', amounts: { input: 25 }, waiter: null }, 0);
    drain(pool, ['input'], 0);
    expect(view(pool, 0).buckets.input?.level).toBe(-15);
  });
});
