/**
 * The ledger for those who only look: what `status`, `list` and `log` need of it, without the steps of a driver, which
 * are as much to load again. It is opened and checked exactly as for a driver.
 */
import { statSync } from 'node:fs';
import type { Store } from '../../domain/store.ts';
import { Db, settled, type DbOptions } from './db.ts';
import { createReads } from './reads.ts';

export type LedgerReading = ReturnType<typeof createReads> &
  Pick<Store, 'close'> & {
    /** Another number whenever somebody else has written: whoever looks again and again looks only then. */
    readonly version: () => Promise<number>;
    /** Is it still this file that lies there? One that was deleted or replaced would be read on as if nothing were. */
    readonly isThere: () => boolean;
  };

export function openSqliteReading(file: string, options: DbOptions = {}): LedgerReading {
  const db = new Db(file, options);
  const opened = identityOf(file);
  return {
    ...createReads(db),
    version: () => settled(() => db.read(() => Number(db.pragma('data_version')))),
    isThere: () => identityOf(file) === opened,
    close: () => settled(() => db.close()),
  };
}

/** Null where there is no file. */
function identityOf(file: string): string | null {
  const found = statSync(file, { bigint: true, throwIfNoEntry: false });
  return found ? `${found.dev}:${found.ino}` : null;
}
