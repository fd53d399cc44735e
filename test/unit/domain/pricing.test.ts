import { describe, expect, it } from 'vitest';
import type { Lane, TokenUsage } from '../../../src/domain/model.ts';
import { NO_USAGE } from '../../../src/domain/model.ts';
import type { ModelPrice, TokenPrices } from '../../../src/domain/prices.ts';
import { PRICES } from '../../../src/domain/prices.ts';
import { tokensFromBytes } from '../../../src/domain/estimate/tokenizer.ts';
import { costUsd, estimateCostUsd, PRICES_AS_OF, priceOf } from '../../../src/domain/pricing.ts';

const MILLION = 1_000_000;

function cost(model: string, lane: Lane, usage: Partial<TokenUsage>, inferenceGeo?: string): number | null {
  return costUsd({ model, lane, usage: { ...NO_USAGE, ...usage }, inferenceGeo });
}

describe('the cost of an answer', () => {
  // One million tokens of one class each: the number is the price, by hand from the pricing page (facts, section 5).
  const classes: readonly (readonly [model: string, lane: Lane, usage: Partial<TokenUsage>, usd: number])[] = [
    ['claude-sonnet-4-6', 'realtime', { inputTokens: MILLION }, 3],
    ['claude-sonnet-4-6', 'realtime', { outputTokens: MILLION }, 15],
    ['claude-sonnet-4-6', 'realtime', { cacheWrite5mTokens: MILLION }, 3.75],
    ['claude-sonnet-4-6', 'realtime', { cacheWrite1hTokens: MILLION }, 6],
    ['claude-sonnet-4-6', 'realtime', { cacheReadTokens: MILLION }, 0.3],
    ['claude-sonnet-4-6', 'batch', { inputTokens: MILLION }, 1.5],
    ['claude-sonnet-4-6', 'batch', { outputTokens: MILLION }, 7.5],
    ['claude-sonnet-4-6', 'batch', { cacheWrite5mTokens: MILLION }, 1.875],
    ['claude-sonnet-4-6', 'batch', { cacheWrite1hTokens: MILLION }, 3],
    ['claude-sonnet-4-6', 'batch', { cacheReadTokens: MILLION }, 0.15],
    ['claude-opus-5-5', 'realtime', { cacheReadTokens: MILLION }, 0.2],
    ['claude-fable-5-2', 'batch', { cacheReadTokens: MILLION }, 0.1],
    ['claude-sonnet-5-5', 'realtime', { cacheReadTokens: MILLION }, 0.1],
    ['claude-haiku-4-5', 'batch', { inputTokens: 1_000, outputTokens: 300 }, 0.00125],
  ];
  it.each(classes)('%s in the %s lane for %j is $%d', (model, lane, usage, usd) => {
    expect(cost(model, lane, usage)).toBeCloseTo(usd, 12);
  });

  it('adds all classes of one answer up', () => {
    const usage = {
      inputTokens: 2_000,
      outputTokens: 500,
      cacheWrite5mTokens: 4_000,
      cacheWrite1hTokens: 8_000,
      cacheReadTokens: 16_000,
    };
    // 2,000 x 5 + 500 x 25 + 4,000 x 6.25 + 8,000 x 10 + 16,000 x 0.5 = 135,500 per million.
    expect(cost('claude-opus-4-8', 'realtime', usage)).toBeCloseTo(0.1355, 12);
    expect(cost('claude-opus-4-8', 'batch', usage)).toBeCloseTo(0.06775, 12);
  });

  it('gives the $12.50 of the facts for 100,000 requests of 1,000 in and 300 out on Haiku 5.5 in batches', () => {
    const one = cost('claude-haiku-5-5', 'batch', { inputTokens: 1_000, outputTokens: 300 });
    expect((one ?? NaN) * 100_000).toBeCloseTo(12.5, 9);
    const estimate = { requestCount: 100_000, inputTokens: 100_000 * 1_000, outputTokens: 100_000 * 300 };
    expect(estimateCostUsd({ model: 'claude-haiku-5-5', lane: 'batch', ...estimate })).toBeCloseTo(12.5, 9);
  });

  it('adds a tenth for inference in the US and nothing for other places', () => {
    const usage = { inputTokens: MILLION, outputTokens: MILLION };
    expect(cost('claude-opus-5', 'batch', usage, 'us')).toBeCloseTo(15 * 1.1, 12);
    expect(cost('claude-opus-5', 'batch', usage, 'not_available')).toBeCloseTo(15, 12);
    expect(cost('claude-opus-5', 'batch', usage, 'global')).toBeCloseTo(15, 12);
  });
});

