/**
 * Files in memory that forget what was not synced: the disk of the simulations.
 *
 * It behaves like disk-files.ts where a caller can tell (test/contract/files.suite.ts runs on both), and besides
 * can crash: files that were never committed vanish, and of the bytes of a log beyond its last sync a seeded part is
 * lost, torn or read back as zeros. Nothing here touches the real file system, so every run of one seed is the same.
 */
import { posix } from 'node:path';
import { BatchrunError } from '../../src/base/errors.ts';
import { chance, integerBetween, seededRng, type Rng } from '../../src/base/random.ts';
import type { AppendLog, FileReader, Files, FileWriter } from '../../src/domain/ports.ts';

export interface MemoryFilesOptions {
  /** Where relative paths lie. */
  readonly root?: string;
  /** Decides where a crash tears the logs. */
  readonly seed?: string | number;
  /** Pieces of a stream. */
  readonly streamBytes?: number;
  /** A crash leaves what was being written under a temporary name, as a disk does; without it, it vanishes. */
  readonly keepsTemporaries?: boolean;
}

export interface MemoryDisk {
  /** A port for one life of the process. After `crash` everything that hangs on it throws. */
  files(): Files;
  /** The power goes: what was not synced is lost or torn, and ports handed out before are dead. */
  crash(): void;
  /** The process ends or is killed: its ports are dead, and what it wrote stays, synced or not. */
  exit(): void;
  /** The disk takes this many more bytes, then writes fail with E_DISK_FULL; null: as many as one likes. */
  failAfterBytes(bytes: number | null): void;
  /** Makes a folder that is not below the root, for outputs. */
  makeFolder(path: string): void;
  /** Paths of all files, and what is in them. */
  contents(): ReadonlyMap<string, Buffer>;
  /** Puts a file there as it is, past every promise: what a broken file system or a stranger left. Null removes it. */
  put(path: string, bytes: Uint8Array | null): void;
  /** Paths of files that were begun and neither committed nor thrown away. */
  unfinished(): readonly string[];
}

