/** batchrun advise: finds what was put into an input, ranked by dollars, each with what does something about it. */
import { describe, expect, test } from 'vitest';
import type { PlanView } from '../../src/tools/plan/view.ts';
import { BANKING77, bench, csv, jsonl, MODEL, params, type Bench } from '../support/cli.ts';

interface Advice {
  readonly kind: string;
  readonly part: { readonly name: string } | null;
  readonly rows: number;
  readonly text: string;
  readonly apply: string;
  readonly saves: {
    readonly input_tokens: number;
    readonly cost_usd: { readonly batch: number; readonly realtime: number };
  };
  readonly details: Readonly<Record<string, unknown>>;
}

interface Report {
  readonly rows: number;
  readonly invalid: number;
  readonly input_tokens: number;
  readonly advice: readonly Advice[];
  readonly columns: readonly {
    readonly name: string;
    readonly share: number;
    readonly characters: Record<string, number>;
    readonly cuts: readonly unknown[];
  }[];
}

async function advise(b: Bench, args: readonly string[]): Promise<Report> {
  return (await b.json(0, ['advise', ...args])) as unknown as Report;
}

const of = (report: Report, kind: string, part?: string): Advice | undefined =>
  report.advice.find((one) => one.kind === kind && (part === undefined || one.part?.name === part));
const plain = (...more: string[]): string[] => ['--model', MODEL, '--max-tokens', '50', ...more];
const SYSTEM = 'You sort messages of customers into groups. '.repeat(500);

