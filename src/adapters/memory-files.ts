/**
 * Files in memory, for rehearsals: nothing of them ever touches a disk, and they are gone with the process.
 *
 * They behave like disk-files.ts where a caller can tell (test/contract/files.suite.ts runs on both) and are packed, so
 * that a million requests fit. A copy begins as they are and then goes its own way: one input is read once and rehearsed
 * several times. There is no power cut here: what is synced and what is not is the same.
 */
import { posix } from 'node:path';
import { BatchrunError } from '../base/errors.ts';
import type { AppendLog, FileReader, Files, FileWriter } from '../domain/ports.ts';
import { PackedBytes } from './packed-bytes.ts';

export interface MemoryFiles extends Files {
  /** The same files, to be changed without changing these. */
  copy(): MemoryFiles;
  /** A folder outside of the root, for outputs. */
  makeFolder(path: string): void;
}

const ROOT = '/memory';
const STREAM_BYTES = 256 * 1024;

interface Disk {
  readonly entries: Map<string, PackedBytes>;
  readonly folders: Set<string>;
}

export function createMemoryFiles(): MemoryFiles {
  return filesOn({ entries: new Map(), folders: new Set(['/', ROOT]) });
}

function locate(path: string): string {
  return posix.isAbsolute(path) ? posix.normalize(path) : posix.join(ROOT, path);
}

function filesOn(disk: Disk): MemoryFiles {
  const { entries, folders } = disk;
  const found = (path: string): PackedBytes => {
    const name = locate(path);
    const file = entries.get(name);
    if (file) return file;
    throw fileError(name, folders.has(name) ? 'it is a folder' : 'no such file or folder');
  };
  const below = (path: string): string[] => {
    const folder = `${locate(path)}/`;
    return [...entries.keys()].filter((name) => name.startsWith(folder));
  };
  return {
    locate,
    makeFolder: (path) => makeFolder(disk, path),
    copy: () =>
      filesOn({
        entries: new Map([...entries].map(([name, file]) => [name, new PackedBytes(file)])),
        folders: new Set(folders),
      }),
    create: (path) => settled(() => createWriter(disk, path)),
    openAppend: (path, committedBytes) => settled(() => openLog(disk, locate(path), committedBytes)),
    open: (path) => settled(() => openReader(found(path), locate(path))),
    async *stream(path, start = 0, end) {
      const file = await settled(() => found(path));
      const last = end ?? file.length;
      for (let at = start; at < last;) {
        const piece = file.slice(at, Math.min(last, at + STREAM_BYTES));
        if (piece.length === 0) throw tooShort(locate(path), at, last);
        at += piece.length;
        yield piece;
      }
    },
    size: (path) => Promise.resolve(entries.get(locate(path))?.length ?? null),
    list(path) {
      const folder = locate(path);
      const names = [...entries.keys(), ...folders].filter((name) => name !== '/' && posix.dirname(name) === folder);
      return Promise.resolve(names.map((name) => posix.basename(name)).sort());
    },
    remove: (path) => settled(() => void entries.delete(locate(path))),
    removeFolder: (path) =>
      settled(() => {
        const folder = locate(path);
        for (const name of below(path)) entries.delete(name);
        for (const name of folders) if (name === folder || name.startsWith(`${folder}/`)) folders.delete(name);
      }),
    folderBytes: (path) =>
      Promise.resolve(below(path).reduce((sum, name) => sum + (entries.get(name)?.length ?? 0), 0)),
  };
}

function makeFolder({ entries, folders }: Disk, path: string): void {
  for (let at = path; at !== '/'; at = posix.dirname(at)) {
    if (entries.has(at)) throw fileError(at, 'a part of the path is a file');
    folders.add(at);
  }
}

function createWriter(disk: Disk, path: string): FileWriter {
  const name = locate(path);
  const folder = posix.dirname(name);
  if (!posix.isAbsolute(path)) makeFolder(disk, folder);
  else if (!disk.folders.has(folder)) throw fileError(name, 'no such file or folder');
  const file = new PackedBytes();
  let open = true;
  const usable = (): void => {
    if (!open) throw fileError(name, 'the file is closed');
  };
  return {
    get bytes() {
      return file.length;
    },
    write: (data) =>
      settled(() => {
        usable();
        file.append(data);
      }),
    async commit(permit) {
      await permit?.();
      usable();
      open = false;
      if (disk.folders.has(name)) throw fileError(name, 'it is a folder');
      if (!disk.folders.has(folder)) throw fileError(name, 'no such file or folder');
      file.pack();
      disk.entries.set(name, file);
    },
    abort: () => settled(() => void (open = false)),
  };
}

function openLog(disk: Disk, path: string, committedBytes: number): AppendLog {
  makeFolder(disk, posix.dirname(path));
  if (disk.folders.has(path)) throw fileError(path, 'it is a folder');
  const file = disk.entries.get(path) ?? new PackedBytes();
  disk.entries.set(path, file);
  if (file.length < committedBytes) {
    throw new BatchrunError('E_STATE_CORRUPT', `${path} has ${file.length} bytes; ${committedBytes} were committed`);
  }
  file.truncate(committedBytes);
  let open = true;
  const whileOpen = (work: () => void): Promise<void> =>
    settled(() => {
      if (!open) throw fileError(path, 'the file is closed');
      work();
    });
  return {
    get bytes() {
      return file.length;
    },
    append: (data) => whileOpen(() => file.append(data)),
    sync: () => whileOpen(() => undefined),
    close: () => whileOpen(() => void (open = false)),
  };
}

function openReader(file: PackedBytes, path: string): FileReader {
  let open = true;
  return {
    bytes: file.length,
    read: (offset, length) =>
      settled(() => {
        if (!open) throw fileError(path, 'the file is closed');
        if (offset + length > file.length) throw tooShort(path, file.length, offset + length);
        return file.slice(offset, offset + length);
      }),
    close: () => settled(() => void (open = false)),
  };
}

/** A step as a promise: it runs at once, and what it throws is a rejection. */
function settled<T>(work: () => T): Promise<T> {
  return new Promise((resolve) => {
    resolve(work());
  });
}

function fileError(path: string, reason: string): BatchrunError {
  return new BatchrunError('E_FILE', `${path}: ${reason}`);
}

function tooShort(path: string, end: number, expected: number): BatchrunError {
  return new BatchrunError('E_STATE_CORRUPT', `${path} ends at ${end}; ${expected} bytes were expected`);
}
