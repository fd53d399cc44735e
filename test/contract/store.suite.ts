/**
 * What every `Store` promises: each step moves exactly what it says, in one transaction, keeps the counters right,
 * leaves an event, and refuses what does not fit without changing anything. The ledger is checked after every step.
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { encodeResultIndex, OUTCOME, outcomeByte } from '../../src/domain/packed-index.ts';
import type { DriverStore, Store } from '../../src/domain/store.ts';
import type { CollectedRow, CollectedStep, NewChunk } from '../../src/domain/store-steps.ts';
import type { Block } from '../../src/domain/model.ts';
import {
  allRecords,
  batchInfo,
  checkLedger,
  collectedRow,
  dump,
  endedInfo,
  indexOf,
  newChunk,
  newRun,
  ORIGIN,
  refusal,
  START_MS,
  statesOf,
  usageOf,
  WORKSPACE,
} from './store.lab.ts';
import { modelTest } from './store.model.ts';

export interface StoreUnderTest {
  readonly store: Store;
  /** The same ledger through a new handle, as a later process sees it. */
  reopen(): Promise<Store>;
}

export interface StoreSuiteOptions {
  /** How many random sequences the model test plays. */
  readonly sequences: number;
}

const RUN = 'run_000000001aaaaaaa';
const OTHER = 'run_000000002bbbbbbb';
const AT = START_MS + 1_000;
const HOLDER = { pid: 4_711, host: 'here', command: 'collect', atMs: AT };

