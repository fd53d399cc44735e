/**
 * Estimates: of a request by what is in it, of all rows by a sample, of answers, and what a load costs.
 */
import { describe, expect, it } from 'vitest';
import { seededRng } from '../../../../src/base/random.ts';
import { exactly, sumBands, widthOf, within } from '../../../../src/domain/estimate/band.ts';
import { costBand, loadCostUsd } from '../../../../src/domain/estimate/load-cost.ts';
import { estimateOutput, seenOutput } from '../../../../src/domain/estimate/output.ts';
import { measureRequest } from '../../../../src/domain/estimate/request-text.ts';
import { requestTokens } from '../../../../src/domain/estimate/request-tokens.ts';
import { estimateTotal } from '../../../../src/domain/estimate/total.ts';
import { generationOf, IMAGE_TOKENS } from '../../../../src/domain/estimate/tokenizer.ts';
import { NO_USAGE, type Lane } from '../../../../src/domain/model.ts';
import { PRICES } from '../../../../src/domain/prices.ts';
import { costUsd, estimateCostUsd } from '../../../../src/domain/pricing.ts';

const MODEL = 'claude-sonnet-5-5';
const ask = (content: unknown, more: object = {}): object => ({ messages: [{ role: 'user', content }], ...more });
const tokens = (params: object): number => requestTokens(MODEL, measureRequest(params)).expected;

describe('a request', () => {
  it('has more tokens with a system prompt, tools, a schema, an image, another turn', () => {
    const plain = tokens(ask('hello there'));
    const tools = [{ name: 'find', description: 'finds', input_schema: { type: 'object' } }];
    const format = { format: { type: 'json_schema', schema: { type: 'object' } } };
    const image = { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'AAAA' } };
    for (const richer of [
      ask('hello there', { system: 'be brief' }),
      ask('hello there', { tools }),
      ask('hello there', { output_config: format }),
      ask([{ type: 'text', text: 'hello there' }, image]),
      { messages: [...(ask('hello there') as { messages: unknown[] }).messages, { role: 'assistant', content: '' }] },
    ]) {
      expect(tokens(richer)).toBeGreaterThan(plain);
    }
    expect(tokens(ask([{ type: 'text', text: 'hello there' }, image])) - plain).toBeCloseTo(IMAGE_TOKENS, 6);
  });

  it('counts the text of blocks and not their frame, and a tool that is loaded later not at all', () => {
    expect(tokens(ask([{ type: 'text', text: 'hello', cache_control: { type: 'ephemeral' } }]))).toBe(
      tokens(ask('hello')),
    );
    const later = { name: 'x', defer_loading: true, description: 'long '.repeat(500), input_schema: {} };
    const tools = [{ name: 'find', input_schema: {} }];
    expect(tokens(ask('a', { tools: [...tools, later] }))).toBe(tokens(ask('a', { tools })));
  });

  it.each([
    [undefined],
    [null],
    ['text'],
    [{}],
    [{ messages: 'no list' }],
    [{ messages: [null, 1, { role: 'user' }] }],
  ])('that is none (%j) is no error', (params) => {
    expect(requestTokens(MODEL, measureRequest(params)).expected).toBeGreaterThanOrEqual(0);
  });

  it.each([
    ['claude-3-opus-20240229', 'older'],
    ['claude-opus-4-6', 'older'],
    ['claude-haiku-4-5-20251001', 'older'],
    ['claude-opus-4-7', 'newer'],
    ['claude-haiku-5-5', 'newer'],
    ['claude-mythos-preview', 'newer'],
    ['another-model', 'newer'],
  ])('of %s is cut by the %s tokenizer', (model, generation) => {
    expect(generationOf(model)).toBe(generation);
  });
});

