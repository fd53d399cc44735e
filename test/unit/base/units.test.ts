/**
 * Durations, sizes and numbers as people write and read them; the edges where a unit ends and the next begins.
 */
import { describe, expect, test } from 'vitest';
import {
  formatBytes,
  formatCount,
  formatDuration,
  formatUsd,
  formatUsdMost,
  parseBytes,
  parseDurationMs,
  plural,
} from '../../../src/base/units.ts';

const HOUR_MS = 3_600_000;

test.each([
  ['200ms', 200],
  ['30s', 30_000],
  ['10m', 600_000],
  ['4h', 4 * HOUR_MS],
  ['2d', 48 * HOUR_MS],
  ['1w', 168 * HOUR_MS],
  ['1h30m', 1.5 * HOUR_MS],
  ['1m500ms', 60_500],
  ['1.5h', 1.5 * HOUR_MS],
  ['45', 45_000],
  ['0.5', 500],
  ['0', 0],
  [' 10m ', 600_000],
])('%s is a duration', (text, ms) => {
  expect(parseDurationMs(text)).toBe(ms);
});

test.each([
  '',
  ' ',
  'm',
  '10 m',
  '10x',
  '-5s',
  '1h-5m',
  '1e3',
  '10min',
  'ten',
  '.5s',
  '5.s',
  '10M',
  '1,5h',
  'Infinity',
  'NaN',
])('"%s" is no duration', (text) => {
  expect(parseDurationMs(text)).toBeUndefined();
});

test('a long text that is no duration is refused at once', () => {
  expect(parseDurationMs(`${'1m'.repeat(5_000)}x`)).toBeUndefined();
});

test.each([
  [0, '0ms'],
  [-4, '0ms'],
  [0.4, '0ms'],
  [850, '850ms'],
  [999, '999ms'],
  [999.6, '1s'],
  [1_000, '1s'],
  [42_000, '42s'],
  [59_499, '59s'],
  [59_500, '1m'],
  [200_000, '3m 20s'],
  [HOUR_MS - 1, '1h'],
  [5 * HOUR_MS + 12 * 60_000, '5h 12m'],
  [24 * HOUR_MS, '1d'],
  [52 * HOUR_MS, '2d 4h'],
  [24 * HOUR_MS + 59_000, '1d'],
  [Infinity, 'unknown'],
  [Number.NaN, 'unknown'],
])('%s ms is shown as %s', (ms, text) => {
  expect(formatDuration(ms)).toBe(text);
});

test.each([
  ['250000000', 250_000_000],
  ['0', 0],
  ['256MB', 256_000_000],
  ['256 mb', 256_000_000],
  ['64KiB', 65_536],
  ['1.5GB', 1_500_000_000],
  ['2MiB', 2_097_152],
  ['1GiB', 2 ** 30],
  ['10b', 10],
  ['0.0001kb', 0],
])('%s is a number of bytes', (text, bytes) => {
  expect(parseBytes(text)).toBe(bytes);
});

test.each(['', 'MB', '-1', '1TB', '1 M B', '1e6', '10 bytes', '1,000'])('"%s" is no number of bytes', (text) => {
  expect(parseBytes(text)).toBeUndefined();
});

test.each([
  [0, '0 B'],
  [840, '840 B'],
  [999, '999 B'],
  [1_000, '1.0 kB'],
  [12_345_678, '12.3 MB'],
  [256_000_000, '256 MB'],
  [1_500_000_000, '1.5 GB'],
  [5e15, '5000 TB'],
  [999_499, '999 kB'],
  [999_999, '1.0 MB'],
])('%d bytes are shown as %s', (bytes, text) => {
  expect(formatBytes(bytes)).toBe(text);
});

test.each([
  [0, '0'],
  [999, '999'],
  [1_000, '1,000'],
  [1_234_567, '1,234,567'],
  [10_000_000, '10,000,000'],
  [999.6, '1,000'],
  [-1_234, '-1,234'],
])('%d is shown as %s', (count, text) => {
  expect(formatCount(count)).toBe(text);
});

describe('dollars', () => {
  test.each([
    [0, '$0'],
    [0.0042, '$0.0042'],
    [0.01, '$0.01'],
    [1.53, '$1.53'],
    [12.345, '$12.35'],
    [999.99, '$999.99'],
    [1_204.4, '$1,204'],
    [1_234_567, '$1,234,567'],
  ])('%d are shown as %s', (usd, text) => {
    expect(formatUsd(usd)).toBe(text);
  });

  test('just below a thousand are rounded up to it with its comma', () => {
    expect(formatUsd(999.999)).toBe('$1,000');
  });

  test('of a tiny part of a cent are not shown with an exponent', () => {
    expect(formatUsd(0.0000001)).not.toContain('e');
  });
});

test('nouns follow their number', () => {
  expect([plural(1, 'row'), plural(0, 'row'), plural(2_000, 'row'), plural(2, 'batch', 'batches')]).toEqual([
    '1 row',
    '0 rows',
    '2,000 rows',
    '2 batches',
  ]);
});

test.each([
  [0.0149, '$0.02'],
  [0.01, '$0.01'],
  [0.000_861, '$0.00087'],
  [0.000_86, '$0.00086'],
  [137.394, '$137.40'],
  [2, '$2.00'],
  [1_000.2, '$1,001'],
  [999.991, '$1,000'],
  [0, '$0'],
])('an upper bound of %d is written %s: never smaller than it is', (usd, text) => {
  expect(formatUsdMost(usd)).toBe(text);
});
