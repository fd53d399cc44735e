/**
 * Is the ledger whole? SQLite says nothing when changes are missing: a cut file, a write-ahead log that is gone or
 * damaged. Each such loss is found before anything is opened; and what a process leaves that dies, or is at work, is
 * never taken for one.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { Db } from '../../../../src/adapters/sqlite/db.ts';
import { refuseDamaged } from '../../../../src/adapters/sqlite/wholeness.ts';
import { seededRng } from '../../../../src/base/random.ts';
import { tempFolder } from '../../../support/temp.ts';

const PROJECT = fileURLToPath(new URL('../../../../', import.meta.url));
const PAGE_BYTES = 4_096;
const FRAME_BYTES = 24 + PAGE_BYTES;
const PARTS = ['', '-wal', '-shm'] as const;

const addEvent = "INSERT INTO events (run_id, at_ms, kind, data) VALUES ('a', 1, 'x', ?)";

function add(db: Db, count: number, bytes = 3_000): void {
  for (let at = 0; at < count; at++) db.run(addEvent, 'x'.repeat(bytes));
}

/** The files as they lie at this instant: what is left when the process dies. */
function leftBehind(file: string): string {
  const copy = join(tempFolder(), 'state.db');
  for (const part of PARTS) if (existsSync(file + part)) copyFileSync(file + part, copy + part);
  return copy;
}

/** A ledger with 20 events in the file and 20 more in the log, left by a process that died. */
function killed(): string {
  const file = join(tempFolder(), 'state.db');
  const db = new Db(file);
  add(db, 20);
  db.close();
  const again = new Db(file);
  add(again, 20);
  const copy = leftBehind(file);
  again.close();
  return copy;
}

function closed(): string {
  const file = join(tempFolder(), 'state.db');
  const db = new Db(file);
  add(db, 20);
  db.close();
  return file;
}

function events(file: string): number {
  const db = new Db(file);
  const { count } = db.get<{ count: number }>('SELECT count(*) AS count FROM events') ?? { count: -1 };
  db.close();
  return count;
}

function bytesOf(file: string): Record<string, string> {
  return Object.fromEntries(
    PARTS.filter((part) => existsSync(file + part)).map((part) => [part, readFileSync(file + part, 'hex')]),
  );
}

/** Refused, by name, with nothing changed. */
function expectRefused(file: string, what: string): void {
  const before = bytesOf(file);
  expect(() => new Db(file), what).toThrow(
    expect.objectContaining({ code: 'E_STATE_CORRUPT', message: expect.stringContaining(file) }),
  );
  expect(bytesOf(file), what).toEqual(before);
}

describe('a file that was closed', () => {
  test('and then cut, at every page and in the middle of each, is refused', () => {
    const file = closed();
    const whole = readFileSync(file);
    expect(whole.readUInt16BE(16)).toBe(PAGE_BYTES);
    expect(whole.length).toBeGreaterThan(20 * PAGE_BYTES);
    for (let bytes = PAGE_BYTES / 2; bytes < whole.length; bytes += PAGE_BYTES / 2) {
      writeFileSync(file, whole.subarray(0, bytes));
      expectRefused(file, `${bytes} of ${whole.length} bytes`);
    }
    for (const bytes of [1, 15, 99, 101, whole.length - 1]) {
      writeFileSync(file, whole.subarray(0, bytes));
      expectRefused(file, `${bytes} of ${whole.length} bytes`);
    }
    writeFileSync(file, whole);
    expect(events(file)).toBe(20);
  });

  test('may have room behind its last page', () => {
    const file = closed();
    writeFileSync(file, Buffer.concat([readFileSync(file), Buffer.alloc(PAGE_BYTES)]));
    expect(events(file)).toBe(20);
  });
});

describe('a process died, and of its write-ahead log', () => {
  test('nothing is missing: all changes are there', () => {
    expect(events(killed())).toBe(40);
  });

  test('everything is gone', () => {
    const file = killed();
    rmSync(`${file}-wal`);
    expectRefused(file, 'no log');
    writeFileSync(`${file}-wal`, '');
    expectRefused(file, 'an empty log');
  });

  test('the end is cut off, at every frame and within', () => {
    const file = killed();
    const whole = readFileSync(`${file}-wal`);
    for (let bytes = 0; bytes < whole.length; bytes += FRAME_BYTES / 2) {
      writeFileSync(`${file}-wal`, whole.subarray(0, bytes));
      expectRefused(file, `${bytes} of ${whole.length} bytes`);
    }
  });

  test('a byte is another one, anywhere', () => {
    const file = killed();
    const whole = readFileSync(`${file}-wal`);
    for (let at = 0; at < whole.length; at += 2_999) {
      const bytes = Buffer.from(whole);
      bytes[at] = (bytes[at] ?? 0) ^ 0x10;
      writeFileSync(`${file}-wal`, bytes);
      expectRefused(file, `byte ${at}`);
    }
  });

  test('it is full of something else', () => {
    const file = killed();
    writeFileSync(`${file}-wal`, 'this is not a log '.repeat(500));
    expectRefused(file, 'text');
    rmSync(`${file}-shm`);
    expectRefused(file, 'text, without the index of the log');
  });

  test('all is there, and the file itself is cut, emptied, gone or full of something else', () => {
    const file = killed();
    const whole = readFileSync(file);
    for (let bytes = PAGE_BYTES; bytes < whole.length; bytes += PAGE_BYTES) {
      writeFileSync(file, whole.subarray(0, bytes));
      expectRefused(file, `${bytes} of ${whole.length} bytes`);
    }
    writeFileSync(file, '');
    expectRefused(file, 'emptied');
    writeFileSync(file, 'some text '.repeat(5_000));
    expectRefused(file, 'text');
    rmSync(file);
    expectRefused(file, 'gone');
  });

  test('the index is gone: it is made again from the log', () => {
    const file = killed();
    rmSync(`${file}-shm`);
    expect(events(file)).toBe(40);
  });

  test('the index knows less than the log, as after a power cut', () => {
    const file = join(tempFolder(), 'state.db');
    const db = new Db(file);
    add(db, 5);
    const index = readFileSync(`${file}-shm`);
    add(db, 5);
    const copy = leftBehind(file);
    db.close();
    writeFileSync(`${copy}-shm`, index);
    expect(events(copy)).toBe(10);
    writeFileSync(`${copy}-shm`, Buffer.alloc(index.length));
    expect(events(copy)).toBe(10);
  });

  test('nothing is needed any more: it is all in the file', () => {
    const file = join(tempFolder(), 'state.db');
    const db = new Db(file);
    add(db, 20);
    db.pragma('wal_checkpoint(PASSIVE)');
    const copy = leftBehind(file);
    db.close();
    rmSync(`${copy}-wal`);
    expect(events(copy)).toBe(20);
  });
});

