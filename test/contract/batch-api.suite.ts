/**
 * What every `BatchApi` promises the engine: one call makes at most one request, the last bytes of a create wait for
 * `beforeTail`, results come as bytes, and each failure says what the router needs to know. Driven against the simulated
 * API, over a socket and in memory, so that neither the client nor the simulator can drift from the other.
 */
import { getEventListeners } from 'node:events';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { BatchrunError } from '../../src/base/errors.ts';
import { VirtualClock } from '../../src/base/virtual-clock.ts';
import type { ApiFailure } from '../../src/domain/failure-router.ts';
import { RESULT_IDLE_MS_MAX } from '../../src/domain/limits.ts';
import type { BatchInfo } from '../../src/domain/model.ts';
import type { BatchApi, BatchUpload, Files, MessageCall } from '../../src/domain/ports.ts';
import { answerFor } from '../../src/tools/sim/answer.ts';
import type { AccountProblem, SimOptions } from '../../src/tools/sim/options.ts';
import type { FaultName } from '../../src/tools/sim/faults.ts';
import { createSimWorld, type SimWorld } from '../../src/tools/sim/world.ts';
import { createMemoryFiles } from '../support/memory-files.ts';
import { put } from './files.suite.ts';

export interface Seen {
  readonly url: string;
  readonly method: string;
  readonly headers: Headers;
}

export interface Connection {
  readonly api: BatchApi;
  /** Every request that was made, in order. */
  readonly seen: readonly Seen[];
  close(): Promise<void>;
}

export type Connect = (parts: {
  readonly world: SimWorld;
  readonly files: Files;
  readonly clock: VirtualClock;
  readonly apiKey: string;
}) => Promise<Connection>;

const KEY = 'sk-ant-api03-SECRETSECRETSECRET';
const HOUR_MS = 3_600_000;
const MODEL = 'claude-haiku-5-5';
const BODY = 'runs/a/chunks/000001.json';
const never = new AbortController().signal;

interface Bench extends Connection {
  readonly world: SimWorld;
  readonly clock: VirtualClock;
  readonly files: Files;
  upload(rows: number, more?: Partial<BatchUpload>): Promise<BatchUpload>;
  create(rows?: number, more?: Partial<BatchUpload>): Promise<BatchInfo>;
}

/** What a call failed with; that it is an E_API without the key in it is checked on the way. */
export async function failureOf(work: Promise<unknown>): Promise<ApiFailure> {
  const error = await errorOf(work);
  expect(error).toMatchObject({ name: 'BatchrunError', code: 'E_API' });
  const { message, hint, details } = error as BatchrunError;
  expect(JSON.stringify({ message, hint, details })).not.toContain('SECRETSECRET');
  return (details as { failure: ApiFailure }).failure;
}

export async function errorOf(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => expect.unreachable('it was answered'),
    (error: unknown) => error,
  );
}

