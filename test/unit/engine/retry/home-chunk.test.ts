/**
 * A chunk file that is gone or damaged holds up only the rows that live in it: the other rows and runs go on, the drive
 * ends as blocked, no attempt is burnt, and submitting the same input again mends it.
 */
import { describe, expect, test } from 'vitest';
import { paths } from '../../../../src/domain/ids.ts';
import type { RunRecord } from '../../../../src/domain/model.ts';
import { collectRound } from '../../../../src/engine/collect/collect.ts';
import { poll } from '../../../../src/engine/poll/poll.ts';
import { drive, type DriveEnd } from '../../../../src/engine/runner.ts';
import { uploadRound } from '../../../../src/engine/upload/upload.ts';
import { erroredLine, HOLDER, lab, rows, succeededLine, wire, type Lab, type SubmitOptions } from '../lab.ts';

type Lane = 'batch' | 'realtime' | 'none';

const ROWS = 6;

interface Two extends Lab {
  /** Two chunks of three rows; of each, the first row waits for another try. */
  readonly run: RunRecord;
  readonly body: string;
  readonly options: SubmitOptions;
  finish(): Promise<DriveEnd>;
}

async function two(lane: Lane): Promise<Two> {
  const room = lab();
  const options = { settings: { chunkRows: 3, retryLane: lane, maxAttempts: 2 } };
  const run = await room.submit(rows(ROWS), options);
  const the = await room.session();
  await uploadRound(the, [run.id]);
  for (const { chunkNo, batchId } of await room.store.chunks(run.id)) {
    const lines = [0, 1, 2].map((at) => (at === 0 ? erroredLine : succeededLine)(wire(run, chunkNo, at)));
    room.api.end(batchId ?? '', lines, { errored: 1, succeeded: 2 });
  }
  await poll(the);
  await collectRound(the, [run.id]);
  room.clock.advance(60_000);
  // What is sent from here on succeeds at once.
  room.api.onCreate = (body) => {
    const { requests } = JSON.parse(body) as { requests: { custom_id: string }[] };
    const made = room.api.make(body);
    room.api.end(
      made.id,
      requests.map(({ custom_id }) => succeededLine(custom_id)),
    );
    return made;
  };
  const request = { runIds: null, once: false, goal: 'finish', holder: HOLDER, retryLockMs: 0 } as const;
  const finish = (): Promise<DriveEnd> => room.clock.run(drive(room.engine, { ...request, asCompleted: null }));
  return { ...room, run, body: room.files.locate(paths.body(run.id, 1)), options, finish };
}

const DAMAGES: readonly (readonly [string, (text: string) => string | null])[] = [
  ['gone', () => null],
  ['cut off', (text) => text.slice(0, 20)],
  ['altered at the id of its request', (text) => text.replace('custom_id', 'kustom_id')],
  ['altered within its request', (text) => text.replace('"messages":', '"messages":]')],
];

function damage({ disk, body }: Two, change: (text: string) => string | null): void {
  const text = disk.contents().get(body)?.toString() ?? '';
  const changed = change(text);
  disk.put(body, changed === null ? null : Buffer.from(changed.slice(0, text.length)));
}

const everyWay = DAMAGES.flatMap(([what, change]) =>
  (['batch', 'realtime'] as const).map((lane) => [what, lane, change] as const),
);

describe('a chunk file that is', () => {
  test.each(everyWay)('%s holds up its own row alone (%s)', async (_what, lane, change) => {
    const it = await two(lane);
    const other = await it.submit(rows(2), {
      run: { output: '/out/other.jsonl' },
      request: { scope: { origin: it.api.origin, workspaceHeader: null, name: 'other' } },
    });
    damage(it, change);
    expect(await it.finish()).toBe('blocked');
    expect((await it.store.run(other.id))?.state).toBe('done');
    expect(it.disk.contents().has('/out/other.jsonl')).toBe(true);
    const now = await it.store.run(it.run.id);
    expect(now).toMatchObject({ state: 'active', rows: { retry: 1, in_realtime: 0, succeeded: ROWS - 1 } });
    expect(now?.blocked.map(({ reason, scope }) => [reason, scope])).toEqual([
      ['chunk_damaged', 'chunk:1'],
      ['chunk_damaged', 'run'],
    ]);
    expect(await it.store.rowRecord(it.run.id, 0)).toMatchObject({ attempts: 1, errorType: 'overloaded_error' });
    // And once more: a collect every night changes nothing.
    expect(await it.finish()).toBe('blocked');
    expect(await it.store.rowRecord(it.run.id, 0)).toMatchObject({ state: 'retry', attempts: 1 });
  });

  test.each(everyWay)(
    '%s is made again from the same input, and the row is tried (%s)',
    async (_what, _lane, change) => {
      const it = await two(_lane);
      damage(it, change);
      expect(await it.finish()).toBe('blocked');
      expect(await it.ingest(rows(ROWS), it.options)).toMatchObject({ restored: 1 });
      expect(await it.finish()).toBe('done');
      expect((await it.store.run(it.run.id))?.rows).toMatchObject({ succeeded: ROWS });
    },
  );
});

