/** The room of what was pruned goes back to the disk, where it is worth it and nobody is in the way. */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { compact } from '../../../../src/adapters/sqlite/compact.ts';
import { Db } from '../../../../src/adapters/sqlite/db.ts';
import { openDatabase } from '../../../../src/adapters/sqlite/kept.ts';
import { tempFolder } from '../../../support/temp.ts';

/** A ledger that held so many bytes in events, of which a part is gone. */
function used(bytes: number, gone: number): { readonly db: Db; readonly file: string } {
  const file = join(tempFolder(), 'state.db');
  const db = new Db(file);
  onTestFinished(() => db.close());
  const rows = Math.ceil(bytes / 1_000);
  db.transaction(() => {
    for (let at = 0; at < rows; at++) {
      db.run("INSERT INTO events (run_id, at_ms, kind, data) VALUES ('run_x', ?, 'x', ?)", at, 'y'.repeat(1_000));
    }
  });
  db.transaction(() => db.run('DELETE FROM events WHERE at_ms < ?', Math.floor(rows * gone)));
  db.exec('PRAGMA wal_checkpoint(TRUNCATE)');
  return { db, file };
}

test('most of a large file free: it is given back, and what is left is there', () => {
  const { db, file } = used(4_000_000, 0.95);
  const before = statSync(file).size;
  compact(db);
  expect([before > 4_000_000, statSync(file).size < 1_000_000]).toEqual([true, true]);
  expect(db.get<{ n: number }>('SELECT count(*) AS n FROM events')).toEqual({ n: 200 });
  expect(() => new Db(file).close()).not.toThrow();
});

test.each([
  ['less than half of it is free', 4_000_000, 0.3],
  ['it is small', 500_000, 0.95],
])('it stays as it is where %s', (_what, bytes, gone) => {
  const { db, file } = used(bytes, gone);
  const before = statSync(file).size;
  compact(db);
  expect(statSync(file).size).toBe(before);
});

test('it stays as it is while somebody else writes', () => {
  const { db, file } = used(4_000_000, 0.95);
  db.exec('PRAGMA busy_timeout = 0');
  const other = openDatabase(file, {});
  onTestFinished(() => void other.close());
  other.exec('BEGIN IMMEDIATE');
  const before = statSync(file).size;
  compact(db);
  expect(statSync(file).size).toBe(before);
});
