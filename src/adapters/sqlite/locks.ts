/**
 * Locks that the system frees when their holder dies, however it dies: each is an SQLite file held in an exclusive
 * transaction. No leases, no heartbeats, no process ids that may belong to somebody else by now.
 */
import type Database from 'better-sqlite3';
import { mkdirSync, truncateSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { BatchrunError, isBatchrunError, messageOf, systemCodeOf } from '../../base/errors.ts';
import type { Lock, Locks } from '../../domain/ports.ts';
import { translated } from './db.ts';
import { openDatabase } from './kept.ts';

export function createLocks(root: string): Locks {
  return { tryAcquire: (path) => acquire(join(root, path)) };
}

function acquire(file: string): Promise<Lock | null> {
  try {
    const held = hold(file);
    return Promise.resolve({
      release: () => {
        held.close();
        return Promise.resolve();
      },
    });
  } catch (error) {
    if (systemCodeOf(error)?.startsWith('SQLITE_BUSY')) return Promise.resolve(null);
    return Promise.reject(unusable(error, file));
  }
}

function hold(file: string): Database.Database {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  try {
    return begin(file);
  } catch (error) {
    if (!/^SQLITE_(NOTADB|CORRUPT)/.test(systemCodeOf(error) ?? '')) throw error;
    // Somebody wrote into it. Nothing in it is of value, and nobody holds it: that would have been found first. It is
    // emptied in place; a new file would be another lock than the one that somebody else may be taking just now.
    truncateSync(file);
    return begin(file);
  }
}

function begin(file: string): Database.Database {
  // No waiting here: whoever wants to wait asks again (--retry-lock).
  const raw = openDatabase(file, { timeout: 0 });
  try {
    raw.exec('BEGIN EXCLUSIVE');
    return raw;
  } catch (error) {
    raw.close();
    throw error;
  }
}

function unusable(error: unknown, file: string): BatchrunError {
  const known = translated(error, file);
  if (isBatchrunError(known, 'E_DISK_FULL')) return known;
  return new BatchrunError('E_STATE_UNUSABLE', `the lock ${file} cannot be used: ${messageOf(error)}`, {
    cause: error,
  });
}
