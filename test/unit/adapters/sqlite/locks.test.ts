/**
 * Locks between real processes: one holder at a time, and the system frees the lock of a process that is killed.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { createLocks } from '../../../../src/adapters/sqlite/locks.ts';
import { tempFolder } from '../../../support/temp.ts';

const PROJECT = fileURLToPath(new URL('../../../../', import.meta.url));

describe('a lock', () => {
  test('has one holder, and the next one after its release', async () => {
    const locks = createLocks(tempFolder());
    const first = await locks.tryAcquire('lock.db');
    expect(first).not.toBeNull();
    expect(await locks.tryAcquire('lock.db')).toBeNull();
    expect(await locks.tryAcquire('lock.db')).toBeNull();
    await first?.release();
    const second = await locks.tryAcquire('lock.db');
    expect(second).not.toBeNull();
    await second?.release();
  });

  test('of another name is another lock, and its folder is made for the owner alone', async () => {
    const root = tempFolder();
    const locks = createLocks(root);
    const first = await locks.tryAcquire('lock.db');
    const other = await locks.tryAcquire('runs/a/ingest-lock.db');
    expect(other).not.toBeNull();
    expect(statSync(join(root, 'runs')).mode & 0o777).toBe(0o700);
    await first?.release();
    await other?.release();
  });

  test('is seen by another Locks of the same folder', async () => {
    const root = tempFolder();
    const held = await createLocks(root).tryAcquire('lock.db');
    expect(await createLocks(root).tryAcquire('lock.db')).toBeNull();
    await held?.release();
    const next = await createLocks(root).tryAcquire('lock.db');
    expect(next).not.toBeNull();
    await next?.release();
  });

  test('may be released twice', async () => {
    const locks = createLocks(tempFolder());
    const lock = await locks.tryAcquire('lock.db');
    await lock?.release();
    await lock?.release();
    const next = await locks.tryAcquire('lock.db');
    expect(next).not.toBeNull();
    await next?.release();
  });

  test('that somebody wrote into is emptied and taken: there is nothing in it', async () => {
    const root = tempFolder();
    const file = join(root, 'lock.db');
    writeFileSync(file, 'not a database '.repeat(500));
    const before = statSync(file).ino;
    const locks = createLocks(root);
    const held = await locks.tryAcquire('lock.db');
    expect(held).not.toBeNull();
    // The same file: a new one would be another lock than the one that another process may be taking just now.
    expect([statSync(file).ino, statSync(file).size]).toEqual([before, 0]);
    writeFileSync(file, 'not a database '.repeat(500));
    expect(await locks.tryAcquire('lock.db')).toBeNull();
    await held?.release();
  });

  test('that cannot be had for another reason is E_STATE_UNUSABLE', async () => {
    const root = tempFolder();
    mkdirSync(join(root, 'folder.db'));
    writeFileSync(join(root, 'file'), '');
    for (const path of ['folder.db', 'file/lock.db']) {
      await expect(createLocks(root).tryAcquire(path)).rejects.toMatchObject({
        code: 'E_STATE_UNUSABLE',
        message: expect.stringContaining(join(root, path)),
      });
    }
  });
});

describe('a process that holds a lock', () => {
  async function holder(file: string): Promise<ReturnType<typeof spawn>> {
    const code = `
      const raw = new (require('better-sqlite3'))(${JSON.stringify(file)}, { timeout: 0 });
      raw.exec('BEGIN EXCLUSIVE');
      process.stdout.write('held');
      setInterval(() => undefined, 1_000);`;
    const child = spawn(process.execPath, ['-e', code], { cwd: PROJECT, stdio: ['ignore', 'pipe', 'inherit'] });
    await once(child.stdout, 'data');
    return child;
  }

  test('keeps others out, and a SIGKILL frees it', async () => {
    const root = tempFolder();
    const locks = createLocks(root);
    const child = await holder(join(root, 'lock.db'));
    const gone = once(child, 'exit');
    try {
      expect(await locks.tryAcquire('lock.db')).toBeNull();
    } finally {
      child.kill('SIGKILL');
    }
    expect(await gone).toEqual([null, 'SIGKILL']);
    const lock = await locks.tryAcquire('lock.db');
    expect(lock).not.toBeNull();
    await lock?.release();
  });

  test('is kept out while we hold it', async () => {
    const root = tempFolder();
    const lock = await createLocks(root).tryAcquire('lock.db');
    const code = `
      try { new (require('better-sqlite3'))(${JSON.stringify(join(root, 'lock.db'))}, { timeout: 0 }).exec('BEGIN EXCLUSIVE'); }
      catch (error) { process.stdout.write(error.code); }`;
    const child = spawn(process.execPath, ['-e', code], { cwd: PROJECT, stdio: ['ignore', 'pipe', 'inherit'] });
    const [said] = (await once(child.stdout, 'data')) as [Buffer];
    await once(child, 'close');
    expect(said.toString()).toBe('SQLITE_BUSY');
    await lock?.release();
  });
});
