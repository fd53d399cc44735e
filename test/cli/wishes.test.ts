/**
 * What is wanted of a run beyond its rows: kept with it by submit, changed by later commands, shown by status; and
 * prices of a file, in this thread and in the one that proves results.
 */
import { describe, expect, test } from 'vitest';
import { bench, ENDLESS, jsonl, MODEL, params, requests, type Bench, type RunJson } from '../support/cli.ts';

interface Shown extends RunJson {
  readonly priority: string;
  readonly lane: string;
  readonly deadline: { readonly at: string } | null;
  readonly budget: Readonly<Record<string, unknown>> | null;
}

async function shown(b: Bench): Promise<Shown> {
  return (await b.json(0, ['status', 'latest'])).runs[0] as Shown;
}

describe('the priority of rows', () => {
  test('decides which batch goes first', async () => {
    const b = await bench(ENDLESS);
    const words = ['low', undefined, 'critical', 'low', 'critical'];
    b.write(
      'in.jsonl',
      jsonl(words.map((priority, at) => ({ custom_id: `r${at}`, params: params(`q ${at}`), priority }))),
    );
    await b.ok(['submit', 'in.jsonl', '--max-batches', '2']);
    const { rows } = (await b.json(0, ['status', 'latest'])).runs[0] as Shown & { rows: Record<string, number> };
    expect(rows).toMatchObject({ in_batch: 3, waiting: 2 });
    // Those of two rows first, then the one that has none: the two that can wait are left.
    expect(b.world.ledger.batches.map((batch) => batch.rowCount)).toEqual([2, 1]);
  });
});

describe('wishes', () => {
  test('are kept by submit and shown by status', async () => {
    const b = await bench(ENDLESS);
    b.write('in.jsonl', requests(3));
    const wishes = ['--priority', 'high', '--deadline', '2036-01-02T03:04Z', '--batch-only', '--max-cost', '50'];
    const said = await b.ok(['submit', 'in.jsonl', ...wishes]);
    expect(said.stderr).toContain('Budget: $50.00; all rows fit.');
    expect(await shown(b)).toMatchObject({
      ...{ priority: 'high', lane: 'batch', deadline: { at: '2036-01-02T03:04:00.000Z', missed: false } },
      budget: { max_usd: 50, spent_usd: 0, mode: 'worst', reserved_usd: expect.any(Number) },
    });
    const text = (await b.ok(['status'])).stdout;
    expect(text).toMatch(/budget \$50\.00: \$\S+ spent, \$\S+ reserved, \$\S+ left/);
    expect(text).toContain('priority high, batches only');
    expect(text).toContain('deadline 2036-01-02T03:04:00.000Z');
  });

  test('without flags are the usual ones', async () => {
    const b = await bench(ENDLESS);
    b.write('in.jsonl', requests(3));
    await b.ok(['submit', 'in.jsonl']);
    expect(await shown(b)).toMatchObject({ priority: 'normal', lane: 'auto', deadline: null, budget: null });
    expect((await b.ok(['status'])).stdout).not.toMatch(/budget|priority/);
  });

  test('are changed by a submit of the same rows, which is the same run, and by collect', async () => {
    const b = await bench(ENDLESS);
    b.write('in.jsonl', requests(3));
    await b.ok(['submit', 'in.jsonl', '--max-cost', '50']);
    const again = await b.ok(['submit', 'in.jsonl', '--max-cost', '80', '--priority', 'low']);
    expect(again.stderr).toMatch(/run_\w+: --priority low \(was normal\), --max-cost \$80\.00 \(was \$50\.00\)\./);
    expect(await shown(b)).toMatchObject({ priority: 'low', budget: { max_usd: 80 } });
    const collected = await b.exits(4, ['collect', '--once', '--max-cost', 'none', '--budget-mode', 'expected']);
    expect(collected.stderr).toContain('--max-cost none (was $80.00), --budget-mode expected (was worst).');
    expect(await shown(b)).toMatchObject({ priority: 'low', budget: null });
    expect(b.calls('batches.create')).toBe(1);
  });

  test('on a collect of several runs are refused unless the run is named, and unless nothing changes', async () => {
    const b = await bench(ENDLESS);
    b.write('one.jsonl', requests(2));
    b.write('two.jsonl', requests(2, 'other'));
    await b.ok(['submit', 'one.jsonl', '--name', 'one']);
    await b.ok(['submit', 'two.jsonl', '--name', 'two']);
    const refused = await b.exits(2, ['collect', '--once', '--priority', 'high']);
    expect(refused.stderr).toMatch(/--priority: of which of 2 runs\?[\s\S]*Name the run/);
    await b.exits(4, ['collect', 'one', '--once', '--priority', 'high']);
    await b.exits(4, ['collect', 'two', '--once', '--priority', 'high']);
    await b.exits(4, ['collect', '--once', '--priority', 'high']);
  });

  test('that cannot both be are refused, with every command', async () => {
    const b = await bench(ENDLESS);
    b.write('in.jsonl', requests(2));
    const both = ['--realtime', '--batch-only'];
    expect((await b.exits(2, ['submit', 'in.jsonl', ...both])).stderr).toContain('cannot both be given');
    expect((await b.exits(2, ['collect', ...both])).stderr).toContain('cannot both be given');
  });

  test('for a finished run that is tried again are those of retry', async () => {
    const b = await bench({ rates: { errorRate: 1, errorTypes: { invalid_request_error: 1 } } });
    b.write('in.jsonl', requests(2));
    await b.exits(3, ['run', 'in.jsonl']);
    expect((await b.ok(['retry', 'latest', '--max-cost', '5'])).stderr).toContain('--max-cost $5.00 (was none).');
    expect(await shown(b)).toMatchObject({ budget: { max_usd: 5 } });
  });
});

