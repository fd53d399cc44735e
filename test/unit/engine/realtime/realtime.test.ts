/**
 * The realtime lane: at most so many calls at once, a slot is free only when its answer is durable, a limit of the account
 * is everyone's, and what does not reach an answer is not lost.
 */
import { describe, expect, test } from 'vitest';
import type { BlockedVerdict } from '../../../../src/domain/failure-router.ts';
import type { RunRecord } from '../../../../src/domain/model.ts';
import { RETRY_AFTER_SAID_MS } from '../../../../src/domain/limits.ts';
import { paths } from '../../../../src/domain/ids.ts';
import { collectRound } from '../../../../src/engine/collect/collect.ts';
import { poll } from '../../../../src/engine/poll/poll.ts';
import { RealtimeLane } from '../../../../src/engine/realtime/realtime.ts';
import { RequestReader } from '../../../../src/engine/retry/requests.ts';
import { drive } from '../../../../src/engine/runner.ts';
import { retryRound } from '../../../../src/engine/retry/retry.ts';
import { newSession, type Session } from '../../../../src/engine/session.ts';
import { uploadRound } from '../../../../src/engine/upload/upload.ts';
import {
  erroredLine,
  HOLDER,
  lab,
  MESSAGE,
  refused,
  rows,
  wire,
  type Lab,
  type LabOptions,
  type SubmitOptions,
} from '../lab.ts';

interface Waiting extends Lab {
  readonly run: RunRecord;
  readonly the: Session;
  readonly lane: RealtimeLane;
  /** Calls under way, to be answered one by one. */
  readonly calls: { answer(): void; fail(error: Error): void }[];
  /** A round of the driver as far as this lane is concerned. */
  round(): Promise<void>;
  settled(): Promise<void>;
  counts(): Promise<Record<string, number>>;
}

/** A run of so many rows whose batch has ended with every row overloaded: all wait for a retry. */
async function waiting(count: number, options: LabOptions & SubmitOptions = {}): Promise<Waiting> {
  const room = lab(options);
  const run = await room.submit(rows(count), options);
  const the = await room.session();
  const calls: Waiting['calls'] = [];
  room.api.onMessage = () =>
    new Promise((resolve, reject) => {
      calls.push({ answer: () => resolve(MESSAGE), fail: reject });
    });
  await uploadRound(the, [run.id]);
  for (const chunk of await room.store.chunks(run.id)) {
    const lines = Array.from({ length: chunk.rowCount }, (_unused, at) => erroredLine(wire(run, chunk.chunkNo, at)));
    room.api.end(chunk.batchId ?? '', lines, { errored: lines.length });
  }
  await poll(the);
  await collectRound(the, [run.id]);
  room.clock.advance(60_000);
  const lane = new RealtimeLane(the, [run.id], () => undefined);
  const turn = async (): Promise<void> => {
    for (let turns = 0; turns < 3; turns++) await new Promise((resolve) => setImmediate(resolve));
  };
  return {
    ...{ ...room, run, the, lane, calls },
    round: async () => {
      await retryRound(the, lane, [run.id]);
      await lane.pump();
      await turn();
    },
    settled: turn,
    counts: async () => {
      const { retry, in_realtime, succeeded, failed, canceled } = (await room.store.run(run.id))?.rows ?? run.rows;
      return { retry, in_realtime, succeeded, failed, canceled };
    },
  };
}

describe('slots', () => {
  test('are as many as the user allows, and are filled again when an answer is durable', async () => {
    const it = await waiting(7, { pacing: { concurrency: 3 } });
    await it.round();
    await it.round();
    expect(it.calls).toHaveLength(3);
    expect(await it.counts()).toMatchObject({ retry: 4, in_realtime: 3 });
    it.calls[0]?.answer();
    await it.settled();
    expect(it.calls).toHaveLength(4);
    expect(await it.counts()).toMatchObject({ retry: 3, in_realtime: 3, succeeded: 1 });
  });

  test('are not free before the answer is synced and committed', async () => {
    const it = await waiting(4, { pacing: { concurrency: 1 } });
    let release: (() => void) | undefined;
    const { settleRealtime } = it.the.driver;
    Object.assign(it.the, {
      driver: {
        ...it.the.driver,
        settleRealtime: async (step: Parameters<typeof settleRealtime>[0]) => {
          await new Promise<void>((resolve) => (release = resolve));
          return settleRealtime(step);
        },
      },
    });
    await it.round();
    it.calls[0]?.answer();
    await it.settled();
    const log =
      it.disk
        .contents()
        .get(`/state/${paths.realtime(it.run.id)}`)
        ?.toString() ?? '';
    expect(log.split('\n')).toHaveLength(2);
    expect({ calls: it.calls.length, busy: it.lane.busy }).toEqual({ calls: 1, busy: true });
    release?.();
    await it.settled();
    expect(it.calls).toHaveLength(2);
  });
});

