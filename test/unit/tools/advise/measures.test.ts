/** What advise measures of texts: waste, lengths, shared ends, repeats, and what bytes cost. */
import { describe, expect, test } from 'vitest';
import { integerBetween, seededRng } from '../../../../src/base/random.ts';
import { TokensByModel } from '../../../../src/tools/advise/by-model.ts';
import { Lengths } from '../../../../src/tools/advise/lengths.ts';
import { Repeats } from '../../../../src/tools/advise/repeats.ts';
import { SharedEnds } from '../../../../src/tools/advise/shared-ends.ts';
import { wasteOf } from '../../../../src/tools/advise/waste.ts';

const HAIKU = 'claude-haiku-5-5';
const CODE = 'Ab3+'.repeat(60);

describe('waste', () => {
  test.each([
    ['nothing to see here', {}],
    ['two words', {}],
    ['a  b   c', { blank: 3 }],
    ['a \nb\t\n', { blank: 2 }],
    ['  a', { blank: 2 }],
    ['a\n\nb', {}],
    ['a\n\n\n\nb', { blank: 2 }],
    // Indentation says something in code.
    ['if x:\n    y', {}],
    [
      JSON.stringify({ a: 1, b: [1, 2] }, null, 2),
      { indent: JSON.stringify({ a: 1, b: [1, 2] }, null, 2).length - JSON.stringify({ a: 1, b: [1, 2] }).length },
    ],
    ['<p>a</p><br/>', { html: 12 }],
    ['a < b and c > d, <3', {}],
    [`see ${CODE}==`, { base64: CODE.length + 2 }],
    [`data:image/png;base64,${CODE}`, { base64: CODE.length + 22 }],
    ['x'.repeat(199), {}],
  ])('of %j is %j', (text, waste) => {
    expect(wasteOf(text)).toEqual({ blank: 0, indent: 0, html: 0, base64: 0, ...waste });
  });

  test.each([' ', '\n', '<', '<a ', '{\n ', 'A', '=', '"\n', '&amp', '<!--'])(
    'of a megabyte of %j takes no time',
    (piece) => {
      const text = `x${piece.repeat(1_000_000 / piece.length)}x`;
      expect(wasteOf(text).blank).toBeLessThanOrEqual(text.length);
    },
  );
});

describe('lengths', () => {
  test('have percentiles to within five percent, and an exact longest', () => {
    const rng = seededRng('lengths');
    const lengths = new Lengths();
    const all = Array.from({ length: 5_000 }, () => Math.floor(Math.exp(rng.next() * 11)));
    for (const chars of all) lengths.add(HAIKU, chars, chars);
    const sorted = [...all].sort((one, other) => one - other);
    for (const share of [0.01, 0.5, 0.9, 0.99]) {
      const exact = sorted[Math.ceil(5_000 * share) - 1] ?? 0;
      expect(lengths.percentile(share)).toBeGreaterThanOrEqual(exact - 1);
      expect(lengths.percentile(share)).toBeLessThanOrEqual(exact * 1.06 + 2);
    }
    expect([lengths.max, lengths.percentile(1)]).toEqual([sorted.at(-1), sorted.at(-1)]);
  });

  test('know what a cut would save', () => {
    const lengths = new Lengths();
    lengths.add(HAIKU, 100, 100);
    lengths.add(HAIKU, 1_500, 3_000);
    expect(lengths.cuts().map(({ chars, saved }) => [chars, saved.rows, saved.tokens])).toEqual([
      [250, 1, 2_500],
      [500, 1, 2_000],
      [1_000, 1, 1_000],
    ]);
    expect(new Lengths().percentile(0.5)).toBe(0);
  });
});

describe('shared ends', () => {
  const head = 'You are a helpful assistant of the support team. Answer in one word, and be kind. ';

  test('are found among texts that go on differently, others in between', () => {
    const starts = new SharedEnds('start');
    for (let at = 0; at < 1_000; at++) {
      starts.add(
        HAIKU,
        at % 4 === 3
          ? `${at} something else that is long enough to be looked at, one by one, ${at}`
          : `${head}${at} and so on`,
      );
    }
    const [shared, ...others] = starts.shared(0.5);
    expect(shared?.text.startsWith(head)).toBe(true);
    expect(shared?.text.length).toBeLessThan(head.length + 4);
    expect(shared?.saved.rows).toBeGreaterThan(700);
    expect(others).toEqual([]);
  });

  test('work from the other end, and never end in half a character', () => {
    const ends = new SharedEnds('end');
    for (const letter of ['😀', '😁', '😂']) ends.add(HAIKU, `${letter}${head}`);
    expect(ends.shared(0.5)[0]?.text).toBe(head);
    const starts = new SharedEnds('start');
    for (const letter of ['😀', '😁', '😂']) starts.add(HAIKU, `${head}${letter}`);
    expect(starts.shared(0.5)[0]?.text).toBe(head);
  });

  test('that few have, or that are short, are none', () => {
    const starts = new SharedEnds('start');
    for (let at = 0; at < 100; at++) starts.add(HAIKU, at < 2 ? head : `Hello ${at}`);
    expect(starts.shared(0.1)).toEqual([]);
  });
});

describe('repeats', () => {
  test('are counted exactly while there is room', () => {
    const repeats = new Repeats();
    for (const hash of [1, 2, 1, 1, 3, 2]) repeats.add(HAIKU, hash, 10);
    expect([repeats.rows, repeats.saved.tokens, repeats.isExact]).toEqual([3, 30, true]);
  });

  test('are estimated beyond that', () => {
    const rng = seededRng('repeats');
    const repeats = new Repeats(1_000);
    // 20,000 requests of which each is asked twice.
    const hashes = Array.from({ length: 20_000 }, () => integerBetween(rng, 0, 2 ** 53 - 1));
    for (const hash of [...hashes, ...hashes]) repeats.add(HAIKU, hash, 10);
    expect(repeats.isExact).toBe(false);
    expect(repeats.rows / 20_000).toBeGreaterThan(0.8);
    expect(repeats.rows / 20_000).toBeLessThan(1.2);
  });
});

describe('tokens of models', () => {
  test('cost what their tokens cost, twice as much realtime', () => {
    const some = new TokensByModel();
    const tokens = 4_000_000;
    some.addRows(HAIKU, tokens / 4, 4);
    expect([some.rows, some.tokens]).toEqual([4, tokens]);
    expect(some.usd(1_000)).toEqual({ batch: (tokens * 0.05) / 1e6, realtime: (tokens * 0.1) / 1e6 });
    // Of four rows one writes (0.125) and three read (0.01).
    const saved = (tokens * (0.1 - 0.01 * 0.75 - 0.125 * 0.25)) / 1e6;
    expect(some.usdCached(1_000).realtime).toBeCloseTo(saved, 12);
    expect(some.usdCached(1_000).batch).toBeCloseTo(saved / 2, 12);
  });

  test('of a model without a price cost nobody knows what', () => {
    const some = new TokensByModel();
    some.add('model-of-nobody', 10);
    expect(some.usd(1)).toEqual({ batch: null, realtime: null });
    expect(some.usdCached(1)).toEqual({ batch: null, realtime: null });
  });
});
