/**
 * Files as a crash can leave them: logs with a torn tail at every byte, temporary files, files that are in place without
 * the transaction that makes them count, with all, a part or nothing of their data. The next process goes on, and the
 * output is right. What is shorter than what was committed is refused by its name, never passed over.
 */
import { writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { createDiskFiles } from '../../src/adapters/disk-files.ts';
import { isBatchrunError } from '../../src/base/errors.ts';
import { seededRng } from '../../src/base/random.ts';
import type { AppendLog } from '../../src/domain/ports.ts';
import { tempFolder } from '../support/temp.ts';
import { atEnd, ended } from './judges.ts';
import { Lab, OUTPUT, type Outcome, type Snapshot, type Trouble } from './lab.ts';
import { collect, ERRORS_FILE, RETRY_CHUNK, SMALL, SPLIT, TWO_CALLS, type Scenario } from './scenarios.ts';
import { Nth, type Tap } from './taps.ts';

const counts: Record<string, number> = {};
const count = (what: string): void => {
  counts[what] = (counts[what] ?? 0) + 1;
};

afterAll(() => {
  const parts = Object.entries(counts).map(([what, points]) => `${points} ${what}`);
  process.stdout.write(`torn-tails: ${parts.join(', ')}\n`);
});

/** The process is killed when it is about to call the N-th of this step of a port. */
async function killedBefore(scenario: Scenario, step: string, nth = 1): Promise<Lab> {
  const lab = new Lab(scenario.setup);
  await scenario.prepare?.(lab);
  const hand = new Nth(nth, {
    only: ({ port, name }) => `${port}.${name}` === step,
    then: async () => lab.die(step, 'kill'),
  });
  await lab.run(scenario.command, { tap: hand.tap });
  expect(hand.hit, `${scenario.name} does not come to ${step}`).not.toBeNull();
  return lab;
}

/** The one file of this run whose path ends so. */
function fileOf(snapshot: Snapshot, end: string): readonly [path: string, bytes: Buffer] {
  const [found, ...more] = [...snapshot.files].filter(
    ([path]) => path.startsWith('/state/runs/') && path.endsWith(end),
  );
  if (!found || more.length > 0)
    throw new Error(`there is not one file ${end}: ${[...snapshot.files.keys()].join(' ')}`);
  return found;
}

/** Goes on from there to the end; what is wrong then. */
async function goesOn(lab: Lab, scenario: Scenario, planted: Trouble = {}): Promise<string[]> {
  const wrong = ended(await lab.run(scenario.command, planted));
  return [...wrong, ...(await atEnd(lab, scenario, lab.crashes * lab.setup.concurrency))];
}

/** Bytes that mean nothing, with line ends and braces among them. */
function garbage(length: number): Buffer {
  const rng = seededRng(`garbage|${length}`);
  const bytes = Buffer.from(Array.from({ length }, () => Math.floor(rng.next() * 256)));
  if (length > 20) bytes.write('\n{"custom_id":"', 3);
  return bytes;
}

/** Every `step`-th length of a part of these bytes, none and all among them. */
function lengths(total: number, step = 1): number[] {
  const all = Array.from({ length: Math.ceil(total / step) }, (_unused, at) => at * step);
  return [...all, total];
}

/** A log with answers that were committed, and one that was synced and not committed. */
async function tornLog(): Promise<{ lab: Lab; snapshot: Snapshot; path: string; committed: Buffer; tail: Buffer }> {
  const lab = await killedBefore(TWO_CALLS, 'store.settleRealtime', 2);
  const snapshot = lab.snapshot();
  const [path, bytes] = fileOf(snapshot, 'realtime.jsonl');
  const length = (await lab.store.runs())[0]?.realtimeLogBytes ?? 0;
  const committed = bytes.subarray(0, length);
  const tail = bytes.subarray(length);
  expect(committed.length).toBeGreaterThan(300);
  expect(tail.length).toBeGreaterThan(300);
  return { lab, snapshot, path, committed, tail };
}

describe('the log of the realtime lane', () => {
  test('is cut at its committed length, wherever its tail is torn and whatever it is', async () => {
    const { lab, snapshot, path, committed, tail } = await tornLog();
    const tails = [
      ...lengths(tail.length).map((length) => tail.subarray(0, length)),
      // On the real disk below at every length.
      ...lengths(tail.length, 4).map((length) => garbage(length)),
      ...lengths(tail.length, 16).map((length) => Buffer.alloc(length)),
    ];
    for (const left of tails) {
      lab.restore(snapshot);
      lab.disk.put(path, Buffer.concat([committed, left]));
      expect(await goesOn(lab, { ...TWO_CALLS, command: collect }), `a tail of ${left.length} bytes`).toEqual([]);
      count('torn logs');
    }
  });

  test('is cut and grows again on a real disk', async () => {
    const { committed, tail } = await tornLog();
    const folder = tempFolder();
    const files = createDiskFiles(folder);
    const line = Buffer.from('{"custom_id":"after"}\n');
    const file = join(folder, 'realtime.jsonl');
    for (const left of [...lengths(tail.length)].flatMap((length) => [tail.subarray(0, length), garbage(length)])) {
      writeFileSync(file, Buffer.concat([committed, left]));
      const log = await files.openAppend('realtime.jsonl', committed.length);
      await log.append(line);
      await log.close();
      expect((await readFile(file)).equals(Buffer.concat([committed, line])), `${left.length} bytes`).toBe(true);
      count('torn logs on a real disk');
    }
  });

  test('is refused by its name when it is shorter than what was committed', async () => {
    const { lab, snapshot, path, committed } = await tornLog();
    const folder = tempFolder();
    const files = createDiskFiles(folder);
    for (let length = 0; length < committed.length; length++) {
      lab.restore(snapshot);
      lab.disk.put(path, committed.subarray(0, length));
      const called = lab.world.ledger.messages.length;
      await expectRefused(lab, await lab.run(collect), path);
      // What a call under way brings is lost with the log; more than that must not be paid for.
      expect(lab.world.ledger.messages.length - called).toBe(0);
      writeFileSync(join(folder, 'log'), committed.subarray(0, length));
      await expect(files.openAppend('log', committed.length)).rejects.toMatchObject({ code: 'E_STATE_CORRUPT' });
      count('logs below their length');
    }
    lab.disk.put(path, committed);
    expect(await goesOn(lab, { ...TWO_CALLS, command: collect })).toEqual([]);
  });
});

test('the loop notices a log that is not cut', async () => {
  const { lab, snapshot } = await tornLog();
  lab.restore(snapshot);
  const uncut: Tap = async (call, go) => {
    if (call.name !== 'openAppend') return go();
    const log = (await go()) as AppendLog;
    await log.append(garbage(4));
    return { bytes: log.bytes - 4, append: log.append, sync: log.sync, close: log.close };
  };
  expect(await goesOn(lab, { ...TWO_CALLS, command: collect }, { tap: uncut })).not.toEqual([]);
});

/** The command failed and named the file, or stands blocked at the output and names it; nothing was written. */
async function expectRefused(lab: Lab, outcome: Outcome, path: string): Promise<void> {
  const name = path.split('/').slice(-2).join('/');
  expect(lab.disk.contents().get(OUTPUT), `an output was made without ${name}`).toBeUndefined();
  if (outcome.kind === 'ended') {
    const blocks = (await lab.store.runs()).flatMap((run) => run.blocked);
    expect([outcome.end, ...blocks.map(({ reason }) => reason)]).toEqual(['blocked', 'output']);
    expect(blocks[0]?.message).toContain(name);
    return;
  }
  if (outcome.kind !== 'failed' || !isBatchrunError(outcome.error)) expect.fail(`${name}: ${ended(outcome).join()}`);
  expect(outcome.error.code).toBe('E_STATE_CORRUPT');
  expect(outcome.error.message).toContain(name);
}

describe('a file that counts and has become shorter', () => {
  /** Every length of the small files, some of the large ones, the ends of their lines among them. */
  function shorter(bytes: Buffer): number[] {
    const ends = [...bytes.entries()].filter(([, byte]) => byte === 10).map(([at]) => at + 1);
    const all = new Set([...lengths(bytes.length, bytes.length > 400 ? 13 : 1), ...ends]);
    // Without its last line end everything is still there.
    return [...all].filter((at) => at < bytes.length - 1);
  }

  test.each([
    ['rows/000001.jsonl', 'store.finishRun'],
    ['rows/invalid.jsonl', 'store.finishRun'],
    ['rows/duplicates.jsonl', 'store.finishRun'],
    ['results/000001.jsonl', 'store.finishRun'],
    ['results/000003.jsonl', 'store.finishRun'],
    ['chunks/000001.json', 'store.recordAttempt'],
  ])('%s is refused by its name', async (end, step) => {
    const lab = await killedBefore(ERRORS_FILE, step);
    const snapshot = lab.snapshot();
    const [path, bytes] = fileOf(snapshot, end);
    for (const length of shorter(bytes)) {
      lab.restore(snapshot);
      lab.disk.put(OUTPUT, null);
      lab.disk.put(path, bytes.subarray(0, length));
      await expectRefused(lab, await lab.run(collect), path);
      count('shorter files');
    }
  });
});

describe('a file that is in place without its transaction', () => {
  test.each([
    ['results of a batch', SMALL, 'store.checkpointCollected', 'results/000001.jsonl', 11],
    ['a retry chunk', RETRY_CHUNK, 'store.sealRetryChunk', 'chunks/000003.json', 25],
    ['a chunk that is being read', SMALL, 'store.sealChunk', 'chunks/000001.json', 25],
    ['the parts of a chunk that is split', SPLIT, 'store.recordSplit', 'chunks/000002.json', 25],
  ] as const)('%s: whole, a part, empty, zeros', async (_name, scenario, step, end, stride) => {
    const lab = await killedBefore(scenario, step);
    const snapshot = lab.snapshot();
    const [path, bytes] = fileOf(snapshot, end);
    const lefts = lengths(bytes.length, stride).flatMap((length) => [
      bytes.subarray(0, length),
      Buffer.concat([bytes.subarray(0, length), Buffer.alloc(bytes.length - length)]),
    ]);
    for (const left of [...lefts, garbage(bytes.length), Buffer.concat([bytes, bytes])]) {
      lab.restore(snapshot);
      lab.disk.put(path, left);
      expect(await goesOn(lab, scenario), `${left.length} bytes of ${path}`).toEqual([]);
      count('files without their transaction');
    }
  });
});

describe('temporary files of processes that died', () => {
  test.each([
    ['before a run', SMALL, 'store.sealChunk'],
    ['before the results', SMALL, 'store.checkpointCollected'],
    ['before a retry chunk', RETRY_CHUNK, 'store.sealRetryChunk'],
    ['before the output', SMALL, 'store.finishRun'],
  ] as const)('%s are passed over', async (_name, scenario, step) => {
    const lab = await killedBefore(scenario, step);
    const snapshot = lab.snapshot();
    const names = [...snapshot.files.keys(), OUTPUT];
    for (let part = 0; part <= 10; part++) {
      lab.restore(snapshot);
      for (const name of names) {
        const whole = snapshot.files.get(name) ?? Buffer.from('{"custom_id":"row-0","result":{}}\n');
        lab.disk.put(`${name}.0badcafe.tmp`, whole.subarray(0, Math.floor((whole.length * part) / 10)));
      }
      expect(await goesOn(lab, scenario), `${part} tenths`).toEqual([]);
      count('sets of temporary files');
    }
  });
});
