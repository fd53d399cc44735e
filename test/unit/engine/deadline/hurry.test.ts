/**
 * Deadlines and forced lanes: what goes realtime goes there in time and bit by bit, never while a batch may still answer
 * for it, and what will be late is said.
 */
import { describe, expect, test } from 'vitest';
import { LONG_OUTPUT_BETA } from '../../../../src/domain/limits.ts';
import type { RunRecord, RunWishes } from '../../../../src/domain/model.ts';
import { collectRound } from '../../../../src/engine/collect/collect.ts';
import { hurryRound, sayDeadlines } from '../../../../src/engine/deadline/hurry.ts';
import { poll } from '../../../../src/engine/poll/poll.ts';
import { RealtimeLane } from '../../../../src/engine/realtime/realtime.ts';
import { retryRound } from '../../../../src/engine/retry/retry.ts';
import { drive } from '../../../../src/engine/runner.ts';
import type { Session } from '../../../../src/engine/session.ts';
import { viewRun } from '../../../../src/engine/views/status.ts';
import { uploadRound } from '../../../../src/engine/upload/upload.ts';
import {
  HOLDER,
  HOUR_MS,
  lab,
  MINUTE_MS,
  refused,
  row,
  rows,
  succeededLine,
  wire,
  type Json,
  type Lab,
  type LabOptions,
} from '../lab.ts';

/** A stop takes five minutes as it is estimated, and these few rows no time: below this it presses. */
const PRESSING_MS = 6 * MINUTE_MS;

interface Hurry extends Lab {
  readonly run: RunRecord;
  readonly the: Session;
  readonly lane: RealtimeLane;
  hurry(): Promise<ReadonlySet<string>>;
  states(): Promise<string[]>;
  said(): unknown[];
}

async function room(
  records: readonly Json[],
  wishes: Partial<RunWishes> & { readonly inMs?: number },
  { chunkRows = 10, ...options }: LabOptions & { readonly chunkRows?: number } = {},
): Promise<Hurry> {
  const it = lab(options);
  const { inMs, ...more } = wishes;
  const deadlineMs = inMs === undefined ? null : it.clock.now() + inMs;
  const run = await it.submit(records, { settings: { chunkRows, wishes: { deadlineMs, ...more } } });
  const the = await it.session();
  const lane = new RealtimeLane(the, [run.id], () => undefined);
  return {
    ...{ ...it, run, the, lane },
    hurry: () => hurryRound(the, lane, [run.id]),
    states: async () => (await it.store.chunks(run.id)).map((chunk) => chunk.state),
    said: () => it.events.filter((event) => event.kind === 'deadline.late'),
  };
}

const stops = ({ api }: Lab): string[] => api.calls.filter((call) => call.startsWith('cancel'));

function canceledLine(customId: string): string {
  return JSON.stringify({ custom_id: customId, result: { type: 'canceled' } });
}

describe('a run that is forced into the realtime lane', () => {
  test('releases its chunks as the lane needs them, and uploads none', async () => {
    const it = await room(rows(4_500), { lane: 'realtime' }, { chunkRows: 1_000 });
    await it.hurry();
    const waits = (await it.store.run(it.run.id))?.rows.retry ?? 0;
    // Sizes are a little different from chunk to chunk.
    expect(waits).toBeGreaterThanOrEqual(2_000);
    expect(waits).toBeLessThan(3_000);
    const before = await it.states();
    expect((await uploadRound(it.the, [it.run.id])).uploaded).toBe(0);
    await it.hurry();
    expect(await it.states()).toEqual(before);
    expect(it.api.calls).toEqual([]);
  });

  test('releases what has the higher priority first', async () => {
    const records = rows(2_100).map((one, at) => (at >= 2_000 ? { ...one, priority: 'critical' } : one));
    const it = await room([...records, row(9_999)], { lane: 'realtime' }, { chunkRows: 2_100 });
    const chunks = await it.store.chunks(it.run.id);
    expect(chunks.map((chunk) => chunk.priority).sort()).toEqual(['critical', null]);
    await it.hurry();
    const released = it.events.filter((event) => event.kind === 'chunk.released').map(({ chunkNo }) => chunkNo);
    expect(released[0]).toBe(chunks.find((chunk) => chunk.priority === 'critical')?.chunkNo);
  });

  test('uploads what only a batch can do', async () => {
    const records = [row(0), row(1, { betas: [LONG_OUTPUT_BETA] })];
    const it = await room(records, { lane: 'realtime' });
    await it.hurry();
    expect((await uploadRound(it.the, [it.run.id])).uploaded).toBe(1);
    expect(it.api.headers).toEqual([[LONG_OUTPUT_BETA]]);
    expect((await it.states()).sort()).toEqual(['canceled', 'submitted']);
  });

  test('does not release a chunk of which a batch may have been made', async () => {
    const it = await room(rows(1), { lane: 'realtime' });
    it.the.held = new Set([`${it.run.id}:1`]);
    await it.hurry();
    expect(await it.states()).toEqual(['sealed']);
    it.the.held = new Set();
    await it.hurry();
    expect(await it.states()).toEqual(['canceled']);
  });

  test('is driven to its end without a batch', async () => {
    const it = await room(rows(25), { lane: 'realtime' });
    const request = { runIds: null, once: false, holder: HOLDER, retryLockMs: 0, asCompleted: null };
    expect(await it.clock.run(drive(it.engine, { ...request, goal: 'upload' }))).toBe('uploaded');
    expect(await it.clock.run(drive(it.engine, { ...request, goal: 'finish' }))).toBe('done');
    expect(it.api.calls.filter((call) => call === 'message')).toHaveLength(25);
    expect(it.api.calls).not.toContain('create');
    expect(it.output().filter((line) => line.includes('from the realtime lane'))).toHaveLength(25);
  });
});

