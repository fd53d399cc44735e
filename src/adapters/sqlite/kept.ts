/**
 * Keeps the native objects of better-sqlite3 alive until the process ends.
 *
 * From Node 24 on the destructor of a wrapped object asks for the current environment (node_object_wrap.h), and the
 * garbage collector calls it where there is none: the process aborts. An object that is never collected is destroyed at
 * the end of the process, where there is one. A command opens a database or two with some hundred statements, so this
 * costs next to nothing. Seen with better-sqlite3 12.11.1 on Node 24.21; to be looked at again when either moves on.
 */
import type Database from 'better-sqlite3';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

// Not by `import`: Node would parse its sources for names to export, a fiftieth of the whole of a `status`.
const require = createRequire(import.meta.url);
const Sqlite = require('better-sqlite3') as typeof Database;

const kept: unknown[] = [];
/** Where a build and a prebuilt binary lie. Left to itself the package searches a dozen places for it. */
let nativeBinding: string | undefined;

/** A connection that the garbage collector never takes. Bytes of a database give one in memory. */
export function openDatabase(file: string | Buffer, options: Database.Options): Database.Database {
  nativeBinding ??= findNative();
  const database = new Sqlite(file, nativeBinding === '' ? options : { ...options, nativeBinding });
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

/** '' where it is not in its usual place: then the package searches, and says so in its own words if it finds none. */
function findNative(): string {
  const file = join(dirname(require.resolve('better-sqlite3/package.json')), 'build/Release/better_sqlite3.node');
  return existsSync(file) ? file : '';
}
