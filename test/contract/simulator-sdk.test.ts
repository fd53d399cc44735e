/**
 * The official SDK, unchanged, drives both skins of the simulator through every call that batchrun makes.
 *
 * What holds on a socket must hold in memory: each test runs once per skin. Time is virtual in both, so a batch of
 * ten minutes takes none; only what a socket needs is real.
 */
import { request as httpRequest } from 'node:http';
import Anthropic from '@anthropic-ai/sdk';
import { afterEach, describe, expect, test } from 'vitest';
import { VirtualClock } from '../../src/base/virtual-clock.ts';
import { answerFor } from '../../src/tools/sim/answer.ts';
import { simFetch } from '../../src/tools/sim/fetch.ts';
import type { SimOptions } from '../../src/tools/sim/options.ts';
import { startSimServer } from '../../src/tools/sim/server.ts';
import { createSimWorld, type SimWorld } from '../../src/tools/sim/world.ts';

const HOUR_MS = 3_600_000;
const MODEL = 'claude-haiku-5-5';

interface Bench {
  readonly clock: VirtualClock;
  readonly world: SimWorld;
  readonly client: Anthropic;
  clientWith(options: ConstructorParameters<typeof Anthropic>[0]): Anthropic;
}

const closers: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

async function bench(skin: 'http' | 'fetch', options: SimOptions = {}): Promise<Bench> {
  const clock = new VirtualClock();
  const world = createSimWorld({ batchDurationMs: [600_000, 600_000], messageLatencyMs: [0, 0], ...options }, clock);
  const base = { apiKey: 'key', maxRetries: 0, timeout: 20_000 };
  const reach = async (): Promise<ConstructorParameters<typeof Anthropic>[0]> => {
    if (skin === 'fetch') return { ...base, baseURL: 'http://sim.test', fetch: simFetch(world) };
    const server = await startSimServer(world, { port: 0 });
    closers.push(() => server.close());
    return { ...base, baseURL: server.origin };
  };
  const reached = await reach();
  const clientWith: Bench['clientWith'] = (more) => new Anthropic({ ...reached, ...more });
  return { clock, world, client: clientWith({}), clientWith };
}

function params(text: string, more: object = {}): Anthropic.MessageCreateParamsNonStreaming {
  return { model: MODEL, max_tokens: 100, messages: [{ role: 'user', content: text }], ...more };
}

function requests(count: number, prefix = 'row'): Anthropic.Messages.BatchCreateParams.Request[] {
  return Array.from({ length: count }, (_, index) => ({
    custom_id: `${prefix}-${index}`,
    params: params(`question ${prefix}-${index}`),
  }));
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

async function endedBatch({ client, clock }: Bench, count = 20): Promise<string> {
  const batch = await client.messages.batches.create({ requests: requests(count) });
  clock.advance(HOUR_MS);
  return batch.id;
}

/** The error that this work rejects with. */
async function failure(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => expect.unreachable('it was answered'),
    (error: unknown) => error,
  );
}

function codeOf(error: unknown): string | undefined {
  const { cause } = error as { cause?: unknown };
  if (cause === undefined) return undefined;
  return (cause as { code?: string }).code ?? codeOf(cause);
}

