/**
 * What is said of a load test where it would be easy to say something else: rates beside answers that hang, times that
 * spread, refusals by chance, loads that were changed, servers that die.
 */
import { describe, expect, it } from 'vitest';
import { seededRng } from '../../../../src/base/random.ts';
import { loadOutcome, loadPageFeed } from '../../../../src/tools/loadtest/page.ts';
import type { LoadSession } from '../../../../src/tools/loadtest/session.ts';
import { ENTRY, madeUp, open, simClient, tested } from './load.lab.ts';

const QUICK = madeUp(() => ({ tookMs: 20 }));

describe('throughput', () => {
  it('is not a third because a few answers hang until their timeout', async () => {
    let asked = 0;
    const hanging = madeUp(() => ({ tookMs: ++asked % 100 === 0 ? 900_000 : 20 }));
    const given = { load: open('constant', [20, 20], 30_000), durationMs: 30_000, timeoutMs: 60_000 };
    const { view } = await tested(given, hanging, { failIf: 'rps<19' });
    expect(view.elapsed_seconds).toBeGreaterThan(80);
    expect(view.throughput.requests_per_minute).toBeGreaterThan(1_170);
    expect(view.throughput.requests_per_minute).toBeLessThan(1_200);
    expect(view.throughput.input_tokens_per_minute).toBeCloseTo(view.throughput.requests_per_minute * 50, -3);
    expect(view.thresholds[0]?.failed).toBe(false);
    // What hangs after the last request is not a server that is gone, and is told once.
    expect(view.findings.join('\n')).not.toMatch(/server was gone| failed, /);
  });

  it('counts what came late where all answers are long', async () => {
    const long = madeUp(() => ({ tookMs: 8_000 }));
    const { view } = await tested({ load: open('constant', [10, 10], 10_000), durationMs: 10_000 }, long);
    expect(view.throughput.requests_per_minute).toBeGreaterThan(300);
  });
});

it('users whose answers spread as answers do are not corrected for stalls that were none', async () => {
  const rng = seededRng(5);
  const spread = madeUp(() => ({ tookMs: -Math.log(1 - rng.next()) * 100 }));
  const load = { kind: 'closed', users: 20, spawnPerSecond: null } as const;
  const { view } = await tested({ load, durationMs: 30_000 }, spread);
  const { total, service } = view.latency;
  const within = (name: 'p50_ms' | 'p90_ms' | 'p95_ms' | 'p99_ms', share: number): void => {
    expect(Math.abs((total?.[name] ?? 0) / (service?.[name] ?? 1) - 1), name).toBeLessThan(share);
  };
  within('p50_ms', 0.05);
  within('p90_ms', 0.1);
  within('p95_ms', 0.1);
  within('p99_ms', 0.1);
});

it('a stall shows in the corrected times also where more than a tenth of the answers meet it', async () => {
  let asked = 0;
  const stalling = madeUp(() => ({ tookMs: ++asked % 7 === 0 ? 5_000 : 50 }));
  const load = { kind: 'closed', users: 5, spawnPerSecond: null } as const;
  const { view } = await tested({ load, durationMs: 60_000 }, stalling);
  expect(view.latency.service?.p50_ms).toBeLessThan(60);
  expect(view.latency.total?.p50_ms).toBeGreaterThan(1_500);
});

it('the ordinary answers of a slow kind of request are no stalls beside a quick one', async () => {
  const mixed = madeUp((_atMs, { body }) => ({ tookMs: body.includes('sonnet') ? 2_000 : 200 }));
  const slow = { ...ENTRY, name: 'slow', model: 'claude-sonnet-5-5', share: 20 };
  const load = { kind: 'closed', users: 20, spawnPerSecond: null } as const;
  const { view } = await tested({ load, durationMs: 60_000, entries: [{ ...ENTRY, share: 80 }, slow] }, mixed);
  expect(view.latency.total).toEqual(view.latency.service);
  expect(view.findings.join('\n')).not.toContain('uneven');
});

