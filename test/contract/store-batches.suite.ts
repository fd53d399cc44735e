/**
 * The store and batches: whose they are, how they end, and what is kept of a chunk whose results were collected or lost.
 */
import { beforeEach, describe, expect, test } from 'vitest';
import type { ChunkState } from '../../src/domain/model.ts';
import type { DriverStore, Store } from '../../src/domain/store.ts';
import { AT, OTHER, RUN, storeBench, type OpenStore } from './store.bench.ts';
import {
  allRecords,
  batchInfo,
  collectedRow,
  endedInfo,
  newChunk,
  newRun,
  ORIGIN,
  START_MS,
  usageOf,
} from './store.lab.ts';

export function storeBatchesSuite(name: string, open: OpenStore): void {
  describe(`store: ${name}`, () => {
    const bench = storeBench(open);
    const {
      ready,
      attempt,
      submitted,
      ended,
      collectedStep,
      collected,
      withRetries,
      sealRetry,
      rowsOf,
      kinds,
      chunkState,
      refused,
    } = bench;
    let store: Store;
    let driver: DriverStore;

    beforeEach(() => {
      ({ store, driver } = bench);
    });

    describe('batches', () => {
      test('of others are remembered and told apart from unknown ones', async () => {
        await ready([1]);
        await submitted(1);
        await driver.recordForeign(endedInfo('msgbatch_foreign', 5), 'wrkspc_x');
        const asked = ['msgbatch_1', 'msgbatch_foreign', 'msgbatch_new'];
        expect([...(await driver.knownBatchIds(asked))].toSorted()).toEqual(['msgbatch_1', 'msgbatch_foreign']);
        expect(await driver.knownBatchIds([])).toEqual(new Set());
        expect(await store.batch('msgbatch_foreign')).toMatchObject({
          runId: null,
          chunkNo: null,
          workspace: 'wrkspc_x',
        });
        expect((await store.batches(RUN)).map((batch) => batch.id)).toEqual(['msgbatch_1']);
      });

      test('can be asked for by the states of their chunks, in the order of these', async () => {
        await ready([1, 1, 1, 1]);
        await submitted(4);
        await ended(2);
        await submitted(1);
        await collected(3, 1);
        const ids = async (chunkStates?: readonly ChunkState[]): Promise<string[]> =>
          (await store.batches(RUN, chunkStates ? { chunkStates } : {})).map((batch) => batch.id);
        expect(await ids()).toEqual(['msgbatch_1', 'msgbatch_2', 'msgbatch_3', 'msgbatch_4']);
        expect(await ids(['submitted', 'ended'])).toEqual(['msgbatch_1', 'msgbatch_2', 'msgbatch_4']);
        expect(await ids(['ended'])).toEqual(['msgbatch_2']);
        expect(await ids(['sealed'])).toEqual([]);
      });

      test('that only a person named need a look, until their lines prove or disprove them', async () => {
        await ready([2, 2]);
        const attemptId = await attempt(1);
        await driver.recordUncertain({ attemptId, atMs: AT, reason: 'x' });
        await driver.recordCreated({ attemptId, batch: batchInfo('msgbatch_1', 2), atMs: AT, proven: false });
        expect(await driver.knownBatchIds(['msgbatch_1'])).toEqual(new Set());
        await driver.recordProven({ batchId: 'msgbatch_1', atMs: AT });
        expect(await driver.knownBatchIds(['msgbatch_1'])).toEqual(new Set(['msgbatch_1']));
        expect(await store.batch('msgbatch_1')).toMatchObject({ proven: true, chunkNo: 1 });
        expect((await kinds()).at(-1)).toBe('batch.proven');
        await refused(() => driver.recordProven({ batchId: 'msgbatch_1', atMs: AT }), ['E_BUG']);
      });

      test('of a run stay its own when they are taken for a stranger’s', async () => {
        await ready([2]);
        await submitted(1);
        await driver.recordForeign(endedInfo('msgbatch_1', 2), 'wrkspc_x');
        expect(await store.batch('msgbatch_1')).toMatchObject({ runId: RUN, chunkNo: 1, status: 'in_progress' });
      });

      test('that are disproved put their chunk in doubt, or it goes on with another that is surely its own', async () => {
        await ready([2]);
        const attemptId = await submitted(1);
        await driver.recordDuplicate({ attemptId, batch: endedInfo('msgbatch_2', 2), atMs: AT });
        const disprove = (batchId: string): Promise<void> =>
          driver.recordDisproved({ runId: RUN, chunkNo: 1, batchId, atMs: AT, reason: 'x' });
        await disprove('msgbatch_1');
        expect(await store.chunk(RUN, 1)).toMatchObject({ state: 'submitted', batchId: 'msgbatch_2' });
        expect(await store.attempts(RUN, { limit: 9 })).toMatchObject([{ state: 'created', batchId: 'msgbatch_2' }]);
        expect(await store.batch('msgbatch_1')).toBeNull();
        await disprove('msgbatch_2');
        expect(await store.chunk(RUN, 1)).toMatchObject({ state: 'uncertain', batchId: null });
        expect(await store.attempts(RUN, { limit: 9 })).toMatchObject([{ state: 'uncertain', batchId: null }]);
        expect(await rowsOf()).toEqual({ in_batch: 2 });
      });

      test('that are disproved leave a chunk alone that follows another, or is done', async () => {
        await ready([2]);
        const attemptId = await submitted(1);
        await driver.recordDuplicate({ attemptId, batch: endedInfo('msgbatch_2', 2), atMs: AT });
        const step = { runId: RUN, chunkNo: 1, atMs: AT, reason: 'x' };
        await driver.recordDisproved({ ...step, batchId: 'msgbatch_2' });
        expect(await store.chunk(RUN, 1)).toMatchObject({ state: 'submitted', batchId: 'msgbatch_1' });
        expect((await kinds()).at(-1)).toBe('batch.disproved');
        await driver.recordLost({ ...step, rows: [collectedRow(0, 0, 'failed'), collectedRow(1, 1, 'failed')] });
        await driver.recordDisproved({ ...step, batchId: 'msgbatch_1' });
        expect(await chunkState(1)).toBe('lost');
        expect(await store.attempts(RUN, { limit: 9 })).toMatchObject([{ state: 'not_created', byHand: true }]);
      });

      test('that ended move their chunk, once', async () => {
        await ready([2]);
        await submitted(1);
        const step = { runId: RUN, chunkNo: 1, batch: endedInfo('msgbatch_1', 2), atMs: AT };
        await driver.recordEnded(step);
        expect(await chunkState(1)).toBe('ended');
        expect(await store.batch('msgbatch_1')).toMatchObject({ status: 'ended', endedAtMs: START_MS + 60_000 });
        expect(await rowsOf()).toEqual({ in_batch: 2 });
        expect((await kinds()).at(-1)).toBe('chunk.ended');
        await refused(() => driver.recordEnded(step), ['E_TRANSITION']);
      });

      test('that are missing keep the time since when, until they are seen again', async () => {
        await ready([2]);
        await submitted(1);
        await driver.recordBatchMissing('msgbatch_1', AT + 10);
        await driver.recordBatchMissing('msgbatch_1', AT + 20);
        expect(await store.batch('msgbatch_1')).toMatchObject({ missingSinceMs: AT + 10 });
        await driver.recordBatchSeen(batchInfo('msgbatch_1', 2, { status: 'canceling' }));
        expect(await store.batch('msgbatch_1')).toMatchObject({
          missingSinceMs: null,
          status: 'canceling',
          runId: RUN,
        });
      });

      test('are remembered for how long they took, newest first and for one origin', async () => {
        await ready([2, 3, 1]);
        await store.beginRun(newRun(OTHER, { origin: 'http://elsewhere' }));
        await store.sealChunk(OTHER, newChunk(1, [0]), AT);
        await store.finishIngest({
          runId: OTHER,
          atMs: AT,
          fingerprint: 'o',
          again: false,
          totalRows: 1,
          invalidRows: 0,
          mix: {},
        });
        const tookMs = [30_000, 90_000, 60_000];
        for (const [at, took] of tookMs.entries()) {
          await submitted(at + 1);
          const rows = (await store.chunk(RUN, at + 1))?.rowCount ?? 0;
          const batch = endedInfo(`msgbatch_${at + 1}`, rows, took);
          await driver.recordEnded({ runId: RUN, chunkNo: at + 1, batch, atMs: AT });
        }
        await ended(1, 'msgbatch_other', OTHER);
        expect(await store.batchHistory(ORIGIN, 2)).toEqual([
          { rows: 3, tookMs: 90_000 },
          { rows: 1, tookMs: 60_000 },
        ]);
        expect(await store.batchHistory('http://elsewhere', 9)).toHaveLength(1);
      });

      test('whose results were not whole are counted', async () => {
        await ready([2]);
        await ended(1);
        const step = { runId: RUN, chunkNo: 1, atMs: AT, reason: 'a line is missing' };
        expect(await driver.recordFetchFailed(step)).toBe(1);
        expect(await driver.recordFetchFailed(step)).toBe(2);
        expect(await store.chunk(RUN, 1)).toMatchObject({ fetches: 2, state: 'ended' });
        expect((await kinds()).slice(-2)).toEqual(['results.refetch', 'results.refetch']);
      });
    });

    describe('a chunk that is collected', () => {
      test('leaves a record for each row that did not succeed, and only for these', async () => {
        await ready([6]);
        const result = { chunkNo: 1, offset: 11, length: 10 };
        const rows = [
          collectedRow(1, 1, 'failed', { errorType: 'invalid_request_error', result }),
          collectedRow(2, 2, 'expired'),
          collectedRow(3, 3, 'canceled'),
          collectedRow(4, 4, 'retry', { notBeforeMs: AT + 500, errorType: 'overloaded_error' }),
        ];
        await collected(1, 6, rows);
        expect(await rowsOf()).toEqual({ succeeded: 2, failed: 1, expired: 1, canceled: 1, retry: 1 });
        expect((await allRecords(store, RUN)).map((row) => [row.seq, row.state])).toEqual([
          [1, 'failed'],
          [2, 'expired'],
          [3, 'canceled'],
          [4, 'retry'],
        ]);
        expect(await store.rowRecord(RUN, 1)).toMatchObject({ homeChunkNo: 1, homeIndex: 1, attempts: 1, result });
        expect(await store.rowRecord(RUN, 4)).toMatchObject({ notBeforeMs: AT + 500, errorType: 'overloaded_error' });
        expect(await store.failureCounts(RUN)).toEqual({ invalid_request_error: 1, expired: 1, canceled: 1 });
        expect(await store.nextRetryAtMs(RUN)).toBe(AT + 500);
        const [event, retried] = await store.events(RUN, { limit: 2, newest: true });
        expect(retried).toMatchObject({ kind: 'rows.retried', data: { rows: 1, causes: { overloaded_error: 1 } } });
        expect(event).toMatchObject({
          kind: 'chunk.collected',
          data: { batch: 'msgbatch_1', rows: 6, succeeded: 2, rest: { failed: 1, expired: 1, canceled: 1, retry: 1 } },
        });
      });

      test('keeps outcomes, index, usage and stop reasons, and adds up over chunks', async () => {
        await ready([2, 3]);
        await ended(1);
        await ended(2);
        const first = { ...collectedStep(1, 2), stopReasons: { max_tokens: 1 } };
        const other = usageOf(1, { model: 'claude-opus-5-5', unpricedRows: 1, costUsd: 0 });
        await driver.checkpointCollected(first);
        await driver.checkpointCollected({
          ...collectedStep(2, 3),
          usage: [usageOf(2), other],
          stopReasons: { max_tokens: 2, refusal: 1 },
        });
        const index = await store.chunkIndex(RUN, 1);
        expect(index.outcomes).toEqual(Buffer.from(first.outcomes));
        expect(index.results).toEqual(Buffer.from(first.resultIndex));
        expect(await store.usage(RUN)).toEqual([usageOf(4), other]);
        expect(await store.run(RUN)).toMatchObject({ stopReasons: { max_tokens: 3, refusal: 1 } });
        expect(await rowsOf()).toEqual({ succeeded: 5 });
      });

      test('is collected once', async () => {
        await ready([2]);
        await collected(1, 2);
        await refused(() => driver.checkpointCollected(collectedStep(1, 2)), ['E_TRANSITION']);
      });

      test('with an outcome too many or too few is refused', async () => {
        await ready([3]);
        await ended(1);
        const step = collectedStep(1, 3, [collectedRow(0, 0, 'failed')]);
        await refused(() => driver.checkpointCollected({ ...step, succeeded: 1 }));
        await refused(() => driver.checkpointCollected({ ...step, succeeded: 3 }));
        await refused(() => driver.checkpointCollected({ ...step, rows: [] }));
      });

      test('before its batch has ended is refused', async () => {
        await ready([2]);
        await submitted(1);
        await refused(() => driver.checkpointCollected(collectedStep(1, 2)), ['E_TRANSITION']);
      });

      test('of retried rows moves their records and keeps their home', async () => {
        await withRetries(5, { errorType: 'overloaded_error' });
        await sealRetry(2, [0, 2, 3, 4]);
        const result = { chunkNo: 2, offset: 0, length: 10 };
        const rows = [
          collectedRow(2, 1, 'failed', { attempts: 2, result }),
          collectedRow(3, 2, 'retry', { attempts: 2, notBeforeMs: AT + 9 }),
          collectedRow(4, 3, 'expired', { attempts: 2 }),
          collectedRow(0, 0, 'succeeded', { attempts: 2, result }),
        ];
        await collected(2, 4, rows);
        expect(await rowsOf()).toEqual({ succeeded: 1, failed: 1, expired: 1, retry: 2 });
        expect(await store.rowRecord(RUN, 0)).toEqual({
          runId: RUN,
          seq: 0,
          state: 'succeeded',
          homeChunkNo: 1,
          homeIndex: 0,
          attempts: 2,
          errorType: null,
          notBeforeMs: 0,
          result,
          truncations: 0,
          maxTokens: null,
        });
        expect(await store.rowRecord(RUN, 3)).toMatchObject({ state: 'retry', homeChunkNo: 1, homeIndex: 3 });
        expect(await store.rowRecord(RUN, 1)).toMatchObject({ state: 'retry', attempts: 1 });
      });

      test('whose results are lost fails every row, of either kind and before or after its end', async () => {
        await ready([2, 2]);
        await submitted(1);
        const lost = { attempts: 1, errorType: 'batchrun_results_lost' };
        const rows = [collectedRow(0, 0, 'failed', lost), collectedRow(1, 1, 'failed', lost)];
        await driver.recordBatchSeen(endedInfo('msgbatch_1', 2));
        await driver.recordLost({ runId: RUN, chunkNo: 1, atMs: AT, rows });
        expect(await chunkState(1)).toBe('lost');
        expect(await rowsOf()).toEqual({ failed: 2, waiting: 2 });
        await collected(2, 2, [collectedRow(2, 0, 'retry'), collectedRow(3, 1, 'retry')]);
        await sealRetry(3, [2, 3]);
        await ended(3);
        const again = [collectedRow(2, 0, 'failed', lost), collectedRow(3, 1, 'failed', lost)];
        await driver.recordLost({ runId: RUN, chunkNo: 3, atMs: AT, rows: again });
        expect(await rowsOf()).toEqual({ failed: 4 });
        expect(await store.failureCounts(RUN)).toEqual({ batchrun_results_lost: 4 });
        expect(await store.rowRecord(RUN, 3)).toMatchObject({ homeChunkNo: 2, homeIndex: 1 });
        expect((await kinds()).at(-1)).toBe('chunk.lost');
        await refused(() => driver.recordLost({ runId: RUN, chunkNo: 3, atMs: AT, rows: again }));
      });

      test('whose lost rows are not all its rows is refused', async () => {
        await ready([2]);
        await ended(1);
        const rows = [collectedRow(0, 0, 'failed')];
        await refused(() => driver.recordLost({ runId: RUN, chunkNo: 1, atMs: AT, rows }));
      });
    });
  });
}
