/**
 * The store while a run is read in: what is kept of it, when it is ready, and what becomes of content that was read
 * before.
 */
import { beforeEach, describe, expect, test } from 'vitest';
import { requestCount, type BatchInfo } from '../../src/domain/model.ts';
import type { DriverStore, Store } from '../../src/domain/store.ts';
import type { IngestVerdict } from '../../src/domain/store-steps.ts';
import { AT, OTHER, RUN, storeBench, type OpenStore } from './store.bench.ts';
import { batchInfo, dump, indexOf, newChunk, newRun, WORKSPACE } from './store.lab.ts';

export function storeIngestSuite(name: string, open: OpenStore): void {
  describe(`store: ${name}`, () => {
    const bench = storeBench(open);
    const { ready, attempt, collected, rowsOf, kinds, refused } = bench;
    let store: Store;
    let driver: DriverStore;

    beforeEach(() => {
      ({ store, driver } = bench);
    });

    describe('ingest', () => {
      test('a run is kept as it was given, and only those who ask for it see it while it is read', async () => {
        const run = newRun(RUN, { name: 'nightly', errors: '/out/errors.jsonl', format: 'csv', overwrite: true });
        await store.beginRun(run);
        expect(await store.runs()).toEqual([]);
        expect(await store.runs({ ingesting: true })).toHaveLength(1);
        expect(await store.run(RUN)).toEqual({
          ...run,
          state: 'ingesting',
          fingerprint: null,
          againNo: 0,
          readyAtMs: null,
          doneAtMs: null,
          totalRows: 0,
          rows: {
            waiting: 0,
            in_batch: 0,
            retry: 0,
            in_realtime: 0,
            succeeded: 0,
            failed: 0,
            expired: 0,
            canceled: 0,
            invalid: 0,
          },
          mix: {},
          blocked: [],
          realtimeLogBytes: 0,
          realtimeReservedUsd: 0,
          stopReasons: {},
          canceled: false,
        });
        expect(await kinds()).toEqual(['run.ingesting']);
      });

      test('a sealed chunk is kept with its index', async () => {
        await store.beginRun(newRun(RUN));
        const chunk = newChunk(3, [5, 6, 9], { betas: ['a', 'b'] });
        await store.sealChunk(RUN, chunk, AT);
        const { requestIndex, ...rest } = chunk;
        expect(await store.chunk(RUN, 3)).toEqual({
          ...rest,
          runId: RUN,
          state: 'sealed',
          refusals: 0,
          rootNo: 3,
          sealedAtMs: AT,
          batchId: null,
          fetches: 0,
          hurriedAtMs: null,
          answers: 'api',
          savedUsd: null,
        });
        const index = await store.chunkIndex(RUN, 3);
        expect({ ...index, requests: Buffer.from(index.requests) }).toEqual({
          requests: Buffer.from(requestIndex),
          outcomes: null,
          results: null,
          leaders: null,
        });
        expect(await store.chunk(RUN, 4)).toBeNull();
        await expect(store.chunkIndex(RUN, 4)).rejects.toMatchObject({ code: 'E_BUG' });
        expect(await kinds()).toEqual(['run.ingesting', 'chunk.sealed']);
      });

      test('when it is over, the rows wait and the invalid ones are counted', async () => {
        await ready([3, 2], { invalid: 4 });
        const run = await store.run(RUN);
        expect(run).toMatchObject({
          state: 'ready',
          totalRows: 9,
          readyAtMs: AT,
          againNo: 0,
          fingerprint: `print of ${RUN}`,
        });
        expect(await rowsOf()).toEqual({ waiting: 5, invalid: 4 });
        expect(await kinds()).toEqual(['run.ingesting', 'chunk.sealed', 'chunk.sealed', 'run.ready']);
        expect(await store.runs()).toHaveLength(1);
      });

      test('the chunks of a pilot are kept with the settings of the run, from the end of ingest on', async () => {
        await store.beginRun(newRun(RUN));
        await store.sealChunk(RUN, newChunk(1, [0, 1]), AT);
        const end = { runId: RUN, atMs: AT, fingerprint: 'p', again: false, totalRows: 2, invalidRows: 0, mix: {} };
        const before = (await store.run(RUN))?.settings;
        await store.finishIngest({ ...end, pilotChunks: [1] });
        expect((await store.run(RUN))?.settings).toEqual({ ...before, pilotChunks: [1] });
        await store.changeWishes(RUN, { pilot: 0 });
        expect((await store.run(RUN))?.settings).toMatchObject({ pilotChunks: [1], wishes: { pilot: 0 } });
      });

      test('a chunk is sealed anew without its duplicates, or goes when nothing is left of it', async () => {
        await store.beginRun(newRun(RUN));
        await store.sealChunk(RUN, newChunk(1, [0, 1, 2]), AT);
        await store.sealChunk(RUN, newChunk(2, [3]), AT);
        await store.resealChunk(RUN, newChunk(1, [0, 2], { sha256: 'anew' }));
        await store.resealChunk(RUN, newChunk(2, [], { requestIndex: new Uint8Array() }));
        expect(await store.chunks(RUN)).toMatchObject([{ chunkNo: 1, rowCount: 2, sha256: 'anew', bytes: 217 }]);
        expect((await store.chunkIndex(RUN, 1)).requests).toEqual(Buffer.from(indexOf([0, 2])));
        const end = { runId: RUN, atMs: AT, fingerprint: 'p', again: false, totalRows: 4, invalidRows: 2, mix: {} };
        await store.finishIngest(end);
        expect(await rowsOf()).toEqual({ waiting: 2, invalid: 2 });
        await refused(() => store.resealChunk(RUN, newChunk(1, [0])), ['E_TRANSITION']);
      });

      test('a batch is adopted by one run only, and a stranger’s may become a run’s', async () => {
        await ready([2]);
        await driver.recordForeign(batchInfo('msgbatch_script', 1), WORKSPACE);
        const id = await attempt(1);
        await driver.recordCreated({ attemptId: id, batch: batchInfo('msgbatch_1', 2), atMs: AT });
        const adopt = async (runId: string, batch: BatchInfo): Promise<IngestVerdict> => {
          await store.beginRun(newRun(runId));
          const seqs = Array.from({ length: requestCount(batch.counts) }, (_unused, at) => at);
          await store.sealChunk(runId, newChunk(1, seqs, { wire: 'own' }), AT);
          const end = { runId, atMs: AT, fingerprint: runId, again: false, totalRows: seqs.length, invalidRows: 0 };
          return store.finishIngest({ ...end, mix: {}, adopted: { batch, workspace: WORKSPACE } });
        };
        await expect(adopt(OTHER, batchInfo('msgbatch_1', 2))).rejects.toMatchObject({
          code: 'E_ADOPT',
          message: expect.stringContaining(RUN) as string,
        });
        expect(await store.batch('msgbatch_1')).toMatchObject({ runId: RUN });
        await store.deleteIngesting(OTHER);
        expect(await adopt(OTHER, batchInfo('msgbatch_script', 1))).toEqual({ kind: 'ready' });
        expect(await store.batch('msgbatch_script')).toMatchObject({ runId: OTHER, chunkNo: 1, proven: false });
      });

      test('two chunks of one number are refused', async () => {
        await store.beginRun(newRun(RUN));
        await store.sealChunk(RUN, newChunk(1, [0]), AT);
        const before = await dump(store);
        await expect(store.sealChunk(RUN, newChunk(1, [1]), AT)).rejects.toThrow();
        expect(await dump(store)).toEqual(before);
      });

      test('nothing more can be read into a run that is ready, and it is ready once', async () => {
        await ready([1]);
        await refused(() => store.sealChunk(RUN, newChunk(2, [1]), AT), ['E_TRANSITION']);
        const end = { runId: RUN, atMs: AT, fingerprint: 'x', again: true, totalRows: 1, invalidRows: 0, mix: {} };
        await refused(() => store.finishIngest(end), ['E_TRANSITION']);
      });

      test('a run that is not there is refused', async () => {
        await refused(() => store.sealChunk('run_none', newChunk(1, [0]), AT), ['E_TRANSITION']);
        await refused(() => store.requestCancel('run_none', AT), ['E_TRANSITION']);
        await refused(() => store.pruneRun('run_none', AT), ['E_TRANSITION']);
        expect(await store.run('run_none')).toBeNull();
        expect(await store.batch('msgbatch_none')).toBeNull();
        expect(await store.rowRecord('run_none', 0)).toBeNull();
      });

      test('a run that was never ready is deleted with all that belongs to it; a ready one is not', async () => {
        await ready([1]);
        const before = await dump(store, driver);
        await store.beginRun(newRun(OTHER));
        await store.sealChunk(OTHER, newChunk(1, [0]), AT);
        await store.deleteIngesting(OTHER);
        expect(await dump(store, driver)).toEqual(before);
        await store.deleteIngesting(RUN);
        expect(await dump(store, driver)).toEqual(before);
      });
    });

    describe('the same content again', () => {
      async function ingest(id: string, fingerprint: string, again = false): Promise<unknown> {
        await store.beginRun(newRun(id));
        await store.sealChunk(id, newChunk(1, [0, 1]), AT);
        return store.finishIngest({ runId: id, atMs: AT, fingerprint, again, totalRows: 2, invalidRows: 0, mix: {} });
      }

      test('is the run that exists, and the new one stays unread', async () => {
        await ready([2], { fingerprint: 'same' });
        expect(await ingest(OTHER, 'same')).toEqual({ kind: 'exists', runId: RUN });
        expect(await store.run(OTHER)).toMatchObject({ state: 'ingesting', fingerprint: null });
        await store.deleteIngesting(OTHER);
        expect(await store.runs({ ingesting: true })).toHaveLength(1);
      });

      test('in two ingests at once becomes one run, whoever ends first', async () => {
        const second = await bench.reopen();
        await store.beginRun(newRun(RUN));
        await second.beginRun(newRun(OTHER));
        await store.sealChunk(RUN, newChunk(1, [0]), AT);
        await second.sealChunk(OTHER, newChunk(1, [0]), AT);
        const end = { atMs: AT, fingerprint: 'same', again: false, totalRows: 1, invalidRows: 0, mix: {} };
        const verdicts = await Promise.all([
          second.finishIngest({ ...end, runId: OTHER }),
          store.finishIngest({ ...end, runId: RUN }),
        ]);
        expect(verdicts).toEqual([{ kind: 'ready' }, { kind: 'exists', runId: OTHER }]);
        if (second !== store) await second.close();
      });

      test('with --again is a run of its own each time, and without it the newest counts', async () => {
        await ready([2], { fingerprint: 'same' });
        expect(await ingest('run_2', 'same', true)).toEqual({ kind: 'ready' });
        expect(await ingest('run_3', 'same', true)).toEqual({ kind: 'ready' });
        expect((await store.runs()).map((run) => [run.id, run.againNo])).toEqual([
          [RUN, 0],
          ['run_2', 1],
          ['run_3', 2],
        ]);
        expect(await ingest('run_4', 'same')).toEqual({ kind: 'exists', runId: 'run_3' });
      });

      test('does not match a run that was canceled, nor one that is being canceled', async () => {
        await ready([2], { fingerprint: 'same' });
        await store.requestCancel(RUN, AT);
        expect(await ingest('run_2', 'same')).toEqual({ kind: 'ready' });
        expect(await store.run('run_2')).toMatchObject({ againNo: 1 });
        await driver.cancelUnsent(RUN, AT);
        await driver.finishRun(RUN, AT);
        // A canceled run that is taken up again stands beside the newer one.
        expect(await driver.reopen(RUN, ['canceled'], AT)).toBe(2);
        expect(await ingest('run_3', 'same')).toEqual({ kind: 'exists', runId: 'run_2' });
      });

      test('after a prune meets its tombstone, and with --again becomes a run', async () => {
        await ready([1], { fingerprint: 'same' });
        await collected(1, 1);
        await driver.finishRun(RUN, AT + 5);
        await store.pruneRun(RUN, AT + 9);
        const verdict = await ingest('run_2', 'same');
        const tombstone = {
          fingerprint: 'same',
          runId: RUN,
          name: null,
          rows: 1,
          doneAtMs: AT + 5,
          prunedAtMs: AT + 9,
          output: `/out/${RUN}.results.jsonl`,
        };
        expect(verdict).toEqual({ kind: 'pruned', tombstone });
        expect(await ingest('run_3', 'same', true)).toEqual({ kind: 'ready' });
        expect(await ingest('run_4', 'same')).toEqual({ kind: 'exists', runId: 'run_3' });
      });
    });
  });
}
