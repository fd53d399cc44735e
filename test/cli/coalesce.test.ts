/**
 * `--dedupe` and `--reuse` through the whole program: what the simulator was asked and would bill, what comes out, and
 * what is said of it.
 */
import { describe, expect, test } from 'vitest';
import {
  answerOf,
  bench,
  echo,
  ENDLESS,
  expectNothingTwice,
  jsonl,
  params,
  type Bench,
  type RunJson,
} from '../support/cli.ts';

interface CoalescedRun extends RunJson {
  readonly coalesced: Readonly<Record<string, number>> | null;
}

/** Ninety rows that ask thirty questions. */
const QUESTIONS = 30;
const ROWS = Array.from({ length: 90 }, (_unused, at) => ({
  custom_id: `row-${at}`,
  params: params(`question ${at % QUESTIONS}, asked at some length`),
}));
const ANSWERS = ROWS.map(({ custom_id: id }, at) => [id, echo(`question ${at % QUESTIONS}, asked at some length`)]);

/** Requests that the API took, in batches and one by one. */
function taken({ world }: Bench): number {
  const inBatches = world.ledger.batches.reduce((sum, batch) => sum + [...batch.rows()].length, 0);
  return inBatches + world.ledger.messages.length;
}

async function status(b: Bench): Promise<CoalescedRun> {
  return (await b.json(0, ['status', 'latest'])).runs[0] as CoalescedRun;
}

describe('--dedupe', () => {
  test('the API is asked each question once; the output is the same as without it', async () => {
    const [plain, b] = [await bench(), await bench()];
    for (const one of [plain, b]) one.write('in.jsonl', jsonl(ROWS));
    await plain.ok(['run', 'in.jsonl', '--chunk-size', '20']);
    const ended = await b.ok(['run', 'in.jsonl', '--chunk-size', '20', '--dedupe']);
    expect(b.lines('in.results.jsonl').map(answerOf)).toEqual(ANSWERS);
    expect(plain.lines('in.results.jsonl').map(answerOf)).toEqual(ANSWERS);
    expect([taken(plain), taken(b)]).toEqual([90, QUESTIONS]);
    expectNothingTwice(b.world);
    expect(ended.stderr).toMatch(/60 rows ask what another row asks and take its answer \(up to about \$[\d.]+ less\)/);
    expect(ended.stderr).toMatch(/60 rows take the answer of another row; \$[\d.]+ saved/);
    const [all, less] = [await status(plain), await status(b)];
    expect(less.coalesced).toMatchObject({ rows: 60, deduped_rows: 60, reused_rows: 0, waiting_rows: 0 });
    expect(all.coalesced).toBeNull();
    expect((less.cost_usd['spent'] ?? 0) * 3).toBeCloseTo(all.cost_usd['spent'] ?? 0, 9);
    expect(less.coalesced?.['saved_usd']).toBeCloseTo((less.cost_usd['spent'] ?? 0) * 2, 9);
    await b.ok(['audit', 'latest']);
  });

  test('submit counts what is sent, and status what waits', async () => {
    const b = await bench(ENDLESS);
    b.write('in.jsonl', jsonl(ROWS));
    const view = await b.json(0, ['submit', 'in.jsonl', '--chunk-size', '20', '--dedupe']);
    expect(view).toMatchObject({ chunks: 2, uploaded: 2, waiting: 0, saving: { deduped: { rows: 60 } } });
    expect((await status(b)).coalesced).toMatchObject({ waiting_rows: 60 });
    const text = (await b.ok(['status', 'latest'])).stdout;
    expect(text).toContain('60 rows take the answer of another row; 60 wait for it');
    expect(text).not.toContain('waiting to be sent');
    // The same without the flag is the same run.
    expect(await b.json(0, ['submit', 'in.jsonl'])).toMatchObject({ already_submitted: true, uploaded: 2 });
  });

  test('what failed is tried once more for all who asked', async () => {
    const b = await bench({ rates: { errorRate: 1, errorTypes: { invalid_request_error: 1 } } });
    b.write('in.jsonl', jsonl(ROWS));
    await b.exits(3, ['run', 'in.jsonl', '--dedupe', '--errors', 'errors.jsonl']);
    expect(b.lines('errors.jsonl')).toHaveLength(90);
    b.world.setRates({ errorRate: 0 });
    await b.ok(['retry', 'latest', '--wait']);
    expect(b.lines('in.results.jsonl').map(answerOf)).toEqual(ANSWERS);
    expect(taken(b)).toBe(2 * QUESTIONS);
  });

  test('row by row on stdout, and in the realtime lane', async () => {
    const b = await bench();
    b.write('in.jsonl', jsonl(ROWS));
    const { stdout } = await b.ok(['run', 'in.jsonl', '--dedupe', '--realtime', '--as-completed']);
    const ids = stdout
      .trimEnd()
      .split('\n')
      .map((line) => (JSON.parse(line) as { custom_id: string }).custom_id);
    expect(ids.sort()).toEqual(ROWS.map((row) => row.custom_id).sort());
    expect(b.world.ledger.messages).toHaveLength(QUESTIONS);
  });

  test('csv gives a copy its lane, and no cost', async () => {
    const b = await bench();
    b.write(
      'in.csv',
      `custom_id,text\n${ROWS.slice(0, 60)
        .map((_row, at) => `r${at},same ${at % 30}`)
        .join('\n')}\n`,
    );
    const ask = ['--model', 'claude-haiku-5-5', '--max-tokens', '50', '--prompt', 'Say: {{text}}'];
    await b.ok(['run', 'in.csv', ...ask, '--dedupe', '--format', 'csv', '-o', 'out.csv']);
    const lines = b.read('out.csv').trimEnd().split('\n').slice(1);
    expect(lines.filter((line) => line.includes(',batch,'))).toHaveLength(30);
    expect(lines.filter((line) => line.includes(',0,copy,0,'))).toHaveLength(30);
  });
});

