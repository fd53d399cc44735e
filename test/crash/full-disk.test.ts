/**
 * A disk that is full, at every step that writes: the command ends with E_DISK_FULL and what to do (an output that has no
 * room is waited for), nothing is left half-written, and after space was made the same command ends right, with every
 * answer and nothing paid twice.
 *
 * The disk is a small one in memory, which only root can mount; elsewhere these tests are skipped and say so.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { FaultName } from '../../src/tools/sim/faults.ts';
import {
  asked,
  bench,
  csv,
  expectAnswers,
  expectNothingHalf,
  expectNothingTwice,
  requests,
  type Bench,
  type Printed,
} from '../support/cli.ts';
import { MEGABYTE, SmallDisk } from '../support/small-disk.ts';

const ROWS = 6;
const CHUNKS = 3;
const SUBMIT = ['submit', 'in.jsonl', '--chunk-size', '2'];

/** A bench whose state folder is a disk of its own. */
async function withSmallState(
  skip: (condition: boolean, why: string) => void,
  bytes = 4 * MEGABYTE,
  options: Parameters<typeof bench>[0] = {},
): Promise<{ readonly b: Bench; readonly disk: SmallDisk }> {
  const b = await bench(options);
  b.write('in.jsonl', requests(ROWS));
  const disk = SmallDisk.mount(b.state, bytes);
  if (disk) return { b, disk };
  skip(true, 'a small disk cannot be mounted here: only root may');
  throw new Error('skipped');
}

async function endsFull(b: Bench, args: readonly string[]): Promise<Printed> {
  const printed = await b.json(1, args);
  expect(printed.error).toMatchObject({ code: 'E_DISK_FULL', exit: 1, hint: expect.stringMatching(/space/) });
  expect(printed.error.message).toContain(b.folder);
  expectNothingHalf(b.state, b.folder);
  return printed;
}

async function expectDone(b: Bench, batches = CHUNKS): Promise<void> {
  await b.ok(['collect']);
  expectAnswers(b.lines('in.results.jsonl'), asked(ROWS));
  expectNothingTwice(b.world);
  expect(b.world.ledger.batches).toHaveLength(batches);
  expectNothingHalf(b.state, b.folder);
}

/** Does something at the moment when the API is asked whether this fault fires: somewhere in the middle of a call. */
function atThe(b: Bench, fault: FaultName, nth: number, work: () => void): void {
  let times = 0;
  b.world.script((question) => {
    if (question.fault === fault && ++times === nth) work();
    return undefined;
  });
}

describe('full while an input is read', () => {
  test('before anything is there', async ({ skip }) => {
    const { b, disk } = await withSmallState(skip);
    disk.fill();
    await endsFull(b, SUBMIT);
    expect(b.calls('batches.create')).toBe(0);
    disk.makeSpace();
    await b.ok(SUBMIT);
    await expectDone(b);
  });

  test.for([40_000, 80_000, 120_000, 200_000, 300_000])(
    'with %i bytes left: no run, no files, and the space is given back',
    async (leftBytes, { skip }) => {
      const { b, disk } = await withSmallState(skip);
      b.write('in.jsonl', requests(3_000));
      disk.fill(leftBytes);
      await endsFull(b, ['submit', 'in.jsonl', '--chunk-size', '500']);
      expect(b.runFolders()).toEqual([]);
      expect(b.calls('batches.create')).toBe(0);
      disk.makeSpace();
      expect((await b.json(0, ['list'])).runs).toEqual([]);
      await b.ok(['run', 'in.jsonl', '--chunk-size', '500']);
      expectAnswers(b.lines('in.results.jsonl'), asked(3_000));
      expectNothingTwice(b.world);
    },
  );

  test('beside a run that was made before', async ({ skip }) => {
    const { b, disk } = await withSmallState(skip);
    await b.ok(SUBMIT);
    b.write('more.csv', csv(20_000));
    disk.fill(200_000);
    await endsFull(b, [
      'submit',
      'more.csv',
      '--model',
      'claude-haiku-5-5',
      '--max-tokens',
      '9',
      '--prompt',
      '{{text}}',
    ]);
    expect(b.runFolders()).toHaveLength(1);
    disk.makeSpace();
    await expectDone(b);
  });
});

describe('full in the middle of a submit', () => {
  test('the batch is made and its id cannot be written down: the next submit finds it, and no second one is made', async ({
    skip,
  }) => {
    const { b, disk } = await withSmallState(skip);
    atThe(b, 'list.lag', 2, () => disk.fill());
    // With room for two, none is sent beside the second one.
    const submit = [...SUBMIT, '--max-batches', '2'];
    await endsFull(b, submit);
    expect(b.world.ledger.batches).toHaveLength(2);
    await endsFull(b, submit);
    expect(b.world.ledger.batches).toHaveLength(2);
    disk.makeSpace();
    await b.ok(SUBMIT);
    await expectDone(b);
  });

  // Each commit takes some pages of the log: with more and more space it is another one that finds none.
  test.for([0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22])(
    'with %i pages left from the second batch on: wherever that ends, each row is sent once',
    async (leftPages, { skip }) => {
      const { b, disk } = await withSmallState(skip);
      atThe(b, 'list.500', 3, () => disk.fill(leftPages * 4_096));
      const ended = await b.call([...SUBMIT, '--json']);
      if (ended.code !== 0) expect(ended.stdout).toContain('"E_DISK_FULL"');
      // So much is needed for the commits of a batch, whatever else is written.
      if (leftPages < 10) expect(ended.code).toBe(1);
      disk.makeSpace();
      await b.ok(SUBMIT);
      await expectDone(b);
    },
  );
});

