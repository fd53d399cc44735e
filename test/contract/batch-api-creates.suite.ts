/**
 * The batch API and creates: the file as it lies, the last bytes only when they may go, and each failure as it is.
 */
import { describe, expect, test, vi } from 'vitest';
import { BatchrunError } from '../../src/base/errors.ts';
import type { ApiFailure } from '../../src/domain/failure-router.ts';
import type { AccountProblem } from '../../src/tools/sim/options.ts';
import type { FaultName } from '../../src/tools/sim/faults.ts';
import { apiBench, errorOf, failureOf, HOUR_MS, never, sha256, turn, type Connect } from './batch-api.lab.ts';

export function batchApiCreatesSuite(name: string, connect: Connect): void {
  describe(`batch api: ${name}`, () => {
    const { bench } = apiBench(connect);

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

      test('of a file that is not what was sealed is broken off before its tail, and nothing is made', async () => {
        const { api, world, upload } = await bench();
        const altered = { ...(await upload(100)), sha256: sha256('something else') };
        let asked = 0;
        const beforeTail = async (): Promise<void> => {
          asked++;
        };
        const error = await errorOf(api.createBatch({ ...altered, beforeTail }));
        expect(error).toMatchObject({
          code: 'E_STATE_CORRUPT',
          message: expect.stringContaining('checksum') as string,
        });
        expect(asked).toBe(0);
        expect(world.ledger.batches).toEqual([]);
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
  });
}
