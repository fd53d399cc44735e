/**
 * What the disk of the simulations shows of a process that is gone, and what a test may put on it.
 */
import { describe, expect, test } from 'vitest';
import { createMemoryFiles } from '../support/memory-files.ts';
import { bytes, put, textOf } from './files.suite.ts';

describe('a process that ends', () => {
  test('leaves what it wrote, synced or not, and its ports are dead', async () => {
    const disk = createMemoryFiles();
    const files = disk.files();
    const log = await files.openAppend('log', 0);
    await log.append(bytes('unsynced'));
    disk.exit();
    expect(await textOf(disk.files(), 'log')).toBe('unsynced');
    await expect(files.size('log')).rejects.toThrow('closed');
    await expect(log.append(bytes('more'))).rejects.toThrow('closed');
  });

  test('leaves the files that it had begun under temporary names, where that is wished', async () => {
    const disk = createMemoryFiles({ keepsTemporaries: true });
    const files = disk.files();
    await put(files, 'folder/whole', 'whole');
    const thrownAway = await files.create('folder/gone');
    await thrownAway.abort();
    const begun = await files.create('folder/begun');
    await begun.write(bytes('beg'));
    expect(disk.unfinished()).toEqual(['/state/folder/begun']);
    disk.exit();
    expect(disk.unfinished()).toEqual([]);
    expect(await disk.files().list('folder')).toEqual(['begun.1.tmp', 'whole']);
    expect(await textOf(disk.files(), 'folder/begun.1.tmp')).toBe('beg');
  });
});

test('a test puts and removes files as it likes', async () => {
  const disk = createMemoryFiles();
  disk.put('a/b', bytes('text'));
  expect(await textOf(disk.files(), 'a/b')).toBe('text');
  disk.crash();
  expect(await textOf(disk.files(), 'a/b')).toBe('text');
  disk.put('a/b', null);
  expect(await disk.files().size('a/b')).toBeNull();
});