/** Two batches under way, the deadline in so many minutes. */
async function underWay(inMs: number, wishes: Partial<RunWishes> = {}): Promise<Hurry> {
  const it = await room(rows(4), { inMs, ...wishes }, { chunkRows: 2 });
  await uploadRound(it.the, [it.run.id]);
  return it;
}

describe('a deadline', () => {
  test('that is far away moves nothing', async () => {
    const it = await underWay(30 * MINUTE_MS);
    expect(await it.hurry()).toEqual(new Set());
    expect([stops(it), it.said()]).toEqual([[], []]);
  });

  test('that presses stops batches; rows that they have answered stay, the others are called and burnt no attempt', async () => {
    const it = await underWay(PRESSING_MS);
    const [first, second] = await it.store.chunks(it.run.id);
    expect(await it.hurry()).toEqual(new Set([it.run.id]));
    expect(stops(it)).toHaveLength(2);
    // Nobody calls them while their batches may answer.
    expect((await it.store.run(it.run.id))?.rows).toMatchObject({ in_batch: 4, retry: 0 });
    it.api.end(first?.batchId ?? '', [succeededLine(wire(it.run, 1, 0)), canceledLine(wire(it.run, 1, 1))], {
      ...{ succeeded: 1, canceled: 1 },
    });
    it.api.end(
      second?.batchId ?? '',
      [0, 1].map((at) => canceledLine(wire(it.run, 2, at))),
      { canceled: 2 },
    );
    await poll(it.the);
    await collectRound(it.the, [it.run.id]);
    expect((await it.store.run(it.run.id))?.rows).toMatchObject({ succeeded: 1, retry: 3, canceled: 0 });
    const waiting = await it.store.rowRecords(it.run.id, { states: ['retry'], limit: 9 });
    expect(waiting.map(({ seq, attempts, notBeforeMs }) => [seq, attempts, notBeforeMs])).toEqual([
      [1, 0, 0],
      [2, 0, 0],
      [3, 0, 0],
    ]);
    expect(await retryRound(it.the, it.lane, [it.run.id], new Set([it.run.id]))).toBe(0);
    expect(it.lane.waiting(it.run.id)).toBe(3);
  });

  test('takes rows of sealed chunks before it stops a batch', async () => {
    const it = await room(rows(4), { inMs: PRESSING_MS }, { chunkRows: 2, pacing: { maxBatches: 1 } });
    await uploadRound(it.the, [it.run.id]);
    await it.hurry();
    expect(it.events.map((event) => event.kind).filter((kind) => /released|hurried/.test(kind))).toEqual([
      'chunk.released',
      'batch.hurried',
    ]);
  });

  test('asks again for a stop that got lost, and a new process too', async () => {
    const it = await underWay(PRESSING_MS);
    const { cancelBatch } = it.api;
    it.api.cancelBatch = () => Promise.reject(refused({ status: 529, type: 'overloaded_error' }));
    await it.hurry();
    expect((await it.store.chunks(it.run.id)).map((chunk) => chunk.hurriedAtMs !== null)).toEqual([true, true]);
    it.api.cancelBatch = cancelBatch;
    const next = await it.session();
    await hurryRound(next, new RealtimeLane(next, [it.run.id], () => undefined), [it.run.id]);
    expect(stops(it)).toHaveLength(2);
    await hurryRound(next, it.lane, [it.run.id]);
    expect(stops(it)).toHaveLength(2);
  });

  test('leaves a batch that the API will not stop', async () => {
    const it = await underWay(PRESSING_MS);
    let asked = 0;
    it.api.cancelBatch = () => {
      asked++;
      return Promise.reject(refused({ status: 400, type: 'invalid_request_error' }));
    };
    await it.hurry();
    it.clock.advance(70_000);
    await it.hurry();
    it.clock.advance(70_000);
    await it.hurry();
    expect(asked).toBe(2);
    expect(await it.states()).toEqual(['submitted', 'submitted']);
  });

  test('never stops a batch that only a person named', async () => {
    const it = await underWay(PRESSING_MS);
    it.db.run('UPDATE batches SET proven = 0');
    await it.hurry();
    expect(stops(it)).toEqual([]);
    expect(it.said()).toMatchObject([{ lateRows: 4, missed: false }]);
  });

  test('moves nothing that the budget does not pay', async () => {
    const it = await underWay(PRESSING_MS, { maxCostUsd: 0.0001 });
    await it.hurry();
    expect(stops(it)).toEqual([]);
    expect(it.said()).toMatchObject([{ lateRows: 4 }]);
  });

  test('is estimated without the lane where only batches are allowed, and without batches where none are made', async () => {
    // An hour is what a batch takes before one has ended: the lane could do it, and must not.
    const batches = await underWay(30 * MINUTE_MS, { lane: 'batch' });
    await batches.hurry();
    expect(batches.said()).toMatchObject([{ lateRows: 4 }]);
    const called = await room(rows(4_500), { lane: 'realtime', inMs: 30 * MINUTE_MS }, { chunkRows: 1_000 });
    await called.hurry();
    // 56 a minute are 1,674 in half an hour.
    expect(called.said()).toMatchObject([{ lateRows: 2_826, missed: false }]);
  });

  test.each([
    ['is only said where batches are forced', { lane: 'batch' } as const, (it: Hurry) => it.hurry()],
    ['is only said by a submit', {}, (it: Hurry) => sayDeadlines(it.the, [it.run.id])],
  ])('%s', async (_what, wishes, look) => {
    const it = await underWay(MINUTE_MS, wishes);
    await look(it);
    await look(it);
    expect(stops(it)).toEqual([]);
    expect(it.said()).toMatchObject([{ lateRows: 4, missed: false, rowsPerMinute: 56 }]);
  });

  test('that is over is said once, and the run goes on in the cheap lane', async () => {
    const it = await underWay(MINUTE_MS);
    await it.hurry();
    it.clock.advance(2 * MINUTE_MS);
    expect(await it.hurry()).toEqual(new Set());
    await it.hurry();
    const next = await it.session();
    await hurryRound(next, it.lane, [it.run.id]);
    expect(it.said()).toMatchObject([{ missed: false }, { missed: true, lateRows: 4 }]);
    const view = await viewRun(it.store, (await it.store.run(it.run.id)) ?? it.run);
    expect(view.deadline).toMatchObject({ missed: true, late_rows: 4 });
    expect((await it.states()).filter((state) => state !== 'submitted')).toEqual([]);
  });

  test('is met in the end of a run that batches would have made late', async () => {
    const it = await underWay(20 * MINUTE_MS);
    const startedAtMs = it.clock.now();
    const { cancelBatch } = it.api;
    it.api.cancelBatch = async (id) => {
      const chunk = (await it.store.chunks(it.run.id)).find(({ batchId }) => batchId === id);
      const lines = [0, 1].map((at) => canceledLine(wire(it.run, chunk?.chunkNo ?? 0, at)));
      const canceling = await cancelBatch.call(it.api, id);
      void it.clock.sleep(2 * MINUTE_MS).then(() => it.api.end(id, lines, { canceled: 2 }));
      return canceling;
    };
    const request = { runIds: null, once: false, holder: HOLDER, retryLockMs: 0, asCompleted: null };
    expect(await it.clock.run(drive(it.engine, { ...request, goal: 'finish' }))).toBe('done');
    const tookMs = it.clock.now() - startedAtMs;
    expect(tookMs).toBeLessThan(20 * MINUTE_MS);
    // As late as possible: the batches had their chance.
    expect(tookMs).toBeGreaterThan(12 * MINUTE_MS);
    const view = await viewRun(it.store, (await it.store.run(it.run.id)) ?? it.run);
    expect(view).toMatchObject({ rows: { succeeded: 4, canceled: 0 }, deadline: { missed: false, late_rows: null } });
  });
});

test('how long a batch takes is not learnt from those that were stopped', async () => {
  const it = await underWay(30 * HOUR_MS);
  const [first, second] = await it.store.chunks(it.run.id);
  it.clock.advance(20 * MINUTE_MS);
  it.api.end(
    first?.batchId ?? '',
    [0, 1].map((at) => succeededLine(wire(it.run, 1, at))),
  );
  it.api.end(
    second?.batchId ?? '',
    [0, 1].map((at) => canceledLine(wire(it.run, 2, at))),
    { canceled: 2 },
  );
  await poll(it.the);
  expect(await it.store.batchHistory(it.engine.api.origin, 9)).toEqual([{ rows: 2, tookMs: 20 * MINUTE_MS }]);
});
