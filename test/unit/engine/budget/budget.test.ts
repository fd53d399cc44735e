/** `--max-cost` while the realtime lane and creates of batches go on side by side: never above it, and no stop too early. */
import { expect, test } from 'vitest';
import type { RunRecord, RunWishes } from '../../../../src/domain/model.ts';
import { budgetOf } from '../../../../src/engine/budget/budget.ts';
import { giveUpChunk } from '../../../../src/engine/collect/checkpoint.ts';
import { RealtimeLane } from '../../../../src/engine/realtime/realtime.ts';
import { releaseRound } from '../../../../src/engine/realtime/release.ts';
import { retryRound } from '../../../../src/engine/retry/retry.ts';
import type { Session } from '../../../../src/engine/session.ts';
import { uploadRound } from '../../../../src/engine/upload/upload.ts';
import { lab, MESSAGE, refused, rows, type Lab } from '../lab.ts';

/** Of one of the rows here, at the most: a call, and half of it in a batch. */
const CALL_USD = 0.000061;

interface Room extends Lab {
  readonly run: RunRecord;
  readonly the: Session;
  readonly lane: RealtimeLane;
}

async function room(count: number, chunkRows: number, wishes: Partial<RunWishes>): Promise<Room> {
  const it = lab({ pacing: { concurrency: 4 } });
  const run = await it.submit(rows(count), { settings: { chunkRows, wishes } });
  const the = await it.session();
  return { ...it, run, the, lane: new RealtimeLane(the, [run.id], () => undefined) };
}

async function settled(): Promise<void> {
  for (let turns = 0; turns < 5; turns++) await new Promise((resolve) => setImmediate(resolve));
}

async function leftUsd({ the, store, run }: Room): Promise<number> {
  return (await budgetOf(the, (await store.run(run.id)) ?? run))?.leftUsd ?? Number.NaN;
}

test('a cap that pays for some calls at once waits for their answers and goes on', async () => {
  const it = await room(4, 10, { lane: 'realtime', maxCostUsd: 2.1 * CALL_USD });
  const calls: (() => void)[] = [];
  it.api.onMessage = () => new Promise((resolve) => void calls.push(() => resolve(MESSAGE)));
  await releaseRound(it.the, it.lane, [it.run.id]);
  await retryRound(it.the, it.lane, [it.run.id]);
  await it.lane.pump();
  await settled();
  expect(calls).toHaveLength(2);
  expect(it.the.blocks.of(it.run.id)).toEqual([]);
  for (let answers = 0; answers < 4; answers++) {
    calls.shift()?.();
    await settled();
  }
  expect((await it.store.run(it.run.id))?.rows.succeeded).toBe(4);
});

test.each(['the create', 'the call'])(
  'a batch and a call do not both spend what is left: %s came first',
  async (who) => {
    const it = await room(3, 2, { maxCostUsd: 1.7 * CALL_USD });
    it.api.onMessage = () => new Promise(() => undefined);
    await it.the.driver.releaseChunk(it.run.id, 2, 0);
    await retryRound(it.the, it.lane, [it.run.id]);
    if (who === 'the call') await it.lane.pump();
    let go = (): void => undefined;
    const { api } = it;
    const list = api.listBatches.bind(api);
    api.listBatches = async (page) => {
      await new Promise<void>((resolve) => (go = resolve));
      return list(page);
    };
    const round = uploadRound(it.the, [it.run.id]);
    await settled();
    await it.lane.pump();
    await settled();
    go();
    await round;
    expect(api.calls.filter((call) => call === 'create' || call === 'message')).toEqual([
      who === 'the create' ? 'create' : 'message',
    ]);
    expect(await leftUsd(it)).toBeGreaterThanOrEqual(0);
    expect(it.the.blocks.of(it.run.id)).toEqual([]);
  },
);

test('a batch whose results are lost was paid all the same', async () => {
  const it = await room(2, 10, { maxCostUsd: 1 });
  await uploadRound(it.the, [it.run.id]);
  const before = await leftUsd(it);
  const [chunk] = await it.store.chunks(it.run.id);
  if (!chunk) throw new Error('there is a chunk');
  await giveUpChunk(it.the, chunk);
  expect((await it.store.chunk(it.run.id, 1))?.state).toBe('lost');
  expect(await leftUsd(it)).toBeCloseTo(before, 9);
});

test.each([
  ['529 costs nothing', { status: 529, type: 'overloaded_error' }, 1],
  ['500 may have cost something', { status: 500, type: 'api_error' }, 1 - CALL_USD],
] as const)('an answer of %s', async (_name, failure, left) => {
  const it = await room(1, 10, { lane: 'realtime', maxCostUsd: 1 });
  it.api.onMessage = async () => {
    throw refused(failure);
  };
  await releaseRound(it.the, it.lane, [it.run.id]);
  await retryRound(it.the, it.lane, [it.run.id]);
  await it.lane.pump();
  await settled();
  expect(await leftUsd(it)).toBeCloseTo(left, 5);
});

test('what a second batch answered stays reserved when it has ended', async () => {
  const it = await room(2, 2, { maxCostUsd: 100 * CALL_USD });
  await uploadRound(it.the, [it.run.id]);
  const one = 100 * CALL_USD - (await leftUsd(it));
  const [attempt] = await it.store.attempts(it.run.id, { limit: 1 });
  const second = it.api.add('msgbatch_second', 2);
  await it.the.driver.recordDuplicate({ attemptId: attempt?.id ?? 0, batch: second, atMs: 0 });
  expect(await leftUsd(it)).toBeCloseTo(100 * CALL_USD - 2 * one, 12);
  const seen = (succeeded: number, canceled: number): Promise<void> =>
    it.the.driver.recordBatchSeen({
      ...{ ...second, status: 'ended', endedAtMs: 1 },
      counts: { processing: 0, succeeded, errored: 0, canceled, expired: 0 },
    });
  await seen(2, 0);
  expect(await leftUsd(it)).toBeCloseTo(100 * CALL_USD - 2 * one, 12);
  await seen(1, 1);
  expect(await leftUsd(it)).toBeCloseTo(100 * CALL_USD - 1.5 * one, 12);
  // What was stopped before it was answered costs nothing.
  await seen(0, 2);
  expect(await leftUsd(it)).toBeCloseTo(100 * CALL_USD - one, 12);
});
