/**
 * Being stopped: by Ctrl-C once and twice, by SIGTERM, and by a reader of stdout that goes away.
 */
import { expect, test } from 'vitest';
import { asked, bench, ENDLESS, expectAnswers, expectNothingTwice, parseLines, requests } from '../support/cli.ts';

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
  expect(await running.ended).toMatchObject({ code: 130, signal: null });
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
