/** Rows against rules: every test on every kind of value, groups, order, and what is asked for only when needed. */
import { describe, expect, it } from 'vitest';
import { explainRoutes } from '../../../../src/domain/routing/explain-rules.ts';
import { readRoutes } from '../../../../src/domain/routing/read-rules.ts';
import { compileRoutes, type RoutedRow } from '../../../../src/domain/routing/router.ts';

type Json = Record<string, unknown>;

function row(record: Json, more: Partial<RoutedRow> = {}): RoutedRow {
  return { record, own: undefined, tokens: () => 0, ...more };
}

function holds(condition: unknown, value: RoutedRow): boolean {
  const routes = readRoutes({ routes: [{ name: 'it', when: condition, use: {} }] }, 'r.yaml');
  const is = compileRoutes(routes)(value) !== null;
  // The explanation never says anything else.
  expect(explainRoutes(routes, value)[0]?.holds).toBe(is);
  return is;
}

describe('a test', () => {
  it.each<[Json, unknown, boolean]>([
    [{ equals: 'DE' }, 'DE', true],
    [{ equals: 'DE' }, 'de', false],
    [{ equals: 'DE', ignore_case: true }, 'de', true],
    [{ equals: 5 }, '5', true],
    [{ equals: 5 }, '5.0', true],
    [{ equals: 5 }, 5, true],
    [{ equals: '5' }, 5, true],
    [{ equals: '05' }, '5', false],
    [{ equals: true }, true, true],
    [{ equals: true }, 'true', true],
    [{ equals: '' }, '', true],
    [{ equals: '' }, undefined, false],
    [{ equals: 0 }, '', false],
    [{ in: ['a', 2] }, '2.0', true],
    [{ in: ['a', 2] }, 'b', false],
    [{ in: ['A'], ignore_case: true }, 'a', true],
    [{ contains: 'b' }, 'abc', true],
    [{ contains: 'B' }, 'abc', false],
    [{ contains: 'B', ignore_case: true }, 'abc', true],
    [{ contains: '"k":1' }, { k: 1 }, true],
    [{ matches: '^a.c$' }, 'abc', true],
    [{ matches: '^$' }, '', true],
    [{ matches: '^$' }, null, false],
    [{ matches: '7' }, 1_234_567, true],
    [{ longer_than: 2 }, 'abc', true],
    [{ longer_than: 3 }, 'abc', false],
    [{ longer_than: 1 }, [1, 2], true],
    [{ shorter_than: 4 }, 'abc', true],
    [{ shorter_than: 4 }, '', false],
    [{ shorter_than: 4 }, undefined, false],
    [{ above: 2 }, ' 2.5 ', true],
    [{ above: 2 }, '2', false],
    [{ at_least: 2 }, '2', true],
    [{ below: 2 }, '-1e3', true],
    [{ below: 2 }, '1 apple', false],
    [{ below: 2 }, '', false],
    [{ at_most: 2 }, 2, true],
    [{ at_most: 2 }, true, false],
    [{ above: 1, below: 3 }, 2, true],
    [{ above: 1, below: 3 }, 3, false],
    [{ exists: true }, 'x', true],
    [{ exists: true }, 0, true],
    [{ exists: true }, '', false],
    [{ exists: false }, null, true],
    [{ exists: false }, undefined, true],
    [{ exists: false }, 'x', false],
  ])('%j of %j: %s', (test, value, is) => {
    expect(holds({ column: 'x', ...test }, row(value === undefined ? {} : { x: value }))).toBe(is);
  });
});

describe('a subject', () => {
  it('reaches into a record by its path, a column of exactly that name first', () => {
    expect(holds({ column: 'user.plan', equals: 'gold' }, row({ user: { plan: 'gold' } }))).toBe(true);
    expect(holds({ column: 'user.plan', equals: 'gold' }, row({ 'user.plan': 'gold', user: { plan: 'x' } }))).toBe(
      true,
    );
    expect(holds({ column: 'tags.1', equals: 'b' }, row({ tags: ['a', 'b'] }))).toBe(true);
    expect(holds({ column: 'tags.length', exists: true }, row({ tags: ['a'] }))).toBe(false);
    expect(holds({ column: 'constructor', exists: true }, row({}))).toBe(false);
    expect(holds({ column: 'a.__proto__', exists: true }, row({ a: {} }))).toBe(false);
  });

  it('that is a field is what the row brings itself, and nothing in plain data', () => {
    const own = { model: 'claude-opus-5', messages: [{ role: 'user', content: 'hi' }] };
    expect(holds({ field: 'model', matches: '^claude-opus' }, row({ model: 'x' }, { own }))).toBe(true);
    expect(holds({ field: 'messages.0.content', equals: 'hi' }, row({}, { own }))).toBe(true);
    expect(holds({ field: 'model', exists: true }, row({ model: 'x' }))).toBe(false);
  });

  it('that is tokens is asked for only when no rule before it has settled the row', () => {
    let asked = 0;
    const routes = readRoutes(
      {
        routes: [
          { name: 'a', when: { column: 'x', equals: 1 }, use: {} },
          {
            name: 'b',
            when: {
              all: [
                { column: 'x', equals: 2 },
                { estimate: 'tokens', above: 10 },
              ],
            },
            use: {},
          },
        ],
      },
      'r.yaml',
    );
    const choose = compileRoutes(routes);
    const of = (x: number): string | undefined => choose(row({ x }, { tokens: () => (asked++, 11) }))?.name;
    expect([of(1), of(3), asked, of(2), asked]).toEqual(['a', undefined, 0, 'b', 1]);
  });
});

describe('groups', () => {
  const yes = { column: 'x', equals: 1 };
  const no = { column: 'x', equals: 2 };

  it.each([
    [{ all: [yes, yes] }, true],
    [{ all: [yes, no] }, false],
    [[yes, no], false],
    [[yes], true],
    [{ any: [no, yes] }, true],
    [{ any: [no, no] }, false],
    [{ not: no }, true],
    [{ not: { any: [no, yes] } }, false],
    [{ all: [{ any: [no, yes] }, { not: { all: [yes, no] } }] }, true],
  ])('%j: %s', (condition, is) => {
    expect(holds(condition, row({ x: 1 }))).toBe(is);
  });
});

describe('an explanation', () => {
  it('shows of a text its first characters, and of one that is measured only its length', () => {
    const routes = readRoutes(
      {
        routes: [
          {
            name: 'a',
            when: [
              { column: 't', contains: 'zz' },
              { column: 't', longer_than: 9 },
            ],
            use: {},
          },
          { name: 'b', use: {} },
        ],
      },
      'r.yaml',
    );
    const [first, second] = explainRoutes(routes, row({ t: '0123456789012345678😀secret' }));
    expect(first?.why?.of.map(({ value }) => value)).toEqual([
      '"0123456789012345678😀"… (27 characters)',
      '27 characters',
    ]);
    expect(second).toMatchObject({ holds: true, why: null });
  });
});
