/**
 * The progress model on a real ledger: a look costs nothing where nothing was written, views only runs that have changed,
 * knows the pace, and can put the past together from the events.
 */
import { describe, expect, onTestFinished, test } from 'vitest';
import { openSqliteReading, type LedgerReading } from '../../../../src/adapters/sqlite/reading.ts';
import { openSqliteStore } from '../../../../src/adapters/sqlite/store.ts';
import { VirtualClock } from '../../../../src/base/virtual-clock.ts';
import { NO_USAGE, type RunRecord } from '../../../../src/domain/model.ts';
import type { DriverStore, Store } from '../../../../src/domain/store.ts';
import { viewRun } from '../../../../src/engine/views/status.ts';
import { History } from '../../../../src/tools/progress/history.ts';
import { rebuildPast } from '../../../../src/tools/progress/past.ts';
import { Progress } from '../../../../src/tools/progress/progress.ts';
import type { Sample } from '../../../../src/tools/progress/view.ts';
import { batchInfo, newChunk, newRun, START_MS, WORKSPACE } from '../../../contract/store.lab.ts';
import { tempFolder } from '../../../support/temp.ts';

const RUN = 'run_000000001aaaaaaa';
const MINUTE = 60_000;

interface Lab {
  readonly store: Store;
  readonly driver: DriverStore;
  readonly reading: LedgerReading & { reads: number };
  readonly clock: VirtualClock;
  readonly progress: Progress;
}

/** One run of four chunks of ten rows, as a driver and somebody who looks have it open. */
async function lab(): Promise<Lab> {
  const file = `${tempFolder()}/state.db`;
  const store = openSqliteStore(file);
  const clock = new VirtualClock(START_MS);
  await store.beginRun(newRun(RUN));
  for (let no = 1; no <= 4; no++) {
    const seqs = Array.from({ length: 10 }, (_, at) => (no - 1) * 10 + at);
    await store.sealChunk(RUN, newChunk(no, seqs), START_MS);
  }
  const end = { fingerprint: 'f', again: false, totalRows: 40, invalidRows: 0, mix: {} };
  await store.finishIngest({ runId: RUN, atMs: START_MS, ...end });
  const driver = await store.takeOver({ pid: 1, host: 'here', command: 'batchrun collect', atMs: START_MS });
  const opened = openSqliteReading(file);
  const reading = Object.assign(opened, { reads: 0 });
  const runs = opened.runs.bind(opened);
  reading.runs = (options) => {
    reading.reads++;
    return runs(options);
  };
  onTestFinished(async () => {
    await reading.close();
    await store.close();
  });
  const progress = new Progress(reading, { clock, isDriving: () => true });
  return { store, driver, reading, clock, progress };
}

async function send({ driver }: Lab, chunkNo: number, atMs: number): Promise<void> {
  const start = { runId: RUN, chunkNo, workspace: WORKSPACE, baselineBatchId: null, atMs };
  const attemptId = (await driver.recordAttempt(start)) ?? 0;
  await driver.recordBodyComplete(attemptId);
  await driver.recordCreated({ attemptId, batch: batchInfo(`msgbatch_${chunkNo}`, 10, { createdAtMs: atMs }), atMs });
}

/** Nine rows succeed and one fails. */
async function collect({ driver }: Lab, chunkNo: number, atMs: number): Promise<void> {
  const batch = batchInfo(`msgbatch_${chunkNo}`, 10, { status: 'ended', endedAtMs: atMs });
  await driver.recordEnded({ runId: RUN, chunkNo, batch, atMs });
  const usage = { ...NO_USAGE, model: 'm', lane: 'batch' as const, rows: 9, costUsd: 0.9, unpricedRows: 0 };
  await driver.checkpointCollected({
    ...{ runId: RUN, chunkNo, batchId: batch.id, atMs, succeeded: 9, stopReasons: {} },
    ...{ outcomes: new Uint8Array(10), resultIndex: new Uint8Array(0) },
    rows: [
      {
        ...{ seq: (chunkNo - 1) * 10, index: 0, to: 'failed', attempts: 1, errorType: 'api_error' },
        ...{ notBeforeMs: 0, result: null },
      },
    ],
    usage: [{ ...usage, inputTokens: 900, outputTokens: 90 }],
  });
}

async function runOf({ store }: Lab): Promise<RunRecord> {
  const run = await store.run(RUN);
  if (!run) throw new Error('the run is gone');
  return run;
}

