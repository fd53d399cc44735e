/**
 * Whole load tests on a virtual clock: what is sent when, what ends it, what is counted.
 */
import { describe, expect, it } from 'vitest';
import type { LoadSession } from '../../../../src/tools/loadtest/session.ts';
import { ENTRY, madeUp, open, simClient, tested } from './load.lab.ts';

const QUICK = madeUp(() => ({ tookMs: 100 }));

describe('the closed model', () => {
  it('has no more under way than it has users, and each asks as soon as it has its answer', async () => {
    const { view, points } = await tested({ load: { kind: 'closed', users: 7, spawnPerSecond: null } }, QUICK);
    // 10 s of 100 ms each, by 7 users.
    expect(view.requests).toMatchObject({ sent: 700, succeeded: 700, failed: 0, rate_limited: 0, canceled: 0 });
    const most = Math.max(...points.map((point) => point.in_flight));
    // A second ends just as answers come: the last of them may be there already.
    expect([6, 7]).toContain(most);
    expect(points.reduce((sum, point) => sum + point.succeeded, 0)).toBe(700);
    expect(view.ended_by).toBe('duration');
    expect(view.latency.service).toMatchObject({ count: 700, p50_ms: 100, max_ms: 100 });
  });

  it('lets users begin one after the other, and think before they ask again', async () => {
    const load = { kind: 'closed', users: 10, spawnPerSecond: 2 } as const;
    const { view, points } = await tested({ load, thinkMs: [900, 900] }, QUICK);
    expect(points.slice(0, 6).map((point) => point.users)).toEqual([2, 4, 6, 8, 10, 10]);
    // A cycle takes a second: user n comes after n/2 s and asks in each second that is left.
    expect(view.requests.sent).toBe(2 * (10 + 9 + 8 + 7 + 6));
  });

  it('takes users in and lets them go while it runs', async () => {
    const meanwhile = (session: LoadSession): void => {
      session.agenda.at(3_000, () => session.setUsers(20));
      session.agenda.at(6_000, () => session.setUsers(2));
    };
    const { points } = await tested({}, QUICK, { meanwhile });
    const users = points.map((point) => point.users);
    expect([users[1], users[4], users[8]]).toEqual([5, 20, 2]);
    expect(points[4]?.sent).toBe(200);
    expect(points[8]?.sent).toBe(20);
  });

  it('carries answers on in a conversation, and begins another after its last turn', async () => {
    const load = { kind: 'closed', users: 1, spawnPerSecond: null } as const;
    const { bodies } = await tested({ load, durationMs: 700, entries: [{ ...ENTRY, turns: 3 }] }, QUICK);
    const counts = bodies.map((body) => (JSON.parse(body) as { messages: unknown[] }).messages.length);
    expect(counts).toEqual([1, 3, 5, 1, 3, 5, 1]);
  });
});

describe('the open model', () => {
  it('sends by its plan whether or not answers come', async () => {
    const load = open('constant', [10, 10], 10_000);
    const { view, points } = await tested(
      { load },
      madeUp(() => ({ tookMs: 4_000 })),
    );
    expect(view.requests).toMatchObject({ sent: 99, succeeded: 99 });
    expect(points.slice(0, 4).map((point) => point.sent)).toEqual([9, 10, 10, 10]);
    expect(Math.max(...points.map((point) => point.in_flight))).toBe(39);
    // What is under way at the end is waited for.
    expect(view.elapsed_seconds).toBe(13.9);
  });

  it('takes another rate while it runs', async () => {
    const meanwhile = (session: LoadSession): void => session.agenda.at(5_000, () => session.setRate(100));
    const { view, points } = await tested({ load: open('constant', [1, 1], 10_000) }, QUICK, { meanwhile });
    // The one of the fifth second belongs to the old plan, and the last falls on the end.
    expect(view.requests.sent).toBe(4 + 499);
    expect(points[7]?.wanted_per_second).toBe(100);
  });

  it('is the same to the last figure for the same seed', async () => {
    const given = { load: open('poisson', [20, 20], 10_000), seed: 9 };
    const one = await tested(given, simClient({ tier: 'scale' }));
    const other = await tested(given, simClient({ tier: 'scale' }));
    expect(other.view).toEqual(one.view);
    expect(other.bodies).toEqual(one.bodies);
    expect((await tested({ ...given, seed: 10 }, simClient({ tier: 'scale' }))).bodies).not.toEqual(one.bodies);
  });
});

