/**
 * The state folder as both ways in open it, the command line and the library: made for its owner alone where there is
 * none, and refused where a ledger must have been and is gone.
 */
import { existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileError } from '../adapters/file-error.ts';
import type { DbOptions } from '../adapters/sqlite/db.ts';
import type { LedgerReading } from '../adapters/sqlite/reading.ts';
import { lostLedger } from '../adapters/sqlite/wholeness.ts';
import { BatchrunError, messageOf, systemCodeOf } from '../base/errors.ts';
import { plural } from '../base/units.ts';
import type { Store } from '../domain/store.ts';
import { DRIVER_LOCK } from '../engine/driver.ts';

export type { LedgerReading };

/** The ledger below the state folder. */
const LEDGER = 'state.db';

/** Is there a state to read? `status`, `list` and the like do not make one. */
export function hasState(folder: string): boolean {
  try {
    statSync(join(folder, LEDGER));
    return true;
  } catch (error) {
    // A state that may not be read is not an empty one.
    if (systemCodeOf(error) !== 'ENOENT') throw stateError(folder, error);
    const traces = tracesOf(folder);
    if (traces !== undefined) throw lostLedger(join(folder, LEDGER), traces);
    return false;
  }
}

/** Opens the ledger; makes the folder, for its owner alone, where there is none. */
export async function openStore(folder: string): Promise<Store> {
  const traces = preparedFolder(folder);
  return (await loadSqlite())(join(folder, LEDGER), { traces });
}

/** The ledger to look at, for commands that drive nothing: half as much to load, and they are called in loops. */
export async function openReading(folder: string): Promise<LedgerReading> {
  const traces = preparedFolder(folder);
  const { openSqliteReading } = await native(import('../adapters/sqlite/reading.ts'));
  return openSqliteReading(join(folder, LEDGER), { traces });
}

/** Gives what says that there was a ledger here. */
export function preparedFolder(folder: string): string | undefined {
  try {
    makeFolder(folder);
    const ignore = join(folder, '.gitignore');
    // Nobody should commit prompts and answers by accident.
    if (!existsSync(ignore) && readdirSync(folder).length === 0) writeFileSync(ignore, '*\n');
    return tracesOf(folder);
  } catch (error) {
    throw stateError(folder, error);
  }
}

/** One folder after the other: the recursive mkdir of Node never ends where the system says that there is no such place. */
function makeFolder(folder: string): void {
  if (existsSync(folder)) return;
  const above = dirname(folder);
  if (above !== folder) makeFolder(above);
  try {
    mkdirSync(folder, { mode: 0o700 });
  } catch (error) {
    // Another process made it meanwhile.
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

/**
 * What can only be where a ledger is: whatever makes these has opened and so made state.db before. Where it is gone, an
 * empty one in its place would know of no batch, and everything would be paid again.
 */
function tracesOf(folder: string): string | undefined {
  const runs = existsSync(join(folder, 'runs')) ? readdirSync(join(folder, 'runs')) : [];
  if (runs.length > 0) return `runs/ with ${plural(runs.length, 'run')}`;
  return existsSync(join(folder, DRIVER_LOCK)) ? DRIVER_LOCK : undefined;
}

/** Does better-sqlite3 load, and can it make a database? Throws E_NATIVE_MODULE where not. */
export async function probeSqlite(): Promise<void> {
  await (await openPassingStore()).close();
}

/** A ledger in memory, for what is only looked at. */
export async function openPassingStore(): Promise<Store> {
  return (await loadSqlite())(':memory:');
}

async function loadSqlite(): Promise<(file: string, options?: DbOptions) => Store> {
  return (await native(import('../adapters/sqlite/store.ts'))).openSqliteStore;
}

export async function native<T>(loading: Promise<T>): Promise<T> {
  try {
    return await loading;
  } catch (error) {
    throw new BatchrunError('E_NATIVE_MODULE', `better-sqlite3 does not load: ${messageOf(error)}`, { cause: error });
  }
}

function stateError(folder: string, error: unknown): unknown {
  const named = fileError(error, folder);
  if (!(named instanceof BatchrunError) || named.code === 'E_DISK_FULL') return named;
  return new BatchrunError('E_STATE_UNUSABLE', `the state folder cannot be used: ${named.message}`, { cause: error });
}
