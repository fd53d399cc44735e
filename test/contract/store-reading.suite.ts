/**
 * The store as it is read: blocks, output and events, and lists with their filters, pages and order.
 */
import { beforeEach, describe, expect, test } from 'vitest';
import type { DriverStore, Store } from '../../src/domain/store.ts';
import { AT, block, OTHER, RUN, storeBench, type OpenStore } from './store.bench.ts';
import { collectedRow, dump, ORIGIN, poolSnapshot } from './store.lab.ts';

export function storeReadingSuite(name: string, open: OpenStore): void {
  describe(`store: ${name}`, () => {
    const bench = storeBench(open);
    const { ready, attempt, ended, collected, withRetries, kinds } = bench;
    let store: Store;
    let driver: DriverStore;

    beforeEach(() => {
      ({ store, driver } = bench);
    });

    describe('blocks, output and notes', () => {
      test('blocks are told once, and once more when they are gone', async () => {
        await ready([1]);
        const before = (await kinds()).length;
        await driver.setBlocks(RUN, [block('billing')], AT);
        await driver.setBlocks(RUN, [block('billing')], AT + 1);
        expect((await store.run(RUN))?.blocked).toEqual([block('billing')]);
        await driver.setBlocks(RUN, [], AT);
        await driver.setBlocks(RUN, [], AT);
        expect((await store.run(RUN))?.blocked).toEqual([]);
        expect((await kinds()).slice(before)).toEqual(['run.blocked', 'run.unblocked']);
      });

      test('the output can be named anew', async () => {
        await ready([1]);
        const output = { output: '/x/y.csv', format: 'csv', errors: '/x/e', overwrite: true } as const;
        await store.setOutput(RUN, output, AT);
        expect(await store.run(RUN)).toMatchObject(output);
        await store.setOutput(RUN, { output: null, format: 'flat', errors: null, overwrite: false }, AT);
        expect(await store.run(RUN)).toMatchObject({ output: null, format: 'flat', errors: null, overwrite: false });
      });

      test('a file of an unfinished run is taken from it, and what was written there does not count', async () => {
        await ready([1]);
        await ready([1], { id: OTHER });
        const output = { output: '/x/y.csv', format: 'csv', errors: null, overwrite: true } as const;
        const own = `/x/${RUN}.results.csv`;
        expect(await store.setOutput(RUN, output, AT)).toEqual([]);
        expect(await store.setOutput(OTHER, output, AT)).toEqual([{ runId: RUN, from: '/x/y.csv', to: own }]);
        expect(await store.run(OTHER)).toMatchObject(output);
        expect(await store.run(RUN)).toMatchObject({ output: own, state: 'ready' });
        await store.requestCancel(RUN, AT);
        await driver.cancelUnsent(RUN, AT);
        expect(await driver.finishRun(RUN, AT, { output: '/x/y.csv', errors: null })).toBe(false);
        expect((await store.run(RUN))?.state).toBe('canceling');
        expect(await driver.finishRun(RUN, AT, { output: own, errors: null })).toBe(true);
      });

      test('events are read in order, by run, after an id, or the newest', async () => {
        await ready([1]);
        await ready([1], { id: OTHER });
        await driver.note(RUN, 'wait', AT, { ms: 5 }, 1);
        await driver.note(OTHER, 'wait', AT, {});
        const all = await store.events(null, { limit: 99 });
        expect(all.map((event) => event.id)).toEqual(all.map((event) => event.id).toSorted((a, b) => a - b));
        expect(all).toHaveLength(8);
        expect(await store.events(RUN, { limit: 1, newest: true })).toMatchObject([
          { runId: RUN, kind: 'wait', chunkNo: 1, seq: null, atMs: AT, data: { ms: 5 } },
        ]);
        expect(await store.events(RUN, { limit: 2 })).toEqual(all.slice(0, 2));
        expect(await store.events(null, { afterId: all[5]?.id ?? 0, limit: 99 })).toEqual(all.slice(6));
        expect(await store.events(null, { limit: 3, newest: true })).toEqual(all.slice(5));
        const waits = await store.events(null, { limit: 99, kinds: ['wait', 'none'] });
        expect(waits.map(({ runId }) => runId)).toEqual([RUN, OTHER]);
        expect(await store.events(RUN, { limit: 99, kinds: ['wait'] })).toEqual(waits.slice(0, 1));
        expect(await store.events(null, { limit: 1, kinds: ['wait'], newest: true })).toEqual(waits.slice(1));
      });

      test('who does not drive may write a note, even beside a newer driver', async () => {
        await ready([1]);
        await store.note(RUN, 'notice.sent', AT, { id: 'n' });
        expect(await store.events(RUN, { limit: 1, newest: true })).toMatchObject([
          { runId: RUN, kind: 'notice.sent', chunkNo: null, atMs: AT, data: { id: 'n' } },
        ]);
      });
    });

    describe('pools', () => {
      const ELSEWHERE = 'https://gateway.example';
      const opus = poolSnapshot('org_1', 'opus_5');
      const batches = poolSnapshot('org_1', 'batches', { open: { batches: 3, requests: 41_000 }, latency: null });

      test('are kept as they were told, each base URL for itself, in the order of their names', async () => {
        expect(await store.pools()).toEqual([]);
        await driver.recordPools(ORIGIN, [opus, batches], AT);
        await driver.recordPools(ELSEWHERE, [opus], AT);
        expect(await store.pools(ORIGIN)).toEqual([
          { ...batches, origin: ORIGIN },
          { ...opus, origin: ORIGIN },
        ]);
        expect(await store.pools('https://nobody.example')).toEqual([]);
        expect((await store.pools()).map((one) => [one.origin, one.pool])).toEqual([
          [ORIGIN, batches.pool],
          [ORIGIN, opus.pool],
          [ELSEWHERE, opus.pool],
        ]);
      });

      test('are replaced one by one: those that are not named stay', async () => {
        await driver.recordPools(ORIGIN, [opus, batches], AT);
        const later = { ...opus, atMs: AT + 5_000, pausedUntilMs: AT + 9_000, use: [] };
        await driver.recordPools(ORIGIN, [later], AT + 5_000);
        expect(await store.pools(ORIGIN)).toEqual([
          { ...batches, origin: ORIGIN },
          { ...later, origin: ORIGIN },
        ]);
        await driver.recordPools(ORIGIN, [], AT + 6_000);
        expect(await store.pools(ORIGIN)).toHaveLength(2);
      });

      test('are seen by a later process', async () => {
        await driver.recordPools(ORIGIN, [opus], AT);
        const later = await bench.reopen();
        expect(await later.pools()).toEqual([{ ...opus, origin: ORIGIN }]);
        if (later !== store) await later.close();
      });
    });

    describe('reading', () => {
      test('chunks are filtered by state and kind, in order, up to a number', async () => {
        await ready([1, 1, 1]);
        await attempt(2);
        const numbers = async (filter: Parameters<Store['chunks']>[1]): Promise<number[]> =>
          (await store.chunks(RUN, filter)).map((chunk) => chunk.chunkNo);
        expect(await numbers({})).toEqual([1, 2, 3]);
        expect(await numbers({ states: ['sealed'] })).toEqual([1, 3]);
        expect(await numbers({ states: ['sealed', 'submitting'], limit: 2 })).toEqual([1, 2]);
        expect(await numbers({ states: [] })).toEqual([]);
        expect(await numbers({ kind: 'retry' })).toEqual([]);
        expect(await store.chunks('run_none')).toEqual([]);
      });

      test('row records come in pages', async () => {
        await withRetries(5);
        const page = async (afterSeq: number): Promise<number[]> =>
          (await store.rowRecords(RUN, { states: ['retry'], afterSeq, limit: 2 })).map((row) => row.seq);
        expect(await page(-1)).toEqual([0, 1]);
        expect(await page(1)).toEqual([2, 3]);
        expect(await page(3)).toEqual([4]);
        expect(await page(4)).toEqual([]);
      });

      test('the earliest retry is the one that is told', async () => {
        await ready([2]);
        await collected(1, 2, [
          collectedRow(0, 0, 'retry', { notBeforeMs: AT + 9 }),
          collectedRow(1, 1, 'retry', { notBeforeMs: AT + 4 }),
        ]);
        expect(await store.nextRetryAtMs(RUN)).toBe(AT + 4);
      });

      test('runs come in the order in which they were made', async () => {
        await ready([1], { id: OTHER });
        await ready([1], { id: RUN });
        expect((await store.runs()).map((run) => run.id)).toEqual([RUN, OTHER]);
      });

      test('a later handle sees what the first has written', async () => {
        await ready([2]);
        await ended(1);
        const later = await bench.reopen();
        expect(await dump(later)).toEqual(await dump(store));
        if (later !== store) await later.close();
      });
    });
  });
}
