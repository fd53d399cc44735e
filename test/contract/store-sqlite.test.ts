/**
 * The ledger in SQLite keeps the contract of the store: on a real file, where a later process is a second connection,
 * and in memory, where simulations share one handle between incarnations.
 */
import { join } from 'node:path';
import { Db } from '../../src/adapters/sqlite/db.ts';
import { openSqliteStore, storeOn } from '../../src/adapters/sqlite/store.ts';
import { tempFolder } from '../support/temp.ts';
import { storeSuite } from './store.suite.ts';

storeSuite(
  'SQLite on a file',
  async () => {
    const file = join(tempFolder(), 'state.db');
    return { store: openSqliteStore(file), reopen: async () => openSqliteStore(file) };
  },
  { sequences: 12 },
);

storeSuite(
  'SQLite in memory',
  async () => {
    const db = new Db(':memory:');
    const store = storeOn(db);
    // Closing one incarnation's store would close the handle of all.
    return { store, reopen: async () => ({ ...storeOn(db), close: async () => undefined }) };
  },
  { sequences: 250 },
);