test('the run stands still only when nothing else of it is left to be moved', async () => {
  const it = await two('batch');
  damage(it, () => null);
  expect(await it.finish()).toBe('blocked');
  const told = it.events.flatMap((event) => {
    if (event.kind === 'blocked') return [event.message.includes('nothing else is left') ? 'run' : 'chunk 1'];
    return event.kind === 'chunk.collected' && event.chunkNo === 3 ? ['chunk 3 collected'] : [];
  });
  expect(told).toEqual(['chunk 1', 'chunk 3 collected', 'run']);
});

test('rows that wait in the lane when the first of them finds the damage are not called', async () => {
  const room = lab({ pacing: { concurrency: 1 } });
  const run = await room.submit(rows(3), { settings: { retryLane: 'realtime' } });
  const the = await room.session();
  await uploadRound(the, [run.id]);
  const lines = [0, 1, 2].map((at) => erroredLine(wire(run, 1, at)));
  room.api.end('msgbatch_1', lines, { errored: 3 });
  await poll(the);
  await collectRound(the, [run.id]);
  const path = room.files.locate(paths.body(run.id, 1));
  room.disk.put(
    path,
    Buffer.from((room.disk.contents().get(path)?.toString() ?? '').replaceAll('messages', 'messag"s')),
  );
  const request = { runIds: null, once: false, goal: 'finish', holder: HOLDER, retryLockMs: 0 } as const;
  expect(await room.clock.run(drive(room.engine, { ...request, asCompleted: null }))).toBe('blocked');
  expect(room.api.calls).not.toContain('message');
  const records = await room.store.rowRecords(run.id, { limit: 9 });
  expect(records.map(({ state, attempts }) => [state, attempts])).toEqual([0, 1, 2].map(() => ['retry', 1]));
});

test('a run that was opened again has its files mended: those of its rows that wait, and no others', async () => {
  const it = await two('none');
  expect(await it.finish()).toBe('done');
  await (await it.driver()).reopen(it.run.id, ['failed'], it.clock.now());
  it.db.run("UPDATE rows SET state = 'failed' WHERE run_id = ? AND home_chunk_no = 2", it.run.id);
  it.db.run('UPDATE runs SET row_retry = 1, row_failed = 1 WHERE id = ?', it.run.id);
  const before = it.disk.contents().get(it.body)?.toString();
  for (const chunkNo of [1, 2]) await it.files.remove(paths.body(it.run.id, chunkNo));
  expect(await it.ingest(rows(ROWS), it.options)).toMatchObject({ restored: 1 });
  expect(it.disk.contents().get(it.body)?.toString()).toBe(before);
});

test('a sealed chunk of retries is made again as well', async () => {
  const it = await two('batch');
  const full = { ...it.engine, pacing: { ...it.engine.pacing, maxBatches: 0 } };
  const request = { runIds: null, once: true, goal: 'finish', holder: HOLDER, retryLockMs: 0 } as const;
  await it.clock.run(drive(full, { ...request, asCompleted: null }));
  const path = it.files.locate(paths.body(it.run.id, 3));
  const before = it.disk.contents().get(path)?.toString();
  expect(before).toContain(wire(it.run, 3, 1));
  it.disk.put(path, null);
  expect(await it.ingest(rows(ROWS), it.options)).toMatchObject({ restored: 1 });
  expect(it.disk.contents().get(path)?.toString()).toBe(before);
  expect(await it.finish()).toBe('done');
});