describe('the long prompts of Haiku 5.5', () => {
  it('cost more above 100,000 tokens, output included, and not at 100,000', () => {
    expect(cost('claude-haiku-5-5', 'realtime', { inputTokens: 100_000, outputTokens: 1_000 })).toBeCloseTo(0.0105, 12);
    expect(cost('claude-haiku-5-5', 'realtime', { inputTokens: 100_001, outputTokens: 1_000 })).toBeCloseTo(
      (100_001 * 0.5 + 1_000 * 2.5) / MILLION,
      12,
    );
  });

  it('are measured over input, cache reads and cache writes together', () => {
    const usage = { inputTokens: 1, cacheReadTokens: 60_000, cacheWrite5mTokens: 20_000, cacheWrite1hTokens: 20_000 };
    const long = (0.5 + 60_000 * 0.05 + 20_000 * 0.625 + 20_000 * 1) / MILLION;
    expect(cost('claude-haiku-5-5', 'realtime', usage)).toBeCloseTo(long, 12);
    expect(cost('claude-haiku-5-5', 'batch', usage)).toBeCloseTo(long / 2, 12);
    const short = (60_000 * 0.01 + 20_000 * 0.125 + 20_000 * 0.2) / MILLION;
    expect(cost('claude-haiku-5-5', 'realtime', { ...usage, inputTokens: 0 })).toBeCloseTo(short, 12);
  });

  it('are judged by the average prompt in an estimate over many requests', () => {
    const tokens = { inputTokens: 1_000_000, outputTokens: 0 };
    expect(estimateCostUsd({ model: 'claude-haiku-5-5', lane: 'realtime', ...tokens })).toBeCloseTo(0.5, 12);
    const many = { requestCount: 1_000, ...tokens };
    expect(estimateCostUsd({ model: 'claude-haiku-5-5', lane: 'realtime', ...many })).toBeCloseTo(0.1, 12);
  });
});

describe('what has no known price', () => {
  it('costs null for a model that the table does not know, never an invented sum', () => {
    for (const model of ['', 'gpt-5', 'claude-opus-9', 'constructor', '__proto__', 'claude-opus-9-20270101']) {
      expect(cost(model, 'batch', { inputTokens: 1 }), model).toBeNull();
      expect(estimateCostUsd({ model, lane: 'batch', inputTokens: 1, outputTokens: 1 }), model).toBeNull();
    }
  });

  it('costs null where tokens fall into a class without a price, and only there', () => {
    expect(cost('claude-mythos-5-2', 'realtime', { inputTokens: MILLION, outputTokens: MILLION })).toBe(48);
    expect(cost('claude-mythos-5-2', 'realtime', { inputTokens: MILLION, cacheReadTokens: 1 })).toBeNull();
    expect(cost('claude-mythos-5-2', 'realtime', { cacheWrite5mTokens: 1 })).toBeNull();
    expect(cost('claude-mythos-5-2', 'batch', { cacheWrite1hTokens: 1 })).toBeNull();
    expect(cost('claude-mythos-preview', 'batch', { inputTokens: 1 })).toBeNull();
    expect(cost('claude-mythos-preview', 'batch', {})).toBe(0);
    expect(cost('claude-mythos-preview', 'realtime', { inputTokens: MILLION })).toBe(25);
  });
});

describe('looking a model up', () => {
  it('takes the date off an id only where the exact id is unknown', () => {
    expect(priceOf('claude-haiku-5-5-20261001')).toBe(PRICES['claude-haiku-5-5']);
    expect(priceOf('claude-haiku-4-5-20251001')).toBe(PRICES['claude-haiku-4-5-20251001']);
    expect(priceOf('claude-opus-4-20250514')).toBeNull();
    expect(priceOf('claude-haiku-5-5-latest')).toBeNull();
    expect(priceOf('claude-haiku-5-5-2026')).toBeNull();
  });
});

describe('the price table', () => {
  const entries: [string, ModelPrice][] = Object.entries(PRICES);

  it.each(entries)('is arithmetically sound for %s', (_model, price) => {
    const tiers: TokenPrices[] = price.longPrompt === undefined ? [price] : [price, price.longPrompt];
    for (const tier of tiers) {
      if (tier.batchInput !== null) expect(tier.batchInput).toBeCloseTo((tier.input ?? NaN) / 2, 12);
      if (tier.batchOutput !== null) expect(tier.batchOutput).toBeCloseTo((tier.output ?? NaN) / 2, 12);
      if (tier.cacheWrite5m !== null) expect(tier.cacheWrite5m).toBeCloseTo((tier.input ?? NaN) * 1.25, 12);
      if (tier.cacheWrite1h !== null) expect(tier.cacheWrite1h).toBeCloseTo((tier.input ?? NaN) * 2, 12);
      if (tier.cacheRead !== null) expect(tier.cacheRead).toBeLessThanOrEqual((tier.input ?? NaN) * 0.1 + 1e-12);
    }
  });

  it.each(entries)('says for %s where its numbers are from and from when', (_model, price) => {
    expect(price.source.length).toBeGreaterThan(10);
    expect(price.confidence.length).toBeGreaterThan(5);
    expect(price.date).toMatch(/^2026-\d\d(-\d\d)?$/);
  });

  it('has all the models of the facts and a date of its own', () => {
    expect(entries).toHaveLength(22);
    expect(PRICES_AS_OF).toMatch(/^2026-\d\d-\d\d$/);
  });
});

describe('tokens from bytes', () => {
  it.each([
    ['claude-haiku-4-5', 4_000, 1_000],
    ['claude-haiku-4-5-20251001', 4_000, 1_000],
    ['claude-sonnet-4-6', 4_000, 1_000],
    ['claude-opus-4-20250514', 4_000, 1_000],
    ['claude-3-5-sonnet-20241022', 4_000, 1_000],
    ['claude-opus-4-7', 4_000, 1_300],
    ['claude-haiku-5-5', 4_000, 1_300],
    ['claude-sonnet-5', 4_000, 1_300],
    ['claude-mythos-preview', 4_000, 1_300],
    ['something-else', 4_000, 1_300],
    ['claude-haiku-4-5', 1, 1],
    ['claude-haiku-4-5', 0, 0],
  ])('%s: %d bytes are about %d tokens', (model, bytes, tokens) => {
    expect(tokensFromBytes(model, bytes)).toBe(tokens);
  });
});
