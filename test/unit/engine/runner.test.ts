/**
 * Driving: to the end, to the caps, to a point where only a person can help; and what happens when other commands meet a
 * running driver.
 */
import { describe, expect, test } from 'vitest';
import { isBatchrunError } from '../../../src/base/errors.ts';
import type { ApiEngine } from '../../../src/engine/engine.ts';
import { drive, type DriveEnd, type DriveRequest } from '../../../src/engine/runner.ts';
import { tryDrive } from '../../../src/engine/driver.ts';
import { sweep } from '../../../src/engine/cleanup/sweep.ts';
import {
  erroredLine,
  HOLDER,
  HOUR_MS,
  lab,
  MINUTE_MS,
  refused,
  row,
  rows,
  succeededLine,
  type Json,
  type Lab,
  type LabOptions,
} from './lab.ts';

interface Road extends Lab {
  drive(more?: Partial<DriveRequest>): Promise<DriveEnd>;
  /** The state of the newest look at each run, by id. */
  states(): Promise<string[]>;
}

/** An API whose batches end by themselves after five minutes; rows in `errored` are overloaded in batches. */
function road(options: LabOptions & { readonly errored?: readonly number[] } = {}): Road {
  const room = lab(options);
  room.api.onCreate = (body) => {
    const batch = room.api.make(body);
    const { requests } = JSON.parse(body) as {
      requests: { custom_id: string; params: { messages: { content: string }[] } }[];
    };
    const lines = requests.map(({ custom_id, params }) => {
      const nth = Number(params.messages[0]?.content.split(' ')[1]);
      return options.errored?.includes(nth) === true ? erroredLine(custom_id) : succeededLine(custom_id);
    });
    const errored = lines.filter((line) => line.includes('"errored"')).length;
    void room.clock
      .sleep(5 * MINUTE_MS)
      .then(() => room.api.end(batch.id, lines, { succeeded: lines.length - errored, errored }));
    return batch;
  };
  return {
    ...room,
    drive: (more) => drive(room.engine, { ...REQUEST, ...more }),
    states: async () => (await room.store.runs()).map((run) => run.state),
  };
}

const REQUEST: DriveRequest = {
  ...{ runIds: null, goal: 'finish', once: false, holder: HOLDER, retryLockMs: 0, asCompleted: null },
};

const other = (count: number): Json[] => Array.from({ length: count }, (_unused, at) => row(100 + at));

