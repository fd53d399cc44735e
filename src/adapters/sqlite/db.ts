/**
 * The connection to state.db: opened with the settings that the promises need, brought to the newest schema,
 * and with every SQLite error turned into one of ours.
 *
 * WAL with synchronous=FULL: with NORMAL a committed transaction survives the death of the process but may be gone
 * after a power cut, and a "submitted" that is gone is a batch paid twice (test/unit/adapters/sqlite/db.test.ts reads
 * the settings back).
 */
import type Database from 'better-sqlite3';
import { existsSync, statfsSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { BatchrunError, isBatchrunError, messageOf, systemCodeOf } from '../../base/errors.ts';
import { openDatabase, prepare, readPragma } from './kept.ts';
import { MIGRATIONS, SCHEMA_VERSION, type Migration } from './migrations.ts';
import { corruptLedger, isEmptyFile, lostLedger, refuseDamaged } from './wholeness.ts';

/** Another process's transaction is waited for this long. Ours are a few milliseconds each. */
const BUSY_TIMEOUT_MS = 10_000;

/** Tries to switch a new database to the write-ahead log; after the first lost race it is switched already. */
const SWITCHES_MAX = 20;

/** Packed indexes are read once, one after the other: the 16 MB that are usual were 12 MB more for nothing. */
const CACHE_KB = 4_000;

/** One is enough to stop. */
const PROBLEMS_MAX = 1;

/** Files that this process has open (see `looked`). */
const openHere = new Map<string, number>();

export interface DbOptions {
  /** What says that there was a ledger here (runs, a lock): then an empty one is not begun in its place. */
  readonly traces?: string | undefined;
}

export type Params = readonly (string | number | null | Uint8Array)[];

/** A connection with its prepared statements, and transactions that begin as writers. */
export class Db {
  readonly #raw: Database.Database;
  readonly #file: string;
  readonly #prepared = new Map<string, Database.Statement>();
  #identity: string | undefined;

  /** `from`: a database in memory begins as this one is. */
  constructor(file: string, options: DbOptions = {}, from?: Db) {
    this.#file = file;
    this.#raw = openRaw(file, options, from && from.#raw.serialize());
    this.#identity = identityOf(file);
    if (this.#identity !== undefined) openHere.set(this.#identity, (openHere.get(this.#identity) ?? 0) + 1);
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

  /**
   * A second connection, which sees the database as it is now until it is closed. Writers go on beside it. A database
   * in memory has no second one: null.
   */
  openReader(): Db | null {
    if (this.#file === ':memory:') return null;
    const reader = new Db(this.#file);
    reader.#raw.exec('BEGIN');
    // The first read is what fixes the instant.
    reader.get('SELECT count(*) FROM runs');
    return reader;
  }

  /** Throws E_STATE_CORRUPT where pages or indexes are damaged. Reads the whole file: 0.2 s for 330 MB. */
  expectWhole(): void {
    const found = this.read(() => this.all<{ quick_check: string }>(`PRAGMA quick_check(${PROBLEMS_MAX})`));
    const first = found[0]?.quick_check ?? 'ok';
    if (first === 'ok') return;
    throw corruptLedger(this.#file, `${this.#file} is damaged: ${first.replaceAll('\n', ' ')}`);
  }

  /** A statement that is none of a transaction. */
  exec(sql: string): void {
    this.#raw.exec(sql);
  }

  close(): void {
    this.#raw.close();
    if (this.#identity === undefined) return;
    openHere.set(this.#identity, (openHere.get(this.#identity) ?? 1) - 1);
    this.#identity = undefined;
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

function openRaw(file: string, { traces }: DbOptions, content?: Buffer): Database.Database {
  let raw: Database.Database;
  if (file !== ':memory:') {
    if (traces !== undefined && isEmptyFile(file)) throw lostLedger(file, traces);
    look(file);
  }
  try {
    refuseOtherWithLog(file, traces);
    raw = openDatabase(content ?? file, { timeout: BUSY_TIMEOUT_MS });
  } catch (error) {
    throw translated(error, file);
  }
  try {
    // Before anything is changed: a state of a newer batchrun stays as it is, and so does one that is none.
    refuseOther(raw, file, traces);
    switchToLog(raw);
    raw.exec('PRAGMA synchronous = FULL');
    raw.exec('PRAGMA foreign_keys = ON');
    raw.exec(`PRAGMA cache_size = -${CACHE_KB}`);
    // The WAL is given back to the disk once it has been large.
    raw.exec('PRAGMA journal_size_limit = 67108864');
    migrate(raw, MIGRATIONS);
    return raw;
  } catch (error) {
    raw.close();
    throw translated(error, file);
  }
}

/**
 * Where two processes switch a new database at the same instant, SQLite refuses one of them at once instead of waiting
 * (each would wait for the other). That one waits with a transaction of its own, and looks again.
 */
function switchToLog(raw: Database.Database): void {
  for (let tries = 1; ; tries++) {
    try {
      raw.exec('PRAGMA journal_mode = WAL');
      return;
    } catch (error) {
      if (tries === SWITCHES_MAX || systemCodeOf(error)?.startsWith('SQLITE_BUSY') !== true) throw error;
      raw.exec('BEGIN IMMEDIATE');
      raw.exec('COMMIT');
    }
  }
}

/**
 * A killed process leaves a write-ahead log, and the last connection that could write brings it into the database when
 * it closes. So such a state is first looked at through one that cannot.
 */
function refuseOtherWithLog(file: string, traces: string | undefined): void {
  if (!existsSync(`${file}-wal`) || !existsSync(file)) return;
  const reader = openDatabase(file, { readonly: true, timeout: BUSY_TIMEOUT_MS });
  try {
    refuseOther(reader, file, traces);
  } finally {
    reader.close();
  }
}

/**
 * Not where this process has the file open already: to close a file frees all locks that the process has on it, and
 * SQLite's would be among them.
 */
function look(file: string): void {
  const identity = identityOf(file);
  if (identity === undefined || (openHere.get(identity) ?? 0) === 0) refuseDamaged(file);
}

function identityOf(file: string): string | undefined {
  const stat = file === ':memory:' ? undefined : statSync(file, { throwIfNoEntry: false });
  return stat && `${stat.dev}:${stat.ino}`;
}

function refuseOther(raw: Database.Database, file: string, traces: string | undefined): void {
  const version = readPragma(raw, 'user_version') as number;
  if (version === 0 && traces !== undefined) throw lostLedger(file, traces);
  if (version < 0) throw corruptLedger(file, `${file} is damaged: it says that it has schema ${version}`);
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
export function translated(error: unknown, file: string): unknown {
  if (isBatchrunError(error)) return error;
  const code = systemCodeOf(error) ?? '';
  const options = { cause: error, details: { file, code } };
  if (code === 'SQLITE_FULL' || (/^SQLITE_(CANTOPEN|IOERR)/.test(code) && isFull(file)))
    return new BatchrunError('E_DISK_FULL', `the disk is full: writing ${file}`, options);
  if (code.startsWith('SQLITE_NOTADB') || code.startsWith('SQLITE_CORRUPT'))
    return corruptLedger(file, `${file} is not a whole SQLite database`, options);
  // A table that is not there, or a text in it that is no JSON: not what we wrote.
  if (
    (code === 'SQLITE_ERROR' && /^(no such|table .* already exists)/.test(messageOf(error))) ||
    error instanceof SyntaxError
  )
    return corruptLedger(file, `${file} is damaged: ${messageOf(error)}`, options);
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
    // On one line, and without the twenty places that were looked at.
    const why = messageOf(error)
      .replace(/\s*Tried:[^]*$/, '')
      .replace(/\s+/g, ' ');
    return new BatchrunError('E_NATIVE_MODULE', `better-sqlite3 does not load: ${why}`, options);
  }
  return error;
}

/** SQLite says "disk I/O error" of some files that it could not make longer. */
function isFull(file: string): boolean {
  try {
    return statfsSync(dirname(file)).bavail === 0;
  } catch {
    return false;
  }
}