describe('full while results are fetched', () => {
  test.for([0, 20_000, 60_000, 100_000, 150_000])(
    'with %i bytes left: they are fetched again, not paid again',
    async (leftBytes, { skip }) => {
      const { b, disk } = await withSmallState(skip, 8 * MEGABYTE);
      b.write('in.jsonl', requests(600));
      await b.ok(['submit', 'in.jsonl', '--chunk-size', '200']);
      atThe(b, 'results.404', 1, () => disk.fill(leftBytes));
      await endsFull(b, ['collect']);
      expect(b.has('in.results.jsonl')).toBe(false);
      disk.makeSpace();
      await b.ok(['collect']);
      expectAnswers(b.lines('in.results.jsonl'), asked(600));
      expectNothingTwice(b.world);
    },
  );

  test('in the realtime lane: at most the calls under way are made once more', async ({ skip }) => {
    const { b, disk } = await withSmallState(skip, 4 * MEGABYTE, {
      rates: { errorRate: 1, errorTypes: { api_error: 1 } },
    });
    await b.ok(SUBMIT);
    atThe(b, 'message.reset', 2, () => disk.fill());
    await endsFull(b, ['collect', '--concurrency', '2']);
    disk.makeSpace();
    await expectDone(b);
    expect(b.world.ledger.messages.length).toBeLessThanOrEqual(ROWS + 2);
  });

  test('while rows are sealed for another batch: they are sent once', async ({ skip }) => {
    const { b, disk } = await withSmallState(skip, 4 * MEGABYTE, {
      rates: { errorRate: 1, errorTypes: { overloaded_error: 1 } },
    });
    await b.ok([...SUBMIT, '--retry-lane', 'batch']);
    let fetched = 0;
    b.world.script((question) => {
      if (question.fault === 'results.404' && ++fetched === CHUNKS) {
        b.world.setRates({ errorRate: 0 });
        disk.fill(20_000);
      }
      return undefined;
    });
    await endsFull(b, ['collect']);
    expect(b.world.ledger.batches).toHaveLength(CHUNKS);
    disk.makeSpace();
    await b.ok(['collect']);
    expectAnswers(b.lines('in.results.jsonl'), asked(ROWS));
    expectNothingTwice(b.world);
  });
});

describe('full where the output goes', () => {
  test('the run waits for a person, and other runs go on', async ({ skip }) => {
    const b = await bench();
    b.write('in.jsonl', requests(ROWS));
    b.write('other.jsonl', requests(2, 'other'));
    const disk = SmallDisk.mount(b.path('results'), 256 * 1024);
    skip(disk === null, 'a small disk cannot be mounted here: only root may');
    const output = join(b.path('results'), 'out.jsonl');
    await b.ok([...SUBMIT, '-o', output]);
    await b.ok(['submit', 'other.jsonl']);
    disk?.fill();
    const blocked = await b.json(5, ['collect']);
    const run = blocked.runs.find((one) => one.output === output);
    expect(run?.blocked).toMatchObject([
      { scope: 'output', message: expect.stringContaining(output), hint: expect.stringMatching(/space/) },
    ]);
    expectNothingHalf(b.state, b.folder);
    expect(readdirSync(b.path('results'))).toEqual(['ballast']);
    expectAnswers(b.lines('other.results.jsonl'), asked(2, 'other'));
    disk?.makeSpace();
    await b.ok(['collect']);
    expectAnswers(b.lines('results/out.jsonl'), asked(ROWS));
    expectNothingTwice(b.world);
  });

  test('an older output stays as it was', async ({ skip }) => {
    const b = await bench();
    b.write('in.jsonl', requests(300));
    const disk = SmallDisk.mount(b.path('results'), 256 * 1024);
    skip(disk === null, 'a small disk cannot be mounted here: only root may');
    b.write('results/out.jsonl', 'of yesterday\n');
    await b.ok(['submit', 'in.jsonl', '-o', 'results/out.jsonl', '--overwrite']);
    disk?.fill(8_192);
    await b.exits(5, ['collect']);
    expect(b.read('results/out.jsonl')).toBe('of yesterday\n');
    disk?.makeSpace();
    await b.ok(['collect']);
    expectAnswers(b.lines('results/out.jsonl'), asked(300));
  });

  test('and the state is on the same disk: nothing can be written down, and nothing is lost', async ({ skip }) => {
    const b = await bench();
    const disk = SmallDisk.mount(b.path('all'), 4 * MEGABYTE);
    skip(disk === null, 'a small disk cannot be mounted here: only root may');
    b.write('all/in.jsonl', requests(ROWS));
    const options = { cwd: b.path('all') };
    await b.ok(SUBMIT, options);
    const killed = await b.call(['collect'], { ...options, env: { BATCHRUN_FAILPOINT: 'output.temp' } });
    expect(killed.signal).toBe('SIGKILL');
    disk?.fill();
    const full = await b.json(1, ['collect'], options);
    expect(full.error).toMatchObject({ code: 'E_DISK_FULL', hint: expect.stringMatching(/space/) });
    expect(b.has('all/in.results.jsonl')).toBe(false);
    disk?.makeSpace();
    await b.ok(['collect'], options);
    expectAnswers(b.lines('all/in.results.jsonl'), asked(ROWS));
    expectNothingTwice(b.world);
  });
});

test('full for whoever only looks: said, and nothing is changed', async ({ skip }) => {
  const { b, disk } = await withSmallState(skip);
  await b.ok(SUBMIT);
  const before = readFileSync(join(b.state, 'state.db'));
  disk.fill();
  const looked = await b.call(['status', '--json']);
  if (looked.code !== 0) expect(looked.stdout).toContain('"E_DISK_FULL"');
  expect(readFileSync(join(b.state, 'state.db'))).toEqual(before);
  disk.makeSpace();
  await expectDone(b);
});