describe('the end', () => {
  test('finish: everything is done and written', async () => {
    const it = road();
    await it.submit(rows(5), { settings: { chunkRows: 2 } });
    expect(await it.clock.run(it.drive())).toBe('done');
    expect(await it.states()).toEqual(['done']);
    expect(it.output()).toHaveLength(5);
    expect(await it.store.driver()).toMatchObject({ letGoAtMs: expect.any(Number) });
  });

  test('upload: the caps are full, and the command ends at once', async () => {
    const it = road({ pacing: { maxBatches: 2 } });
    const run = await it.submit(rows(6), { settings: { chunkRows: 2 } });
    expect(await it.clock.run(it.drive({ goal: 'upload', runIds: [run.id] }))).toBe('uploaded');
    expect(await it.store.chunkCounts(run.id)).toMatchObject({ submitted: 2, sealed: 1 });
    expect(it.clock.monotonicMs()).toBeLessThan(MINUTE_MS);
  });

  test('upload: an account whose slots are full is not waited for', async () => {
    const it = road();
    const run = await it.submit(rows(4), { settings: { chunkRows: 2 } });
    const message = 'Number of concurrent batches has exceeded your limit of 1.';
    it.api.onCreate = () => {
      throw refused({ status: 429, type: 'rate_limit_error', message, retryAfterMs: 30_000 });
    };
    const begunMs = it.clock.monotonicMs();
    expect(await it.clock.run(it.drive({ goal: 'upload', runIds: [run.id] }))).toBe('uploaded');
    expect(it.clock.monotonicMs() - begunMs).toBeLessThan(30_000);
    expect(it.api.calls.filter((call) => call === 'create')).toHaveLength(1);
    expect(await it.store.chunkCounts(run.id)).toMatchObject({ sealed: 2 });
  });

  test('upload: refusals without an end are left to collect', async () => {
    const it = road();
    const run = await it.submit(rows(2), { settings: { chunkRows: 2 } });
    let refusals = 0;
    it.api.onCreate = (body) => {
      if (++refusals > 1_000) return it.api.make(body);
      throw refused({ status: 429, type: 'rate_limit_error', message: 'Slow down.', retryAfterMs: 25_000 });
    };
    expect(await it.clock.run(it.drive({ goal: 'upload', runIds: [run.id] }))).toBe('uploaded');
    expect(refusals).toBeLessThan(5);
    expect(await it.store.chunkCounts(run.id)).toMatchObject({ sealed: 1 });
  });

  test('upload: an API that answers with errors only is left, and that is said', async () => {
    const it = road();
    const run = await it.submit(rows(2));
    it.api.listFailure = refused({ status: 500, type: 'api_error' });
    expect(await it.clock.run(it.drive({ goal: 'upload', runIds: [run.id] }))).toBe('uploaded');
    expect(it.events.map(({ kind }) => kind)).toContain('api.errors');
    expect(await it.store.chunkCounts(run.id)).toMatchObject({ sealed: 1 });
  });

  test('upload: a chunk that gets through may be waited for again', async () => {
    const it = road();
    const run = await it.submit(rows(6), { settings: { chunkRows: 1 } });
    let creates = 0;
    it.api.onCreate = (body) => {
      if (++creates % 2 === 0) return it.api.make(body);
      throw refused({ status: 429, type: 'rate_limit_error', message: 'Slow down.', retryAfterMs: 25_000 });
    };
    expect(await it.clock.run(it.drive({ goal: 'upload', runIds: [run.id] }))).toBe('uploaded');
    expect(await it.store.chunkCounts(run.id)).toMatchObject({ submitted: 6 });
  });

  test('finish: few calls of the batch endpoints are shared between looks and creates', async () => {
    const it = road({ pacing: { batchRpm: 4, pollIntervalMs: 5_000 } });
    await it.submit(rows(4), { settings: { chunkRows: 1 } });
    expect(await it.clock.run(it.drive())).toBe('done');
    expect(it.clock.monotonicMs()).toBeLessThan(15 * MINUTE_MS);
    expect(it.api.calls.length).toBeLessThan((4 * it.clock.monotonicMs()) / MINUTE_MS + 12);
  });

  test('once: a single pass', async () => {
    const it = road();
    await it.submit(rows(2));
    expect(await it.clock.run(it.drive({ once: true }))).toBe('once');
    expect(it.clock.monotonicMs()).toBeLessThan(MINUTE_MS);
    it.clock.advance(HOUR_MS);
    expect(await it.clock.run(it.drive({ once: true }))).toBe('done');
  });

  test('stopped: Ctrl-C while it waits; the next one goes on and nothing is sent twice', async () => {
    const it = road();
    await it.submit(rows(2));
    void it.clock.sleep(MINUTE_MS).then(() => it.stop.abort());
    expect(await it.clock.run(it.drive())).toBe('stopped');
    const next: ApiEngine = { ...it.engine, signal: new AbortController().signal };
    expect(await it.clock.run(drive(next, REQUEST))).toBe('done');
    expect(it.api.bodies).toHaveLength(1);
  });

  test('blocked: a key that is refused, with what is paid kept; the next command probes once', async () => {
    const it = road();
    await it.submit(rows(2));
    const works = it.api.onCreate;
    it.api.onCreate = () => {
      throw refused({ status: 401, type: 'authentication_error' });
    };
    expect(await it.clock.run(it.drive())).toBe('blocked');
    expect(await it.clock.run(it.drive())).toBe('blocked');
    expect(it.api.calls.filter((call) => call === 'create')).toHaveLength(2);
    it.api.onCreate = works;
    expect(await it.clock.run(it.drive())).toBe('done');
  });

  test('blocked, but not before the batches that are paid are collected', async () => {
    const it = road({ pacing: { maxBatches: 1 } });
    const run = await it.submit(rows(2), { settings: { chunkRows: 1 } });
    const works = it.api.onCreate;
    let creates = 0;
    it.api.onCreate = (body) => {
      if (++creates > 1) throw refused({ status: 402, type: 'billing_error' });
      return works(body);
    };
    expect(await it.clock.run(it.drive())).toBe('blocked');
    expect(await it.store.chunkCounts(run.id)).toMatchObject({ collected: 1, sealed: 1 });
  });

  test('unreachable: an API that is not there is tried for so long', async () => {
    const it = road({ pacing: { giveUpMs: 20 * MINUTE_MS } });
    await it.submit(rows(2));
    it.api.listFailure = refused({ connection: 'never_made' });
    expect(await it.clock.run(it.drive())).toBe('unreachable');
    expect(it.clock.monotonicMs()).toBeGreaterThan(20 * MINUTE_MS);
    expect(it.clock.monotonicMs()).toBeLessThan(25 * MINUTE_MS);
    expect(it.api.bodies).toEqual([]);
  });

  test('done: on a finished run nothing is asked and nothing written', async () => {
    const it = road();
    const run = await it.submit(rows(2));
    it.api.listFailure = null;
    const works = it.api.onCreate;
    it.api.onCreate = () => {
      it.api.onCreate = works;
      throw refused({ status: 429, type: 'rate_limit_error', retryAfterMs: 1_000 });
    };
    expect(await it.clock.run(it.drive())).toBe('done');
    const calls = it.api.calls.length;
    expect(await it.clock.run(it.drive({ runIds: [run.id] }))).toBe('done');
    expect(it.api.calls.slice(calls)).toEqual([]);
  });
});

