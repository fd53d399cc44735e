/**
 * Two results files side by side: what counts as a difference, and that buckets give what a map of everything gives.
 */
import { describe, expect, test } from 'vitest';
import { chance, integerBetween, pick, seededRng, shuffled, type Rng } from '../../../src/base/random.ts';
import { NO_USAGE } from '../../../src/domain/model.ts';
import { Buckets, bucketCount, BUCKETS_MAX } from '../../../src/tools/diff/buckets.ts';
import { compareRows, differingFields, outcomeText, WHOLE } from '../../../src/tools/diff/compare.ts';
import { diffBuckets, type DiffResult } from '../../../src/tools/diff/diff-files.ts';
import { excerpts } from '../../../src/tools/diff/excerpts.ts';
import type { ResultView } from '../../../src/tools/results/result-view.ts';
import { createMemoryFiles } from '../../support/memory-files.ts';

function row(more: Partial<ResultView> = {}): ResultView {
  return {
    ...{ id: 'a', outcome: 'succeeded', errorType: null, stopReason: 'end_turn', model: 'claude-haiku-5-5' },
    ...{ lane: 'batch', isLaneAssumed: false, usage: { ...NO_USAGE, inputTokens: 2, outputTokens: 3 } },
    ...{ costUsd: 1, text: 'x', calls: [], ...more },
  };
}

describe('one row', () => {
  test.each([
    ['the same', {}, {}, 'same'],
    ['other words', { text: 'x' }, { text: 'y' }, 'answer'],
    ['white space counts in a text', { text: 'x' }, { text: 'x ' }, 'answer'],
    ['it failed the other time', {}, { outcome: 'failed', errorType: 'api_error', text: null }, 'outcome'],
    [
      'it failed for the same reason',
      { outcome: 'failed', errorType: 'e' },
      { outcome: 'failed', errorType: 'e' },
      'same',
    ],
    ['for another reason', { outcome: 'failed', errorType: 'e' }, { outcome: 'failed', errorType: 'f' }, 'outcome'],
    ['JSON with spaces and other order', { text: '{"a":1,"b":[2]}' }, { text: ' {"b": [2], "a": 1}\n' }, 'layout'],
    ['JSON that only begins so', { text: '{a}' }, { text: '{b}' }, 'answer'],
    ['an empty answer and none', { text: '' }, { text: null }, 'same'],
    [
      'a call with another id only',
      { calls: [{ name: 'f', input: { q: 1 } }] },
      { calls: [{ name: 'f', input: { q: 1 } }] },
      'same',
    ],
    [
      'a call with another input',
      { calls: [{ name: 'f', input: { q: 1 } }] },
      { calls: [{ name: 'f', input: { q: 2 } }] },
      'answer',
    ],
    ['no call the other time', { calls: [{ name: 'f', input: {} }] }, {}, 'answer'],
  ] as const)('%s', (_name, a, b, kind) => {
    expect(compareRows(row(a), row(b)).kind).toBe(kind);
    expect(compareRows(row(b), row(a)).kind).toBe(kind);
  });

  test.each([
    ['{"a":1}', '{"a":2}', ['a']],
    ['{"a":1}', '{"b":1}', ['a', 'b']],
    ['{"a":null}', '{}', ['a']],
    ['{"a":{"b":1,"c":2}}', '{"a":{"b":1,"c":3}}', ['a.c']],
    ['{"i":[{"n":1},{"n":2},{"n":3}]}', '{"i":[{"n":1},{"n":5},{"n":6}]}', ['i[].n']],
    ['{"i":[1]}', '{"i":[1,2]}', ['i']],
    ['{"a":"1"}', '{"a":1}', ['a']],
    ['[1]', '{"0":1}', [WHOLE]],
    ['[1,2]', '[1,3]', ['[]']],
    ['{"__proto__":1}', '{"__proto__":2}', ['__proto__']],
  ])('%s and %s differ in %j', (a, b, fields) => {
    expect(compareRows(row({ text: a }), row({ text: b }))).toEqual({ kind: 'answer', fields });
  });

  test.each([1_000, 5_000, 100_000])('%d levels are no trouble: a place is named down to the fiftieth', (levels) => {
    const deep = (leaf: string): unknown => JSON.parse(`${'{"a":['.repeat(levels)}${leaf}${']}'.repeat(levels)}`);
    const differing = (a: string, b: string): readonly string[] => differingFields(deep(a), deep(b), '');
    expect(differing('1', '2')).toEqual([Array.from({ length: 25 }, () => 'a[]').join('.')]);
    expect(differing('{"b":1}', '{"c":1}')).toHaveLength(1);
    expect(differing('{"b":1,"c":[2]}', '{"c":[2],"b":1}')).toEqual([]);
  });

  test('a failure is told with its reason', () => {
    expect(outcomeText(row({ outcome: 'failed', errorType: 'api_error' }))).toBe('failed (api_error)');
    expect(outcomeText(row({ outcome: 'expired' }))).toBe('expired');
  });
});

