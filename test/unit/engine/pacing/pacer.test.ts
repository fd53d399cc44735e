/** When calls may leave: what is learnt from answers and refusals, by which key, and how many at once. */
import { describe, expect, test } from 'vitest';
import type { CallCount } from '../../../../src/engine/pacing/pacer.ts';
import { A, A2, answer, B, call, headers, pacerLab, POOL, tooMany } from './pacer.lab.ts';

const OF_REQUESTS = "This request would exceed your organization's rate limit of 20 requests per minute (org: 1).";
const LARGE = { input: 1_000_000, output: 1_000_000 };

describe('limits', () => {
  test('are those of a new account until the headers of the first answer', async () => {
    const it = pacerLab();
    const tickets = await it.burst();
    expect(tickets).toHaveLength(50);
    const [first] = tickets;
    if (!first) throw new Error('none went');
    await it.pacer.answered(first, answer(headers({ requests: 600, ...LARGE }, { requests: 599 })));
    expect(await it.perMinute('requests')).toBe(600);
    expect(await it.perMinute('input')).toBe(LARGE.input);
    // 599 are left there; of the 49 others it is not known whether they are counted.
    expect((await it.burst()).length).toBeGreaterThan(400);
  });

  test('what others use is seen in what is left', async () => {
    const it = pacerLab();
    await it.pacer.answered(await it.go(), answer(headers({ requests: 100, ...LARGE }, { requests: 99 })));
    await it.pacer.answered(await it.go(), answer(headers({ requests: 100, ...LARGE }, { requests: 30 })));
    // What the API says is rounded: a call more is no news.
    expect(await it.burst()).toHaveLength(31);
  });

  test('a share is left to others, of the limit and of what is left', async () => {
    const it = pacerLab({ headroom: 0.1 });
    await it.pacer.answered(await it.go(), answer(headers({ requests: 100, ...LARGE }, { requests: 99 })));
    expect(await it.perMinute('requests')).toBe(90);
    await it.pacer.answered(await it.go(), answer(headers({}, { requests: 30 })));
    expect(await it.burst()).toHaveLength(21);
  });

  test('a cap holds although answers show more left than it allows; less left counts', async () => {
    const it = pacerLab({ caps: { requests: 5 } });
    const sees = async (remaining: number): Promise<void> =>
      it.pacer.answered(await it.go(), answer(headers({ requests: 1_000, ...LARGE }, { requests: remaining })));
    for (let calls = 1; calls <= 4; calls++) await sees(1_000 - calls);
    expect(await it.level('requests')).toBe(1);
    await sees(995);
    expect(await it.burst()).toEqual([]);
    it.clock.advance(60_000);
    await sees(2);
    expect(await it.level('requests')).toBeLessThanOrEqual(3);
  });

  test('a flag caps them', async () => {
    const it = pacerLab({ caps: { requests: 5, tokens: 1_000 } });
    await it.pacer.answered(await it.go(), answer(headers({ requests: 100, ...LARGE })));
    expect(await it.perMinute('requests')).toBe(5);
    expect(await it.perMinute('tokens')).toBe(1_000);
    expect(await it.burst()).toHaveLength(4);
    it.clock.advance(60_000);
    expect(await it.burst()).toHaveLength(5);
  });

  test("a proxy's limit of tokens is one of both kinds, the API's own is none", async () => {
    const proxy = pacerLab();
    await proxy.pacer.answered(await proxy.go(), answer(headers({ requests: 90, tokens: 500 }, {}, 'proxy')));
    expect(await proxy.perMinute('tokens')).toBe(500);
    expect(await proxy.perMinute('requests')).toBe(90);
    const api = pacerLab();
    await api.pacer.answered(await api.go(), answer(headers({ requests: 90, tokens: 500 })));
    expect(await api.perMinute('tokens')).toBeUndefined();
  });

  test('the Admin API tells them before the first call', async () => {
    const it = pacerLab();
    const group = { models: ['claude-haiku-5-5'], requestsPerMinute: 70, outputTokensPerMinute: 700 };
    const input = { inputTokensPerMinute: 9_000, inputTokensPerMinuteCacheAware: 8_000 };
    it.pacer.pools.administer('org_a', {
      organization: 'org_a',
      groups: [{ ...group, ...input, tokensPerMinute: null, tokensPerDay: 50_000 }],
      batch: { queuedRequests: 400, requestsPerMinute: null },
    });
    await it.go();
    expect(await it.perMinute('requests')).toBe(70);
    expect(await it.perMinute('input')).toBe(8_000);
    expect(await it.perMinute('output')).toBe(700);
    expect(await it.perMinute('day')).toBe(50_000);
    expect(it.pacer.pools.batchLimits('org_a').rowsMax).toBe(400);
    await it.go(call(), [B]);
    expect(await it.perMinute('requests', 'org_b|haiku_5.5')).toBe(50);
  });
});

