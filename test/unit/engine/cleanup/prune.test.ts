/**
 * A run that is pruned leaves the ledger before the disk, so that a retry beside it never finds a run without files; and
 * what a killed prune leaves is swept away.
 */
import { expect, test } from 'vitest';
import { paths } from '../../../../src/domain/ids.ts';
import type { RunRecord } from '../../../../src/domain/model.ts';
import { cancelRound } from '../../../../src/engine/poll/cancel.ts';
import { isStillDone, removeRun } from '../../../../src/engine/cleanup/prune.ts';
import { drive } from '../../../../src/engine/runner.ts';
import { sweep } from '../../../../src/engine/cleanup/sweep.ts';
import { HOLDER, lab, rows, type Lab } from '../lab.ts';

async function canceled(): Promise<Lab & { readonly run: RunRecord; folder(): string[] }> {
  const room = lab();
  const { id } = await room.submit(rows(2));
  await room.store.requestCancel(id, room.clock.now());
  const the = await room.session();
  await cancelRound(the, [id]);
  await the.driver.finishRun(id, room.clock.now());
  const run = await room.store.run(id);
  if (!run) throw new Error('it is there');
  const { tryAcquire } = room.engine.locks;
  Object.assign(room.engine.locks, {
    // As on a disk: the file of a lock stays when its holder dies.
    tryAcquire: async (path: string) => {
      const lock = await tryAcquire(path);
      if (lock) await (await room.files.create(path)).commit();
      return lock;
    },
  });
  return { ...room, run, folder: () => [...room.disk.contents().keys()].filter((path) => path.includes(id)) };
}

test('a canceled run and all its files go, and the same input makes a run again', async () => {
  const it = await canceled();
  expect(await removeRun(it.engine, it.run)).toBe(true);
  expect(await it.store.run(it.run.id)).toBeNull();
  expect(it.folder()).toEqual([]);
  expect(await it.ingest(rows(2))).toMatchObject({ verdict: { kind: 'ready' } });
});

test('a run that is opened again in the last instant keeps its files, and its rows are sent', async () => {
  const it = await canceled();
  const { pruneRun } = it.store;
  Object.assign(it.store, {
    pruneRun: async (runId: string, atMs: number) => {
      await (await it.driver()).reopen(runId, ['canceled'], it.clock.now());
      return pruneRun(runId, atMs);
    },
  });
  const before = it.folder();
  expect(await removeRun(it.engine, it.run)).toBe(false);
  expect(await isStillDone(it.engine, it.run)).toBe(false);
  expect(it.folder()).toEqual(before);
  const request = { runIds: [it.run.id], once: true, goal: 'finish', holder: HOLDER, retryLockMs: 0 } as const;
  await it.clock.run(drive(it.engine, { ...request, asCompleted: null }));
  expect((await it.store.run(it.run.id))?.rows).toMatchObject({ succeeded: 2 });
});

test('a run that was opened again and is done again is another one than was listed', async () => {
  const it = await canceled();
  it.db.run('UPDATE runs SET done_at_ms = done_at_ms + 1 WHERE id = ?', it.run.id);
  expect(await removeRun(it.engine, it.run)).toBe(false);
  expect(await it.store.run(it.run.id)).not.toBeNull();
});

test('what a prune leaves that was killed between the ledger and the files is swept away', async () => {
  const it = await canceled();
  const killed = { ...it.files, removeFolder: () => Promise.reject(new Error('killed')) };
  await expect(removeRun({ ...it.engine, files: killed }, it.run)).rejects.toThrow('killed');
  expect(await it.store.run(it.run.id)).toBeNull();
  expect(it.folder()).toContain(it.files.locate(paths.body(it.run.id, 1)));
  await sweep(it.engine);
  expect(it.folder()).toEqual([]);
});

test('killed before the ledger let it go: the run is as it was, and only the mark is taken away', async () => {
  const it = await canceled();
  const before = it.folder();
  Object.assign(it.store, { pruneRun: () => Promise.reject(new Error('killed')) });
  await expect(removeRun(it.engine, it.run)).rejects.toThrow('killed');
  await sweep(it.engine);
  expect(it.folder()).toEqual(before);
});
