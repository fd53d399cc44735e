/**
 * `stats` and `diff` as a user runs them, on files that batchrun itself wrote and on those of the API.
 */
import { mkdirSync, readdirSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import type { DiffView } from '../../src/cli/render/diff-text.ts';
import type { StatsView } from '../../src/cli/render/stats-text.ts';
import { bench, jsonl, MODEL, params, requests, type Bench } from '../support/cli.ts';

const OUTSIDE = { ANTHROPIC_API_KEY: '', ANTHROPIC_BASE_URL: 'http://127.0.0.1:1' };

/** One run in all three formats, with rows that fail. */
async function results(): Promise<Bench> {
  const b = await bench();
  const bad = jsonl([
    { custom_id: 'none', params: params('x', { model: 'claude-nobody-9' }) },
    { custom_id: 'sent-not', params: {} },
  ]);
  b.write('in.jsonl', `${requests(40)}${bad}`);
  await b.exits(3, ['run', 'in.jsonl', '-o', 'out.jsonl', '--errors', 'errors.jsonl', '--on-invalid', 'skip']);
  for (const format of ['flat', 'csv'])
    b.write(`out.${format}`, (await b.ok(['results', 'latest', '--format', format])).stdout);
  mkdirSync(b.path('tmp'));
  return b;
}

async function stats(b: Bench, file: string, code = 0, stdin?: string): Promise<StatsView> {
  const env = { ...OUTSIDE, TMPDIR: b.folder };
  const options = stdin === undefined ? { env } : { env, stdin };
  return JSON.parse((await b.exits(code, ['stats', file, '--json'], options)).stdout) as StatsView;
}

async function diff(b: Bench, files: readonly [string, string], code = 0): Promise<DiffView> {
  const env = { ...OUTSIDE, TMPDIR: b.path('tmp') };
  const { stdout } = await b.exits(code, ['diff', ...files, '--json'], { env });
  expect(readdirSync(b.path('tmp'))).toEqual([]);
  return JSON.parse(stdout) as DiffView;
}

describe('a run of our own, in all formats', () => {
  test('stats says the same of each, and as much as the run cost', async () => {
    const b = await results();
    const [first, ...others] = await Promise.all(['out.jsonl', 'out.flat', 'out.csv'].map((file) => stats(b, file)));
    const { cost_usd: cost } = (await b.json(0, ['status', 'latest'])).runs[0];
    expect(first).toMatchObject({ rows: 42, outcomes: { succeeded: 40, failed: 2 }, stop_reasons: { end_turn: 40 } });
    expect(first?.cost_usd.total).toBeCloseTo(cost['spent'] ?? NaN, 9);
    expect(first?.tokens.output?.count).toBe(40);
    for (const other of others) {
      expect({ ...other, file: '', cost_usd: null }).toEqual({ ...first, file: '', cost_usd: null });
      expect(other.cost_usd.total).toBeCloseTo(first?.cost_usd.total ?? NaN, 9);
    }
    expect(await stats(b, 'errors.jsonl')).toMatchObject({ rows: 2, outcomes: { failed: 2 }, answer_chars: null });
    expect(b.has('tmp')).toBe(true);
  });

  test('diff finds no difference between the formats, in whatever order', async () => {
    const b = await results();
    const lines = b.read('out.jsonl').trimEnd().split('\n');
    b.write('turned.jsonl.gz', gzipSync(lines.reverse().join('\n')));
    for (const other of ['out.jsonl', 'out.flat', 'out.csv', 'turned.jsonl.gz']) {
      const found = await diff(b, ['out.jsonl', other]);
      expect(found, other).toMatchObject({ both: 42, same: 42, only_in_a: 0, only_in_b: 0, differences: [] });
      expect(found.a).toMatchObject(found.b);
    }
  });
});

function answer(id: string, text: string, more: { readonly tier?: string; readonly output?: number } = {}): unknown {
  const usage = { input_tokens: 100, output_tokens: more.output ?? 10, service_tier: more.tier ?? 'batch' };
  const message = { model: MODEL, content: [{ type: 'text', text }], stop_reason: 'end_turn', usage };
  return { custom_id: id, result: { type: 'succeeded', message } };
}

describe('stats', () => {
  test('broken lines are counted and named, duplicates too, and the rest is read', async () => {
    const b = await bench();
    const rows = [answer('a', 'x'), answer('ü', '😀'), answer('a', 'z', { tier: 'standard' })];
    b.write('r.jsonl', `${jsonl(rows)}{"custom_id":"b","result":{}}\n{"cut`);
    const found = await stats(b, 'r.jsonl', 2);
    expect(found).toMatchObject({
      ...{ rows: 3, answer_chars: { max: 1 }, duplicate_ids: { count: 1, shown: [{ id: 'a', lines: [1, 3] }] } },
      broken: { count: 2, shown: [{ line: 4 }, { line: 5 }] },
    });
    expect(found.cost_usd.by_model.map(({ lane }) => lane).sort()).toEqual(['batch', 'realtime']);
    const { stdout } = await b.exits(2, ['stats', 'r.jsonl'], { env: OUTSIDE });
    expect(stdout).toMatch(/^ {2}r\.jsonl:4: not a row of a results file$/m);
    expect(stdout).toMatch(/^ {2}a: lines 1, 3$/m);
  });

  test('gzip, stdin, prices of the user, and no word about the lane', async () => {
    const b = await bench();
    const rows = jsonl([answer('a', 'x', { tier: 'none' }), answer('b', 'y', { tier: 'none' })]);
    b.write('r.jsonl.gz', gzipSync(rows));
    expect(await stats(b, 'r.jsonl.gz')).toMatchObject({ rows: 2, cost_usd: { lane_assumed: 2 } });
    expect(await stats(b, '-', 0, rows + jsonl([answer('a', 'x')]))).toMatchObject({
      ...{ rows: 3, duplicate_ids: { count: 1, shown: [] } },
    });
    b.write('prices.json', JSON.stringify({ [MODEL]: { input: 20_000, output: 0 } }));
    const { stdout } = await b.ok(['stats', 'r.jsonl.gz', '--prices', 'prices.json'], { env: OUTSIDE });
    expect(stdout).toMatch(/claude-haiku-5-5 +batch +2 rows +\$2\.00/);
    expect(stdout).toContain('2 answers without a word about the lane');
    expect(b.has('.batchrun')).toBe(false);
  });

  test.each([
    [['stats', 'gone'], /there is no file gone/],
    [['stats', '.'], /is a folder/],
    [['stats', 'empty'], /there are no rows in empty/],
    [['stats'], /missing required argument/],
    [['stats', 'a', 'b'], /too many arguments/],
    [['diff', 'empty', 'gone'], /there is no file gone/],
    [['diff', 'empty'], /missing required argument/],
    [['diff', '-', '-'], /only one of the two/],
  ])('%j is refused', async (args, text) => {
    const b = await bench();
    b.write('empty', '');
    expect((await b.exits(2, args, { env: OUTSIDE })).stderr).toMatch(text);
  });

  test('a huge answer, and a reader that goes away', async () => {
    const b = await bench();
    b.write('r.jsonl', jsonl([answer('a', 'x'.repeat(50_000_000)), answer('b', 'y')]));
    expect(await stats(b, 'r.jsonl')).toMatchObject({ answer_chars: { max: 50_000_000, p50: 1 } });
    const running = b.start(['stats', 'r.jsonl'], { env: OUTSIDE });
    running.child.stdout.destroy();
    expect((await running.ended).code).toBe(0);
  });
});

describe('diff', () => {
  async function two(): Promise<Bench> {
    const b = await bench();
    mkdirSync(b.path('tmp'));
    const failed = { type: 'errored', error: { type: 'error', error: { type: 'api_error' } } };
    b.write(
      'a.jsonl',
      jsonl([
        answer('same', 'ü'),
        answer('json', '{"label":"x","score":1}'),
        answer('layout', '{"a":1,"b":2}'),
        answer('text', 'yes'),
        answer('outcome', 'x'),
        answer('gone', 'x'),
      ]),
    );
    b.write(
      'b.jsonl',
      jsonl([
        answer('new', 'x'),
        { custom_id: 'outcome', result: failed },
        answer('text', 'no', { output: 30 }),
        answer('layout', '{ "b": 2, "a": 1 }'),
        answer('json', '{"label":"y","score":1}'),
        answer('same', 'ü'),
        answer('same', 'again'),
      ]),
    );
    return b;
  }

  test('says what differs, and how much', async () => {
    const b = await two();
    const found = await diff(b, ['a.jsonl', 'b.jsonl']);
    expect(found).toMatchObject({
      ...{ both: 5, same: 2, layout_changed: 1, answer_changed: 2, answer_changed_json: 1, outcome_changed: 1 },
      ...{ only_in_a: 1, only_in_b: 1, fields: { label: 1 }, outcomes: { 'succeeded -> failed (api_error)': 1 } },
      ...{ file_a: { rows: 6, duplicates: 0 }, file_b: { rows: 7, duplicates: 1 } },
      ...{ a: { output_tokens: 50 }, b: { output_tokens: 60 } },
    });
    expect(found.differences.map(({ id, kind, line_a, line_b }) => [id, kind, line_a, line_b])).toEqual([
      ['json', 'answer', 2, 5],
      ['text', 'answer', 4, 3],
      ['outcome', 'outcome', 5, 2],
      ['gone', 'only_in_a', 6, null],
      ['new', 'only_in_b', null, 1],
    ]);
  });

  test('and in words', async () => {
    const b = await two();
    const { stdout } = await b.ok(['diff', 'a.jsonl', 'b.jsonl'], { env: OUTSIDE });
    expect(stdout).toMatch(/^ {2}answer changed +2 +1 of them JSON in both$/m);
    expect(stdout).toMatch(/^ {2}json \(a:2, b:5\): label$/m);
    expect(stdout).toMatch(/^ {4}a {2}yes\n {4}b {2}no$/m);
    expect(stdout).toMatch(/^ {2}outcome \(a:5, b:2\): succeeded -> failed \(api_error\)$/m);
    expect(stdout).toMatch(/^ {2}output +50 +60 +\(\+20\.0 %\)$/m);
    expect(stdout).toMatch(/with an id that came before: left out/);
  });

  test('an empty file, stdin, and a line that cannot be read', async () => {
    const b = await two();
    b.write('empty', '');
    expect(await diff(b, ['a.jsonl', 'empty'])).toMatchObject({ both: 0, only_in_a: 6, only_in_b: 0 });
    expect(await diff(b, ['empty', 'empty'])).toMatchObject({ both: 0, differences: [] });
    const env = { ...OUTSIDE, TMPDIR: b.path('tmp') };
    const piped = await b.ok(['diff', '-', 'a.jsonl', '--json'], { env, stdin: b.read('a.jsonl') });
    expect(JSON.parse(piped.stdout)).toMatchObject({ both: 6, same: 6, file_a: { file: '-' } });
    b.write('cut.jsonl', b.read('a.jsonl').slice(0, -20));
    expect(await diff(b, ['a.jsonl', 'cut.jsonl'], 2)).toMatchObject({
      file_b: { broken: { count: 1 } },
      only_in_a: 1,
    });
  });

  test('Ctrl-C leaves nothing behind', async () => {
    const b = await two();
    b.write('large.jsonl', jsonl(Array.from({ length: 200_000 }, (_, at) => answer(`row-${at}`, 'x'.repeat(100)))));
    const env = { ...OUTSIDE, TMPDIR: b.path('tmp') };
    const running = b.start(['diff', 'large.jsonl', 'large.jsonl'], { env });
    while (readdirSync(b.path('tmp')).length === 0) await new Promise((resolve) => setImmediate(resolve));
    running.kill('SIGINT');
    const ended = await running.ended;
    expect(ended.code).toBe(130);
    expect(ended.stderr).toContain('Nothing is left behind');
    expect(readdirSync(b.path('tmp'))).toEqual([]);
  });
});
