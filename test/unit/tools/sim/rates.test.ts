/**
 * Limits that change, limits of organizations and workspaces, and how answers tell of them: facts/api.md section 3.
 */
import { describe, expect, test } from 'vitest';
import type { SimOptions } from '../../../../src/tools/sim/options.ts';
import { START_CALLS } from '../../../../src/tools/sim/ramp.ts';
import { bench, HOUR_MS, MINUTE_MS, MODEL, paramsOf, rows, type Bench, type Reply } from './helpers.ts';

const ORGANIZATION = '00000000-0000-4000-8000-000000000001';
const WIDE = { rpm: 1_000, itpm: 1_000_000, otpm: 1_000_000 };
/** A prompt of 100 tokens. */
const HUNDRED = 'x'.repeat(387);

function quick(options: SimOptions = {}): Bench {
  return bench({ messageLatencyMs: [0, 0], ...options });
}

function ask({ call }: Pick<Bench, 'call'>, text = 'hello', headers: Record<string, string> = {}): Promise<Reply> {
  return call('POST', '/v1/messages', paramsOf(text), headers);
}

/** How many calls go through before the first 429. */
async function burst(at: Pick<Bench, 'call'>, headers: Record<string, string> = {}, max = 50): Promise<number> {
  for (let done = 0; done < max; done++) if ((await ask(at, 'hello', headers)).status === 429) return done;
  return max;
}

function codeOf(reply: Reply): string | undefined {
  return (reply.json['error'] as { details?: { error_code?: string } } | undefined)?.details?.error_code;
}

describe('limits that change while the world runs', () => {
  test('a limit cut in half: the bucket keeps its level, clamped, and refills at the new rate', async () => {
    const at = quick({ limits: { messages: { ...WIDE, rpm: 40 } } });
    expect(await burst(at, {}, 10)).toBe(10);
    at.world.setLimits({ messages: { rpm: 20 } });
    expect((await ask(at)).headers).toMatchObject({
      'anthropic-ratelimit-requests-limit': '20',
      'anthropic-ratelimit-requests-remaining': '19',
      'anthropic-ratelimit-input-tokens-limit': '1000000',
    });
    expect(await burst(at)).toBe(19);
    at.clock.advance(6_000);
    expect(await burst(at)).toBe(2);
  });

  test('until the change it refilled at the old rate, although nobody looked', async () => {
    const at = quick({ limits: { messages: { ...WIDE, rpm: 40 } } });
    expect(await burst(at)).toBe(40);
    at.clock.advance(30_000);
    at.world.setLimits({ messages: { rpm: 60 } });
    at.clock.advance(1_000);
    expect(await burst(at)).toBe(21);
  });

  test('a limit of nothing lets nothing through until it is lifted', async () => {
    const at = quick();
    at.world.setLimits({ messages: { rpm: 0 } });
    const refused = await ask(at);
    expect(refused.status).toBe(429);
    expect(Number(refused.headers['retry-after'])).toBe(60);
    at.world.setLimits({ messages: { rpm: 5 } });
    at.clock.advance(MINUTE_MS);
    expect(await burst(at)).toBe(5);
  });

  test('the queue and the batch calls too', async () => {
    const { create, world, call } = quick({ limits: { batchQueueMax: 10, batchRpm: 100 } });
    expect((await create(rows(4, 'a'))).status).toBe(200);
    world.setLimits({ batchQueueMax: 5 });
    expect((await create(rows(2, 'b'))).status).toBe(429);
    world.setLimits({ batchRpm: 1 });
    expect((await call('GET', '/v1/messages/batches')).status).toBe(200);
    expect((await call('GET', '/v1/messages/batches')).status).toBe(429);
  });
});