describe('a total from a sample', () => {
  it('is exact where tokens are a line over bytes, whatever the sizes', () => {
    const rng = seededRng('line');
    const rows = Array.from({ length: 500 }, () => 200 + Math.floor(rng.next() * 4_000));
    const of = (bytes: number): number => 1_200 + bytes / 4;
    const sample = rows.filter((_, at) => at % 10 === 0).map((bytes) => ({ bytes, tokens: of(bytes) }));
    const all = { rows: rows.length, bytes: rows.reduce((sum, bytes) => sum + bytes, 0) };
    const found = estimateTotal(all, sample, 0);
    expect(found?.method).toBe('line');
    expect(found?.tokens.expected).toBeCloseTo(
      rows.reduce((sum, bytes) => sum + of(bytes), 0),
      3,
    );
    expect(found?.samplingError).toBeLessThan(1e-9);
  });

  it('holds the truth in its band in 19 of 20 samples', () => {
    const rng = seededRng('band');
    let inside = 0;
    const runs = 300;
    for (let run = 0; run < runs; run++) {
      const rows = Array.from({ length: 2_000 }, () => {
        const bytes = 100 + Math.floor(rng.next() ** 2 * 3_000);
        return { bytes, tokens: 40 + bytes * (0.2 + rng.next() * 0.15) };
      });
      const truth = rows.reduce((sum, row) => sum + row.tokens, 0);
      const sample = rows.filter((_, at) => at % 20 === 7);
      const all = { rows: rows.length, bytes: rows.reduce((sum, row) => sum + row.bytes, 0) };
      const { low, high } = estimateTotal(all, sample, 0)?.tokens ?? exactly(NaN);
      if (truth >= low && truth <= high) inside++;
    }
    expect(inside / runs).toBeGreaterThan(0.95);
  });

  it('leaves nothing to guess where all rows were looked at, and says what each count may be off', () => {
    const sample = [10, 20, 35].map((bytes) => ({ bytes, tokens: bytes / 3 + (bytes % 7) }));
    const all = { rows: 3, bytes: 65 };
    const found = estimateTotal(all, sample, 0.02);
    expect(found?.samplingError).toBe(0);
    expect(widthOf(found?.tokens ?? exactly(0))).toBeCloseTo(0.02, 12);
  });

  it.each([
    ['no sample', { rows: 5, bytes: 50 }, [], null],
    ['no rows', { rows: 0, bytes: 0 }, [{ bytes: 1, tokens: 1 }], null],
  ])('%s gives nothing', (_, all, sample, nothing) => {
    expect(estimateTotal(all, sample, 0)).toBe(nothing);
  });

  it('of one row for many is wide', () => {
    const found = estimateTotal({ rows: 1_000, bytes: 10_000 }, [{ bytes: 10, tokens: 3 }], 0);
    expect(found?.tokens.expected).toBe(3_000);
    expect(found?.samplingError).toBeGreaterThanOrEqual(0.5);
  });

  it('does not follow a line beyond its sample', () => {
    const sample = Array.from({ length: 20 }, (_, at) => ({ bytes: 100 + at, tokens: 50 - at }));
    const found = estimateTotal({ rows: 10, bytes: 100_000 }, sample, 0);
    expect(found?.method).toBe('ratio');
    expect(found?.tokens.expected).toBeGreaterThan(0);
  });
});

describe('answers', () => {
  const all = { rows: 100, maxTokens: 100 * 1_000 };

  it('are what the user says, else what earlier runs saw, else a share of max_tokens', () => {
    const seen = [{ rows: 500, tokensPerRow: 80 }];
    expect(estimateOutput({ ...all, told: 40, seen })).toMatchObject({ basis: 'told', tokens: { expected: 4_000 } });
    expect(estimateOutput({ ...all, seen })).toMatchObject({ basis: 'earlier_runs', tokens: { expected: 8_000 } });
    expect(estimateOutput({ ...all, seen: [] })).toMatchObject({
      basis: 'assumed',
      tokens: { expected: 25_000, high: 100_000 },
    });
    // A handful of answers says little.
    expect(estimateOutput({ ...all, seen: [{ rows: 3, tokensPerRow: 80 }] }).basis).toBe('assumed');
  });

  it('are never longer than max_tokens, and the band has its ends in order', () => {
    for (const told of [1, 900, 5_000]) {
      const { low, expected, high } = estimateOutput({ ...all, told, seen: [] }).tokens;
      expect(low).toBeLessThanOrEqual(expected);
      expect(expected).toBeLessThanOrEqual(high);
      expect(high).toBeLessThanOrEqual(all.maxTokens);
    }
  });

  it('hold what each earlier run saw, however different they were', () => {
    const seen = [
      { rows: 100, tokensPerRow: 10 },
      { rows: 100, tokensPerRow: 400 },
    ];
    const { low, high } = estimateOutput({ ...all, seen }).tokens;
    expect(low).toBeLessThanOrEqual(10 * all.rows);
    expect(high).toBeGreaterThanOrEqual(400 * all.rows);
  });

  it('of a model are also those of its dated id', () => {
    const entry = { ...NO_USAGE, lane: 'batch', costUsd: 0, unpricedRows: 0 } as const;
    const usage = [
      { ...entry, model: 'claude-haiku-4-5-20251001', rows: 10, outputTokens: 100 },
      { ...entry, model: 'claude-haiku-4-5', rows: 30, outputTokens: 100 },
      { ...entry, model: 'claude-haiku-5-5', rows: 10, outputTokens: 9_999 },
    ];
    expect(seenOutput('claude-haiku-4-5', usage)).toEqual({ rows: 40, tokensPerRow: 5 });
    expect(seenOutput('claude-opus-5', usage)).toBeNull();
  });
});

