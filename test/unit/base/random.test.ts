/**
 * Chance that is passed in: the same for one seed, and spread as evenly as it says.
 */
import { describe, expect, test } from 'vitest';
import { chance, integerBetween, pick, seededRng, shuffled, systemRng, type Rng } from '../../../src/base/random.ts';

function sequence(seed: string | number, count = 5): number[] {
  const rng = seededRng(seed);
  return Array.from({ length: count }, () => rng.next());
}

function constant(value: number): Rng {
  return { next: () => value };
}

const ALMOST_ONE = 1 - 2 ** -32;

describe('a seeded generator', () => {
  test('gives the same for one seed, and this very sequence on every machine', () => {
    expect(sequence('batchrun', 20)).toEqual(sequence('batchrun', 20));
    expect(sequence(7)).toEqual(sequence('7'));
    expect(sequence(1, 3)).toMatchInlineSnapshot(`
      [
        0.21435578376986086,
        0.8439074649941176,
        0.7851900150999427,
      ]
    `);
  });

  test('gives something else for another seed, however near', () => {
    const firsts = Array.from({ length: 1_000 }, (_, seed) => sequence(seed, 1)[0]);
    expect(new Set(firsts).size).toBe(1_000);
  });

  test('is spread evenly in [0, 1)', () => {
    const rng = seededRng('spread');
    const buckets = new Array<number>(10).fill(0);
    for (let nth = 0; nth < 100_000; nth++) {
      const value = rng.next();
      expect(value >= 0 && value < 1).toBe(true);
      const bucket = Math.floor(value * 10);
      buckets[bucket] = (buckets[bucket] ?? 0) + 1;
    }
    for (const count of buckets) expect(Math.abs(count - 10_000)).toBeLessThan(500);
  });
});

describe('what is drawn from it', () => {
  test('whole numbers include both ends and nothing beyond', () => {
    const rng = seededRng(1);
    const drawn = new Set(Array.from({ length: 500 }, () => integerBetween(rng, -1, 3)));
    expect([...drawn].toSorted((a, b) => a - b)).toEqual([-1, 0, 1, 2, 3]);
    expect([integerBetween(constant(0), 4, 9), integerBetween(constant(ALMOST_ONE), 4, 9)]).toEqual([4, 9]);
    expect(integerBetween(constant(0.5), 6, 6)).toBe(6);
  });

  test('a probability of 0 never happens, one of 1 always', () => {
    expect([
      chance(constant(0), 0),
      chance(constant(ALMOST_ONE), 1),
      chance(constant(0.3), 0.3),
      chance(constant(0.29), 0.3),
    ]).toEqual([false, true, false, true]);
  });

  test('each item may be picked, and nothing from an empty list', () => {
    const rng = seededRng(2);
    expect(new Set(Array.from({ length: 100 }, () => pick(rng, ['a', 'b', 'c'])))).toEqual(new Set(['a', 'b', 'c']));
    expect(pick(constant(ALMOST_ONE), ['a', 'b'])).toBe('b');
    expect(() => pick(rng, [])).toThrow('at least one item');
  });

  test('a new order keeps every item, leaves the list alone, and reaches all orders about equally', () => {
    const items = Object.freeze(['a', 'b', 'c']);
    const rng = seededRng(3);
    const orders = new Map<string, number>();
    for (let nth = 0; nth < 6_000; nth++) {
      const order = shuffled(rng, items).join('');
      orders.set(order, (orders.get(order) ?? 0) + 1);
    }
    expect([...orders.keys()].toSorted()).toEqual(['abc', 'acb', 'bac', 'bca', 'cab', 'cba']);
    for (const count of orders.values()) expect(Math.abs(count - 1_000)).toBeLessThan(200);
    expect(shuffled(rng, [])).toEqual([]);
  });

  test('the machine’s own chance is in [0, 1)', () => {
    for (let nth = 0; nth < 100; nth++) expect(systemRng.next()).toBeLessThan(1);
  });
});
