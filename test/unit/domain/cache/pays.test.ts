/**
 * Whether caching pays, against sums made by hand from the table's prices; and what it saved, from usage.
 */
import { afterEach, describe, expect, test } from 'vitest';
import { ASSUMED_HITS, decide, savingOf, warmUpPays, type PrefixUse } from '../../../../src/domain/cache/pays.ts';
import { NO_USAGE, type Lane, type TokenUsage } from '../../../../src/domain/model.ts';
import { cacheSavingUsd, costUsd, overridePrices } from '../../../../src/domain/pricing.ts';

const HAIKU = 'claude-haiku-5-5';
const OPUS = 'claude-opus-5-5';
const use = (more: Partial<PrefixUse> = {}): PrefixUse => {
  return { model: HAIKU, lane: 'batch', prefixTokens: 5_000, promptTokens: 5_100, rows: 100_000, ...more };
};

afterEach(() => overridePrices({}));

describe('a saving', () => {
  test.each([
    // 100,000 rows of 5,000 tokens at 0.05, and written for 0.10 or 0.0625, or read for 0.005 USD a million.
    ['batch', '1h', 25 - 0.15 * 50 - 0.85 * 2.5 - 0.001, 25 - 0.7 * 50 - 0.3 * 2.5 - 0.001],
    ['batch', '5m', 25 - 0.4 * 31.25 - 0.6 * 2.5 - 0.000625, 25 - 0.8 * 31.25 - 0.2 * 2.5 - 0.000625],
    ['realtime', '1h', 50 - 0.05 * 100 - 0.95 * 5 - 0.001, 50 - 0.2 * 100 - 0.8 * 5 - 0.001],
    ['realtime', '5m', 50 - 0.05 * 62.5 - 0.95 * 5 - 0.000625, 50 - 0.2 * 62.5 - 0.8 * 5 - 0.000625],
  ] as const)('in the %s lane with %s', (lane, ttl, expectedUsd, lowUsd) => {
    const saving = savingOf(use({ lane }), ttl);
    expect(saving?.expectedUsd).toBeCloseTo(expectedUsd, 9);
    expect(saving?.lowUsd).toBeCloseTo(lowUsd, 9);
    expect(saving?.plainUsd).toBe(lane === 'batch' ? 25 : 50);
  });

  test('has the prices of long prompts where the prompts are long', () => {
    const long = savingOf(use({ promptTokens: 100_001 }), '1h');
    expect(long?.plainUsd).toBe(125);
    // The warm-up is short all the same.
    expect(long?.expectedUsd).toBeCloseTo(125 - 0.15 * 250 - 0.85 * 12.5 - 0.001, 9);
  });

  test('goes by what was measured, and a little worse', () => {
    const measured = savingOf(use(), '1h', 1);
    expect(measured?.expectedUsd).toBeCloseTo(22.5 - 0.001, 9);
    expect(measured?.lowUsd).toBeCloseTo(25 - 0.1 * 50 - 0.9 * 2.5 - 0.001, 9);
    expect(savingOf(use(), '1h', 0)?.expectedUsd).toBeCloseTo(-25 - 0.001, 9);
  });

  test('is not known without a price for cached tokens', () => {
    expect(savingOf(use({ model: 'claude-mythos-5-2' }), '1h')).toBeNull();
    expect(savingOf(use({ model: 'claude-unknown-9' }), '1h')).toBeNull();
  });
});

describe('auto', () => {
  test('takes the lifetime that is expected to save more', () => {
    expect(decide(use(), 'auto')).toMatchObject({ use: true, ttl: '1h' });
    expect(decide(use({ lane: 'realtime' }), 'auto')).toMatchObject({ use: true, ttl: '5m' });
  });

  test.each([
    ['too few rows', use({ rows: 2 }), 'does_not_pay'],
    ['less than a cent', use({ rows: 50 }), 'does_not_pay'],
    ['no price', use({ model: 'claude-mythos-5-2' }), 'no_price'],
  ] as const)('does nothing for %s', (_name, prefix, why) => {
    expect(decide(prefix, 'auto')).toMatchObject({ use: false, why });
  });

  test('does nothing where this account saw no hits, and marks where it saw them all', () => {
    expect(decide(use(), 'auto', () => 0.02)).toMatchObject({ use: false, why: 'does_not_pay' });
    expect(decide(use(), 'auto', () => 1)).toMatchObject({ use: true });
    // What was seen of one lifetime says nothing of the other.
    expect(decide(use(), 'auto', (ttl) => (ttl === '1h' ? 0.02 : null))).toMatchObject({ use: true, ttl: '5m' });
  });

  test('does nothing where it would save little and may lose', () => {
    // Writing costs more, reading as much as plain input.
    overridePrices({ [HAIKU]: { ...PLAIN, cacheWrite5m: 0.125, cacheWrite1h: 0.125, cacheRead: 0.085 } });
    const verdict = decide(use(), 'auto');
    expect(verdict).toMatchObject({ use: false, why: 'does_not_pay' });
    expect(!verdict.use && verdict.best && verdict.best.expectedUsd > 0.01 && verdict.best.lowUsd < 0).toBe(true);
  });

  test('is left aside where a lifetime is forced', () => {
    expect(decide(use({ rows: 1 }), '1h')).toMatchObject({ use: true, ttl: '1h' });
    expect(decide(use({ model: 'claude-mythos-5-2' }), '5m')).toMatchObject({ use: true, ttl: '5m' });
  });

  test('no expectation is better than all hits, nor worse than none', () => {
    for (const lane of ['batch', 'realtime'] as const)
      for (const ttl of ['5m', '1h'] as const) {
        const { expected, low } = ASSUMED_HITS[lane][ttl];
        expect(low).toBeLessThan(expected);
        expect(low).toBeGreaterThan(0);
        expect(expected).toBeLessThan(1);
      }
  });
});

