/**
 * Rates that the page draws from sums: a batch that comes back at once is no climb from the submit on.
 */
import { describe, expect, it } from 'vitest';

/** The page is JavaScript without declarations. */
interface Page {
  readonly held: (at: readonly number[]) => { at: number[]; hold: <T>(column: readonly T[]) => T[] };
  readonly rates: (at: readonly number[]) => (sums: readonly number[]) => (number | null)[];
}

const { held, rates } = (await import(new URL('../../../src/web/rates.js', import.meta.url).href)) as Page;

const SECOND = 1_000;

describe('rates', () => {
  it('are what was done in the window, not since somebody looked last', () => {
    const at = [0, 300 * SECOND];
    // A window of ten seconds at least: 100 rows that came at once are 600 a minute in it, not 20.
    expect(rates(at)([0, 100])).toEqual([null, 600]);
  });

  it('are even where looks are near each other', () => {
    const at = Array.from({ length: 61 }, (_, second) => second * SECOND);
    const perMinute = rates(at)(at.map((_, second) => second * 5));
    expect(perMinute.slice(1).every((rate) => Math.abs((rate ?? 0) - 300) < 1)).toBe(true);
  });
});

describe('gaps', () => {
  it('stay low until something comes', () => {
    const looks = [0, SECOND, 120 * SECOND, 121 * SECOND];
    const { at, hold } = held(looks);
    expect(at).toEqual([0, SECOND, 11 * SECOND, 120 * SECOND - 1, 120 * SECOND, 121 * SECOND]);
    const sums = hold([0, 50, 80, 80]);
    expect(sums).toEqual([0, 50, 50, 50, 80, 80]);
    expect(rates(at)(sums)).toEqual([null, 3_000, 0, 0, 180, 180]);
  });

  it('are none where looks are near each other', () => {
    const at = [0, SECOND, 2 * SECOND];
    expect(held(at).at).toEqual(at);
    expect(held([]).at).toEqual([]);
  });
});
