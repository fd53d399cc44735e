/**
 * The ledger's write-ahead log, cut at every 64th byte and around every frame: the store opens and shows a state that was
 * once committed, the later the longer the log, or it refuses; never something in between.
 */
import { copyFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { Db } from '../../src/adapters/sqlite/db.ts';
import { isBatchrunError } from '../../src/base/errors.ts';
import { tempFolder } from '../support/temp.ts';
import { atEnd, ended, ledgerOf } from './judges.ts';
import { Lab, smallPages, wrongCounters } from './lab.ts';
import { collect, SMALL, submit } from './scenarios.ts';
import { Nth } from './taps.ts';

/** What SQLite writes before the first page, and before each (https://sqlite.org/fileformat2.html#the_write_ahead_log). */
const HEAD_BYTES = 32;
const FRAME_BYTES = 24 + 512;
const STEP_BYTES = 64;

let cuts = 0;
let states = 0;
let refused = 0;

afterAll(() => {
  process.stdout.write(`torn-wal: ${cuts} cuts, ${states} states, ${refused} refused\n`);
});

interface Middle {
  readonly lab: Lab;
  readonly main: Buffer;
  readonly wal: Buffer;
  /** The index of the log, which a killed process leaves behind and a copied folder may lack. */
  readonly shm: Buffer;
  /** Every state since the log was begun. */
  readonly committed: readonly string[];
}

/** Runs to the middle of a collect on a real file. */
async function inTheMiddle(folder: string): Promise<Middle> {
  const file = smallPages(join(folder, 'state.db'));
  const lab = new Lab(SMALL.setup, new Db(file));
  await lab.mustEnd(submit);
  // As a process ends: what was in the log is in the database now.
  lab.db.close();
  lab.useDb(new Db(file));
  const committed = [ledgerOf(lab.db)];
  const hand = new Nth(1, { only: ({ name }) => name === 'finishRun', then: async () => lab.die('finishRun', 'kill') });
  await lab.run(collect, {
    tap: (call, go) =>
      hand.tap(call, () => {
        // A step of the ledger is done when the call comes back, before its promise is heard of.
        const done = go();
        if (call.port === 'store' && call.writes) committed.push(ledgerOf(lab.db));
        return done;
      }),
  });
  expect(hand.hit).not.toBeNull();
  const [main, wal, shm] = ['', '-wal', '-shm'].map((end) => readFileSync(`${file}${end}`)) as [Buffer, Buffer, Buffer];
  return { lab, main, wal, shm, committed };
}

/** Where the log is cut: 64 bytes apart, and before, at and after the end of each frame. */
function cutsOf(length: number): number[] {
  const all = new Set<number>();
  for (let at = 0; at <= length; at += STEP_BYTES) all.add(at);
  for (let at = HEAD_BYTES; at <= length; at += FRAME_BYTES) for (const by of [-1, 0, 1]) all.add(at + by);
  return [...all].filter((at) => at <= length).sort((a, b) => a - b);
}

test('a log that is cut anywhere shows a state that was committed once, or is refused', async () => {
  const folder = tempFolder();
  const { lab, main, wal, shm, committed } = await inTheMiddle(folder);
  const file = join(folder, 'cut.db');
  const put = (log: Buffer, index?: Buffer): string => {
    writeFileSync(file, main);
    writeFileSync(`${file}-wal`, log);
    if (index) writeFileSync(`${file}-shm`, index);
    else rmSync(`${file}-shm`, { force: true });
    return file;
  };
  expect((wal.length - HEAD_BYTES) % FRAME_BYTES).toBe(0);
  const firstOf = new Map<number, Buffer>();
  let last = 0;
  for (const at of cutsOf(wal.length)) {
    const cut = wal.subarray(0, at);
    // What stands behind the cut must not matter: once nothing, once bytes that mean nothing.
    if (at % STEP_BYTES !== 0) {
      // Around a frame also with the index of the whole log beside it: then it may be noticed that something is missing.
      cuts++;
      stateIn(put(cut, shm), committed, `cut at ${at}, with its index`);
    }
    for (const log of at % STEP_BYTES === 0 ? [cut] : [cut, Buffer.concat([cut, Buffer.alloc(FRAME_BYTES, 0xa5)])]) {
      cuts++;
      const state = stateIn(put(log), committed, `cut at ${at}`);
      if (state === null) continue;
      expect(state, `cut at ${at}: later than what stood behind it`).toBeGreaterThanOrEqual(last);
      last = state;
      if (!firstOf.has(state)) firstOf.set(state, log);
    }
  }
  expect(last).toBe(committed.length - 1);
  // As a kill leaves it: whole, with its index.
  expect(stateIn(put(wal, shm), committed, 'whole')).toBe(last);
  states = firstOf.size;
  // Not every step changes something that is looked at here.
  expect(states).toBe(new Set(committed).size);
  // And from each of them the work goes on to its end, with the files as they were.
  const files = lab.disk.contents();
  lab.db.close();
  for (const log of firstOf.values()) {
    for (const [path, bytes] of files) lab.disk.put(path, bytes);
    const copy = join(folder, 'again.db');
    copyFileSync(put(log), copy);
    copyFileSync(`${file}-wal`, `${copy}-wal`);
    lab.useDb(new Db(copy));
    expect(ended(await lab.run(collect))).toEqual([]);
    expect(await atEnd(lab, SMALL, 0)).toEqual([]);
    lab.db.close();
  }
});

/** Which of the committed states (the last of those that look the same) is in this file; null where it is refused. */
function stateIn(file: string, committed: readonly string[], what: string): number | null {
  let db: Db;
  try {
    db = new Db(file);
  } catch (error) {
    expect(isBatchrunError(error, 'E_STATE_CORRUPT'), `${what}: ${String(error)}`).toBe(true);
    refused++;
    return null;
  }
  try {
    const state = committed.lastIndexOf(ledgerOf(db));
    expect(state, `${what}: a state that never was`).toBeGreaterThanOrEqual(0);
    expect(wrongCounters(db), what).toEqual([]);
    return state;
  } finally {
    db.close();
  }
}

test('the loop notices a state that never was', async () => {
  const folder = tempFolder();
  const { lab, committed } = await inTheMiddle(folder);
  lab.db.run('UPDATE chunks SET fetches = fetches + 1');
  lab.db.close();
  expect(() => stateIn(join(folder, 'state.db'), committed, 'changed')).toThrow('a state that never was');
});