describe('a budget', () => {
  const UNKNOWN = jsonl([{ custom_id: 'a', params: { ...params('hello'), model: 'claude-nobody-9' } }]);

  test('of a model without a known price is refused before anything is sent, and fits with a price', async () => {
    const b = await bench(ENDLESS);
    b.write('in.jsonl', UNKNOWN);
    b.write('prices.json', JSON.stringify({ 'claude-nobody-9': { input: 1, output: 5 } }));
    const refused = await b.exits(2, ['submit', 'in.jsonl', '--max-cost', '5']);
    expect(refused.stderr).toMatch(/no batch price of claude-nobody-9 is known[\s\S]*--prices FILE/);
    expect(b.calls('batches.create')).toBe(0);
    expect((await b.json(0, ['list'])).runs).toEqual([]);
    const dry = await b.ok(['submit', 'in.jsonl', '--max-cost', '5', '--dry-run', '--prices', 'prices.json']);
    expect(dry.stderr).toContain('Budget: $5.00; all rows fit.');
  });

  test('flags by which a run may cost more than it says are named, and only these', async () => {
    const b = await bench(ENDLESS);
    b.write('in.jsonl', requests(3));
    const said = async (...flags: string[]): Promise<string> =>
      (await b.ok(['submit', 'in.jsonl', '--dry-run', ...flags])).stderr;
    expect(await said()).not.toContain('With --');
    const dear = await said('--retry-truncated', '1', '--deadline', '1h');
    expect(dear).toContain('With --retry-truncated and --deadline it may be more');
    expect(dear).toContain('--max-cost sets a limit to all of it');
    expect(await said('--pilot', '1', '--max-cost', '5')).toMatch(/With --pilot .* --max-cost holds all the same/);
    // Nothing is asked for again, and what is called anyway is in the figure.
    expect(await said('--retry-truncated', '1', '--retry-lane', 'none')).not.toContain('With --');
    expect(await said('--deadline', '1h', '--realtime')).not.toContain('With --');
  });

  test('that the rows may exceed is said, and how far it reaches', async () => {
    const b = await bench(ENDLESS);
    b.write('in.jsonl', requests(1_000));
    const flags = ['submit', 'in.jsonl', '--dry-run', '--max-cost', '0.01'];
    const worst = await b.ok(flags);
    expect(worst.stderr).toMatch(/Budget: \$0\.01\. All rows may cost up to \$\S+: the run stops before the cap/);
    expect(worst.stderr).toMatch(/surely reaches for about \d+ of 1,000 rows/);
    const expected = await b.ok([...flags, '--budget-mode', 'expected']);
    expect(expected.stderr).toMatch(/--budget-mode expected is softer: .* may overshoot/);
  });

  test('given to a run whose model has no price is refused by collect', async () => {
    const b = await bench(ENDLESS);
    b.write('prices.json', JSON.stringify({ [MODEL]: { input: 1, output: 5, batch_input: null } }));
    b.write('in.jsonl', requests(2));
    await b.ok(['submit', 'in.jsonl']);
    const refused = await b.exits(2, ['collect', '--once', '--max-cost', '5', '--prices', 'prices.json']);
    expect(refused.stderr).toContain(`no batch price of ${MODEL} is known`);
    expect(await shown(b)).toMatchObject({ budget: null });
  });
});