describe('a refusal', () => {
  test('that names its number sets it, empties the bucket and pauses as long as it asks', async () => {
    const it = pacerLab();
    await it.pacer.failed(await it.go(), tooMany(OF_REQUESTS, { retryAfterMs: 5_000 }), true);
    expect(await it.perMinute('requests')).toBe(20);
    expect(await it.pacer.take(call(), [A], null)).toEqual({
      ...{ kind: 'wait', waitMs: 5_000, everyone: true, bucket: 'paused', pool: POOL },
    });
    // Of an empty bucket of 20 a minute one and two thirds have come by then.
    it.clock.advance(5_000);
    expect(await it.burst()).toHaveLength(1);
  });

  test('without a number goes by what went through in the last minute, and grows again with answers', async () => {
    const it = pacerLab();
    for (let at = 0; at < 40; at++) await it.pacer.answered(await it.go(), answer());
    expect(await it.perMinute('requests')).toBeCloseTo(90);
    await it.pacer.failed(await it.go(), tooMany('Number of requests has exceeded your rate limit.'), true);
    // Nine tenths of 40 would be less than half of what was taken to be the limit.
    expect(await it.perMinute('requests')).toBeCloseTo(45);
    expect(await it.level('requests')).toBeLessThanOrEqual(0);
    it.clock.advance(30_000);
    await it.pacer.answered(await it.go(), answer());
    expect(await it.perMinute('requests')).toBeGreaterThan(45);
  });

  test('that headers explain leaves the limit alone', async () => {
    const it = pacerLab();
    await it.pacer.answered(await it.go(), answer(headers({ requests: 100, ...LARGE }, { requests: 99 })));
    const rates = headers({}, { requests: 0 });
    await it.pacer.failed(await it.go(), tooMany('Number of requests has exceeded your rate limit.', { rates }), true);
    expect(await it.perMinute('requests')).toBe(100);
    expect((await it.limiter.view(POOL))?.buckets.requests?.limit.capacity).toBe(100);
    expect(await it.burst()).toHaveLength(0);
  });

  test('gives the tokens back that were paid, and is counted', async () => {
    const calls: CallCount[] = [];
    const it = pacerLab({ onCall: (one) => calls.push(one) });
    const input = (await it.go()).paid.input ?? 0;
    expect(input).toBeGreaterThan(0);
    const before = (await it.level('input')) ?? 0;
    await it.pacer.failed(await it.go(), tooMany(OF_REQUESTS), true);
    expect(await it.level('input')).toBe(before);
    expect(calls).toEqual([{ pool: POOL, key: 'sk-a', inputTokens: 0, outputTokens: 0, refused: true, retried: true }]);
  });

  test('for too fast a growth slows down, and it grows again by time', async () => {
    const it = pacerLab();
    await it.pacer.answered(await it.go(), answer(headers({ requests: 1_000, ...LARGE }, { requests: 999 })));
    for (let at = 0; at < 99; at++) await it.pacer.answered(await it.go(), answer());
    await it.pacer.failed(await it.go(), tooMany('slower', { errorCode: 'ramp_limit_exceeded' }), true);
    expect(await it.perMinute('requests')).toBeCloseTo(80, 6);
    it.clock.advance(30_000);
    await it.go();
    expect(await it.perMinute('requests')).toBeCloseTo(96, 6);
    it.clock.advance(10 * 60_000);
    await it.go();
    expect(await it.perMinute('requests')).toBe(1_000);
  });
});

describe('what was paid', () => {
  test('is put right by the answer, and given back whole where the call never left', async () => {
    const it = pacerLab();
    await it.pacer.pools.of('org_a', 'claude-haiku-5-5');
    const full = await it.level('input');
    const ticket = await it.go();
    await it.pacer.refund(ticket);
    expect(await it.level('input')).toBe(full);
    expect(await it.level('requests')).toBe(50);
    await it.pacer.answered(await it.go(), answer(null, 700, 300));
    expect(await it.level('input')).toBe((full ?? 0) - 700);
    expect(await it.level('output')).toBe(8_000 - 300);
    // The next of this run is expected to take as much.
    expect((await it.go(call({ maxTokens: 1_000 }))).paid).toMatchObject({ input: 700, output: 300 });
  });
});

