/** The shuffle of --shuffle: the order of the draws, whatever fits into memory; a fair sample with a limit; rows as they were. */
import { describe, expect, test } from 'vitest';
import { integerBetween, pick, seededRng } from '../../../../src/base/random.ts';
import { DEPTH_MAX } from '../../../../src/domain/row/depth.ts';
import { drawBy, type Draw } from '../../../../src/domain/row/draw.ts';
import { shuffled, type Spool } from '../../../../src/domain/row/shuffle.ts';
import type { SourceRecord } from '../../../../src/domain/source.ts';

class MemorySpool implements Spool {
  readonly buckets = new Map<string, string>();
  writes = 0;
  largest = 0;

  append(bucket: string, text: string): Promise<void> {
    this.writes++;
    this.buckets.set(bucket, (this.buckets.get(bucket) ?? '') + text);
    this.largest = Math.max(this.largest, bucket.length);
    return Promise.resolve();
  }

  size(bucket: string): number {
    return this.buckets.get(bucket)?.length ?? 0;
  }

  async *stream(bucket: string): AsyncIterable<Buffer> {
    const bytes = Buffer.from(this.buckets.get(bucket) ?? '');
    for (let at = 0; at < bytes.length; at += 1_000) yield await Promise.resolve(bytes.subarray(at, at + 1_000));
  }

  remove(bucket: string): Promise<void> {
    this.buckets.delete(bucket);
    return Promise.resolve();
  }
}

/** A list in a list, and so on. */
function nested(levels: number): unknown {
  let value: unknown = 1;
  for (let level = 0; level < levels; level++) value = [value];
  return value;
}

interface Options {
  readonly limit?: number | null;
  readonly heldMax?: number;
  readonly draw?: Draw;
  readonly spool?: MemorySpool;
}

async function* batches(records: readonly SourceRecord[]): AsyncGenerator<readonly SourceRecord[]> {
  for (let at = 0; at < records.length; at += 7) yield await Promise.resolve(records.slice(at, at + 7));
}

async function shuffle(records: readonly SourceRecord[], options: Options = {}): Promise<SourceRecord[]> {
  const { limit = null, heldMax = 1_000_000, draw = drawBy(1, 'shuffle'), spool = new MemorySpool() } = options;
  const all: SourceRecord[] = [];
  const openSpool = (): Promise<Spool> => Promise.resolve(spool);
  for await (const some of shuffled(batches(records), { draw, limit, heldMax, openSpool })) all.push(...some);
  return all;
}

const records = (count: number): SourceRecord[] =>
  Array.from({ length: count }, (_, at) => ({ file: 0, line: at + 1, value: { text: `row ${at}`, at }, plain: true }));

const linesOf = (of: readonly SourceRecord[]): number[] => of.map(({ line }) => line);

function countUp(cells: number[], at: number): void {
  cells[at] = (cells[at] ?? 0) + 1;
}

describe('a shuffle', () => {
  test('gives every row once, in the order of its draw, however little fits into memory', async () => {
    const all = records(3_000);
    const draw = drawBy(5, 'shuffle');
    const expected = [...all].sort((one, other) => draw(one) - draw(other));
    for (const heldMax of [1_000_000, 100_000, 20_000, 500, 1]) {
      const spool = new MemorySpool();
      expect(await shuffle(all, { heldMax, draw, spool })).toEqual(expected);
      expect(spool.writes > 0).toBe(heldMax < 1_000_000);
      expect(spool.buckets.size).toBe(0);
      // Buckets that do not fit either are cut up again.
      if (heldMax === 1) expect(spool.largest).toBeGreaterThan(2);
    }
  });

  test('of rows that all have the same draw keeps their order', async () => {
    for (const heldMax of [1_000_000, 10]) {
      expect(linesOf(await shuffle(records(50), { heldMax, draw: () => 7 }))).toEqual(linesOf(records(50)));
    }
  });

  test('of nothing gives nothing', async () => {
    expect(await shuffle([])).toEqual([]);
    expect(await shuffle([], { limit: 5 })).toEqual([]);
  });

  test('gives a record as it was: problems, elements, any text', async () => {
    const rng = seededRng('records');
    const text = (): string =>
      Array.from({ length: integerBetween(rng, 0, 8) }, () =>
        pick(rng, ['a', '"', '\\', '\n', '\u2028', 'ä', '💶', '\ud800', '\0', ' ']),
      ).join('');
    const drawn = Array.from({ length: 300 }, (_, at): SourceRecord => {
      const place = { file: at % 3, line: at + 1, ...(at % 2 === 0 ? { element: at * 2 + 1 } : {}) };
      if (at % 10 === 0) return { ...place, value: undefined, problem: { code: 'json', message: text() } };
      return {
        ...place,
        value: pick<unknown>(rng, [{ [text()]: text() }, [text(), 1.5e-7, null], text(), 0, null, true]),
        plain: at % 4 === 0,
      };
    });
    for (const heldMax of [1_000_000, 200]) {
      const back = await shuffle(drawn, { heldMax });
      expect([...back].sort((one, other) => one.line - other.line)).toEqual(
        drawn.map((record) => JSON.parse(JSON.stringify(record)) as SourceRecord),
      );
    }
  });

  test.each([DEPTH_MAX + 1, 5_000, 100_000])(
    'of a row of %d levels keeps the others, and its place',
    async (levels) => {
      const back = await shuffle([
        { file: 0, line: 1, value: nested(levels) },
        ...records(2).map((one) => ({ ...one, line: 2 })),
      ]);
      expect(back.find(({ line }) => line === 1)?.problem?.code).toBe('too_deep');
      expect(back).toHaveLength(3);
    },
  );

  test('gives back what is as deep as a row may be', async () => {
    const [back] = await shuffle([{ file: 0, line: 1, value: nested(DEPTH_MAX) }]);
    expect(JSON.stringify(back?.value)).toBe(JSON.stringify(nested(DEPTH_MAX)));
  });
});

describe('with a limit', () => {
  test.each([1, 2, 10, 299, 300, 1_000])('of %d it is the beginning of the whole shuffle', async (limit) => {
    const whole = linesOf(await shuffle(records(300)));
    for (const heldMax of [1_000_000, 2_000, 1]) {
      expect(linesOf(await shuffle(records(300), { limit, heldMax }))).toEqual(whole.slice(0, limit));
    }
  });

  test('puts little aside of a large input: what cannot be among the few is forgotten at once', async () => {
    const spool = new MemorySpool();
    await shuffle(records(20_000), { limit: 20, heldMax: 20_000, spool });
    expect(spool.writes).toBe(0);
  });

  test('takes every row with the same chance, at every place', async () => {
    // 20 rows, samples of 5 by 4,000 seeds: each row is expected 1,000 times, and 200 times at each of the places.
    const rows = records(20);
    const taken = new Array<number>(20).fill(0);
    const places = new Array<number>(100).fill(0);
    for (let seed = 0; seed < 4_000; seed++) {
      const lines = linesOf(await shuffle(rows, { limit: 5, draw: drawBy(seed, 'shuffle') }));
      lines.forEach((line, place) => {
        countUp(taken, line - 1);
        countUp(places, 5 * (line - 1) + place);
      });
    }
    const chiSquare = (counts: readonly number[], expected: number): number =>
      counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
    // Below these a fair draw stays but once in ten thousand times (19 and 76 degrees of freedom).
    expect(chiSquare(taken, 1_000)).toBeLessThan(50.8);
    expect(chiSquare(places, 200)).toBeLessThan(130);
  });
});
