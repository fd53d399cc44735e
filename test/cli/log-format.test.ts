/**
 * `--log-format json`: every line on stderr is JSON with a time, a level and a name of the table, whatever the command
 * tells and however it ends.
 */
import { describe, expect, test } from 'vitest';
import { ENGINE_EVENTS, LOG_EVENTS } from '../../src/engine/views/log-events.ts';
import { bench, csv, ENDLESS, KEY, requests, type Bench } from '../support/cli.ts';

type Line = Readonly<Record<string, unknown>> & { readonly event: string; readonly level: string };

const JSON_LOG = ['--log-format', 'json'] as const;
const KNOWN: Readonly<Record<string, { readonly level: string }>> = { ...ENGINE_EVENTS, ...LOG_EVENTS };

/** The lines of a log; every one of them must be one. */
function linesOf(stderr: string): Line[] {
  const lines = stderr.split('\n').filter((line) => line !== '');
  return lines.map((text) => {
    const line = JSON.parse(text) as Line;
    expect(line).toMatchObject({ time: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/), event: expect.any(String) });
    expect([line.event, line.level]).toEqual([line.event, KNOWN[line.event]?.level]);
    return line;
  });
}

describe('a run', () => {
  test('is told by its events, with numbers and ids, and a summary at its end', async () => {
    const b = await bench();
    b.write('in.jsonl', requests(6, 'a secret question'));
    const { stdout, stderr } = await b.ok(['run', 'in.jsonl', '--chunk-size', '3', ...JSON_LOG]);
    expect(stdout).toBe('');
    expect(stderr).not.toContain('secret');
    expect(stderr).not.toContain(KEY);
    const lines = linesOf(stderr);
    const [run] = (await b.json(0, ['status'])).runs;
    const uploads = lines.filter(({ event }) => event === 'upload.done');
    expect(uploads).toMatchObject([
      { run: run.id, chunk: 1, rows: 3, batch: expect.stringMatching(/^msgbatch_/) },
      { run: run.id, chunk: 2, rows: 3 },
    ]);
    const names = lines.map(({ event }) => event);
    for (const name of ['batch.ended', 'chunk.collected', 'output.written', 'run.done']) expect(names).toContain(name);
    expect(lines.find(({ event }) => event === 'batch.ended')).toMatchObject({ took_ms: expect.any(Number) });
    expect(lines.find(({ event }) => event === 'run.summary')).toMatchObject({
      ...{ run: run.id, state: 'done', exit: 0, output: b.path('in.results.jsonl'), blocked: [] },
      rows: { total: 6, succeeded: 6 },
      cost_usd: { spent: run.cost_usd['spent'] },
    });
    // What comes by the thousand is for debug.
    expect(lines.map(({ level }) => level)).not.toContain('debug');
    expect(names).not.toContain('changed');
  });

  test('tells as much as the level says', async () => {
    const b = await bench();
    b.write('in.jsonl', requests(2));
    const debug = linesOf(
      (await b.ok(['run', 'in.jsonl', '--overwrite', '--again', '--log-level', 'debug', ...JSON_LOG])).stderr,
    );
    expect(debug.map(({ event }) => event)).toEqual(
      expect.arrayContaining(['changed', 'call.ended', 'upload.started']),
    );
    const warn = await b.ok(['run', 'in.jsonl', '--overwrite', '--again', '--log-level', 'warn', ...JSON_LOG]);
    expect(warn.stderr).toBe('');
    const quiet = await b.ok(['run', 'in.jsonl', '--overwrite', '--again', '--quiet', ...JSON_LOG]);
    expect(quiet).toMatchObject({ stdout: '', stderr: '' });
  });

  test('that is blocked says so at error, under --quiet too; times are ISO', async () => {
    const b = await bench({ accountProblem: 'credit_too_low' });
    b.write('in.jsonl', requests(2));
    const lines = linesOf((await b.exits(5, ['run', 'in.jsonl', '--quiet', ...JSON_LOG])).stderr);
    expect(lines).toMatchObject([
      { event: 'blocked', level: 'error', reason: 'billing', run: expect.stringMatching(/^run_/) },
    ]);
  });

  test('that is late says until when in a time that can be read', async () => {
    const b = await bench(ENDLESS);
    b.write('in.jsonl', requests(2));
    const args = ['submit', 'in.jsonl', '--batch-only', '--deadline', '10m', ...JSON_LOG];
    const late = linesOf((await b.ok(args)).stderr).find(({ event }) => event === 'deadline.late');
    expect(late).toMatchObject({
      late_rows: 2,
      missed: false,
      deadline: expect.stringMatching(/^\d{4}-.*Z$/),
      done_at: expect.stringMatching(/^\d{4}-.*Z$/),
    });
  });
});

