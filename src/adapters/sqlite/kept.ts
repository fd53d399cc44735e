/**
 * Keeps the native objects of better-sqlite3 alive until the process ends.
 *
 * From Node 24 on the destructor of a wrapped object asks for the current environment (node_object_wrap.h), and the
 * garbage collector calls it where there is none: the process aborts. An object that is never collected is destroyed at
 * the end of the process, where there is one. A command opens a database or two with some hundred statements, so this
 * costs next to nothing. Seen with better-sqlite3 12.11.1 on Node 24.21; to be looked at again when either moves on.
 */
import Database from 'better-sqlite3';

const kept: unknown[] = [];

/** A connection that the garbage collector never takes. */
export function openDatabase(file: string, options: Database.Options): Database.Database {
  const database = new Database(file, options);
  kept.push(database);
  return database;
}

/** A statement that it never takes either. */
export function prepare(database: Database.Database, sql: string): Database.Statement {
  const statement = database.prepare(sql);
  kept.push(statement);
  return statement;
}

/** The value of a pragma. The package's own `pragma` makes a statement that nobody could keep. */
export function readPragma(database: Database.Database, name: string): unknown {
  return prepare(database, `PRAGMA ${name}`).pluck().get();
}
