/**
 * `--deadline` and its neighbours: what is read as a time, a share, an amount, and what is refused.
 */
import { describe, expect, test } from 'vitest';
import { deadlineMs } from '../../../../src/cli/flags/deadline.ts';
import { cap, limiterUrl, share } from '../../../../src/cli/flags/option-readers.ts';

/** Local time, so that the test holds in every zone. */
const NOON_MS = new Date(2026, 10, 21, 12, 0, 30).getTime();
const at = (day: number, hours: number, minutes = 0): number => new Date(2026, 10, day, hours, minutes).getTime();

describe('a deadline', () => {
  test.each([
    ['18:30', at(21, 18, 30)],
    ['06:00', at(22, 6)],
    ['6:00', at(22, 6)],
    ['12:00', at(22, 12)],
    ['12:01', at(21, 12, 1)],
    ['4h', NOON_MS + 4 * 3_600_000],
    ['1h30m', NOON_MS + 90 * 60_000],
    ['2026-11-22T06:00Z', Date.UTC(2026, 10, 22, 6)],
    ['2026-11-22T06:00:00+01:00', Date.UTC(2026, 10, 22, 5)],
    ['2026-11-22T06:00', at(22, 6)],
    ['2026-11-20T06:00', at(20, 6)],
  ])('%s is understood', (text, ms) => {
    expect(deadlineMs(text, NOON_MS)).toBe(ms);
  });

  test.each(['', '24:00', '12:60', '0600', '7', 'soon', '0h', '-1h', '2026-11-22', '2026-13-22T06:00Z', '06:00:00'])(
    '%j is not',
    (text) => {
      expect(deadlineMs(text, NOON_MS)).toBeUndefined();
    },
  );

  test('at the last minute of a month is in the next', () => {
    const endMs = new Date(2026, 10, 30, 23, 59, 59).getTime();
    expect(deadlineMs('00:00', endMs)).toBe(new Date(2026, 11, 1).getTime());
  });
});

test('a share is a percentage or a fraction, and never all', () => {
  expect(['10%', '0.1', '0', '99.5 %'].map(share)).toEqual([0.1, 0.1, 0, 0.995]);
  for (const text of ['10', '1', '100%', '-1%', '', 'a tenth']) expect(() => share(text), text).toThrow(/10%/);
});

test('a cap is an amount above nothing, or none', () => {
  expect(['50', '0.5', 'none'].map(cap)).toEqual([50, 0.5, 'none']);
  for (const text of ['0', '-1', '', '$5', 'Infinity']) expect(() => cap(text), text).toThrow(/USD/);
});

test('a limiter is a Redis, and its address is never repeated', () => {
  expect(limiterUrl('rediss://:secret@host:6379/1')).toBe('rediss://:secret@host:6379/1');
  expect(() => limiterUrl('http://:secret@host')).toThrow(/^It must begin with redis:/);
});
