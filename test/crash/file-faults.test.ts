/**
 * Files that are not as they were: a folder that may not be written, a state that was moved, outputs and files of the
 * state that are gone. Each has a code, a hint and the name of the file; nothing is left half-written; and when it is
 * mended the same command goes on and ends right, without a second batch.
 */
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import {
  answerOf,
  asked,
  bench,
  expectAnswers,
  expectNothingHalf,
  expectNothingTwice,
  jsonl,
  params,
  PROGRAM,
  requests,
  type Bench,
} from '../support/cli.ts';

const ROWS = 4;
const SUBMIT = ['submit', 'in.jsonl', '--chunk-size', '2'];
/** "nobody" where the tests run as root, for whom nothing is forbidden. */
const NOBODY = 65_534;

async function submitted(...flags: string[]): Promise<Bench> {
  const b = await bench();
  b.write('in.jsonl', requests(ROWS));
  await b.ok([...SUBMIT, ...flags]);
  return b;
}

async function expectDone(b: Bench, output = 'in.results.jsonl'): Promise<void> {
  await b.ok(['collect']);
  expectAnswers(b.lines(output), asked(ROWS));
  expectNothingHalf(b.folder);
  expectNothingTwice(b.world);
}

/** Collect is blocked at the output, and what it says names this. */
async function blockedOutput(b: Bench, text: string): Promise<void> {
  const collected = await b.exits(5, ['collect']);
  expect(collected.stderr).toContain(text);
  expect(collected.stderr).not.toMatch(/bug in batchrun/);
  const [run] = (await b.json(0, ['status'])).runs;
  expect(run.blocked).toMatchObject([{ scope: 'output', hint: expect.stringMatching(/\S/) }]);
  expect(run.blocked[0]?.['message']).toContain(text);
  expectNothingHalf(b.folder);
}

describe('the state folder', () => {
  /** Runs the program as somebody who may be refused. */
  function asNobody(b: Bench, args: readonly string[]): { readonly code: number | null; readonly said: string } {
    const { uid, gid } = process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : { uid: undefined, gid: undefined };
    const who = uid === undefined ? {} : { uid, gid };
    const env = { PATH: process.env['PATH'], HOME: b.folder, ...b.env };
    const ended = spawnSync(process.execPath, [PROGRAM, ...args], { cwd: b.folder, env, encoding: 'utf8', ...who });
    return { code: ended.status, said: `${ended.stdout}${ended.stderr}${String(ended.error ?? '')}` };
  }

  test('that may not be written', async ({ skip }) => {
    const b = await bench();
    b.write('in.jsonl', requests(ROWS));
    if (process.getuid?.() === 0) chownSync(b.folder, NOBODY, NOBODY);
    skip(asNobody(b, ['--version']).code !== 0, 'the program cannot be run as another user here');
    // A simulator in this process would wait for spawnSync: nothing here gets as far as the API.
    chmodSync(b.folder, 0o500);
    const fresh = asNobody(b, [...SUBMIT, '--json']);
    expect(fresh.code, fresh.said).toBe(1);
    expect(fresh.said).toContain('"E_STATE_UNUSABLE"');
    expect(fresh.said).toContain(b.state);
    chmodSync(b.folder, 0o700);

    expect(asNobody(b, ['submit', 'in.jsonl', '--dry-run']).code).toBe(0);
    chmodSync(b.state, 0o500);
    const before = readdirSync(b.state);
    for (const args of [SUBMIT, ['status'], ['collect']]) {
      const refused = asNobody(b, [...args, '--json']);
      expect(refused.code, refused.said).toBe(1);
      expect(refused.said).toMatch(/"E_STATE_UNUSABLE"/);
      expect(refused.said).toContain(b.state);
      expect(refused.said).toContain('--state');
      expect(refused.said).not.toMatch(/SqliteError|bug in batchrun/);
    }
    expect(readdirSync(b.state)).toEqual(before);
    chmodSync(b.state, 0o700);
    expect(asNobody(b, ['status']).code).toBe(0);
    await b.ok(['run', 'in.jsonl']);
    expectAnswers(b.lines('in.results.jsonl'), asked(ROWS));
  });

  test.each(['taken', 'taken/below'])('that is %s by a file', async (state) => {
    const b = await bench();
    b.write('in.jsonl', requests(ROWS));
    b.write('taken', 'mine');
    for (const args of [SUBMIT, ['status'], ['collect'], ['list']]) {
      const refused = await b.json(1, [...args, '--state', state]);
      expect(refused.error).toMatchObject({ code: 'E_STATE_UNUSABLE', message: expect.stringContaining('taken') });
    }
    expect(b.read('taken')).toBe('mine');
    expect(b.calls()).toBe(0);
  });

  test('that was moved goes on where it is now, and writes where it was told', async () => {
    const b = await submitted();
    renameSync(b.state, b.path('elsewhere'));
    await b.ok(['collect', '--state', 'elsewhere']);
    expectAnswers(b.lines('in.results.jsonl'), asked(ROWS));
    expect(existsSync(b.state)).toBe(false);
    const again = await b.json(0, ['submit', 'in.jsonl', '--state', 'elsewhere']);
    expect(again.already_submitted).toBe(true);
    expectNothingTwice(b.world);
  });

  test('that was copied to another disk goes on there', async ({ skip }) => {
    const b = await submitted();
    const other = otherDisk(b);
    skip(other === null, 'there is no other disk here');
    spawnSync('cp', ['-r', b.state, join(other ?? '', 'state')]);
    await b.ok(['collect', '--state', join(other ?? '', 'state')]);
    expectAnswers(b.lines('in.results.jsonl'), asked(ROWS));
    expectNothingTwice(b.world);
  });
});