export async function turn(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

async function collect(pieces: AsyncIterable<Buffer>): Promise<string> {
  const all: Buffer[] = [];
  for await (const piece of pieces) all.push(piece);
  return Buffer.concat(all).toString();
}

function paramsOf(text: string): Record<string, unknown> {
  return { model: MODEL, max_tokens: 100, messages: [{ role: 'user', content: text }] };
}

function requestsText(rows: number): string {
  const requests = Array.from({ length: rows }, (_, at) => ({
    custom_id: `tag-1-${at}`,
    params: paramsOf(`question ${at}`),
  }));
  return JSON.stringify({ requests });
}

export function batchApiSuite(name: string, connect: Connect): void {
  describe(`batch api: ${name}`, () => {
    const open: Connection[] = [];

    afterEach(async () => {
      vi.useRealTimers();
      for (const connection of open.splice(0)) await connection.close();
    });

    async function bench(options: SimOptions = {}): Promise<Bench> {
      const clock = new VirtualClock();
      const world = createSimWorld(
        { batchDurationMs: [600_000, 600_000], messageLatencyMs: [0, 0], ...options },
        clock,
      );
      const files = createMemoryFiles({ streamBytes: 1_000 }).files();
      const connection = await connect({ world, files, clock, apiKey: KEY });
      open.push(connection);
      const upload: Bench['upload'] = async (rows, more = {}) => {
        const text = requestsText(rows);
        await put(files, BODY, text);
        const beforeTail = (): Promise<void> => Promise.resolve();
        return { bodyPath: BODY, bytes: Buffer.byteLength(text), betas: [], beforeTail, signal: never, ...more };
      };
      const create: Bench['create'] = async (rows = 3, more) => connection.api.createBatch(await upload(rows, more));
      return { ...connection, world, clock, files, upload, create };
    }

    async function endedBatch(made: Bench, rows = 20): Promise<BatchInfo> {
      const { id } = await made.create(rows);
      made.clock.advance(HOUR_MS);
      return made.api.retrieveBatch(id, never);
    }

    describe('create', () => {
      test('makes one batch of the file as it lies', async () => {
        const { world, create, clock } = await bench();
        const batch = await create(250);
        expect(batch).toEqual({
          id: world.ledger.batches[0]?.id,
          status: 'in_progress',
          counts: { processing: 250, succeeded: 0, errored: 0, canceled: 0, expired: 0 },
          createdAtMs: clock.now(),
          expiresAtMs: clock.now() + 24 * HOUR_MS,
          endedAtMs: null,
          archivedAtMs: null,
          resultsUrl: null,
        });
        expect(world.ledger.calls.get('batches.create')).toBe(1);
        expect([...(world.ledger.batches[0]?.customIds() ?? [])]).toEqual(
          Array.from({ length: 250 }, (_, at) => `tag-1-${at}`),
        );
      });

      test('asks once whether the tail may go, after all but the last two bytes were read', async () => {
        const { api, files, world, upload } = await bench();
        const read: [number, number][] = [];
        const spied = await upload(100);
        const { stream } = files;
        const streamed = vi.spyOn(files, 'stream').mockImplementation((path, start = 0, end = Infinity) => {
          read.push([start, end]);
          return stream(path, start, end);
        });
        let asked = 0;
        const beforeTail = async (): Promise<void> => {
          asked++;
          expect(read).toEqual([[0, spied.bytes - 2]]);
          for (let nth = 0; nth < 20; nth++) await turn();
          expect(world.ledger.batches).toEqual([]);
        };
        await api.createBatch({ ...spied, beforeTail });
        streamed.mockRestore();
        expect(asked).toBe(1);
        expect(read).toEqual([
          [0, spied.bytes - 2],
          [spied.bytes - 2, spied.bytes],
        ]);
        expect(world.ledger.batches).toHaveLength(1);
      });

      test('makes nothing when the tail may not go, and gives the reason as it was', async () => {
        const { api, world, create } = await bench();
        const reason = new BatchrunError('E_FENCED', 'another process drives');
        expect(await errorOf(create(100, { beforeTail: () => Promise.reject(reason) }))).toBe(reason);
        const bug = new TypeError('undefined is not a function');
        await expect(create(100, { beforeTail: () => Promise.reject(bug) })).rejects.toThrow();
        // A later call is answered, so the end of the earlier ones has arrived.
        expect((await api.listBatches({ afterId: null, limit: 10, signal: never })).batches).toEqual([]);
        expect(world.ledger.batches).toEqual([]);
      });

      test('makes nothing of a file that is shorter than it was', async () => {
        const { api, world, upload } = await bench();
        const whole = await upload(50);
        const error = await errorOf(api.createBatch({ ...whole, bytes: whole.bytes + 10 }));
        expect(error).toMatchObject({ code: 'E_STATE_CORRUPT' });
        await api.listBatches({ afterId: null, limit: 1, signal: never });
        expect(world.ledger.batches).toEqual([]);
      });

      test('that is aborted during the upload makes nothing', async () => {
        const { api, world, create } = await bench();
        const abort = new AbortController();
        const beforeTail = async (): Promise<void> => {
          abort.abort();
          await turn();
        };
        const failure = await failureOf(create(100, { beforeTail, signal: abort.signal }));
        expect(failure).toMatchObject({ connection: 'aborted', status: null, unreadable: false });
        await api.listBatches({ afterId: null, limit: 1, signal: never });
        expect(world.ledger.batches).toEqual([]);
      });

      test('that is aborted while the answer is awaited says so', async () => {
        const { world, create } = await bench();
        const abort = new AbortController();
        world.failNext('create.hang_after');
        const failed = failureOf(create(2, { signal: abort.signal }));
        while (world.ledger.batches.length === 0) await turn();
        abort.abort();
        expect(await failed).toMatchObject({ connection: 'aborted', status: null });
      });

      test('sends the betas of the chunk as one header, and none where there are none', async () => {
        const { create, seen } = await bench();
        await create(1, { betas: ['output-300k-2026-03-24', 'context-1m-2026-01-01'] });
        await create(1);
        const headers = seen.filter((one) => one.method === 'POST').map((one) => one.headers);
        expect(headers.map((one) => one.get('anthropic-beta'))).toEqual([
          'output-300k-2026-03-24,context-1m-2026-01-01',
          null,
        ]);
        expect(headers.map((one) => one.get('content-type'))).toEqual(['application/json', 'application/json']);
      });

      test.each<[FaultName, Partial<ApiFailure>, number]>([
        ['create.reset_upload', { connection: 'lost', status: null }, 0],
        ['create.reset_before', { connection: 'lost', status: null }, 0],
        ['create.500_before', { status: 500, type: 'api_error', connection: null }, 0],
        ['create.413', { status: 413, type: 'request_too_large', requestId: null }, 0],
        ['create.429', { status: 429, type: 'rate_limit_error', retryAfterMs: 2_000 }, 0],
        ['create.reset_after', { connection: 'lost', status: null }, 1],
        ['create.504_after', { status: 504, type: 'timeout_error' }, 1],
        [
          'create.500_after',
          { status: 500, type: 'api_error', requestId: expect.stringMatching(/^req_/) as string },
          1,
        ],
        ['create.garbage_answer', { unreadable: true, status: null, connection: null }, 1],
      ])('%s is told as it is, and nothing is sent a second time', async (fault, expected, batches) => {
        const { world, create } = await bench();
        world.failNext(fault);
        expect(await failureOf(create())).toMatchObject(expected);
        expect(world.ledger.batches).toHaveLength(batches);
        expect(world.faultsFired.get(fault)).toBe(1);
        expect(world.ledger.calls.get('batches.create') ?? 0).toBeLessThanOrEqual(1);
        await create();
        expect(world.ledger.batches).toHaveLength(batches + 1);
      });

      test.each<[AccountProblem, Partial<ApiFailure>]>([
        ['credit_too_low', { status: 400, type: 'invalid_request_error', errorCode: null }],
        ['spend_limit', { status: 429, errorCode: 'enforced_spend_limit_reached', retryAfterMs: null }],
        ['usage_limit', { status: 400, type: 'invalid_request_error' }],
        ['on_hold', { status: 400, errorCode: 'organization_on_hold' }],
        ['billing', { status: 402, type: 'billing_error', errorCode: 'linked_organization_spend_limit_reached' }],
        ['permission', { status: 403, type: 'permission_error' }],
      ])('an account problem (%s) keeps its status, type and code', async (problem, expected) => {
        const { world, create } = await bench({ accountProblem: problem });
        expect(await failureOf(create())).toMatchObject({ ...expected, connection: null, unreadable: false });
        expect(world.ledger.batches).toEqual([]);
      });

      test('a full queue is a 429 with its wait and its text', async () => {
        const { create } = await bench({ limits: { batchQueueMax: 4 } });
        await create(3);
        expect(await failureOf(create(3))).toMatchObject({
          status: 429,
          retryAfterMs: 30_000,
          message: expect.stringContaining('processing queue'),
        });
      });

      test('an unknown key is a 401', async () => {
        const { create } = await bench({ strictKeys: true });
        expect(await failureOf(create())).toMatchObject({ status: 401, type: 'authentication_error' });
      });
    });

    describe('list', () => {
      test('gives pages, newest first, until there is no more', async () => {
        const { api, create, clock } = await bench();
        const ids: string[] = [];
        for (let nth = 0; nth < 5; nth++) {
          ids.unshift((await create(nth + 1)).id);
          clock.advance(1_000);
        }
        const first = await api.listBatches({ afterId: null, limit: 2, signal: never });
        expect(first).toMatchObject({ hasMore: true, lastId: ids[1], retryAfterMs: null });
        const second = await api.listBatches({ afterId: first.lastId, limit: 2, signal: never });
        const third = await api.listBatches({ afterId: second.lastId, limit: 2, signal: never });
        expect(third.hasMore).toBe(false);
        const listed = [...first.batches, ...second.batches, ...third.batches];
        expect(listed.map((batch) => batch.id)).toEqual(ids);
        expect(listed.map((batch) => batch.counts.processing)).toEqual([5, 4, 3, 2, 1]);
      });

      test('of an empty workspace is an empty page', async () => {
        const { api } = await bench();
        expect(await api.listBatches({ afterId: null, limit: 1_000, signal: never })).toEqual({
          batches: [],
          hasMore: false,
          lastId: null,
          retryAfterMs: null,
        });
      });

      test.each<[FaultName, number]>([
        ['list.500', 500],
        ['list.503', 503],
      ])('%s is told and not repeated', async (fault, status) => {
        const { api, world } = await bench();
        world.failNext(fault);
        expect(await failureOf(api.listBatches({ afterId: null, limit: 5, signal: never }))).toMatchObject({ status });
        expect(world.ledger.calls.get('batches.list')).toBe(1);
      });
    });

    describe('following a batch', () => {
      test('retrieve says how it stands and how long to wait', async () => {
        const { api, create, clock } = await bench();
        const { id } = await create(4);
        expect(await api.retrieveBatch(id, never)).toMatchObject({ id, status: 'in_progress', retryAfterMs: 10_000 });
        clock.advance(HOUR_MS);
        const ended = await api.retrieveBatch(id, never);
        expect(ended).toMatchObject({ status: 'ended', counts: { succeeded: 4, processing: 0 }, retryAfterMs: null });
        expect(ended.endedAtMs).toBe(ended.createdAtMs + 600_000);
        expect(ended.resultsUrl).toMatch(new RegExp(`/v1/messages/batches/${id}/results$`));
      });

      test('a batch that is not there is a 404 of the API', async () => {
        const { api, world, create } = await bench();
        const expected = { status: 404, type: 'not_found_error' };
        expect(await failureOf(api.retrieveBatch('msgbatch_none', never))).toMatchObject(expected);
        const { id } = await create();
        world.failNext('retrieve.404');
        expect(await failureOf(api.retrieveBatch(id, never))).toMatchObject(expected);
        world.failNext('retrieve.500');
        expect(await failureOf(api.retrieveBatch(id, never))).toMatchObject({ status: 500 });
      });

      test('an id with a slash does not become another address', async () => {
        const { api, seen } = await bench();
        await failureOf(api.retrieveBatch('../models', never));
        expect(seen.at(-1)?.url).toMatch(/\/v1\/messages\/batches\/\.\.%2Fmodels$/);
      });

      test('cancel and delete do what they say, once', async () => {
        const { api, world, create, clock } = await bench();
        const { id } = await create(2);
        expect(await failureOf(api.deleteBatch(id, never))).toMatchObject({ status: 400 });
        expect(await api.cancelBatch(id, never)).toMatchObject({ id, status: 'canceling' });
        clock.advance(HOUR_MS);
        expect(await api.retrieveBatch(id, never)).toMatchObject({ status: 'ended', counts: { canceled: 2 } });
        await api.deleteBatch(id, never);
        expect(await failureOf(api.retrieveBatch(id, never))).toMatchObject({ status: 404 });
        expect(world.ledger.calls.get('batches.cancel')).toBe(1);
        expect(world.ledger.calls.get('batches.delete')).toBe(2);
      });

      test('a cancel that fails is told and not repeated', async () => {
        const { api, world, create } = await bench();
        const { id } = await create(2);
        world.failNext('cancel.500_after');
        expect(await failureOf(api.cancelBatch(id, never))).toMatchObject({ status: 500 });
        expect(world.ledger.calls.get('batches.cancel')).toBe(1);
        expect(await api.retrieveBatch(id, never)).toMatchObject({ status: 'canceling' });
      });
    });

    describe('results', () => {
      test('come as the bytes that the API sends', async () => {
        const made = await bench({ resultsOrder: 'input' });
        const batch = await endedBatch(made, 30);
        const lines = (await collect(made.api.streamResults(batch, never))).split('\n');
        expect(lines.pop()).toBe('');
        expect(lines.map((line) => (JSON.parse(line) as { custom_id: string }).custom_id)).toEqual(
          Array.from({ length: 30 }, (_, at) => `tag-1-${at}`),
        );
      });

      test('large ones come whole', async () => {
        const made = await bench();
        const batch = await endedBatch(made, 3_000);
        expect((await collect(made.api.streamResults(batch, never))).split('\n')).toHaveLength(3_001);
        expect(made.clock.sleeping).toBe(0);
      });

      test('that end early without an error end early: the caller counts', async () => {
        const made = await bench();
        const batch = await endedBatch(made);
        for (const fault of ['results.empty', 'results.cut_line', 'results.cut_inside'] as const) {
          made.world.failNext(fault);
          const text = await collect(made.api.streamResults(batch, never));
          expect(text.split('\n').length).toBeLessThanOrEqual(20);
        }
      });

      test('whose connection breaks are lost', async () => {
        const made = await bench();
        const batch = await endedBatch(made);
        made.world.failNext('results.reset');
        expect(await failureOf(collect(made.api.streamResults(batch, never)))).toMatchObject({
          connection: 'lost',
          status: null,
        });
      });

      test.each<[FaultName, Partial<ApiFailure>]>([
        ['results.404', { status: 404, type: 'not_found_error' }],
        ['results.503', { status: 503 }],
      ])('%s is told as it is, once', async (fault, expected) => {
        const made = await bench();
        const batch = await endedBatch(made);
        made.world.failNext(fault);
        expect(await failureOf(collect(made.api.streamResults(batch, never)))).toMatchObject(expected);
        expect(made.world.ledger.calls.get('batches.results')).toBe(1);
      });

      test('before the end of the batch are refused', async () => {
        const { api, create } = await bench();
        const batch = await create(2);
        expect(await failureOf(collect(api.streamResults(batch, never)))).toMatchObject({ status: 400 });
      });

      test('that stand still are given up after the limit, and not before', async () => {
        const made = await bench();
        const batch = await endedBatch(made);
        made.world.failNext('results.stall');
        const pieces = made.api.streamResults(batch, never)[Symbol.asyncIterator]();
        expect((await pieces.next()).done).toBe(false);
        let settled = false;
        const failed = failureOf(pieces.next()).finally(() => (settled = true));
        while (made.clock.sleeping === 0) await turn();
        made.clock.advance(RESULT_IDLE_MS_MAX - 1);
        for (let nth = 0; nth < 20; nth++) await turn();
        expect(settled).toBe(false);
        made.clock.advance(1);
        expect(await failed).toMatchObject({
          connection: 'timeout',
          status: null,
          message: expect.stringContaining(batch.id),
        });
        expect(made.clock.sleeping).toBe(0);
      });

      test('that are aborted say so, before and while they come', async () => {
        const made = await bench();
        const batch = await endedBatch(made);
        const before = new AbortController();
        before.abort();
        expect(await failureOf(collect(made.api.streamResults(batch, before.signal)))).toMatchObject({
          connection: 'aborted',
        });
        made.world.failNext('results.stall');
        const during = new AbortController();
        const pieces = made.api.streamResults(batch, during.signal)[Symbol.asyncIterator]();
        await pieces.next();
        const failed = failureOf(pieces.next());
        await turn();
        during.abort();
        expect(await failed).toMatchObject({ connection: 'aborted' });
        expect(made.clock.sleeping).toBe(0);
      });

      test('can be left after the first piece, and nothing stays open', async () => {
        const made = await bench();
        const batch = await endedBatch(made, 3_000);
        for await (const piece of made.api.streamResults(batch, never)) {
          expect(piece.length).toBeGreaterThan(0);
          break;
        }
        expect(made.clock.sleeping).toBe(0);
        expect((await made.api.retrieveBatch(batch.id, never)).status).toBe('ended');
      });

      test('are never fetched from another host: the key stays here', async () => {
        const made = await bench();
        const batch = await endedBatch(made, 2);
        const elsewhere = [
          'https://evil.example/v1/results',
          'http://127.0.0.1:1/x',
          '//evil.example/x',
          'no url',
          null,
        ];
        for (const resultsUrl of elsewhere) {
          const text = await collect(made.api.streamResults({ ...batch, resultsUrl }, never));
          expect(text.split('\n')).toHaveLength(3);
        }
        const hosts = new Set(made.seen.map((one) => new URL(one.url).origin));
        expect([...hosts]).toEqual([new URL(made.api.origin).origin]);
      });
    });

    describe('messages', () => {
      function call(text: string, more: Partial<MessageCall> = {}): MessageCall {
        return { paramsJson: JSON.stringify(paramsOf(text)), betas: [], stream: false, signal: never, ...more };
      }

      test('are answered with the message as JSON', async () => {
        const { api, world } = await bench();
        const message = JSON.parse(await api.createMessage(call('hello'))) as Record<string, unknown>;
        expect(message).toMatchObject({ type: 'message', role: 'assistant', stop_reason: 'end_turn' });
        expect(message['content']).toMatchObject([{ type: 'text', text: answerFor(paramsOf('hello')) }]);
        expect(world.ledger.messages).toHaveLength(1);
      });

      test('that are streamed add up to the same message, key for key', async () => {
        const { api, seen } = await bench();
        const text = 'a longer question with ünïcödé and 😀';
        const plain = JSON.parse(await api.createMessage(call(text))) as Record<string, unknown>;
        const streamed = JSON.parse(await api.createMessage(call(text, { stream: true, betas: ['b'] }))) as Record<
          string,
          unknown
        >;
        expect(seen.at(-1)?.headers.get('anthropic-beta')).toBe('b');
        expect(Object.keys(streamed).toSorted()).toEqual(Object.keys(plain).toSorted());
        expect(streamed['content']).toEqual(plain['content']);
      });

      test.each<[FaultName, Partial<ApiFailure>, number]>([
        ['message.429', { status: 429, retryAfterMs: 1_000 }, 0],
        ['message.500', { status: 500, type: 'api_error' }, 0],
        ['message.529', { status: 529, type: 'overloaded_error' }, 0],
        ['message.reset_before', { connection: 'lost' }, 0],
        ['message.reset', { connection: 'lost' }, 1],
      ])('%s is told once, plain and streamed', async (fault, expected, messages) => {
        for (const stream of [false, true]) {
          const { api, world } = await bench();
          world.failNext(fault);
          expect(await failureOf(api.createMessage(call('x', { stream })))).toMatchObject(expected);
          expect(world.ledger.messages).toHaveLength(messages);
          expect(world.ledger.calls.get('messages.create')).toBe(1);
        }
      });

      test('whose answer is no message are unreadable', async () => {
        const { api, world } = await bench();
        world.failNext('message.garbage_answer');
        expect(await failureOf(api.createMessage(call('x')))).toMatchObject({
          unreadable: true,
          connection: null,
          status: null,
        });
      });

      test('that are aborted say so, plain and streamed', async () => {
        for (const stream of [false, true]) {
          const { api, world } = await bench();
          world.failNext('message.hang');
          const abort = new AbortController();
          const failed = failureOf(api.createMessage(call('x', { stream, signal: abort.signal })));
          while (world.ledger.messages.length === 0) await turn();
          abort.abort();
          expect(await failed).toMatchObject({ connection: 'aborted', status: null });
        }
      });

      test('that cannot be served are a 400 with its type', async () => {
        const { api } = await bench();
        const empty = call('');
        expect(await failureOf(api.createMessage(empty))).toMatchObject({ status: 400, type: 'invalid_request_error' });
      });
    });

    test('many calls and downloads leave nothing hanging on the signal of the whole process', async () => {
      const made = await bench();
      const batch = await endedBatch(made, 2);
      const { signal } = new AbortController();
      for (let nth = 0; nth < 20; nth++) {
        await made.api.listBatches({ afterId: null, limit: 1, signal });
        await collect(made.api.streamResults(batch, signal));
        for (const stream of [false, true]) {
          const paramsJson = JSON.stringify(paramsOf('x'));
          await made.api.createMessage({ paramsJson, betas: [], stream, signal });
        }
      }
      expect(getEventListeners(signal, 'abort')).toHaveLength(0);
    });

    describe('models and time', () => {
      test('a model is told with what it can do; one that does not exist is null', async () => {
        const { api } = await bench();
        expect(await api.retrieveModel('claude-sonnet-4-5', never)).toEqual({
          id: 'claude-sonnet-4-5-20250929',
          batchSupported: true,
          retiresAtMs: Date.UTC(2026, 10, 30),
        });
        expect(await api.retrieveModel('claude-9', never)).toBeNull();
      });

      test('the server’s clock is read to the second', async () => {
        const { api, clock } = await bench();
        clock.advance(12_345);
        expect(await api.serverTimeMs(never)).toBe(clock.now() - 345);
      });
    });
  });
}