describe('the end', () => {
  test.each([
    ['a flag that is not there', ['run', 'in.csv', '--bogus'], 2, 'E_USAGE'],
    ['a command that is not there', ['runn'], 2, 'E_USAGE'],
    ['a run that is not there', ['collect', 'run_x', '--state', "it's here"], 2, 'E_RUN_UNKNOWN'],
    ['settings that are missing', ['run', 'in.csv'], 2, expect.stringMatching(/^E_/)],
  ] as const)('%s is one line as well', async (_name, args, exit, code) => {
    const b = await bench();
    b.write('in.csv', csv(2));
    for (const call of [{ args: [...args, ...JSON_LOG] }, { args, env: { BATCHRUN_LOG_FORMAT: 'json' } }]) {
      const { stderr } = await b.exits(exit, call.args, 'env' in call ? { env: call.env } : {});
      const lines = linesOf(stderr);
      expect(lines.at(-1)).toMatchObject({
        event: 'error',
        code,
        exit,
        message: expect.any(String),
        hint: expect.any(String),
      });
    }
  });

  test('Ctrl-C: what goes on at the API is told as JSON', async () => {
    const b = await bench(ENDLESS);
    b.write('in.jsonl', requests(2));
    const running = b.start(['run', 'in.jsonl', ...JSON_LOG]);
    await running.says(/"upload\.done"/);
    running.kill('SIGINT');
    const { code, stderr } = await running.ended;
    expect(code).toBe(130);
    const lines = linesOf(stderr);
    expect(lines.find(({ event }) => event === 'stopping')).toMatchObject({ signal: 'SIGINT' });
    const told = lines.filter(({ event }) => event === 'message').map(({ message }) => message);
    expect(told.join('\n')).toMatch(/1 batch .* goes on at the API and will be billed/);
  });

  test('rows that cannot be sent are listed as data', async () => {
    const b = await bench();
    b.write('in.jsonl', '{"custom_id":"a","params":{"model":"claude-haiku-5-5","max_tokens":5}}\n');
    const { stderr } = await b.exits(2, ['run', 'in.jsonl', ...JSON_LOG]);
    expect(linesOf(stderr).at(-1)).toMatchObject({
      event: 'error',
      count: expect.any(Number),
      problems: [{ line: 1 }],
    });
  });
});

/** Node reads this before the program: it waits until the simulator has said where it is, and does something to it. */
function meddle(b: Bench, deed: string): { readonly env: { readonly NODE_OPTIONS: string } } {
  b.write(
    'meddle.cjs',
    `const timer = setInterval(() => {
      if (process.stdout.bytesWritten === 0) return;
      clearInterval(timer);
      ${deed};
    }, 1);`,
  );
  return { env: { NODE_OPTIONS: `--require ${b.path('meddle.cjs')}` } };
}

describe('what is not said by the program itself', () => {
  test('warnings of Node are lines of the log, at its level, without keys', async () => {
    const b = await bench();
    const warned = `process.emitWarning('old ${KEY}', 'DeprecationWarning', 'DEP0')`;
    const deed = `${warned}; setImmediate(() => process.kill(process.pid, 'SIGTERM'))`;
    const sim = ['sim', '--port', '0', ...JSON_LOG];
    const { stderr } = await b.exits(143, sim, meddle(b, deed));
    expect(stderr).not.toContain(KEY);
    const line = linesOf(stderr).find(({ event }) => event === 'node.warned');
    expect(line?.['message']).toMatch(/^DeprecationWarning: old /);
    const errors = await b.exits(143, [...sim, '--log-level', 'error'], meddle(b, deed));
    expect(errors.stderr).not.toContain('DeprecationWarning');
    // As text they are what they are in every program of Node.
    const text = await b.exits(143, ['sim', '--port', '0'], meddle(b, deed));
    expect(text.stderr).toMatch(/\(node:\d+\) \[DEP0\] DeprecationWarning: old /);
  });

  test.each([
    ['an exception that nobody catches', `throw new Error('boom ${KEY}')`],
    ['a promise that nobody meets', `Promise.reject(new Error('boom ${KEY}'))`],
  ])('%s is an error like every other, without keys', async (_name, deed) => {
    const b = await bench();
    const json = await b.exits(1, ['sim', '--port', '0', ...JSON_LOG], meddle(b, deed));
    expect(json.stderr).not.toContain(KEY);
    expect(linesOf(json.stderr).at(-1)).toMatchObject({
      ...{ event: 'error', code: 'E_BUG', exit: 1, hint: expect.any(String) },
      ...{ message: expect.stringMatching(/^boom sk-ant-/), stack: expect.stringContaining('meddle.cjs') },
    });
    const text = await b.exits(1, ['sim', '--port', '0'], meddle(b, deed));
    expect(text.stderr).not.toContain(KEY);
    expect(text.stderr).toMatch(/^batchrun: boom sk-ant-.*\nThis is a bug in batchrun\. /m);
  });

  test('no command is an error too: the help stays away', async () => {
    const b = await bench();
    const { stderr, stdout } = await b.exits(2, [], { env: { BATCHRUN_LOG_FORMAT: 'json' } });
    expect(linesOf(stderr)).toMatchObject([{ event: 'error', code: 'E_USAGE', message: 'no command was given' }]);
    expect(stdout).toBe('');
  });
});
