/**
 * The store and copy chunks: rows that take the answers of other rows or of earlier runs. They are never sent, they end
 * as their leaders did, and they cost nothing.
 */
import { beforeEach, describe, expect, test } from 'vitest';
import { LeadersBuilder } from '../../src/domain/leaders.ts';
import { encodeResultIndex, OUTCOME, outcomeByte } from '../../src/domain/packed-index.ts';
import type { DriverStore, Store } from '../../src/domain/store.ts';
import type { CopiedStep } from '../../src/domain/store-steps.ts';
import { AT, RUN, storeBench, type OpenStore } from './store.bench.ts';
import { collectedRow, newChunk, newRun } from './store.lab.ts';

function leadersOf(seqs: readonly number[], leaders: readonly number[]): Uint8Array {
  const builder = new LeadersBuilder();
  for (const [at, seq] of seqs.entries()) builder.append(seq, leaders[at] ?? 0);
  return builder.finish();
}

const NOTHING = encodeResultIndex(new Float64Array(2), new Float64Array(2));
const WHOLE = new Uint8Array(2).fill(outcomeByte('succeeded'));

function copiedStep(chunkNo: number, more: Partial<CopiedStep> = {}): CopiedStep {
  const step = { runId: RUN, chunkNo, atMs: AT, outcomes: WHOLE, resultIndex: NOTHING, succeeded: 2, rows: [] };
  return { ...step, savedUsd: 0.25, stopReasons: {}, ...more };
}