describe('the cost of a load', () => {
  const rng = seededRng('cost');
  const loads = Array.from({ length: 200 }, () => ({
    rows: 1 + Math.floor(rng.next() * 10_000),
    each: [Math.floor(rng.next() * 200_000), Math.floor(rng.next() * 5_000)] as const,
  }));

  it('is what pricing says of as many equal answers, for every model and lane', () => {
    for (const model of Object.keys(PRICES)) {
      for (const lane of ['batch', 'realtime'] as const satisfies readonly Lane[]) {
        for (const { rows, each } of loads.slice(0, 20)) {
          const part = { rows, inputTokens: rows * each[0], outputTokens: rows * each[1] };
          const one = costUsd({ model, lane, usage: { ...NO_USAGE, inputTokens: each[0], outputTokens: each[1] } });
          const whole = loadCostUsd(model, lane, [part]);
          expect(whole === null).toBe(one === null);
          if (whole === null || one === null) continue;
          expect(whole / Math.max(1e-12, one * rows)).toBeCloseTo(1, 9);
          expect(whole).toBeCloseTo(estimateCostUsd({ model, lane, requestCount: rows, ...part }) ?? NaN, 6);
        }
      }
    }
  });

  it('with the prefix in the cache is hits and misses, each as they are billed', () => {
    for (const { rows, each } of loads.slice(0, 50)) {
      const prefixTokens = Math.floor(each[0] / 2);
      const part = { rows, inputTokens: rows * each[0], outputTokens: rows * each[1] };
      const cache = { prefixTokens, life: '1h', hitShare: 0.25 } as const;
      const rest = { ...NO_USAGE, inputTokens: each[0] - prefixTokens, outputTokens: each[1] };
      const usd = (more: object): number =>
        costUsd({ model: MODEL, lane: 'batch', usage: { ...rest, ...more } }) ?? NaN;
      const expected =
        rows * (0.25 * usd({ cacheReadTokens: prefixTokens }) + 0.75 * usd({ cacheWrite1hTokens: prefixTokens }));
      expect(loadCostUsd(MODEL, 'batch', [part], cache)).toBeCloseTo(expected, 6);
    }
  });

  it('falls with every hit, and is not known where a price is not', () => {
    const part = { rows: 100, inputTokens: 600_000, outputTokens: 1_000 };
    const at = (hitShare: number): number =>
      loadCostUsd(MODEL, 'batch', [part], { prefixTokens: 5_000, life: '5m', hitShare }) ?? NaN;
    expect([at(0), at(0.5), at(1)].toSorted((a, b) => b - a)).toEqual([at(0), at(0.5), at(1)]);
    expect(at(1)).toBeLessThan(loadCostUsd(MODEL, 'batch', [part]) ?? NaN);
    expect(at(0)).toBeGreaterThan(loadCostUsd(MODEL, 'batch', [part]) ?? NaN);
    expect(loadCostUsd('claude-mythos-preview', 'batch', [part])).toBeNull();
    expect(loadCostUsd('nobody', 'batch', [part])).toBeNull();
    expect(loadCostUsd(MODEL, 'batch', [])).toBe(0);
    expect(costBand((end) => (end === 'high' ? null : 1))).toBeNull();
  });
});

describe('bands', () => {
  it('add their ends, and never go below zero', () => {
    expect(sumBands([within(10, 1), exactly(5)])).toEqual({ low: 10, expected: 15, high: 25 });
    expect(within(10, 100).low).toBeGreaterThan(0);
    expect(widthOf(exactly(7))).toBe(0);
    expect(widthOf(within(7, 0.25))).toBeCloseTo(0.25, 12);
    expect(widthOf(exactly(0))).toBe(0);
  });
});
