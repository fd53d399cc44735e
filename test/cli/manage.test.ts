/**
 * The commands around a run: cancel, retry, results, log, list, prune, doctor.
 */
import { chmodSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  answerOf,
  ASK,
  asked,
  bench,
  classified,
  csv,
  echo,
  ENDLESS,
  expectAnswers,
  expectNothingTwice,
  jsonl,
  KEY,
  params,
  parseLines,
  requests,
} from '../support/cli.ts';

describe('cancel', () => {
  test('what was finished is kept, the rest is canceled, the output has every row', async () => {
    const b = await bench({ batchDurationMs: [50, 50] });
    b.write('in.jsonl', requests(6));
    await b.ok(['submit', 'in.jsonl', '--chunk-size', '2', '--max-batches', '1', '--errors', 'errors.jsonl']);
    const canceled = await b.ok(['cancel', 'latest']);
    expect(canceled.stdout).toBe('');
    expect(canceled.stderr).toMatch(/ {2}`batchrun results run_\w+ --only canceled` shows the rows\.\n/);
    expect(canceled.stderr).toMatch(/ {2}`batchrun retry run_\w+` sends them again\.\n/);
    const answers = b.lines('in.results.jsonl').map(answerOf);
    expect(answers.map(([id]) => id)).toEqual(asked(6).map(([id]) => id));
    expect(answers.slice(2).map(([, text]) => text)).toEqual(['canceled', 'canceled', 'canceled', 'canceled']);
    expect(b.world.ledger.batches).toHaveLength(1);
    expect(b.lines('errors.jsonl').at(-1)).toMatchObject({ custom_id: 'row-6', params: params('question 6') });
    expect((await b.json(0, ['list'])).runs[0]).toMatchObject({ state: 'done', canceled: true });
    expect((await b.ok(['list'])).stdout).toMatch(/\nrun_\w+ +canceled +6 /);
    expect((await b.ok(['status'])).stdout).toMatch(/^run_\w+ {2}canceled \S+ ago, after \S+\n/);
    expect((await b.ok(['cancel', 'latest'])).stderr).toContain('done already');
  });

  test('of a name that several unfinished runs have asks for the id', async () => {
    const b = await bench(ENDLESS);
    const ids: string[] = [];
    for (const text of ['one', 'two']) {
      b.write('in.jsonl', requests(1, text));
      await b.ok(['submit', 'in.jsonl', '--name', 'nightly', '-o', `${text}.jsonl`, '--quiet']);
      ids.push((await b.json(0, ['status', 'latest'])).runs[0].id);
    }
    const { error } = await b.json(2, ['cancel', 'nightly']);
    expect(error).toMatchObject({ code: 'E_RUN_AMBIGUOUS', hint: 'Give the id of the run that is meant.' });
    expect(error.message).toContain(ids.join(', '));
    await b.ok(['cancel', ids[0] ?? '']);
    const states = async (): Promise<unknown[]> => (await b.json(0, ['list'])).runs.map(({ state }) => state).sort();
    expect(await states()).toEqual(['active', 'done']);
    await b.ok(['cancel', 'nightly']);
    expect(await states()).toEqual(['done', 'done']);
  });

  test('with --quiet says nothing of rows that were canceled, as was asked for', async () => {
    const b = await bench(ENDLESS);
    b.write('in.jsonl', requests(2));
    await b.ok(['submit', 'in.jsonl', '--quiet']);
    const canceled = await b.ok(['cancel', 'latest', '--quiet']);
    expect(canceled).toMatchObject({ stdout: '', stderr: '' });
    expect(b.lines('in.results.jsonl').map(answerOf)[0]?.[1]).toBe('canceled');
  });

  test('batches under way are stopped at the API, and only ours', async () => {
    const b = await bench(ENDLESS);
    const foreign = b.world.addForeignBatch({ count: 2, durationMs: 600_000 });
    b.write('in.jsonl', requests(4));
    await b.ok(['submit', 'in.jsonl', '--chunk-size', '2']);
    const view = await b.json(0, ['cancel', 'latest']);
    expect(view.runs[0]).toMatchObject({ state: 'done', rows: { total: 4 } });
    const { canceled = 0, succeeded = 0 } = view.runs[0].rows;
    expect(canceled + succeeded).toBe(4);
    const states = b.world.ledger.batches.map((batch) => [batch.id === foreign, batch.status]);
    expect(states.filter(([isForeign]) => isForeign === true)).toEqual([[true, 'in_progress']]);
    expect(states.filter(([isForeign]) => isForeign === false)).toEqual([
      [false, 'ended'],
      [false, 'ended'],
    ]);
    expect(b.calls('batches.cancel')).toBe(2);
  });

  test('a canceled run does not stand in the way of the same input', async () => {
    const b = await bench();
    b.write('in.jsonl', requests(1));
    await b.ok(['submit', 'in.jsonl', '-o', '1.jsonl']);
    await b.ok(['cancel', 'latest']);
    const second = await b.json(0, ['submit', 'in.jsonl', '-o', '2.jsonl']);
    expect(second.already_submitted).toBe(false);
  });

  test('beside a driver: the driver does it', async () => {
    const b = await bench(ENDLESS);
    b.write('in.jsonl', requests(2));
    const driver = b.start(['run', 'in.jsonl']);
    await driver.says(/batch msgbatch_/);
    await b.ok(['cancel', 'latest']);
    expect(await driver.ended).toMatchObject({ code: 3 });
    expect(b.lines('in.results.jsonl')).toHaveLength(2);
  });
});