describe('advise', () => {
  test('finds a system text that all rows bring, and that it can be cached', async () => {
    const b = await bench();
    b.write(
      'in.jsonl',
      jsonl(Array.from({ length: 60 }, (_, at) => ({ params: params(`message ${at}`, { system: SYSTEM }) }))),
    );
    const report = await advise(b, ['in.jsonl']);
    const [first] = report.advice;
    expect(first).toMatchObject({
      kind: 'cache_system',
      rows: 60,
      apply: expect.stringContaining('--cache auto') as string,
    });
    expect(first?.saves.cost_usd.realtime).toBeCloseTo((first?.saves.cost_usd.batch ?? 0) * 2, 10);
    // Nine tenths less one write in sixty.
    const whole = (first?.saves.input_tokens ?? 0) * 0.05e-6;
    expect((first?.saves.cost_usd.batch ?? 0) / whole).toBeCloseTo(1 - 0.1 * (59 / 60) - 1.25 / 60, 2);
    expect(b.calls()).toBe(0);
    expect(b.has('.batchrun')).toBe(false);
  });

  test('finds what messages begin with, blanks, tags, JSON, encoded data, ends and repeats of columns', async () => {
    const b = await bench();
    const end = ' This e-mail is confidential and meant for its addressee only; delete it if that is not you.';
    b.write(
      'in.jsonl',
      jsonl(
        Array.from({ length: 200 }, (_, at) => ({
          id: at,
          text: at % 10 === 0 ? 'the same' : `message ${at}   with    blanks${at % 2 === 0 ? end : ''}`,
          page: at % 3 === 0 ? `<div class="a"><p>${at}</p></div>` : 'none',
          data: JSON.stringify({ at: at % 10 === 0 ? 0 : at, list: [1, 2, 3] }, null, 4),
          image: at % 10 === 0 ? 'none' : `${at} ${'Q2hh'.repeat(100)}`,
        })),
      ),
    );
    const head = 'Which of these groups is the message of: billing, shipping, returns, something else? ';
    const report = await advise(b, [
      'in.jsonl',
      ...plain('--prompt', `${head}{{text}} {{page}} {{data}} {{image}}`),
      '--id-column',
      'id',
    ]);
    expect(of(report, 'blank', 'text')?.apply).toMatch(/^jq -c '\.\["text"\] \|= \(gsub/);
    expect(of(report, 'html', 'page')).toBeDefined();
    expect(of(report, 'indent', 'data')?.apply).toContain('fromjson | tojson');
    expect(of(report, 'base64', 'image')?.rows).toBe(180);
    expect(of(report, 'shared_end', 'text')).toMatchObject({
      details: { ends: expect.stringContaining('if that is not you.') as string },
    });
    expect(of(report, 'dedupe')?.rows).toBeGreaterThan(5);
    expect(of(report, 'cache_lead')?.apply).toContain('too short to be cached');
    const dollars = report.advice.map(({ saves }) => saves.cost_usd.batch);
    expect([...dollars].sort((one, other) => other - one)).toEqual(dollars);
    for (const { saves } of report.advice) expect(saves.input_tokens).toBeLessThanOrEqual(report.input_tokens);
  });

  test('says what a cut would save, and that is what it saves', async () => {
    const b = await bench();
    const long = 'a long story '.repeat(800);
    b.write(
      'in.csv',
      `id,text,unused\n${Array.from({ length: 100 }, (_, at) => `${at},${at % 20 === 0 ? long : 'short'} ${at},x\n`).join('')}`,
    );
    const args = ['in.csv', ...plain('--prompt', '{{text}}')];
    const before = await advise(b, args);
    const cut = of(before, 'truncate', 'text');
    expect(cut).toMatchObject({ rows: 5, apply: '--truncate text=250' });
    const after = await advise(b, [...args, '--truncate', 'text=250']);
    const saved = before.input_tokens - after.input_tokens;
    expect(Math.abs(saved - (cut?.saves.input_tokens ?? 0)) / saved).toBeLessThan(0.02);
    expect(of(after, 'truncate')).toBeUndefined();
    expect(of(before, 'unused_columns')?.details).toEqual({ columns: ['id', 'unused'] });
    expect(before.columns[0]).toMatchObject({ name: 'text', characters: { max: long.length + 3 } });
  });

  test.each(['claude-haiku-4-5', 'claude-opus-5-5'])('counts the tokens that plan counts, of %s', async (model) => {
    const b = await bench();
    const rows = [BANKING77, '--model', model, '--max-tokens', '50', '--prompt', 'Which group is this in? {{text}}'];
    const planned = await b.json(0, ['plan', ...rows, '--no-preflight']);
    const [{ input_tokens: band }] = (planned as unknown as PlanView).models;
    const { input_tokens: tokens } = await advise(b, rows);
    expect(tokens).toBeGreaterThanOrEqual(band.low);
    expect(tokens).toBeLessThanOrEqual(band.high);
    // Both look at texts in the same way; plan at a sample of them.
    expect(Math.abs(tokens / band.expected - 1)).toBeLessThan(0.02);
  });

  test('knows from earlier runs that max_tokens is far too large, as a matter of the budget only', async () => {
    const b = await bench();
    b.write('in.csv', csv(60));
    await b.ok(['run', 'in.csv', '--model', MODEL, '--max-tokens', '90', '--prompt', '{{text}}']);
    const report = await advise(b, ['in.csv', '--model', MODEL, '--max-tokens', '20000', '--prompt', 'Say {{text}}']);
    expect(of(report, 'max_tokens')).toMatchObject({
      saves: { input_tokens: 0, cost_usd: { batch: 0 } },
      details: { max_tokens: 20_000, answers: 60, budget_usd: { batch: expect.any(Number) as number } },
    });
    const same = await advise(b, ['in.csv', '--model', MODEL, '--max-tokens', '20', '--prompt', 'Say {{text}}']);
    expect(of(same, 'max_tokens')).toBeUndefined();
  });

  test('as text shows the same, and says where nothing is to be found', async () => {
    const b = await bench();
    b.write('in.csv', csv(30));
    const ended = await b.ok(['advise', 'in.csv', ...plain('--prompt', '{{id}} {{text}}')]);
    expect(ended.stdout).toMatch(
      /^30 rows, about [\d,]+ input tokens: \$\S+ in the batch lane, \$\S+ realtime; answers are not in it \(`batchrun plan`\)\.\n/,
    );
    expect(ended.stdout).toContain('Nothing was found that would make the prompts noticeably shorter.');
    expect(ended.stdout).toMatch(/text +\d+\.\d % +\d+/);
  });

  test('counts rows that cannot be sent, and refuses an input of nothing else', async () => {
    const b = await bench();
    b.write('in.jsonl', `{"params":${JSON.stringify(params('x'))}}\nnot json\n`);
    expect(await advise(b, ['in.jsonl'])).toMatchObject({ rows: 1, invalid: 1 });
    b.write('bad.jsonl', 'not json\n');
    expect((await b.exits(2, ['advise', 'bad.jsonl'])).stderr).toContain('none of the 1 rows can be sent');
    b.write('empty.jsonl', '');
    expect((await b.exits(2, ['advise', 'empty.jsonl'])).stderr).toContain('there are no rows');
    b.write('in.csv', csv(3));
    expect((await b.exits(2, ['advise', 'in.csv', '--model', MODEL])).stderr).toContain('batchrun advise in.csv');
  });
});