describe('a look', () => {
  test('reads nothing where nothing was written, and only what has changed where something was', async () => {
    const all = await lab();
    const first = await all.progress.read();
    expect(first.runs[0]).toEqual(await viewRun(all.store, await runOf(all)));
    const again = await all.progress.read();
    expect(all.reading.reads).toBe(1);
    expect(again.runs).toBe(first.runs);
    await send(all, 1, START_MS);
    const sent = await all.progress.read();
    expect(all.reading.reads).toBe(2);
    expect(sent.runs[0]?.rows).toMatchObject({ in_batch: 10, waiting: 30 });
    expect(sent.runs[0]?.batches.map(({ id }) => id)).toEqual(['msgbatch_1']);
    // Something else of the ledger was written: the run is the same object.
    await all.driver.recordPools('https://api.anthropic.com', [], START_MS);
    expect((await all.progress.read()).runs[0]).toBe(sent.runs[0]);
  });

  test('tells the last events, oldest first, and who drives', async () => {
    const all = await lab();
    await send(all, 1, START_MS);
    const { events, driver } = await all.progress.read();
    expect(events.at(-1)).toMatchObject({ event: 'chunk.submitted', run: RUN, chunk: 1 });
    expect(events.map(({ id }) => id)).toEqual(events.map(({ id }) => id).sort((a, b) => a - b));
    expect(driver).toMatchObject({ pid: 1, command: 'batchrun collect' });
    const alone = new Progress(all.reading, { clock: all.clock, isDriving: () => false });
    expect((await alone.read()).driver).toBeNull();
  });

  test('leaves out what is not asked for, and says how many', async () => {
    const all = await lab();
    const select = (): readonly RunRecord[] => [];
    const view = await new Progress(all.reading, { clock: all.clock, isDriving: () => true, select }).read();
    expect(view).toMatchObject({ runs: [], hidden_runs: 1 });
  });

  test('knows the pace of late, and when it is done by it', async () => {
    const all = await lab();
    expect((await all.progress.read()).pace[RUN]).toMatchObject({ rows_per_minute: null, done_at: null });
    for (const chunkNo of [1, 2]) await send(all, chunkNo, START_MS);
    all.clock.advance(2 * MINUTE);
    await collect(all, 1, all.clock.now());
    await collect(all, 2, all.clock.now());
    const { pace } = await all.progress.read();
    // 20 rows in two minutes; 20 are left, and wait.
    expect(pace[RUN]).toMatchObject({ rows_per_minute: 10, tokens_per_minute: 990, basis: 'rate' });
    expect(pace[RUN]?.done_at).toBe(new Date(START_MS + 4 * MINUTE).toISOString());
  });

  test('says that all ends when the batches do, where all is under way', async () => {
    const all = await lab();
    for (const chunkNo of [1, 2, 3, 4]) await send(all, chunkNo, START_MS);
    await all.progress.read();
    all.clock.advance(MINUTE);
    expect((await all.progress.read()).pace[RUN]).toMatchObject({ basis: 'latest' });
    await collect(all, 1, START_MS + 10 * MINUTE);
    const { pace } = await all.progress.read();
    expect(pace[RUN]).toMatchObject({ basis: 'batches', done_at: new Date(START_MS + 10 * MINUTE).toISOString() });
  });
});

describe('the past', () => {
  test('is put together from the events, and ends where the run is', async () => {
    const all = await lab();
    for (const [at, chunkNo] of [1, 2, 3].entries()) {
      await send(all, chunkNo, START_MS + at * MINUTE);
      await collect(all, chunkNo, START_MS + (at + 1) * MINUTE);
    }
    const view = await viewRun(all.store, await runOf(all));
    const past = await rebuildPast(all.store, view);
    expect(past.map(({ atMs, finished, failed }) => [atMs - START_MS, finished, failed])).toEqual([
      [0, 0, 0],
      [MINUTE, 10, 1],
      [2 * MINUTE, 20, 2],
      [3 * MINUTE, 30, 3],
    ]);
    expect(past.map(({ inputTokens }) => inputTokens)).toEqual([0, 900, 1800, 2700]);
    expect(past.at(-1)?.costUsd).toBeCloseTo(2.7, 9);
    expect(past.every(({ rebuilt }) => rebuilt)).toBe(true);
  });

  test('of a run that has done nothing is its beginning', async () => {
    const all = await lab();
    const past = await rebuildPast(all.store, await viewRun(all.store, await runOf(all)));
    expect(past.map(({ finished, costUsd }) => [finished, costUsd])).toEqual([[0, 0]]);
  });
});

describe('a history', () => {
  const sample = (atMs: number, finished: number): Sample => ({
    ...{ atMs, finished, failed: 0, inputTokens: 0, outputTokens: 0, costUsd: 0 },
    ...{ refused: 0, limitShare: null, rebuilt: false },
  });

  test('keeps so many samples at most, the first and the newest among them, in their order', () => {
    const history = new History([], 100);
    for (let at = 0; at < 10_000; at++) history.add(sample(at, at));
    const times = history.samples.map(({ atMs }) => atMs);
    expect(times.length).toBeLessThanOrEqual(100);
    expect([times[0], times.at(-1)]).toEqual([0, 9_999]);
    expect(times).toEqual([...times].sort((a, b) => a - b));
  });

  test('a wait costs two samples, however long it is', () => {
    const history = new History();
    for (let at = 0; at < 1_000; at++) history.add(sample(at, 5));
    expect(history.samples.map(({ atMs }) => atMs)).toEqual([0, 999]);
  });

  test('goes on when the clock is set back', () => {
    const history = new History([sample(1_000, 1)]);
    history.add(sample(500, 2));
    expect(history.samples.map(({ atMs, finished }) => [atMs, finished])).toEqual([
      [1_000, 1],
      [1_000, 2],
    ]);
  });

  test('what was before comes in front, without what is known already', () => {
    const history = new History([sample(100, 3)]);
    history.prepend([sample(10, 1), sample(100, 9), sample(200, 9)]);
    expect(history.samples.map(({ atMs, finished }) => [atMs, finished])).toEqual([
      [10, 1],
      [100, 3],
    ]);
  });
});
