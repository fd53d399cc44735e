/** What is reserved before something is sent: never less than it can be billed, or what answers so far let expect. */
import { describe, expect, test } from 'vitest';
import { chance, integerBetween, pick, seededRng, type Rng } from '../../../src/base/random.ts';
import { addedTokensMost } from '../../../src/domain/estimate/added-tokens.ts';
import type { Lane, ModelPart, TokenUsage, UsageEntry } from '../../../src/domain/model.ts';
import { NO_USAGE } from '../../../src/domain/model.ts';
import { PRICES, type ModelPrice } from '../../../src/domain/prices.ts';
import { tokensFromBytes } from '../../../src/domain/estimate/tokenizer.ts';
import { costUsd } from '../../../src/domain/pricing.ts';
import { expectedCostUsd } from '../../../src/domain/expected-cost.ts';
import { worstCostUsd } from '../../../src/domain/reserve.ts';

const HAIKU = 'claude-haiku-5-5';
const LANES: readonly Lane[] = ['batch', 'realtime'];
/** Those of which every kind of token has a price: else nobody can say what was billed. */
const PRICED = Object.entries(PRICES as Record<string, ModelPrice>)
  .filter(
    ([, { longPrompt, ...price }]) => ![...Object.values(price), ...Object.values(longPrompt ?? {})].includes(null),
  )
  .map(([model]) => model);

function part(rows: number, more: Partial<ModelPart> = {}): ModelPart {
  return { rows, bytes: 4_000 * rows, maxTokens: 100 * rows, largestBytes: 4_000, cachingRows: 0, ...more };
}

function seen(more: Partial<UsageEntry>): UsageEntry {
  return { ...NO_USAGE, model: HAIKU, lane: 'batch', rows: 1, costUsd: 0, unpricedRows: 0, ...more };
}

interface Request {
  readonly bytes: number;
  readonly maxTokens: number;
  readonly caching: boolean;
}

/** Half of them near the step of long prompts. */
function request(rng: Rng): Request {
  const bytes = chance(rng, 0.5) ? integerBetween(rng, 100, 20_000) : integerBetween(rng, 190_000, 210_000);
  return { bytes, maxTokens: integerBetween(rng, 1, 64_000), caching: chance(rng, 0.3) };
}

/** Any usage that such a request can come to; often the most that it can. */
function usageOf(rng: Rng, { bytes, maxTokens, caching }: Request): TokenUsage {
  const prompt = chance(rng, 0.5) ? Math.floor(bytes / 2) : integerBetween(rng, 1, Math.floor(bytes / 2));
  const outputTokens = chance(rng, 0.5) ? maxTokens : integerBetween(rng, 0, maxTokens);
  const usage = { ...NO_USAGE, outputTokens };
  if (!caching) return { ...usage, inputTokens: prompt };
  const cached = chance(rng, 0.3) ? prompt : integerBetween(rng, 0, prompt);
  const kind = pick(rng, ['cacheWrite5mTokens', 'cacheWrite1hTokens', 'cacheReadTokens'] as const);
  return { ...usage, inputTokens: prompt - cached, [kind]: cached };
}

