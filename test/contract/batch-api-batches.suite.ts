/**
 * The batch API and batches that exist: how they are listed and followed, canceled and deleted, and how their results
 * come.
 */
import { describe, expect, test } from 'vitest';
import type { ApiFailure } from '../../src/domain/failure-router.ts';
import { RESULT_IDLE_MS_MAX } from '../../src/domain/limits.ts';
import type { FaultName } from '../../src/tools/sim/faults.ts';
import { apiBench, collect, failureOf, HOUR_MS, never, turn, type Connect } from './batch-api.lab.ts';

export function batchApiBatchesSuite(name: string, connect: Connect): void {
  describe(`batch api: ${name}`, () => {
    const { bench, endedBatch } = apiBench(connect);

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
          serverTimeMs: expect.any(Number) as number,
        });
      });

      test.each<[FaultName, number]>([
        ['list.404', 404],
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
  });
}