describe('what a refusal says', () => {
  test.each([
    ['requests', { ...WIDE, rpm: 1 }, '1 requests per minute'],
    ['input', { ...WIDE, itpm: 30_000 }, '30,000 input tokens per minute'],
    ['tokens', { ...WIDE, tpm: 25_000 }, '25,000 tokens per minute'],
    ['day', { ...WIDE, tpd: 1_020_000 }, '1,020,000 tokens per day'],
  ] as const)('it names the bucket: %s', async (bucket, messages, named) => {
    const at = quick({ limits: { messages } });
    const huge = 'y'.repeat(bucket === 'day' ? 3_900_000 : 80_000);
    let last = await ask(at, huge);
    while (last.status === 200) last = await ask(at, huge);
    expect(last).toMatchObject({ status: 429, errorType: 'rate_limit_error' });
    expect(last.message).toContain(`rate limit of ${named} (org: ${ORGANIZATION}, model: ${MODEL})`);
    expect(last.headers['anthropic-ratelimit-requests-limit']).toBe(String(messages.rpm));
    expect(Number(last.headers['retry-after'])).toBeGreaterThan(0);
    expect([...(at.world.ledger.rates.get(`${ORGANIZATION}|haiku_5.5`)?.refused ?? [])]).toEqual([[bucket, 1]]);
  });

  test('output that was overdrawn holds the next call, by name', async () => {
    const at = quick({ limits: { messages: { ...WIDE, otpm: 4_000 } }, answer: () => 'z'.repeat(30_000) });
    expect((await at.call('POST', '/v1/messages', { ...paramsOf('x'), max_tokens: 10_000 })).status).toBe(200);
    expect((await ask(at)).message).toContain('rate limit of 4,000 output tokens per minute');
    const rates = at.world.ledger.rates.get(`${ORGANIZATION}|haiku_5.5`);
    expect(rates?.lowest.get('output')).toBeLessThan(0);
    expect(rates).toMatchObject({ taken: 1 });
    expect(rates?.outputTokens).toBeGreaterThan(4_000);
  });

  test('it follows its retry-after: then the same call goes through', async () => {
    const at = quick({ limits: { messages: { ...WIDE, itpm: 150 } } });
    await ask(at, HUNDRED);
    const refused = await ask(at, HUNDRED);
    expect(refused.status).toBe(429);
    at.clock.advance(Number(refused.headers['retry-after']) * 1_000 - 1_000);
    expect((await ask(at, HUNDRED)).status).toBe(429);
    at.clock.advance(1_000);
    expect((await ask(at, HUNDRED)).status).toBe(200);
  });
});

describe('how limits are enforced', () => {
  test('in steps of a second instead of a minute', async () => {
    const at = quick({ limits: { messages: { ...WIDE, rpm: 120 } }, switches: { burstMs: 1_000 } });
    expect(await burst(at)).toBe(2);
    at.clock.advance(500);
    expect(await burst(at)).toBe(1);
    const slow = quick({ limits: { messages: { ...WIDE, rpm: 6 } }, switches: { burstMs: 1_000 } });
    expect(await burst(slow)).toBe(1);
  });

  test('input that was read from a cache is free', async () => {
    const at = quick({ limits: { messages: { ...WIDE, itpm: 10_000 } } });
    const system = [{ type: 'text', text: 's'.repeat(20_000), cache_control: { type: 'ephemeral' } }];
    const cached = (): Promise<Reply> => at.call('POST', '/v1/messages', { ...paramsOf('hello'), system });
    const statuses: number[] = [];
    for (let nth = 0; nth < 4; nth++) statuses.push((await cached()).status);
    expect(statuses).toEqual([200, 200, 200, 200]);
    expect(at.world.ledger.rates.get(`${ORGANIZATION}|haiku_5.5`)?.inputTokens).toBeLessThan(6_000);
  });

  test('too fast a growth is refused with a code of its own until the next minute', async () => {
    const at = quick({ switches: { rampPerMinute: 2 } });
    expect(await burst(at, {}, 200)).toBe(START_CALLS);
    at.clock.advance(15_000);
    const refused = await ask(at);
    expect({ status: refused.status, code: codeOf(refused) }).toEqual({ status: 429, code: 'ramp_limit_exceeded' });
    expect(refused.headers).toMatchObject({ 'retry-after': '45', 'anthropic-ratelimit-requests-limit': '1000' });
    at.clock.advance(45_000);
    expect(await burst(at, {}, 200)).toBe(2 * START_CALLS);
    at.clock.advance(MINUTE_MS);
    expect(await burst(at, {}, 200)).toBe(4 * START_CALLS);
    at.clock.advance(HOUR_MS);
    expect(await burst(at, {}, 200)).toBe(START_CALLS);
    expect(at.world.ledger.rates.get(`${ORGANIZATION}|haiku_5.5`)?.refused.get('ramp')).toBe(5);
  });

  test('without such a rule a first minute may take everything', async () => {
    expect(await burst(quick({ limits: { messages: { ...WIDE, rpm: 45 } } }))).toBe(45);
  });
});