/** A folder on another file system than the bench, or null. */
function otherDisk(b: Bench): string | null {
  const memory = '/dev/shm';
  if (!existsSync(memory) || statSync(memory).dev === statSync(b.folder).dev) return null;
  const folder = mkdtempSync(join(memory, 'batchrun-test-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

describe('the output', () => {
  test('on another disk', async ({ skip }) => {
    const b = await bench();
    b.write('in.jsonl', requests(ROWS));
    const folder = otherDisk(b);
    skip(folder === null, 'there is no other disk here');
    const output = join(folder ?? '', 'out.jsonl');
    await b.ok(['run', 'in.jsonl', '-o', output]);
    expect(readFileSync(output, 'utf8').trimEnd().split('\n')).toHaveLength(ROWS);
    expectNothingHalf(folder ?? '', b.folder);
  });

  test('became a folder meanwhile', async () => {
    const b = await submitted();
    mkdirSync(b.path('in.results.jsonl'));
    await blockedOutput(b, 'in.results.jsonl');
    rmdirSync(b.path('in.results.jsonl'));
    await expectDone(b);
  });

  test('has lost its folder meanwhile', async () => {
    const b = await bench();
    b.write('in.jsonl', requests(ROWS));
    mkdirSync(b.path('results'));
    await b.ok([...SUBMIT, '-o', 'results/out.jsonl']);
    rmdirSync(b.path('results'));
    await blockedOutput(b, 'results/out.jsonl');
    expect(existsSync(b.path('results'))).toBe(false);
    mkdirSync(b.path('results'));
    await expectDone(b, 'results/out.jsonl');
  });

  test('has lost its folder meanwhile: another one may be named', async () => {
    const b = await bench();
    b.write('in.jsonl', requests(ROWS));
    mkdirSync(b.path('results'));
    await b.ok([...SUBMIT, '-o', 'results/out.jsonl']);
    rmdirSync(b.path('results'));
    await blockedOutput(b, 'results/out.jsonl');
    const [{ blocked }] = (await b.json(0, ['status'])).runs;
    expect(blocked[0]?.['hint']).toContain('--output');
    await b.ok(['collect', '-o', 'other.jsonl']);
    expectAnswers(b.lines('other.jsonl'), asked(ROWS));
    expectNothingTwice(b.world);
  });

  test('of the rows that failed has no place: the results are not written without it', async () => {
    const b = await bench();
    b.write('in.jsonl', jsonl([params('one'), params('two', { model: 'claude-nobody-9' })]));
    mkdirSync(b.path('results'));
    await b.ok(['submit', 'in.jsonl', '--no-preflight', '--errors', 'results/errors.jsonl']);
    rmdirSync(b.path('results'));
    await blockedOutput(b, 'results/errors.jsonl');
    expect(b.has('in.results.jsonl')).toBe(false);
    mkdirSync(b.path('results'));
    await b.exits(3, ['collect']);
    expect(b.lines('in.results.jsonl')).toHaveLength(2);
    expect(b.lines('results/errors.jsonl')).toHaveLength(1);
    expect(b.world.ledger.batches).toHaveLength(1);
  });

  test('stays the old one when the new one cannot be written', async () => {
    const b = await bench();
    b.write('in.jsonl', requests(ROWS));
    b.write('out.jsonl', 'of yesterday\n');
    await b.ok([...SUBMIT, '-o', 'out.jsonl', '--overwrite']);
    await killedBeforeOutput(b);
    withoutFile(b, 'rows');
    await blockedOutput(b, '000001.jsonl');
    expect(b.read('out.jsonl')).toBe('of yesterday\n');
  });
});

test('the input is gone: what was submitted goes on, a new submit says what is missing', async () => {
  const b = await submitted();
  rmSync(b.path('in.jsonl'));
  const missing = await b.json(2, SUBMIT);
  expect(missing.error).toMatchObject({ code: 'E_INPUT_MISSING', message: expect.stringContaining('in.jsonl') });
  await expectDone(b);
});

/** Everything is collected, nothing is written yet. */
async function killedBeforeOutput(b: Bench): Promise<void> {
  const ended = await b.call(['collect'], { env: { BATCHRUN_FAILPOINT: 'output.temp' } });
  expect(ended.signal).toBe('SIGKILL');
  for (const name of readdirSync(b.folder)) if (name.endsWith('.tmp')) rmSync(b.path(name));
}

/** Path of the first file of the run in this folder of the state. */
function fileOf(b: Bench, folder: 'chunks' | 'rows' | 'results'): string {
  const [run = ''] = b.runFolders();
  return join(b.state, 'runs', run, folder, folder === 'chunks' ? '000001.json' : '000001.jsonl');
}

function makeFolderOf(file: string): void {
  rmSync(file);
  mkdirSync(file);
}

/** Takes it away and gives what brings it back. */
function withoutFile(b: Bench, folder: 'chunks' | 'rows' | 'results'): () => void {
  const file = fileOf(b, folder);
  const kept = b.path('kept');
  renameSync(file, kept);
  return () => renameSync(kept, file);
}

describe.each(['rows', 'results'] as const)('a file of the state that the output is made of (%s)', (folder) => {
  test.each<readonly [string, (file: string) => void]>([
    ['is gone', (file) => rmSync(file)],
    ['is empty', (file) => truncateSync(file)],
    ['is cut', (file) => truncateSync(file, statSync(file).size - 2)],
    ['is cut in the middle', (file) => truncateSync(file, Math.floor(statSync(file).size / 2))],
    ['is something else', (file) => writeFileSync(file, 'x'.repeat(statSync(file).size))],
    ['is a folder', makeFolderOf],
  ])('%s: this run waits, and with the file back it ends', async (_what, damage) => {
    const b = await submitted();
    await killedBeforeOutput(b);
    const file = fileOf(b, folder);
    const kept = b.path('kept');
    copyFileSync(file, kept);
    damage(file);
    await blockedOutput(b, folder === 'rows' ? 'rows' : 'result');
    expect(b.has('in.results.jsonl')).toBe(false);
    rmSync(file, { recursive: true, force: true });
    renameSync(kept, file);
    await expectDone(b);
  });

  test('is gone: other runs go on', async () => {
    const b = await submitted();
    await killedBeforeOutput(b);
    const bringBack = withoutFile(b, folder);
    b.write('other.jsonl', requests(2, 'other'));
    await b.ok(['submit', 'other.jsonl']);
    await b.exits(5, ['collect']);
    expectAnswers(b.lines('other.results.jsonl'), asked(2, 'other'));
    bringBack();
    await expectDone(b);
  });

  test('is gone when a finished run is asked for its rows once more', async () => {
    const b = await submitted();
    await b.ok(['collect']);
    const bringBack = withoutFile(b, folder);
    for (const args of [
      ['results', 'latest'],
      ['collect', 'latest', '-o', 'more.jsonl'],
    ]) {
      const refused = await b.exits(1, args);
      expect(refused.stderr).toContain('000001.jsonl');
      expect(refused.stderr).not.toMatch(/bug in batchrun/);
    }
    expect(b.has('more.jsonl')).toBe(false);
    expectNothingHalf(b.folder);
    bringBack();
    await b.ok(['collect', 'latest', '-o', 'more.jsonl']);
    expectAnswers(b.lines('more.jsonl'), asked(ROWS));
  });
});

describe('a chunk file that waits to be sent', () => {
  test.each<readonly [string, (file: string) => void]>([
    ['is gone', (file) => rmSync(file)],
    ['is empty', (file) => truncateSync(file)],
    ['is cut', (file) => truncateSync(file, statSync(file).size - 10)],
    [
      'has another word in it',
      (file) => writeFileSync(file, readFileSync(file, 'utf8').replace('question', 'questiom')),
    ],
  ])('%s: it is not sent, the others are, and with the file back it goes on', async (_what, damage) => {
    const b = await bench();
    b.write('in.jsonl', requests(ROWS));
    const killed = await b.call(SUBMIT, { env: { BATCHRUN_FAILPOINT: 'submit.attempt' } });
    expect(killed.signal).toBe('SIGKILL');
    const file = fileOf(b, 'chunks');
    const kept = b.path('kept');
    copyFileSync(file, kept);
    damage(file);
    const blocked = await b.json(5, ['collect']);
    expect(blocked.runs[0]).toMatchObject({
      rows: { waiting: 2, succeeded: 2 },
      blocked: [{ reason: 'chunk_damaged', scope: 'chunk:1', message: expect.stringContaining('000001.json') }],
    });
    expect(blocked.runs[0].blocked[0]?.['hint']).toMatch(/back/);
    expect(b.world.ledger.batches).toHaveLength(1);
    await b.exits(5, ['collect']);
    expect(b.world.ledger.batches).toHaveLength(1);
    renameSync(kept, file);
    await expectDone(b);
    expect(b.lines('in.results.jsonl').map(answerOf)).toHaveLength(ROWS);
    expect(b.world.ledger.batches).toHaveLength(2);
  });
});
