/**
 * --routes: rows really go to the model, the lane and the priority of their rule, as the simulator saw them; the same in
 * the thread that reads; --explain-routing says why.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { bench, ENDLESS, jsonl, MODEL, params, type Bench } from '../support/cli.ts';

const SONNET = 'claude-sonnet-5-5';
const RULES = `routes:
  - name: gold
    when: { column: tier, equals: gold }
    use: { lane: realtime, priority: high }
  - name: refunds
    when: { column: text, matches: '\\brefund\\b', ignore_case: true }
    use: { model: ${SONNET}, max_tokens: 500 }
  - name: rest
    use: { lane: batch, priority: low }
`;
const CSV = 'tier,text\ngold,one\n,a REFUND please\nsilver,three\ngold,my refund\n,five\n';
const ASK = ['--model', MODEL, '--max-tokens', '200', '--prompt', 'Say {{text}}', '--routes', 'routes.yaml'];

/** What `--json` of a command has beside what all have. */
type Shown = Record<string, unknown> & { readonly usage?: unknown };

async function ready(options: Parameters<typeof bench>[0] = {}): Promise<Bench> {
  const b = await bench(options);
  b.write('in.csv', CSV);
  b.write('routes.yaml', RULES);
  return b;
}

describe('rules', () => {
  test('send rows to their model and lane', async () => {
    const b = await ready();
    const ended = await b.ok(['run', 'in.csv', ...ASK]);
    expect(b.world.ledger.messages.map(({ model }) => model)).toEqual([MODEL, MODEL]);
    expect(b.world.ledger.batches.map(({ rowCount }) => rowCount).sort()).toEqual([1, 2]);
    expect(ended.stderr).toMatch(/route +rows +bytes +lane +at most +models/);
    expect(ended.stderr).toMatch(/gold +2 +\d+ B +realtime +\$\S+ +claude-haiku-5-5\n/);
    expect(ended.stderr).toMatch(/refunds +1 +\d+ B +as the run +\$\S+ +claude-sonnet-5-5\n/);
    const models = b
      .lines('in.results.jsonl')
      .map(({ result }) => (result as { message?: { model?: string } }).message?.model);
    expect(models).toEqual([MODEL, SONNET, MODEL, MODEL, MODEL]);
  });

  test('decide which batch goes first', async () => {
    const b = await ready(ENDLESS);
    b.write('routes.yaml', RULES.replace('lane: realtime, ', ''));
    await b.ok(['submit', 'in.csv', ...ASK, '--max-batches', '2']);
    // High, then that of the run, and low has to wait.
    expect(b.world.ledger.batches.map(({ rowCount }) => rowCount)).toEqual([2, 1]);
  });

  test('keep rows in batches, also what is tried again', async () => {
    const b = await ready({ rates: { errorRate: 0.5, errorTypes: { overloaded_error: 1 } } });
    const rows = Array.from({ length: 20 }, (_, at) => ({ custom_id: `r${at}`, params: params(`q ${at}`) }));
    b.write('in.jsonl', jsonl(rows));
    b.write('routes.yaml', 'routes: [{ name: kept, use: { lane: batch } }]');
    await b.call(['run', 'in.jsonl', '--routes', 'routes.yaml', '--max-attempts', '3']);
    expect(b.world.ledger.batches.length).toBeGreaterThan(1);
    expect(b.world.ledger.messages).toHaveLength(0);
  });

  test('give way to a lane that is forced for all', async () => {
    const b = await ready();
    await b.ok(['run', 'in.csv', ...ASK, '--batch-only']);
    expect(b.world.ledger.messages).toHaveLength(0);
    const other = await ready();
    await other.ok(['run', 'in.csv', ...ASK, '--realtime']);
    expect(other.world.ledger.batches).toHaveLength(0);
  });

  test('that name a model need no --model', async () => {
    const b = await ready();
    b.write('routes.json', JSON.stringify({ routes: [{ name: 'all', use: { model: SONNET, max_tokens: 9 } }] }));
    const shown = await b.json(0, ['submit', 'in.csv', '--prompt', '{{text}}', '--routes', 'routes.json', '--dry-run']);
    expect(shown.first_request).toMatchObject({ model: SONNET, max_tokens: 9 });
    expect((shown as unknown as Shown)['routes']).toEqual([
      expect.objectContaining({ name: 'all', rows: 5, lane: 'auto', max_tokens: 45, models: { [SONNET]: 5 } }),
    ]);
  });

  test('that are changed make another run, and are named; where only the lane differs it is the same run', async () => {
    const b = await ready(ENDLESS);
    const first = await b.json(0, ['submit', 'in.csv', ...ASK]);
    b.write('routes.yaml', RULES.replace('max_tokens: 500', 'max_tokens: 501'));
    const other = await b.ok(['submit', 'in.csv', ...ASK, '-o', 'other.jsonl']);
    expect(other.stderr).toContain('with another --routes: this is a new run');
    b.write('routes.yaml', `# said otherwise\n${RULES}`);
    const same = await b.ok(['submit', 'in.csv', ...ASK]);
    expect(same.stdout).toBe(`${first.run_id}\n`);
    expect(same.stderr).not.toContain('--routes is not');
    b.write('routes.yaml', RULES.replace('lane: batch, ', ''));
    const lane = await b.ok(['submit', 'in.csv', ...ASK]);
    expect(lane.stdout).toBe(`${first.run_id}\n`);
    expect(lane.stderr).toContain('--routes is not what it was then');
  });

  test.each([
    [
      'column: tier',
      'column: teir',
      'routes.yaml: rule "gold" looks at a column "teir" that is not there; did you mean tier?',
    ],
    [SONNET, 'claude-3-opus', 'routes.yaml: rule "refunds" uses claude-3-opus, which is no longer served'],
    ['use: { lane', 'use: { lnae', '"lnae" is not known; did you mean lane?'],
    ['tier, equals', '"tier, equals', 'routes.yaml:10: not valid YAML'],
  ])('with %j as %j are refused before anything is read', async (from, to, message) => {
    const b = await ready();
    b.write('routes.yaml', RULES.replace(from, to));
    const ended = await b.exits(2, ['submit', 'in.csv', ...ASK]);
    expect(ended.stderr).toContain(message);
    expect(b.calls('batches.create')).toBe(0);
  });
});

