/**
 * The ledger in SQLite: one file, one connection, synchronous steps behind an asynchronous door. It is put together
 * here from its rooms: reads, the steps of ingest, the driver's steps around batches and around outcomes.
 */
import { BatchrunError } from '../../base/errors.ts';
import type { DriverStore, Store } from '../../domain/store.ts';
import { createAttemptSteps } from './attempt-steps.ts';
import { createCacheSteps } from './cache-steps.ts';
import { createBatchSteps, type DriverTransaction } from './batch-steps.ts';
import { createCopySteps } from './copy-steps.ts';
import { Db, settled, type DbOptions } from './db.ts';
import { createIngestSteps } from './ingest-steps.ts';
import { createOutcomeSteps } from './outcome-steps.ts';
import { createReads, driver } from './reads.ts';
import { createRetrySteps } from './retry-steps.ts';

const MEMORY = ':memory:';

/** Opens or makes the ledger. `:memory:` gives one that lives as long as its handle. */
export function openSqliteStore(file: string, options: DbOptions = {}): Store {
  return storeOn(new Db(file, options));
}

/** A ledger that lives as long as its handle, and copies of it that go their own way. */
export interface MemoryStore {
  readonly store: Store;
  copy(): MemoryStore;
}

export function openMemoryStore(): MemoryStore {
  return memoryStoreOn(new Db(MEMORY));
}

function memoryStoreOn(db: Db): MemoryStore {
  return { store: storeOn(db), copy: () => memoryStoreOn(new Db(MEMORY, {}, db)) };
}

/** A store on a connection that is already there (simulations share one between incarnations). */
export function storeOn(db: Db): Store {
  return {
    ...createReads(db),
    ...createIngestSteps(db),
    takeOver: (holder) =>
      settled(() => {
        // Before anything is sent: a batch whose id cannot be written down would be a batch that is paid again.
        db.expectWhole();
        const epoch = db.transaction(() => {
          const next = (driver(db)?.epoch ?? 0) + 1;
          db.run(
            `INSERT INTO driver (id, epoch, pid, host, command, since_ms, let_go_at_ms) VALUES (1, ?, ?, ?, ?, ?, NULL)
             ON CONFLICT (id) DO UPDATE SET epoch = excluded.epoch, pid = excluded.pid, host = excluded.host,
               command = excluded.command, since_ms = excluded.since_ms, let_go_at_ms = NULL`,
            next,
            holder.pid,
            holder.host,
            holder.command,
            holder.atMs,
          );
          return next;
        });
        return driverStore(db, epoch);
      }),
    snapshot: () =>
      settled(() => {
        const reader = db.openReader();
        return { ...createReads(reader ?? db), close: () => settled(() => reader?.close()) };
      }),
    close: () => settled(() => db.close()),
  };
}

function driverStore(db: Db, epoch: number): DriverStore {
  const assertDriving = (): void => {
    const now = driver(db);
    if (now?.epoch === epoch && now.letGoAtMs === null) return;
    throw new BatchrunError(
      'E_FENCED',
      `process ${now?.pid ?? '?'} on ${now?.host ?? '?'} drives this state now (epoch ${now?.epoch ?? '?'}, ours ${epoch}): nothing was written`,
    );
  };
  const step: DriverTransaction = (work) =>
    settled(() =>
      db.transaction(() => {
        assertDriving();
        return work();
      }),
    );
  return {
    epoch,
    assertDriving: () => settled(assertDriving),
    letGo: (known, atMs) =>
      step(() => {
        const ready = db.all<{ id: string }>("SELECT id FROM runs WHERE state IN ('ready','canceling') ORDER BY id");
        const fresh = ready.map((row) => row.id).filter((id) => !known.has(id));
        if (fresh.length === 0) db.run('UPDATE driver SET let_go_at_ms = ? WHERE epoch = ?', atMs, epoch);
        return fresh;
      }),
    ...createAttemptSteps(db, step),
    ...createBatchSteps(db, step),
    ...createOutcomeSteps(db, step),
    ...createCopySteps(db, step),
    ...createRetrySteps(db, step),
    ...createCacheSteps(db, step),
  };
}