describe('keys', () => {
  test('of two organizations: load goes where room is, and where none is the earliest is said', async () => {
    const it = pacerLab({ caps: { requests: 3 } });
    const tickets = await it.burst([A, B]);
    expect(tickets.map(({ key }) => key.label)).toEqual(['sk-a', 'sk-a', 'sk-a', 'sk-b', 'sk-b', 'sk-b']);
    await it.limiter.pause(POOL, 90_000);
    expect(await it.pacer.take(call(), [A, B], null)).toEqual({
      ...{ kind: 'wait', waitMs: 20_000, everyone: true, bucket: 'requests', pool: 'org_b|haiku_5.5' },
    });
  });

  test('of one organization share its buckets, which are asked once', async () => {
    const it = pacerLab({ caps: { requests: 3 } });
    expect(await it.burst([A, A2])).toHaveLength(3);
    it.asked.length = 0;
    expect(await it.pacer.take(call(), [A, A2], null)).toMatchObject({ kind: 'wait' });
    expect(it.asked).toEqual([POOL]);
  });

  test('a call that goes with one of them waits in no other line', async () => {
    const it = pacerLab({ caps: { requests: 1 } });
    await it.go();
    expect(await it.pacer.take(call(), [A], 'w')).toMatchObject({ kind: 'wait' });
    expect(await it.pacer.take(call(), [A, B], 'w')).toMatchObject({ kind: 'go' });
    it.clock.advance(30_000);
    // Nothing is put aside for it any more.
    expect((await it.limiter.view(POOL))?.buckets.requests?.aside).toBe(0);
  });

  test('none at all: somebody has to act', async () => {
    expect(await pacerLab().pacer.take(call(), [], null)).toMatchObject({ kind: 'wait', everyone: true, pool: '' });
  });

  test('a call too large for the tokens left waits alone, one without a request to spare with all', async () => {
    const it = pacerLab({ caps: { input: 1_000 } });
    await it.go(call({ requestBytes: 2_000 }));
    const large = await it.pacer.take(call({ requestBytes: 2_000 }), [A], null);
    expect(large).toMatchObject({ kind: 'wait', everyone: false, bucket: 'input' });
  });
});

describe('calls at once', () => {
  test('follow from rate and latency, up to what is allowed', async () => {
    const it = pacerLab();
    expect(it.pacer.concurrency(100)).toBe(8);
    const ticket = await it.go();
    it.clock.advance(3_000);
    await it.pacer.answered(ticket, answer(headers({ requests: 600, ...LARGE })));
    // Ten a second for three seconds, twice, and eight.
    expect(it.pacer.concurrency(1_000)).toBe(68);
    expect(it.pacer.concurrency(20)).toBe(20);
  });

  test('are fewer where tokens are the narrow limit', async () => {
    const it = pacerLab();
    const ticket = await it.go();
    it.clock.advance(3_000);
    await it.pacer.answered(ticket, answer(headers({ requests: 600, input: 6_000, output: 1_000_000 }), 100));
    // 60 a minute of 100 tokens.
    expect(it.pacer.concurrency(1_000)).toBe(14);
  });
});

test('calls of the batch endpoints have a limit of their own, and those that nobody waits for count', async () => {
  const calls: CallCount[] = [];
  const it = pacerLab({ batchRpm: 5, onCall: (one) => calls.push(one) });
  expect(await it.pacer.takeBatchCalls('org_a', 'sk-a', 2)).toBe(0);
  await it.pacer.noteBatchCalls('org_a', 'sk-a', 2);
  expect(await it.pacer.takeBatchCalls('org_a', 'sk-a', 2)).toBe(12_000);
  expect(await it.pacer.takeBatchCalls('org_b', 'sk-b', 2)).toBe(0);
  it.clock.advance(12_000);
  expect(await it.pacer.takeBatchCalls('org_a', 'sk-a', 2)).toBe(0);
  expect(calls.map(({ key }) => key)).toEqual(['sk-a', 'sk-a', 'sk-a', 'sk-a', 'sk-b', 'sk-b', 'sk-a', 'sk-a']);
});
