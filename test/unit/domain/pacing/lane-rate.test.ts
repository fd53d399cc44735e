/** How many rows a minute the realtime lane does: the narrowest of what rows are paid from, and the calls under way. */
import { expect, test } from 'vitest';
import { rowsPerMinute } from '../../../../src/domain/pacing/lane-rate.ts';

const wide = { concurrency: 1_000, latencyMs: 1_000 };

test.each([
  ['calls under way', [], { concurrency: 4, latencyMs: 3_000 }, 80],
  ['requests', [{ perMinute: 50, eachRow: 1 }], wide, 50],
  [
    'tokens',
    [
      { perMinute: 50, eachRow: 1 },
      { perMinute: 8_000, eachRow: 800 },
    ],
    wide,
    10,
  ],
  ['not what a row takes nothing of', [{ perMinute: 1, eachRow: 0 }], { concurrency: 1, latencyMs: 1_000 }, 60],
])('by %s', (_what, shares, calls, rows) => {
  expect(rowsPerMinute(shares, calls)).toBe(rows);
});

test('is never nothing, so that a time can be said', () => {
  expect(rowsPerMinute([{ perMinute: 0, eachRow: 1 }], wide)).toBeGreaterThan(0);
});
