/**
 * The connection: the settings that the promises need, migrations, and what SQLite's errors become.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import ts from 'typescript';
import { describe, expect, test } from 'vitest';
import { Db, type DbOptions } from '../../../../src/adapters/sqlite/db.ts';
import { openDatabase, prepare, readPragma } from '../../../../src/adapters/sqlite/kept.ts';
import { MIGRATIONS, SCHEMA_VERSION } from '../../../../src/adapters/sqlite/migrations.ts';
import { tempFolder } from '../../../support/temp.ts';

function hashOf(file: string): string {
  return createHash('sha256').update(readFileSync(file)).digest('hex');
}

/** The room under test and what it imports as plain JavaScript, for threads that cannot read TypeScript. */
function compileDb(folder: string): string {
  const options = {
    module: ts.ModuleKind.ESNext,
    target: ts.ScriptTarget.ES2022,
    rewriteRelativeImportExtensions: true,
  };
  for (const path of [
    'adapters/sqlite/db',
    'adapters/sqlite/kept',
    'adapters/sqlite/migrations',
    'adapters/sqlite/wholeness',
    'base/errors',
    'base/error-catalogue',
  ]) {
    const source = readFileSync(new URL(`../../../../src/${path}.ts`, import.meta.url), 'utf8');
    const target = join(folder, 'js', `${path}.js`);
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, ts.transpileModule(source, { compilerOptions: options }).outputText);
  }
  writeFileSync(join(folder, 'js/package.json'), '{"type":"module"}');
  symlinkSync(fileURLToPath(new URL('../../../../node_modules', import.meta.url)), join(folder, 'node_modules'));
  return pathToFileURL(join(folder, 'js/adapters/sqlite/db.js')).href;
}

/** What opening this file is refused with. */
function refusal(file: string, options: DbOptions = {}): unknown {
  try {
    new Db(file, options).close();
  } catch (error) {
    return error;
  }
  return 'it was opened';
}

/** What reading a table is refused with, where the file could be opened. */
function refusalOfReading(file: string): unknown {
  try {
    const db = new Db(file);
    try {
      db.read(() => db.all('SELECT * FROM tombstones'));
    } finally {
      db.close();
    }
  } catch (error) {
    return error;
  }
  return 'it was read';
}

/** Some pages are in the way of the opening already, the others of whoever wants to drive. */
function becomeDriver(file: string): void {
  const db = new Db(file);
  try {
    db.expectWhole();
  } finally {
    db.close();
  }
}

describe('the settings', () => {
  test('are WAL with every commit on the disk, foreign keys held, and a wait for other writers', () => {
    const db = new Db(join(tempFolder(), 'state.db'));
    expect({
      journal: db.pragma('journal_mode'),
      // 2 is FULL: with 1 a committed batch could be gone after a power cut, and paid twice.
      synchronous: db.pragma('synchronous'),
      foreignKeys: db.pragma('foreign_keys'),
      busyMs: db.pragma('busy_timeout'),
      version: db.pragma('user_version'),
    }).toEqual({ journal: 'wal', synchronous: 2, foreignKeys: 1, busyMs: 10_000, version: SCHEMA_VERSION });
    db.close();
  });

  test('hold for a second connection and after a reopening', () => {
    const file = join(tempFolder(), 'state.db');
    new Db(file).close();
    const db = new Db(file);
    expect([db.pragma('journal_mode'), db.pragma('synchronous'), db.pragma('foreign_keys')]).toEqual(['wal', 2, 1]);
    db.close();
  });
});