/** Bytes in memory, of which the first `synced` survive a crash. */
class MemoryFile {
  synced = 0;
  #bytes = Buffer.alloc(256);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  write(data: Uint8Array, at: number): void {
    const end = at + data.byteLength;
    if (end > this.#bytes.length) {
      const larger = Buffer.alloc(Math.max(end, this.#bytes.length * 2));
      this.#bytes.copy(larger, 0, 0, this.#length);
      this.#bytes = larger;
    }
    this.#bytes.set(data, at);
    this.#length = Math.max(this.#length, end);
  }

  truncate(length: number): void {
    this.#length = length;
    this.synced = Math.min(this.synced, length);
  }

  slice(start: number, end: number): Buffer {
    return Buffer.from(this.#bytes.subarray(start, Math.min(end, this.#length)));
  }

  /** A part of the unsynced bytes is there, perhaps followed by zeros: a size that was written before its data. */
  tear(rng: Rng): void {
    const kept = integerBetween(rng, this.synced, this.#length);
    const end = chance(rng, 0.25) ? integerBetween(rng, kept, this.#length) : kept;
    this.#bytes.fill(0, kept, end);
    this.#length = end;
    this.synced = end;
  }
}

class Disk {
  readonly root: string;
  readonly streamBytes: number;
  readonly entries = new Map<string, MemoryFile>();
  readonly folders = new Set<string>(['/']);
  readonly rng: Rng;
  readonly keepsTemporaries: boolean;
  /** Writers that are neither committed nor aborted. */
  readonly open = new Set<{ readonly name: string; readonly file: MemoryFile }>();
  room: number | null = null;
  life = 0;
  #temporaries = 0;

  constructor(options: MemoryFilesOptions) {
    this.root = options.root ?? '/state';
    this.streamBytes = options.streamBytes ?? 64 * 1024;
    this.rng = seededRng(options.seed ?? 1);
    this.keepsTemporaries = options.keepsTemporaries ?? false;
    this.makeFolder(this.root);
  }

  locate(path: string): string {
    return posix.isAbsolute(path) ? posix.normalize(path) : posix.join(this.root, path);
  }

  makeFolder(path: string): void {
    for (let at = path; at !== '/'; at = posix.dirname(at)) {
      if (this.entries.has(at)) throw new BatchrunError('E_FILE', `${path}: a part of the path is a file`);
      this.folders.add(at);
    }
  }

  put(name: string, bytes: Uint8Array | null): void {
    this.entries.delete(name);
    if (bytes === null) return;
    this.makeFolder(posix.dirname(name));
    const file = new MemoryFile();
    file.write(bytes, 0);
    file.synced = file.length;
    this.entries.set(name, file);
  }

  /** Takes room for these bytes; gives how many fit. */
  take(bytes: number): number {
    if (this.room === null) return bytes;
    const fits = Math.min(this.room, bytes);
    this.room -= fits;
    return fits;
  }

  exit(): void {
    this.life++;
    for (const { name, file } of this.open) {
      if (this.keepsTemporaries) this.entries.set(`${name}.${++this.#temporaries}.tmp`, file);
    }
    this.open.clear();
  }

  crash(): void {
    this.exit();
    for (const file of this.entries.values()) file.tear(this.rng);
  }
}

export function createMemoryFiles(options: MemoryFilesOptions = {}): MemoryDisk {
  const disk = new Disk(options);
  return {
    files: () => portOn(disk),
    crash: () => disk.crash(),
    exit: () => disk.exit(),
    failAfterBytes: (bytes) => {
      disk.room = bytes;
    },
    makeFolder: (path) => disk.makeFolder(path),
    unfinished: () => [...disk.open].map(({ name }) => name),
    put: (path, bytes) => disk.put(disk.locate(path), bytes),
    contents: () => new Map([...disk.entries].map(([path, file]) => [path, file.slice(0, file.length)])),
  };
}

function portOn(disk: Disk): Files {
  const { life } = disk;
  const alive = (): void => {
    if (disk.life !== life) throw new Error('this process has crashed: its files are closed');
  };
  const found = (path: string): MemoryFile => {
    const file = disk.entries.get(disk.locate(path));
    if (file) return file;
    const reason = disk.folders.has(disk.locate(path)) ? 'it is a folder' : 'no such file or folder';
    throw new BatchrunError('E_FILE', `${disk.locate(path)}: ${reason}`);
  };
  const below = (path: string): [string, MemoryFile][] => {
    const folder = `${disk.locate(path)}/`;
    return [...disk.entries].filter(([name]) => name.startsWith(folder));
  };
  return {
    locate: (path) => disk.locate(path),
    async create(path) {
      alive();
      return createWriter(disk, path, alive);
    },
    async openAppend(path, committedBytes) {
      alive();
      return openLog(disk, { path: disk.locate(path), committedBytes }, alive);
    },
    async open(path) {
      alive();
      return openReader(found(path), { path: disk.locate(path), alive });
    },
    async *stream(path, start = 0, end) {
      alive();
      const file = found(path);
      const last = end ?? file.length;
      for (let at = start; at < last;) {
        alive();
        const piece = file.slice(at, Math.min(last, at + disk.streamBytes));
        if (piece.length === 0) throw tooShort(disk.locate(path), { end: at, expected: last });
        at += piece.length;
        yield piece;
      }
    },
    async size(path) {
      alive();
      return disk.entries.get(disk.locate(path))?.length ?? null;
    },
    async list(path) {
      alive();
      const folder = disk.locate(path);
      const all = [...disk.entries.keys(), ...disk.folders].filter((name) => name !== '/');
      return all
        .filter((name) => posix.dirname(name) === folder)
        .map((name) => posix.basename(name))
        .sort();
    },
    async remove(path) {
      alive();
      disk.entries.delete(disk.locate(path));
    },
    async removeFolder(path) {
      alive();
      for (const [name] of below(path)) disk.entries.delete(name);
      const folder = disk.locate(path);
      for (const name of disk.folders) {
        if (name === folder || name.startsWith(`${folder}/`)) disk.folders.delete(name);
      }
    },
    async folderBytes(path) {
      alive();
      return below(path).reduce((sum, [, file]) => sum + file.length, 0);
    },
  };
}

function createWriter(disk: Disk, path: string, alive: () => void): FileWriter {
  const name = disk.locate(path);
  const folder = posix.dirname(name);
  if (!posix.isAbsolute(path)) disk.makeFolder(folder);
  else if (!disk.folders.has(folder)) throw new BatchrunError('E_FILE', `${name}: no such file or folder`);
  const file = new MemoryFile();
  const entry = { name, file };
  disk.open.add(entry);
  let bytes = 0;
  let open = true;
  const close = (): void => {
    open = false;
    disk.open.delete(entry);
  };
  return {
    get bytes() {
      return bytes;
    },
    async write(data) {
      alive();
      if (!open) throw new BatchrunError('E_FILE', `${name}: the file is closed`);
      const fits = disk.take(data.byteLength);
      file.write(data.subarray(0, fits), bytes);
      if (fits < data.byteLength) throw diskFull(name);
      bytes += data.byteLength;
    },
    async commit(permit) {
      await permit?.();
      alive();
      if (!open) throw new BatchrunError('E_FILE', `${name}: the file is closed`);
      close();
      if (disk.folders.has(name)) throw new BatchrunError('E_FILE', `${name}: it is a folder`);
      if (!disk.folders.has(folder)) throw new BatchrunError('E_FILE', `${name}: no such file or folder`);
      file.synced = file.length;
      disk.entries.set(name, file);
    },
    async abort() {
      close();
    },
  };
}

function openLog(disk: Disk, log: { path: string; committedBytes: number }, alive: () => void): AppendLog {
  const { path, committedBytes } = log;
  disk.makeFolder(posix.dirname(path));
  if (disk.folders.has(path)) throw new BatchrunError('E_FILE', `${path}: it is a folder`);
  let file = disk.entries.get(path);
  if (!file) disk.entries.set(path, (file = new MemoryFile()));
  const opened = file;
  if (opened.length < committedBytes) {
    throw new BatchrunError('E_STATE_CORRUPT', `${path} has ${opened.length} bytes; ${committedBytes} were committed`);
  }
  opened.truncate(committedBytes);
  let bytes = committedBytes;
  let open = true;
  const usable = (): void => {
    alive();
    if (!open) throw new BatchrunError('E_FILE', `${path}: the file is closed`);
  };
  return {
    get bytes() {
      return bytes;
    },
    async append(data) {
      usable();
      const fits = disk.take(data.byteLength);
      // As on a disk: what fitted is there, but the log does not count it and writes over it next time.
      opened.write(data.subarray(0, fits), bytes);
      if (fits < data.byteLength) throw diskFull(path);
      bytes += data.byteLength;
    },
    async sync() {
      usable();
      opened.synced = opened.length;
    },
    async close() {
      usable();
      open = false;
    },
  };
}

function openReader(file: MemoryFile, { path, alive }: { path: string; alive: () => void }): FileReader {
  let open = true;
  return {
    bytes: file.length,
    async read(offset, length) {
      alive();
      if (!open) throw new BatchrunError('E_FILE', `${path}: the file is closed`);
      if (offset + length > file.length) throw tooShort(path, { end: file.length, expected: offset + length });
      return file.slice(offset, offset + length);
    },
    async close() {
      open = false;
    },
  };
}

function tooShort(path: string, { end, expected }: { end: number; expected: number }): BatchrunError {
  return new BatchrunError('E_STATE_CORRUPT', `${path} ends at ${end}; ${expected} bytes were expected`);
}

function diskFull(path: string): BatchrunError {
  return new BatchrunError('E_DISK_FULL', `the disk is full: writing ${path}`);
}
