/**
 * What is in a results file: the sums are exact, the percentiles are close, names are bounded.
 */
import { describe, expect, test } from 'vitest';
import { integerBetween, seededRng } from '../../../src/base/random.ts';
import { viewResult, type ResultView } from '../../../src/tools/results/result-view.ts';
import { OTHERS, Tally } from '../../../src/tools/results/tally.ts';
import { characters, ResultStats } from '../../../src/tools/stats/result-stats.ts';
import { loadSpreads } from '../../../src/tools/stats/spread.ts';

const API = { columns: [] };

function view(value: unknown, file: { columns: readonly string[]; idColumn?: string } = API): ResultView {
  const found = viewResult(value, file);
  if (!found) throw new Error(`no result: ${JSON.stringify(value)}`);
  return found;
}

function succeeded(usage: object, more: object = {}): unknown {
  const message = {
    model: 'claude-haiku-5-5',
    content: [{ type: 'text', text: 'Hi' }],
    stop_reason: 'end_turn',
    usage,
  };
  return { custom_id: 'a', result: { type: 'succeeded', message: { ...message, ...more } } };
}

const USAGE = { input_tokens: 1_000_000, output_tokens: 1_000_000 };

describe('a line', () => {
  test('of the API, in a batch: half the price', () => {
    expect(view(succeeded({ ...USAGE, input_tokens: 50_000, service_tier: 'batch' }))).toMatchObject({
      ...{ id: 'a', outcome: 'succeeded', stopReason: 'end_turn', text: 'Hi', lane: 'batch', isLaneAssumed: false },
      costUsd: 0.05 * 0.05 + 0.25,
    });
  });

  test.each([
    ['standard', 'realtime', false],
    ['priority', 'realtime', false],
    ['batch', 'batch', false],
    [undefined, 'batch', true],
    [null, 'batch', true],
  ])('with the tier %s is one of the lane %s', (tier, lane, isLaneAssumed) => {
    expect(view(succeeded({ ...USAGE, service_tier: tier }))).toMatchObject({ lane, isLaneAssumed });
  });

  test.each([
    [{ type: 'canceled' }, 'canceled', null],
    [{ type: 'expired' }, 'expired', null],
    [{ type: 'errored', error: { type: 'error', error: { type: 'api_error' } } }, 'failed', 'api_error'],
    [{ type: 'errored', error: { error: { type: 'batchrun_not_finished' } } }, 'unfinished', 'batchrun_not_finished'],
  ])('without an answer: %j', (result, outcome, errorType) => {
    const found = view({ custom_id: 'a', result });
    expect(found).toMatchObject({ outcome, errorType, text: null, usage: null, costUsd: 0, lane: null });
  });

  test('of a flat file and of a CSV say the same', () => {
    const flat = {
      ...{ id: 'x', status: 'succeeded', text: 'Hi', stop_reason: 'end_turn', model: 'm', error_type: null },
      ...{ input_tokens: 5, output_tokens: 6, cache_creation_input_tokens: 7, cache_read_input_tokens: 8 },
      ...{ cost_usd: 0.5, lane: 'realtime', attempts: 1 },
    };
    const cells = Object.fromEntries(Object.entries(flat).map(([name, value]) => [name, String(value ?? '')]));
    const columns = Object.keys(flat);
    expect(view(cells, { columns })).toEqual(view(flat));
    expect(view(flat)).toMatchObject({ id: 'x', costUsd: 0.5, lane: 'realtime', usage: { cacheReadTokens: 8 } });
    expect(view({ ...flat, custom_id: 'y' }).id).toBe('y');
    expect(view({ ...flat, custom_id: 'y' }, { columns: [], idColumn: 'id' }).id).toBe('x');
    expect(view({ ...flat, custom_id: 'y' }, { columns: [], idColumn: 'gone' }).id).toBe('y');
    expect(view({ ...flat, status: 'invalid', error_type: 'batchrun_json' })).toMatchObject({ outcome: 'failed' });
    expect(view({ ...flat, status: 'in_batch' })).toMatchObject({ outcome: 'unfinished', text: null });
  });

  test('calls of tools are compared by name and input, also out of a CSV', () => {
    const content = [
      { type: 'thinking', thinking: 'hm', signature: 's' },
      { type: 'tool_use', id: 'toolu_1', name: 'f', input: { q: 1 } },
    ];
    const calls = [{ name: 'f', input: { q: 1 } }];
    expect(view(succeeded(USAGE, { content }))).toMatchObject({ text: '', calls });
    const cells = { custom_id: 'a', status: 'succeeded', text: '', content: JSON.stringify(content) };
    expect(view(cells, { columns: Object.keys(cells) })).toMatchObject({ text: '', calls });
    expect(view({ ...cells, content: '{cut' }, { columns: ['custom_id'] }).calls).toEqual([]);
  });

  test('of --errors is a failure with its reason', () => {
    const line = {
      custom_id: 'a',
      params: { model: 'm' },
      error: { type: 'api_error', message: 'x', status: 'expired' },
    };
    expect(view(line)).toMatchObject({ id: 'a', outcome: 'expired', errorType: 'api_error', costUsd: 0 });
  });

  test.each([null, 5, [], {}, { custom_id: 'a' }, { custom_id: 5, result: {} }, { status: 'fine' }, { text: 'x' }])(
    'that is none: %j',
    (value) => {
      expect(viewResult(value, API)).toBeNull();
    },
  );
});