describe('a transaction', () => {
  test('is all or nothing', () => {
    const db = new Db(':memory:');
    const insert = (id: string): unknown =>
      db.run("INSERT INTO events (run_id, at_ms, kind, data) VALUES (?, 1, 'x', '{}')", id);
    expect(() =>
      db.transaction(() => {
        insert('a');
        throw new Error('on the way');
      }),
    ).toThrow('on the way');
    expect(db.all('SELECT * FROM events')).toEqual([]);
    db.transaction(() => insert('b'));
    expect(db.all('SELECT run_id FROM events')).toEqual([{ run_id: 'b' }]);
    db.close();
  });

  test('takes the write lock at its beginning, so that nothing changes under what it reads', () => {
    const file = join(tempFolder(), 'state.db');
    const db = new Db(file);
    const other = openDatabase(file, { timeout: 0 });
    db.transaction(() => {
      expect(() => other.exec('BEGIN IMMEDIATE')).toThrow(/locked/);
    });
    other.close();
    db.close();
  });
});

describe('migrations', () => {
  test('are numbered from 1 without a gap, and the last one is the schema', () => {
    expect(MIGRATIONS.map((migration) => migration.id)).toEqual(MIGRATIONS.map((_, at) => at + 1));
    expect(SCHEMA_VERSION).toBe(MIGRATIONS.length);
  });

  test('a state of a newer batchrun is refused and not touched', () => {
    for (const journal of ['WAL', 'DELETE']) {
      const file = join(tempFolder(), 'state.db');
      const raw = openDatabase(file, {});
      raw.exec(`PRAGMA journal_mode = ${journal}`);
      raw.exec('CREATE TABLE of_tomorrow (x)');
      raw.exec(`PRAGMA user_version = ${SCHEMA_VERSION + 1}`);
      raw.close();
      const before = hashOf(file);
      expect(refusal(file)).toMatchObject({
        code: 'E_STATE_NEWER',
        message: `the state folder has schema ${SCHEMA_VERSION + 1}; this batchrun knows schema ${SCHEMA_VERSION}`,
      });
      expect([journal, hashOf(file)]).toEqual([journal, before]);
    }
  });

  test('a step that fails leaves nothing of itself', () => {
    const file = join(tempFolder(), 'state.db');
    const raw = openDatabase(file, {});
    // The last table of the first step is in the way.
    raw.exec('CREATE TABLE tombstones (x)');
    raw.close();
    expect(refusal(file)).toMatchObject({ message: expect.stringContaining('tombstones') });
    const after = openDatabase(file, {});
    const tables = prepare(after, "SELECT name FROM sqlite_master WHERE type = 'table'").pluck().all();
    expect([tables, readPragma(after, 'user_version')]).toEqual([['tombstones'], 0]);
    after.close();
  });

  test('several processes that open a new state at once all find the same schema', async () => {
    const folder = tempFolder();
    const file = join(folder, 'state.db');
    const module = compileDb(folder);
    // Everyone waits at the gate (the end of stdin), so that all open at the same instant.
    const code = `
      const { Db } = await import(${JSON.stringify(module)});
      process.stdout.write('ready');
      await new Promise((resolve) => process.stdin.on('end', resolve).resume());
      const db = new Db(${JSON.stringify(file)});
      db.run("INSERT INTO events (run_id, at_ms, kind, data) VALUES ('a', 1, 'x', '{}')");
      db.close();`;
    const count = 4;
    const children = Array.from({ length: count }, () =>
      spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: ['pipe', 'pipe', 'inherit'] }),
    );
    await Promise.all(children.map((child) => once(child.stdout, 'data')));
    const exits = children.map(async (child) => (await once(child, 'exit'))[0] as number | null);
    for (const child of children) child.stdin.end();
    expect(await Promise.all(exits)).toEqual(Array.from({ length: count }, () => 0));
    const db = new Db(file);
    expect(db.all('SELECT run_id FROM events')).toHaveLength(count);
    expect([db.pragma('user_version'), db.pragma('integrity_check')]).toEqual([SCHEMA_VERSION, 'ok']);
    db.close();
  });

  test('a second connection that comes while the first is open finds the work done', () => {
    const file = join(tempFolder(), 'state.db');
    const first = new Db(file);
    const second = new Db(file);
    second.run("INSERT INTO events (run_id, at_ms, kind, data) VALUES ('a', 1, 'x', '{}')");
    expect(first.all('SELECT run_id FROM events')).toEqual([{ run_id: 'a' }]);
    first.close();
    second.close();
  });
});