const PLAIN = {
  ...{ input: 0.1, output: 0.5, batchInput: 0.05, batchOutput: 0.25 },
  ...{ source: 'a test', confidence: 'a test', date: '2026-11-20' },
};

describe('a warm-up', () => {
  test.each([
    ['three rows that would write', 3, 1, true],
    ['two rows', 2, 1, false],
    ['many rows, and it is hardly ever gone', 10_000, 0.02, true],
    ['few rows, and it is hardly ever gone', 5, 0.02, false],
    ['nobody', 0, 1, false],
  ])('before %s', (_name, rows, chance, pays) => {
    expect(warmUpPays(use({ rows }), '1h', chance)).toBe(pays);
  });

  test('is made where nobody knows what it costs', () => {
    expect(warmUpPays(use({ model: 'claude-mythos-5-2', rows: 3 }), '1h', 1)).toBe(true);
  });
});

describe('what caching saved', () => {
  const usage = (more: Partial<TokenUsage>): TokenUsage => ({ ...NO_USAGE, ...more });
  const plain = ({
    inputTokens,
    cacheWrite5mTokens: a,
    cacheWrite1hTokens: b,
    cacheReadTokens: c,
    outputTokens,
  }: TokenUsage) => usage({ inputTokens: inputTokens + a + b + c, outputTokens });

  const cases: readonly [string, TokenUsage][] = [
    ['nothing was cached', usage({ inputTokens: 100, outputTokens: 5 })],
    ['written for 5 minutes', usage({ inputTokens: 10, cacheWrite5mTokens: 5_000, outputTokens: 5 })],
    ['written for an hour', usage({ inputTokens: 10, cacheWrite1hTokens: 5_000 })],
    ['read', usage({ inputTokens: 10, cacheReadTokens: 5_000, outputTokens: 5 })],
    ['all at once', usage({ cacheWrite5mTokens: 7, cacheWrite1hTokens: 300, cacheReadTokens: 5_000 })],
    ['a long prompt', usage({ inputTokens: 1, cacheReadTokens: 100_000 })],
    ['a prompt at the step', usage({ cacheReadTokens: 100_000 })],
  ];
  const lanes: readonly Lane[] = ['batch', 'realtime'];
  const each = cases.flatMap(([name, used]) =>
    lanes.flatMap((lane) => [HAIKU, OPUS].map((model) => [name, lane, model, used] as const)),
  );

  test.each(each)('%s (%s, %s) is the difference of the two bills', (_name, lane, model, used) => {
    const without = costUsd({ model, lane, usage: plain(used) }) ?? NaN;
    const withIt = costUsd({ model, lane, usage: used }) ?? NaN;
    expect(cacheSavingUsd({ model, lane, usage: used })).toBeCloseTo(without - withIt, 12);
  });

  test('of many answers goes by their mean prompt', () => {
    const used = usage({ inputTokens: 100, cacheReadTokens: 200_000 });
    const one = usage({ inputTokens: 1, cacheReadTokens: 2_000 });
    const each = cacheSavingUsd({ model: HAIKU, lane: 'batch', usage: one }) ?? NaN;
    expect(cacheSavingUsd({ model: HAIKU, lane: 'batch', usage: used, requestCount: 100 })).toBeCloseTo(100 * each, 12);
  });

  test('is not known where the price of a class of tokens is not, and nothing where none of it was used', () => {
    const model = 'claude-mythos-5-2';
    expect(cacheSavingUsd({ model, lane: 'batch', usage: usage({ cacheReadTokens: 1 }) })).toBeNull();
    expect(cacheSavingUsd({ model, lane: 'batch', usage: usage({ inputTokens: 1 }) })).toBe(0);
    expect(
      cacheSavingUsd({ model: 'claude-unknown-9', lane: 'batch', usage: usage({ cacheReadTokens: 1 }) }),
    ).toBeNull();
  });
});
