/**
 * The store and how rows and runs end: retried, given up or canceled, and the end of a run, which can be taken back or
 * pruned.
 */
import { beforeEach, describe, expect, test } from 'vitest';
import { ROW_WAIT_MS_MAX } from '../../src/domain/row-wait.ts';
import type { DriverStore, Store } from '../../src/domain/store.ts';
import type { NewChunk } from '../../src/domain/store-steps.ts';
import { AT, block, HOLDER, RUN, storeBench, type OpenStore } from './store.bench.ts';
import { allRecords, checkLedger, collectedRow, dump, newChunk, usageOf } from './store.lab.ts';

export function storeOutcomesSuite(name: string, open: OpenStore): void {
  describe(`store: ${name}`, () => {
    const bench = storeBench(open);
    const { ready, submitted, collected, withRetries, sealRetry, rowsOf, kinds, refused } = bench;
    let store: Store;
    let driver: DriverStore;

    beforeEach(() => {
      ({ store, driver } = bench);
    });

    describe('a chunk that goes row by row', () => {
      test('gives its rows records of their own, and is never sent', async () => {
        await ready([2, 2]);
        expect(await driver.releaseChunk(RUN, 2, AT)).toBe(2);
        expect(await rowsOf()).toEqual({ waiting: 2, retry: 2 });
        expect(await store.chunk(RUN, 2)).toMatchObject({ state: 'canceled' });
        expect(await store.rowRecord(RUN, 3)).toMatchObject({
          ...{ state: 'retry', attempts: 0, homeChunkNo: 2, homeIndex: 1, errorType: null },
        });
        // Its rows are called now: a run is under way from here on.
        expect(await store.run(RUN)).toMatchObject({ state: 'active' });
        expect(await driver.claimRealtime(RUN, [2, 3], AT)).toHaveLength(2);
        await checkLedger(store);
        await refused(() => driver.releaseChunk(RUN, 2, AT), ['E_TRANSITION']);
      });

      test('of retries gives them back', async () => {
        await withRetries(3);
        await sealRetry(2, [0, 2]);
        expect(await driver.releaseChunk(RUN, 2, AT)).toBe(2);
        expect(await rowsOf()).toEqual({ retry: 3 });
        expect(await store.rowRecord(RUN, 2)).toMatchObject({ state: 'retry', homeChunkNo: 1, attempts: 1 });
      });

      test('is not one whose batch is under way: that is marked, once', async () => {
        await ready([2]);
        await submitted(1);
        await refused(() => driver.releaseChunk(RUN, 1, AT), ['E_TRANSITION']);
        await driver.recordHurried(RUN, 1, AT);
        await driver.recordHurried(RUN, 1, AT + 5);
        expect(await store.chunk(RUN, 1)).toMatchObject({ state: 'submitted', hurriedAtMs: AT });
        expect((await kinds()).filter((kind) => kind === 'chunk.hurried')).toHaveLength(1);
      });
    });

    describe('retries', () => {
      test('are sealed into a chunk of their own', async () => {
        await withRetries(4);
        await sealRetry(2, [1, 3]);
        expect(await rowsOf()).toEqual({ retry: 2, waiting: 2 });
        expect(await store.chunk(RUN, 2)).toMatchObject({ kind: 'retry', state: 'sealed', rowCount: 2 });
        expect((await store.rowRecords(RUN, { states: ['waiting'], limit: 9 })).map((row) => row.seq)).toEqual([1, 3]);
        expect((await kinds()).at(-1)).toBe('chunk.sealed');
      });

      test('of rows that do not wait for one are refused', async () => {
        await withRetries(2);
        await sealRetry(2, [0]);
        const chunk: NewChunk = newChunk(3, [0, 1], { kind: 'retry' });
        await refused(() => driver.sealRetryChunk(RUN, chunk, [0, 1], AT), ['E_TRANSITION']);
        expect(await driver.claimRealtime(RUN, [0, 7], AT)).toEqual([]);
        const up = { to: 'failed', errorType: 'x' } as const;
        await refused(
          () =>
            driver.giveUpRows(
              RUN,
              [
                { seq: 1, ...up },
                { seq: 0, ...up },
              ],
              AT,
            ),
          ['E_TRANSITION'],
        );
      });

      test('in realtime count as an attempt from the moment they are claimed', async () => {
        await withRetries(3);
        await driver.claimRealtime(RUN, [0, 2], AT);
        expect(await rowsOf()).toEqual({ retry: 1, in_realtime: 2 });
        expect(await store.rowRecord(RUN, 2)).toMatchObject({ state: 'in_realtime', attempts: 2 });
        expect((await kinds()).at(-1)).toBe('rows.in_realtime');
      });

      test('in realtime are claimed when their time has come, or lies further ahead than any row is asked to wait', async () => {
        await withRetries(1);
        await driver.claimRealtime(RUN, [0], AT);
        const row = { seq: 0, to: 'retry', errorType: 'overloaded_error', result: null, burnt: true } as const;
        const notBeforeMs = AT + ROW_WAIT_MS_MAX;
        const settled = {
          runId: RUN,
          atMs: AT,
          logBytes: 0,
          rows: [{ ...row, notBeforeMs }],
          usage: [],
          stopReasons: {},
        };
        await driver.settleRealtime(settled);
        expect(await driver.claimRealtime(RUN, [0], AT)).toEqual([]);
        expect(await driver.claimRealtime(RUN, [0], notBeforeMs - 1)).toEqual([]);
        expect(await driver.claimRealtime(RUN, [0], notBeforeMs)).toHaveLength(1);
        await driver.settleRealtime(settled);
        // The clock that said when was ahead.
        expect(await driver.claimRealtime(RUN, [0], AT - 1)).toHaveLength(1);
      });

      test('in realtime are settled with their answers in the log, and only burnt tries count', async () => {
        await withRetries(5);
        await driver.claimRealtime(RUN, [0, 1, 2, 3], AT);
        const result = { chunkNo: 0, offset: 40, length: 20 };
        const base = { errorType: null, notBeforeMs: 0, result: null, burnt: true };
        await driver.settleRealtime({
          runId: RUN,
          atMs: AT,
          logBytes: 60,
          rows: [
            { ...base, seq: 0, to: 'succeeded', result },
            { ...base, seq: 1, to: 'failed', errorType: 'invalid_request_error', result },
            { ...base, seq: 2, to: 'retry', errorType: 'overloaded_error', notBeforeMs: AT + 70 },
            { ...base, seq: 3, to: 'retry', errorType: 'rate_limit_error', notBeforeMs: AT + 90, burnt: false },
          ],
          usage: [usageOf(1, { lane: 'realtime' })],
          stopReasons: { refusal: 1 },
        });
        await checkLedger(store);
        expect(await rowsOf()).toEqual({ succeeded: 1, failed: 1, retry: 3 });
        expect((await allRecords(store, RUN)).map((row) => [row.seq, row.state, row.attempts, row.errorType])).toEqual([
          [0, 'succeeded', 2, null],
          [1, 'failed', 2, 'invalid_request_error'],
          [2, 'retry', 2, 'overloaded_error'],
          [3, 'retry', 1, 'rate_limit_error'],
          [4, 'retry', 1, 'api_error'],
        ]);
        expect(await store.rowRecord(RUN, 0)).toMatchObject({ result });
        expect(await store.run(RUN)).toMatchObject({ realtimeLogBytes: 60, stopReasons: { refusal: 1 } });
        expect(await store.usage(RUN)).toEqual([usageOf(5), usageOf(1, { lane: 'realtime' })]);
        expect((await kinds()).slice(-4)).toEqual(['row.failed', 'row.retried', 'row.retried', 'rows.settled']);
        const done = { ...base, seq: 0, to: 'succeeded', result } as const;
        await refused(
          () => driver.settleRealtime({ runId: RUN, atMs: AT, logBytes: 80, rows: [done], usage: [], stopReasons: {} }),
          ['E_TRANSITION'],
        );
      });

      test('in realtime keep their money reserved until they are settled, through a crash too', async () => {
        const reserved = async (): Promise<number | undefined> => (await store.run(RUN))?.realtimeReservedUsd;
        await withRetries(3);
        // Only what was claimed is reserved: row 7 is not there.
        await driver.claimRealtime(RUN, [0, 1, 7], AT, new Map([0, 1, 7].map((seq) => [seq, 0.25])));
        expect(await reserved()).toBe(0.5);
        const settled = { to: 'succeeded', errorType: null, notBeforeMs: 0, result: null, burnt: true } as const;
        const sums = { usage: [], stopReasons: {} };
        const rows = [{ seq: 0, ...settled }];
        await driver.settleRealtime({ runId: RUN, atMs: AT, logBytes: 0, releasedUsd: 0.25, rows, ...sums });
        expect(await reserved()).toBe(0.25);
        await driver.releaseRealtime(RUN, AT);
        expect(await reserved()).toBe(0.25);
      });

      test('in realtime that were under way when a process died are released', async () => {
        await withRetries(3);
        await driver.claimRealtime(RUN, [0, 1], AT);
        driver = bench.driver = await (await bench.reopen()).takeOver(HOLDER);
        expect(await driver.releaseRealtime(RUN, AT)).toBe(2);
        expect(await rowsOf()).toEqual({ retry: 3 });
        expect(await store.rowRecord(RUN, 0)).toMatchObject({ state: 'retry', attempts: 2 });
        expect((await kinds()).at(-1)).toBe('rows.released');
        const events = (await kinds()).length;
        expect(await driver.releaseRealtime(RUN, AT)).toBe(0);
        expect(await kinds()).toHaveLength(events);
      });

      test('that are given up end as what they were', async () => {
        await withRetries(3);
        await driver.giveUpRows(
          RUN,
          [
            { seq: 0, to: 'failed', errorType: 'api_error' },
            { seq: 1, to: 'expired', errorType: 'expired' },
            { seq: 2, to: 'canceled', errorType: 'batchrun_canceled' },
          ],
          AT,
        );
        expect(await rowsOf()).toEqual({ failed: 1, expired: 1, canceled: 1 });
        expect(await store.failureCounts(RUN)).toEqual({ api_error: 1, expired: 1, batchrun_canceled: 1 });
        expect(await store.nextRetryAtMs(RUN)).toBeNull();
      });
    });

    describe('canceling', () => {
      test('is asked for by any process, for a run that is ready or active', async () => {
        await ready([1]);
        await store.requestCancel(RUN, AT);
        expect(await store.run(RUN)).toMatchObject({ state: 'canceling', canceled: true });
        expect((await kinds()).at(-1)).toBe('run.canceling');
        await refused(() => store.requestCancel(RUN, AT), ['E_TRANSITION']);
      });

      test('takes what was not sent: sealed chunks of either kind and rows that wait for a retry', async () => {
        await ready([4, 2, 3]);
        await collected(
          1,
          4,
          [0, 1, 2].map((seq) => collectedRow(seq, seq, 'retry')),
        );
        await sealRetry(4, [0, 1]);
        await submitted(2);
        await store.requestCancel(RUN, AT);
        await driver.cancelUnsent(RUN, AT);
        await checkLedger(store);
        expect(await rowsOf()).toEqual({ succeeded: 1, canceled: 6, in_batch: 2 });
        expect(await store.chunkCounts(RUN)).toMatchObject({ collected: 1, submitted: 1, canceled: 2, sealed: 0 });
        expect((await allRecords(store, RUN)).map((row) => [row.seq, row.state, row.errorType])).toEqual([
          [0, 'canceled', 'batchrun_canceled'],
          [1, 'canceled', 'batchrun_canceled'],
          [2, 'canceled', 'batchrun_canceled'],
        ]);
        const before = await dump(store, driver);
        await driver.cancelUnsent(RUN, AT);
        expect(await dump(store, driver)).toEqual(before);
      });

      test('leaves answers that do not follow the schema with their rows, wherever these wait', async () => {
        const result = { chunkNo: 1, offset: 0, length: 9 };
        await withRetries(3, { errorType: 'batchrun_schema:type:/a', result });
        await sealRetry(2, [0, 1]);
        await store.requestCancel(RUN, AT);
        await driver.cancelUnsent(RUN, AT);
        await checkLedger(store);
        expect(await rowsOf()).toEqual({ failed: 3 });
        for (const record of await allRecords(store, RUN)) {
          expect(record).toMatchObject({ state: 'failed', attempts: 1, errorType: 'batchrun_schema:type:/a', result });
        }
      });

      test('leaves an event for the rows that waited for a retry', async () => {
        await withRetries(2);
        await store.requestCancel(RUN, AT);
        const before = (await kinds()).length;
        await driver.cancelUnsent(RUN, AT);
        expect((await kinds()).slice(before)).not.toEqual([]);
      });

      test('is not done to a run that nobody canceled', async () => {
        await ready([2]);
        await refused(() => driver.cancelUnsent(RUN, AT), ['E_TRANSITION']);
      });
    });

    describe('the end of a run', () => {
      test('is not before its last row has one', async () => {
        await ready([1, 1]);
        await refused(() => driver.finishRun(RUN, AT));
        await collected(1, 1);
        await refused(() => driver.finishRun(RUN, AT));
        await collected(2, 1, [collectedRow(1, 0, 'retry')]);
        await refused(() => driver.finishRun(RUN, AT));
        await driver.claimRealtime(RUN, [1], AT);
        await refused(() => driver.finishRun(RUN, AT));
        const row = { seq: 1, to: 'succeeded', errorType: null, notBeforeMs: 0, result: null, burnt: true } as const;
        await driver.settleRealtime({ runId: RUN, atMs: AT, logBytes: 5, rows: [row], usage: [], stopReasons: {} });
        await driver.setBlocks(RUN, [block('billing')], AT);
        await driver.finishRun(RUN, AT + 3);
        expect(await store.run(RUN)).toMatchObject({ state: 'done', doneAtMs: AT + 3, blocked: [] });
        expect((await kinds()).at(-1)).toBe('run.done');
        await refused(() => driver.finishRun(RUN, AT));
        await refused(() => store.requestCancel(RUN, AT), ['E_TRANSITION']);
      });

      test('can be taken back for the rows that did not succeed', async () => {
        await ready([5]);
        const rows = [
          collectedRow(0, 0, 'failed', { attempts: 4, notBeforeMs: AT }),
          collectedRow(1, 1, 'expired', { attempts: 3 }),
          collectedRow(2, 2, 'canceled'),
        ];
        await collected(1, 5, rows);
        await driver.finishRun(RUN, AT);
        expect(await driver.reopen(RUN, ['failed', 'expired'], AT)).toBe(2);
        expect(await store.run(RUN)).toMatchObject({ state: 'active', doneAtMs: null });
        expect(await rowsOf()).toEqual({ retry: 2, canceled: 1, succeeded: 2 });
        expect(await store.rowRecord(RUN, 0)).toMatchObject({ state: 'retry', attempts: 0, notBeforeMs: 0 });
        expect(await store.nextRetryAtMs(RUN)).toBe(0);
      });

      test('stays the end where no row is taken back', async () => {
        await ready([2]);
        await collected(1, 2);
        await driver.finishRun(RUN, AT);
        const before = await dump(store, driver);
        expect(await driver.reopen(RUN, ['failed', 'expired', 'canceled'], AT)).toBe(0);
        expect(await dump(store, driver)).toEqual(before);
      });

      test('of a canceled run can be taken back for rows of chunks that were never sent', async () => {
        await ready([2, 3]);
        await collected(1, 2, [collectedRow(1, 1, 'retry')]);
        await sealRetry(3, [1]);
        await store.requestCancel(RUN, AT);
        await driver.cancelUnsent(RUN, AT);
        await driver.finishRun(RUN, AT);
        expect(await driver.reopen(RUN, ['canceled'], AT)).toBe(4);
        await checkLedger(store);
        expect(await store.run(RUN)).toMatchObject({ state: 'active', canceled: false });
        expect(
          (await allRecords(store, RUN)).map((row) => [row.seq, row.state, row.homeChunkNo, row.homeIndex]),
        ).toEqual([
          [1, 'retry', 1, 1],
          [2, 'retry', 2, 0],
          [3, 'retry', 2, 1],
          [4, 'retry', 2, 2],
        ]);
        await sealRetry(4, [1, 2, 3, 4]);
        const result = { chunkNo: 4, offset: 0, length: 1 };
        await collected(
          4,
          4,
          [1, 2, 3, 4].map((seq, at) => collectedRow(seq, at, 'succeeded', { result })),
        );
        expect(await rowsOf()).toEqual({ succeeded: 5 });
        await driver.finishRun(RUN, AT);
        expect(await driver.reopen(RUN, ['canceled'], AT)).toBe(0);
      });

      test('cannot be taken back before it has come', async () => {
        await ready([2, 1]);
        await collected(1, 2, [collectedRow(0, 0, 'failed')]);
        await refused(() => driver.reopen(RUN, ['failed'], AT));
        await refused(() => driver.reopen(RUN, ['canceled'], AT));
      });

      test('frees a pruned run of everything but its tombstone', async () => {
        await ready([2]);
        await collected(1, 2, [collectedRow(0, 0, 'failed')]);
        await refused(() => store.pruneRun(RUN, AT), ['E_TRANSITION']);
        await driver.finishRun(RUN, AT);
        await store.pruneRun(RUN, AT);
        expect(await store.runs({ ingesting: true })).toEqual([]);
        expect(await store.chunks(RUN)).toEqual([]);
        expect(await allRecords(store, RUN)).toEqual([]);
        expect(await store.usage(RUN)).toEqual([]);
        expect(await store.batches(RUN)).toEqual([]);
        expect(await store.batch('msgbatch_1')).toBeNull();
        expect(await store.events(null, { limit: 99 })).toEqual([]);
        expect(await driver.attemptsToWatch(0)).toEqual([]);
        expect(await store.tombstones()).toHaveLength(1);
      });

      test('of a canceled run leaves no tombstone', async () => {
        await ready([2]);
        await store.requestCancel(RUN, AT);
        await driver.cancelUnsent(RUN, AT);
        await driver.finishRun(RUN, AT);
        await store.pruneRun(RUN, AT);
        expect(await store.tombstones()).toEqual([]);
      });
    });
  });
}