describe('retry', () => {
  test('by a name takes the run that has something to try again; prune by it asks for the id', async () => {
    const b = await bench({ rates: { errorRate: 1, errorTypes: { invalid_request_error: 1 } } });
    b.write('in.jsonl', requests(2));
    await b.exits(3, ['run', 'in.jsonl', '--name', 'nightly', '-o', 'first.jsonl']);
    const [first] = (await b.json(0, ['list'])).runs;
    b.world.setRates({ errorRate: 0 });
    b.write('in.jsonl', requests(2, 'other'));
    await b.ok(['run', 'in.jsonl', '--name', 'nightly', '-o', 'second.jsonl']);
    const { error } = await b.json(2, ['prune', 'nightly']);
    expect(error).toMatchObject({
      code: 'E_RUN_AMBIGUOUS',
      message: expect.stringContaining(first.id) as string,
    });
    expect(b.runFolders()).toHaveLength(2);
    expect((await b.ok(['retry', 'nightly'])).stderr).toContain(`${first.id}: another try for 2 rows.`);
    await b.ok(['collect']);
    expect(b.lines('first.jsonl').map(({ result }) => (result as { type: string }).type)).toEqual([
      'succeeded',
      'succeeded',
    ]);
    expect((await b.ok(['retry', 'nightly'])).stderr).toContain('every row succeeded');
    await b.ok(['prune', first.id]);
    await b.ok(['prune', 'nightly']);
    expect(b.runFolders()).toEqual([]);
  });

  test('rows that failed succeed once the fault is gone; those that had succeeded stay', async () => {
    const b = await bench({ rates: { errorRate: 1, errorTypes: { invalid_request_error: 1 } } });
    b.write('in.jsonl', requests(3));
    await b.exits(3, ['run', 'in.jsonl', '--errors', 'errors.jsonl']);
    b.world.setRates({ errorRate: 0 });
    const retried = await b.ok(['retry', 'latest']);
    expect(retried.stderr).toContain('3 rows');
    const view = await b.json(0, ['status', 'latest']);
    expect(view.runs[0]).toMatchObject({ state: 'active', rows: { retry: 3 } });
    await b.ok(['collect']);
    expectAnswers(b.lines('in.results.jsonl'), asked(3));
    expect(b.read('errors.jsonl')).toBe('');
    expect((await b.ok(['retry', 'latest'])).stderr).toContain('nothing to try again');
    expectNothingTwice(b.world);
  });

  test('--wait --json drives to the end; --only chooses; --retry-lane batch makes a chunk', async () => {
    const b = await bench({ rates: { errorRate: 1, errorTypes: { invalid_request_error: 1 } } });
    b.write('in.jsonl', requests(3));
    await b.exits(3, ['run', 'in.jsonl', '--retry-lane', 'batch']);
    b.world.setRates({ errorRate: 0 });
    expect((await b.json(0, ['retry', 'latest', '--only', 'expired'])).runs[0].state).toBe('done');
    const view = await b.json(0, ['retry', 'latest', '--wait']);
    expect(view.runs[0]).toMatchObject({ state: 'done', rows: { succeeded: 3, failed: 0 } });
    expect(b.world.ledger.messages).toHaveLength(0);
    expect(b.world.ledger.batches).toHaveLength(2);
    expectAnswers(b.lines('in.results.jsonl'), asked(3));
  });

  test('a run that is under way is not retried', async () => {
    const b = await bench(ENDLESS);
    b.write('in.jsonl', requests(1));
    await b.ok(['submit', 'in.jsonl']);
    expect((await b.json(2, ['retry', 'latest'])).error.code).toBe('E_RUN_NOT_DONE');
  });

  test.each([
    ['auto', { messages: true, batches: 1 }],
    ['realtime', { messages: true, batches: 1 }],
    ['none', { messages: false, batches: 1 }],
  ] as const)('by itself, with --retry-lane %s, when rows expire', async (lane, made) => {
    const b = await bench({ rates: { expireRate: 1 } });
    b.write('in.jsonl', requests(3));
    await b.exits(lane === 'none' ? 3 : 0, ['run', 'in.jsonl', '--retry-lane', lane]);
    expect(b.world.ledger.messages.length > 0).toBe(made.messages);
    expect(b.world.ledger.batches).toHaveLength(made.batches);
    if (lane === 'none') expect(b.lines('in.results.jsonl').map(answerOf)[0]).toEqual(['row-1', 'expired']);
    else expectAnswers(b.lines('in.results.jsonl'), asked(3));
  });
});

