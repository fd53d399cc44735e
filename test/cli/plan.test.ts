/**
 * `batchrun plan` as a user runs it: what it says before, against what the simulator then bills; offline and online, with
 * a deadline, a budget and without a file. Nothing is ever sent but count_tokens, and nothing stays.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { CapacityView } from '../../src/tools/plan/capacity.ts';
import type { PlanView } from '../../src/tools/plan/view.ts';
import { ASK, BANKING77, bench, csv, jsonl, MODEL, params, type Bench } from '../support/cli.ts';

const OFFLINE = { env: { ANTHROPIC_API_KEY: undefined } } as const;

async function plan(b: Bench, args: readonly string[], options = {}): Promise<PlanView> {
  return (await b.json(0, ['plan', ...args], options)) as unknown as PlanView;
}

async function capacity(b: Bench, args: readonly string[]): Promise<CapacityView> {
  return (await b.json(0, ['plan', ...args])) as unknown as CapacityView;
}

interface Bill {
  readonly input: number;
  readonly output: number;
  readonly usd: number;
}

interface Usage {
  readonly input_tokens: number;
  readonly output_tokens: number;
}

/** What the simulator billed, by the lines of the output and a price table of its own. */
function billOf(b: Bench, output: string, model: string): Bill {
  const facts = JSON.parse(
    readFileSync(join(import.meta.dirname, '../../fixtures/facts/pricing.json'), 'utf8'),
  ) as Record<string, { readonly batch_input: number; readonly batch_output: number }>;
  const price = facts[model] ?? { batch_input: NaN, batch_output: NaN };
  const usages = b.lines(output).map(({ result }) => (result as { message?: { usage: Usage } }).message?.usage);
  const input = usages.reduce((sum, usage) => sum + (usage?.input_tokens ?? 0), 0);
  const answers = usages.reduce((sum, usage) => sum + (usage?.output_tokens ?? 0), 0);
  return { input, output: answers, usd: (input * price.batch_input + answers * price.batch_output) / 1e6 };
}

function expectWithin(value: number, band: { readonly low: number; readonly high: number } | null, what: string): void {
  expect(value, what).toBeGreaterThanOrEqual((band?.low ?? NaN) * (1 - 1e-9));
  expect(value, what).toBeLessThanOrEqual((band?.high ?? NaN) * (1 + 1e-9));
}

/** Rows of all lengths, some with a system prompt of their own. */
function mixedRows(count: number): string {
  return jsonl(
    Array.from({ length: count }, (_, at) => ({
      custom_id: `r-${at}`,
      params: params(
        `row ${at} ${'some words of a text '.repeat(at % 40)}`,
        at % 3 === 0 ? { system: 'be brief and kind' } : {},
      ),
    })),
  );
}

describe('against what is billed', () => {
  it.each([
    ['BANKING77', (): readonly string[] => [BANKING77, '--limit', '500', ...ASK]],
    ['rows of all lengths', (b: Bench): readonly string[] => [b.write('in.jsonl', mixedRows(400))]],
    ['one row', (b: Bench): readonly string[] => [b.write('in.jsonl', mixedRows(1))]],
  ])('%s: the bill lies in the band, and what was counted is within its error', async (_, input) => {
    const b = await bench();
    const args = input(b);
    const view = await plan(b, args);
    const [own] = view.models;
    await b.ok(['run', ...args, '-o', 'out.jsonl', '--quiet']);
    const bill = billOf(b, 'out.jsonl', MODEL);
    expect(own).toMatchObject({ own: true, label: MODEL, input_basis: 'counted', fits: true });
    expectWithin(bill.input, own.input_tokens, 'input tokens');
    expect(Math.abs(own.input_tokens.expected / bill.input - 1)).toBeLessThan(own.input_error + 0.005);
    expectWithin(bill.output, own.output_tokens, 'output tokens');
    expectWithin(bill.usd, own.cost_usd.batch.plain, 'cost');
    expect(bill.usd).toBeLessThanOrEqual(own.cost_usd.batch.worst ?? NaN);
    expect(own.cost_usd.realtime.plain?.expected).toBeCloseTo(2 * (own.cost_usd.batch.plain?.expected ?? NaN), 9);
  });

  it('offline the band is wide and holds the bill', async () => {
    const b = await bench();
    // The simulator counts texts alone: beside a system prompt the frame of a request, which the API counts, is little.
    const args = [
      BANKING77,
      '--limit',
      '300',
      ...ASK,
      '--system',
      'You sort the messages of customers of a bank. '.repeat(20),
    ];
    const view = await plan(b, args, OFFLINE);
    expect(b.calls()).toBe(0);
    expect(view.asked).toEqual({ count_tokens: false, why_not: 'no credentials' });
    const [own] = view.models;
    expect(own.input_basis).toBe('estimated');
    expect(own.input_error).toBeGreaterThan(0.2);
    await b.ok(['run', ...args, '-o', 'out.jsonl', '--quiet']);
    const bill = billOf(b, 'out.jsonl', MODEL);
    expectWithin(bill.input, own.input_tokens, 'input tokens');
    expectWithin(bill.usd, own.cost_usd.batch.plain, 'cost');
  });

  it('knows after a run how long answers are and how long batches take', async () => {
    const b = await bench();
    await b.ok(['run', BANKING77, '--limit', '200', ...ASK, '-o', 'first.jsonl', '--quiet']);
    const args = [BANKING77, '--limit', '300', ...ASK];
    const view = await plan(b, args);
    const [own] = view.models;
    expect(own.output_basis).toBe('earlier_runs');
    expect(view.batch_duration.batches).toBe(1);
    expect(view.batch_duration.seconds.expected).toBeLessThan(60);
    await b.ok(['run', ...args, '-o', 'out.jsonl', '--quiet']);
    const bill = billOf(b, 'out.jsonl', MODEL);
    expect(Math.abs(own.output_tokens.expected / bill.output - 1)).toBeLessThan(0.1);
    expectWithin(bill.usd, own.cost_usd.batch.plain, 'cost');
  });
});