describe('a limit without room', () => {
  test('is waited for and said once: whose it is, and until when', async () => {
    // Two calls a minute: the bucket holds two, and then one comes every half minute.
    const it = await waiting(4, { pacing: { concurrency: 4, caps: { requests: 2 } } });
    await it.round();
    expect(it.calls).toHaveLength(2);
    await it.round();
    const said = it.events.filter((event) => event.kind === 'lane.limited');
    expect(said).toMatchObject([{ bucket: 'requests', untilMs: it.clock.now() + 30_000 }]);
    it.clock.advance(29_000);
    await it.round();
    expect(it.calls).toHaveLength(2);
    it.clock.advance(1_000);
    await it.round();
    expect(it.calls).toHaveLength(3);
    // Rows that only wait are not written down as being called.
    expect(await it.counts()).toMatchObject({ retry: 1, in_realtime: 3 });
  });
});

describe('failures', () => {
  test('429 pauses the whole lane until the time that the API names, and burns no attempt', async () => {
    const it = await waiting(3, { pacing: { concurrency: 1 } });
    await it.round();
    it.calls[0]?.fail(refused({ status: 429, type: 'rate_limit_error', retryAfterMs: 90_000 }));
    await it.settled();
    it.clock.advance(89_999);
    await it.round();
    expect(it.calls).toHaveLength(1);
    it.clock.advance(1);
    await it.round();
    expect(it.calls).toHaveLength(2);
    // Each was tried once in its batch, and one is under way: the call that was refused counts for nothing.
    const records = await it.store.rowRecords(it.run.id, { limit: 3 });
    expect(records.reduce((sum, row) => sum + row.attempts, 0)).toBe(4);
  });

  test.each([
    ['500', { status: 500, type: 'api_error' }, 2],
    ['a lost connection', { connection: 'lost' as const }, 2],
    ['a connection never made', { connection: 'never_made' as const }, 1],
  ])('%s: again later, with %s', async (_what, failure, attempts) => {
    const it = await waiting(1);
    await it.round();
    it.calls[0]?.fail(refused(failure));
    await it.settled();
    expect(await it.store.rowRecord(it.run.id, 0)).toMatchObject({ state: 'retry', attempts });
  });

  test('the last attempt fails the row, with a line that says why', async () => {
    const it = await waiting(1, { settings: { maxAttempts: 2 } });
    await it.round();
    it.calls[0]?.fail(refused({ status: 529, type: 'overloaded_error', message: 'Overloaded' }));
    await it.settled();
    expect(await it.store.rowRecord(it.run.id, 0)).toMatchObject({
      state: 'failed',
      errorType: 'overloaded_error',
      attempts: 2,
    });
    const log =
      it.disk
        .contents()
        .get(`/state/${paths.realtime(it.run.id)}`)
        ?.toString() ?? '';
    expect(JSON.parse(log)).toMatchObject({
      result: { type: 'errored', error: { error: { type: 'overloaded_error' } } },
    });
  });

  test('401 blocks: nothing more is called, the row waits and its attempt does not count', async () => {
    const it = await waiting(5, { pacing: { concurrency: 2 } });
    await it.round();
    it.calls[0]?.fail(refused({ status: 401, type: 'authentication_error' }));
    it.calls[1]?.answer();
    await it.settled();
    await it.round();
    expect(it.calls).toHaveLength(2);
    expect(await it.store.rowRecord(it.run.id, 0)).toMatchObject({ attempts: 1 });
    expect((await it.store.run(it.run.id))?.blocked.map((block) => block.reason)).toEqual([
      'credentials' satisfies BlockedVerdict['reason'],
    ]);
  });

  test('an error of our own comes up at the next pump, and draining ends', async () => {
    const it = await waiting(2, { pacing: { concurrency: 1 } });
    await it.round();
    it.calls[0]?.fail(new Error('the disk is gone'));
    await it.settled();
    await expect(it.lane.pump()).rejects.toThrow('the disk is gone');
    await expect(it.lane.drain()).rejects.toThrow('the disk is gone');
  });

  test('a wait of a fraction of a millisecond can be kept', async () => {
    const it = await waiting(1);
    await it.round();
    it.calls[0]?.fail(refused({ status: 429, type: 'rate_limit_error', retryAfterMs: 70_000.25 }));
    await it.settled();
    await it.round();
    expect(await it.counts()).toMatchObject({ retry: 1 });
  });
});