describe('--reuse', () => {
  test('an earlier run answers, also when it is pruned right afterwards', async () => {
    const b = await bench();
    b.write('in.jsonl', jsonl(ROWS.slice(0, 30)));
    await b.ok(['run', 'in.jsonl']);
    b.write('more.jsonl', jsonl([...ROWS.slice(10), { custom_id: 'new', params: params('never asked') }]));
    const view = await b.json(0, ['submit', 'more.jsonl', '--reuse']);
    expect(view).toMatchObject({ chunks: 1, uploaded: 1, saving: { reused: { rows: 80 }, deduped: { rows: 0 } } });
    const [first] = (await b.json(0, ['list'])).runs;
    await b.ok(['prune', first.id]);
    await b.ok(['collect']);
    expect(b.lines('more.results.jsonl').map(answerOf)).toEqual([...ANSWERS.slice(10), ['new', echo('never asked')]]);
    expect(taken(b)).toBe(31);
    expect((await status(b)).coalesced).toMatchObject({ rows: 80, reused_rows: 80 });
    await b.ok(['audit', 'latest']);
  });

  test('where every answer is there nothing is sent, and the run is done', async () => {
    const b = await bench();
    b.write('in.jsonl', jsonl(ROWS));
    await b.ok(['run', 'in.jsonl', '--dedupe']);
    const calls = b.calls('batches.create');
    const ended = await b.ok(['run', 'in.jsonl', '--name', 'again', '--reuse', '-o', 'again.jsonl']);
    expect(ended.stderr).toMatch(/90 rows take the answer of an earlier run \(\$[\d.]+ not paid again\)/);
    expect(b.calls('batches.create')).toBe(calls);
    expect(b.lines('again.jsonl').map(answerOf)).toEqual(ANSWERS);
    expect((await status(b)).cost_usd['spent']).toBe(0);
  });
});

describe('without the flags', () => {
  const LONG = Array.from({ length: 400 }, (_unused, at) => ({
    custom_id: `row-${at}`,
    params: params(`question ${at % 200} ${'word '.repeat(400)}`, { model: 'claude-opus-5-5', max_tokens: 2_000 }),
  }));

  test('submit says what they would have saved, where it is worth a word', async () => {
    const b = await bench();
    b.write('in.jsonl', jsonl(LONG));
    const first = await b.ok(['run', 'in.jsonl']);
    expect(first.stderr).toMatch(
      /200 of 400 rows ask what another row asks: --dedupe sends each question once \(up to about \$[\d.]+ less\)/,
    );
    expect(first.stderr).not.toContain('--reuse');
    const dry = await b.call(['submit', 'in.jsonl', '--dry-run', '-o', 'o.jsonl', '--name', 'other', '--json']);
    expect(JSON.parse(dry.stdout)).toMatchObject({
      saving: { duplicates: { rows: 200, exact: true }, reusable: { rows: 400, exact: false } },
    });
    const text = await b.call(['submit', 'in.jsonl', '--dry-run', '-o', 'o.jsonl', '--name', 'other']);
    expect(text.stderr).toMatch(/About 400 of 400 rows ask what an earlier run of this state was asked: --reuse/);
  });

  test('and is silent where it is not', async () => {
    const b = await bench();
    b.write('in.jsonl', jsonl(ROWS.slice(0, 30)));
    const { stderr } = await b.ok(['run', 'in.jsonl']);
    expect(stderr).not.toMatch(/--dedupe|--reuse/);
  });
});