export function storeCopiesSuite(name: string, open: OpenStore): void {
  describe(`store, copies: ${name}`, () => {
    const bench = storeBench(open);
    const { rowsOf, refused, kinds } = bench;
    let store: Store;
    let driver: DriverStore;

    beforeEach(() => {
      ({ store, driver } = bench);
    });

    /** Rows 0 and 1 are sent as chunk 1; 2 and 3 follow them as chunk 2; with `answered`, 4 and 5 have answers already. */
    async function ready(answered = false): Promise<void> {
      await store.beginRun(newRun(RUN));
      await store.sealChunk(RUN, newChunk(1, [0, 1]), AT);
      const leaders = leadersOf([2, 3], [0, 1]);
      await store.sealChunk(RUN, newChunk(2, [2, 3], { answers: 'rows', leaders }), AT);
      const parts = { outcomes: WHOLE, resultIndex: NOTHING, savedUsd: 1.5 };
      if (answered) await store.sealChunk(RUN, newChunk(3, [4, 5], { answers: 'runs', answered: parts }), AT);
      const totalRows = answered ? 6 : 4;
      const end = { runId: RUN, atMs: AT, fingerprint: 'p', again: false, totalRows, invalidRows: 0, mix: {} };
      expect(await store.finishIngest(end)).toEqual({ kind: 'ready' });
    }

    async function active(): Promise<void> {
      await ready();
      await bench.collected(1, 2);
    }

    test('are kept with what they are, and their rows are counted where they are', async () => {
      await ready(true);
      expect(await store.chunks(RUN)).toMatchObject([
        { chunkNo: 1, state: 'sealed', answers: 'api', savedUsd: null },
        { chunkNo: 2, state: 'sealed', answers: 'rows', savedUsd: null },
        { chunkNo: 3, state: 'collected', answers: 'runs', savedUsd: 1.5 },
      ]);
      expect(await rowsOf()).toEqual({ waiting: 4, succeeded: 2 });
      const index = await store.chunkIndex(RUN, 2);
      expect(Buffer.from(index.leaders ?? [])).toEqual(Buffer.from(leadersOf([2, 3], [0, 1])));
      expect(Buffer.from((await store.chunkIndex(RUN, 3)).outcomes ?? [])).toEqual(Buffer.from(WHOLE));
      expect(await store.copyCounts(RUN)).toEqual([
        { answers: 'rows', kind: 'input', state: 'sealed', chunks: 1, rows: 2, savedUsd: 0 },
        { answers: 'runs', kind: 'input', state: 'collected', chunks: 1, rows: 2, savedUsd: 1.5 },
      ]);
      expect((await kinds()).filter((kind) => kind.startsWith('chunk.'))).toEqual([
        ...['chunk.sealed', 'chunk.sealed', 'chunk.collected'],
      ]);
    });

    test('a run of which every answer was there is ready, and can be done at once', async () => {
      await store.beginRun(newRun(RUN));
      const answered = { outcomes: WHOLE, resultIndex: NOTHING, savedUsd: null };
      await store.sealChunk(RUN, newChunk(1, [0, 1], { answers: 'runs', answered }), AT);
      await store.finishIngest({
        ...{ runId: RUN, atMs: AT, fingerprint: 'p', again: false, totalRows: 2, invalidRows: 0, mix: {} },
      });
      expect(await store.run(RUN)).toMatchObject({ state: 'ready', rows: { waiting: 0, succeeded: 2 } });
      await driver.finishRun(RUN, AT);
      expect(await store.run(RUN)).toMatchObject({ state: 'done', doneAtMs: AT });
      expect((await kinds()).slice(-2)).toEqual(['run.active', 'run.done']);
    });

    test('rows end as their leaders did, without usage, in one step', async () => {
      await active();
      const usage = await store.usage(RUN);
      const rows = [collectedRow(3, 1, 'failed', { attempts: 2, result: { chunkNo: 2, offset: 7, length: 9 } })];
      const outcomes = Uint8Array.of(outcomeByte('succeeded', 'max_tokens'), OUTCOME.elsewhere);
      const stopReasons = { max_tokens: 1 };
      await driver.recordCopied(copiedStep(2, { rows, outcomes, succeeded: 1, stopReasons }));
      expect(await rowsOf()).toEqual({ succeeded: 3, failed: 1 });
      expect(await store.chunk(RUN, 2)).toMatchObject({ state: 'collected', batchId: null, savedUsd: 0.25 });
      expect(await store.rowRecord(RUN, 3)).toMatchObject({
        ...{ state: 'failed', homeChunkNo: 2, homeIndex: 1, attempts: 2, errorType: 'api_error' },
        result: { chunkNo: 2, offset: 7, length: 9 },
      });
      expect(await store.usage(RUN)).toEqual(usage);
      expect((await store.run(RUN))?.stopReasons).toEqual(stopReasons);
      expect((await kinds()).at(-1)).toBe('chunk.collected');
      await refused(() => driver.recordCopied(copiedStep(2)), ['E_TRANSITION']);
    });

    test('a step that does not fit its chunk is refused', async () => {
      await active();
      await refused(() => driver.recordCopied(copiedStep(1)), ['E_BUG']);
      await refused(() => driver.recordCopied(copiedStep(2, { succeeded: 1 })), ['E_BUG']);
      await refused(() => driver.recordCopied(copiedStep(9)), ['E_BUG']);
    });

    test('where all are canceled the chunk is, without a record for each', async () => {
      await ready();
      await store.requestCancel(RUN, AT);
      await driver.cancelUnsent(RUN, AT);
      // It waits for its leaders: what they were answered would be theirs.
      expect(await store.chunks(RUN)).toMatchObject([{ state: 'canceled' }, { state: 'sealed' }]);
      const rows = [collectedRow(2, 0, 'canceled'), collectedRow(3, 1, 'canceled')];
      await driver.recordCopied(
        copiedStep(2, { rows, succeeded: 0, outcomes: new Uint8Array(2).fill(OUTCOME.elsewhere) }),
      );
      expect(await store.chunk(RUN, 2)).toMatchObject({ state: 'canceled' });
      expect(await rowsOf()).toEqual({ canceled: 4 });
      expect(await store.rowRecords(RUN, { limit: 10 })).toEqual([]);
      await driver.finishRun(RUN, AT);
      expect(await driver.reopen(RUN, ['canceled'], AT)).toBe(4);
      expect(await rowsOf()).toEqual({ retry: 4 });
    });

    test('rows that are tried again wait in a copy chunk of retries, and all have records', async () => {
      await active();
      const failed = [collectedRow(2, 0, 'failed'), collectedRow(3, 1, 'failed')];
      const none = new Uint8Array(2).fill(OUTCOME.elsewhere);
      await driver.recordCopied(copiedStep(2, { rows: failed, succeeded: 0, outcomes: none }));
      await driver.finishRun(RUN, AT);
      expect(await driver.reopen(RUN, ['failed'], AT)).toBe(2);
      const leaders = leadersOf([2, 3], [0, 1]);
      const chunk = newChunk(3, [2, 3], { kind: 'retry', answers: 'rows', leaders });
      await driver.sealRetryChunk(RUN, chunk, [2, 3], AT);
      expect(await rowsOf()).toEqual({ succeeded: 2, waiting: 2 });
      const rows = [2, 3].map((seq, at) =>
        collectedRow(seq, at, 'succeeded', { result: { chunkNo: 3, offset: at * 10, length: 9 } }),
      );
      await driver.recordCopied(copiedStep(3, { rows }));
      expect(await rowsOf()).toEqual({ succeeded: 4 });
      expect(await store.rowRecord(RUN, 3)).toMatchObject({
        state: 'succeeded',
        homeChunkNo: 2,
        result: { chunkNo: 3 },
      });
    });

    test('a copy chunk goes with its run, and one that is dropped while the run is read leaves no event', async () => {
      await store.beginRun(newRun(RUN));
      await store.sealChunk(RUN, newChunk(1, [0, 1]), AT);
      await store.sealChunk(RUN, newChunk(2, [0]), AT);
      await store.resealChunk(RUN, newChunk(1, [], { requestIndex: new Uint8Array() }));
      expect(await kinds()).toEqual(['run.ingesting', 'chunk.sealed']);
      await store.deleteIngesting(RUN);
      expect(await kinds()).toEqual([]);
    });
  });
}
