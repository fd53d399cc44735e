/**
 * A number that is not known exactly: what is expected, and between which two it will most probably be. Sums add their
 * ends: what makes one part larger (a tokenizer, longer answers) makes the others larger too.
 */

export interface Band {
  readonly low: number;
  readonly expected: number;
  readonly high: number;
}

const NOTHING: Band = { low: 0, expected: 0, high: 0 };

export function exactly(value: number): Band {
  return { low: value, expected: value, high: value };
}

/** From `expected / (1 + share)` to `expected * (1 + share)`: never below zero, however wide. */
export function within(expected: number, share: number): Band {
  return { low: expected / (1 + share), expected, high: expected * (1 + share) };
}

/** The same at each of the three. */
export function mapBand(band: Band, of: (value: number) => number): Band {
  return { low: of(band.low), expected: of(band.expected), high: of(band.high) };
}

export function sumBands(bands: readonly Band[]): Band {
  return bands.reduce(
    (sum, { low, expected, high }) => ({
      low: sum.low + low,
      expected: sum.expected + expected,
      high: sum.high + high,
    }),
    NOTHING,
  );
}

/** How far the farther end is from what is expected, as a share of it. */
export function widthOf({ low, expected, high }: Band): number {
  if (expected <= 0) return high > 0 ? Infinity : 0;
  return Math.max(high / expected - 1, low > 0 ? expected / low - 1 : Infinity);
}
