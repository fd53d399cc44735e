/**
 * The store and who drives: one process at a time, fenced in every step once another has taken over, and let go only
 * when no run is left behind.
 */
import { beforeEach, describe, expect, test } from 'vitest';
import type { DriverStore, Store } from '../../src/domain/store.ts';
import { AT, block, HOLDER, OTHER, RUN, storeBench, type OpenStore } from './store.bench.ts';
import {
  batchInfo,
  collectedRow,
  dump,
  endedInfo,
  newChunk,
  newRun,
  ORIGIN,
  poolSnapshot,
  refusal,
  WORKSPACE,
} from './store.lab.ts';

export function storeDriverSuite(name: string, open: OpenStore): void {
  describe(`store: ${name}`, () => {
    const bench = storeBench(open);
    const { ready, attempt, ended, collectedStep, collected } = bench;
    let store: Store;
    let driver: DriverStore;

    beforeEach(() => {
      ({ store, driver } = bench);
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
          assertDriving: () => driver.assertDriving(),
          recordAttempt: () => driver.recordAttempt({ ...at, chunkNo: 3, workspace: WORKSPACE, baselineBatchId: null }),
          recordBodyComplete: () => driver.recordBodyComplete(open),
          recordCreated: () => driver.recordCreated({ attemptId: open, batch, atMs: AT }),
          recordDuplicate: () => driver.recordDuplicate({ attemptId: open, batch, atMs: AT }),
          recordNotCreated: () => driver.recordNotCreated({ attemptId: open, atMs: AT, reason: 'x' }),
          recordProven: () => driver.recordProven({ batchId: 'msgbatch_2', atMs: AT }),
          recordDisproved: () => driver.recordDisproved({ ...at, chunkNo: 2, batchId: 'msgbatch_2', reason: 'x' }),
          recordDoubtSeen: () => driver.recordDoubtSeen([open], AT),
          recordWait: () =>
            driver.recordWait({ origin: ORIGIN, workspace: WORKSPACE, kind: 'batches', untilMs: AT, askedMs: 1 }),
          recordPools: () => driver.recordPools(ORIGIN, [poolSnapshot('org_1', 'opus_5')], AT),
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
          recordCopied: () =>
            driver.recordCopied({
              ...{ ...at, chunkNo: 3, outcomes: new Uint8Array(2), resultIndex: new Uint8Array(), succeeded: 2 },
              ...{ savedUsd: 0, rows: [], stopReasons: {} },
            }),
          recordLost: () =>
            driver.recordLost({
              ...at,
              chunkNo: 2,
              rows: [collectedRow(2, 0, 'failed'), collectedRow(3, 1, 'failed')],
            }),
          sealRetryChunk: () => driver.sealRetryChunk(RUN, newChunk(9, [0], { kind: 'retry' }), [], AT),
          claimRealtime: () => driver.claimRealtime(RUN, [], AT),
          settleRealtime: () => driver.settleRealtime({ ...at, logBytes: 1, rows: [], usage: [], stopReasons: {} }),
          releaseChunk: () => driver.releaseChunk(RUN, 3, AT),
          recordHurried: () => driver.recordHurried(RUN, 3, AT),
          claimWarmUp: () => driver.claimWarmUp({ ...at, chunkNo: 3, key: 'k', reserveUsd: 1 }),
          settleWarmUp: () =>
            driver.settleWarmUp({
              ...{ runId: RUN, chunkNo: 3, releasedUsd: 0, cause: null },
              end: { key: 'k', workspace: 'w', used: null, useless: false, atMs: AT },
            }),
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
        driver = bench.driver = await store.takeOver(HOLDER);
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
        const later = await bench.reopen();
        const next = await later.takeOver({ ...HOLDER, pid: 2 });
        expect(next.epoch).toBe(2);
        expect(await next.openAttempts()).toMatchObject([{ runId: RUN, chunkNo: 1, state: 'open' }]);
        expect(await refusal(driver.openAttempts())).toBe('E_FENCED');
        if (later !== store) await later.close();
      });
    });
  });
}