describe('no false alarm', () => {
  test('whatever a process was doing when it died', () => {
    const file = join(tempFolder(), 'state.db');
    const rng = seededRng('wholeness');
    let db = new Db(file);
    let count = 0;
    for (let step = 0; step < 80; step++) {
      const rows = Math.floor(rng.next() * 12);
      add(db, rows, Math.floor(rng.next() * 8_000));
      count += rows;
      if (rng.next() < 0.2) db.pragma('wal_checkpoint(PASSIVE)');
      if (rng.next() < 0.1) {
        // Given back: the file may have free pages, and the log is begun anew.
        db.run('DELETE FROM events WHERE id % 2 = 0');
        count = db.get<{ count: number }>('SELECT count(*) AS count FROM events')?.count ?? -1;
      }
      if (rng.next() < 0.1) {
        db.close();
        db = new Db(file);
      }
      if (step % 5 === 0) expect(events(leftBehind(file)), `after step ${step}`).toBe(count);
    }
    db.close();
  });

  test('a transaction that is taken back leaves the log as good as it was', () => {
    const file = join(tempFolder(), 'state.db');
    const db = new Db(file);
    add(db, 3);
    // Small enough that the transaction goes into the log before its end.
    db.run('PRAGMA cache_size = 1');
    expect(() =>
      db.transaction(() => {
        add(db, 400);
        throw new Error('taken back');
      }),
    ).toThrow('taken back');
    expect(statSync(`${file}-wal`).size).toBeGreaterThan(200 * FRAME_BYTES);
    expect(events(leftBehind(file))).toBe(3);
    add(db, 1);
    expect(events(leftBehind(file))).toBe(4);
    db.close();
  });

  test('beside a process that writes, copies its log into the file, closes and opens without a pause', async () => {
    const file = join(tempFolder(), 'state.db');
    new Db(file).close();
    const code = `
      const Database = require('better-sqlite3');
      const kept = [];
      let going = true;
      process.stdin.on('data', () => (going = false));
      const round = () => {
        const db = new Database(${JSON.stringify(file)}, { timeout: 10000 });
        kept.push(db);
        db.exec('PRAGMA synchronous = OFF');
        for (let at = 0; at < 40; at++) {
          db.exec("INSERT INTO events (run_id, at_ms, kind, data) VALUES ('a', 1, 'x', hex(randomblob(" + at * 300 + ")))");
          if (at % 7 === 0) db.exec('PRAGMA wal_checkpoint(PASSIVE)');
        }
        db.exec('DELETE FROM events WHERE id % 3 = 0');
        db.close();
        if (going) setImmediate(round);
        else process.exit(0);
      };
      round();
      process.stdout.write('begun');`;
    const child = spawn(process.execPath, ['-e', code], { cwd: PROJECT, stdio: ['pipe', 'pipe', 'inherit'] });
    const gone = once(child, 'exit');
    await once(child.stdout, 'data');
    for (let looks = 0; looks < 2_000; looks++) refuseDamaged(file);
    child.stdin.end('stop');
    expect(await gone).toEqual([0, null]);
    expect(events(file)).toBeGreaterThan(0);
  });

  test('a second connection of the same process does not free the locks of the first', () => {
    const file = closed();
    const db = new Db(file);
    const said = db.transaction(() => {
      new Db(file).close();
      return another(file);
    });
    expect(said).toBe('SQLITE_BUSY');
    expect(another(file)).toBe('free');
    db.close();
  });
});

/** What another process hears that asks for the write lock. */
function another(file: string): string {
  const code = `
    const db = new (require('better-sqlite3'))(${JSON.stringify(file)}, { timeout: 0 });
    try { db.exec('BEGIN IMMEDIATE'); process.stdout.write('free'); }
    catch (error) { process.stdout.write(error.code); }`;
  return spawnSync(process.execPath, ['-e', code], { cwd: PROJECT, encoding: 'utf8' }).stdout;
}
