/**
 * What a clock that is wrong by days must not decide, what an earlier process was told, and what a refusal of one call
 * means for the next: scenarios of a review, each of which lost or paid something once.
 */
import { describe, expect, test } from 'vitest';
import type { Clock } from '../../../src/base/clock.ts';
import type { BatchInfo } from '../../../src/domain/model.ts';
import { cancelRound } from '../../../src/engine/poll/cancel.ts';
import { collectRound } from '../../../src/engine/collect/collect.ts';
import { poll } from '../../../src/engine/poll/poll.ts';
import { drive, type DriveEnd } from '../../../src/engine/runner.ts';
import { newSession, noteFailure, waitBefore, type Session } from '../../../src/engine/session.ts';
import { uploadRound } from '../../../src/engine/upload/upload.ts';
import { WaitKeeper } from '../../../src/engine/waits.ts';
import { failureOf, HOLDER, HOUR_MS, lab, MINUTE_MS, refused, rows, succeededLine, wire, type Lab } from './lab.ts';

const DAY_MS = 24 * HOUR_MS;

function ahead({ clock }: Lab, byMs: number): Clock {
  return {
    now: () => clock.now() + byMs,
    monotonicMs: () => clock.monotonicMs(),
    sleep: (ms, signal) => clock.sleep(ms, signal),
  };
}

function finish(it: Lab, { once = true, clock = it.clock }: { once?: boolean; clock?: Clock } = {}): Promise<DriveEnd> {
  const request = { runIds: null, goal: 'finish', holder: HOLDER, retryLockMs: 0, asCompleted: null } as const;
  return it.clock.run(drive({ ...it.engine, clock }, { ...request, once }));
}

/** One chunk of three rows whose batch is under way. */
async function submitted(): Promise<{ it: Lab; the: Session; runId: string; batchId: string; lines: string[] }> {
  const it = lab();
  const run = await it.submit(rows(3));
  const the = await it.session();
  await uploadRound(the, [run.id]);
  const batchId = (await it.store.batches(run.id))[0]?.id ?? '';
  return { it, the, runId: run.id, batchId, lines: [0, 1, 2].map((at) => succeededLine(wire(run, 1, at))) };
}

describe('a clock that is days ahead', () => {
  test('does not make the first batch of a workspace one that is too old to be ours', async () => {
    const it = lab();
    const run = await it.submit(rows(3));
    const the = newSession({ ...it.engine, clock: ahead(it, 3 * DAY_MS) }, await it.driver());
    it.api.onCreate = (body) => {
      it.api.make(body);
      throw refused({ connection: 'lost' });
    };
    await uploadRound(the, [run.id]);
    for (let nth = 0; nth < 3; nth++) {
      await poll(the);
      it.clock.advance(10 * MINUTE_MS);
    }
    await uploadRound(the, [run.id]);
    expect(it.api.calls.filter((call) => call === 'create')).toHaveLength(1);
  });

  test('does not give up results that a passing 404 hides', async () => {
    const { it, the, runId, batchId, lines } = await submitted();
    it.api.end(batchId, lines);
    await poll(the);
    it.api.results.delete(batchId);
    expect(await finish(it, { clock: ahead(it, 40 * DAY_MS) })).toBe('once');
    expect((await it.store.chunks(runId)).map((chunk) => chunk.state)).toEqual(['ended']);
    it.api.end(batchId, lines);
    it.clock.advance(HOUR_MS);
    expect(await finish(it, { clock: ahead(it, 40 * DAY_MS) })).toBe('done');
    expect(it.output()).toHaveLength(3);
  });
});

test('a wait that an earlier process was told holds the next look at the list too', async () => {
  const { it, the } = await submitted();
  noteFailure(the, 'list', failureOf({ status: 429, type: 'rate_limit_error', retryAfterMs: HOUR_MS }));
  await new WaitKeeper(the).save();
  it.api.calls.length = 0;
  it.clock.advance(MINUTE_MS);
  await finish(it);
  expect(it.api.calls).toEqual([]);
  it.clock.advance(HOUR_MS);
  await finish(it);
  expect(it.api.calls).toContain('list');
});