describe('a budget that is used', () => {
  test('blocks the run with exit 5 and says what is left undone; raised, the run goes on', async () => {
    // All fail in their batch for nothing; their realtime calls would cost more than there is.
    const b = await bench({ rates: { errorRate: 1, errorTypes: { overloaded_error: 1 } } });
    b.write('in.jsonl', requests(3));
    const capped = ['--max-cost', '0.0001', '--retry-lane', 'realtime', '--backoff-base', '10ms'];
    const blocked = await b.exits(5, ['run', 'in.jsonl', '--yes', ...capped]);
    expect(blocked.stderr).toMatch(/3 rows of run_\w+ are left undone/);
    const status = await b.ok(['status']);
    expect(status.stdout).toMatch(/blocked: the budget of \$\S+ is used/);
    expect(status.stdout).toMatch(/batchrun collect run_\w+ --max-cost \d+/);
    expect((await shown(b)).blocked).toMatchObject([{ reason: 'budget', scope: 'budget' }]);
    expect(b.calls('messages.create')).toBe(0);
    await b.ok(['collect', '--max-cost', '5']);
    expect(await shown(b)).toMatchObject({ state: 'done', blocked: [], rows: { succeeded: 3 } });
    const { budget, cost_usd: cost } = await shown(b);
    expect(budget).toMatchObject({ max_usd: 5, spent_usd: cost['spent'], reserved_usd: 0 });
  });
});

describe('prices of a file', () => {
  test('that cannot be read are refused before anything is sent', async () => {
    const b = await bench();
    b.write('in.jsonl', requests(2));
    b.write('prices.json', '{"m":{"input":-1,"output":1}}');
    const refused = await b.exits(2, ['run', 'in.jsonl', '--prices', 'prices.json']);
    expect(refused.stderr).toMatch(/prices\.json: m\.input must be a number from 0/);
    expect(b.calls()).toBe(0);
  });

  test.each([
    ['in this thread', 200],
    ['in the thread that proves results', 20_500],
  ])('count for answers that are collected %s', async (_where, count) => {
    const b = await bench();
    b.write('in.jsonl', requests(count));
    // A dollar for each output token, and nothing for the input.
    b.write('prices.json', JSON.stringify({ [MODEL]: { input: 0, output: 1_000_000, batch_output: 1_000_000 } }));
    await b.ok(['run', 'in.jsonl', '--yes', '--quiet', '--prices', 'prices.json']);
    const run = (await b.json(0, ['status', 'latest'])).runs[0] as RunJson & { usage: Record<string, number> };
    expect(run.usage['output_tokens']).toBeGreaterThan(count);
    expect(run.cost_usd['spent']).toBeCloseTo(run.usage['output_tokens'] ?? 0, 3);
  });
});

test('caps and shares are read, and what is none of them is refused', async () => {
  const b = await bench();
  b.write('in.jsonl', requests(2));
  const caps = ['--rpm', '100', '--itpm', '10000', '--otpm', '5000', '--tpm', '20000', '--tpd', '900000'];
  await b.ok(['run', 'in.jsonl', ...caps, '--batch-rpm', '100', '--max-queued', '1000', '--headroom', '10%']);
  for (const [flag, value, word] of [
    ['--rpm', '0', /whole number from 1/],
    ['--headroom', '10', /10% or 0\.1/],
    ['--limiter', 'http://x', /redis:/],
    ['--deadline', 'soon', /06:00/],
    ['--max-cost', '0', /above 0/],
    ['--priority', 'urgent', /critical, high, normal, low/],
    ['--retry-truncated', '-1', /whole number/],
  ] as const) {
    expect((await b.exits(2, ['collect', flag, value])).stderr, flag).toMatch(word);
  }
});
