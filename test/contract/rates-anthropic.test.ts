/**
 * What the API client tells of limits, against the simulated API over a socket: by the headers of every answer, by its
 * refusals, and by the Admin API.
 */
import { getEventListeners } from 'node:events';
import { Writable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { readAdminLimits } from '../../src/adapters/anthropic/admin.ts';
import { connectAnthropic } from '../../src/adapters/anthropic/api.ts';
import { VirtualClock } from '../../src/base/virtual-clock.ts';
import { inputLimitOf, isAdminKeyRefused, limitsOfModel } from '../../src/domain/pacing/admin-limits.ts';
import type { RateSeen } from '../../src/domain/pacing/rate-seen.ts';
import { refusalOf } from '../../src/domain/pacing/refusal.ts';
import { tierOf } from '../../src/domain/pacing/tiers.ts';
import type { BatchApi, MessageCall } from '../../src/domain/ports.ts';
import type { SimOptions } from '../../src/tools/sim/options.ts';
import { startSimServer } from '../../src/tools/sim/server.ts';
import { createSimWorld, type SimWorld } from '../../src/tools/sim/world.ts';
import { createMemoryFiles } from '../support/memory-files.ts';
import { tempFolder } from '../support/temp.ts';
import { collect, errorOf, failureOf, HOUR_MS, KEY, never, paramsOf, sha256 } from './batch-api.lab.ts';
import { put } from './files.suite.ts';

const ADMIN = 'sk-ant-admin01-SECRETSECRET';
const WIDE = { rpm: 1_000, itpm: 1_000_000, otpm: 1_000_000 };
const silent = new Writable({ write: (_chunk, _encoding, done) => done() });

interface Bench {
  readonly api: BatchApi;
  readonly world: SimWorld;
  readonly clock: VirtualClock;
  readonly origin: string;
  /** Of the batch endpoints, in order. */
  readonly batchRates: readonly RateSeen[];
  create(rows: number): Promise<string>;
}

const open: { close(): Promise<void> }[] = [];

beforeEach(() => {
  for (const name of Object.keys(process.env)) if (name.startsWith('ANTHROPIC_')) vi.stubEnv(name, undefined);
  const home = tempFolder();
  vi.stubEnv('HOME', home);
  vi.stubEnv('XDG_CONFIG_HOME', home);
});

afterEach(async () => {
  for (const server of open.splice(0)) await server.close();
  vi.unstubAllEnvs();
});

async function bench(options: SimOptions = {}): Promise<Bench> {
  const clock = new VirtualClock();
  const world = createSimWorld({ messageLatencyMs: [0, 0], batchDurationMs: [1_000, 1_000], ...options }, clock);
  const server = await startSimServer(world, { port: 0 });
  open.push(server);
  const { origin } = server;
  const files = createMemoryFiles().files();
  const batchRates: RateSeen[] = [];
  const onBatchRates = (seen: RateSeen): void => void batchRates.push(seen);
  const { api } = await connectAnthropic({ files, clock, apiKey: KEY, stderr: silent, baseURL: origin, onBatchRates });
  const create = async (rows: number): Promise<string> => {
    const requests = Array.from({ length: rows }, (_, at) => ({ custom_id: `r-${at}`, params: paramsOf(`q ${at}`) }));
    const text = JSON.stringify({ requests });
    await put(files, 'body', text);
    const beforeTail = (): Promise<void> => Promise.resolve();
    const parts = { bodyPath: 'body', bytes: Buffer.byteLength(text), sha256: sha256(text), betas: [] };
    return (await api.createBatch({ ...parts, beforeTail, signal: never })).id;
  };
  return { api, world, clock, origin, batchRates, create };
}

/** One message, and what its headers said. */
async function ask({ api }: Bench, stream: boolean, more: Partial<MessageCall> = {}): Promise<RateSeen[]> {
  const seen: RateSeen[] = [];
  const paramsJson = JSON.stringify(paramsOf('hello'));
  await api.createMessage({
    ...{ paramsJson, betas: [], stream, signal: never, onRates: (one: RateSeen) => void seen.push(one), ...more },
  });
  return seen;
}

describe('the headers of messages', () => {
  test.each([false, true])('are told once, streamed or not: %s', async (stream) => {
    const at = await bench({ limits: { messages: { rpm: 60, itpm: 40_000, otpm: 8_000 } } });
    await ask(at, stream);
    const [seen, ...others] = await ask(at, stream);
    expect(others).toEqual([]);
    expect(seen).toEqual({
      organization: '00000000-0000-4000-8000-000000000001',
      workspace: 'wrkspc_default',
      by: 'api',
      buckets: {
        requests: { limit: 60, remaining: 58, resetMs: 2_000 },
        input: { limit: 40_000, remaining: 40_000, resetMs: expect.any(Number) as number },
        output: { limit: 8_000, remaining: 8_000, resetMs: expect.any(Number) as number },
        tokens: { limit: 8_000, remaining: 8_000, resetMs: expect.any(Number) as number },
      },
    });
  });

  test.each([false, true])('are told before the answer is whole, streamed or not: %s', async (stream) => {
    const at = await bench();
    const order: string[] = [];
    await ask(at, stream, { onRates: () => void order.push('headers') });
    order.push('answer');
    expect(order).toEqual(['headers', 'answer']);
  });

  test('of a proxy are read too', async () => {
    const at = await bench({
      switches: { rateHeaders: 'proxy', identityHeaders: false },
      limits: { messages: { rpm: 1, itpm: 40_000, otpm: 8_000 } },
    });
    const [seen] = await ask(at, false);
    expect(seen).toMatchObject({ organization: null, workspace: null, by: 'proxy' });
    expect(seen?.buckets).toMatchObject({
      requests: { limit: 1, remaining: 0, resetMs: 60_000 },
      tokens: { limit: 40_000, remaining: 40_000 },
    });
  });

  test('that say nothing are no failure', async () => {
    const at = await bench({ switches: { rateHeaders: 'none' } });
    expect(await ask(at, true)).toMatchObject([{ buckets: {} }]);
  });

  test.each([false, true])('of a refusal come with the failure instead, streamed or not: %s', async (stream) => {
    const at = await bench({ limits: { messages: { ...WIDE, rpm: 1 } } });
    await ask(at, stream);
    const seen: RateSeen[] = [];
    const failure = await failureOf(ask(at, stream, { onRates: (one) => void seen.push(one) }));
    expect(seen).toEqual([]);
    expect(failure).toMatchObject({ status: 429, retryAfterMs: 60_000 });
    expect(failure.rates?.buckets.requests).toEqual({ limit: 1, remaining: 0, resetMs: 60_000 });
  });
});

describe('the headers of batches', () => {
  test('are told of every call that has them', async () => {
    const at = await bench({ switches: { rateHeadersOnBatches: true }, limits: { batchRpm: 600 } });
    const id = await at.create(2);
    at.clock.advance(HOUR_MS);
    const batch = await at.api.retrieveBatch(id, never);
    await at.api.listBatches({ afterId: null, limit: 5, signal: never });
    await collect(at.api.streamResults(batch, never));
    await at.api.deleteBatch(id, never);
    await at.api.cancelBatch(await at.create(1), never);
    expect(at.batchRates).toHaveLength(7);
    expect(at.batchRates.map(({ buckets }) => buckets.requests?.remaining)).toEqual([
      599, 599, 598, 597, 596, 595, 594,
    ]);
  });

  test('are not missed where there are none, and other endpoints do not count', async () => {
    const at = await bench();
    await at.create(1);
    await at.api.identify(never);
    await ask(at, false);
    expect(at.batchRates).toEqual([]);
  });
});

describe('what a 429 is about', () => {
  async function refused(options: SimOptions, prepare: (at: Bench) => Promise<unknown>): Promise<unknown> {
    const at = await bench(options);
    await prepare(at);
    return refusalOf(await failureOf(ask(at, false)));
  }
  const twice = (at: Bench): Promise<unknown> => ask(at, false);

  test.each([
    ['calls', { ...WIDE, rpm: 1 }, 'requests', 1],
    ['input', { ...WIDE, itpm: 3 }, 'input', 3],
    ['output', { ...WIDE, otpm: 2 }, 'output', 2],
    ['tokens of both kinds', { ...WIDE, tpm: 3 }, 'tokens', 3],
    ['tokens of a day', { ...WIDE, tpd: 5 }, 'day', 5],
  ] as const)('%s', async (_what, messages, bucket, limit) => {
    expect(await refused({ limits: { messages } }, twice)).toEqual({ kind: 'rate', bucket, limit });
  });

  test('too fast a growth', async () => {
    const many = async (at: Bench): Promise<void> => {
      for (let nth = 0; nth < 20; nth++) await ask(at, false);
    };
    expect(await refused({ switches: { rampPerMinute: 2 } }, many)).toEqual({ kind: 'ramp' });
  });

  test('money', async () => {
    expect(await refused({ accountProblem: 'spend_limit' }, () => Promise.resolve())).toEqual({ kind: 'money' });
  });

  test('the queue, the open batches and the calls of batches', async () => {
    const at = await bench({ limits: { batchQueueMax: 3, batchesMax: 2, batchRpm: 5 } });
    await at.create(2);
    expect(refusalOf(await failureOf(at.create(2)))).toEqual({ kind: 'rate', bucket: 'queue', limit: null });
    await at.create(1);
    at.world.setLimits({ batchQueueMax: 10 });
    expect(refusalOf(await failureOf(at.create(1)))).toEqual({ kind: 'rate', bucket: 'batches', limit: 2 });
    await at.api.listBatches({ afterId: null, limit: 1, signal: never });
    expect(refusalOf(await failureOf(at.create(1)))).toEqual({ kind: 'rate', bucket: 'requests', limit: 5 });
  });
});

describe('the Admin API', () => {
  const keys = { [KEY]: { organization: 'org-a', workspace: 'wrkspc_a', limits: { batchQueueMax: 700 } } };
  const adminKeys = { [ADMIN]: 'org-a' };

  function read({ origin, clock }: Bench, more: Partial<Parameters<typeof readAdminLimits>[0]> = {}) {
    return readAdminLimits({ adminKey: ADMIN, baseURL: origin, workspace: null, clock, signal: never, ...more });
  }

  test('tells the limits of each group of models and of batches', async () => {
    const at = await bench({ keys, adminKeys, tier: 'build' });
    const limits = await read(at);
    expect(limits).toMatchObject({ organization: 'org-a', batch: { queuedRequests: 700, requestsPerMinute: 2_000 } });
    const opus = limitsOfModel(limits, 'claude-opus-4-5');
    expect(opus).toEqual({
      models: ['claude-opus-4-8', 'claude-opus-4-7', 'claude-opus-4-6', 'claude-opus-4-5-20251101', 'claude-opus-4-5'],
      requestsPerMinute: 5_000,
      inputTokensPerMinute: 5_000_000,
      inputTokensPerMinuteCacheAware: null,
      outputTokensPerMinute: 1_000_000,
      tokensPerMinute: null,
      tokensPerDay: null,
    });
    if (opus === null) expect.unreachable();
    const seen = { requests: opus.requestsPerMinute, input: inputLimitOf(opus), output: opus.outputTokensPerMinute };
    expect(tierOf('opus_4', seen)).toBe('build');
  });

  test('what a workspace was set to wins where it is lower', async () => {
    const workspaceLimits = { wrkspc_a: { 'haiku_5.5': { rpm: 9, itpm: 90_000_000, tpd: 1_000 } } };
    const at = await bench({ keys, adminKeys, workspaceLimits });
    const limits = await read(at, { workspace: 'wrkspc_a' });
    expect(limitsOfModel(limits, 'claude-haiku-5-5')).toMatchObject({
      ...{ requestsPerMinute: 9, inputTokensPerMinute: 2_000_000, tokensPerDay: 1_000 },
    });
    expect(limitsOfModel(limits, 'claude-haiku-4-5')).toMatchObject({ requestsPerMinute: 1_000, tokensPerDay: null });
    expect(limitsOfModel(await read(at), 'claude-haiku-5-5')).toMatchObject({ requestsPerMinute: 1_000 });
  });

  test('a workspace that it does not know has the organization’s limits', async () => {
    const at = await bench({ keys, adminKeys });
    expect(await read(at, { workspace: 'key_0123456789abcdef' })).toEqual(await read(at));
  });

  test.each(['sk-ant-admin01-other', KEY])('%s is refused in a way that can be recognised, once', async (adminKey) => {
    const at = await bench({ keys, adminKeys });
    const error = await errorOf(read(at, { adminKey }));
    expect(error).toMatchObject({ name: 'BatchrunError', code: 'E_API' });
    expect(isAdminKeyRefused(error)).toBe(true);
    expect(at.world.ledger.calls.get('admin.rate_limits')).toBe(1);
  });

  test('without a network it is a failure like any other', async () => {
    const at = await bench({ keys, adminKeys });
    const failed = read(at, { baseURL: 'http://127.0.0.1:9' });
    expect(isAdminKeyRefused(await errorOf(failed))).toBe(false);
    expect(await failureOf(failed)).toMatchObject({ connection: 'never_made' });
  });

  test('leaves nothing hanging on the signal of the whole process', async () => {
    const at = await bench({ keys, adminKeys });
    const { signal } = new AbortController();
    for (let nth = 0; nth < 3; nth++) await read(at, { signal, workspace: 'wrkspc_a' });
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
  });

  test('another credential of the environment does not go along', async () => {
    vi.stubEnv('ANTHROPIC_AUTH_TOKEN', 'token-of-somebody');
    vi.stubEnv('ANTHROPIC_API_KEY', KEY);
    const headers: Headers[] = [];
    const at = await bench({ keys, adminKeys });
    await read(at, {
      fetch: (input, init) => {
        headers.push(new Headers(init?.headers));
        return fetch(input, init);
      },
    });
    expect(headers.map((one) => one.get('authorization'))).toEqual([`Bearer ${ADMIN}`]);
    expect(headers[0]?.get('x-api-key')).toBeNull();
  });

  /** Answers page after page. */
  function pages(...bodies: readonly string[]): typeof fetch {
    let nth = 0;
    return () => Promise.resolve(new Response(bodies[nth++] ?? bodies.at(-1), { status: 200 }));
  }
  const group = (models: string[], value: number): object => {
    const limits = [
      { type: 'requests_per_minute', value },
      { type: 'input_tokens_per_minute_cache_aware', value: 20 },
      { type: 'output_tokens_per_minute', value: -1 },
      { type: 7, value: 1 },
    ];
    return { type: 'rate_limit', group_type: 'model_group', models, limits };
  };

  test('older answers, several pages and unknown limits are read', async () => {
    const at = await bench();
    const first = { data: [group(['claude-old'], 5)], next_page: 'p2' };
    const batch = { group_type: 'batch', models: null, limits: [{ type: 'enqueued_batch_requests', value: 500_000 }] };
    const second = { data: [batch, { group_type: 'new_thing' }, null], next_page: null };
    const limits = await read(at, { fetch: pages(JSON.stringify(first), JSON.stringify(second)) });
    expect(limits.batch).toEqual({ queuedRequests: 500_000, requestsPerMinute: null });
    expect(limits.groups).toMatchObject([
      { models: ['claude-old'], requestsPerMinute: 5, inputTokensPerMinute: null, inputTokensPerMinuteCacheAware: 20 },
    ]);
    expect(limits.groups[0]?.outputTokensPerMinute).toBeNull();
  });

  test.each(['<html>', '[]', '{}', JSON.stringify({ data: [], next_page: 'again' })])(
    'an answer that is none, or that never ends, is unreadable: %s',
    async (body) => {
      const at = await bench();
      expect(await failureOf(read(at, { fetch: pages(body) }))).toMatchObject({ unreadable: true, status: null });
    },
  );
});