describe('the sums', () => {
  test('of many rows are those of a plain loop, percentiles within a thousandth', async () => {
    const rng = seededRng('stats');
    const stats = new ResultStats(await loadSpreads());
    const inputs: number[] = [];
    let [sum, cost] = [0, 0];
    for (let at = 0; at < 5_000; at++) {
      const input = integerBetween(rng, 0, 1) * integerBetween(rng, 0, 90_000);
      const one = view(
        succeeded({ input_tokens: input, output_tokens: 3, cache_read_input_tokens: at % 2, service_tier: 'batch' }),
      );
      stats.add(one);
      inputs.push(input);
      sum += input;
      cost += one.costUsd ?? NaN;
    }
    stats.add(view({ custom_id: 'z', result: { type: 'expired' } }));
    const report = stats.report();
    expect(report.rows).toBe(5_001);
    expect(report.outcomes).toEqual({ succeeded: 5_000, failed: 0, expired: 1, canceled: 0, unfinished: 0 });
    expect(report.tokens.input).toMatchObject({ count: 5_000, sum, max: Math.max(...inputs) });
    expect(report.tokens.output).toEqual({ count: 5_000, sum: 15_000, p50: 3, p90: 3, p99: 3, max: 3 });
    expect(report.cost_usd.total).toBeCloseTo(cost, 9);
    expect(report.cost_usd.by_model).toMatchObject([{ model: 'claude-haiku-5-5', lane: 'batch', rows: 5_000 }]);
    expect(report.cache).toEqual({ hit_rows: 2_500, write_rows: 0, read_share: 2_500 / (sum + 2_500) });
    inputs.sort((one, other) => one - other);
    for (const [name, share] of [
      ['p50', 0.5],
      ['p90', 0.9],
      ['p99', 0.99],
    ] as const) {
      const exact = inputs[Math.ceil(inputs.length * share) - 1] ?? NaN;
      expect(Math.abs((report.tokens.input?.[name] ?? NaN) - exact)).toBeLessThanOrEqual(exact / 1_000 + 1);
    }
  });

  test('of nothing are nothing', async () => {
    const report = new ResultStats(await loadSpreads()).report();
    expect(report).toMatchObject({ rows: 0, answer_chars: null, tokens: { input: null }, cost_usd: { total: 0 } });
    expect(report.cache.read_share).toBeNull();
  });

  test('without a price are unknown, and say of how many', async () => {
    const stats = new ResultStats(await loadSpreads());
    stats.add(view(succeeded(USAGE, { model: 'claude-nobody-9' })));
    stats.add(view(succeeded(USAGE)));
    const { cost_usd: cost } = stats.report();
    expect(cost).toMatchObject({ total: null, unpriced: 1, lane_assumed: 2 });
    expect(cost.by_model.map((one) => [one.model, one.cost_usd === null])).toEqual([
      ['claude-haiku-5-5', false],
      ['claude-nobody-9', true],
    ]);
  });

  test('characters are counted as people count them', () => {
    expect(characters('')).toBe(0);
    expect(characters('aü')).toBe(2);
    expect(characters('😀a😀')).toBe(3);
    expect(characters('\ud800a\ud800')).toBe(3);
  });

  test('names beyond a thousand are counted together', () => {
    const tally = new Tally();
    for (let at = 0; at < 1_500; at++) tally.add(`name-${at}`);
    tally.add('name-1');
    expect(tally.entries()).toHaveLength(1_001);
    expect(tally.entries()[0]).toEqual([OTHERS, 500]);
    expect(tally.toObject()['name-1']).toBe(2);
  });
});
