/**
 * Rows drawn at random, each as likely as every other; and rows cut out of files as they stand there.
 */
import { parse } from 'csv-parse/sync';
import { describe, expect, test } from 'vitest';
import { CsvCutter } from '../../../src/adapters/sources/csv-cutter.ts';
import { integerBetween, pick, seededRng, type Rng } from '../../../src/base/random.ts';
import { Reservoir } from '../../../src/tools/sample/reservoir.ts';

function draw(size: number, count: number, seed: string): readonly number[] {
  const reservoir = new Reservoir<number>(size, seededRng(seed));
  for (let at = 0; at < count; at++) reservoir.offer(() => at);
  return reservoir.items();
}

describe('a reservoir', () => {
  test.each([
    [1, 10],
    [3, 10],
    [9, 10],
  ])('of %i among %i takes each as often as every other', (size, count) => {
    const draws = 20_000;
    const times = Array.from({ length: count }, () => 0);
    for (let seed = 0; seed < draws; seed++) {
      for (const item of draw(size, count, `even ${seed}`)) times[item] = (times[item] ?? 0) + 1;
    }
    const share = size / count;
    // Five standard deviations: with these seeds it is always the same.
    const slack = 5 * Math.sqrt(draws * share * (1 - share));
    for (const seen of times) expect(Math.abs(seen - draws * share)).toBeLessThan(slack);
  });

  test('has all of them where there are no more, in their order', () => {
    expect(draw(10, 4, 'x')).toEqual([0, 1, 2, 3]);
    expect(draw(10, 0, 'x')).toEqual([]);
    const some = draw(50, 1_000, 'x');
    expect(some).toEqual([...some].sort((one, other) => one - other));
    expect(new Set(some).size).toBe(50);
    expect(draw(50, 1_000, 'x')).toEqual(some);
    expect(draw(50, 1_000, 'y')).not.toEqual(some);
  });

  test('asks for an item only when it takes it', () => {
    let made = 0;
    const reservoir = new Reservoir<number>(10, seededRng('few'));
    for (let at = 0; at < 10_000; at++) reservoir.offer(() => made++);
    expect(made).toBeLessThan(200);
  });
});

function cut(pieces: readonly Buffer[], delimiter: string | null, lineByte: 10 | 13 = 10): string[] {
  const tooLong = (line: number): never => {
    throw new Error(`too long on line ${line}`);
  };
  const cutter = new CsvCutter({ lineByte, delimiter: delimiter?.charCodeAt(0) ?? null, rowBytesMax: 1_000, tooLong });
  const rows = pieces.flatMap((piece) => {
    // The memory of a chunk is used again: what is kept must have been copied.
    const memory = Buffer.from(piece);
    const found = cutter.push(memory).map(String);
    memory.fill(0);
    return found;
  });
  return [...rows, ...cutter.end().map(String)];
}

function pieces(rng: Rng, text: string): Buffer[] {
  const bytes = Buffer.from(text);
  const parts: Buffer[] = [];
  for (let at = 0; at < bytes.length;) {
    const end = at + integerBetween(rng, 1, 7);
    parts.push(bytes.subarray(at, end));
    at = end;
  }
  return parts;
}

describe('rows of a CSV', () => {
  test.each([
    ['a,b\n1,2\n', ['a,b', '1,2']],
    ['a,b\r\n1,2', ['a,b\r', '1,2']],
    ['a\n"x\ny"\nz\n', ['a', '"x\ny"', 'z']],
    ['a,b\n"x ""\n""",2\n3,4\n', ['a,b', '"x ""\n""",2', '3,4']],
    ['a,b\n5" pipe,2\n3,4\n', ['a,b', '5" pipe,2', '3,4']],
    ['a,b\n\n  \r\n1,2\n\n', ['a,b', '1,2']],
    ['', []],
    ['a', ['a']],
    ['a\n"open\n1\n2', ['a', '"open\n1\n2']],
  ])('%j', (text, rows) => {
    expect(cut([Buffer.from(text)], ',')).toEqual(rows);
    for (let seed = 0; seed < 20; seed++) expect(cut(pieces(seededRng(seed), text), ',')).toEqual(rows);
  });

  test('with lone carriage returns, and lines of JSON with quotes', () => {
    expect(cut([Buffer.from('a,b\r"1\r",2\r')], ',', 13)).toEqual(['a,b', '"1\r",2']);
    expect(cut([Buffer.from('{"a":"\\n,"}\n"x\n')], null)).toEqual(['{"a":"\\n,"}', '"x']);
  });

  test('are those that csv-parse finds, wherever the bytes are cut', () => {
    const cells = ['', 'a', 'ü', '"q"', '""', '"x\ny"', '"a,b"', '"c ""d"" \r\n"', '😀', '"\n"'];
    for (let seed = 0; seed < 300; seed++) {
      const rng = seededRng(`csv ${seed}`);
      const lines = Array.from({ length: integerBetween(rng, 1, 12) }, () =>
        ['1', pick(rng, cells), pick(rng, cells)].join(','),
      );
      const text = lines.join(pick(rng, ['\n', '\r\n']));
      const rows = cut(pieces(rng, text), ',');
      const expected: string[][] = parse(text, { relax_column_count: true });
      const firsts = rows.map((row) => (parse(row, { relax_column_count: true }) satisfies string[][])[0]);
      expect(firsts).toEqual(expected);
    }
  });

  test('a row beyond the bound is named by its first line', () => {
    const text = `a\n"x\n1"\n"${'y\n'.repeat(1_000)}`;
    expect(() => cut(pieces(seededRng(1), text), ',')).toThrow('too long on line 4');
  });
});
