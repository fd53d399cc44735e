/** What people read about the prompt cache. */
import { describe, expect, test } from 'vitest';
import { cacheEventText, cacheText } from '../../../src/cli/render/cache-text.ts';
import { viewCache, type CacheView } from '../../../src/engine/cache/cache-view.ts';
import type { RunRecord, UsageEntry } from '../../../src/domain/model.ts';
import { createPaint } from '../../../src/cli/terminal/ui.ts';

const VIEW: CacheView = {
  ...{ mode: 'auto', declined: null, read_tokens: 0, written_tokens: 0, hit_share: null, warm_ups: 0 },
  ...{ warm_up_usd: 0, saved_usd: 0, prefixes: [{ model: 'm', ttl: '1h', tokens: 5_000, useless: false }] },
};

describe('of a run', () => {
  const cases: readonly [string, CacheView | null, string][] = [
    ['nothing to do with it', null, ''],
    ['nothing yet', VIEW, '  cache  no row has read or written yet'],
    ['a reason', { ...VIEW, declined: 'too short' }, '  cache  not used: too short'],
    [
      'warmed, and no batch has ended',
      { ...VIEW, warm_ups: 1, warm_up_usd: 0.02, saved_usd: -0.02 },
      '  cache  no row has read or written yet; 1 warm-up for $0.02; $0.02 more than without caching',
    ],
    [
      'nearly all hits',
      {
        ...VIEW,
        read_tokens: 99_999,
        written_tokens: 1,
        hit_share: 0.99999,
        warm_ups: 2,
        warm_up_usd: 0.02,
        saved_usd: 3,
      },
      '  cache  99.9% of the cached tokens were hits (99,999 read, 1 written); 2 warm-ups for $0.02; $3.00 saved',
    ],
    [
      'no price',
      { ...VIEW, read_tokens: 5, hit_share: 1, warm_ups: 1, warm_up_usd: null, saved_usd: null },
      '  cache  100% of the cached tokens were hits (5 read, 0 written); 1 warm-up; what that saved is not known (a model without a known price)',
    ],
    [
      'too short',
      { ...VIEW, warm_ups: 1, prefixes: [{ model: 'm', ttl: '1h', tokens: 5_000, useless: true }] },
      '  cache  no row has read or written yet; 1 warm-up for $0; the API keeps none of it: too short; $0 saved',
    ],
  ];
  test.each(cases)('%s', (_name, view, text) => {
    expect(cacheText(view)).toBe(text);
  });
});

test('warm-ups are no rows: what rows read and wrote is the rest of the realtime lane', () => {
  const entry: UsageEntry = {
    ...{ model: 'claude-haiku-5-5', lane: 'realtime', rows: 1, inputTokens: 11, outputTokens: 5, costUsd: 1 },
    ...{ cacheWrite5mTokens: 0, cacheWrite1hTokens: 5_000, cacheReadTokens: 5_000, unpricedRows: 0 },
  };
  const sum = { ...{ model: 'claude-haiku-5-5', calls: 1, inputTokens: 1, outputTokens: 0, cacheWrite5mTokens: 0 } };
  const warmUps = [{ ...sum, cacheWrite1hTokens: 5_000, cacheReadTokens: 0, costUsd: 0.001, unpricedCalls: 0 }];
  const settings = { cache: { mode: '1h', prefixes: [], refused: [], declined: null, warmUps } };
  const view = viewCache({ settings } as unknown as RunRecord, [entry]);
  expect(view).toMatchObject({ read_tokens: 5_000, written_tokens: 0, hit_share: 1, warm_ups: 1, warm_up_usd: 0.001 });
  // 5,000 tokens at 0.10, less a tenth of that, and less the warm-up.
  expect(view?.saved_usd).toBeCloseTo(0.0005 * 0.9 - 0.001, 9);
});

test.each([
  [{ writtenTokens: 5_000, readTokens: 0 }, 'prompt cache: 5,000 tokens written for m, kept for 1h'],
  [{ writtenTokens: 0, readTokens: 5_000 }, 'prompt cache: 5,000 tokens are there already for m, kept for 1h'],
  [{ writtenTokens: 0, readTokens: 0 }, /too short: caching does nothing here/],
] as const)('while it happens (%#)', (tokens, text) => {
  const said = cacheEventText({ kind: 'cache.warm', runId: 'r', model: 'm', ttl: '1h', ...tokens }, createPaint(false));
  expect(said).toMatch(text);
  expect(cacheEventText({ kind: 'changed' }, createPaint(false))).toBeNull();
});