describe.each(['http', 'fetch'] as const)('over %s', (skin) => {
  describe('batches', () => {
    test('a batch goes from create to results, with every answer at its own row', async () => {
      const { client, clock, world } = await bench(skin);
      const made = await client.messages.batches.create({ requests: requests(25) });
      expect(made).toMatchObject({ processing_status: 'in_progress', request_counts: { processing: 25 } });
      expect(await client.messages.batches.retrieve(made.id)).toMatchObject({ id: made.id, results_url: null });
      clock.advance(HOUR_MS);
      expect(await client.messages.batches.retrieve(made.id)).toMatchObject({ processing_status: 'ended' });
      const lines = await collect(await client.messages.batches.results(made.id));
      expect(new Set(lines.map((line) => line.custom_id)).size).toBe(25);
      for (const { custom_id, result } of lines) {
        const block = result.type === 'succeeded' ? result.message.content[0] : undefined;
        expect(block).toMatchObject({ type: 'text', text: answerFor({ ...params(`question ${custom_id}`) }) });
      }
      expect(world.ledger.batches).toMatchObject([{ id: made.id, rowCount: 25, wasAnswered: true }]);
    });

    test('all four kinds of result arrive as the SDK types them', async () => {
      const made = await bench(skin, { rates: { errorRate: 0.3, expireRate: 0.2 } });
      const batch = await made.client.messages.batches.create({ requests: requests(200) });
      made.clock.advance(300_000);
      await made.client.messages.batches.cancel(batch.id);
      made.clock.advance(HOUR_MS);
      const ended = await made.client.messages.batches.retrieve(batch.id);
      const counts = { succeeded: 0, errored: 0, canceled: 0, expired: 0 };
      for (const { result } of await collect(await made.client.messages.batches.results(batch.id))) {
        counts[result.type]++;
        if (result.type === 'errored') expect(result.error.error.type).toMatch(/^(api|overloaded)_error$/);
      }
      expect(ended.request_counts).toEqual({ processing: 0, ...counts });
      expect(Math.min(...Object.values(counts))).toBeGreaterThan(0);
    });

    test('the list pages by itself, newest first', async () => {
      const { client, clock } = await bench(skin);
      const ids: string[] = [];
      for (let nth = 0; nth < 7; nth++) {
        ids.unshift((await client.messages.batches.create({ requests: requests(1, `b${nth}`) })).id);
        clock.advance(1_000);
      }
      const listed = await collect(client.messages.batches.list({ limit: 3 }));
      expect(listed.map((batch) => batch.id)).toEqual(ids);
      const newer = await client.messages.batches.list({ limit: 2, before_id: ids[3] ?? '' });
      expect(newer.data.map((batch) => batch.id)).toEqual(ids.slice(1, 3));
      expect((await collect(newer)).map((batch) => batch.id).toSorted()).toEqual(ids.slice(0, 3).toSorted());
    });

    test('cancel and delete work, and are refused at the wrong time', async () => {
      const { client, clock } = await bench(skin);
      const { id } = await client.messages.batches.create({ requests: requests(3) });
      expect(await failure(client.messages.batches.delete(id))).toBeInstanceOf(Anthropic.BadRequestError);
      expect(await client.messages.batches.cancel(id)).toMatchObject({ processing_status: 'canceling' });
      clock.advance(HOUR_MS);
      expect(await failure(client.messages.batches.cancel(id))).toBeInstanceOf(Anthropic.BadRequestError);
      expect(await client.messages.batches.delete(id)).toEqual({ id, type: 'message_batch_deleted' });
      expect(await failure(client.messages.batches.retrieve(id))).toBeInstanceOf(Anthropic.NotFoundError);
    });

    test('the beta surface sends its betas as one header for the whole batch', async () => {
      const { client, clock } = await bench(skin);
      const { id } = await client.beta.messages.batches.create({
        requests: [{ custom_id: 'a', params: { ...params('long'), max_tokens: 300_000 } }],
        betas: ['output-300k-2026-03-24'],
      });
      clock.advance(HOUR_MS);
      expect(await collect(await client.messages.batches.results(id))).toMatchObject([
        { result: { type: 'succeeded' } },
      ]);
    });

    test('a body is streamed with its length, and chunked where there is none', async () => {
      const { client, world } = await bench(skin);
      const body = Buffer.from(JSON.stringify({ requests: requests(2_000) }));
      const pieces = async function* (): AsyncGenerator<Uint8Array> {
        for (let at = 0; at < body.length; at += 10_000) yield body.subarray(at, at + 10_000);
      };
      const json = { 'content-type': 'application/json' };
      const withLength = { ...json, 'content-length': String(body.length) };
      for (const headers of [withLength, json]) {
        const made = await client.post<Anthropic.Messages.MessageBatch>('/v1/messages/batches', {
          body: pieces(),
          headers,
        });
        expect(made.request_counts.processing).toBe(2_000);
      }
      expect(world.ledger.batches).toHaveLength(2);
    });

    test('an upload that breaks off, or is aborted, or is shorter than announced makes no batch', async () => {
      const { client, world } = await bench(skin);
      const body = Buffer.from(JSON.stringify({ requests: requests(100) }));
      const headers = { 'content-type': 'application/json', 'content-length': String(body.length) };
      const broken = async function* (): AsyncGenerator<Uint8Array> {
        yield body.subarray(0, 5_000);
        throw new Error('the disk is gone');
      };
      const short = async function* (): AsyncGenerator<Uint8Array> {
        yield body.subarray(0, 5_000);
      };
      const abort = new AbortController();
      const aborting = async function* (): AsyncGenerator<Uint8Array> {
        yield body.subarray(0, 5_000);
        abort.abort();
        await new Promise(() => undefined);
      };
      const post = (stream: AsyncIterable<Uint8Array>, signal?: AbortSignal): Promise<unknown> =>
        client.post('/v1/messages/batches', { body: stream, headers, ...(signal === undefined ? {} : { signal }) });
      expect(await failure(post(broken()))).toBeInstanceOf(Anthropic.APIConnectionError);
      expect(await failure(post(short()))).toBeInstanceOf(Anthropic.APIConnectionError);
      expect(await failure(post(aborting(), abort.signal))).toBeInstanceOf(Anthropic.APIUserAbortError);
      // A later call is answered, so the server has seen the end of the earlier ones.
      expect((await client.messages.batches.list()).data).toEqual([]);
      expect(world.ledger.batches).toHaveLength(0);
    });

    test('a body over the cap is 413 without a request id, with and without an announced length', async () => {
      const { client, world } = await bench(skin, { limits: { batchBytesMax: 20_000 } });
      const tooLarge = await failure(client.messages.batches.create({ requests: requests(500) }));
      expect(tooLarge).toBeInstanceOf(Anthropic.ContentTooLargeError);
      expect((tooLarge as InstanceType<typeof Anthropic.APIError>).requestID).toBeNull();
      const body = Buffer.from(JSON.stringify({ requests: requests(500) }));
      const pieces = async function* (): AsyncGenerator<Uint8Array> {
        yield body;
      };
      const headers = { 'content-type': 'application/json' };
      const chunked = await failure(client.post('/v1/messages/batches', { body: pieces(), headers }));
      expect(chunked).toBeInstanceOf(Anthropic.ContentTooLargeError);
      expect(world.ledger.batches).toHaveLength(0);
    });

    test('large results arrive whole', async () => {
      const made = await bench(skin);
      const id = await endedBatch(made, 5_000);
      expect(await collect(await made.client.messages.batches.results(id))).toHaveLength(5_000);
    });
  });

  describe('messages and models', () => {
    test('a message is answered from its prompt', async () => {
      const { client } = await bench(skin);
      const message = await client.messages.create(params('hello'));
      expect(message.content).toEqual([{ type: 'text', text: answerFor({ ...params('hello') }), citations: null }]);
      expect(message).toMatchObject({ stop_reason: 'end_turn', usage: { input_tokens: 2, service_tier: 'standard' } });
    });

    test('a streamed message adds up to the same text', async () => {
      const { client } = await bench(skin);
      const text = 'a somewhat longer question with an emoji 😀 in it';
      const events = await collect(await client.messages.create({ ...params(text), stream: true }));
      expect([...new Set(events.map((event) => event.type))]).toEqual([
        'message_start',
        'content_block_start',
        'content_block_delta',
        'content_block_stop',
        'message_delta',
        'message_stop',
      ]);
      const final = await client.messages.stream(params(text)).finalMessage();
      expect(final.content).toMatchObject([{ type: 'text', text: answerFor({ ...params(text) }) }]);
      expect(final.usage.output_tokens).toBe((await client.messages.create(params(text))).usage.output_tokens);
    });

    test('tokens are counted', async () => {
      const { client } = await bench(skin);
      const { model, messages } = params('x'.repeat(40));
      expect(await client.messages.countTokens({ model, messages })).toEqual({ input_tokens: 10 });
    });

    test('models are listed and found by alias, with what they can do', async () => {
      const { client } = await bench(skin);
      const all = await collect(client.models.list({ limit: 5 }));
      expect(all.length).toBeGreaterThan(15);
      expect(all.map((model) => model.id)).toContain(MODEL);
      expect(all.some((model) => model.lifecycle === 'retired')).toBe(false);
      const retired = await collect(client.models.list({ lifecycle: ['retired'] }));
      expect(retired.every((model) => model.lifecycle === 'retired')).toBe(true);
      expect(await client.models.retrieve('claude-sonnet-4-5')).toMatchObject({
        id: 'claude-sonnet-4-5-20250929',
        line: 'sonnet',
        lifecycle: 'deprecated',
        retires_at: '2026-11-30T00:00:00Z',
        max_input_tokens: 200_000,
        max_tokens: 64_000,
        capabilities: { batch: { supported: true }, thinking: { types: { adaptive: { supported: false } } } },
      });
      expect(await failure(client.models.retrieve('claude-9'))).toBeInstanceOf(Anthropic.NotFoundError);
    });
  });

  describe('errors', () => {
    test('each becomes the class of the SDK, with its code and request id', async () => {
      const { client, world } = await bench(skin);
      const bad = await failure(client.messages.create(params('')));
      expect(bad).toBeInstanceOf(Anthropic.BadRequestError);
      expect(bad).toMatchObject({ type: 'invalid_request_error', requestID: expect.stringMatching(/^req_/) });
      world.setAccountProblem('spend_limit');
      const spent = await failure(client.messages.batches.create({ requests: requests(1) }));
      expect(spent).toBeInstanceOf(Anthropic.RateLimitError);
      expect(spent).toMatchObject({ errorCode: 'enforced_spend_limit_reached' });
      world.setAccountProblem(undefined);
      world.failNext('message.529');
      expect(await failure(client.messages.create(params('x')))).toMatchObject({
        status: 529,
        type: 'overloaded_error',
      });
    });

    test('either auth header and either version is taken', async () => {
      const { clientWith } = await bench(skin, { strictKeys: true, keys: { good: { workspace: 'wrkspc_1' } } });
      expect(await failure(clientWith({ apiKey: 'wrong' }).models.list())).toBeInstanceOf(
        Anthropic.AuthenticationError,
      );
      expect((await clientWith({ apiKey: 'good' }).models.list()).data.length).toBeGreaterThan(0);
      const old = clientWith({
        apiKey: 'wrong',
        defaultHeaders: { authorization: null, 'x-api-key': 'good', 'anthropic-version': '2023-06-01' },
      });
      expect((await old.models.list()).data.length).toBeGreaterThan(0);
      const unknown = clientWith({ apiKey: 'good', defaultHeaders: { 'anthropic-version': '2020-01-01' } });
      expect(await failure(unknown.models.list())).toBeInstanceOf(Anthropic.BadRequestError);
    });

    test('the headers of a poll and of a message carry what to wait for', async () => {
      const { client } = await bench(skin);
      const { id } = await client.messages.batches.create({ requests: requests(1) });
      const poll = await client.messages.batches.retrieve(id).asResponse();
      expect(poll.headers.get('retry-after')).toBe('10');
      expect(poll.headers.get('date')).toBe('Fri, 20 Nov 2026 00:00:00 GMT');
      await poll.text();
      const { response } = await client.messages.create(params('x')).withResponse();
      expect(response.headers.get('anthropic-ratelimit-requests-remaining')).toBe('999');
    });
  });

  describe('faults on the wire', () => {
    test('a reset before, during and after the upload is a connection error; only the last made a batch', async () => {
      const { client, world } = await bench(skin);
      for (const fault of ['create.reset_upload', 'create.reset_before', 'create.reset_after'] as const) {
        world.failNext(fault);
        const error = await failure(client.messages.batches.create({ requests: requests(3) }));
        expect(error).toBeInstanceOf(Anthropic.APIConnectionError);
        expect(codeOf(error)).toMatch(/^(ECONNRESET|UND_ERR_SOCKET|EPIPE)$/);
        expect(world.ledger.batches).toHaveLength(fault === 'create.reset_after' ? 1 : 0);
      }
      expect(world.ledger.batches[0]?.wasAnswered).toBe(false);
    });

    test('the default retries of the SDK make three paid batches of one create: the danger is real here too', async () => {
      const { clientWith, world } = await bench(skin);
      const reach = skin === 'fetch' ? simFetch(world) : fetch;
      // The SDK waits for half a second and more before it tries again; this header tells it not to.
      const hasty: typeof fetch = async (input, init) => {
        const { status, headers, body } = await reach(input, init);
        return new Response(body, { status, headers: { ...Object.fromEntries(headers), 'retry-after-ms': '1' } });
      };
      world.failNext('create.500_after', 2);
      await clientWith({ maxRetries: 2, fetch: hasty }).messages.batches.create({ requests: requests(2) });
      expect(world.ledger.batches).toHaveLength(3);
    });

    test('a hang lasts until the client gives up, and the batch exists', async () => {
      const { client, world } = await bench(skin);
      world.failNext('create.hang_after');
      const giveUp = new AbortController();
      const work = client.messages.batches.create({ requests: requests(2) }, { signal: giveUp.signal });
      const seen = failure(work);
      while (world.ledger.batches.length === 0) await new Promise((resolve) => setImmediate(resolve));
      giveUp.abort();
      expect(await seen).toBeInstanceOf(Anthropic.APIUserAbortError);
      expect(world.ledger.batches).toHaveLength(1);
    });

    test('an answer that cannot be parsed is an error although the batch exists', async () => {
      const { client, world } = await bench(skin);
      world.failNext('create.garbage_answer');
      expect(await failure(client.messages.batches.create({ requests: requests(2) }))).toBeInstanceOf(Error);
      expect(world.ledger.batches).toHaveLength(1);
    });

    test('results cut at a line boundary look like success to the SDK', async () => {
      const made = await bench(skin);
      const id = await endedBatch(made);
      made.world.failNext('results.cut_line');
      expect((await collect(await made.client.messages.batches.results(id))).length).toBeLessThan(20);
      expect(await collect(await made.client.messages.batches.results(id))).toHaveLength(20);
    });

    test('results cut inside a line, or reset, are an error', async () => {
      const made = await bench(skin);
      const id = await endedBatch(made);
      for (const fault of ['results.cut_inside', 'results.reset'] as const) {
        made.world.failNext(fault);
        const read = made.client.messages.batches.results(id).then((lines) => collect(lines));
        expect(await failure(read)).toBeInstanceOf(Error);
      }
    });

    test('stalled results wait until the client aborts them', async () => {
      const made = await bench(skin);
      const id = await endedBatch(made);
      made.world.failNext('results.stall');
      const lines = await made.client.messages.batches.results(id);
      const seen: string[] = [];
      const reading = (async () => {
        for await (const line of lines) seen.push(line.custom_id);
      })();
      const ended = failure(reading);
      for (let turn = 0; turn < 200; turn++) await new Promise((resolve) => setImmediate(resolve));
      lines.controller.abort();
      expect(await ended).toBeInstanceOf(Error);
      expect(seen.length).toBeLessThan(20);
    });
  });
});

