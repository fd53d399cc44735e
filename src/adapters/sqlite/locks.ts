/**
 * Locks that the system frees when their holder dies, however it dies: each is an SQLite file held in an exclusive
 * transaction. No leases, no heartbeats, no process ids that may belong to somebody else by now.
 */
import type Database from 'better-sqlite3';
import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { BatchrunError, messageOf, systemCodeOf } from '../../base/errors.ts';
import type { Lock, Locks } from '../../domain/ports.ts';
import { openDatabase } from './kept.ts';

export function createLocks(root: string): Locks {
  return { tryAcquire: (path) => acquire(join(root, path)) };
}

function acquire(file: string): Promise<Lock | null> {
  let raw: Database.Database | undefined;
  try {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    // No waiting here: whoever wants to wait asks again (--retry-lock).
    raw = openDatabase(file, { timeout: 0 });
    raw.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    raw?.close();
    if (systemCodeOf(error)?.startsWith('SQLITE_BUSY')) return Promise.resolve(null);
    return Promise.reject(
      new BatchrunError('E_STATE_UNUSABLE', `the lock ${file} cannot be used: ${messageOf(error)}`, { cause: error }),
    );
  }
  const held = raw;
  return Promise.resolve({
    release: () => {
      held.close();
      return Promise.resolve();
    },
  });
}