describe('coordinated omission', () => {
  /** Ten milliseconds, but nothing at all is answered between the tenth and the fifteenth second. */
  const stalling = madeUp((atMs) => ({ tookMs: atMs >= 10_000 && atMs < 15_000 ? 15_010 - atMs : 10 }));
  const load = { kind: 'closed', users: 4, spawnPerSecond: null } as const;

  it('users who wait ask nothing: the sent requests hide a stall, the corrected ones show it', async () => {
    const { view } = await tested({ load, thinkMs: [90, 90], durationMs: 60_000 }, stalling);
    const { total, service } = view.latency;
    // Four requests of more than two thousand met it.
    expect(service?.p99_ms).toBeLessThan(11);
    expect(service?.max_ms).toBeGreaterThan(4_900);
    // One twelfth of the time was the stall: of ten that would have asked in each second the last had 0 to 5 s to wait.
    expect(total?.p99_ms).toBeGreaterThan(4_000);
    expect(total?.p90_ms).toBeLessThan(200);
    expect(view.findings.join('\n')).toMatch(/from when requests should have begun, p99 is 4\.\d+s/);
  });

  it('arrivals do not wait: both show it', async () => {
    const { view } = await tested({ load: open('constant', [40, 40], 60_000), durationMs: 60_000 }, stalling);
    expect(view.latency.service?.p99_ms).toBeGreaterThan(4_000);
    expect(view.latency.total?.p99_ms).toBe(view.latency.service?.p99_ms);
  });

  it('requests that ran into the timeout count with it', async () => {
    const { view } = await tested({ load, thinkMs: [90, 90], durationMs: 30_000, timeoutMs: 1_000 }, stalling);
    expect(view.requests.failures['timeout']).toBeGreaterThan(0);
    expect(view.latency.service?.max_ms).toBeGreaterThanOrEqual(999);
    expect(view.findings.join('\n')).toContain('no whole answer within 1 s');
  });
});

