/** Fields of answers as columns, by the schema; whatever schemas and answers are made of. */
import { describe, expect, test } from 'vitest';
import { chance, integerBetween, pick, seededRng, type Rng } from '../../../../src/base/random.ts';
import { answerColumns, answerValues, COLUMN_DEPTH_MAX } from '../../../../src/domain/schema/answer-columns.ts';

type Json = Record<string, unknown>;
const text = { type: 'string' };
const object = (properties: Json, more: Json = {}): Json => ({ type: 'object', properties, ...more });
const names = (schema: Json): string[] => answerColumns(schema).map(({ name }) => name);

describe('columns', () => {
  test('are the properties in their order, those of objects dotted down to three levels', () => {
    const deep = object({
      a: object({ b: object({ c: object({ d: text }) }), e: text }),
      z: text,
      list: { type: 'array' },
    });
    expect(names(deep)).toEqual(['a.b.c', 'a.e', 'z', 'list']);
    expect(Math.max(...answerColumns(deep).map(({ path }) => path.length))).toBe(COLUMN_DEPTH_MAX);
  });

  test('go through references, and through objects that may be null', () => {
    const city = object({ city: text });
    const maybe = { anyOf: [{ $ref: '#/$defs/city' }, { type: 'null' }] };
    const schema = object({
      home: { $ref: '#/$defs/city' },
      work: maybe,
      other: { ...city, type: ['object', 'null'] },
    });
    expect(names({ ...schema, $defs: { city } })).toEqual(['home.city', 'work.city', 'other.city']);
    expect(names({ $ref: '#/$defs/top', $defs: { top: schema, city } })).toHaveLength(3);
  });

  test('a choice between objects, and an object without named properties, is one column', () => {
    expect(names(object({ a: { anyOf: [object({ x: text }), object({ y: text })] }, b: { type: 'object' } }))).toEqual([
      'a',
      'b',
    ]);
  });

  test('a schema without properties has none, and one of thousands not all', () => {
    expect(names({ type: 'object' })).toEqual([]);
    const many = Object.fromEntries(Array.from({ length: 5_000 }, (_unused, at) => [`p${at}`, text]));
    expect(names(object(many))).toHaveLength(1_000);
  });
});

describe('values', () => {
  const columns = answerColumns(object({ a: object({ b: text }), list: { type: 'array' }, n: text }));

  test.each<[string, unknown, unknown[]]>([
    ['an answer', '{"a":{"b":"x"},"list":[1,{"y":2}],"n":0}', ['x', [1, { y: 2 }], 0]],
    ['a part of it', ' {"a":null,"n":false}', [null, null, false]],
    ['another shape', '{"a":[1],"list":{"b":1},"n":{}}', [null, { b: 1 }, {}]],
    ['no JSON', '{"a":', [null, null, null]],
    ['prose', 'I cannot say', [null, null, null]],
    ['a list', '[1]', [null, null, null]],
    ['nothing', null, [null, null, null]],
  ])('of %s', (_what, answer, values) => {
    expect(answerValues(columns, answer)).toEqual(values);
  });

  test('what an object inherits is not what it says', () => {
    const inherited = answerColumns(object({ constructor: text, toString: text, __proto__: text }));
    expect(answerValues(inherited, '{}')).toEqual(inherited.map(() => null));
  });

  test('every column of a schema holds the value at its path', () => {
    const rng = seededRng('answer-columns');
    for (let nth = 0; nth < 3_000; nth++) {
      const { schema, value } = drawn(rng, 0);
      const drawnColumns = answerColumns(schema);
      const values = answerValues(drawnColumns, JSON.stringify(value));
      const expected = drawnColumns.map(({ path }) =>
        path.reduce<unknown>((at, name) => (at as Json | null)?.[name], value),
      );
      expect(values).toEqual(expected.map((one) => one ?? null));
      // Put together again they are the answer: nothing is missing in the table.
      expect(rebuilt(drawnColumns, values)).toEqual(value);
    }
  });
});

function rebuilt(columns: ReturnType<typeof answerColumns>, values: readonly unknown[]): Json {
  const whole: Json = {};
  for (const [at, { path }] of columns.entries()) {
    let place = whole;
    for (const name of path.slice(0, -1)) place = (place[name] ??= {}) as Json;
    place[path.at(-1) ?? ''] = values[at];
  }
  return whole;
}

/** An object schema with at least one property, and an answer that follows it. */
function drawn(rng: Rng, depth: number): { schema: Json; value: Json } {
  const properties: Json = {};
  const value: Json = {};
  for (let nth = integerBetween(rng, 1, 4); nth > 0; nth--) {
    const name = `${pick(rng, ['a', 'é', 'x y', 'n.m', '1', '/'])}${nth}`;
    if (depth < 4 && chance(rng, 0.4)) {
      const below = drawn(rng, depth + 1);
      properties[name] = below.schema;
      value[name] = below.value;
    } else {
      properties[name] = pick(rng, [text, { type: 'array' }, { type: 'number' }]);
      value[name] = pick(rng, ['t', 1, 0, false, null, [1, { z: [] }], '']);
    }
  }
  return { schema: object(properties), value };
}
