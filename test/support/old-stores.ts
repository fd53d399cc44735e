/**
 * The state folders of older versions (fixtures/old-stores, made by make-old-stores.mjs), unpacked for a test.
 *
 * They were made on another day, in another folder, against another address. `unpack` brings a copy of one to here and
 * now by plain SQL: paths, origin, fingerprint and every time. A write-ahead log that a killed process left is still
 * one afterwards, so that the program under test has to recover it.
 */
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import type Database from 'better-sqlite3';
import { openDatabase, prepare } from '../../src/adapters/sqlite/kept.ts';
import { Fingerprint, printOf, printOfInvalid, type FingerprintRow } from '../../src/domain/fingerprint.ts';
import type { SimWorld } from '../../src/tools/sim/world.ts';

const ROOT = fileURLToPath(new URL('../../fixtures/old-stores', import.meta.url));

/** The key that all of them were made with: another one may be of another workspace. */
export const OLD_KEY = 'old-key';

export interface OldStore {
  /** `schema-1/submitted`. */
  readonly name: string;
  readonly schema: number;
  readonly what: string;
  /** SIGKILL ended the last process: there is a write-ahead log. */
  readonly killed: boolean;
  /** Where it was made, for whom, and when. */
  readonly folder: string;
  readonly origin: string;
  readonly atMs: number;
  /** Inputs and flags that mean the same run again. */
  readonly again: readonly string[];
  readonly batches: readonly OldBatch[];
}

/** A batch that the API had then. */
export interface OldBatch {
  readonly id: string;
  readonly createdAtMs: number;
  readonly ended: boolean;
  /** The path of the chunk file that was its body, below the state folder. */
  readonly body: string;
}

export const OLD_STORES: readonly OldStore[] = readdirSync(ROOT)
  .sort()
  .flatMap((schema) =>
    readdirSync(join(ROOT, schema))
      .sort()
      .map((name) => ({
        ...(JSON.parse(readFileSync(join(ROOT, schema, name, 'about.json'), 'utf8')) as Omit<OldStore, 'name'>),
        name: `${schema}/${name}`,
        schema: Number(schema.replace('schema-', '')),
      })),
  );

export function oldStore(name: string): OldStore {
  const store = OLD_STORES.find((one) => one.name === name);
  if (!store) throw new Error(`there is no old store ${name}`);
  return store;
}

export interface Place {
  /** Gets the files, and the state in .batchrun. */
  readonly folder: string;
  readonly origin: string;
  readonly nowMs: number;
}

/** By how much the times of a store are moved, so that its last process has just ended. */
export function shiftMs(store: OldStore, place: Place): number {
  return place.nowMs - store.atMs;
}

/** Gives the state folder. Without a place it stays as it was made, to the byte. */
export function unpack(store: OldStore, folder: string, place?: Omit<Place, 'folder'>): string {
  const source = join(ROOT, store.name);
  const state = join(folder, '.batchrun');
  cpSync(join(source, 'files'), folder, { recursive: true });
  cpSync(join(source, 'state'), state, { recursive: true });
  for (const name of ['state.db', 'state.db-wal']) {
    if (!existsSync(join(state, `${name}.gz`))) continue;
    writeFileSync(join(state, name), gunzipSync(readFileSync(join(state, `${name}.gz`))));
    rmSync(join(state, `${name}.gz`));
  }
  if (place) moveHere(store, state, { ...place, folder });
  return state;
}

/** How long the batches that were under way go on after a test has put them into its world. */
const GOES_ON_MS = 300;

/** What the API still has of an old state, moved to the time of the place. */
export function restoreBatches(world: SimWorld, store: OldStore, place: Place): void {
  for (const { id, createdAtMs: thenMs, ended, body } of store.batches) {
    const createdAtMs = thenMs + shiftMs(store, place);
    const durationMs = ended ? 1 : place.nowMs - createdAtMs + GOES_ON_MS;
    world.restoreBatch({ id, createdAtMs, body: readFileSync(join(place.folder, '.batchrun', body)), durationMs });
  }
}

function moveHere(store: OldStore, state: string, place: Place): void {
  const file = join(state, 'state.db');
  const db = openDatabase(file, {});
  // Else the last to close would bring the log into the database, and there would be nothing to recover.
  if (store.killed) db.exec('PRAGMA wal_autocheckpoint = 0');
  const fingerprint = fingerprintOfRun(db, state, place.origin);
  if (fingerprint !== null) prepare(db, 'UPDATE runs SET fingerprint = ?').run(fingerprint);
  prepare(db, 'UPDATE tombstones SET fingerprint = ?').run(
    fingerprintOfRequests(join(place.folder, 'first.jsonl'), place.origin),
  );
  for (const column of ['runs.inputs', 'runs.output', 'runs.errors', 'tombstones.output']) {
    replace(db, column, store.folder, place.folder);
  }
  for (const column of ['runs.origin', 'batches.results_url']) replace(db, column, store.origin, place.origin);
  for (const column of timeColumns(db)) {
    const [table = '', name = ''] = column.split('.');
    prepare(db, `UPDATE ${table} SET ${name} = ${name} + ? WHERE ${name} > 0`).run(shiftMs(store, place));
  }
  if (store.killed) {
    for (const name of ['state.db', 'state.db-wal']) copyFileSync(join(state, name), join(state, `${name}.kept`));
  }
  db.close();
  if (!store.killed) return;
  for (const name of ['state.db', 'state.db-wal']) renameSync(join(state, `${name}.kept`), join(state, name));
}

