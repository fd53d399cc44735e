/**
 * Files on disk, durable as the design asks: temporary name, write, fsync, rename, fsync of the folder. A reader
 * never sees half a file, and after `commit` a power cut does not take it away.
 *
 * Disk-full and permission errors come out as E_DISK_FULL and E_FILE with the path; the caller keeps its state.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, open, readdir, rename, rm, stat, type FileHandle } from 'node:fs/promises';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { BatchrunError, systemCodeOf } from '../base/errors.ts';
import type { AppendLog, FileReader, Files, FileWriter } from '../domain/ports.ts';
import { fileError } from './file-error.ts';

export { fileError } from './file-error.ts';

/** Only the owner: prompts and answers are in these files. */
const FOLDER_MODE = 0o700;
/** Pieces of a stream: large enough that the calls cost nothing, small enough for flat memory. */
const STREAM_BYTES = 512 * 1024;

/** `passing`: what is written is gone before the command ends, whatever it finds. Then a power cut may take it. */
export function createDiskFiles(root: string, { passing = false }: { readonly passing?: boolean } = {}): Files {
  const locate = (path: string): string => (isAbsolute(path) ? path : join(resolve(root), path));
  return {
    locate,
    create: (path) => guarded(locate(path), (file) => createWriter(file, { foreign: isAbsolute(path), passing })),
    openAppend: (path, committedBytes) => guarded(locate(path), (file) => openLog(file, committedBytes)),
    open: (path) => guarded(locate(path), openReader),
    stream: (path, start = 0, end, reuse = false) => streamFile(locate(path), { start, end, reuse }),
    size: (path) => guarded(locate(path), sizeOf),
    list: (path) => guarded(locate(path), listFolder),
    remove: (path) => guarded(locate(path), (file) => rm(file, { force: true })),
    removeFolder: (path) => guarded(locate(path), (file) => rm(file, { recursive: true, force: true })),
    folderBytes: (path) => guarded(locate(path), folderBytes),
  };
}

/** Runs a file operation and turns what the system says into an error that names the file. */
async function guarded<T>(file: string, work: (file: string) => Promise<T>): Promise<T> {
  try {
    return await work(file);
  } catch (error) {
    throw fileError(error, file);
  }
}

/** A file of the state has lost its end. The path is a fact of its own: callers ask whose file it is. */
function tooShort(file: string, what: string): BatchrunError {
  return new BatchrunError('E_STATE_CORRUPT', `${file} ${what}`, { details: { file } });
}

interface WriterOptions {
  /** Outside the state: an output. */
  readonly foreign: boolean;
  readonly passing: boolean;
}

async function createWriter(file: string, { foreign, passing }: WriterOptions): Promise<FileWriter> {
  // Folders of the state are ours to make; a missing folder of an output is more likely a mistyped path.
  if (!foreign) await makeFolder(dirname(file));
  const temporary = `${file}.${randomBytes(4).toString('hex')}.tmp`;
  // An output belongs to whoever runs the command, with the usual permissions; the state is the owner's alone.
  const handle = await open(temporary, 'wx', foreign ? 0o666 : 0o600);
  let bytes = 0;
  let closed = false;
  const close = async (): Promise<void> => {
    if (closed) return;
    closed = true;
    await handle.close();
  };
  return {
    get bytes() {
      return bytes;
    },
    write: (data) => guarded(file, async () => void (bytes += await writeAll(handle, data))),
    commit: (permit) =>
      guarded(file, async () => {
        if (!passing) await handle.sync();
        await close();
        await permit?.();
        await rename(temporary, file);
        if (!passing) await syncFolder(dirname(file));
      }),
    abort: async () => {
      // Best effort: what stays is a temporary file that nobody counts.
      await close().catch(() => undefined);
      await rm(temporary, { force: true }).catch(() => undefined);
    },
  };
}

async function writeAll(handle: FileHandle, data: Uint8Array): Promise<number> {
  for (let done = 0; done < data.byteLength;) {
    const { bytesWritten } = await handle.write(data, done, data.byteLength - done);
    done += bytesWritten;
  }
  return data.byteLength;
}