describe('the plan of an input', () => {
  it('sends no row, leaves no run and no file, and calls nothing but count_tokens', async () => {
    const b = await bench();
    await b.ok(['plan', BANKING77, '--limit', '50', ...ASK]);
    expect([...b.world.ledger.calls.keys()]).toEqual(['messages.count_tokens']);
    expect(b.world.ledger.batches).toHaveLength(0);
    expect(b.runFolders()).toEqual([]);
    expect((await b.json(0, ['list'])) as unknown).toEqual(expect.objectContaining({ runs: [] }));
  });

  it('asks nobody with --no-preflight', async () => {
    const b = await bench();
    const view = await plan(b, [BANKING77, '--limit', '50', ...ASK, '--no-preflight']);
    expect(view.asked.why_not).toBe('--no-preflight');
    expect(b.calls()).toBe(0);
  });

  it('goes on by its own estimate where the API does not answer', async () => {
    const b = await bench();
    await b.offline();
    const view = await plan(b, [b.write('in.jsonl', mixedRows(5))]);
    expect(view.asked.why_not).toMatch(/could not be asked/);
    expect(view.models[0].input_basis).toBe('estimated');
  });

  it('reads stdin', async () => {
    const b = await bench();
    const view = await plan(b, ['-', '--input-format', 'jsonl'], { stdin: mixedRows(20) });
    expect(view.rows).toEqual({ total: 20, invalid: 0, to_send: 20 });
  });

  it('compares models, and says which of them do not fit and why', async () => {
    const b = await bench();
    const wide = params('x', { max_tokens: 100_000 });
    const input = b.write('in.jsonl', jsonl([{ custom_id: 'a', params: wide }]));
    const view = await plan(b, [input, '--models', 'claude-haiku-4-5,claude-opus-5-5,claude-nobody-9,claude-3-opus']);
    const byLabel = Object.fromEntries(view.models.map((one) => [one.label, one]));
    expect(view.models.map(({ label }) => label)).toEqual([
      ...[MODEL, 'claude-haiku-4-5', 'claude-opus-5-5', 'claude-nobody-9', 'claude-3-opus'],
    ]);
    expect(byLabel['claude-haiku-4-5']?.problems.join()).toMatch(/max_tokens is above/);
    expect(byLabel['claude-opus-5-5']?.fits).toBe(true);
    expect(byLabel['claude-nobody-9']?.cost_usd.batch.plain).toBeNull();
    expect(byLabel['claude-3-opus']?.problems.join()).toMatch(/no longer served/);
    expect(view.recommendation.model).toBe(MODEL);
  });

  it('finds the prefix that rows share, whether the model keeps it, and what it saves', async () => {
    const b = await bench();
    const rows = (words: number): string =>
      jsonl(
        Array.from({ length: 60 }, (_, at) => ({
          custom_id: `r${at}`,
          params: params(`q ${at}`, { model: 'claude-sonnet-5-5', system: 'word '.repeat(words) }),
        })),
      );
    const long = await plan(b, [b.write('long.jsonl', rows(8_000))]);
    expect(long.models[0].caching).toMatchObject({ possible: true, pays: true, min_tokens: 1_024 });
    expect(long.models[0].caching.prefix_tokens).toBeGreaterThan(9_000);
    expect(long.models[0].caching.saved_usd).toBeGreaterThan(0);
    expect(long.models[0].cost_usd.batch.cached?.expected).toBeLessThan(
      long.models[0].cost_usd.batch.plain?.expected ?? 0,
    );
    expect(long.models[0].lanes.realtime_cached).not.toBeNull();
    const short = await plan(b, [b.write('short.jsonl', rows(100))]);
    expect(short.models[0].caching).toMatchObject({ possible: false });
    expect(short.models[0].caching.why).toMatch(/keeps no prefix below 1024/);
  });

  it('prices long prompts at their own price', async () => {
    const b = await bench();
    const row = (at: number, chars: number): unknown => ({
      custom_id: `r${at}`,
      params: params('x '.repeat(chars / 2)),
    });
    const input = b.write('in.jsonl', jsonl([row(1, 600_000), row(2, 600_000), row(3, 400), row(4, 400)]));
    const view = await plan(b, [input, '--output-tokens', '1']);
    // Two rows of 150,000 tokens at 0.25 USD a million in batches; the other two are nothing beside them.
    expect(view.models[0].cost_usd.batch.plain?.expected).toBeCloseTo(0.075, 2);
  });

  it('says whether a budget and a deadline can be kept, and by which split', async () => {
    const b = await bench();
    const input = b.write('in.csv', csv(3_000));
    const view = await plan(b, [
      input,
      ...ASK,
      '--tier',
      'start',
      '--deadline',
      '10m',
      '--max-cost',
      '0.05',
      '--output-tokens',
      '20',
    ]);
    expect(view.deadline).toMatchObject({
      batch: 'no',
      realtime: 'likely',
      split: { batch_rows: 0, realtime_rows: 3_000 },
    });
    expect(view.recommendation.lane).toBe('realtime');
    expect(view.budget).toMatchObject({ max_usd: 0.05, lane: 'batch' });
    expect(view.limits).toMatchObject({ tier: 'start', assumed: false, monthly_cap_usd: 500 });
    const text = (await b.ok(['plan', input, ...ASK, '--deadline', '10m', '--max-cost', '0.05'])).stdout;
    expect(text).toMatch(/^deadline {2}20/m);
    expect(text).toMatch(/^budget {2}\$0\.05 in the batch lane/m);
    for (const line of text.split('\n')) expect(line.length, line).toBeLessThanOrEqual(104);
  });

  it('asks the Admin API for limits where there is an admin key', async () => {
    const b = await bench({ tier: 'build', adminKeys: { 'sk-ant-admin01-KEY': 'org' }, keys: {} });
    const view = await plan(b, [b.write('in.csv', csv(10)), ...ASK], {
      env: { ANTHROPIC_ADMIN_KEY: 'sk-ant-admin01-KEY' },
    });
    expect(view.limits.lines.find(({ name }) => name === 'queue')).toMatchObject({ value: 300_000, source: 'admin' });
  });

  it('warns of tiers of 2025', async () => {
    const b = await bench();
    const { stderr } = await b.ok(['plan', b.write('in.csv', csv(10)), ...ASK, '--tier', 'tier_1']);
    expect(stderr).toMatch(/tier_1 is a tier of 2025/);
  });

  it('refuses an input that cannot be sent, and says where', async () => {
    const b = await bench();
    const input = b.write('in.jsonl', `${mixedRows(2)}{"custom_id":"bad","params":{"model":"claude-haiku-5-5"}}\n`);
    const { stderr } = await b.exits(2, ['plan', input]);
    expect(stderr).toMatch(/in\.jsonl:3/);
    const view = await plan(b, [input, '--on-invalid', 'skip']);
    expect(view.rows).toEqual({ total: 3, invalid: 1, to_send: 2 });
  });

  it('writes a page with charts that loads nothing, with the names of users as text', async () => {
    const b = await bench();
    const input = b.write('a&b<i>.csv', csv(30));
    await b.ok(['plan', input, ...ASK, '--html', 'plan.html']);
    const page = b.read('plan.html');
    expect(page).toContain('Plan of a&amp;b&lt;i&gt;.csv');
    expect(page).toMatch(/Content-Security-Policy" content="default-src &#39;none&#39;/);
    expect(page).not.toMatch(/(?:src|href)="/);
    expect(readdirSync(b.folder).filter((name) => name.endsWith('.tmp'))).toEqual([]);
    await b.exits(1, ['plan', input, ...ASK, '--html', 'no/such/folder/plan.html']);
  });
});

describe('without a file', () => {
  const LOAD = ['--input-tokens', '500', '--output-tokens', '200'] as const;

  it('plans so many rows: cost, needs and tiers', async () => {
    const b = await bench();
    const view = await capacity(b, ['--rows', '1e6', ...LOAD, '--model', MODEL]);
    const [model] = view.models;
    // 500 x 0.05 + 200 x 0.25 = 75 USD per million rows of one token each.
    expect(model?.cost.batch.job_usd).toBeCloseTo(75, 9);
    expect(model?.cost.realtime.job_usd).toBeCloseTo(150, 9);
    expect(model?.needs.map(({ rpm, itpm, otpm }) => [rpm, itpm, otpm])).toEqual([
      [16_667, 8_333_334, 3_333_334],
      [2_084, 1_041_667, 416_667],
      [695, 347_223, 138_889],
    ]);
    expect(model?.needs.map(({ tier }) => tier)).toEqual([null, 'build', 'start']);
    expect(model?.recommendation).toMatchObject({ lane: 'batch', tier: 'start', ask_sales: false });
    expect(b.calls()).toBe(0);
  });

  it('plans so many requests a minute: by day and month, and the tier whose cap reaches', async () => {
    const b = await bench();
    const view = await capacity(b, ['--rpm', '100', ...LOAD, '--model', 'claude-opus-5-5']);
    const [model] = view.models;
    const each = (500 * 2 + 200 * 10) / 1e6;
    expect(model?.cost.batch.request_usd).toBeCloseTo(each, 12);
    expect(model?.cost.batch.day_usd).toBeCloseTo(each * 144_000, 6);
    expect(model?.cost.batch.month_usd).toBeCloseTo(each * 144_000 * 30.4375, 4);
    expect(model?.needs).toMatchObject([{ within_seconds: null, rpm: 100, itpm: 50_000, otpm: 20_000, tier: 'start' }]);
    expect(model?.recommendation.tier).toBe('scale');
  });

  it('says when to ask sales', async () => {
    const b = await bench();
    const view = await capacity(b, ['--rpm', '50000', ...LOAD, '--model', 'claude-opus-5-5']);
    expect(view.models[0]?.recommendation).toMatchObject({ tier: 'custom', ask_sales: true });
    const { stdout } = await b.ok(['plan', '--rpm', '50000', ...LOAD, '--model', 'claude-opus-5-5']);
    expect(stdout).toMatch(/contact-sales/);
  });

  it.each([
    [
      ['--rows', '10'],
      /--input-tokens and --output-tokens are missing/,
      '--rows 10 --input-tokens 500 --output-tokens 200',
    ],
    [
      ['--rows', '5', '--input-tokens', '7'],
      /--output-tokens is missing/,
      '--rows 5 --input-tokens 7 --output-tokens 200',
    ],
    [[], /no load is described/, 'batchrun plan --rows 100000 --input-tokens 500 --output-tokens 200'],
    [
      ['--rows', '5', '--rpm', '5', '--input-tokens', '1', '--output-tokens', '1'],
      /cannot both be given/,
      'Rows are a job',
    ],
  ])('says what is missing of %j, with a command that works', async (args, message, hint) => {
    const b = await bench();
    const { stderr } = await b.exits(2, ['plan', ...args]);
    expect(stderr).toMatch(message);
    expect(stderr).toContain(hint);
  });

  it('a load of calls a minute may leave its tokens to an assumption, which is said', async () => {
    const b = await bench();
    const { stdout, stderr } = await b.exits(0, ['plan', '--rpm', '100', '--model', 'claude-haiku-5-5', '--json']);
    expect(stderr).toContain('Assumed: 1,000 tokens in and 300 out a call');
    expect(JSON.parse(stdout)).toMatchObject({
      ...{ input_tokens: 1_000, output_tokens: 300, assumed: ['input_tokens', 'output_tokens'] },
    });
  });

  it('a load and an input are not one', async () => {
    const b = await bench();
    const { stderr } = await b.exits(2, ['plan', b.write('in.csv', csv(3)), ...ASK, '--rows', '5']);
    expect(stderr).toMatch(/--rows describes a load without a file/);
  });

  it('writes a page', async () => {
    const b = await bench();
    await b.ok(['plan', '--rows', '1e5', ...LOAD, '--html', 'capacity.html']);
    expect(b.read('capacity.html')).toContain('Capacity for 100,000 rows');
  });
});

it('leaves nothing where there was no state, not even a folder', async () => {
  const b = await bench();
  b.write('in.csv', csv(5));
  b.write('tmp/.keep', '');
  await b.ok(['plan', 'in.csv', ...ASK], { env: { TMPDIR: b.path('tmp') } });
  await b.ok(['plan', '--rows', '1000', '--input-tokens', '100', '--output-tokens', '10', '--model', MODEL]);
  expect(readdirSync(b.folder).sort()).toEqual(['in.csv', 'tmp']);
  expect(readdirSync(b.path('tmp'))).toEqual(['.keep']);
});