describe('how answers tell of limits', () => {
  const names = (reply: Reply): string[] => Object.keys(reply.headers).filter((name) => name.includes('ratelimit'));

  test('as a proxy does: calls and tokens, with durations', async () => {
    const at = quick({
      switches: { rateHeaders: 'proxy' },
      limits: { messages: { rpm: 2, itpm: 50_000, otpm: 8_000 } },
    });
    const reply = await ask(at, 'x'.repeat(40_000));
    expect(names(reply).every((name) => name.startsWith('x-ratelimit-'))).toBe(true);
    expect(reply.headers).toMatchObject({
      'x-ratelimit-limit-requests': '2',
      'x-ratelimit-remaining-requests': '1',
      'x-ratelimit-reset-requests': '30s',
      'x-ratelimit-limit-tokens': '50000',
      'x-ratelimit-remaining-tokens': '40000',
    });
    expect(reply.headers['x-ratelimit-reset-tokens']).toMatch(/^1[23]s$/);
    await ask(at, 'x'.repeat(40_000));
    expect((await ask(at)).headers['x-ratelimit-reset-requests']).toBe('1m0s');
  });

  test('not at all, and without a word of who is behind the key', async () => {
    const at = quick({
      switches: { rateHeaders: 'none', identityHeaders: false },
      limits: { messages: { ...WIDE, rpm: 1 } },
    });
    const fine = await ask(at);
    const refused = await ask(at);
    expect([fine.status, refused.status]).toEqual([200, 429]);
    expect([...names(fine), ...names(refused)]).toEqual([]);
    expect(fine.headers['anthropic-organization-id']).toBeUndefined();
    expect(refused.headers['retry-after']).toBe('60');
  });

  test('on batch endpoints a refusal has them where the switch says so', async () => {
    const on = quick({ switches: { rateHeadersOnBatches: true }, limits: { batchQueueMax: 1, batchRpm: 2 } });
    const full = await on.create(rows(2));
    expect(full.headers).toMatchObject({ 'anthropic-ratelimit-requests-remaining': '1', 'retry-after': '30' });
    await on.create(rows(1));
    expect((await on.create(rows(1))).headers['anthropic-ratelimit-requests-remaining']).toBe('0');
    const off = quick({ limits: { batchRpm: 1 } });
    await off.create(rows(1));
    expect(names(await off.create(rows(1, 'b')))).toEqual([]);
  });
});

describe('whose limits', () => {
  const keys = {
    a1: { workspace: 'w1', organization: 'org-a', limits: { messages: { ...WIDE, rpm: 4 } } },
    a2: { workspace: 'w2', organization: 'org-a' },
    b1: { workspace: 'w3', organization: 'org-b' },
  };
  const as = (key: string): Record<string, string> => ({ 'x-api-key': key });

  test('keys of one organization share its buckets, and another has its own', async () => {
    const at = quick({ keys, limits: { messages: { ...WIDE, rpm: 7 } } });
    expect((await ask(at, 'hello', as('a1'))).status).toBe(200);
    expect(await burst(at, as('a2'))).toBe(3);
    expect((await ask(at, 'hello', as('a1'))).status).toBe(429);
    expect(await burst(at, as('b1'))).toBe(7);
    expect(at.world.ledger.rates.get('org-a|haiku_5.5')).toMatchObject({ organization: 'org-a', taken: 4 });
    expect(at.world.ledger.rates.get('org-b|haiku_5.5')?.refused.get('requests')).toBe(1);
  });

  test('a change for one organization leaves the others, and a change for all leaves what one was given', async () => {
    const at = quick({ keys, limits: { messages: { ...WIDE, rpm: 7 } } });
    at.world.setLimits({ messages: { rpm: 2 } }, 'org-a');
    at.world.setLimits({ messages: { rpm: 5 } });
    expect([await burst(at, as('a1')), await burst(at, as('b1'))]).toEqual([2, 5]);
  });

  test('a workspace that was set lower holds its own keys and takes from its organization', async () => {
    const at = quick({ keys, workspaceLimits: { w2: { 'haiku_5.5': { rpm: 2 } } } });
    expect(await burst(at, as('a2'))).toBe(2);
    expect(await burst(at, as('a1'))).toBe(2);
  });

  test('the tokens header shows the tightest limit in force', async () => {
    const at = quick({ keys, workspaceLimits: { w3: { 'haiku_5.5': { itpm: 5_000 } } } });
    expect((await ask(at, 'x'.repeat(4_000), as('b1'))).headers).toMatchObject({
      'anthropic-ratelimit-tokens-limit': '5000',
      'anthropic-ratelimit-input-tokens-limit': '2000000',
    });
  });

  test('the queue is an organization’s too, and the ledger knows how full it was', async () => {
    const at = quick({ keys, limits: { batchQueueMax: 5, batchesMax: 2 } });
    expect((await at.create(rows(3, 'a'), as('a1'))).status).toBe(200);
    expect((await at.create(rows(3, 'b'), as('a2'))).status).toBe(429);
    expect((await at.create(rows(5, 'c'), as('b1'))).status).toBe(200);
    expect((await at.create(rows(1, 'd'), as('a2'))).status).toBe(200);
    expect((await at.create(rows(1, 'e'), as('a2'))).status).toBe(429);
    const { loads, rates } = at.world.ledger;
    expect(loads.get('org-a')).toEqual({
      ...{ organization: 'org-a', peakQueued: 4, queueMax: 5, peakBatches: 2, batchesMax: 2 },
    });
    expect(loads.get('org-b')).toMatchObject({ peakQueued: 5, peakBatches: 1 });
    expect([...(rates.get('org-a|batches')?.refused ?? [])]).toEqual([
      ['queue', 1],
      ['batches', 1],
    ]);
  });
});
