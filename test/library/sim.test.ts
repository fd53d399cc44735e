/**
 * The simulator as other people's tests use it: with the official SDK, over HTTP and without, and under batchrun itself.
 */
import Anthropic from '@anthropic-ai/sdk';
import { expect, it, onTestFinished } from 'vitest';
import { VirtualClock } from '../../src/base/virtual-clock.ts';
import { createBatchrun } from '../../src/library/index.ts';
import { answerFor, createSim, faults, startSim, type SimOptions } from '../../src/library/sim.ts';
import { MODEL, params } from '../support/cli.ts';
import { tempFolder } from '../support/temp.ts';
import { all, rowsOf } from './lab.ts';

const ASKED = params('hello') as unknown as Anthropic.MessageCreateParamsNonStreaming;

it('answers the SDK over HTTP, remembers what happened, and ends', async () => {
  const sim = await startSim();
  const client = new Anthropic({ apiKey: 'test', baseURL: sim.origin, maxRetries: 0 });
  const message = await client.messages.create(ASKED);
  expect(message.content).toMatchObject([{ type: 'text', text: answerFor(params('hello')) }]);
  const batch = await client.messages.batches.create({ requests: [{ custom_id: 'a', params: ASKED }] });
  await expect.poll(async () => (await client.messages.batches.retrieve(batch.id)).processing_status).toBe('ended');
  const results = await all(await client.messages.batches.results(batch.id));
  expect(results).toMatchObject([{ custom_id: 'a', result: { type: 'succeeded' } }]);
  expect(sim.ledger.calls.get('messages.create')).toBe(1);
  expect(sim.ledger.batches).toMatchObject([{ id: batch.id, rowCount: 1, status: 'ended' }]);
  const { usd, batchUsd, realtimeUsd, answers } = sim.spend();
  expect(answers).toBe(2);
  expect(batchUsd).toBeCloseTo((realtimeUsd ?? NaN) / 2, 12);
  expect(usd).toBeCloseTo((batchUsd ?? NaN) + (realtimeUsd ?? NaN), 12);
  await sim.close();
  await expect(client.messages.create(ASKED)).rejects.toBeInstanceOf(Anthropic.APIConnectionError);
});

it('answers without sockets, and fails as it is told', async () => {
  const sim = createSim({ answer: (asked) => `to ${JSON.stringify(asked['messages'])}` });
  const client = new Anthropic({ apiKey: 'test', fetch: sim.fetch, maxRetries: 0 });
  sim.failNext('message.529');
  await expect(client.messages.create(ASKED)).rejects.toMatchObject({ status: 529 });
  expect(sim.faultsFired.get('message.529')).toBe(1);
  expect(faults['message.529']).toMatch(/overloaded/);
  sim.setAccountProblem('credit_too_low');
  await expect(client.messages.create(ASKED)).rejects.toBeInstanceOf(Anthropic.BadRequestError);
  sim.setAccountProblem(undefined);
  const { content } = await client.messages.create(ASKED);
  expect(content).toMatchObject([{ text: expect.stringContaining('to [{"role":"user"') }]);
});

it('is what a whole run is tested against, faults and all, without a socket or a key', async () => {
  const sim = createSim({
    faults: { 'create.500_after': 0.5, 'results.reset': 0.3 },
    rates: { errorRate: 0.2 },
    seed: 3,
  });
  const batchrun = createBatchrun({
    state: tempFolder(),
    apiKey: 'test',
    fetch: sim.fetch,
    ...{ pollIntervalMs: 20, reconcileGraceMs: 100, backoff: { baseMs: 5, maxMs: 20 } },
  });
  onTestFinished(() => batchrun.close());
  const run = await batchrun.submit(rowsOf(40), { chunkRows: 10, model: MODEL });
  const view = await run.wait();
  expect(view.rows).toMatchObject({ total: 40, succeeded: 40 });
  // What the run says that it cost is what the simulator would bill.
  expect(view.cost_usd.spent).toBeCloseTo(sim.spend().usd ?? NaN, 10);
});