describe('what only a socket shows', () => {
  test('a client that dies in the middle of its upload makes no batch', async () => {
    const made = await bench('http');
    const { port } = new URL(made.client.baseURL);
    const body = Buffer.from(JSON.stringify({ requests: requests(10) }));
    const upload = httpRequest({
      ...{ port, method: 'POST', path: '/v1/messages/batches' },
      headers: { 'x-api-key': 'k', 'anthropic-version': '2023-06-01', 'content-length': String(body.length) },
    });
    // Its own error, "socket hang up", is what this test is about and no failure of it.
    upload.on('error', () => undefined);
    const closed = new Promise((resolve) => upload.on('close', resolve));
    // All but the last two bytes: the body that batchrun holds back until it has written that it will send it.
    upload.write(body.subarray(0, -2), () => upload.destroy());
    await closed;
    expect((await made.client.messages.batches.list()).data).toEqual([]);
    expect(made.world.ledger.batches).toHaveLength(0);
  });

  test('results wait for a slow reader instead of filling the memory', async () => {
    const made = await bench('http', { limits: { batchQueueMax: 1_000_000 }, answer: () => 'x'.repeat(200) });
    const id = await endedBatch(made, 20_000);
    const response = await made.client
      .get(`/v1/messages/batches/${id}/results`, { __binaryResponse: true, headers: { accept: 'application/binary' } })
      .asResponse();
    let bytes = 0;
    for await (const piece of response.body as unknown as AsyncIterable<Uint8Array>) bytes += piece.length;
    expect(bytes).toBeGreaterThan(10_000_000);
  });

  test('closing the server cuts what hangs', async () => {
    const world = createSimWorld({ messageLatencyMs: [0, 0] }, new VirtualClock());
    const server = await startSimServer(world, { port: 0 });
    const client = new Anthropic({ apiKey: 'k', baseURL: server.origin, maxRetries: 0 });
    world.failNext('message.hang');
    const seen = failure(client.messages.create(params('x')));
    while (world.ledger.messages.length === 0) await new Promise((resolve) => setImmediate(resolve));
    await server.close();
    expect(await seen).toBeInstanceOf(Anthropic.APIConnectionError);
  });
});
