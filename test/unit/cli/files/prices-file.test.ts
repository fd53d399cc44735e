/**
 * `--prices FILE`: every entry is read as it stands, and what cannot be meant is refused with its place.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { readPrices, usePrices } from '../../../../src/cli/files/prices-file.ts';
import { NO_USAGE } from '../../../../src/domain/model.ts';
import { costUsd, overriddenPrices, overridePrices, priceOf } from '../../../../src/domain/pricing.ts';
import { tempFolder } from '../../../support/temp.ts';

function file(content: unknown): string {
  const path = join(tempFolder(), 'prices.json');
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
}

const FULL = { input: 2, output: 10, cache_write_5m: 2.5, cache_write_1h: 4, cache_read: 0.2 };

test('an entry is taken as it stands; batches cost half unless it says otherwise', () => {
  const long = { ...FULL, input: 4, threshold_tokens: 100_000 };
  const prices = readPrices(
    file({
      plain: FULL,
      own: { ...FULL, batch_input: 0, batch_output: 7, source: 'contract', long_prompt: long },
      short: { input: 1, output: 5, cache_read: null, batch_input: null },
    }),
  );
  expect(prices['plain']).toMatchObject({ input: 2, cacheWrite5m: 2.5, cacheWrite1h: 4, cacheRead: 0.2 });
  expect(prices['plain']).toMatchObject({ batchInput: 1, batchOutput: 5 });
  expect(prices['own']).toMatchObject({ batchInput: 0, batchOutput: 7 });
  expect(prices['own']?.longPrompt).toMatchObject({ input: 4, batchInput: 2, thresholdTokens: 100_000 });
  expect(prices['short']).toMatchObject({ cacheRead: null, cacheWrite5m: null, batchInput: null, batchOutput: 2.5 });
});

describe('refused with its place is', () => {
  test.each([
    ['what is no JSON', '{', /not valid JSON/],
    [
      'a model that is there twice',
      '{"m":{"input":1,"output":1},\n"m":{"input":9,"output":9}}',
      /:2: "m" is there twice/,
    ],
    ['what is no object', [], /one JSON object/],
    ['an entry that is none', { m: 3 }, /prices\.json: m must be an object/],
    ['a name that is not known', { m: { ...FULL, cache_reads: 1 } }, /m "cache_reads" is not known/],
    ['a price below nothing', { m: { ...FULL, output: -1 } }, /m\.output must be a number from 0/],
    ['a text', { m: { ...FULL, input: '3' } }, /m\.input must be a number/],
    ['a number beyond all', '{"m":{"input":1e999,"output":1}}', /m\.input must be a number from 0/],
    ['an entry without an output price', { m: { input: 1 } }, /m\.output is missing/],
    ['a long prompt without a threshold', { m: { ...FULL, long_prompt: FULL } }, /long_prompt\.threshold_tokens is/],
    ['a long prompt with a name', { m: { ...FULL, long_prompt: { ...FULL, x: 1 } } }, /m\.long_prompt "x" is not/],
  ])('%s', (_what, content, message) => {
    expect(() => readPrices(file(content))).toThrow(message);
    expect(() => readPrices(file(content))).toThrow(expect.objectContaining({ code: 'E_CONFIG' }));
  });

  test('a file that is not there', () => {
    expect(() => readPrices('/nowhere/prices.json')).toThrow(/is not there/);
  });
});

test('the file stands in place of the table, also for a dated id, and can be handed to another thread', () => {
  onTestFinished(() => overridePrices({}));
  const usage = { ...NO_USAGE, inputTokens: 1_000_000 };
  expect(priceOf('my-model')).toBeNull();
  usePrices(file({ 'my-model': FULL, 'claude-haiku-5-5': { input: 9, output: 9 } }));
  expect(costUsd({ model: 'my-model', lane: 'batch', usage })).toBe(1);
  expect(costUsd({ model: 'claude-haiku-5-5-20261001', lane: 'realtime', usage })).toBe(9);
  const handed = structuredClone(overriddenPrices());
  overridePrices({});
  expect(priceOf('my-model')).toBeNull();
  overridePrices(handed);
  expect(costUsd({ model: 'my-model', lane: 'realtime', usage })).toBe(2);
});
