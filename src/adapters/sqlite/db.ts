/**
 * The connection to state.db: opened with the settings that the promises need, brought to the newest schema,
 * and with every SQLite error turned into one of ours.
 *
 * WAL with synchronous=FULL: with NORMAL a committed transaction survives the death of the process but may be gone
 * after a power cut, and a "submitted" that is gone is a batch paid twice (test/unit/adapters/sqlite/db.test.ts reads
 * the settings back).
 */
import type Database from 'better-sqlite3';
import { BatchrunError, isBatchrunError, messageOf, systemCodeOf } from '../../base/errors.ts';
import { openDatabase, prepare, readPragma } from './kept.ts';
import { MIGRATIONS, SCHEMA_VERSION, type Migration } from './migrations.ts';

/** Another process's transaction is waited for this long. Ours are a few milliseconds each. */
const BUSY_TIMEOUT_MS = 10_000;

export type Params = readonly (string | number | null | Uint8Array)[];

/** A connection with its prepared statements, and transactions that begin as writers. */
export class Db {
  readonly #raw: Database.Database;
  readonly #file: string;
  readonly #prepared = new Map<string, Database.Statement>();

  constructor(file: string) {
    this.#file = file;
    this.#raw = openRaw(file);
  }

  /** One row, or undefined. */
  // The type says what the caller selects; SQLite cannot.
  // eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters
  get<T>(sql: string, ...params: Params): T | undefined {
    return this.#statement(sql).get(...params) as T | undefined;
  }

  all<T>(sql: string, ...params: Params): T[] {
    return this.#statement(sql).all(...params) as T[];
  }

  /** Changes something and gives how many rows changed. */
  run(sql: string, ...params: Params): number {
    return this.#statement(sql).run(...params).changes;
  }

  /** Inserts a row and gives its id. */
  insert(sql: string, ...params: Params): number {
    return Number(this.#statement(sql).run(...params).lastInsertRowid);
  }

  /** All or nothing. It takes the write lock at once, so that what it reads cannot change under it. */
  transaction<T>(work: () => T): T {
    try {
      return this.#raw.transaction(work).immediate();
    } catch (error) {
      throw translated(error, this.#file);
    }
  }

  read<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw translated(error, this.#file);
    }
  }

  pragma(name: string): unknown {
    return readPragma(this.#raw, name);
  }

  close(): void {
    this.#raw.close();
  }

  #statement(sql: string): Database.Statement {
    let statement = this.#prepared.get(sql);
    if (!statement) {
      statement = prepare(this.#raw, sql);
      this.#prepared.set(sql, statement);
    }
    return statement;
  }
}

/** A synchronous step as a promise: it runs at once, and what it throws is a rejection. */
export function settled<T>(work: () => T): Promise<T> {
  return new Promise((resolve) => {
    resolve(work());
  });
}

function openRaw(file: string): Database.Database {
  let raw: Database.Database;
  try {
    raw = openDatabase(file, { timeout: BUSY_TIMEOUT_MS });
  } catch (error) {
    throw translated(error, file);
  }
  try {
    // Before anything is changed: a state of a newer batchrun stays as it is.
    refuseNewer(raw);
    raw.exec('PRAGMA journal_mode = WAL');
    raw.exec('PRAGMA synchronous = FULL');
    raw.exec('PRAGMA foreign_keys = ON');
    // The WAL is given back to the disk once it has been large.
    raw.exec('PRAGMA journal_size_limit = 67108864');
    migrate(raw, MIGRATIONS);
    return raw;
  } catch (error) {
    raw.close();
    throw translated(error, file);
  }
}

function refuseNewer(raw: Database.Database): void {
  const version = readPragma(raw, 'user_version') as number;
  if (version <= SCHEMA_VERSION) return;
  throw new BatchrunError(
    'E_STATE_NEWER',
    `the state folder has schema ${version}; this batchrun knows schema ${SCHEMA_VERSION}`,
  );
}

/**
 * Brings the schema up step by step, each step with its version bump in one transaction. Two processes that open an
 * old state at once meet at the write lock, and the second finds the work done.
 */
function migrate(raw: Database.Database, migrations: readonly Migration[]): void {
  const version = (): number => readPragma(raw, 'user_version') as number;
  if (version() === SCHEMA_VERSION) return;
  for (const migration of migrations) {
    raw
      .transaction(() => {
        if (version() >= migration.id) return;
        for (const statement of migration.sqlite) raw.exec(statement);
        raw.exec(`PRAGMA user_version = ${migration.id}`);
      })
      .immediate();
  }
}

/** SQLite's codes in the words of the error catalogue. */
function translated(error: unknown, file: string): unknown {
  if (isBatchrunError(error)) return error;
  const code = systemCodeOf(error) ?? '';
  const options = { cause: error, details: { file, code } };
  if (code === 'SQLITE_FULL') return new BatchrunError('E_DISK_FULL', `the disk is full: ${file}`, options);
  if (code.startsWith('SQLITE_NOTADB') || code.startsWith('SQLITE_CORRUPT')) {
    return new BatchrunError('E_STATE_CORRUPT', `${file} is not a whole SQLite database`, {
      ...options,
      hint: `Bring ${file} back from a backup. The chunk and result files beside it are untouched. Do not delete the folder while batches may be running: its rows would be paid again.`,
    });
  }
  if (/^SQLITE_(CANTOPEN|READONLY|IOERR|PERM|AUTH)/.test(code)) {
    return new BatchrunError('E_STATE_UNUSABLE', `${file} cannot be used: ${messageOf(error)}`, options);
  }
  if (error instanceof TypeError && messageOf(error).includes('directory does not exist')) {
    return new BatchrunError('E_STATE_UNUSABLE', `the folder of ${file} does not exist`, options);
  }
  if (code.startsWith('SQLITE_BUSY')) {
    return new BatchrunError(
      'E_STATE_UNUSABLE',
      `${file} was held by another process for ${BUSY_TIMEOUT_MS / 1000} s`,
      {
        ...options,
        hint: 'See which process holds it; is the state folder on a network file system? Then run the command again.',
      },
    );
  }
  if (messageOf(error).includes('Could not locate the bindings file') || code === 'ERR_DLOPEN_FAILED') {
    return new BatchrunError(
      'E_NATIVE_MODULE',
      `better-sqlite3 does not load: ${messageOf(error).split('\n')[0]}`,
      options,
    );
  }
  return error;
}
