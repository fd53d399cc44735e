/**
 * A disk that is full for a while: files cannot grow, cannot be synced and get no name, and a transaction of the ledger
 * fails before anything of it is written, as SQLite's do. Whatever was there before stays.
 */
import { BatchrunError } from '../../src/base/errors.ts';
import type { Files } from '../../src/domain/ports.ts';
import type { DriverStore, Store } from '../../src/domain/store.ts';
import type { MemoryDisk } from '../support/memory-files.ts';
import { bound } from './fence.ts';

/** The state folder and the outputs may be on two file systems. */
export type FullPart = 'files' | 'ledger' | 'both';

export class FullDisk {
  readonly #disk: MemoryDisk;
  #full: FullPart | null = null;
  /** How often it was full. */
  spells = 0;

  constructor(disk: MemoryDisk) {
    this.#disk = disk;
  }

  get filesFull(): boolean {
    return this.#full === 'files' || this.#full === 'both';
  }

  get ledgerFull(): boolean {
    return this.#full === 'ledger' || this.#full === 'both';
  }

  get full(): boolean {
    return this.#full !== null;
  }

  /** Files may take a few more bytes: so a write can fail in the middle. */
  fill(part: FullPart, roomBytes: number): void {
    this.#full = part;
    this.spells++;
    if (this.filesFull) this.#disk.failAfterBytes(roomBytes);
  }

  free(): void {
    this.#full = null;
    this.#disk.failAfterBytes(null);
  }
}

export function filesOnDisk(files: Files, disk: FullDisk): Files {
  const room = (path: string): void => {
    if (disk.filesFull) throw new BatchrunError('E_DISK_FULL', `the disk is full: ${files.locate(path)}`);
  };
  return {
    ...files,
    create: async (path) => {
      const writer = await files.create(path);
      const commit = async (permit?: () => Promise<void>): Promise<void> => {
        room(path);
        await writer.commit(permit);
      };
      return {
        get bytes() {
          return writer.bytes;
        },
        write: (data) => writer.write(data),
        commit,
        abort: () => writer.abort(),
      };
    },
    openAppend: async (path, committedBytes) => {
      const log = await files.openAppend(path, committedBytes);
      const sync = async (): Promise<void> => {
        room(path);
        await log.sync();
      };
      return {
        get bytes() {
          return log.bytes;
        },
        append: (data) => log.append(data),
        sync,
        close: () => log.close(),
      };
    },
  };
}

/** What only reads works on a full disk. */
const READS: ReadonlySet<string> = new Set([
  ...['runs', 'run', 'chunkCounts', 'chunks', 'chunk', 'chunkIndex', 'rowRecords', 'rowRecord', 'failureCounts'],
  ...['nextRetryAtMs', 'usage', 'batches', 'batch', 'secondBatches', 'batchHistory', 'events', 'driver', 'waits'],
  ...['tombstones', 'close', 'openAttempts', 'attemptsToWatch', 'knownBatchIds'],
]);

export function storeOnDisk(store: Store, disk: FullDisk): Store {
  const steps = onDisk(store, disk);
  return { ...steps, takeOver: async (holder) => onDisk<DriverStore>(await steps.takeOver(holder), disk) };
}

function onDisk<T extends object>(steps: T, disk: FullDisk): T {
  const whole = bound(steps) as Record<string, unknown>;
  for (const [name, step] of Object.entries(whole)) {
    if (typeof step !== 'function' || READS.has(name)) continue;
    whole[name] = (...given: unknown[]): unknown => {
      if (disk.ledgerFull) return Promise.reject(new BatchrunError('E_DISK_FULL', 'the disk is full: state.db'));
      return (step as (...given: unknown[]) => unknown)(...given);
    };
  }
  return whole as T;
}
