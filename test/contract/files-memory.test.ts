/**
 * The disk of the simulations: the contract of files, and what a crash and a full disk do to it.
 */
import { describe, expect, test } from 'vitest';
import type { Files } from '../../src/domain/ports.ts';
import { createMemoryFiles, type MemoryDisk } from '../support/memory-files.ts';
import { bytes, filesSuite, put, textOf } from './files.suite.ts';

filesSuite('in memory', () => {
  const disk = createMemoryFiles();
  disk.makeFolder('/outputs');
  return { files: disk.files(), outside: '/outputs', makeFolder: (path) => disk.makeFolder(path) };
});

async function logWith(files: Files, { synced, more }: { synced: string; more: string }): Promise<void> {
  const log = await files.openAppend('log', 0);
  await log.append(bytes(synced));
  await log.sync();
  await log.append(bytes(more));
}

/** What is left of a log of 4 synced and 6 unsynced bytes, by seed. */
async function torn(seed: number): Promise<string> {
  const disk = createMemoryFiles({ seed });
  await logWith(disk.files(), { synced: 'safe', more: 'unsafe' });
  disk.crash();
  return textOf(disk.files(), 'log');
}

describe('a crash', () => {
  test('takes files that were not committed and keeps those that were', async () => {
    const disk = createMemoryFiles();
    const files = disk.files();
    await put(files, 'kept', 'old');
    const replacing = await files.create('kept');
    await replacing.write(bytes('new'));
    const fresh = await files.create('fresh');
    await fresh.write(bytes('x'));
    disk.crash();
    const after = disk.files();
    expect(await textOf(after, 'kept')).toBe('old');
    expect(await after.list('.')).toEqual(['kept']);
  });

  test('keeps what a log has synced, and of the rest loses, tears or zeroes a part', async () => {
    const left = await Promise.all(Array.from({ length: 200 }, (_, seed) => torn(seed)));
    for (const text of left) {
      expect(text.startsWith('safe')).toBe(true);
      const tail = text.slice(4).replace(/\0+$/, '');
      expect('unsafe'.startsWith(tail)).toBe(true);
      expect(text.length).toBeLessThanOrEqual(10);
    }
    expect(left).toContain('safe');
    expect(left).toContain('safeunsafe');
    expect(left.some((text) => text.length > 4 && text.length < 10)).toBe(true);
    expect(left.some((text) => text.includes('\0'))).toBe(true);
  });

  test('is the same for one seed', async () => {
    for (let seed = 0; seed < 20; seed++) expect(await torn(seed)).toBe(await torn(seed));
  });

  test('does not tear what was torn once', async () => {
    const disk = createMemoryFiles({ seed: 7 });
    await logWith(disk.files(), { synced: '', more: 'a longer tail' });
    disk.crash();
    const once = await textOf(disk.files(), 'log');
    disk.crash();
    expect(await textOf(disk.files(), 'log')).toBe(once);
  });

  test('kills everything that the dead process held', async () => {
    const disk = createMemoryFiles();
    const files = disk.files();
    await put(files, 'x', 'x');
    const writer = await files.create('y');
    const log = await files.openAppend('log', 0);
    const reader = await files.open('x');
    const stream = files.stream('x')[Symbol.asyncIterator]();
    disk.crash();
    const dead = [
      () => writer.write(bytes('y')),
      () => writer.commit(),
      () => log.append(bytes('y')),
      () => log.sync(),
      () => reader.read(0, 1),
      () => stream.next(),
      () => files.create('z'),
      () => files.openAppend('log', 0),
      () => files.open('x'),
      () => files.size('x'),
      () => files.list('.'),
      () => files.remove('x'),
      () => files.removeFolder('.'),
      () => files.folderBytes('.'),
    ];
    for (const call of dead) await expect(call()).rejects.toThrow('this process has crashed');
    await writer.abort();
    expect([...disk.contents().keys()]).toEqual(['/state/x', '/state/log']);
  });
});

describe('a full disk', () => {
  async function fillUp(disk: MemoryDisk, room: number): Promise<string> {
    const log = await disk.files().openAppend('log', 0);
    await log.append(bytes('1234'));
    await log.sync();
    disk.failAfterBytes(room);
    await expect(log.append(bytes('5678'))).rejects.toMatchObject({ code: 'E_DISK_FULL' });
    expect(log.bytes).toBe(4);
    disk.failAfterBytes(null);
    await log.append(bytes('abc'));
    await log.sync();
    return textOf(disk.files(), 'log');
  }

  test('fails the write that does not fit, and a log goes on where it counted', async () => {
    expect(await fillUp(createMemoryFiles(), 0)).toBe('1234abc');
    expect(await fillUp(createMemoryFiles(), 2)).toBe('1234abc');
  });

  test('fails a file at any byte, and nothing of it is seen', async () => {
    for (let room = 0; room < 10; room++) {
      const disk = createMemoryFiles();
      const files = disk.files();
      disk.failAfterBytes(room);
      const writer = await files.create('x');
      const work = async (): Promise<void> => {
        for (const piece of ['12345', '67890']) await writer.write(bytes(piece));
      };
      await expect(work()).rejects.toMatchObject({ code: 'E_DISK_FULL', exit: 1 });
      await writer.abort();
      expect(await files.list('.')).toEqual([]);
    }
  });

  test('takes as many bytes as were said', async () => {
    const disk = createMemoryFiles();
    disk.failAfterBytes(10);
    await put(disk.files(), 'x', '1234567890');
    expect(await textOf(disk.files(), 'x')).toBe('1234567890');
  });
});