describe('the end', () => {
  it('comes with the last request that is allowed', async () => {
    const { view } = await tested({ maxRequests: 12 }, QUICK);
    expect(view).toMatchObject({ ended_by: 'max_requests', requests: { sent: 12, succeeded: 12 } });
  });

  it('comes before the budget is passed, whatever answers cost', async () => {
    const { view, session } = await tested({ maxCostUsd: 0.001 }, simClient({ tier: 'scale' }));
    expect(view.ended_by).toBe('max_cost');
    expect(view.requests.succeeded).toBeGreaterThan(1);
    expect(view.cost_usd.total).toBeGreaterThan(0);
    expect(view.cost_usd.total).toBeLessThanOrEqual(0.001);
    expect(session.budget.uncertainUsd).toBe(0);
  });

  it('counts what had no answer against the budget: the API may have written it', async () => {
    const slow = madeUp(() => ({ tookMs: 5_000 }));
    const { view } = await tested({ maxCostUsd: 0.002, timeoutMs: 1_000 }, slow);
    expect(view.ended_by).toBe('max_cost');
    expect(view.cost_usd).toMatchObject({ total: 0 });
    expect(view.cost_usd.uncertain).toBeGreaterThan(0);
    expect(view.cost_usd.uncertain).toBeLessThanOrEqual(0.002);
  });

  it.each([
    [500, true],
    [502, true],
    [504, true],
    [524, true],
    [503, false],
    [529, false],
    [429, false],
    [404, false],
  ])('counts a %i against the budget: %s', async (status, counts) => {
    const failing = madeUp(() => ({ tookMs: 100, kind: `http_${status}`, status }));
    const { view } = await tested({ maxCostUsd: 0.002, maxRequests: 50 }, failing);
    expect(view.cost_usd.uncertain > 0).toBe(counts);
    expect(view.ended_by === 'max_cost').toBe(counts);
  });

  it('comes early where nothing can succeed', async () => {
    const refusing = madeUp(() => ({ tookMs: 10, kind: 'authentication_error', status: 401 }));
    const { view } = await tested({}, refusing);
    expect(view.ended_by).toBe('nothing_succeeds');
    expect(view.requests.sent).toBeLessThan(30);
    expect(view.findings[0]).toMatch(/None of 2\d requests succeeded\. Most often it was authentication_error/);
  });

  it.each([401, 403, 404, 405])('comes early where a server that is no API says %i', async (status) => {
    const refusing = madeUp(() => ({ tookMs: 10, kind: `http_${status}`, status }));
    const { view } = await tested({}, refusing);
    expect(view.ended_by).toBe('nothing_succeeds');
    expect(view.requests.sent).toBeLessThan(30);
  });

  it('does not come early where it may pass', async () => {
    const { view } = await tested(
      {},
      madeUp(() => ({ tookMs: 100, kind: 'overloaded_error', status: 529 })),
    );
    expect(view).toMatchObject({ ended_by: 'duration', requests: { failed: 500 } });
    expect(view.findings.join('\n')).toContain('not your limit');
  });

  it('comes when somebody stops it: nothing new, a short wait, and the rest is broken off', async () => {
    let asked = 0;
    const server = madeUp(() => ({ tookMs: ++asked > 5 ? 60_000 : 100 }));
    const states: string[] = [];
    const meanwhile = (session: LoadSession): void => {
      session.onChange(() => void states.push(session.state));
      session.agenda.at(1_500, () => session.stop());
    };
    const { view } = await tested({ timeoutMs: 120_000 }, server, { meanwhile });
    expect(view).toMatchObject({ ended_by: 'stopped', requests: { sent: 10, succeeded: 5, canceled: 5, failed: 0 } });
    expect(view.elapsed_seconds).toBe(6.5);
    expect([...new Set(states)]).toEqual(['running', 'stopping', 'done']);
  });

  it('tells thresholds what was measured', async () => {
    const { view } = await tested({}, QUICK, { failIf: 'p95>50ms, error_rate>1%' });
    expect(view.thresholds).toEqual([
      { condition: 'p95>50ms', metric: 'p95', value: expect.closeTo(100, 0), limit: 50, failed: true },
      { condition: 'error_rate>1%', metric: 'error_rate', value: 0, limit: 0.01, failed: false },
    ]);
  });
});

describe('the snapshot', () => {
  it('is whole JSON at any time, and bounded', async () => {
    const seen: unknown[] = [];
    const meanwhile = (session: LoadSession): void => {
      const look = (): void => {
        const snapshot = session.snapshot();
        expect(JSON.parse(JSON.stringify(snapshot))).toEqual(snapshot);
        seen.push(snapshot.sent);
      };
      session.onChange(look)();
      session.agenda.at(2_500_000, look);
    };
    const load = open('constant', [1, 1], 3_000_000);
    const { session } = await tested({ load, durationMs: 3_000_000 }, QUICK, { meanwhile });
    expect(seen).toEqual([2_499]);
    expect(session.snapshot()).toMatchObject({ state: 'done', sent: 2_999, succeeded: 2_999 });
    expect(session.snapshot().points.length).toBeLessThanOrEqual(600);
    expect(session.snapshot().points.at(-1)?.second).toBe(session.tally.points.at(-1)?.second);
  });
});