async function openLog(file: string, committedBytes: number): Promise<AppendLog> {
  await makeFolder(dirname(file));
  const fresh = (await sizeOf(file)) === null;
  // Not in append mode: what lies beyond the committed length is cut, and writing goes on from there.
  const handle = await open(file, fresh ? 'wx' : 'r+', 0o600);
  const { size } = await handle.stat();
  if (size < committedBytes) {
    await handle.close();
    throw tooShort(file, `has ${size} bytes; ${committedBytes} were committed`);
  }
  if (size > committedBytes) await handle.truncate(committedBytes);
  if (fresh) await syncFolder(dirname(file));
  let bytes = committedBytes;
  return {
    get bytes() {
      return bytes;
    },
    append: (data) =>
      guarded(file, async () => {
        for (let done = 0; done < data.byteLength;) {
          const { bytesWritten } = await handle.write(data, done, data.byteLength - done, bytes + done);
          done += bytesWritten;
        }
        bytes += data.byteLength;
      }),
    sync: () => guarded(file, () => handle.sync()),
    close: () => guarded(file, () => handle.close()),
  };
}

async function openReader(file: string): Promise<FileReader> {
  const handle = await open(file, 'r');
  const { size } = await handle.stat();
  return {
    bytes: size,
    read: (offset, length, memory) =>
      guarded(file, async () => {
        const buffer = memory?.subarray(0, length) ?? Buffer.allocUnsafe(length);
        for (let done = 0; done < length;) {
          const { bytesRead } = await handle.read(buffer, done, length - done, offset + done);
          if (bytesRead === 0) throw tooShort(file, `ends at ${offset + done}; ${offset + length} bytes were expected`);
          done += bytesRead;
        }
        return buffer;
      }),
    close: () => guarded(file, () => handle.close()),
  };
}

interface Span {
  readonly start: number;
  readonly end: number | undefined;
  readonly reuse: boolean;
}

async function* streamFile(file: string, { start, end, reuse }: Span): AsyncGenerator<Buffer> {
  const handle = await guarded(file, () => open(file, 'r'));
  try {
    const last = end ?? (await handle.stat()).size;
    let [current, previous]: (Buffer | undefined)[] = [];
    for (let at = start; at < last;) {
      const bytes = Math.min(STREAM_BYTES, last - at);
      // The one before may still be in use: two take turns.
      const memory: Buffer = reuse && previous ? previous : Buffer.allocUnsafe(bytes);
      [current, previous] = [memory, current];
      const piece = memory.length === bytes ? memory : memory.subarray(0, bytes);
      const { bytesRead } = await guarded(file, () => handle.read(piece, 0, piece.length, at));
      if (bytesRead === 0) throw tooShort(file, `ends at ${at}; ${last} bytes were expected`);
      at += bytesRead;
      yield bytesRead === piece.length ? piece : piece.subarray(0, bytesRead);
    }
  } finally {
    await handle.close();
  }
}

async function sizeOf(file: string): Promise<number | null> {
  try {
    return (await stat(file)).size;
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return null;
    throw error;
  }
}

/** Makes a folder with its parents, and makes each of the new ones durable in its own parent. */
async function makeFolder(folder: string): Promise<void> {
  const first = await mkdir(folder, { recursive: true, mode: FOLDER_MODE });
  if (first === undefined) return;
  for (let made = folder; made.length >= first.length; made = dirname(made)) await syncFolder(dirname(made));
}

/** A rename is durable only once its folder is. Some file systems cannot sync a folder; then nothing more can be done. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } catch (error) {
    if (!['EINVAL', 'EPERM', 'EISDIR', 'ENOTSUP'].includes(systemCodeOf(error) ?? '')) throw error;
  } finally {
    await handle.close();
  }
}

async function listFolder(folder: string): Promise<readonly string[]> {
  try {
    return (await readdir(folder)).sort();
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return [];
    throw error;
  }
}

async function folderBytes(folder: string): Promise<number> {
  let total = 0;
  const entries = await readdir(folder, { withFileTypes: true }).catch((error: unknown) => {
    if (systemCodeOf(error) === 'ENOENT') return [];
    throw error;
  });
  for (const entry of entries) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) total += await folderBytes(path);
    else if (entry.isFile()) total += (await sizeOf(path)) ?? 0;
  }
  return total;
}