describe('the most that it can cost', () => {
  test('is never below what any usage within the requests is billed', () => {
    for (let seed = 0; seed < 2_000; seed++) {
      const rng = seededRng(`reserve ${seed}`);
      const model = chance(rng, 0.5) ? HAIKU : pick(rng, PRICED);
      const lane = pick(rng, LANES);
      const requests = Array.from({ length: integerBetween(rng, 1, 5) }, () => request(rng));
      const sum = (of: (one: Request) => number): number => requests.reduce((total, one) => total + of(one), 0);
      const all: ModelPart = {
        rows: requests.length,
        bytes: sum(({ bytes }) => bytes),
        maxTokens: sum(({ maxTokens }) => maxTokens),
        largestBytes: Math.max(...requests.map(({ bytes }) => bytes)),
        cachingRows: sum(({ caching }) => (caching ? 1 : 0)),
      };
      const { rows, bytes, maxTokens } = all;
      const old = chance(rng, 0.1) ? { rows, bytes, maxTokens } : all;
      const inferenceGeo = chance(rng, 0.5) ? 'us' : null;
      const billed = sum((one) => costUsd({ model, lane, usage: usageOf(rng, one), inferenceGeo }) ?? NaN);
      const reserved = worstCostUsd({ [model]: old }, lane) ?? NaN;
      expect(billed, `${model} ${lane} of seed ${seed}`).toBeLessThanOrEqual(reserved * (1 + 1e-9));
    }
  });

  test('is half in a batch, and a sum over the models', () => {
    const mix = { [HAIKU]: part(3), 'claude-opus-5-5': part(2) };
    const usd = worstCostUsd(mix, 'realtime') ?? NaN;
    expect(worstCostUsd(mix, 'batch')).toBeCloseTo(usd / 2, 12);
    const each = Object.entries(mix).map(([model, one]) => worstCostUsd({ [model]: one }, 'realtime') ?? NaN);
    expect(usd).toBeCloseTo((each[0] ?? NaN) + (each[1] ?? NaN), 12);
    expect(worstCostUsd({}, 'batch')).toBe(0);
  });

  test('has the prices of long prompts where one request may be one: Haiku 5.5 above 100,000 tokens', () => {
    const most = part(2, { bytes: 250_000, maxTokens: 0, largestBytes: 200_000 });
    const step = { ...most, largestBytes: 200_001 };
    const below = worstCostUsd({ [HAIKU]: most }, 'realtime') ?? NaN;
    // 125,000 tokens at 0.10 and at 0.50 USD a million, and a tenth for inference in the US.
    expect(below).toBeCloseTo(0.0125 * 1.1, 12);
    expect(worstCostUsd({ [HAIKU]: step }, 'realtime')).toBeCloseTo(0.0625 * 1.1, 12);
    // A state of batchrun 0.1 does not say how large the largest is: all may be in one.
    const { rows, bytes, maxTokens } = most;
    expect(worstCostUsd({ [HAIKU]: { rows, bytes, maxTokens, cachingRows: 0 } }, 'realtime')).toBeCloseTo(0.06875, 12);
  });

  test('counts what the API puts before requests with tools or a schema, in the price of long prompts, too', () => {
    const plain = part(2, { maxTokens: 0 });
    const more = (addedTokens: number, mix = plain): number =>
      worstCostUsd({ [HAIKU]: { ...mix, addedTokens } }, 'realtime') ?? NaN;
    expect(more(1_000) - more(0)).toBeCloseTo((1_000 * 0.1 * 1.1) / 1e6, 12);
    const most = addedTokensMost({ tools: [{}] }, true);
    // One token above the step at most, by what is put before it alone.
    const bytes = 2 * (100_000 - most + 1);
    const nearlyLong = { ...plain, bytes, largestBytes: bytes };
    expect(more(most, nearlyLong)).toBeGreaterThan(4 * more(0, nearlyLong));
  });

  test.each(LANES)('counts all input as written to the cache for an hour where a row may do that (%s)', (lane) => {
    const plain = part(2, { maxTokens: 0 });
    const usd = worstCostUsd({ [HAIKU]: plain }, lane) ?? NaN;
    expect(worstCostUsd({ [HAIKU]: { ...plain, cachingRows: 1 } }, lane)).toBeCloseTo(2 * usd, 12);
    const { rows, bytes, maxTokens } = plain;
    expect(worstCostUsd({ [HAIKU]: { rows, bytes, maxTokens } }, lane)).toBeCloseTo(2 * usd, 12);
  });

  test('is not known where one of the models has no price', () => {
    expect(worstCostUsd({ [HAIKU]: part(1), 'claude-secret-9': part(1) }, 'batch')).toBeNull();
    expect(expectedCostUsd({ 'claude-secret-9': part(1) }, 'batch', { usage: [], whole: {} })).toBeNull();
  });
});