export function storeSuite(name: string, open: () => Promise<StoreUnderTest>, options: StoreSuiteOptions): void {
  describe(`store: ${name}`, () => {
    let lab: StoreUnderTest;
    let store: Store;
    let driver: DriverStore;

    beforeEach(async () => {
      lab = await open();
      store = lab.store;
      driver = await store.takeOver(HOLDER);
    });

    afterEach(async () => {
      await checkLedger(store);
      await store.close();
    });

    /** A ready run whose chunks hold these rows, counted from 0. */
    async function ready(
      sizes: readonly number[],
      more: { id?: string; fingerprint?: string; invalid?: number } = {},
    ): Promise<string> {
      const { id = RUN, fingerprint = `print of ${id}`, invalid = 0 } = more;
      await store.beginRun(newRun(id));
      let seq = 0;
      for (const [at, size] of sizes.entries()) {
        const seqs = Array.from({ length: size }, () => seq++);
        await store.sealChunk(id, newChunk(at + 1, seqs), AT);
      }
      const end = {
        runId: id,
        atMs: AT,
        fingerprint,
        again: false,
        totalRows: seq + invalid,
        invalidRows: invalid,
        mix: {},
      };
      expect(await store.finishIngest(end)).toEqual({ kind: 'ready' });
      await checkLedger(store);
      return id;
    }

    async function attempt(chunkNo: number, runId = RUN): Promise<number> {
      const start = { runId, chunkNo, workspace: WORKSPACE, baselineBatchId: null, atMs: AT };
      const id = await driver.recordAttempt(start);
      await checkLedger(store);
      return id;
    }

    async function submitted(chunkNo: number, batchId = `msgbatch_${chunkNo}`, runId = RUN): Promise<number> {
      const attemptId = await attempt(chunkNo, runId);
      await driver.recordBodyComplete(attemptId);
      const rows = (await store.chunk(runId, chunkNo))?.rowCount ?? 0;
      await driver.recordCreated({ attemptId, batch: batchInfo(batchId, rows), atMs: AT });
      await checkLedger(store);
      return attemptId;
    }

    async function ended(chunkNo: number, batchId = `msgbatch_${chunkNo}`, runId = RUN): Promise<void> {
      await submitted(chunkNo, batchId, runId);
      const rows = (await store.chunk(runId, chunkNo))?.rowCount ?? 0;
      await driver.recordEnded({ runId, chunkNo, batch: endedInfo(batchId, rows), atMs: AT });
      await checkLedger(store);
    }

    /** The step that collects a chunk of `rowCount` rows, of which these have records. */
    function collectedStep(chunkNo: number, rowCount: number, rows: readonly CollectedRow[] = []): CollectedStep {
      const outcomes = new Uint8Array(rowCount).fill(outcomeByte('succeeded', 'end_turn'));
      for (const row of rows) if (row.to !== 'succeeded') outcomes[row.index] = OUTCOME.elsewhere;
      const lengths = new Float64Array(rowCount).fill(10);
      return {
        runId: RUN,
        chunkNo,
        batchId: `msgbatch_${chunkNo}`,
        atMs: AT,
        outcomes,
        resultIndex: encodeResultIndex(
          Float64Array.from(lengths, (_, at) => at * 11),
          lengths,
        ),
        succeeded: rowCount - rows.filter((row) => row.to !== 'succeeded').length,
        rows,
        usage: [usageOf(rowCount)],
        stopReasons: {},
      };
    }

    async function collected(chunkNo: number, rowCount: number, rows: readonly CollectedRow[] = []): Promise<void> {
      await ended(chunkNo);
      await driver.checkpointCollected(collectedStep(chunkNo, rowCount, rows));
      await checkLedger(store);
    }

    /** A run of one collected chunk whose rows wait for a retry. */
    async function withRetries(count: number, more: Partial<CollectedRow> = {}): Promise<void> {
      await ready([count]);
      await collected(
        1,
        count,
        Array.from({ length: count }, (_, seq) => collectedRow(seq, seq, 'retry', more)),
      );
    }

    async function sealRetry(chunkNo: number, seqs: readonly number[]): Promise<void> {
      await driver.sealRetryChunk(RUN, newChunk(chunkNo, seqs, { kind: 'retry' }), seqs, AT);
      await checkLedger(store);
    }

    async function rowsOf(runId = RUN): Promise<Readonly<Record<string, number>>> {
      const rows: Readonly<Record<string, number>> = (await store.run(runId))?.rows ?? {};
      return Object.fromEntries(Object.entries(rows).filter(([, count]) => count > 0));
    }

    async function kinds(runId: string | null = RUN): Promise<string[]> {
      return (await store.events(runId, { limit: 1_000 })).map((event) => event.kind);
    }

    async function chunkState(chunkNo: number, runId = RUN): Promise<string | undefined> {
      return (await store.chunk(runId, chunkNo))?.state;
    }

    /** The step is refused with one of these codes, and nothing whatever has changed. */
    async function refused(
      work: () => Promise<unknown>,
      codes: readonly string[] = ['E_TRANSITION', 'E_BUG'],
    ): Promise<void> {
      const before = await dump(store, driver);
      expect(codes).toContain(await refusal(work()));
      expect(await dump(store, driver)).toEqual(before);
    }

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
          sealedAtMs: AT,
          batchId: null,
          fetches: 0,
        });
        const index = await store.chunkIndex(RUN, 3);
        expect({ ...index, requests: Buffer.from(index.requests) }).toEqual({
          requests: Buffer.from(requestIndex),
          outcomes: null,
          results: null,
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
        const second = await lab.reopen();
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
          output: '/out/rows.results.jsonl',
        };
        expect(verdict).toEqual({ kind: 'pruned', tombstone });
        expect(await ingest('run_3', 'same', true)).toEqual({ kind: 'ready' });
        expect(await ingest('run_4', 'same')).toEqual({ kind: 'exists', runId: 'run_3' });
      });
    });

    describe('the driver', () => {
      test('is known with its epoch, and each take-over is a new one', async () => {
        expect(driver.epoch).toBe(1);
        expect(await store.driver()).toEqual({
          epoch: 1,
          pid: 4_711,
          host: 'here',
          command: 'collect',
          sinceMs: AT,
          letGoAtMs: null,
        });
        const next = await store.takeOver({ pid: 12, host: 'there', command: 'run', atMs: AT + 1 });
        expect(next.epoch).toBe(2);
        expect(await store.driver()).toMatchObject({
          epoch: 2,
          pid: 12,
          host: 'there',
          command: 'run',
          sinceMs: AT + 1,
        });
      });

      test('that was overtaken is fenced in every step and writes nothing', async () => {
        await ready([2, 2, 2]);
        const open = await attempt(1);
        await ended(2);
        const live = await store.takeOver({ ...HOLDER, pid: 12 });
        const before = await dump(store, live);
        const at = { runId: RUN, atMs: AT };
        const batch = batchInfo('msgbatch_9', 2);
        const steps: Readonly<Record<Exclude<keyof DriverStore, 'epoch'>, () => Promise<unknown>>> = {
          letGo: () => driver.letGo(new Set(), AT),
          recordAttempt: () => driver.recordAttempt({ ...at, chunkNo: 3, workspace: WORKSPACE, baselineBatchId: null }),
          recordBodyComplete: () => driver.recordBodyComplete(open),
          recordCreated: () => driver.recordCreated({ attemptId: open, batch, atMs: AT }),
          recordDuplicate: () => driver.recordDuplicate({ attemptId: open, batch, atMs: AT }),
          recordNotCreated: () => driver.recordNotCreated({ attemptId: open, atMs: AT, reason: 'x' }),
          recordUncertain: () => driver.recordUncertain({ attemptId: open, atMs: AT, reason: 'x' }),
          recordSplit: () =>
            driver.recordSplit({
              ...at,
              chunkNo: 1,
              attemptId: open,
              reason: 'x',
              children: [newChunk(4, [0]), newChunk(5, [1])],
              refused: null,
            }),
          recordRefused: () => driver.recordRefused({ ...at, chunkNo: 1, attemptId: open, errorType: 'x' }),
          recordForeign: () => driver.recordForeign(batch, WORKSPACE),
          openAttempts: () => driver.openAttempts(),
          attemptsToWatch: () => driver.attemptsToWatch(0),
          knownBatchIds: () => driver.knownBatchIds(['msgbatch_2']),
          recordEnded: () => driver.recordEnded({ ...at, chunkNo: 2, batch }),
          recordBatchSeen: () => driver.recordBatchSeen(endedInfo('msgbatch_2', 2)),
          recordBatchMissing: () => driver.recordBatchMissing('msgbatch_2', AT),
          recordFetchFailed: () => driver.recordFetchFailed({ ...at, chunkNo: 2, reason: 'x' }),
          checkpointCollected: () => driver.checkpointCollected(collectedStep(2, 2)),
          recordLost: () =>
            driver.recordLost({
              ...at,
              chunkNo: 2,
              rows: [collectedRow(2, 0, 'failed'), collectedRow(3, 1, 'failed')],
            }),
          sealRetryChunk: () => driver.sealRetryChunk(RUN, newChunk(9, [0], { kind: 'retry' }), [], AT),
          claimRealtime: () => driver.claimRealtime(RUN, [], AT),
          settleRealtime: () => driver.settleRealtime({ ...at, logBytes: 1, rows: [], usage: [], stopReasons: {} }),
          releaseRealtime: () => driver.releaseRealtime(RUN, AT),
          giveUpRows: () => driver.giveUpRows(RUN, [], AT),
          setBlocks: () => driver.setBlocks(RUN, [block('billing')], AT),
          cancelUnsent: () => driver.cancelUnsent(RUN, AT),
          finishRun: () => driver.finishRun(RUN, AT),
          reopen: () => driver.reopen(RUN, ['failed'], AT),
          note: () => driver.note(RUN, 'wait', AT, {}),
        };
        for (const [step, call] of Object.entries(steps)) {
          expect([step, await refusal(call())]).toEqual([step, 'E_FENCED']);
        }
        expect(await dump(store, live)).toEqual(before);
      });

      test('that is fenced is told who drives now', async () => {
        await store.takeOver({ ...HOLDER, pid: 99, host: 'elsewhere' });
        await expect(driver.openAttempts()).rejects.toMatchObject({
          exit: 6,
          message: expect.stringMatching(/^process 99 on elsewhere .*epoch 2, ours 1/),
        });
      });

      test('lets go when every ready run is known to it, and is fenced from then on', async () => {
        await ready([1]);
        expect(await driver.letGo(new Set([RUN]), AT + 7)).toEqual([]);
        expect(await store.driver()).toMatchObject({ epoch: 1, letGoAtMs: AT + 7 });
        expect(await refusal(driver.openAttempts())).toBe('E_FENCED');
        expect(await refusal(driver.letGo(new Set(), AT))).toBe('E_FENCED');
        driver = await store.takeOver(HOLDER);
        expect(driver.epoch).toBe(2);
        expect(await store.driver()).toMatchObject({ letGoAtMs: null });
      });

      test('goes on when a run became ready that it does not know', async () => {
        await ready([1]);
        await ready([1], { id: OTHER });
        expect(await driver.letGo(new Set([RUN]), AT)).toEqual([OTHER]);
        expect(await store.driver()).toMatchObject({ letGoAtMs: null });
        expect(await driver.openAttempts()).toEqual([]);
        expect(await driver.letGo(new Set(), AT)).toEqual([RUN, OTHER]);
        expect(await driver.letGo(new Set([RUN, OTHER]), AT)).toEqual([]);
      });

      test('is not kept by runs that are still read or done', async () => {
        await store.beginRun(newRun(OTHER));
        await ready([1]);
        await collected(1, 1);
        await driver.finishRun(RUN, AT);
        expect(await driver.letGo(new Set(), AT)).toEqual([]);
      });

      test('is seen by a later handle of the same ledger', async () => {
        await ready([2]);
        await attempt(1);
        const later = await lab.reopen();
        const next = await later.takeOver({ ...HOLDER, pid: 2 });
        expect(next.epoch).toBe(2);
        expect(await next.openAttempts()).toMatchObject([{ runId: RUN, chunkNo: 1, state: 'open' }]);
        expect(await refusal(driver.openAttempts())).toBe('E_FENCED');
        if (later !== store) await later.close();
      });
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
          },
        ]);
        expect(await store.run(RUN)).toMatchObject({ state: 'active' });
        expect(await rowsOf()).toEqual({ in_batch: 3, waiting: 2 });
        expect((await kinds()).slice(-2)).toEqual(['run.active', 'chunk.submitting']);
        await driver.recordBodyComplete(id);
        expect(await driver.openAttempts()).toMatchObject([{ bodyComplete: true }]);
      });

      test('is begun once, only for a sealed chunk, and not for a run that is read, canceled or done', async () => {
        await store.beginRun(newRun(OTHER));
        await store.sealChunk(OTHER, newChunk(1, [0]), AT);
        await refused(
          () =>
            driver.recordAttempt({ runId: OTHER, chunkNo: 1, workspace: WORKSPACE, baselineBatchId: null, atMs: AT }),
          ['E_TRANSITION'],
        );
        await ready([1, 1]);
        await attempt(1);
        const again = { runId: RUN, chunkNo: 1, workspace: WORKSPACE, baselineBatchId: null, atMs: AT };
        await refused(() => driver.recordAttempt(again), ['E_TRANSITION']);
        await refused(() => driver.recordAttempt({ ...again, chunkNo: 77 }), ['E_TRANSITION']);
        await refused(() => driver.recordAttempt({ ...again, runId: 'run_none' }), ['E_TRANSITION']);
        await store.requestCancel(RUN, AT);
        await refused(() => driver.recordAttempt({ ...again, chunkNo: 2 }), ['E_TRANSITION']);
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

      test('judged not made is watched for a while if its body was complete, and only then', async () => {
        await ready([3, 2]);
        const whole = await attempt(1);
        await driver.recordBodyComplete(whole);
        await driver.recordNotCreated({ attemptId: whole, atMs: AT + 50, reason: 'x' });
        const half = await attempt(2);
        await driver.recordNotCreated({ attemptId: half, atMs: AT + 50, reason: 'x' });
        expect(await driver.attemptsToWatch(AT + 50)).toMatchObject([
          { id: whole, state: 'not_created', bodyComplete: true },
        ]);
        expect(await driver.attemptsToWatch(AT + 51)).toEqual([]);
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
          { chunkNo: 1, state: 'split', refusals: 0 },
          { chunkNo: 2, state: 'sealed', parentNo: 1, refusals: 1, rowCount: 2 },
          { chunkNo: 3, state: 'sealed', parentNo: 1, refusals: 1, rowCount: 3 },
        ]);
        expect(await rowsOf()).toEqual({ waiting: 5 });
        expect((await kinds()).slice(-3)).toEqual(['chunk.split', 'chunk.sealed', 'chunk.sealed']);
        expect([...(await statesOf(store, RUN)).keys()]).toEqual([0, 1, 2, 3, 4]);
      });

      test('counts its refusals from parent to child', async () => {
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
        expect((await store.chunks(RUN)).map((chunk) => chunk.refusals)).toEqual([0, 1, 2]);
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
        const event = (await store.events(RUN, { limit: 1, newest: true }))[0];
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
        await refused(() => driver.claimRealtime(RUN, [1, 0], AT), ['E_TRANSITION']);
        await refused(() => driver.claimRealtime(RUN, [7], AT), ['E_TRANSITION']);
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

      test('in realtime that were under way when a process died are released', async () => {
        await withRetries(3);
        await driver.claimRealtime(RUN, [0, 1], AT);
        driver = await (await lab.reopen()).takeOver(HOLDER);
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
        await store.setOutput(RUN, output);
        expect(await store.run(RUN)).toMatchObject(output);
        await store.setOutput(RUN, { output: null, format: 'flat', errors: null, overwrite: false });
        expect(await store.run(RUN)).toMatchObject({ output: null, format: 'flat', errors: null, overwrite: false });
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
        const later = await lab.reopen();
        expect(await dump(later)).toEqual(await dump(store));
        if (later !== store) await later.close();
      });
    });

    modelTest(open, options);
  });
}

function block(reason: string): Block {
  return { reason, scope: 'workspace', message: 'no credit', hint: 'add some', sinceMs: AT };
}
