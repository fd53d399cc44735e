/**
 * Hands on the ports of a process: every single call of its files and of its ledger passes here, so that a loop can let
 * the N-th of them fail, or let the process die before or after it.
 */
import { BatchrunError } from '../../src/base/errors.ts';
import type { AppendLog, FileReader, Files, FileWriter } from '../../src/domain/ports.ts';
import type { DriverStore, Store } from '../../src/domain/store.ts';

export interface PortCall {
  readonly port: 'files' | 'store';
  readonly name: string;
  /** Of files: which one it is about. */
  readonly path: string;
  /** False for what only looks. */
  readonly writes: boolean;
}

/** Carries out the call by `go`, or does not, or says afterwards that it failed. */
export type Tap = (call: PortCall, go: () => Promise<unknown>) => Promise<unknown>;

const FILE_WRITES: ReadonlySet<string> = new Set(['create', 'write', 'commit', 'openAppend', 'append', 'sync']);

export function tapFiles(files: Files, tap: Tap): Files {
  const on: On = async <T>(name: string, path: string, go: () => Promise<T>): Promise<T> =>
    (await tap({ port: 'files', name, path, writes: FILE_WRITES.has(name) }, go)) as T;
  return {
    locate: (path) => files.locate(path),
    create: (path) => on('create', path, async () => tapWriter(await files.create(path), path, on)),
    openAppend: (path, bytes) =>
      on('openAppend', path, async () => tapLog(await files.openAppend(path, bytes), path, on)),
    open: (path) => on('open', path, async () => tapReader(await files.open(path), path, on)),
    async *stream(path, start, end) {
      const pieces = files.stream(path, start, end)[Symbol.asyncIterator]();
      for (;;) {
        const next = await on('stream', path, () => pieces.next());
        if (next.done === true) return;
        yield next.value;
      }
    },
    size: (path) => on('size', path, () => files.size(path)),
    list: (path) => on('list', path, () => files.list(path)),
    remove: (path) => on('remove', path, () => files.remove(path)),
    removeFolder: (path) => on('removeFolder', path, () => files.removeFolder(path)),
    folderBytes: (path) => on('folderBytes', path, () => files.folderBytes(path)),
  };
}

type On = <T>(name: string, path: string, go: () => Promise<T>) => Promise<T>;

/** `abort` is not tapped: it promises not to fail. */
function tapWriter(writer: FileWriter, path: string, on: On): FileWriter {
  return {
    get bytes() {
      return writer.bytes;
    },
    write: (data) => on('write', path, () => writer.write(data)),
    commit: (permit) => on('commit', path, () => writer.commit(permit)),
    abort: () => writer.abort(),
  };
}

function tapLog(log: AppendLog, path: string, on: On): AppendLog {
  return {
    get bytes() {
      return log.bytes;
    },
    append: (data) => on('append', path, () => log.append(data)),
    sync: () => on('sync', path, () => log.sync()),
    close: () => on('close', path, () => log.close()),
  };
}

/** Nor is the close of a file that was only read: nothing hangs on it. */
function tapReader(reader: FileReader, path: string, on: On): FileReader {
  return {
    bytes: reader.bytes,
    read: (offset, length) => on('read', path, () => reader.read(offset, length)),
    close: () => reader.close(),
  };
}

const STORE_READS: ReadonlySet<string> = new Set([
  ...['runs', 'run', 'chunkCounts', 'chunks', 'chunk', 'chunkIndex', 'rowRecords', 'rowRecord', 'failureCounts'],
  ...['nextRetryAtMs', 'usage', 'batches', 'batch', 'secondBatches', 'batchHistory', 'events', 'driver', 'tombstones'],
  ...['openAttempts', 'attemptsToWatch', 'knownBatchIds', 'assertDriving'],
]);

export function tapStore(store: Store, tap: Tap): Store {
  const outer = tapped(store, tap);
  return new Proxy(outer, {
    get: (inner, key) => {
      if (key !== 'takeOver') return Reflect.get(inner, key) as unknown;
      return async (holder: Parameters<Store['takeOver']>[0]): Promise<DriverStore> =>
        tapped(await inner.takeOver(holder), tap);
    },
  });
}

function tapped<T extends object>(target: T, tap: Tap): T {
  return new Proxy(target, {
    get: (inner, key) => {
      const value: unknown = Reflect.get(inner, key, inner);
      if (typeof value !== 'function' || typeof key !== 'string') return value;
      const call = { port: 'store', name: key, path: 'state.db', writes: !STORE_READS.has(key) } as const;
      return (...given: unknown[]): unknown =>
        tap(call, async () => Reflect.apply(value as (...given: unknown[]) => unknown, inner, given));
    },
  });
}

/** What a disk says, in the words of the ports. */
export function failure(code: 'E_DISK_FULL' | 'E_FILE', { name, path }: PortCall): BatchrunError {
  return new BatchrunError(code, `${path}: ${code === 'E_FILE' ? 'i/o error' : 'the disk is full'} (${name})`);
}

export interface NthOptions {
  /** The calls that count. */
  readonly only: (call: PortCall) => boolean;
  /** What happens at the N-th; `go` carries the call out. */
  readonly then: Tap;
  /** And at every such call after it. */
  readonly andOn?: boolean;
}

/** Troubles the N-th of the calls that count. `hit` says which it was; null when there were fewer. */
export class Nth {
  hit: string | null = null;
  #left: number;
  readonly #options: NthOptions;

  constructor(nth: number, options: NthOptions) {
    this.#left = nth;
    this.#options = options;
  }

  readonly tap: Tap = (call, go) => {
    if (!this.#options.only(call)) return go();
    this.#left--;
    if (this.#left > 0 || (this.#left < 0 && this.#options.andOn !== true)) return go();
    this.hit ??= `${call.port}.${call.name} of ${call.path}`;
    return this.#options.then(call, go);
  };
}