describe('excerpts', () => {
  test('begin shortly before the texts part, and never in the middle of a character', () => {
    expect(excerpts('abc', 'abd')).toEqual(['abc', 'abd']);
    const [a, b] = excerpts(`${'x'.repeat(100)}one${'y'.repeat(100)}`, `${'x'.repeat(100)}two`);
    expect(a).toMatch(/^…x{12}oney+…$/);
    expect(b).toBe(`…${'x'.repeat(12)}two`);
    for (let before = 20; before < 60; before++) {
      for (const part of excerpts(
        `${'x'.repeat(before)}${'😀'.repeat(60)}a`,
        `${'x'.repeat(before)}${'😀'.repeat(59)}b`,
      )) {
        expect(part).not.toMatch(/\p{Surrogate}/u);
      }
    }
  });
});

/** What a map of everything would say. */
function naive(a: readonly ResultView[], b: readonly ResultView[]): Partial<DiffResult> {
  const [first, second] = [a, b].map((rows) => new Map([...rows].reverse().map((one) => [one.id, one])));
  if (!first || !second) throw new Error('two files');
  const both = [...first.keys()].filter((id) => second.has(id));
  const kinds = both.map((id) => compareRows(first.get(id) ?? row(), second.get(id) ?? row()).kind);
  const count = (...wanted: string[]): number => kinds.filter((kind) => wanted.includes(kind)).length;
  const tokens = (rows: Map<string, ResultView>): number =>
    both.reduce((sum, id) => sum + (rows.get(id)?.usage?.inputTokens ?? 0), 0);
  return {
    both: both.length,
    only_in_a: first.size - both.length,
    only_in_b: second.size - both.length,
    same: count('same', 'layout'),
    answer_changed: count('answer'),
    outcome_changed: count('outcome'),
    layout_changed: count('layout'),
    duplicatesInA: a.length - first.size,
    duplicatesInB: b.length - second.size,
    a: expect.objectContaining({ input_tokens: tokens(first) }),
    b: expect.objectContaining({ input_tokens: tokens(second) }),
  };
}

async function diffOf(a: readonly ResultView[], b: readonly ResultView[], count: number): Promise<DiffResult> {
  const files = createMemoryFiles().files();
  const sides = [new Buckets(files, 'a', count), new Buckets(files, 'b', count)] as const;
  for (const [at, rows] of [a, b].entries()) {
    const side = sides[at === 0 ? 0 : 1];
    for (const [line, one] of rows.entries()) {
      await side.add(one, line + 1);
      if (line % 7 === 3) await side.flush();
    }
    await side.close();
  }
  return diffBuckets({ a: sides[0], b: sides[1], count, signal: new AbortController().signal });
}

function someRows(rng: Rng, ids: readonly string[]): ResultView[] {
  const texts = ['x', 'ü\n"', '{"a":1,"b":2}', '{"b":2,"a":1}', '{"a":2,"b":2}', '[1]'];
  return ids.map((id) =>
    chance(rng, 0.15)
      ? row({ id, outcome: 'failed', errorType: pick(rng, ['api_error', 'e']), text: null, usage: null, costUsd: 0 })
      : row({ id, text: pick(rng, texts), usage: { ...NO_USAGE, inputTokens: integerBetween(rng, 0, 9) } }),
  );
}

test.each(Array.from({ length: 60 }, (_, seed) => seed))('is what a map of everything says (seed %i)', async (seed) => {
  const rng = seededRng(`diff ${seed}`);
  const ids = Array.from({ length: integerBetween(rng, 0, 60) }, (_, at) => `${pick(rng, ['id', 'ü', '😀'])}-${at}`);
  const some = (): string[] => {
    const kept = ids.filter(() => chance(rng, 0.8));
    return shuffled(rng, [...kept, ...kept.filter(() => chance(rng, 0.1))]);
  };
  const [a, b] = [someRows(rng, some()), someRows(rng, some())];
  const result = await diffOf(a, b, integerBetween(rng, 1, 9));
  expect(result).toMatchObject(naive(a, b));
  const orders = result.differences.flatMap(({ line_a: line }) => line ?? []);
  expect(orders).toEqual([...orders].sort((one, other) => one - other));
  expect(result.differences.length).toBe(
    Math.min(20, result.only_in_a + result.only_in_b + result.answer_changed + result.outcome_changed),
  );
});

test('the differences that are shown are the first ones of the first file', async () => {
  const ids = Array.from({ length: 300 }, (_, at) => `id-${at}`);
  const a = ids.map((id) => row({ id, text: 'old' }));
  const b = [...ids.slice(5).reverse(), 'new'].map((id) => row({ id, text: 'new' }));
  const { differences } = await diffOf(a, b, 13);
  expect(differences.map(({ id }) => id)).toEqual(ids.slice(0, 20));
  expect(differences.map(({ kind }) => kind)).toEqual([
    ...Array<string>(5).fill('only_in_a'),
    ...Array<string>(15).fill('answer'),
  ]);
});

test('buckets are as many as the files need', () => {
  expect(bucketCount(0, false)).toBe(1);
  expect(bucketCount(16_000_000, false)).toBe(1);
  expect(bucketCount(16_000_001, false)).toBe(2);
  expect(bucketCount(16_000_000, true)).toBe(8);
  expect(bucketCount(1e15, false)).toBe(BUCKETS_MAX);
  expect(bucketCount(null, false)).toBeGreaterThan(1);
});
