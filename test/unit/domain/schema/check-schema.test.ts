/** Schemas that the API does not take are refused with their place; what may go wrong is said. */
import { describe, expect, test } from 'vitest';
import { checkSchema, OPTIONAL_PROPERTIES_MAX, UNIONS_MAX } from '../../../../src/domain/schema/check-schema.ts';

type Json = Record<string, unknown>;

const text = { type: 'string' };
const object = (properties: Json, more: Json = {}): Json => ({ type: 'object', properties, ...more });

const REFUSED: readonly (readonly [string, Json, string])[] = [
  ['a list at the top', { type: 'array', items: text }, '#: "type" must be "object"'],
  ['a choice at the top', { anyOf: [object({})] }, '#: "type" must be "object"'],
  ['nothing at all', {}, '#: "type" must be "object"'],
  ['a property without type', object({ a: { description: 'x' } }), '#/properties/a: needs a "type"'],
  ['a property that is true', object({ a: true }), '#/properties/a: must be an object with a type'],
  ['an enum of objects', object({ a: { enum: [{}] } }), '#/properties/a: needs a "type"'],
  ['a misspelt word', object({ a: { ...text, maxLenght: 3 } }), 'did you mean maxLength?'],
  ['a word of others', object({ a: { ...text, nullable: true } }), '"nullable" is no word of JSON Schema'],
  ['another file', object({ a: { $ref: 'other.json#/a' } }), '#/properties/a/$ref: must name a part of this file'],
  ['a reference to nowhere', object({ a: { $ref: '#/$defs/a' } }), '"#/$defs/a" is not in this file'],
  ['a schema of itself', object({ a: { $ref: '#' } }), 'leads back to itself'],
  [
    'a list of itself',
    object(
      { a: { $ref: '#/$defs/n' } },
      { $defs: { n: object({ of: { type: 'array', items: { $ref: '#/$defs/n' } } }) } },
    ),
    'the API takes no recursive schemas',
  ],
  [
    'two of each other, not used',
    object({}, { $defs: { a: object({ b: { $ref: '#/$defs/b' } }), b: object({ a: { $ref: '#/$defs/a' } }) } }),
    'leads back to itself',
  ],
  ['a dynamic reference', object({ a: { ...text, $dynamicRef: '#x' } }), 'no recursive schemas'],
  ['any keys', object({ a: { type: 'object', additionalProperties: text } }), 'an object of any keys'],
  ['keys by pattern', object({ a: { type: 'object', patternProperties: { '^x': text } } }), 'an object of any keys'],
  ['a required name that is none', object({ a: text }, { required: ['b'] }), '#/required: "b" is not among'],
  [
    'what is deep in a list',
    object({ a: { type: 'array', items: object({ b: {} }) } }),
    '#/properties/a/items/properties/b',
  ],
  ['what is in a choice', object({ a: { anyOf: [text, {}] } }), '#/properties/a/anyOf/1: needs'],
];

describe('refused', () => {
  test.each(REFUSED)('%s', (_what, schema, said) => {
    expect(checkSchema(schema).problems.join('\n')).toContain(said);
  });

  test('of many problems the first five', () => {
    const names = Array.from({ length: 50 }, (_unused, at) => [`p${at}`, {}]);
    expect(checkSchema(object(Object.fromEntries(names) as Json)).problems).toHaveLength(5);
  });

  test('nesting without end is a problem and not the end of the stack', () => {
    let deep: Json = text;
    for (let level = 0; level < 5_000; level++) deep = { type: 'array', items: deep };
    expect(checkSchema(object({ deep })).problems.join()).toContain('levels deep');
  });
});

describe('taken', () => {
  test.each<[string, Json]>([
    ['an empty object', object({})],
    [
      'definitions that are used twice',
      object({ a: { $ref: '#/$defs/t' }, b: { $ref: '#/$defs/t' } }, { $defs: { t: text } }),
    ],
    ['a reference at the top', { $ref: '#/$defs/top', $defs: { top: object({ a: text }) } }],
    ['names with signs', object({ 'a/b': { $ref: '#/$defs/x~1y' } }, { $defs: { 'x/y': text } })],
    ['an object that may be null', object({ a: { type: ['object', 'null'], properties: { b: text } } })],
    ['words of their own', object({ a: { ...text, 'x-order': 3, examples: ['a'] } })],
    ['what only the checks look at', object({ a: text }, { not: { properties: { b: {} } }, if: {} })],
    ['const null', object({ a: { const: null } })],
  ])('%s', (_what, schema) => {
    expect(checkSchema(schema).problems).toEqual([]);
  });
});

describe('said', () => {
  test('what the API does not enforce, each word once', () => {
    const schema = object({
      a: { ...text, maxLength: 3, pattern: 'x' },
      b: { ...text, maxLength: 4, format: 'regex' },
    });
    expect(checkSchema({ ...schema, required: ['a', 'b'] }).notices).toEqual([
      'not enforced by the API, told to the model and checked here: format, maxLength, pattern',
    ]);
  });

  test('more optional properties and unions than the API is documented to take', () => {
    const many = (count: number, of: Json): Json =>
      Object.fromEntries(Array.from({ length: count }, (_unused, at) => [`p${at}`, { ...of }]));
    const optional = many(OPTIONAL_PROPERTIES_MAX, text);
    expect(checkSchema(object(optional)).notices).toEqual([]);
    expect(checkSchema(object({ ...optional, more: text })).notices.join()).toContain('25 optional properties');
    const unions = many(UNIONS_MAX, { type: ['string', 'null'] });
    const required = Object.keys(unions);
    expect(checkSchema(object(unions, { required })).notices).toEqual([]);
    const more = checkSchema(object({ ...unions, more: { anyOf: [text] } }, { required: [...required, 'more'] }));
    expect(more.notices.join()).toContain('17 unions');
  });

  test('allOf with references', () => {
    const schema = object({ a: { allOf: [{ $ref: '#/$defs/t' }, text] } }, { $defs: { t: text }, required: ['a'] });
    expect(checkSchema(schema).notices.join()).toContain('allOf with $ref (#/properties/a)');
  });
});