describe('results, log, list', () => {
  test('results reads a run offline: --only, --row, and what there is of a run under way', async () => {
    const b = await bench();
    b.write(
      'in.jsonl',
      `${requests(3)}${jsonl([{ custom_id: 'bad', params: params('x', { model: 'claude-nobody-9' }) }])}`,
    );
    await b.ok(['submit', 'in.jsonl', '--name', 'n', '--no-preflight']);
    const env = { ANTHROPIC_API_KEY: undefined, ANTHROPIC_BASE_URL: undefined };
    expect((await b.ok(['results', 'n'], { env })).stdout).toBe('');
    await b.exits(3, ['collect']);
    const calls = b.calls();
    const read = async (...args: string[]) => parseLines((await b.ok(['results', 'n', ...args], { env })).stdout);
    expect((await read()).map(answerOf)).toEqual(b.lines('in.results.jsonl').map(answerOf));
    expect((await read('--only', 'failed')).map(answerOf)).toEqual([['bad', 'not_found_error']]);
    expect((await read('--only', 'succeeded,failed')).length).toBe(4);
    expect((await read('--row', 'row-2')).map(answerOf)).toEqual([['row-2', echo('question 2')]]);
    const none = await b.exits(2, ['results', 'n', '--row', 'row-9']);
    expect(none.stderr).toContain('row-9');
    await b.exits(2, ['results', 'n', '--only', 'lost']);
    expect(b.calls()).toBe(calls);
  });

  test('log tells what happened when; list has a line for each run', async () => {
    const b = await bench();
    b.write('in.jsonl', requests(2));
    await b.ok(['run', 'in.jsonl', '--name', 'one']);
    const log = (await b.ok(['log', 'one'])).stdout.trimEnd().split('\n');
    expect(log.length).toBeGreaterThan(3);
    for (const line of log) expect(line).toMatch(/^20\d\d-\S+Z {2}[a-z_]+\.[a-z_]+/);
    const tail = (await b.ok(['log', 'one', '--tail', '2'])).stdout.trimEnd().split('\n');
    expect(tail).toEqual(log.slice(-2));
    const list = (await b.ok(['list'])).stdout.trimEnd().split('\n');
    expect(list).toHaveLength(2);
    expect(list[1]).toMatch(/^run_\w+ +one +done +2 +2/);
  });
});