it.each([
  [{ latncyMs: [1, 2] }, 'latencyMs'],
  [{ faults: { 'create.500_afetr': 1 } }, 'create.500_afetr'],
  [{ faults: { 'create.500_after': 5 } }, 'create.500_after'],
  [{ rates: { errored: 0.2 } }, 'errored'],
  [{ limits: { rpm: 3 } }, 'rpm'],
  [{ switches: { burst: 3 } }, 'burst'],
  [{ accountProblem: 'no_money' }, 'accountProblem'],
  [{ batchDurationMs: 50 }, 'batchDurationMs'],
  [{ expiresAfterMs: Infinity }, 'expiresAfterMs'],
  [{ retryAfterSeconds: [1, Infinity] }, 'retryAfterSeconds'],
  [{ limits: { messages: { rpmm: 5 } } }, 'limits'],
  [{ limits: { byClass: { 'haiku_5.5': { rpm: '3' } } } }, 'byClass'],
  [{ limits: { byClass: { haiku: { rpm: 3 } } } }, 'byClass'],
  [{ keys: { a: { workspac: 'x' } } }, 'keys'],
  [{ keys: { a: { workspace: 'x', limits: { messages: { rpm: '5' } } } } }, 'keys'],
  [{ adminKeys: { a: 5 } }, 'adminKeys'],
  [{ workspaceLimits: { x: { 'haiku_5.5': { rpmm: 3 } } } }, 'workspaceLimits'],
])('refuses %o: a test would wait in vain for what it names', async (options, named) => {
  const refused = { code: 'E_USAGE', message: expect.stringContaining(named) as string };
  expect(() => createSim(options as unknown as SimOptions)).toThrow(expect.objectContaining(refused) as Error);
  await expect(startSim(options as unknown as SimOptions)).rejects.toMatchObject(refused);
});

it('repeats no key that it refuses', () => {
  const options = { keys: { 'sk-ant-secret': { workspac: 'x' } } } as unknown as SimOptions;
  expect(() => createSim(options)).toThrow(/^(?!.*secret)/);
});

it('takes durations without an end: a batch that expires, an answer that never comes', async () => {
  const clock = new VirtualClock();
  const sim = createSim({
    ...{ clock, batchDurationMs: [Infinity, Infinity], messageLatencyMs: [0, Infinity] },
    ...{ cancelDurationMs: Infinity, archivedAfterMs: Infinity, listLagMs: Infinity },
  });
  const client = new Anthropic({ apiKey: 'test', fetch: sim.fetch, maxRetries: 0 });
  const { id } = await client.messages.batches.create({ requests: [{ custom_id: 'a', params: ASKED }] });
  const leaving = new AbortController();
  const message = client.messages.create(ASKED, { signal: leaving.signal });
  const refused = expect(message).rejects.toBeInstanceOf(Anthropic.APIUserAbortError);
  clock.advance(23 * 3_600_000);
  expect(await client.messages.batches.retrieve(id)).toMatchObject({ processing_status: 'in_progress' });
  clock.advance(2 * 3_600_000);
  expect(await client.messages.batches.retrieve(id)).toMatchObject({ request_counts: { expired: 1 } });
  leaving.abort();
  await refused;
});

it('knows no limit where it is Infinity', async () => {
  const sim = createSim({ limits: { messages: { rpm: Infinity, itpm: Infinity, otpm: Infinity } } });
  const client = new Anthropic({ apiKey: 'test', fetch: sim.fetch, maxRetries: 0 });
  const { data, response } = await client.messages.create(ASKED).withResponse();
  expect(data.stop_reason).toBe('end_turn');
  expect(response.headers.has('anthropic-ratelimit-requests-limit')).toBe(false);
});

it('refuses such names later on, too, and takes all that there are', () => {
  const sim = createSim({
    seed: 'a',
    limits: { batchesMax: null, messages: { rpm: 5, tpd: 9 }, byClass: { 'haiku_5.5': { rpm: Infinity } } },
    keys: { a: { workspace: 'x', workspaces: ['y'], limits: { batchRpm: 3 }, accountProblem: 'billing' } },
    adminKeys: { b: 'x' },
    workspaceLimits: { x: { 'haiku_5.5': { rpm: 3 } } },
    switches: { burstMs: 5 },
    rates: { errorRate: 1, errorTypes: { api_error: 2 }, messageErrorRates: { 429: 0.5 } },
    faults: Object.fromEntries(Object.keys(faults).map((name) => [name, 0])),
    firstTokenShare: null,
    retryAfterSeconds: null,
    messageLatencyMs: () => 3,
    answer: 'echo',
  });
  const refused = expect.objectContaining({ code: 'E_USAGE' }) as Error;
  expect(() => sim.failNext('message.nope' as 'message.500')).toThrow(refused);
  expect(() => sim.setFaults({ nope: 1 } as object)).toThrow(refused);
  expect(() => sim.setRates({ nope: 1 } as object)).toThrow(refused);
  expect(() => sim.setLimits({ nope: 1 } as object)).toThrow(refused);
  expect(() => sim.setAccountProblem('nope' as 'billing')).toThrow(refused);
  sim.setAccountProblem(undefined);
});