describe('the planner beside it', () => {
  test('a run that is canceled while its rows wait for their time gives them up, and nothing breaks', async () => {
    const it = await waiting(3, { pacing: { concurrency: 1 } });
    await it.round();
    await it.store.requestCancel(it.run.id, it.clock.now());
    await it.the.driver.cancelUnsent(it.run.id, it.clock.now());
    it.calls[0]?.answer();
    await it.settled();
    await it.round();
    expect(await it.counts()).toEqual({ retry: 0, in_realtime: 0, succeeded: 1, failed: 0, canceled: 2 });
  });

  test('a row that is called while the planner still holds its page is not offered twice', async () => {
    const it = await waiting(6, { pacing: { concurrency: 2 }, settings: { chunkRows: 3 } });
    await it.round();
    // Rows 2 to 5 are offered. Row 0 comes back with a wait; while the planner reads its chunk, an answer comes in.
    it.calls[0]?.fail(refused({ status: 500, type: 'api_error' }));
    await it.settled();
    it.clock.advance(60_000);
    const slow = { ...it.engine.files };
    let opened: (() => void) | undefined;
    const started = new Promise<void>((resolve) => (opened = resolve));
    let go: (() => void) | undefined;
    slow.open = async (path) => {
      opened?.();
      await new Promise<void>((resolve) => (go = resolve));
      slow.open = (later) => it.engine.files.open(later);
      return it.engine.files.open(path);
    };
    const planning = retryRound({ ...it.the, engine: { ...it.engine, files: slow } }, it.lane, [it.run.id]);
    await started;
    it.calls[1]?.answer();
    await it.settled();
    go?.();
    await planning;
    await it.lane.pump();
    for (let nth = 2; nth < 20; nth++) {
      it.calls[nth]?.answer();
      await it.settled();
      await it.lane.pump();
    }
    expect(it.calls).toHaveLength(7);
    expect(await it.counts()).toMatchObject({ succeeded: 6 });
  });
});

test('a row that the lane settles while the planner holds its page does not go into a chunk as well', async () => {
  const it = await waiting(300);
  const [shared] = await it.store.rowRecords(it.run.id, { states: ['retry'], afterSeq: 249, limit: 1 });
  if (shared) it.lane.offer(it.run, shared);
  const { rowRecords } = it.store;
  let pages = 0;
  Object.assign(it.store, {
    rowRecords: async (...request: Parameters<typeof rowRecords>) => {
      const page = await rowRecords(...request);
      if (pages++ > 0) return page;
      await it.lane.pump();
      await it.settled();
      it.calls[0]?.answer();
      await it.settled();
      return page;
    },
  });
  expect(await retryRound(it.the, it.lane, [it.run.id])).toBe(1);
  expect(await it.counts()).toMatchObject({ retry: 0, in_realtime: 0, succeeded: 1 });
  expect(await it.store.chunk(it.run.id, 2)).toMatchObject({ kind: 'retry', rowCount: 299 });
});

