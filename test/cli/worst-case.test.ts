/**
 * One worst case: what a plan, a dry run, a submit, a status and a report say that rows cost at most is what the budget
 * sets aside for them. And the rules of --routes cost together what all rows do.
 */
import { describe, expect, test } from 'vitest';
import type { PlanView } from '../../src/tools/plan/view.ts';
import { ASK, BANKING77, bench, csv, ENDLESS, MODEL, type Bench } from '../support/cli.ts';

interface Routed {
  readonly route: string | null;
  readonly cost_usd: { readonly estimated_max: number | null };
}

interface DryRun {
  readonly cost_usd: { readonly estimated_max: number };
  readonly routes?: readonly Routed[];
}

const AT_MOST = /at most about (\$[\d.]+)/;

async function plan(b: Bench, args: readonly string[]): Promise<PlanView> {
  return (await b.json(0, ['plan', ...args])) as unknown as PlanView;
}

async function dryRun(b: Bench, args: readonly string[]): Promise<DryRun> {
  return (await b.json(0, ['submit', ...args, '--dry-run'])) as unknown as DryRun;
}

function sumOf(list: readonly (number | null)[]): number {
  return list.reduce<number>((sum, one) => sum + (one ?? NaN), 0);
}

describe.each([
  ['batch', []],
  ['realtime', ['--realtime']],
] as const)('the worst case in the %s lane', (lane, flags) => {
  test('is the same figure in plan, dry run and budget', async () => {
    const b = await bench();
    // A budget makes smaller batches, whose requests have longer ids: it is given to all of them.
    const rows = [BANKING77, ...ASK, ...flags, '--limit', '400', '--max-cost', '0.01'];
    const planned = await plan(b, rows);
    const { worst, plain } = planned.models[0].cost_usd[lane];
    expect((await dryRun(b, rows)).cost_usd.estimated_max).toBeCloseTo(worst ?? NaN, 12);
    expect(plain?.high).toBeLessThanOrEqual(worst ?? NaN);
    const said = (await b.ok(['submit', ...rows, '--dry-run'])).stderr;
    const most = AT_MOST.exec(said)?.[1] ?? '';
    expect(said).toContain(`All rows may cost up to ${most}: `);
    expect(said).toContain(`about ${planned.budget?.rows_surely?.toLocaleString('en')} of 400 rows`);
    expect((await b.ok(['plan', ...rows])).stdout).toContain(`at most ${most}`);
  });
});

describe('the worst case of a run', () => {
  test('is what is reserved, in status and in the report, until the first answer', async () => {
    const b = await bench(ENDLESS);
    b.write('in.csv', csv(50));
    const rows = ['in.csv', ...ASK, '--max-cost', '50'];
    const { estimated_max: most } = (await dryRun(b, rows)).cost_usd;
    const said = (await b.ok(['submit', ...rows])).stderr;
    const [run] = (await b.json(0, ['status'])).runs;
    const { budget, cost_usd: cost } = run as unknown as {
      readonly budget: { readonly reserved_usd: number };
      readonly cost_usd: { readonly estimated_max: number };
    };
    // Billionths of a dollar are rounded in the budget.
    expect(budget.reserved_usd).toBeCloseTo(most, 8);
    expect(cost.estimated_max).toBeCloseTo(most, 12);
    const text = AT_MOST.exec(said)?.[0] ?? '(none)';
    expect((await b.ok(['status'])).stdout).toContain(text);
  });

  test('has the price of calls where all rows are called', async () => {
    const b = await bench();
    b.write('in.csv', csv(20));
    const batch = (await dryRun(b, ['in.csv', ...ASK])).cost_usd.estimated_max;
    expect((await dryRun(b, ['in.csv', ...ASK, '--realtime'])).cost_usd.estimated_max).toBeCloseTo(2 * batch, 12);
  });
});

describe('rules', () => {
  const RULES = `routes:
  - { name: called, when: { column: text, matches: '[13579]$' }, use: { lane: realtime, max_tokens: 900 } }
  - { name: rest, use: { max_tokens: 100 } }
`;

  test('cost together what plan and dry run say of all rows', async () => {
    const b = await bench();
    b.write('in.csv', csv(40));
    b.write('routes.yaml', RULES);
    const rows = ['in.csv', '--model', MODEL, '--prompt', 'Classify: {{text}}', '--routes', 'routes.yaml'];
    const planned = await plan(b, rows);
    const { plain, worst } = planned.models[0].cost_usd.batch;
    expect(planned.routes?.map(({ route, rows: count }) => [route, count])).toEqual([
      ['called', 20],
      ['rest', 20],
    ]);
    expect(sumOf(planned.routes?.map((one) => one.cost_usd) ?? [])).toBeCloseTo(plain?.expected ?? NaN, 9);
    const dry = await dryRun(b, rows);
    expect(dry.cost_usd.estimated_max).toBeCloseTo(worst ?? NaN, 12);
    expect(sumOf(dry.routes?.map((one) => one.cost_usd.estimated_max) ?? [])).toBeCloseTo(worst ?? NaN, 5);
    // Where everything is called, no rule makes it cheaper.
    const called = await dryRun(b, [...rows, '--realtime']);
    const all = sumOf(called.routes?.map((one) => one.cost_usd.estimated_max) ?? []);
    expect(all).toBeCloseTo(called.cost_usd.estimated_max, 4);
    expect(all).toBeGreaterThan(worst ?? NaN);
  });
});