describe('beside a running driver', () => {
  test('another driver is told who drives', async () => {
    const it = road();
    await it.submit(rows(2));
    const first = it.drive();
    const second = it.clock.sleep(MINUTE_MS).then(() => it.drive({ runIds: [] }).catch((error: unknown) => error));
    expect(isBatchrunError(await it.clock.run(second), 'E_LOCKED')).toBe(true);
    expect(await it.clock.run(first)).toBe('done');
  });

  test('another driver may wait for the lock', async () => {
    const it = road();
    await it.submit(rows(2));
    const first = it.drive();
    const second = it.clock.sleep(MINUTE_MS).then(() => it.drive({ retryLockMs: HOUR_MS }));
    expect(await it.clock.run(Promise.all([first, second]))).toEqual(['done', 'done']);
  });

  test.each(['finish everything', 'finish one', 'upload'])(
    'a run that becomes ready is sent once, by the driver (%s)',
    async (what) => {
      const it = road({ pacing: { maxBatches: 100 } });
      const run = await it.submit(rows(2));
      const one = what === 'finish everything' ? null : [run.id];
      const slowCreate = it.api.onCreate;
      it.api.onCreate = async (body) => {
        await it.clock.sleep(30_000);
        return slowCreate(body);
      };
      const first = it.drive({ runIds: one, goal: what === 'upload' ? 'upload' : 'finish' });
      const second = it.clock.sleep(10_000).then(() => it.submit(other(3)));
      expect(['done', 'uploaded']).toContain(await it.clock.run(first));
      const beside = await second;
      expect(it.api.bodies).toHaveLength(2);
      expect(await it.store.run(beside.id)).toMatchObject({ state: what === 'finish everything' ? 'done' : 'active' });
    },
  );

  test('a run that became ready a moment before the driver came is not left to nobody', async () => {
    const it = road();
    const run = await it.submit(rows(2));
    const beside = await it.submit(other(3));
    it.clock.advance(1);
    const driving = it.drive({ runIds: [run.id] });
    // The submit that made it finds the lock taken, says who drives, and ends.
    const submit = it.clock
      .sleep(1)
      .then(() => it.drive({ runIds: [beside.id], goal: 'upload' }).catch((error: unknown) => error));
    const [, end] = await it.clock.run(Promise.all([driving, submit]));
    expect(isBatchrunError(end, 'E_LOCKED')).toBe(true);
    expect(it.api.bodies).toHaveLength(2);
  });

  test('a run that became ready when the last work of the driver was done is not left to nobody', async () => {
    const it = road();
    const run = await it.submit(rows(2));
    await it.clock.run(it.drive({ runIds: [run.id] }));
    const beside = await it.submit(other(3));
    expect(await it.clock.run(it.drive({ runIds: [run.id] }))).toBe('done');
    expect(it.api.bodies).toHaveLength(2);
    expect(await it.store.run(beside.id)).toMatchObject({ state: 'active' });
  });

  test('a run that cannot be sent when the own work is done does not keep the driver, nor make it fail', async () => {
    const it = road();
    const run = await it.submit(rows(2));
    await it.clock.run(it.drive({ runIds: [run.id] }));
    const beside = await it.submit(other(3));
    it.api.listFailure = refused({ connection: 'never_made' });
    const beganMs = it.clock.monotonicMs();
    expect(await it.clock.run(it.drive({ runIds: [run.id] }))).toBe('done');
    expect(it.clock.monotonicMs() - beganMs).toBeLessThanOrEqual(120_000);
    expect(await it.store.run(beside.id)).toMatchObject({ state: 'ready' });
  });

  test('a cancel is taken up: what was finished is kept', async () => {
    const it = road({ pacing: { maxBatches: 1 } });
    const run = await it.submit(rows(4), { settings: { chunkRows: 2 } });
    const canceled = it.clock.sleep(6 * MINUTE_MS).then(() => it.store.requestCancel(run.id, it.clock.now()));
    expect(await it.clock.run(it.drive())).toBe('done');
    await canceled;
    const rowsNow = (await it.store.run(run.id))?.rows;
    expect((rowsNow?.succeeded ?? 0) + (rowsNow?.canceled ?? 0)).toBe(4);
    expect(rowsNow?.succeeded).toBeGreaterThan(0);
    expect(it.output()).toHaveLength(4);
  });

  test('a cancel in the middle of an upload stops the rest, and nothing breaks', async () => {
    const it = road();
    const run = await it.submit(rows(4), { settings: { chunkRows: 1 } });
    const list = it.api.listBatches.bind(it.api);
    it.api.listBatches = async (options) => {
      await it.clock.sleep(1_000);
      return list(options);
    };
    const canceled = it.clock.sleep(2_500).then(() => it.store.requestCancel(run.id, it.clock.now()));
    expect(await it.clock.run(it.drive())).toBe('done');
    await canceled;
    expect((await it.store.run(run.id))?.rows).toMatchObject({ waiting: 0, in_batch: 0 });
  });

  test('a cancel while rows wait for their next call', async () => {
    const it = road({ errored: [0, 1, 2], pacing: { concurrency: 1 } });
    const run = await it.submit(rows(3));
    const works = it.api.onMessage;
    it.api.onMessage = async (call) => {
      await it.clock.sleep(20_000);
      return works(call);
    };
    const canceled = it.clock.sleep(5 * MINUTE_MS + 35_000).then(() => it.store.requestCancel(run.id, it.clock.now()));
    expect(await it.clock.run(it.drive())).toBe('done');
    await canceled;
    const now = (await it.store.run(run.id))?.rows;
    expect((now?.succeeded ?? 0) + (now?.canceled ?? 0)).toBe(3);
  });
});