describe('a clock that was hours ahead', () => {
  const HOURS_MS = 3 * 3_600_000;

  test('while a row was scheduled keeps it waiting no longer once it is mended, in a process that goes on', async () => {
    const it = await waiting(1);
    await it.round();
    const { now } = it.clock;
    Object.assign(it.engine.clock, { now: () => now.call(it.clock) + HOURS_MS });
    it.calls[0]?.fail(refused({ status: 500, type: 'api_error' }));
    await it.settled();
    expect((await it.store.rowRecord(it.run.id, 0))?.notBeforeMs).toBeGreaterThanOrEqual(now.call(it.clock) + HOURS_MS);
    await retryRound(it.the, it.lane, [it.run.id]);
    expect(it.lane.waiting(it.run.id)).toBe(1);
    Object.assign(it.engine.clock, { now: () => now.call(it.clock) });
    await it.round();
    expect(it.calls).toHaveLength(2);
  });

  test('keeps the rows of the next process waiting no longer either', async () => {
    const it = await waiting(1);
    it.db.run('UPDATE rows SET not_before_ms = ? WHERE run_id = ?', it.clock.now() + HOURS_MS, it.run.id);
    it.api.onMessage = async () => MESSAGE;
    const startedMs = it.clock.monotonicMs();
    const request = { runIds: null, once: false, goal: 'finish', holder: HOLDER, retryLockMs: 0 } as const;
    expect(await it.clock.run(drive(it.engine, { ...request, asCompleted: null }))).toBe('done');
    expect(it.clock.monotonicMs() - startedMs).toBeLessThan(60_000);
  });

  test('does not shorten a wait that a row may be asked for', async () => {
    const it = await waiting(1);
    await it.round();
    it.calls[0]?.fail(refused({ status: 500, type: 'api_error', retryAfterMs: RETRY_AFTER_SAID_MS }));
    await it.settled();
    it.clock.advance(RETRY_AFTER_SAID_MS - 1);
    await it.round();
    expect(it.calls).toHaveLength(1);
    it.clock.advance(1);
    await it.round();
    expect(it.calls).toHaveLength(2);
  });
});

test('two calls that need one chunk open its files once', async () => {
  const it = await waiting(4);
  let open = 0;
  const files = {
    ...it.files,
    open: async (path: string) => {
      const reader = await it.files.open(path);
      open++;
      return {
        bytes: reader.bytes,
        read: reader.read.bind(reader),
        close: async () => {
          open--;
        },
      };
    },
  };
  const requests = new RequestReader(it.store, files);
  await Promise.all([0, 1, 2, 3].map((homeIndex) => requests.params(it.run.id, { homeChunkNo: 1, homeIndex })));
  await requests.close();
  expect(open).toBe(0);
});

test('a session of its own knows nothing of the calls of another', async () => {
  const it = await waiting(2);
  await it.round();
  const next = newSession(it.engine, await it.driver());
  expect(await next.driver.releaseRealtime(it.run.id, it.clock.now())).toBe(2);
  expect(await it.counts()).toMatchObject({ retry: 2, in_realtime: 0 });
});

test('a driver that has lost its lock leaves the log to the one that has it', async () => {
  const it = await waiting(2, { pacing: { concurrency: 1 } });
  await it.round();
  it.calls[0]?.answer();
  await it.settled();
  await it.round();
  const path = `/state/${paths.realtime(it.run.id)}`;
  const before = it.disk.contents().get(path);
  await it.driver();
  it.calls[1]?.answer();
  await expect(it.lane.drain()).rejects.toMatchObject({ code: 'E_FENCED' });
  expect(before?.length).toBeGreaterThan(100);
  expect(it.disk.contents().get(path)).toEqual(before);
});

test('a driver that has lost its lock does not open the log: what the next one has synced there stays', async () => {
  const it = await waiting(2);
  const [first, second] = await it.store.rowRecords(it.run.id, { states: ['retry'], limit: 2 });
  const next = newSession(it.engine, await it.driver());
  const { settleRealtime } = next.driver;
  let stale: unknown;
  Object.assign(next.driver, {
    settleRealtime: async (step: Parameters<typeof settleRealtime>[0]) => {
      // The answer is in the log and not in the ledger yet: now the old driver wakes up and fills a slot.
      if (second) it.lane.offer(it.run, second);
      stale = await it.lane.pump().catch((error: unknown) => error);
      return settleRealtime(step);
    },
  });
  const lane = new RealtimeLane(next, [it.run.id], () => undefined);
  if (first) lane.offer(it.run, first);
  await lane.pump();
  await it.settled();
  it.calls[0]?.answer();
  await lane.drain();
  expect(stale).toMatchObject({ code: 'E_FENCED' });
  const { realtimeLogBytes, rows: counts } = (await it.store.run(it.run.id)) ?? it.run;
  expect(counts.succeeded).toBe(1);
  expect(realtimeLogBytes).toBeGreaterThan(100);
  expect(await it.files.size(paths.realtime(it.run.id))).toBe(realtimeLogBytes);
});