describe('a second batch of a chunk', () => {
  async function withSecond(): Promise<Awaited<ReturnType<typeof submitted>> & { second: BatchInfo }> {
    const room = await submitted();
    const [attempt] = await room.it.store.attempts(room.runId, { afterId: 0, limit: 1 });
    const second = room.it.api.add('msgbatch_second', 3);
    await room.the.driver.recordDuplicate({
      ...{ attemptId: attempt?.id ?? 0, batch: second },
      atMs: room.it.clock.now(),
    });
    return { ...room, second };
  }

  test('goes on until the results of the first are proven whole', async () => {
    const { it, the, runId, batchId, lines } = await withSecond();
    it.api.end(batchId, lines);
    it.api.results.delete(batchId);
    await poll(the);
    await collectRound(the, [runId]);
    await cancelRound(the, [runId]);
    expect(it.api.calls.filter((call) => call.startsWith('cancel'))).toEqual([]);
  });

  test('holds a slot until it has ended, and no longer', async () => {
    const { it, the, runId, batchId, lines, second } = await withSecond();
    const more = await it.submit(rows(5).slice(3));
    it.api.end(batchId, lines);
    await poll(the);
    await collectRound(the, [runId]);
    Object.assign(the.engine.pacing, { maxBatches: 1 });
    expect(await uploadRound(the, [more.id])).toMatchObject({ uploaded: 0, full: true });
    it.api.end(second.id, lines);
    await poll(the);
    expect(await uploadRound(the, [more.id])).toMatchObject({ uploaded: 1 });
  });
});

test.each([
  ['409: it is asked again', 409, 'conflict_error', 2],
  ['403: it is asked again', 403, 'permission_error', 2],
  ['400: it has ended', 400, 'invalid_request_error', 1],
])('a cancel that is refused once with %s', async (_what, status, type, asked) => {
  const { it, the, runId } = await submitted();
  await it.store.requestCancel(runId, it.clock.now());
  const cancelBatch = it.api.cancelBatch.bind(it.api);
  let times = 0;
  it.api.cancelBatch = (id) => {
    if (times++ === 0) throw refused({ status, type });
    return cancelBatch(id);
  };
  for (let nth = 0; nth < 5; nth++) {
    await cancelRound(the, [runId]);
    it.clock.advance(10 * MINUTE_MS);
  }
  expect(times).toBe(asked);
});

test('a batch that was adopted with the wrong input is given up by a cancel', async () => {
  const it = lab();
  const batch = it.api.add('msgbatch_script', 3);
  const report = await it.ingest(rows(3), { request: { adopt: { batch, workspace: it.api.workspace } } });
  it.api.end(
    batch.id,
    ['x', 'y', 'z'].map((id) => succeededLine(id)),
  );
  expect(await finish(it, { once: false })).toBe('blocked');
  await it.store.requestCancel(report.runId, it.clock.now());
  expect(await finish(it, { once: false })).toBe('done');
  expect((await it.store.run(report.runId))?.rows).toMatchObject({ canceled: 3, failed: 0 });
});

test('a batch whose counts have grown since it was seen ended is fetched whole', async () => {
  const { it, the, runId, batchId, lines } = await submitted();
  it.api.end(batchId, lines, { succeeded: 2, processing: 1 });
  await poll(the);
  it.api.end(batchId, lines);
  for (let nth = 0; nth < 3; nth++) {
    await collectRound(the, [runId]);
    it.clock.advance(10 * MINUTE_MS);
  }
  expect((await it.store.chunks(runId)).map((chunk) => chunk.state)).toEqual(['collected']);
});

test.each([
  [undefined, [999, 1_999, 3_999, 59_999]],
  [{ baseMs: 10, maxMs: 25 }, [9, 19, 24, 24]],
])(
  'the waits of our own keep to the bounds that were given (%j), and never go below what the API asks for',
  async (backoff, expected) => {
    const it = lab({ rng: { next: () => 0.99999 }, ...(backoff ? { pacing: { backoff } } : {}) });
    const the = await it.session();
    expect([1, 2, 3, 99].map((attempt) => waitBefore(the, attempt, null))).toEqual(expected);
    expect(waitBefore(the, 1, 70_000)).toBe(70_000);
  },
);
