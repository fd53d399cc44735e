/** The checker behind the port: what deviates and where, in names of the schema alone. */
import { describe, expect, test } from 'vitest';
import { compileSchema } from '../../../../src/adapters/schema/compile.ts';
import { isBatchrunError } from '../../../../src/base/errors.ts';

type Json = Record<string, unknown>;
const compile = (schema: Json) => compileSchema({ file: 'answer.json', schema });

const SCHEMA = {
  type: 'object',
  properties: {
    label: { enum: ['a', 'b'] },
    score: { type: 'number', minimum: 0 },
    items: {
      type: 'array',
      items: { type: 'object', properties: { 'unit/price': { type: 'number' } }, required: ['unit/price'] },
    },
    when: { type: 'string', format: 'date' },
    either: { anyOf: [{ type: 'string' }, { type: 'null' }] },
    map: { type: 'object', additionalProperties: { type: 'number' } },
  },
  required: ['label'],
  additionalProperties: false,
};

describe('an answer', () => {
  test.each<[unknown, string, string]>([
    [{}, 'required', '/label'],
    [{ label: 'c' }, 'enum', '/label'],
    [{ label: 'a', score: -1 }, 'minimum', '/score'],
    [{ label: 'a', score: 'high' }, 'type', '/score'],
    [{ label: 'a', items: [{ 'unit/price': 1 }, { 'unit/price': 'x' }] }, 'type', '/items/1/unit~1price'],
    [{ label: 'a', items: [{}] }, 'required', '/items/0/unit~1price'],
    [{ label: 'a', when: 'tomorrow' }, 'format', '/when'],
    [{ label: 'a', either: 3 }, 'anyOf', '/either'],
    [{ label: 'a', secret: 1 }, 'additionalProperties', ''],
    [[], 'type', ''],
  ])('%j: %s at %s', async (value, keyword, path) => {
    expect((await compile(SCHEMA))(value)).toEqual({ keyword, path });
  });

  test('that follows it has nothing to say, again and again', async () => {
    const check = await compile(SCHEMA);
    expect(check({ label: 'c' })).not.toBeNull();
    for (let nth = 0; nth < 3; nth++)
      expect(check({ label: 'a', score: 1, when: '2026-11-20', either: null })).toBeNull();
  });

  test('its own keys are not told', async () => {
    const check = await compile(SCHEMA);
    expect(check({ label: 'a', map: { 'the patient’s name': 'x' } })).toEqual({ keyword: 'type', path: '/map/?' });
    expect(check({ label: 'a', map: { 4111111111111111: 'x' } })).toEqual({ keyword: 'type', path: '/map/?' });
  });
});

describe('a schema', () => {
  test.each([
    ['http://json-schema.org/draft-06/schema#', { items: [{ type: 'string' }] }],
    [
      'http://json-schema.org/draft-07/schema#',
      { items: [{ type: 'string' }], definitions: { a: { type: 'string' } } },
    ],
    ['https://json-schema.org/draft/2019-09/schema', { unevaluatedProperties: false }],
    ['https://json-schema.org/draft/2020-12/schema', { prefixItems: [{ type: 'string' }] }],
    [undefined, { $defs: { a: { type: 'string' } }, examples: [1], 'x-mine': { deep: 1 }, markdownDescription: 'x' }],
  ])('of the draft %s', async ($schema, more) => {
    const check = await compile({ ...($schema === undefined ? {} : { $schema }), type: 'object', ...more });
    expect(check({})).toBeNull();
    expect(check(1)).toEqual({ keyword: 'type', path: '' });
  });

  test.each<[string, Json, RegExp]>([
    ['a bound that is no number', { type: 'object', properties: { a: { minimum: 'x' } } }, /#\/properties\/a\/minimum/],
    ['a type that does not exist', { type: 'objekt' }, /#\/type/],
    ['a format that nobody knows', { type: 'object', properties: { a: { type: 'string', format: 'foo' } } }, /"foo"/],
    [
      'a pattern that is none',
      { type: 'object', properties: { a: { type: 'string', pattern: '(' } } },
      /pattern|Invalid/,
    ],
    ['an unknown word', { type: 'object', maxLenght: 1 }, /maxLenght/],
    ['a draft that nobody knows', { $schema: 'https://example.com/own', type: 'object' }, /#\/\$schema/],
  ])('with %s is refused', async (_what, schema, said) => {
    const error = await compile(schema).then(
      () => null,
      (failure: unknown) => failure,
    );
    expect(isBatchrunError(error, 'E_SCHEMA')).toBe(true);
    expect((error as Error).message).toMatch(said);
    expect((error as Error).message).toMatch(/answer\.json/);
  });
});