describe('what it will cost if it is like what came before', () => {
  const whole = { [HAIKU]: part(100) };
  const price = (inputTokens: number, outputTokens: number): number =>
    (costUsd({ model: HAIKU, lane: 'realtime', usage: { ...NO_USAGE, inputTokens, outputTokens } }) ?? NaN) * 1.1;
  const expected = (one: ModelPart, usage: readonly UsageEntry[]): number =>
    expectedCostUsd({ [HAIKU]: one }, 'realtime', { usage, whole }) ?? NaN;

  test('goes by the size and a quarter of max_tokens before the first answer', () => {
    const input = tokensFromBytes(HAIKU, 40_000);
    expect(expected(part(10, { maxTokens: 40_000 }), [])).toBeCloseTo(price(input, 10_000), 9);
    // No less than a paragraph, and no more than is allowed.
    expect(expected(part(10, { maxTokens: 4_000 }), [])).toBeCloseTo(price(input, 2_560), 9);
    expect(expected(part(10, { maxTokens: 1_000 }), [])).toBeCloseTo(price(input, 1_000), 9);
  });

  test('counts what the API puts before tools and schemas until answers show it', () => {
    const more = { ...part(10), addedTokens: 6_300 };
    expect(expected(more, []) - expected(part(10), [])).toBeCloseTo(price(6_300, 0), 9);
    const usage = [seen({ rows: 5, inputTokens: 2_000, outputTokens: 50 })];
    expect(expected(more, usage)).toBeCloseTo(expected(part(10), usage), 12);
  });

  test('goes by what rows took, after it', () => {
    const usage = [seen({ rows: 5, inputTokens: 2_000, outputTokens: 50 })];
    // 400 tokens of 4,000 bytes, and 10 tokens of an answer.
    expect(expected(part(10), usage)).toBeCloseTo(price(4_000, 100), 9);
    expect(expected(part(10, { maxTokens: 7 }), usage)).toBeCloseTo(price(4_000, 7), 9);
  });

  test('has the prices of the prompt cache where rows wrote to it and read from it', () => {
    const usage = [seen({ rows: 5, inputTokens: 500, cacheWrite1hTokens: 500, cacheReadTokens: 1_000 })];
    const cached = { ...NO_USAGE, inputTokens: 1_000, cacheWrite1hTokens: 1_000, cacheReadTokens: 2_000 };
    const usd = costUsd({ model: HAIKU, lane: 'realtime', usage: cached }) ?? NaN;
    expect(expected(part(10, { maxTokens: 0 }), usage)).toBeCloseTo(usd * 1.1, 9);
    // Writing costs more than plain input: a run whose batches are cold needs more than its size says.
    const cold = [seen({ rows: 5, cacheWrite1hTokens: 2_000 })];
    expect(expected(part(10, { maxTokens: 0 }), cold)).toBeCloseTo(2 * price(4_000, 0), 9);
  });

  test('knows the model by its dated name, in both lanes, and no other model', () => {
    const dated = [
      seen({ model: `${HAIKU}-20261001`, rows: 1, inputTokens: 300, outputTokens: 10 }),
      seen({ lane: 'realtime', rows: 1, inputTokens: 500, outputTokens: 30 }),
    ];
    expect(expected(part(10), dated)).toBeCloseTo(price(4_000, 200), 9);
    const others = [seen({ model: 'claude-haiku-4-5', inputTokens: 9, outputTokens: 9 })];
    expect(expected(part(10), others)).toBe(expected(part(10), []));
  });

  test('has the prices of long prompts where the mean prompt is one', () => {
    const long = [seen({ rows: 1, inputTokens: 110_000, outputTokens: 0 })];
    expect(expected(part(1), long)).toBeCloseTo(price(110_000, 0), 9);
    expect(price(110_000, 0)).toBeCloseTo(0.055 * 1.1, 9);
  });
});
