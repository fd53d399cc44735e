/**
 * The store and creates: answered, surely not made, in doubt, found late, and refused, split or failed, with every row
 * kept.
 */
import { beforeEach, describe, expect, test } from 'vitest';
import type { DriverStore, Store } from '../../src/domain/store.ts';
import { AT, OTHER, RUN, storeBench, type OpenStore } from './store.bench.ts';
import { batchInfo, checkLedger, endedInfo, newChunk, newRun, statesOf, WORKSPACE } from './store.lab.ts';

export function storeCreatesSuite(name: string, open: OpenStore): void {
  describe(`store: ${name}`, () => {
    const bench = storeBench(open);
    const { ready, attempt, submitted, ended, withRetries, sealRetry, rowsOf, kinds, chunkState, refused } = bench;
    let store: Store;
    let driver: DriverStore;

    beforeEach(() => {
      ({ store, driver } = bench);
    });

    describe('a create', () => {
      test('begins with an attempt: the run is active, the chunk on its way, its rows in a batch', async () => {
        await ready([3, 2]);
        const start = { runId: RUN, chunkNo: 1, workspace: 'wrkspc_9', baselineBatchId: 'msgbatch_0', atMs: AT };
        const id = await driver.recordAttempt(start);
        expect(await driver.openAttempts()).toEqual([
          {
            id,
            runId: RUN,
            chunkNo: 1,
            workspace: 'wrkspc_9',
            rowCount: 3,
            bytes: 318,
            baselineBatchId: 'msgbatch_0',
            startedAtMs: AT,
            endedAtMs: null,
            bodyComplete: false,
            state: 'open',
            batchId: null,
            doubtSinceMs: null,
            byHand: false,
          },
        ]);
        expect(await store.run(RUN)).toMatchObject({ state: 'active' });
        expect(await rowsOf()).toEqual({ in_batch: 3, waiting: 2 });
        expect((await kinds()).slice(-2)).toEqual(['run.active', 'chunk.submitting']);
        await driver.recordBodyComplete(id ?? 0);
        expect(await driver.openAttempts()).toMatchObject([{ bodyComplete: true }]);
      });

      test('is begun once, only for a sealed chunk, and not for a run that is read, canceled or done', async () => {
        await store.beginRun(newRun(OTHER));
        await store.sealChunk(OTHER, newChunk(1, [0]), AT);
        const unread = { runId: OTHER, chunkNo: 1, workspace: WORKSPACE, baselineBatchId: null, atMs: AT };
        expect(await driver.recordAttempt(unread)).toBeNull();
        expect((await store.chunk(OTHER, 1))?.state).toBe('sealed');
        await ready([1, 1]);
        await attempt(1);
        const again = { runId: RUN, chunkNo: 1, workspace: WORKSPACE, baselineBatchId: null, atMs: AT };
        await refused(() => driver.recordAttempt(again), ['E_TRANSITION']);
        await refused(() => driver.recordAttempt({ ...again, chunkNo: 77 }), ['E_TRANSITION']);
        expect(await driver.recordAttempt({ ...again, runId: 'run_none' })).toBeNull();
        await store.requestCancel(RUN, AT);
        expect(await driver.recordAttempt({ ...again, chunkNo: 2 })).toBeNull();
      });

      test('that was answered is a batch with its chunk', async () => {
        await ready([3]);
        const attemptId = await submitted(1);
        expect(await store.chunk(RUN, 1)).toMatchObject({ state: 'submitted', batchId: 'msgbatch_1' });
        expect(await store.batch('msgbatch_1')).toEqual({
          ...batchInfo('msgbatch_1', 3),
          workspace: WORKSPACE,
          runId: RUN,
          chunkNo: 1,
          attemptId,
          proven: true,
          missingSinceMs: null,
        });
        expect(await driver.openAttempts()).toEqual([]);
        expect(await rowsOf()).toEqual({ in_batch: 3 });
        expect((await kinds()).at(-1)).toBe('chunk.submitted');
        await refused(() => driver.recordCreated({ attemptId, batch: batchInfo('msgbatch_2', 3), atMs: AT }));
        await refused(() => driver.recordNotCreated({ attemptId, atMs: AT, reason: 'x' }));
        await refused(() => driver.recordBodyComplete(attemptId));
      });

      test('that surely made nothing seals its chunk again, and it can be tried again', async () => {
        await ready([3]);
        const first = await attempt(1);
        await driver.recordNotCreated({ attemptId: first, atMs: AT + 5, reason: '429' });
        expect(await chunkState(1)).toBe('sealed');
        expect(await rowsOf()).toEqual({ waiting: 3 });
        expect((await store.events(RUN, { limit: 1, newest: true }))[0]).toMatchObject({
          kind: 'chunk.sealed',
          chunkNo: 1,
          data: { rows: 3, reason: '429' },
        });
        await refused(() => driver.recordNotCreated({ attemptId: first, atMs: AT, reason: 'x' }));
        const second = await attempt(1);
        expect(second).toBeGreaterThan(first);
      });

      test('in doubt is watched until it is decided', async () => {
        await ready([3]);
        const attemptId = await attempt(1);
        await driver.recordUncertain({ attemptId, atMs: AT + 5, reason: 'timeout' });
        expect(await chunkState(1)).toBe('uncertain');
        expect(await rowsOf()).toEqual({ in_batch: 3 });
        expect(await driver.openAttempts()).toEqual([]);
        expect(await driver.attemptsToWatch(AT + 1_000)).toMatchObject([
          { id: attemptId, state: 'uncertain', endedAtMs: AT + 5 },
        ]);
        await refused(() => driver.recordUncertain({ attemptId, atMs: AT, reason: 'x' }));
        await driver.recordNotCreated({ attemptId, atMs: AT + 9, reason: 'not in the list' });
        expect(await chunkState(1)).toBe('sealed');
        expect(await rowsOf()).toEqual({ waiting: 3 });
      });

      test('in doubt whose batch is found is submitted', async () => {
        await ready([3]);
        const attemptId = await attempt(1);
        await driver.recordUncertain({ attemptId, atMs: AT, reason: 'reset' });
        await driver.recordCreated({ attemptId, batch: endedInfo('msgbatch_7', 3), atMs: AT });
        expect(await store.chunk(RUN, 1)).toMatchObject({ state: 'submitted', batchId: 'msgbatch_7' });
        expect(await driver.attemptsToWatch(0)).toEqual([]);
      });

      test('judged not made after a doubt is watched for a while, one that was surely refused is not', async () => {
        await ready([3, 2]);
        const whole = await attempt(1);
        await driver.recordBodyComplete(whole);
        await driver.recordUncertain({ attemptId: whole, atMs: AT + 50, reason: 'x' });
        await driver.recordNotCreated({ attemptId: whole, atMs: AT + 60, reason: 'x' });
        const half = await attempt(2);
        await driver.recordBodyComplete(half);
        await driver.recordNotCreated({ attemptId: half, atMs: AT + 50, reason: 'x' });
        // From the judgement, however long the doubt lasted before it.
        expect(await driver.attemptsToWatch(AT + 60)).toMatchObject([
          { id: whole, state: 'not_created', bodyComplete: true },
        ]);
        expect(await driver.attemptsToWatch(AT + 61)).toEqual([]);
      });

      test('whose batch turns up late takes its sealed chunk along', async () => {
        await ready([3]);
        const attemptId = await attempt(1);
        await driver.recordBodyComplete(attemptId);
        await driver.recordUncertain({ attemptId, atMs: AT, reason: 'x' });
        await driver.recordNotCreated({ attemptId, atMs: AT, reason: 'x' });
        await driver.recordCreated({ attemptId, batch: endedInfo('msgbatch_late', 3), atMs: AT });
        expect(await store.chunk(RUN, 1)).toMatchObject({ state: 'submitted', batchId: 'msgbatch_late' });
        expect(await rowsOf()).toEqual({ in_batch: 3 });
        expect(await driver.attemptsToWatch(0)).toEqual([]);
      });

      test('a second batch of the same rows is remembered beside the first, whatever the chunk is by then', async () => {
        await ready([3]);
        const first = await attempt(1);
        await driver.recordBodyComplete(first);
        await driver.recordUncertain({ attemptId: first, atMs: AT, reason: 'x' });
        await driver.recordNotCreated({ attemptId: first, atMs: AT, reason: 'x' });
        await ended(1, 'msgbatch_1');
        await driver.recordDuplicate({ attemptId: first, batch: endedInfo('msgbatch_late', 3), atMs: AT });
        expect(await store.chunk(RUN, 1)).toMatchObject({ state: 'ended', batchId: 'msgbatch_1' });
        expect((await store.batches(RUN)).map((batch) => batch.id).toSorted()).toEqual(['msgbatch_1', 'msgbatch_late']);
        expect(await store.batch('msgbatch_late')).toMatchObject({ attemptId: first, chunkNo: 1, proven: true });
        expect((await kinds()).at(-1)).toBe('batch.duplicate');
        expect(await driver.attemptsToWatch(0)).toEqual([]);
      });

      test('an older attempt that is decided late leaves the chunk where it is', async () => {
        await ready([3]);
        const first = await attempt(1);
        await driver.recordUncertain({ attemptId: first, atMs: AT, reason: 'x' });
        await driver.recordNotCreated({ attemptId: first, atMs: AT, reason: 'x' });
        const second = await attempt(1);
        await driver.recordUncertain({ attemptId: second, atMs: AT, reason: 'x' });
        await driver.recordCreated({ attemptId: first, batch: endedInfo('msgbatch_1', 3), atMs: AT });
        expect(await chunkState(1)).toBe('submitted');
        await driver.recordNotCreated({ attemptId: second, atMs: AT, reason: 'not in the list' });
        expect(await store.chunk(RUN, 1)).toMatchObject({ state: 'submitted', batchId: 'msgbatch_1' });
        expect(await rowsOf()).toEqual({ in_batch: 3 });
      });
    });

    describe('a create that was refused', () => {
      test('is split into chunks that keep every row', async () => {
        await ready([5]);
        const attemptId = await attempt(1);
        const children = [newChunk(2, [0, 1], { parentNo: 1 }), newChunk(3, [2, 3, 4], { parentNo: 1 })];
        await driver.recordSplit({
          runId: RUN,
          chunkNo: 1,
          attemptId,
          atMs: AT,
          reason: '413',
          children,
          refused: null,
        });
        expect(await store.chunks(RUN)).toMatchObject([
          { chunkNo: 1, state: 'split', refusals: 1, rootNo: 1 },
          { chunkNo: 2, state: 'sealed', parentNo: 1, refusals: 0, rootNo: 1, rowCount: 2 },
          { chunkNo: 3, state: 'sealed', parentNo: 1, refusals: 0, rootNo: 1, rowCount: 3 },
        ]);
        expect(await rowsOf()).toEqual({ waiting: 5 });
        expect((await kinds()).slice(-3)).toEqual(['chunk.split', 'chunk.sealed', 'chunk.sealed']);
        expect([...(await statesOf(store, RUN)).keys()]).toEqual([0, 1, 2, 3, 4]);
      });

      test('counts its refusals on the chunk that all parts were cut from', async () => {
        await ready([3]);
        let parent = 1;
        for (const child of [2, 3]) {
          const attemptId = await attempt(parent);
          const children = [newChunk(child, [0, 1, 2], { parentNo: parent })];
          await driver.recordSplit({
            runId: RUN,
            chunkNo: parent,
            attemptId,
            atMs: AT,
            reason: '400',
            children,
            refused: null,
          });
          parent = child;
        }
        expect((await store.chunks(RUN)).map((chunk) => chunk.refusals)).toEqual([2, 0, 0]);
      });

      test('without the row that the answer names: it fails, the rest waits', async () => {
        await ready([3]);
        const attemptId = await attempt(1);
        const refusedRow = { ...newChunk(3, [1], { parentNo: 1 }), errorType: 'invalid_request_error' };
        const children = [newChunk(2, [0, 2], { parentNo: 1 })];
        await driver.recordSplit({
          runId: RUN,
          chunkNo: 1,
          attemptId,
          atMs: AT,
          reason: '400',
          children,
          refused: refusedRow,
        });
        expect(await rowsOf()).toEqual({ waiting: 2, failed: 1 });
        expect(await chunkState(3)).toBe('refused');
        expect(await store.rowRecord(RUN, 1)).toEqual({
          runId: RUN,
          seq: 1,
          state: 'failed',
          homeChunkNo: 3,
          homeIndex: 0,
          attempts: 1,
          errorType: 'invalid_request_error',
          notBeforeMs: 0,
          result: null,
          truncations: 0,
          maxTokens: null,
        });
        expect(await kinds()).toContain('row.failed');
      });

      test('a retry chunk is split as well, and its refused row keeps its home', async () => {
        await withRetries(3, { attempts: 2 });
        await sealRetry(2, [0, 1, 2]);
        const attemptId = await attempt(2);
        const kind = 'retry' as const;
        const refusedRow = { ...newChunk(4, [2], { kind, parentNo: 2 }), errorType: 'invalid_request_error' };
        const children = [newChunk(3, [0, 1], { kind, parentNo: 2 })];
        await driver.recordSplit({
          runId: RUN,
          chunkNo: 2,
          attemptId,
          atMs: AT,
          reason: '400',
          children,
          refused: refusedRow,
        });
        await checkLedger(store);
        expect(await rowsOf()).toEqual({ waiting: 2, failed: 1 });
        expect(await store.rowRecord(RUN, 2)).toMatchObject({
          state: 'failed',
          homeChunkNo: 1,
          homeIndex: 2,
          attempts: 3,
        });
      });

      test('that would lose or invent a row is refused', async () => {
        await ready([3]);
        const attemptId = await attempt(1);
        const step = { runId: RUN, chunkNo: 1, attemptId, atMs: AT, reason: 'x', refused: null };
        await refused(() => driver.recordSplit({ ...step, children: [newChunk(2, [0, 1])] }));
        await refused(() => driver.recordSplit({ ...step, children: [newChunk(2, [0, 1]), newChunk(3, [2, 3])] }));
        const one = { ...newChunk(3, [2, 3]), errorType: 'x' };
        await refused(() => driver.recordSplit({ ...step, children: [newChunk(2, [0, 1])], refused: one }));
      });

      test('of one row fails the row', async () => {
        await ready([1, 2]);
        const attemptId = await attempt(1);
        await driver.recordRefused({ runId: RUN, chunkNo: 1, attemptId, atMs: AT, errorType: 'request_too_large' });
        expect(await chunkState(1)).toBe('refused');
        expect(await rowsOf()).toEqual({ failed: 1, waiting: 2 });
        expect(await store.rowRecord(RUN, 0)).toMatchObject({
          state: 'failed',
          errorType: 'request_too_large',
          attempts: 1,
        });
        expect(await store.failureCounts(RUN)).toEqual({ request_too_large: 1 });
        const second = await attempt(2);
        await refused(() =>
          driver.recordRefused({ runId: RUN, chunkNo: 2, attemptId: second, atMs: AT, errorType: 'x' }),
        );
      });

      test('of one row of a retry chunk fails the row', async () => {
        await withRetries(1);
        await sealRetry(2, [0]);
        const attemptId = await attempt(2);
        await driver.recordRefused({ runId: RUN, chunkNo: 2, attemptId, atMs: AT, errorType: 'invalid_request_error' });
        expect(await rowsOf()).toEqual({ failed: 1 });
        expect(await store.rowRecord(RUN, 0)).toMatchObject({ state: 'failed', attempts: 2, homeChunkNo: 1 });
      });

      test('of one row of a retry chunk leaves an answer that does not follow the schema as it is', async () => {
        const result = { chunkNo: 1, offset: 0, length: 9 };
        await withRetries(1, { errorType: 'batchrun_schema:type:/a', result });
        await sealRetry(2, [0]);
        const attemptId = await attempt(2);
        await driver.recordRefused({ runId: RUN, chunkNo: 2, attemptId, atMs: AT, errorType: 'invalid_request_error' });
        expect(await rowsOf()).toEqual({ failed: 1 });
        const kept = { state: 'failed', attempts: 2, errorType: 'batchrun_schema:type:/a', result };
        expect(await store.rowRecord(RUN, 0)).toMatchObject(kept);
      });
    });
  });
}
