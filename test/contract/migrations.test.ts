/**
 * State folders of every released schema open with today's code, come to the newest schema and keep what they hold.
 * The folders are fixtures/old-stores: made by the released builds, some of them left behind by a SIGKILL.
 * How they are driven to their end is in test/crash/migrations.test.ts.
 */
import { createHash } from 'node:crypto';
import { copyFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Db } from '../../src/adapters/sqlite/db.ts';
import { openDatabase, prepare, readPragma } from '../../src/adapters/sqlite/kept.ts';
import { MIGRATIONS, SCHEMA_VERSION, type Migration } from '../../src/adapters/sqlite/migrations.ts';
import {
  factsOf,
  fingerprintOfRequests,
  fingerprintOfRun,
  OLD_STORES,
  oldStore,
  onCopy,
  unpack,
} from '../support/old-stores.ts';
import { tempFolder } from '../support/temp.ts';

/**
 * The steps that are in states out there. A step is frozen from the release that brings it: its hash is added here
 * then, and no line of this table is ever changed.
 */
const RELEASED: Readonly<Record<number, string>> = {
  1: '95c367c1d46c1c2461e0e35cd9cf7e6e61368f8cb61f037a7e6a7fa8e294aa97',
};

const EDITED =
  'the text of a released migration was edited: states out there have run the old text and never run this one. Put it back as it was, and write what is to change as a new step at the end of MIGRATIONS (constants that the text uses, such as lists of states, are frozen with it)';

function hashOfStep({ id, sqlite }: Migration): string {
  return createHash('sha256')
    .update(`${id}\n${sqlite.join(';\n')}`)
    .digest('hex');
}

/** Tables, columns and indices by name. */
function shapeOf(file: string): unknown {
  const db = openDatabase(file, {});
  try {
    const names = prepare(db, "SELECT type, name, tbl_name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'").all();
    const columns = prepare(
      db,
      `SELECT t.name AS "table", c.name, c.type, c."notnull", c.dflt_value, c.pk
       FROM sqlite_master t, pragma_table_info(t.name) c WHERE t.type = 'table' ORDER BY 1, c.cid`,
    ).all();
    return { names: names.map((row) => JSON.stringify(row)).sort(), columns };
  } finally {
    db.close();
  }
}

function versionOf(file: string): unknown {
  const db = openDatabase(file, {});
  try {
    return readPragma(db, 'user_version');
  } finally {
    db.close();
  }
}

describe('released migrations', () => {
  test.each(Object.entries(RELEASED))('step %s is as it was released', (id, hash) => {
    const step = MIGRATIONS.find((one) => one.id === Number(id));
    expect(step && hashOfStep(step), EDITED).toBe(hash);
  });

  test('the check fires on a changed word', () => {
    const [step] = MIGRATIONS;
    const edited = step && { ...step, sqlite: step.sqlite.map((sql) => sql.replace('epoch INTEGER', 'epoch TEXT')) };
    expect(edited && hashOfStep(edited)).not.toBe(RELEASED[1]);
  });

  test('there are old states of every one of them', () => {
    const schemas = new Set(OLD_STORES.map(({ schema }) => schema));
    expect([...schemas].sort()).toEqual(Object.keys(RELEASED).map(Number));
  });
});

describe.each(OLD_STORES)('$name: $what:', (store) => {
  test('it comes to the newest schema and keeps every value', () => {
    const folder = tempFolder();
    const state = unpack(store, folder);
    const before = factsOf(state, join(folder, 'before'));
    expect(before['runs']?.rows).not.toEqual([]);
    expect(before['events']?.rows).not.toEqual([]);

    const db = new Db(join(state, 'state.db'));
    expect(db.pragma('user_version')).toBe(SCHEMA_VERSION);
    expect(db.pragma('integrity_check')).toBe('ok');
    expect(db.all('PRAGMA foreign_key_check')).toEqual([]);
    db.close();

    expect(factsOf(state, join(folder, 'after'), before)).toEqual(before);
    const fresh = join(folder, 'fresh.db');
    new Db(fresh).close();
    expect(shapeOf(join(state, 'state.db'))).toEqual(shapeOf(fresh));
  });

  test('it was of its schema, and what a kill left is in the log beside the database', () => {
    const folder = tempFolder();
    const state = unpack(store, folder);
    expect(onCopy(state, join(folder, 'copy'), (db) => readPragma(db, 'user_version'))).toBe(store.schema);
    const alone = join(folder, 'alone');
    mkdirSync(alone);
    copyFileSync(join(state, 'state.db'), join(alone, 'state.db'));
    if (store.killed) expect(eventsIn(alone, folder)).toBeLessThan(eventsIn(state, folder));
    else expect(eventsIn(alone, folder)).toBe(eventsIn(state, folder));
  });

  test('its rows have the fingerprint that they had', () => {
    const folder = tempFolder();
    const state = unpack(store, folder);
    onCopy(state, join(folder, 'copy'), (db) => {
      const runs = prepare(db, 'SELECT fingerprint FROM runs').pluck().all();
      expect(runs).toEqual([fingerprintOfRun(db, state, store.origin)]);
      const stones = prepare(db, 'SELECT fingerprint FROM tombstones').pluck().all();
      const files = stones.map(() => fingerprintOfRequests(join(folder, 'first.jsonl'), store.origin));
      expect(stones).toEqual(files);
    });
  });
});

/** 0 where there is not even a table. */
function eventsIn(state: string, folder: string): number {
  return onCopy(state, join(folder, 'look'), (db) => {
    const table = prepare(db, "SELECT count(*) FROM sqlite_master WHERE name = 'events'").pluck().get() as number;
    return table === 0 ? 0 : (prepare(db, 'SELECT count(*) FROM events').pluck().get() as number);
  });
}

describe('a step that fails', () => {
  test('leaves the old state whole, and the next open goes through', () => {
    const folder = tempFolder();
    const state = unpack(oldStore('schema-1/submitted'), folder);
    const file = join(state, 'state.db');
    const before = factsOf(state, join(folder, 'before'));
    const shape = shapeOf(file);
    // The last thing that the second step makes is in the way; what it did before that must be gone again.
    const raw = openDatabase(file, {});
    raw.exec('CREATE TABLE waits (x)');
    raw.close();
    expect(() => new Db(file)).toThrow(/waits already exists/);
    expect(versionOf(file)).toBe(1);
    const mended = openDatabase(file, {});
    mended.exec('DROP TABLE waits');
    mended.close();
    expect(shapeOf(file)).toEqual(shape);
    expect(factsOf(state, join(folder, 'between'), before)).toEqual(before);
    new Db(file).close();
    expect(versionOf(file)).toBe(SCHEMA_VERSION);
    expect(factsOf(state, join(folder, 'after'), before)).toEqual(before);
  });
});

describe('the fixtures', () => {
  test('name no machine, no key and no state folder of somebody', () => {
    for (const store of OLD_STORES) {
      const folder = tempFolder();
      const state = unpack(store, folder);
      const text = JSON.stringify(factsOf(state, join(folder, 'facts')));
      expect(text).not.toMatch(/sk-ant|\/home\/|\/Users\/|\/root\//);
      onCopy(state, join(folder, 'copy'), (db) => {
        expect(prepare(db, "SELECT host FROM driver WHERE host <> 'old-host'").all()).toEqual([]);
      });
    }
  });
});