describe('a large input', () => {
  test('is routed in its thread as it is in this one', async () => {
    const b = await ready();
    const large = 'some words of a long text '.repeat(12_000);
    const rows = Array.from({ length: 60 }, (_, at) => ({
      params: { messages: [{ role: 'user', content: `${at} ${at % 3 === 0 ? large : large.repeat(2)}` }] },
      ...(at % 4 === 0 ? { tier: 'gold' } : {}),
    }));
    b.write('in.jsonl', jsonl(rows));
    b.write(
      'routes.yaml',
      `routes:
  - { name: gold, when: { column: tier, equals: gold }, use: { priority: high, lane: batch } }
  - { name: long, when: { estimate: tokens, above: 150000 }, use: { model: ${SONNET} } }
`,
    );
    const args = ['--model', MODEL, '--max-tokens', '10', '--routes', 'routes.yaml', '--yes'];
    const thread = await b.json(0, ['submit', 'in.jsonl', ...args, '--dry-run']);
    const here = await b.json(0, ['submit', '-', ...args, '--dry-run'], { stdin: readFileSync(b.path('in.jsonl')) });
    expect(thread).toEqual(here);
    const routes = (thread as unknown as { routes: { name: string | null; rows: number }[] }).routes;
    expect(routes.map(({ name, rows: count }) => [name, count])).toEqual([
      ['gold', 15],
      ['long', 30],
      [null, 15],
    ]);
    const first = await b.json(0, ['submit', 'in.jsonl', ...args]);
    const again = await b.json(0, ['submit', '-', ...args], { stdin: readFileSync(b.path('in.jsonl')) });
    expect([again.run_id, again.already_submitted]).toEqual([first.run_id, true]);
  });
});

describe('--explain-routing', () => {
  test('says which rule takes a row, and why; without a key, a state or a call', async () => {
    const b = await ready();
    const env = { ANTHROPIC_API_KEY: undefined };
    const ended = await b.ok(['submit', 'in.csv', ...ASK, '--explain-routing', '3'], { env });
    expect(ended.stdout).toBe(
      [
        'Row "3" (in.csv:3)',
        '  1. gold: no',
        '     no   column "tier" equals "gold": ""',
        '  2. refunds: takes it',
        '     yes  column "text" matches /\\brefund\\b/ (any case): "a REFUND please"',
        'The rule "refunds" takes it.',
        '  model       claude-sonnet-5-5  by the rule "refunds"',
        '  max_tokens                500  by the rule "refunds"',
        '  priority    normal             by flags and defaults',
        '  lane        auto               by flags and defaults',
        '',
      ].join('\n'),
    );
    expect([b.calls(), b.has('.batchrun')]).toEqual([0, false]);
  });

  test('takes an id before a line, and says who has chosen what', async () => {
    const b = await ready();
    b.write(
      'in.jsonl',
      jsonl([
        { custom_id: 'x', tier: 'gold', priority: 'critical', params: params('one') },
        { custom_id: '1', params: { messages: [{ role: 'user', content: 'two' }] } },
      ]),
    );
    const args = ['in.jsonl', '--routes', 'routes.yaml', '--model', MODEL, '--max-tokens', '7', '--explain-routing'];
    expect(await b.json(0, ['submit', ...args, 'x'])).toMatchObject({
      ...{ row: 'x', place: 'in.jsonl:1', route: 'gold', problems: [] },
      result: { model: MODEL, max_tokens: 200, priority: 'critical', lane: 'realtime' },
      chosen_by: { model: 'row', max_tokens: 'row', priority: 'row', lane: 'rule' },
    });
    expect(await b.json(0, ['run', ...args, '1', '--realtime'])).toMatchObject({
      ...{ row: '1', place: 'in.jsonl:2', route: 'rest' },
      result: { max_tokens: 7, priority: 'low', lane: 'realtime' },
      chosen_by: { model: 'flags', max_tokens: 'flags', priority: 'rule', lane: 'flags' },
    });
    expect(await b.json(0, ['submit', ...args, '2'])).toMatchObject({ row: '1', place: 'in.jsonl:2' });
  });

  test('of a row that cannot be sent says what is wrong with it', async () => {
    const b = await ready();
    b.write('in.jsonl', jsonl([{ custom_id: 'x', params: { ...params('one'), temperature: 1 } }]));
    const shown = await b.json(0, ['submit', 'in.jsonl', '--routes', 'routes.yaml', '--explain-routing', 'x']);
    expect(shown).toMatchObject({ route: 'rest', result: null, problems: [{ code: 'unsupported_param' }] });
  });

  test('of no row, or without rules, is refused', async () => {
    const b = await ready();
    const none = await b.exits(2, ['submit', 'in.csv', ...ASK, '--explain-routing', '99']);
    expect(none.stderr).toContain('no row of in.csv has the custom_id or the line 99');
    const rules = await b.exits(2, ['submit', 'in.csv', ...ASK.slice(0, 6), '--explain-routing', '2']);
    expect(rules.stderr).toContain('Add --routes FILE.');
  });
});
