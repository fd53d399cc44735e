/**
 * Being stopped: by Ctrl-C once and twice, by SIGTERM, by the end of a terminal; and being left alone: by a reader of
 * stdout or of stderr that goes away, or by a disk that has no room for what is said.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { describe, expect, onTestFinished, test } from 'vitest';
import {
  asked,
  bench,
  ENDLESS,
  expectAnswers,
  expectNothingTwice,
  parseLines,
  PROGRAM,
  requests,
  type Bench,
} from '../support/cli.ts';

test.each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)('%s: exit %i, the batches that go on are named, and how to stop them', async (signal, code) => {
  const b = await bench(ENDLESS);
  b.write('in.jsonl', requests(4));
  const running = b.start(['run', 'in.jsonl', '--chunk-size', '2']);
  await running.says(/Safe to stop/);
  await running.says(/chunk 2: .*batch msgbatch_/);
  running.kill(signal);
  const ended = await running.ended;
  expect(ended).toMatchObject({ code, stdout: '' });
  const [first] = b.world.ledger.batches;
  expect(ended.stderr).toContain(first?.id);
  expect(ended.stderr).toMatch(/4 rows go on at the API and will be billed/);
  expect(ended.stderr).toContain('batchrun collect');
  const cancel = /batchrun cancel \S+/.exec(ended.stderr)?.[0].split(' ').slice(1) ?? [];
  expect(cancel).toHaveLength(2);
  const status = await b.json(0, ['status']);
  expect(status).toMatchObject({ driver: null, runs: [{ state: 'active', rows: { in_batch: 4 } }] });
  // The command that the message names does what it says.
  const canceled = await b.json(0, [...cancel]);
  expect(canceled.runs[0]).toMatchObject({ state: 'done', canceled: true });
});

test('Ctrl-C while reading: nothing was sent and nothing is left', async () => {
  const b = await bench();
  b.write('in.jsonl', requests(200_000));
  const running = b.start(['submit', 'in.jsonl', '--state', 's', '--log-level', 'debug', '--chunk-size', '1000']);
  // The first chunk file is there: it is in the middle of the input.
  while (!b.has('s/state.db')) await new Promise((resolve) => setImmediate(resolve));
  running.kill('SIGINT');
  const ended = await running.ended;
  expect(ended.code).toBe(130);
  expect(b.calls('batches.create')).toBe(0);
  expect((await b.json(0, ['list', '--state', 's'])).runs).toEqual([]);
});

test('Ctrl-C twice exits at once, even while an answer is waited for, and the next command goes on', async () => {
  const b = await bench();
  b.world.failNext('create.hang_after');
  b.write('in.jsonl', requests(3));
  const running = b.start(['run', 'in.jsonl', '--log-level', 'debug']);
  await running.says(/Safe to stop/);
  while (b.world.ledger.batches.length === 0) await new Promise((resolve) => setImmediate(resolve));
  running.kill('SIGINT');
  await running.says(/once more to stop at once/);
  running.kill('SIGINT');
  const ended = await running.ended;
  expect(ended).toMatchObject({ code: 130, signal: null });
  // Whoever means it twice still hears that something may go on and cost.
  expect(ended.stderr).toMatch(/What was sent goes on at the API and will be billed: `batchrun status`/);
  const collected = await b.ok(['collect']);
  expect(collected.stderr).toMatch(/made after all/);
  expectAnswers(b.lines('in.results.jsonl'), asked(3));
  expect(b.world.ledger.batches).toHaveLength(1);
});

test('a reader that goes away (| head -1) ends the data, not the run', async () => {
  const b = await bench();
  b.write('in.jsonl', requests(2_000));
  const running = b.start(['run', 'in.jsonl', '-o', '-']);
  await running.says(/\n/, 'stdout');
  running.child.stdout.destroy();
  const ended = await running.ended;
  expect(ended.stderr).not.toMatch(/EPIPE|bug|Error/);
  expect(ended).toMatchObject({ code: 0, signal: null });
  expect(parseLines(ended.stdout.slice(0, ended.stdout.indexOf('\n'))).map((line) => line.custom_id)).toEqual([
    'row-1',
  ]);
  const view = await b.json(0, ['status', 'latest']);
  expect(view.runs[0]).toMatchObject({ state: 'done', rows: { succeeded: 2_000 } });
  const calls = b.calls();
  await b.ok(['collect', 'latest', '-o', 'all.jsonl']);
  expectAnswers(b.lines('all.jsonl'), asked(2_000));
  expect(b.calls()).toBe(calls);
});

test('a reader that goes away before anything comes', async () => {
  const b = await bench();
  b.write('in.jsonl', requests(5));
  const running = b.start(['run', 'in.jsonl', '--as-completed']);
  running.child.stdout.destroy();
  const ended = await running.ended;
  expect(ended.stderr).not.toMatch(/EPIPE|bug/);
  expect(ended.code).toBe(0);
  expect((await b.json(0, ['status', 'latest'])).runs[0].state).toBe('done');
  expectNothingTwice(b.world);
});

test('results and log stop quietly when their reader goes away', async () => {
  const b = await bench();
  b.write('in.jsonl', requests(3_000));
  await b.ok(['run', 'in.jsonl', '-q']);
  const running = b.start(['results', 'latest']);
  await running.says(/\n/, 'stdout');
  running.child.stdout.destroy();
  const ended = await running.ended;
  expect(ended).toMatchObject({ code: 0, stderr: '' });
});

/** A line as people write it into a crontab; `batchrun` is the program. Gives what the line printed. */
async function shell(b: Bench, line: string): Promise<string> {
  const script = `batchrun() { "${process.execPath}" "${PROGRAM}" "$@"; }\n${line}`;
  const env = { PATH: process.env['PATH'], HOME: b.folder, TZ: 'UTC', ...b.env };
  const child = spawn('sh', ['-c', script], { cwd: b.folder, env, stdio: ['ignore', 'pipe', 'ignore'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  let printed = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (printed += text));
  await once(child, 'close');
  return printed;
}

describe('in a pipeline of the shell', () => {
  test.each(['run in.jsonl -o -', 'run in.jsonl --as-completed'])(
    '%s | head -1: one line, exit 0, and nothing is lost',
    async (command) => {
      const b = await bench();
      b.write('in.jsonl', requests(600));
      const printed = await shell(b, `(batchrun ${command} --chunk-size 100; echo $? >exit) | head -1`);
      expect(parseLines(printed)).toHaveLength(1);
      expect(b.read('exit')).toBe('0\n');
      expectAnswers(parseLines((await b.ok(['results', 'latest'])).stdout), asked(600));
      expectNothingTwice(b.world);
    },
  );

  test('2>&1 | head -1: nobody hears what it says, and the work goes on', async () => {
    const b = await bench();
    b.write('in.jsonl', requests(6));
    await shell(b, '(batchrun run in.jsonl --chunk-size 2 2>&1; echo $? >exit) | head -1');
    expect(b.read('exit')).toBe('0\n');
    expectAnswers(b.lines('in.results.jsonl'), asked(6));
    expectNothingTwice(b.world);
  });

  test.each(['2>&-', '>&-', '>&- 2>&- <&-'])('%s: a closed stream is no reason to stop', async (closed) => {
    const b = await bench();
    b.write('in.jsonl', requests(4));
    await shell(b, `batchrun run in.jsonl ${closed}; echo $? >exit`);
    expect(b.read('exit')).toBe('0\n');
    expectAnswers(b.lines('in.results.jsonl'), asked(4));
  });
});

test('whoever listens to stderr goes away: the work goes on, and Ctrl-C still stops it', async () => {
  const b = await bench(ENDLESS);
  b.write('in.jsonl', requests(4));
  const running = b.start(['run', 'in.jsonl', '--chunk-size', '2']);
  await running.says(/Safe to stop/);
  running.child.stderr.destroy();
  while (b.world.ledger.batches.length < 2) await new Promise((resolve) => setImmediate(resolve));
  running.kill('SIGINT');
  expect(await running.ended).toMatchObject({ code: 130, signal: null });
  const status = await b.json(0, ['status']);
  expect(status).toMatchObject({ driver: null, runs: [{ state: 'active', rows: { in_batch: 4 } }] });
});

// Everything that is written to /dev/full finds a full disk.
describe.skipIf(!existsSync('/dev/full'))('a full disk', () => {
  test('under a log: the work goes on', async () => {
    const b = await bench();
    b.write('in.jsonl', requests(4));
    await shell(b, 'batchrun run in.jsonl 2>/dev/full; echo $? >exit');
    expect(b.read('exit')).toBe('0\n');
    expectAnswers(b.lines('in.results.jsonl'), asked(4));
  });

  test('under results on stdout: blocked, with a way out that costs nothing', async () => {
    const b = await bench();
    b.write('in.jsonl', requests(4));
    await shell(b, 'batchrun run in.jsonl -o - >/dev/full 2>said; echo $? >exit');
    expect(b.read('exit')).toBe('5\n');
    const said = b.read('said');
    expect(said).toMatch(/no room where stdout goes/);
    expect(said).not.toMatch(/ at .*\.js:\d+/);
    const calls = b.calls();
    const collect = /batchrun collect \S+ --output/.exec(said)?.[0].split(' ').slice(1) ?? [];
    await b.ok([...collect, 'all.jsonl']);
    expectAnswers(b.lines('all.jsonl'), asked(4));
    expect(b.calls('batches.create')).toBe(1);
    expect(b.calls('batches.results')).toBe(1);
    expect(b.calls()).toBeGreaterThanOrEqual(calls);
  });

  test.each(['run in.jsonl --as-completed', 'results latest', 'status', 'log latest'])(
    'under %s: an error that says so',
    async (command) => {
      const b = await bench();
      b.write('in.jsonl', requests(4));
      if (!command.startsWith('run')) await b.ok(['run', 'in.jsonl', '-q']);
      await shell(b, `batchrun ${command} >/dev/full 2>said; echo $? >exit`);
      expect(b.read('exit')).toBe('1\n');
      expect(b.read('said')).toMatch(/no room where stdout goes/);
      expect(b.read('said')).not.toMatch(/bug|\.js:\d+/);
      await b.ok(['run', 'in.jsonl', '-o', 'all.jsonl']);
      expectAnswers(b.lines('all.jsonl'), asked(4));
      expect(b.calls('batches.create')).toBe(1);
    },
  );
});

test('the terminal is closed (SIGHUP): exit 129, everything kept', async () => {
  const b = await bench(ENDLESS);
  b.write('in.jsonl', requests(4));
  const running = b.start(['run', 'in.jsonl']);
  await running.says(/Safe to stop/);
  while (b.world.ledger.batches.length === 0) await new Promise((resolve) => setImmediate(resolve));
  // The terminal takes its streams with it.
  running.child.stderr.destroy();
  running.child.stdout.destroy();
  running.kill('SIGHUP');
  expect(await running.ended).toMatchObject({ code: 129, signal: null });
  expect(await b.json(0, ['status'])).toMatchObject({ driver: null, runs: [{ rows: { in_batch: 4 } }] });
});

test.each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)('%s twice does not wait for a call that is paid; only that one is paid again', async (signal, code) => {
  const b = await bench({ rates: { expireRate: 1 } });
  b.world.failNext('message.hang');
  b.write('in.jsonl', requests(3));
  const running = b.start(['run', 'in.jsonl', '--concurrency', '1']);
  while (b.world.ledger.messages.length === 0) await new Promise((resolve) => setImmediate(resolve));
  running.kill(signal);
  await running.says(/once more to stop at once/);
  running.kill(signal);
  expect(await running.ended).toMatchObject({ code, signal: null });
  await b.ok(['run', 'in.jsonl']);
  expectAnswers(b.lines('in.results.jsonl'), asked(3));
  expect(b.world.ledger.messages).toHaveLength(4);
  expect(b.world.ledger.batches).toHaveLength(1);
});

test('begun with --as-completed and stopped: a plain run puts all results into the usual file', async () => {
  const b = await bench({ batchDurationMs: [300, 400] });
  b.write('in.jsonl', requests(4));
  const running = b.start(['run', 'in.jsonl', '--as-completed']);
  await running.says(/chunk 1: batch/);
  running.kill('SIGTERM');
  expect((await running.ended).code).toBe(143);
  await b.ok(['run', 'in.jsonl']);
  expectAnswers(b.lines('in.results.jsonl'), asked(4));
});

test('status --watch ends with Ctrl-C, and with its reader', async () => {
  const b = await bench(ENDLESS);
  b.write('in.jsonl', requests(4));
  await b.ok(['submit', 'in.jsonl']);
  const watching = b.start(['status', '--watch']);
  await watching.says(/in batch/, 'stdout');
  watching.kill('SIGINT');
  expect(await watching.ended).toMatchObject({ code: 130, stderr: expect.not.stringMatching(/bug/) });
  const unread = b.start(['status', '--watch']);
  await unread.says(/in batch/, 'stdout');
  unread.child.stdout.destroy();
  // A reader that has gone is met by the next line, and there is one when something has changed.
  await b.ok(['cancel', 'latest']);
  expect(await unread.ended).toMatchObject({ code: 0, stderr: '' });
});
