/**
 * Runs through the library: the same promises as on the command line.
 */
import { existsSync, rmSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { Row } from '../../src/library/options.ts';
import { ASK, csv, echo, ENDLESS, expectNothingTwice, MODEL, params, requests } from '../support/cli.ts';
import { all, lab, rowsOf } from './lab.ts';

describe('submit', () => {
  it('brings rows of a generator to their end, in their order', async () => {
    const { bench: b, open } = await lab();
    const run = await open().submit(rowsOf(25), { chunkRows: 10 });
    expect(run.report).toMatchObject({ resumed: false, rows: 25, invalid: 0, batches: 3, problems: [] });
    const view = await run.wait();
    expect(view).toMatchObject({ state: 'done', rows: { total: 25, succeeded: 25 }, inputs: ['(rows)'], output: null });
    const rows = await all(run.results());
    expect(rows.map(({ custom_id: id, text }) => [id, text])).toEqual(
      Array.from({ length: 25 }, (_, at) => [`row-${at + 1}`, echo(`question ${at + 1}`)]),
    );
    expect(rows[0]).toMatchObject({ status: 'succeeded', lane: 'batch', attempts: 1, error_type: null, message: null });
    expectNothingTwice(b.world);
  });

  it('takes rows of an async generator one at a time, and what they carry comes back', async () => {
    const { open } = await lab();
    const ahead = { taken: 0 };
    async function* rows(): AsyncGenerator<Row> {
      for (let at = 1; at <= 3; at++) {
        ahead.taken++;
        yield { id: at, text: `t${at}`, when: new Date(0) };
        await Promise.resolve();
      }
    }
    const run = await open().submit(rows(), { model: MODEL, maxTokens: 50, prompt: 'Say: {{text}}', idColumn: 'id' });
    await run.wait();
    const got = await all(run.results({ messages: true }));
    expect(ahead.taken).toBe(3);
    expect(got.map(({ custom_id: id, text }) => [id, text])).toEqual(
      [1, 2, 3].map((at) => [`${at}`, echo(`Say: t${at}`)]),
    );
    expect(got[0]?.columns).toMatchObject({ text: 't1', when: '1970-01-01T00:00:00.000Z' });
    expect(got[0]?.message).toMatchObject({ role: 'assistant', type: 'message' });
  });

  it('takes files, and writes the output where it is asked for', async () => {
    const { bench: b, open } = await lab();
    b.write('in.csv', csv(4));
    const run = await open().submit(b.path('in.csv'), {
      model: MODEL,
      maxTokens: 200,
      prompt: 'Classify: {{text}}',
      output: b.path('out.{run}.csv'),
      name: 'nightly',
    });
    const view = await run.wait();
    expect(view).toMatchObject({ name: 'nightly', output: b.path(`out.${run.id}.csv`), format: 'csv' });
    expect(b.read(`out.${run.id}.csv`).split('\n').length).toBe(6);
  });

  it('of the same rows is the same run, also where the command line made it', async () => {
    const { bench: b, open } = await lab();
    b.write('in.jsonl', requests(6));
    await b.ok(['run', 'in.jsonl']);
    const creates = b.calls('batches.create');
    const run = await open().submit(rowsOf(6));
    expect(run.report).toMatchObject({ resumed: true });
    expect((await run.wait()).state).toBe('done');
    expect((await all(run.results())).length).toBe(6);
    expect(b.calls('batches.create')).toBe(creates);
    const again = await open().submit(rowsOf(6), { again: true });
    expect(again.id).not.toBe(run.id);
    await again.wait();
    expect(b.calls('batches.create')).toBe(creates + 1);
  });

  it('goes on where another process was killed, and pays nothing twice', async () => {
    const { bench: b, open } = await lab({ batchDurationMs: [300, 300] });
    b.write('in.csv', csv(30));
    const killed = await b.call(['run', 'in.csv', ...ASK, '--chunk-size', '10'], {
      env: { BATCHRUN_FAILPOINT: 'submit.answered:2' },
    });
    expect(killed.signal).toBe('SIGKILL');
    const run = await open().submit(b.path('in.csv'), { model: MODEL, maxTokens: 200, prompt: 'Classify: {{text}}' });
    expect(run.report?.resumed).toBe(true);
    expect((await run.wait()).rows).toMatchObject({ total: 30, succeeded: 30 });
    expectNothingTwice(b.world);
  });

  it('refuses rows before anything is sent, and says which', async () => {
    const { bench: b, open } = await lab();
    const circle: Record<string, unknown> = { custom_id: 'c', params: params('x') };
    circle['self'] = circle;
    const rows = [...rowsOf(2), { custom_id: 'row-1', params: params('again') }, circle];
    await expect(open().submit(rows)).rejects.toMatchObject({
      code: 'E_INPUT_INVALID',
      details: {
        problems: [
          { line: 4, code: 'json' },
          { line: 3, id: 'row-1', code: 'duplicate_id' },
        ],
      },
    });
    await expect(open().submit([{ text: 'no prompt' }])).rejects.toMatchObject({ code: 'E_INPUT_INVALID' });
    await expect(open().submit([])).rejects.toMatchObject({ code: 'E_INPUT_EMPTY' });
    expect(b.calls('batches.create')).toBe(0);
    expect(b.runFolders()).toEqual([]);
    const skipped = await open().submit(rows, { onInvalid: 'skip' });
    expect((await skipped.wait()).rows).toMatchObject({ total: 4, succeeded: 2, invalid: 2 });
    expect(await all(skipped.results({ only: ['invalid'] }))).toMatchObject([
      { custom_id: 'row-1' },
      { status: 'invalid' },
    ]);
  });

  it('leaves nothing behind where the rows cannot be read to their end', async () => {
    const { bench: b, open } = await lab();
    function* broken(): Generator<Row> {
      yield* rowsOf(3);
      throw new Error('the database went away');
    }
    await expect(open().submit(broken())).rejects.toThrow('the database went away');
    const stop = new AbortController();
    async function* endless(): AsyncGenerator<Row> {
      for (let at = 0; ; at++) {
        if (at === 5_000) stop.abort();
        yield { custom_id: `r${at}`, params: params('x'.repeat(1_000)) };
        await Promise.resolve();
      }
    }
    await expect(open().submit(endless(), { signal: stop.signal })).rejects.toMatchObject({ code: 'E_NOT_FINISHED' });
    expect(b.runFolders()).toEqual([]);
    expect(await open().runs()).toEqual([]);
  });

  it('checks without a key, and sends and keeps nothing', async () => {
    const { bench: b, open } = await lab();
    const report = await open({ apiKey: [] }).check(rowsOf(5), { model: MODEL });
    expect(report).toMatchObject({ rows: 5, batches: 1, first_request: params('question 1') });
    expect(report.max_cost_usd).toBeGreaterThan(0);
    expect(b.calls()).toBe(0);
    expect(b.runFolders()).toEqual([]);
  });

  it('of several runs at once are driven together', async () => {
    const { bench: b, open } = await lab();
    const batchrun = open();
    const runs = await Promise.all([1, 2, 3].map((at) => batchrun.submit(rowsOf(5, `run ${at}`))));
    const views = await Promise.all(runs.map((run) => run.wait()));
    expect(views.map(({ state, rows }) => [state, rows['succeeded']])).toEqual([1, 2, 3].map(() => ['done', 5]));
    expect((await batchrun.runs()).map(({ id }) => id).sort()).toEqual(runs.map(({ id }) => id).sort());
    expectNothingTwice(b.world);
  });

  it('takes up a run that comes while a longer one is under way', async () => {
    const { open } = await lab({ batchDurationMs: (_rng, rows) => (rows > 5 ? 600_000 : 50) });
    const batchrun = open();
    const long = await batchrun.submit(rowsOf(9));
    const events = long.events();
    for await (const event of events) if (event.kind === 'upload.done') break;
    const short = await batchrun.submit(rowsOf(3, 'short'));
    expect((await short.wait()).state).toBe('done');
    expect((await long.status()).state).toBe('active');
  });

  it('sends nothing before it is asked to, with `start: false`', async () => {
    const { bench: b, open } = await lab();
    const first = open();
    const { id } = await first.submit(rowsOf(3), { start: false });
    await first.close();
    expect(b.calls('batches.create')).toBe(0);
    const second = open();
    expect((await second.status(id)).state).toBe('ready');
    expect((await (await second.run('latest')).wait()).state).toBe('done');
  });

  it('keeps to a schema, a lane and a limit', async () => {
    const { bench: b, open } = await lab();
    const schema = {
      type: 'object',
      properties: { label: { type: 'string' } },
      required: ['label'],
      additionalProperties: false,
    };
    const run = await open().submit(rowsOf(9), { schema, lane: 'realtime', limit: 4 });
    expect(await run.wait()).toMatchObject({ rows: { total: 4, succeeded: 4 }, lane: 'realtime' });
    for (const { text, lane } of await all(run.results())) {
      expect(lane).toBe('realtime');
      expect(JSON.parse(text ?? '')).toHaveProperty('label');
    }
    expect(b.calls('batches.create')).toBe(0);
  });
});

describe('outputs that are asked for later', () => {
  it('of a finished run are written at once, and nothing is paid again', async () => {
    const { bench: b, open } = await lab();
    const first = await open().submit(rowsOf(3));
    await first.wait();
    const calls = b.calls('batches.create');
    const late = b.path('late.{run}.csv');
    const run = await open().submit(rowsOf(3), { output: late });
    const written = late.replace('{run}', run.id);
    expect(b.read(`late.${run.id}.csv`).trimEnd().split('\n')).toHaveLength(4);
    expect(await run.status()).toMatchObject({ id: first.id, output: written, format: 'csv' });
    b.write('taken.jsonl', 'mine');
    await expect(open().submit(rowsOf(3), { output: b.path('taken.jsonl') })).rejects.toMatchObject({
      code: 'E_OUTPUT_TAKEN',
    });
    expect(b.read('taken.jsonl')).toBe('mine');
    // A file that was deleted comes back.
    rmSync(written);
    await open().submit(rowsOf(3));
    expect(existsSync(written)).toBe(true);
    expect(b.calls('batches.create')).toBe(calls);
  });

  it('of an open run leave its format as it is', async () => {
    const { bench: b, open } = await lab();
    const batchrun = open();
    await batchrun.submit(rowsOf(3), { start: false, output: b.path('out.txt'), format: 'flat' });
    const run = await batchrun.submit(rowsOf(3), { start: false, errors: b.path('bad.jsonl') });
    expect(await run.status()).toMatchObject({ output: b.path('out.txt'), format: 'flat' });
    const csv = await batchrun.submit(rowsOf(3), { start: false, format: 'csv' });
    expect(await csv.status()).toMatchObject({ output: b.path('out.txt'), format: 'csv' });
  });
});

describe('a run', () => {
  it('is canceled, and what was not done can be tried again', async () => {
    const { bench: b, open } = await lab(ENDLESS);
    const batchrun = open();
    const run = await batchrun.submit(rowsOf(4));
    for await (const event of run.events()) if (event.kind === 'upload.done') break;
    expect(await run.cancel()).toMatchObject({ state: 'done', canceled: true, rows: { canceled: 4 } });
    expect(await all(run.results({ only: ['canceled'] }))).toHaveLength(4);
    expect(await all(run.results({ only: ['succeeded'] }))).toEqual([]);
    for (const only of [['succeeded'], ['failed', 'expird'], 'failed'])
      await expect(run.retry({ only: only as 'failed'[] })).rejects.toMatchObject({ code: 'E_USAGE' });
    expect(await run.retry({ only: ['failed'] })).toBe(0);
    expect(await run.retry()).toBe(4);
    const tried = run.events();
    await expect(run.retry()).rejects.toMatchObject({ code: 'E_RUN_NOT_DONE' });
    await tried.return?.();
    await batchrun.close();
    expect(b.world.ledger.batches.length).toBeGreaterThanOrEqual(1);
  });

  it('of which rows fail is done, and says which and why', async () => {
    const { open } = await lab({ rates: { errorRate: 1, errorTypes: { invalid_request_error: 1 } } });
    const run = await open().submit(rowsOf(3));
    expect(await run.wait()).toMatchObject({
      state: 'done',
      rows: { failed: 3 },
      failures: { invalid_request_error: 3 },
    });
    const [one] = await all(run.results({ id: 'row-2' }));
    expect(one).toMatchObject({
      custom_id: 'row-2',
      status: 'failed',
      text: null,
      error_type: 'invalid_request_error',
      cost_usd: 0,
    });
    await expect(all(run.results({ only: ['broken' as 'failed'] }))).rejects.toMatchObject({ code: 'E_USAGE' });
  });

  it('is found by its name, and one that does not exist is not', async () => {
    const { open } = await lab();
    const batchrun = open();
    await expect(batchrun.run('latest')).rejects.toMatchObject({ code: 'E_RUN_UNKNOWN' });
    const { id } = await batchrun.submit(rowsOf(1), { name: 'mine' });
    const found = await batchrun.run('mine');
    expect(found).toMatchObject({ id, name: 'mine', report: null });
    await expect(batchrun.run('other')).rejects.toMatchObject({ code: 'E_RUN_UNKNOWN' });
    expect((await batchrun.status(found)).id).toBe(id);
  });
});

it('sums of money have no noise of binary fractions, as those of `status --json`', async () => {
  const { open } = await lab();
  const batchrun = open();
  const costs: (number | null | undefined)[] = [];
  for (const count of [3, 7, 11, 14, 19, 23]) {
    const run = await batchrun.submit(rowsOf(count, `of ${count}`));
    const { cost_usd: cost, lanes } = await run.wait();
    costs.push(
      cost.spent,
      cost.estimated_total,
      cost.estimated_max,
      lanes['batch']?.cost_usd,
      run.report?.max_cost_usd,
    );
  }
  expect(costs).toEqual(costs.map((cost) => Number(cost?.toPrecision(14))));
});