it('the seconds are told without a gap, each under its own number, also where the test ends on one', async () => {
  const { points, view } = await tested(
    { load: open('steps', [1, 16], 30_000), durationMs: 30_000 },
    refusing(madeUp((atMs) => (atMs < 8_500 ? { tookMs: 20 } : { tookMs: 1, kind: 'rate_limit_error', status: 429 }))),
  );
  expect(view).toMatchObject({ ended_by: 'knee', elapsed_seconds: 12 });
  expect(points.map(({ second }) => second)).toEqual(Array.from({ length: 12 }, (_, at) => at));
  expect(points.reduce((sum, { sent }) => sum + sent, 0)).toBe(view.requests.sent);
});

describe('the knee', () => {
  it('is no refusal by chance', async () => {
    let asked = 0;
    const strict = madeUp(() =>
      ++asked === 90 ? { tookMs: 20, kind: 'rate_limit_error', status: 429 } : { tookMs: 20 },
    );
    const load = open('steps', [1, 32], 120_000);
    const { view } = await tested({ load, durationMs: 120_000 }, refusing(strict));
    expect(view.requests.rate_limited).toBe(1);
    expect(view.ended_by).toBe('duration');
    expect(view.knee).toMatchObject({ first_refused_per_second: null, sustained_per_second: null });
    expect(view.findings[0]).toMatch(
      /^Less than one in twenty was refused up to 32\/s, in steps of 12 s\. That is no proof/,
    );
  });

  it('is in requests where each arrival begins a conversation', async () => {
    const { view } = await tested(
      { load: open('steps', [1, 16], 120_000), durationMs: 120_000, entries: [{ ...ENTRY, turns: 2 }] },
      simClient({
        ...{ tier: 'scale', messageLatencyMs: [100, 300], limits: { messages: { rpm: 600 } } },
        ...{ switches: { burstMs: 1_000 } },
      }),
    );
    // Ten requests a second are five conversations.
    expect(view.knee?.last_clean_per_second).toBeGreaterThan(6);
    expect(view.knee?.last_clean_per_second).toBeLessThanOrEqual(10.5);
    expect(view.knee?.first_refused_per_second).toBeGreaterThan(9.5);
    expect(view.by_stage[0]?.rate_per_second).toBeCloseTo(2, 0);
  });

  it('is by what was sent where somebody changed the rate', async () => {
    const meanwhile = (session: LoadSession): void => session.agenda.at(60_000, () => session.setRate(40));
    const { view } = await tested(
      { load: open('steps', [1, 4], 120_000), durationMs: 120_000 },
      simClient({
        ...{ tier: 'scale', messageLatencyMs: [100, 300], limits: { messages: { rpm: 600 } } },
        ...{ switches: { burstMs: 1_000 } },
      }),
      { meanwhile },
    );
    expect(view.knee?.first_refused_per_second).toBeGreaterThan(35);
    expect(view.changes).toEqual([{ at_seconds: 60, users: null, per_second: 40 }]);
    expect(view.findings.join('\n')).toContain(
      'The load was changed once while it ran, the last time to 40/s after 60 s',
    );
  });

  it("is not told as the rate that goes through where the clock's minute was full after a burst", async () => {
    let asked = 0;
    const minute = madeUp(() => (++asked > 60 ? { tookMs: 1, kind: 'rate_limit_error', status: 429 } : { tookMs: 20 }));
    const { view } = await tested({ load: open('steps', [2, 20], 24_000), durationMs: 24_000 }, refusing(minute));
    expect(view.knee).toMatchObject({ sustained_per_second: null, sure_per_second: 0.5 });
    expect(view.findings[0]).toMatch(/^Refusals begin between .* may have been a burst: sure is only 0\.5\/s\./);
    expect(view.limits[0]?.requests).toEqual({ per_minute: 30, source: 'at_least' });
  });

  it('is not said to lie above a short test where limits may hold by the minute', async () => {
    const { view } = await tested({ load: open('steps', [2, 40], 30_000), durationMs: 30_000 }, QUICK);
    expect(view.findings[0]).toMatch(
      /^Nothing was refused up to 40\/s, in steps of 3 s\. .* limits that hold by the minute .* Sure is only that 3\.4\/s goes/,
    );
  });
});

