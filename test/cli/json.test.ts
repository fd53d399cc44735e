/**
 * The shapes of `--json`: exactly one object on stdout, with every field that is documented. Fields may be added to these,
 * never removed.
 */
import { describe, expect, test } from 'vitest';
import { ASK, bench, csv, jsonl, KEY, params, parseLines, requests } from '../support/cli.ts';

const ROWS = [
  'total',
  'waiting',
  'in_batch',
  'retry',
  'in_realtime',
  'succeeded',
  'failed',
  'expired',
  'canceled',
  'invalid',
];
const CHUNKS = [
  ...['total', 'sealed', 'submitting', 'uncertain', 'submitted', 'ended', 'collected', 'split', 'refused', 'canceled'],
  'lost',
];
const USAGE = ['input_tokens', 'output_tokens', 'cache_creation_input_tokens', 'cache_read_input_tokens'];

const counts = (names: readonly string[]): object =>
  Object.fromEntries(names.map((name) => [name, expect.any(Number)]));

/** A run of which nothing is null. */
const RUN = {
  id: expect.stringMatching(/^run_/),
  name: expect.any(String),
  state: expect.stringMatching(/^(ready|active|canceling|done)$/),
  blocked: [],
  rows: counts(ROWS),
  chunks: counts(CHUNKS),
  usage: counts(USAGE),
  cost_usd: { spent: expect.any(Number), estimated_total: expect.any(Number) },
  output: expect.stringMatching(/^\//),
  errors: expect.stringMatching(/^\//),
};

describe('of a run that goes well', () => {
  test('submit, status, list, collect and run have all fields of the design', async () => {
    const b = await bench();
    b.write('in.jsonl', requests(4));
    const flags = ['--name', 'n', '--errors', 'errors.jsonl', '--chunk-size', '3'];
    const submitted = await b.json(0, ['submit', 'in.jsonl', ...flags]);
    expect(submitted).toMatchObject({
      run_id: expect.stringMatching(/^run_/),
      name: 'n',
      state: 'active',
      rows: 4,
      invalid: 0,
      chunks: 2,
      uploaded: 2,
      waiting: 0,
      uncertain: 0,
      already_submitted: false,
      driver: null,
    });
    const status = await b.json(0, ['status']);
    expect(status.runs).toEqual([
      expect.objectContaining({ ...RUN, cost_usd: expect.objectContaining({ spent: 0, estimated_total: null }) }),
    ]);
    expect(status.runs[0].batches[0]).toMatchObject({ id: expect.stringMatching(/^msgbatch_/), rows: 3 });

    const again = await b.json(0, ['submit', 'in.jsonl', ...flags]);
    expect(again).toMatchObject({ run_id: submitted.run_id, already_submitted: true });

    const collected = await b.json(0, ['collect']);
    expect(collected.runs).toHaveLength(1);
    expect(collected.runs[0]).toMatchObject(RUN);
    expect(collected.runs[0]).toMatchObject({
      state: 'done',
      rows: { total: 4, succeeded: 4 },
      chunks: { collected: 2 },
    });
    const run = await b.json(0, ['run', 'in.jsonl', ...flags]);
    expect(run.runs[0]).toMatchObject({ ...RUN, id: submitted.run_id });
    const list = await b.json(0, ['list']);
    expect(list.runs[0]).toMatchObject({ ...RUN, id: submitted.run_id });
    expect(await b.json(0, ['collect'])).toEqual({ runs: [] });
    const retry = await b.json(0, ['retry', 'latest']);
    expect(retry.runs[0]).toMatchObject({ id: submitted.run_id });
    const cancel = await b.json(0, ['cancel', 'latest']);
    expect(cancel.runs[0]).toMatchObject({ id: submitted.run_id, state: 'done' });
    const log = parseLines((await b.ok(['log', 'latest', '--json'])).stdout);
    expect(log[0]).toMatchObject({ time: expect.stringMatching(/^20/), event: expect.any(String) });
    const pruned = await b.json(0, ['prune', '--keep-last', '0']);
    expect(pruned).toMatchObject({ pruned: [submitted.run_id], freed_bytes: expect.any(Number), dry_run: false });
    const tombstone = await b.json(0, ['submit', 'in.jsonl', ...flags]);
    expect(tombstone).toMatchObject({ run_id: submitted.run_id, already_submitted: true, rows: 4, state: 'pruned' });
  });

  test('an unknown price is null, and an empty state is an empty list', async () => {
    const b = await bench();
    expect(await b.json(0, ['list'])).toEqual({ runs: [] });
    expect(await b.json(0, ['status'])).toMatchObject({ runs: [] });
    expect(await b.json(0, ['collect'])).toEqual({ runs: [] });
    b.write('in.jsonl', jsonl([{ custom_id: 'a', params: params('x', { model: 'claude-nobody-9' }) }]));
    const run = await b.json(3, ['run', 'in.jsonl', '--no-preflight']);
    expect(run.runs[0].cost_usd.estimated_max).toBeNull();
    expect(run.runs[0].rows.failed).toBe(1);
  });

  test('a dry run shows the first request, the counts and the cost', async () => {
    const b = await bench();
    b.write('in.csv', csv(3));
    const dry = await b.json(0, ['submit', 'in.csv', ...ASK, '--dry-run']);
    expect(dry).toMatchObject({
      dry_run: true,
      rows: 3,
      invalid: 0,
      first_request: params('Classify: question 1'),
      cost_usd: { estimated_max: expect.any(Number) },
    });
  });

  test('doctor', async () => {
    const b = await bench();
    const good = await b.json(0, ['doctor', '--model', 'claude-haiku-5-5']);
    expect(good.ok).toBe(true);
    for (const check of good.checks) {
      expect(check).toMatchObject({ name: expect.any(String), ok: expect.anything(), found: expect.any(String) });
    }
    expect(JSON.stringify(good)).not.toContain(KEY);
    const bad = await b.json(2, ['doctor', '--model', 'claude-nobody-9']);
    expect(bad.ok).toBe(false);
  });
});

describe('of what goes wrong', () => {
  const failure = (code: string, exit: number): object => ({
    error: { code, message: expect.stringMatching(/./), hint: expect.stringMatching(/./), exit },
  });

  test.each([
    ['E_INPUT_MISSING', ['submit', 'nothing.jsonl']],
    ['E_RUN_UNKNOWN', ['status', 'run_1']],
    ['E_RUN_UNKNOWN', ['collect', 'run_1']],
    ['E_RUN_UNKNOWN', ['cancel', 'latest']],
    ['E_RUN_UNKNOWN', ['retry', 'latest']],
    ['E_RUN_UNKNOWN', ['log', 'latest']],
    ['E_USAGE', ['prune']],
    ['E_USAGE', ['submit', 'in.jsonl', '--params', '{']],
    ['E_NO_PROMPT', ['submit', 'in.csv']],
    ['E_NO_MODEL', ['submit', 'in.csv', '--prompt', '{{text}}', '--max-tokens', '10']],
    ['E_TEMPLATE', ['submit', 'in.csv', '--model', 'm', '--max-tokens', '10', '--prompt', '{{txt}}']],
    [
      'E_MODEL_RETIRED',
      ['submit', 'in.csv', '--model', 'claude-3-opus-20240229', '--max-tokens', '9', '--prompt', 'x'],
    ],
    ['E_CONFIG', ['submit', 'in.jsonl', '--config', 'nothing.json']],
    ['E_USAGE', ['run', 'in.jsonl', '-o', '-']],
    ['E_USAGE', ['run', 'in.jsonl', '--as-completed']],
    ['E_USAGE', ['collect', '-o', '-']],
    ['E_OUTPUT_TAKEN', ['submit', 'in.jsonl', '-o', 'in.csv']],
  ] as const)('%s: %j', async (code, args) => {
    const b = await bench();
    b.write('in.jsonl', requests(1));
    b.write('in.csv', csv(1));
    const failed = await b.json(2, [...args]);
    expect(failed).toMatchObject(failure(code, 2));
    expect(b.calls()).toBe(0);
  });

  test('flags that do not exist or cannot be read are failures in JSON too', async () => {
    const b = await bench();
    b.write('in.jsonl', requests(1));
    expect(await b.json(2, ['submit', 'in.jsonl', '--modle', 'x'])).toMatchObject(failure('E_USAGE', 2));
    expect(await b.json(2, ['submit', 'in.jsonl', '--chunk-size', 'x'])).toMatchObject(failure('E_USAGE', 2));
    expect(await b.json(2, ['submit'])).toMatchObject(failure('E_USAGE', 2));
  });

  test('bad rows are listed with their places', async () => {
    const b = await bench();
    b.write('in.jsonl', `${requests(1)}{"custom_id":"bad"\n`);
    const failed = await b.json(2, ['submit', 'in.jsonl']);
    expect(failed).toMatchObject(failure('E_INPUT_INVALID', 2));
    expect(failed.error).toMatchObject({ count: 1, problems: [{ file: b.path('in.jsonl'), line: 2 }] });
  });

  test('no credentials', async () => {
    const b = await bench();
    b.write('in.jsonl', requests(1));
    const failed = await b.json(2, ['submit', 'in.jsonl'], { env: { ANTHROPIC_API_KEY: undefined } });
    expect(failed).toMatchObject(failure('E_CREDENTIALS', 2));
    expect(b.runFolders()).toEqual([]);
  });

  test('an API that cannot be reached', async () => {
    const b = await bench();
    b.write('in.jsonl', requests(1));
    await b.json(0, ['submit', 'in.jsonl']);
    await b.offline();
    const collected = await b.json(4, ['collect', '--give-up', '200ms']);
    expect(collected.runs[0]).toMatchObject({ state: 'active', rows: { in_batch: 1 } });
  });
});
