/** What --seed draws: evenly spread, one thing by itself, and the same for the same row whatever else there is. */
import { describe, expect, test } from 'vitest';
import { drawBy, DRAWS, sampled } from '../../../../src/domain/row/draw.ts';
import type { SourceRecord } from '../../../../src/domain/source.ts';

const SEEDS = [0, 1, 2, 42, 2 ** 31, 2 ** 40 + 7, Number.MAX_SAFE_INTEGER];
const records = (count: number, file = 0): SourceRecord[] =>
  Array.from({ length: count }, (_, at) => ({ file, line: at + 1, value: at }));

/** How far counts are from what is expected of them: of a fair draw about as much as there are cells, less one. */
function chiSquare(counts: readonly number[], expected: number): number {
  return counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
}

/** What a fair draw stays below but once in ten thousand times: by Wilson and Hilferty, 3.72 standard deviations. */
function chiSquareMax(freedom: number): number {
  const part = 2 / (9 * freedom);
  return freedom * (1 - part + 3.72 * Math.sqrt(part)) ** 3;
}

function countUp(cells: number[], at: number): void {
  cells[at] = (cells[at] ?? 0) + 1;
}

describe('draws', () => {
  test.each(SEEDS)('of consecutive lines are spread evenly (seed %d)', (seed) => {
    const draw = drawBy(seed, 'shuffle');
    const [high, low] = [new Array<number>(64).fill(0), new Array<number>(64).fill(0)];
    let inRange = 0;
    for (const record of records(64_000)) {
      const drawn = draw(record);
      if (Number.isInteger(drawn) && drawn >= 0 && drawn < DRAWS) inRange++;
      countUp(high, Math.floor((drawn / DRAWS) * 64));
      countUp(low, drawn % 64);
    }
    expect(inRange).toBe(64_000);
    expect(chiSquare(high, 1_000)).toBeLessThan(chiSquareMax(63));
    expect(chiSquare(low, 1_000)).toBeLessThan(chiSquareMax(63));
  });

  test.each(SEEDS)(
    'for the sample say nothing about those for the order, nor a seed about the next (seed %d)',
    (seed) => {
      const draws = [drawBy(seed, 'sample'), drawBy(seed, 'shuffle'), drawBy((seed + 1) % 2 ** 53, 'shuffle')];
      for (const [one, other] of [
        [0, 1],
        [1, 2],
      ] as const) {
        const cells = new Array<number>(64).fill(0);
        for (const record of records(64_000)) {
          const row = Math.floor(((draws[one]?.(record) ?? 0) / DRAWS) * 8);
          countUp(cells, 8 * row + Math.floor(((draws[other]?.(record) ?? 0) / DRAWS) * 8));
        }
        expect(chiSquare(cells, 1_000)).toBeLessThan(chiSquareMax(63));
      }
    },
  );

  test('of the same line differ from file to file, and an element counts in place of its line', () => {
    const draw = drawBy(1, 'shuffle');
    const drawn = new Set([0, 1, 2, 3].map((file) => draw({ file, line: 7 })));
    expect(drawn.size).toBe(4);
    expect(draw({ file: 0, line: 1, element: 7 })).toBe(draw({ file: 0, line: 7 }));
  });

  test('have no two alike among a million lines but by a rare chance', () => {
    const draw = drawBy(1, 'shuffle');
    const drawn = new Set<number>();
    for (let line = 1; line <= 1_000_000; line++) drawn.add(draw({ file: 0, line }));
    expect(drawn.size).toBeGreaterThan(999_990);
  });
});

describe('a sample', () => {
  const lines = (share: number, seed: number, of = records(100_000)): number[] =>
    [...sampled(of, { share, draw: drawBy(seed, 'sample') }, { rows: 0, chosen: 0 })].map(({ line }) => line);

  test.each(SEEDS)('has about its share of the rows (seed %d)', (seed) => {
    // Binomial: within four standard deviations.
    for (const share of [0.001, 0.01, 0.5, 0.999]) {
      const deviation = Math.sqrt(100_000 * share * (1 - share));
      expect(Math.abs(lines(share, seed).length - 100_000 * share)).toBeLessThan(4 * deviation);
    }
  });

  test('is spread over the whole input', () => {
    const tenths = new Array<number>(10).fill(0);
    for (const line of lines(0.1, 3)) countUp(tenths, Math.floor((line - 1) / 10_000));
    expect(chiSquare(tenths, 1_000)).toBeLessThan(chiSquareMax(9));
  });

  test('of a smaller share is part of that of a larger one, and of the same rows in any order', () => {
    const large = new Set(lines(0.1, 9));
    expect(lines(0.01, 9).every((line) => large.has(line))).toBe(true);
    const turned = lines(0.1, 9, records(100_000).reverse());
    expect(turned.reverse()).toEqual(lines(0.1, 9));
    expect(lines(0.1, 10)).not.toEqual(lines(0.1, 9));
  });
});