describe('findings', () => {
  it('tell that the server was gone, and how many failed', async () => {
    const dying = madeUp((atMs) => (atMs < 4_000 ? { tookMs: 20 } : { tookMs: 1, kind: 'connection_econnrefused' }));
    const { view } = await tested({ load: open('constant', [20, 20], 10_000) }, dying);
    expect(view.findings.join('\n')).toMatch(
      /120 requests of 199 \(60%\) failed, 120 of them with connection_econnrefused/,
    );
    expect(view.findings.join('\n')).toContain('Nothing succeeded after second 3: the server was gone');
  });

  it('tell why nothing was sent', async () => {
    const { view } = await tested({ maxCostUsd: 1e-9 }, QUICK);
    expect(view.findings).toContain('Nothing was sent: the most that one request can cost is more than --max-cost.');
    const none = await tested({ load: open('constant', [0.01, 0.01], 10_000) }, QUICK);
    expect(none.view.findings).toContain('Nothing was sent: no request fell into 10 s.');
  });
});

it('a server that gives each error a name of its own fills neither the memory nor the report', async () => {
  let asked = 0;
  const many = madeUp(() => (++asked % 2 === 0 ? { tookMs: 5 } : { tookMs: 5, kind: `error_${asked}`, status: 500 }));
  const { view } = await tested({ load: open('constant', [50, 50], 10_000) }, many);
  expect(Object.keys(view.requests.failures)).toHaveLength(51);
  expect(Object.values(view.requests.failures).reduce((sum, count) => sum + count, 0)).toBe(view.requests.failed);
});

it('the live page is told at the end what the test found, once, and nothing of it before', async () => {
  const { session, view } = await tested({}, QUICK, { failIf: 'p95>1ms' });
  let outcome: ReturnType<typeof loadOutcome> | null = null;
  const next = loadPageFeed(session, () => outcome).begin({
    ...{ query: new URLSearchParams(), isAuthorized: false, lastId: null },
  });
  expect((await next()).map(({ event }) => event)).toEqual(['snapshot']);
  outcome = loadOutcome(view);
  expect(await next()).toEqual([
    {
      event: 'outcome',
      value: { findings: view.findings, thresholds: [{ failed: true, text: 'Failed: p95>1ms (it was 20ms).' }] },
    },
  ]);
  expect(await next()).toEqual([]);
});

it('the snapshot tells the users that were asked for last', async () => {
  const seen: (number | null)[] = [];
  const meanwhile = (session: LoadSession): void => {
    session.agenda.at(2_000, () => session.setUsers(3));
    session.agenda.at(2_001, () => void seen.push(session.snapshot().wanted_users));
  };
  const { view } = await tested({ thinkMs: [5_000, 5_000] }, QUICK, { meanwhile });
  expect(seen).toEqual([3]);
  expect(view.changes).toEqual([{ at_seconds: 2, users: 3, per_second: null }]);
});

/** A server whose rate_limit_error is a refusal. */
function refusing(make: ReturnType<typeof madeUp>): ReturnType<typeof madeUp> {
  return (clock) => {
    const client = make(clock);
    return {
      ...client,
      send: async (call) => {
        const answer = await client.send(call);
        if (answer.failure?.kind !== 'rate_limit_error') return answer;
        const refusal = { kind: 'rate', bucket: null, limit: null } as const;
        return { ...answer, failure: { ...answer.failure, refusal } };
      },
    };
  };
}
