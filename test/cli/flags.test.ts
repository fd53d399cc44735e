/**
 * Flags, environment and configuration file: what is refused, what is suggested, and which of them wins.
 */
import { describe, expect, test } from 'vitest';
import { ASK, bench, csv, MODEL, PROGRAM, requests } from '../support/cli.ts';
import { statSync } from 'node:fs';

describe('what cannot be read is refused with exit 2', () => {
  test.each([
    [['submit', 'in.jsonl', '--modle', 'x'], /--model/],
    [['sumbit', 'in.jsonl'], /submit/],
    [['submit'], /input/],
    [['results'], /run/],
    [['submit', 'in.jsonl', '--chunk-size', '0'], /whole number/],
    [['submit', 'in.jsonl', '--chunk-size', '100001'], /100000/],
    [['submit', 'in.jsonl', '--chunk-bytes', '1TB'], /256MB/],
    [['submit', 'in.jsonl', '--max-batches', '-1'], /max-batches/],
    [['submit', 'in.jsonl', '--poll-interval', 'soon'], /duration/],
    [['submit', 'in.jsonl', '--format', 'xml'], /jsonl, flat, csv/],
    [['submit', 'in.jsonl', '--retry-lane', 'fast'], /auto, batch, realtime, none/],
    [['submit', 'in.jsonl', '--limit', '1.5'], /whole number/],
    [['submit', 'in.jsonl', '--params', '[1]'], /--params/],
    [['submit', 'in.jsonl', '--prompt', 'a', '--prompt-file', 'b'], /--prompt/],
    [['submit', 'in.jsonl', '--prompt-file', 'nothing.txt'], /nothing\.txt/],
    [['submit', 'in.jsonl', '-o', '-'], /--wait|run/],
    [['submit', 'in.jsonl', '--fail-if', 'failed'], /--fail-if/],
    [['retry', 'latest', '--only', 'invalid'], /invalid/],
    [['collect', 'a', 'b'], /argument/],
    [['sim', '--faults', 'nonsense'], /create\.reset_after/],
  ])('%j', async (args, text) => {
    const b = await bench();
    b.write('in.jsonl', requests(1));
    const ended = await b.exits(2, args);
    expect(ended.stderr).toMatch(text);
    expect(ended.stdout).toBe('');
    expect(ended.stderr).not.toMatch(/bug|node:internal/);
    expect(b.calls()).toBe(0);
  });

  test('help and version are on stdout and no error', async () => {
    const b = await bench();
    expect((await b.ok(['--version'])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
    const help = await b.ok(['--help']);
    expect(help.stdout).toContain('Exit codes:');
    expect(help.stderr).toBe('');
    expect((await b.ok(['help', 'submit'])).stdout).toContain('--chunk-size');
    const nothing = await b.exits(2, []);
    expect(nothing.stderr).toContain('Usage:');
  });

  test('the program is one that can be run', () => {
    expect(statSync(PROGRAM).mode & 0o100).toBe(0o100);
  });
});

describe('flag > environment > configuration file > default', () => {
  const MODELS = ['claude-sonnet-5-5', 'claude-opus-5-5', MODEL] as const;

  test('each wins over what stands below it', async () => {
    const b = await bench();
    b.write('in.csv', csv(1));
    const model = async (args: readonly string[], env: Record<string, string> = {}): Promise<unknown> => {
      const base = ['submit', 'in.csv', '--dry-run', '--prompt', '{{text}}', '--max-tokens', '5'];
      return (await b.json(0, [...base, ...args], { env })).first_request.model;
    };
    b.write('batchrun.config.json', JSON.stringify({ model: MODELS[0] }));
    b.write('other.json', JSON.stringify({ model: 'claude-opus-5' }));
    expect(await model([])).toBe(MODELS[0]);
    expect(await model([], { BATCHRUN_MODEL: MODELS[1] })).toBe(MODELS[1]);
    expect(await model(['--model', MODELS[2]], { BATCHRUN_MODEL: MODELS[1] })).toBe(MODELS[2]);
    expect(await model(['--config', 'other.json'])).toBe('claude-opus-5');
    expect(await model([], { BATCHRUN_CONFIG: 'other.json' })).toBe('claude-opus-5');
  });

  test('the file serves all commands; switches, numbers and lists', async () => {
    const b = await bench();
    b.write('in.csv', csv(4));
    const file = {
      state: 'elsewhere',
      'chunk-size': 2,
      quiet: true,
      'max-tokens': 7,
      only: ['failed'],
      overwrite: true,
    };
    b.write('batchrun.config.json', JSON.stringify(file));
    const submitted = await b.json(0, ['submit', 'in.csv', '--model', MODEL, '--prompt', '{{text}}']);
    expect(submitted.chunks).toBe(2);
    const quiet = await b.ok(['collect']);
    expect(quiet.stderr).toBe('');
    expect(b.has('elsewhere/state.db')).toBe(true);
    expect(b.has('.batchrun')).toBe(false);
  });

  test.each([
    ['{', /not valid JSON/],
    ['[]', /must hold names with values/],
    ['{"chunk-size":"many"}', /chunk-size/],
    ['{"chunk-size":{}}', /chunk-size/],
    ['{"format":"xml"}', /format/],
    ['{"retry-lane":"fast"}', /retry-lane/],
  ])('a file that cannot be read: %s', async (content, text) => {
    const b = await bench();
    b.write('in.csv', csv(1));
    b.write('batchrun.config.json', content);
    const ended = await b.exits(2, ['submit', 'in.csv', ...ASK]);
    expect(ended.stderr).toMatch(text);
    expect(ended.stderr).toContain('batchrun.config.json');
    expect(b.calls()).toBe(0);
  });

  test('a name in the file that no command has is refused', async () => {
    const b = await bench();
    b.write('in.csv', csv(1));
    b.write('batchrun.config.json', '{"chunk-sise":5}');
    const ended = await b.exits(2, ['submit', 'in.csv', ...ASK]);
    expect(ended.stderr).toContain('chunk-sise');
  });

  test('environment variables are checked like flags', async () => {
    const b = await bench();
    b.write('in.csv', csv(1));
    const ended = await b.exits(2, ['submit', 'in.csv', ...ASK], { env: { BATCHRUN_CHUNK_SIZE: 'many' } });
    expect(ended.stderr).toContain('BATCHRUN_CHUNK_SIZE');
  });

  test.each(['0', 'false', ''])('a switch in the environment that says "%s" is off', async (value) => {
    const b = await bench();
    b.write('in.csv', csv(1));
    await b.ok(['submit', 'in.csv', ...ASK]);
    const again = await b.json(0, ['submit', 'in.csv', ...ASK], { env: { BATCHRUN_AGAIN: value } });
    expect(again.already_submitted).toBe(true);
    expect(b.world.ledger.batches).toHaveLength(1);
  });

  test.each(['{"model":"claude-haiku-5-5","again":"no"}', '{"model":true}'])(
    'a value of the wrong kind in the file: %s',
    async (content) => {
      const b = await bench();
      b.write('in.csv', csv(1));
      b.write('batchrun.config.json', content);
      const ended = await b.exits(2, ['submit', 'in.csv', '--max-tokens', '5', '--prompt', '{{text}}']);
      expect(ended.stderr).toContain('batchrun.config.json');
      expect(ended.stderr).not.toContain('bug');
    },
  );

  test('logs as JSON are JSON lines on stderr', async () => {
    const b = await bench();
    b.world.failNext('list.500', 1);
    b.write('in.jsonl', requests(1));
    await b.ok(['submit', 'in.jsonl']);
    const collected = await b.ok(['collect', '--log-level', 'debug', '--log-format', 'json']);
    const logged = collected.stderr.split('\n').filter((line) => line.startsWith('{'));
    for (const line of logged)
      expect(JSON.parse(line)).toMatchObject({ time: expect.any(String), level: expect.any(String) });
  });

  test('no colours without a terminal, unless they are asked for', async () => {
    const b = await bench();
    b.write('in.jsonl', requests(1));
    const run = await b.ok(['run', 'in.jsonl']);
    const status = await b.ok(['status', 'latest']);
    expect(run.stderr + status.stdout).not.toContain('\u001b');
    const forced = await b.ok(['status', 'latest'], { env: { FORCE_COLOR: '1' } });
    expect(forced.stdout).toContain('\u001b[1m');
    const both = await b.ok(['status', 'latest', '--no-color'], { env: { FORCE_COLOR: '1' } });
    expect(both.stdout).not.toContain('\u001b');
  });

  test('text for people is ASCII where the locale has no more; JSON is UTF-8 always', async () => {
    const b = await bench();
    const ended = await b.exits(2, ['submit', 'in.jsonl', '--params', '[1]'], { env: { LANG: 'C' } });
    expect(ended.stderr).toMatch(/^[\x20-\x7e\n]*$/);
    b.write('many.csv', `id,text\n${'x,\n'.repeat(30)}`);
    const check = ['check', 'many.csv', '--id-column', 'id', '--prompt', '{{text}}'];
    const plain = await b.exits(2, check, { env: { LANG: 'C' } });
    expect(plain.stdout).toMatch(/^ *\.\.\. and /m);
    expect((await b.exits(2, check)).stdout).toMatch(/^ *… and /m);
  });
});