describe('a file that is no state', () => {
  test('full of something else is E_STATE_CORRUPT, and stays as it is', () => {
    const file = join(tempFolder(), 'state.db');
    writeFileSync(file, 'this is not a database '.repeat(500));
    const before = hashOf(file);
    expect(refusal(file)).toMatchObject({ code: 'E_STATE_CORRUPT', message: expect.stringContaining(file) });
    expect(hashOf(file)).toBe(before);
  });

  test('whose pages are damaged is E_STATE_CORRUPT', () => {
    const file = join(tempFolder(), 'state.db');
    new Db(file).close();
    const bytes = readFileSync(file);
    bytes.fill(0xa5, 100, 4_096);
    writeFileSync(file, bytes);
    expect(refusal(file)).toMatchObject({ code: 'E_STATE_CORRUPT' });
  });

  test('that is a folder, or in a missing folder, is E_STATE_UNUSABLE and names the path', () => {
    const folder = join(tempFolder(), 'state.db');
    mkdirSync(folder);
    expect(refusal(folder)).toMatchObject({ code: 'E_STATE_UNUSABLE', message: expect.stringContaining(folder) });
    const missing = join(folder, 'none', 'state.db');
    expect(refusal(missing)).toMatchObject({ code: 'E_STATE_UNUSABLE', message: expect.stringContaining(missing) });
  });

  test('that is empty becomes a state, unless something says that there was one', () => {
    const file = join(tempFolder(), 'state.db');
    const traces = { traces: 'runs/ with 2 runs' };
    const lost = { code: 'E_STATE_CORRUPT', message: expect.stringContaining('runs/ with 2 runs') };
    expect(refusal(file, traces)).toMatchObject(lost);
    expect(existsSync(file)).toBe(false);
    writeFileSync(file, '');
    expect(refusal(file, traces)).toMatchObject(lost);
    const raw = openDatabase(file, {});
    raw.exec('PRAGMA journal_mode = WAL');
    raw.close();
    const before = hashOf(file);
    expect(refusal(file, traces)).toMatchObject(lost);
    expect(hashOf(file)).toBe(before);

    new Db(file).close();
    expect(refusal(file, traces)).toBe('it was opened');
  });

  test('whose tables are not ours is E_STATE_CORRUPT', () => {
    const file = join(tempFolder(), 'state.db');
    const damages = ['PRAGMA user_version = -5', 'PRAGMA user_version = 0', 'DROP TABLE tombstones'];
    for (const damage of damages) {
      new Db(file).close();
      const raw = openDatabase(file, {});
      raw.exec(damage);
      raw.close();
      const refused = { code: 'E_STATE_CORRUPT', message: expect.stringContaining(file) };
      expect([damage, refusalOfReading(file)]).toMatchObject([damage, refused]);
      rmSync(file);
    }
  });

  test('with a record that cannot be read is E_STATE_CORRUPT', () => {
    const file = join(tempFolder(), 'state.db');
    const db = new Db(file);
    expect(() => db.read(() => JSON.parse('{"torn') as unknown)).toThrow(
      expect.objectContaining({ code: 'E_STATE_CORRUPT' }),
    );
    db.close();
  });

  test('with a page of garbage has no driver, whichever page it is', () => {
    const file = join(tempFolder(), 'state.db');
    const whole = new Db(file);
    whole.expectWhole();
    whole.close();
    const bytes = readFileSync(file);
    for (let at = 4_096; at < bytes.length; at += 4_096) {
      writeFileSync(file, Buffer.from(bytes).fill(0xa5, at, at + 16));
      const refused = expect.objectContaining({ code: 'E_STATE_CORRUPT', message: expect.stringContaining(file) });
      expect(() => becomeDriver(file), `page at ${at}`).toThrow(refused);
    }
  });
});