describe('prune', () => {
  test('says what it would do, keeps what is to be kept, and never touches outputs', async () => {
    const b = await bench();
    for (const name of ['a', 'b', 'c']) {
      b.write(`${name}.jsonl`, requests(1, name));
      await b.ok(['run', `${name}.jsonl`, '--name', name, '-q']);
    }
    const would = await b.json(0, ['prune', '--keep-last', '1', '--dry-run']);
    expect(would).toMatchObject({ dry_run: true });
    expect(would.pruned).toHaveLength(2);
    expect(b.runFolders()).toHaveLength(3);
    expect((await b.json(0, ['prune', '--keep-within', '1h'])).pruned).toEqual([]);
    expect((await b.json(0, ['prune', '--keep-last', '1'])).pruned).toEqual(would.pruned);
    expect(b.runFolders()).toHaveLength(1);
    expect((await b.json(0, ['list'])).runs.map((run) => run.name)).toEqual(['c']);
    expect(b.has('a.results.jsonl')).toBe(true);
    expect(b.calls('batches.delete')).toBe(0);
  });

  test('a tombstone stays: the same input pays nothing, --again does', async () => {
    const b = await bench();
    b.write('in.jsonl', requests(1));
    const first = await b.json(0, ['run', 'in.jsonl']);
    await b.ok(['prune', 'latest']);
    const calls = b.calls();
    const night = await b.ok(['run', 'in.jsonl']);
    expect(night.stderr).toContain(first.runs[0].id);
    expect(night.stderr).toContain('--again');
    expect(b.calls()).toBe(calls);
    await b.ok(['run', 'in.jsonl', '--again', '--overwrite']);
    expect(b.world.ledger.batches).toHaveLength(2);
    expectAnswers(b.lines('in.results.jsonl'), asked(1));
  });

  test("--remote deletes the API's copies too, and once more does no harm", async () => {
    const b = await bench();
    b.write('in.jsonl', requests(4));
    await b.ok(['run', 'in.jsonl', '--chunk-size', '2']);
    await b.ok(['prune', '--keep-last', '0', '--remote']);
    expect(b.world.ledger.batches.map((batch) => batch.isDeleted)).toEqual([true, true]);
    await b.ok(['prune', '--keep-last', '0', '--remote']);
  });

  test('a canceled run goes whole, without a mark or a tombstone, and the same input is a new run', async () => {
    const b = await bench(ENDLESS);
    b.write('in.jsonl', requests(1));
    await b.ok(['submit', 'in.jsonl']);
    await b.ok(['cancel', 'latest']);
    await b.ok(['prune', 'latest']);
    expect(b.runFolders()).toEqual([]);
    expect(readdirSync(b.path('.batchrun/ingest'))).toEqual([]);
    await b.ok(['submit', 'in.jsonl', '--overwrite']);
    expect(b.world.ledger.batches).toHaveLength(2);
  });

  test('a run that is not finished is not pruned', async () => {
    const b = await bench(ENDLESS);
    b.write('in.jsonl', requests(1));
    await b.ok(['submit', 'in.jsonl']);
    expect((await b.json(2, ['prune', 'latest'])).error.code).toBe('E_RUN_NOT_DONE');
    expect((await b.json(0, ['prune', '--keep-last', '0'])).pruned).toEqual([]);
  });
});

describe('doctor', () => {
  test('all is well: a line for each check, the key masked', async () => {
    const b = await bench();
    const { stdout } = await b.ok(['doctor', '--model', 'claude-haiku-5-5']);
    for (const check of ['node', 'better-sqlite3', 'state folder', 'credentials', 'api', 'model claude-haiku-5-5']) {
      expect(stdout).toMatch(new RegExp(`^ok +${check}: `, 'm'));
    }
    expect(stdout).toContain('wxyz');
    expect(stdout).not.toContain(KEY);
    expect(stdout).toContain(b.origin);
    expect(b.has('.batchrun')).toBe(false);
  });

  test('what is wrong is named with what to do, exit 2', async () => {
    const b = await bench({ strictKeys: true, keys: { other: { workspace: 'w' } } });
    const refused = await b.exits(2, ['doctor']);
    expect(refused.stdout).toMatch(/FAIL +api: .*\n +\S/);
    const none = await b.exits(2, ['doctor'], { env: { ANTHROPIC_API_KEY: undefined } });
    expect(none.stdout).toMatch(/FAIL +credentials/);
    expect(none.stdout).toContain('ANTHROPIC_API_KEY');
    await b.offline();
    const away = await b.exits(2, ['doctor']);
    expect(away.stdout).toMatch(/FAIL +api/);
  });

  test('a model that is gone, and a state folder that others can read', async () => {
    const b = await bench();
    const gone = await b.exits(2, ['doctor', '--model', 'claude-3-opus-20240229']);
    expect(gone.stdout).toMatch(/FAIL +model/);
    b.write('in.csv', csv(1));
    await b.ok(['submit', 'in.csv', ...ASK]);
    chmodSync(b.state, 0o755);
    const open = await b.ok(['doctor']);
    expect(open.stdout).toMatch(/warn +state folder: .*755/);
    expect(open.stdout).toContain('chmod 700');
    await b.ok(['collect']);
    expectAnswers(b.lines('in.results.jsonl'), classified(1));
  });
});

test('a row file that lost its content is named by `results`, and does not end it with a stack', async () => {
  const b = await bench();
  b.write('in.jsonl', requests(3));
  const { stdout } = await b.ok(['run', 'in.jsonl', '--yes']);
  const file = join(b.state, 'runs', b.runFolders()[0] ?? stdout, 'rows/000001.jsonl');
  writeFileSync(file, '');
  const { stderr } = await b.exits(1, ['results', 'latest']);
  expect(stderr).toContain(file);
  expect(stderr).not.toMatch(/^\s+at /m);
});
