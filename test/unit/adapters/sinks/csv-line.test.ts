/** The lines of a CSV are those of csv-stringify, byte for byte. */
import { stringify } from 'csv-stringify/sync';
import { describe, expect, it } from 'vitest';
import { csvLine } from '../../../../src/adapters/sinks/csv-line.ts';
import { integerBetween, seededRng } from '../../../../src/base/random.ts';
import type { Rng } from '../../../../src/base/random.ts';

const SEED = 'csv-line-1';
const LINES = 20_000;

function library(cells: readonly unknown[], defuseFormulas: boolean): string {
  return stringify([cells], {
    bom: false,
    delimiter: ',',
    eof: true,
    escape: '"',
    escape_formulas: defuseFormulas,
    header: false,
    quote: '"',
    record_delimiter: '\n',
    quote_record_delimiter: true,
    cast: { boolean: (value) => String(value), object: (value) => JSON.stringify(value) },
  });
}

/** Everything that means something to CSV, to spreadsheets or to UTF-16, and things that only look as if. */
const PIECES = [
  ...[',', '"', '""', "'", '\n', '\r', '\r\n', '\t', ' ', ';', '|', '\\', '\0', '\u2028', '\ufeff', '\ud800', '\udc00'],
  ...['=', '+', '-', '@', '\uff1d', '\uff0b', '\uff0d', '\uff20', '=1+1', '-2', '$&', "$'", '$1'],
  ...['a', 'word', 'é', '日本', '🙂', 'x'.repeat(300), 'true', 'null', '0'],
];
const NUMBERS = [0, -0, 1, -1, -2.5, 1e21, -1e-7, 0.1, Number.MAX_SAFE_INTEGER, Number.NaN, -Infinity, 12n, -12n];

function anyText(rng: Rng): string {
  return Array.from({ length: integerBetween(rng, 0, 5) }, () => pick(rng, PIECES)).join('');
}

function anyCell(rng: Rng, depth = 0): unknown {
  switch (integerBetween(rng, 0, depth < 2 ? 9 : 7)) {
    case 0:
      return null;
    case 1:
      return depth === 0 ? undefined : null;
    case 2:
      return rng.next() < 0.5;
    case 3:
      return depth === 0 ? pick(rng, NUMBERS) : integerBetween(rng, -9, 9);
    case 8:
      return Array.from({ length: integerBetween(rng, 0, 3) }, () => anyCell(rng, depth + 1));
    case 9:
      return { [anyText(rng)]: anyCell(rng, depth + 1), a: anyCell(rng, depth + 1) };
    default:
      return anyText(rng);
  }
}

function pick<T>(rng: Rng, from: readonly T[]): T {
  return from[integerBetween(rng, 0, from.length - 1)] as T;
}

describe('a line of a CSV', () => {
  it(`is what csv-stringify makes of the same cells, ${LINES} times by chance`, () => {
    const rng = seededRng(SEED);
    for (let line = 0; line < LINES; line++) {
      const cells = Array.from({ length: integerBetween(rng, 1, 6) }, () => anyCell(rng));
      for (const defuse of [true, false]) expect(csvLine(cells, defuse)).toBe(library(cells, defuse));
    }
  });

  it('is that for every single piece, and for every two', () => {
    for (const first of PIECES) {
      for (const second of ['', ...PIECES]) {
        const cells = [first + second, 'b'];
        for (const defuse of [true, false]) expect(csvLine(cells, defuse)).toBe(library(cells, defuse));
      }
    }
  });
});
