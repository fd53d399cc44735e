/**
 * A sweep beside processes that read: it takes nothing from under somebody who has just begun or just ended.
 */
import { expect, test } from 'vitest';
import { paths } from '../../../../src/domain/ids.ts';
import { sweep } from '../../../../src/engine/cleanup/sweep.ts';
import { errorOf, lab, rows, type Lab } from '../lab.ts';

test('that comes in the instant in which a reader takes its lock sees nothing of the run', async () => {
  const it = lab();
  const { tryAcquire } = it.engine.locks;
  const seen: string[] = [];
  const readers: string[] = [];
  Object.assign(it.engine.locks, {
    tryAcquire: async (path: string) => {
      // As on a disk: the file of a lock is there before the lock is held.
      await (await it.files.create(path)).commit();
      seen.push(...(await it.files.list('runs')));
      readers.push(path);
      return tryAcquire(path);
    },
  });
  const run = await it.submit(rows(2));
  expect(readers).toEqual([paths.ingestLock(run.id)]);
  expect(seen).toEqual([]);
  expect(it.disk.contents().has(paths.ingestLock(run.id))).toBe(false);
});

test('that finds a lock without its holder takes the run and the lock away', async () => {
  const it = lab();
  const made = await it.submit(rows(1));
  await it.store.beginRun({ ...made, id: 'run_dead' });
  await (await it.files.create(paths.body('run_dead', 1))).commit();
  await (await it.files.create(paths.ingestLock('run_dead'))).commit();
  await sweep(it.engine);
  expect((await it.store.runs({ ingesting: true })).map((run) => run.id)).toEqual([made.id]);
  expect([...it.disk.contents().keys()].filter((path) => path.includes('run_dead'))).toEqual([]);
});

test('leaves the files of a run that became ready between its look and its hand', async () => {
  const it = lab();
  const made = await it.submit(rows(1));
  await it.store.beginRun({ ...made, id: 'run_other' });
  await (await it.files.create(paths.body('run_other', 1))).commit();
  const { deleteIngesting } = it.store;
  Object.assign(it.store, {
    deleteIngesting: (id: string) => {
      it.db.run("UPDATE runs SET state = 'ready' WHERE id = ?", id);
      return deleteIngesting(id);
    },
  });
  await sweep(it.engine);
  expect((await it.store.run('run_other'))?.state).toBe('ready');
  expect(await it.files.list('runs/run_other/chunks')).toEqual(['000001.json']);
});

test('leaves the chunks of a run that the ledger does not know, and says that the ledger is an older one', async () => {
  const it = lab();
  await (await it.files.create(paths.body('run_lost', 1))).commit();
  const before = [...it.disk.contents().keys()];
  await expect(sweep(it.engine)).rejects.toMatchObject({
    code: 'E_STATE_CORRUPT',
    message: expect.stringContaining('run_lost'),
    hint: expect.stringContaining('state.db'),
  });
  expect([...it.disk.contents().keys()]).toEqual(before);
});

test('takes no lock of a run that the ledger does not know: its file would be the mark of a reader for the next one', async () => {
  const it = lab();
  for (const path of [paths.body('run_lost', 1), paths.results('run_lost', 1)]) {
    await (await it.files.create(path)).commit();
  }
  leaveFiles(it);
  const before = [...it.disk.contents().keys()];
  const list = it.engine.files.list.bind(it.engine.files);
  const ends: Promise<unknown>[] = [];
  const inTheMiddle = async (path: string): Promise<readonly string[]> => {
    // Another command comes while this one looks.
    if (path.includes('run_lost') && ends.length === 0) ends.push(errorOf(sweep(it.engine)));
    await Promise.all(ends);
    return list(path);
  };
  const first = sweep({ ...it.engine, files: { ...it.engine.files, list: inTheMiddle } });
  await expect(first).rejects.toMatchObject({ code: 'E_STATE_CORRUPT' });
  expect(await Promise.all(ends)).toMatchObject([{ code: 'E_STATE_CORRUPT' }]);
  // One that was killed while it looked has left nothing either.
  await expect(sweep(it.engine)).rejects.toMatchObject({ code: 'E_STATE_CORRUPT' });
  expect([...it.disk.contents().keys()]).toEqual(before);
});

test('that is killed while it clears away what a reader left is done again by the next', async () => {
  const it = lab();
  const made = await it.submit(rows(1));
  await it.store.beginRun({ ...made, id: 'run_dead' });
  await (await it.files.create(paths.body('run_dead', 1))).commit();
  leaveFiles(it);
  const killed = {
    ...it.files,
    removeFolder: () => Promise.reject(new Error('killed')),
    remove: async () => undefined,
  };
  await expect(sweep({ ...it.engine, files: killed })).rejects.toThrow('killed');
  expect(await it.store.run('run_dead')).toBeNull();
  await sweep(it.engine);
  expect([...it.disk.contents().keys()].filter((path) => path.includes('run_dead'))).toEqual([]);
});

test('takes the mark away of a reader that was killed when its run was ready, and nothing else', async () => {
  const it = lab();
  const run = await it.submit(rows(1));
  const before = [...it.disk.contents().keys()];
  await (await it.files.create(paths.ingestLock(run.id))).commit();
  await sweep(it.engine);
  expect([...it.disk.contents().keys()]).toEqual(before);
  // So an older ledger, which does not know the run, is not taken for what a reader left.
  it.db.run('DELETE FROM runs WHERE id = ?', run.id);
  await expect(sweep(it.engine)).rejects.toMatchObject({ code: 'E_STATE_CORRUPT' });
});

test.each([
  ['the lock of its reader', paths.ingestLock('run_dead')],
  ['the lock of its reader where version 0.1.0 had it', paths.formerIngestLock('run_dead')],
])('takes chunks away that have %s beside them', async (_what, lock) => {
  const it = lab();
  await (await it.files.create(paths.body('run_dead', 1))).commit();
  await (await it.files.create(lock)).commit();
  await sweep(it.engine);
  expect([...it.disk.contents().keys()].filter((path) => path.includes('run_dead'))).toEqual([]);
});

test('takes a folder away that has no chunks, and what is left of a pruned run', async () => {
  const it = lab();
  await (await it.files.create(paths.invalid('run_empty'))).commit();
  await (await it.files.create(paths.body('run_pruned', 1))).commit();
  const stone = {
    fingerprint: 'f',
    runId: 'run_pruned',
    name: null,
    rows: 1,
    doneAtMs: 1,
    prunedAtMs: 2,
    output: null,
  };
  Object.assign(it.store, { tombstones: () => Promise.resolve([stone]) });
  await sweep(it.engine);
  expect([...it.disk.contents().keys()].filter((path) => path.startsWith('runs/'))).toEqual([]);
});

/** As on a disk: the file of a lock stays when its holder dies. */
function leaveFiles({ engine, files }: Lab): void {
  const { tryAcquire } = engine.locks;
  Object.assign(engine.locks, {
    tryAcquire: async (path: string) => {
      const lock = await tryAcquire(path);
      if (lock) await (await files.create(path)).commit();
      return lock;
    },
  });
}
