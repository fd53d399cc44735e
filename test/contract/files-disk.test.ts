/**
 * Files on a real disk: the contract, and what only a disk has (permissions, a disk that is full).
 */
import { existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { createDiskFiles, fileError } from '../../src/adapters/disk-files.ts';
import { tempFolder } from '../support/temp.ts';
import { bytes, filesSuite, put, textOf } from './files.suite.ts';

filesSuite('on disk', () => {
  const outside = tempFolder();
  return {
    files: createDiskFiles(join(tempFolder(), 'state')),
    outside,
    makeFolder: (path) => mkdirSync(path, { recursive: true }),
  };
});

function modeOf(path: string): string {
  return (statSync(path).mode & 0o777).toString(8);
}

describe('the state on disk', () => {
  test('is the owner’s alone: folders 0700, files 0600', async () => {
    const root = join(tempFolder(), 'state');
    const files = createDiskFiles(root);
    await put(files, 'runs/a/chunks/000001.json', '{}');
    const log = await files.openAppend('runs/a/results/realtime.jsonl', 0);
    await log.close();
    for (const folder of ['', 'runs', 'runs/a', 'runs/a/chunks', 'runs/a/results']) {
      expect([folder, modeOf(join(root, folder))]).toEqual([folder, '700']);
    }
    expect(modeOf(join(root, 'runs/a/chunks/000001.json'))).toBe('600');
    expect(modeOf(join(root, 'runs/a/results/realtime.jsonl'))).toBe('600');
  });

  test('while a file is written, its temporary name is the owner’s alone as well', async () => {
    const root = tempFolder();
    const writer = await createDiskFiles(root).create('x.json');
    await writer.write(bytes('secret'));
    const [temporary = ''] = readdirSync(root);
    expect(temporary).toMatch(/^x\.json\..*\.tmp$/);
    expect(modeOf(join(root, temporary))).toBe('600');
    await writer.abort();
    expect(readdirSync(root)).toEqual([]);
  });

  test('an output has the permissions that any file of the user has', async () => {
    const folder = tempFolder();
    const before = process.umask(0o022);
    try {
      await put(createDiskFiles(tempFolder()), join(folder, 'out.jsonl'), 'x');
    } finally {
      process.umask(before);
    }
    expect(modeOf(join(folder, 'out.jsonl'))).toBe('644');
  });

  test('a relative root is one place, and relative paths lie below it', async () => {
    const files = createDiskFiles('some/state');
    expect(files.locate('runs/a')).toBe(join(process.cwd(), 'some/state/runs/a'));
  });

  test('a path through a file is E_FILE and says so', async () => {
    const root = tempFolder();
    writeFileSync(join(root, 'plain'), '');
    const files = createDiskFiles(root);
    const refused = { code: 'E_FILE', message: expect.stringContaining(join(root, 'plain/x')) };
    await expect(files.create(join(root, 'plain/x'))).rejects.toMatchObject(refused);
    await expect(files.openAppend('plain/x', 0)).rejects.toMatchObject({ code: 'E_FILE' });
    await expect(files.list('plain')).rejects.toMatchObject({ code: 'E_FILE' });
  });

  test.skipIf(!existsSync('/dev/full'))(
    'a full disk is E_DISK_FULL with the path and exit 1, and the writer can be thrown away',
    async () => {
      // /dev/full takes any open and answers every write with ENOSPC.
      const log = await createDiskFiles(tempFolder()).openAppend('/dev/full', 0);
      await expect(log.append(bytes('x'))).rejects.toMatchObject({
        code: 'E_DISK_FULL',
        exit: 1,
        message: 'the disk is full: writing /dev/full',
      });
      expect(log.bytes).toBe(0);
      await log.close();
    },
  );

  test('a log goes on at its counted length after a write that failed', async () => {
    const files = createDiskFiles(tempFolder());
    const log = await files.openAppend('log', 0);
    await log.append(bytes('good'));
    await log.sync();
    await log.close();
    await expect(log.append(bytes('x'))).rejects.toMatchObject({ code: 'E_FILE' });
    expect(await textOf(files, 'log')).toBe('good');
  });
});

describe('what the system says about files', () => {
  test.each([
    ['ENOSPC', 'E_DISK_FULL', 'the disk is full: writing /x'],
    ['EDQUOT', 'E_DISK_FULL', 'the disk is full: writing /x'],
    ['EACCES', 'E_FILE', '/x: permission denied'],
    ['EPERM', 'E_FILE', '/x: permission denied'],
    ['EROFS', 'E_FILE', '/x: the file system is read-only'],
    ['EISDIR', 'E_FILE', '/x: it is a folder'],
    ['ENOTDIR', 'E_FILE', '/x: a part of the path is a file'],
    ['ENOENT', 'E_FILE', '/x: no such file or folder'],
    ['EFBIG', 'E_FILE', '/x: the file would be larger than allowed here'],
    ['EMFILE', 'E_FILE', '/x: too many open files'],
  ])('%s becomes %s', (code, ours, message) => {
    const cause = Object.assign(new Error('too many open files'), { code });
    expect(fileError(cause, '/x')).toMatchObject({ code: ours, message, cause, details: { file: '/x', code } });
  });

  test('an error of ours stays what it is', () => {
    const own = fileError(Object.assign(new Error('x'), { code: 'ENOENT' }), '/x');
    expect(fileError(own, '/y')).toBe(own);
  });
});