describe('retries', () => {
  test('few go realtime, and the run is done', async () => {
    const it = road({ errored: [1, 3] });
    const run = await it.submit(rows(5));
    expect(await it.clock.run(it.drive())).toBe('done');
    expect((await it.store.run(run.id))?.rows).toMatchObject({ succeeded: 5 });
    expect(it.api.calls.filter((call) => call === 'message')).toHaveLength(2);
  });

  test('in the batch lane they end as failed when the attempts are used up', async () => {
    const it = road({ errored: [1] });
    const run = await it.submit(rows(3), { settings: { retryLane: 'batch', maxAttempts: 3 } });
    expect(await it.clock.run(it.drive())).toBe('done');
    expect((await it.store.run(run.id))?.rows).toMatchObject({ succeeded: 2, failed: 1 });
    expect(it.api.bodies).toHaveLength(3);
  });
});

describe('who drives', () => {
  test('an older driver is fenced: none of its writes counts', async () => {
    const it = lab();
    const run = await it.submit(rows(2));
    const old = await it.driver();
    await it.driver();
    await expect(old.finishRun(run.id, 1)).rejects.toMatchObject({ code: 'E_FENCED' });
  });

  test('a lock that is held without a driver is waited for', async () => {
    const it = lab();
    const lock = await it.engine.locks.tryAcquire('lock.db');
    void it.clock.sleep(100).then(() => lock?.release());
    expect(await it.clock.run(tryDrive(it.engine, HOLDER, 0))).not.toBeNull();
  });
});

test('a sweep clears away runs that died while they were read, and leaves those that are being read', async () => {
  const it = lab();
  const kept = await it.submit(rows(1));
  for (const id of ['run_dead', 'run_busy']) {
    await it.store.beginRun({ ...kept, id });
    const writer = await it.files.create(`runs/${id}/chunks/000001.json`);
    await writer.commit();
  }
  await it.engine.locks.tryAcquire('ingest/run_busy.db');
  await sweep(it.engine);
  expect((await it.store.runs({ ingesting: true })).map((run) => run.id).sort()).toEqual(['run_busy', kept.id].sort());
  expect((await it.files.list('runs')).toString()).not.toContain('run_dead');
});