function replace(db: Database.Database, column: string, from: string, to: string): void {
  const [table = '', name = ''] = column.split('.');
  prepare(db, `UPDATE ${table} SET ${name} = replace(${name}, ?, ?)`).run(from, to);
}

function timeColumns(db: Database.Database): string[] {
  return tablesOf(db).flatMap((table) =>
    columnsOf(db, table)
      .filter((column) => column.endsWith('_ms'))
      .map((column) => `${table}.${column}`),
  );
}

function tablesOf(db: Database.Database): string[] {
  const sql = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name";
  return prepare(db, sql).pluck().all() as string[];
}

function columnsOf(db: Database.Database, table: string): string[] {
  return prepare(db, `SELECT name FROM pragma_table_info('${table}') ORDER BY cid`).pluck().all() as string[];
}

/** Every value of every table: `columns` are those that count. */
export type Facts = Readonly<
  Record<string, { readonly columns: readonly string[]; readonly rows: readonly unknown[] }>
>;

/** What a state holds, read by plain SQL from a copy of its database. `like`: only its tables and columns. */
export function factsOf(state: string, scratch: string, like?: Facts): Facts {
  return onCopy(state, scratch, (db) =>
    Object.fromEntries(
      (like ? Object.keys(like) : tablesOf(db)).map((table) => {
        const columns = like?.[table]?.columns ?? columnsOf(db, table);
        return [
          table,
          {
            columns,
            rows: prepare(db, `SELECT ${columns.join(', ')} FROM ${table}`)
              .raw()
              .all(),
          },
        ];
      }),
    ),
  );
}

/** Opens a copy of a database, so that looking at it leaves no trace. */
export function onCopy<T>(state: string, scratch: string, look: (db: Database.Database) => T): T {
  rmSync(scratch, { recursive: true, force: true });
  mkdirSync(scratch, { recursive: true });
  for (const name of ['state.db', 'state.db-wal']) {
    if (existsSync(join(state, name))) copyFileSync(join(state, name), join(scratch, name));
  }
  const db = openDatabase(join(scratch, 'state.db'), {});
  try {
    return look(db);
  } finally {
    db.close();
  }
}

/** Today's fingerprint of what the one run of this state holds; null where it was never read to the end. */
export function fingerprintOfRun(db: Database.Database, state: string, origin: string): string | null {
  const run = prepare(db, 'SELECT id, name, fingerprint FROM runs').get() as
    { id: string; name: string | null; fingerprint: string | null } | undefined;
  if (run === undefined || run.fingerprint === null) return null;
  const sql = "SELECT chunk_no, betas FROM chunks WHERE kind = 'input' AND parent_no IS NULL ORDER BY chunk_no";
  const chunks = prepare(db, sql).all() as { chunk_no: number; betas: string }[];
  const rows = chunks.flatMap(({ chunk_no: chunkNo, betas }) =>
    rowsOfChunk(join(state, 'runs', run.id), chunkNo, JSON.parse(betas) as string[]),
  );
  const invalid = new Map(
    linesOf<Skipped>(join(state, 'runs', run.id, 'rows/invalid.jsonl')).map((row) => [row.seq, row]),
  );
  const fingerprint = new Fingerprint({ origin, workspaceHeader: null, name: run.name });
  for (let seq = 0, next = 0; seq < rows.length + invalid.size; seq++) {
    const skipped = invalid.get(seq);
    const row = skipped ? undefined : rows[next++];
    if (skipped) fingerprint.add(Buffer.from(printOfInvalid(skipped.line, skipped.file ?? 0)));
    else if (row) fingerprint.add(Buffer.from(printOf(row)));
  }
  return fingerprint.digest();
}

interface Skipped {
  readonly seq: number;
  readonly line: number;
  readonly file?: number;
}

function rowsOfChunk(run: string, chunkNo: number, betas: readonly string[]): FingerprintRow[] {
  const stem = String(chunkNo).padStart(6, '0');
  const { requests } = JSON.parse(readFileSync(join(run, `chunks/${stem}.json`), 'utf8')) as {
    requests: { params: unknown }[];
  };
  const entries = linesOf<{ id: string; columns?: unknown }>(join(run, `rows/${stem}.jsonl`));
  return requests.map(({ params }, at) => {
    const { id = '', columns } = entries[at] ?? {};
    const columnsJson = columns === undefined ? '' : JSON.stringify(columns);
    return { customId: id, paramsJson: JSON.stringify(params), betas, columnsJson };
  });
}

/** Today's fingerprint of a file of requests without betas; that of nothing where there is no such file. */
export function fingerprintOfRequests(path: string, origin: string): string {
  const fingerprint = new Fingerprint({ origin, workspaceHeader: null, name: null });
  for (const { custom_id: customId, params } of linesOf<{ custom_id: string; params: unknown }>(path)) {
    const print = printOf({ customId, paramsJson: JSON.stringify(params), betas: [], columnsJson: '' });
    fingerprint.add(Buffer.from(print));
  }
  return fingerprint.digest();
}

function linesOf<T>(path: string): T[] {
  if (!existsSync(path)) return [];
  return readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as T);
}
