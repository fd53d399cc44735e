/** What is asked for is what the SDK's helper makes of a schema, and no structure is lost where that loses one. */
import { transformJSONSchema } from '@anthropic-ai/sdk/lib/transform-json-schema';
import { describe, expect, test } from 'vitest';
import { chance, integerBetween, pick, seededRng, type Rng } from '../../../../src/base/random.ts';
import { outputFormat, requestSchema } from '../../../../src/domain/schema/request-schema.ts';
import { checkSchema as judged } from '../../../../src/tools/sim/validate-schema.ts';

type Json = Record<string, unknown>;

const SAME: readonly (readonly [string, Json])[] = [
  ['an object', { type: 'object', properties: { a: { type: 'string' } }, required: ['a'] }],
  ['no properties', { type: 'object' }],
  ['open objects', { type: 'object', properties: { a: { type: 'number' } }, additionalProperties: true }],
  [
    'bounds',
    {
      type: 'object',
      description: 'all',
      properties: {
        n: { type: 'integer', minimum: 1, maximum: 5, description: 'a number' },
        s: { type: 'string', minLength: 2, pattern: '^a', format: 'date' },
        t: { type: 'string', format: 'regex' },
        l: { type: 'array', items: { type: 'number', multipleOf: 2 }, minItems: 1, maxItems: 3 },
        m: { type: 'array', minItems: 2 },
      },
    },
  ],
  ['choices', { anyOf: [{ type: 'string' }, { type: 'null' }], title: 'one' }],
  ['oneOf', { oneOf: [{ type: 'string', minLength: 1 }, { type: 'number' }] }],
  ['allOf', { allOf: [{ type: 'object', properties: { a: { type: 'string' } } }, { type: 'object' }] }],
  ['literals', { type: 'string', enum: ['a', 'b'], description: 'x', default: 'a' }],
  ['a constant', { const: null }],
  ['an enum of objects', { type: 'object', enum: [{ a: 1 }] }],
  ['a reference', { $ref: '#/$defs/a', description: 'dropped', $defs: { a: { type: 'object', properties: {} } } }],
  ['conditions', { type: 'object', properties: { a: { type: 'string' } }, if: { required: ['a'] }, not: { const: 1 } }],
];

describe('as the helper of the SDK', () => {
  test.each(SAME)('%s', (_what, schema) => {
    const before = JSON.stringify(schema);
    expect(requestSchema(schema)).toEqual(transformJSONSchema(schema as never));
    expect(JSON.stringify(schema)).toBe(before);
  });

  test('whatever schemas are made of, the order of words too', () => {
    const rng = seededRng('request-schema');
    for (let nth = 0; nth < 2_000; nth++) {
      const schema = drawn(rng, 0);
      expect(JSON.stringify(requestSchema(schema))).toBe(JSON.stringify(transformJSONSchema(schema as never)));
      expect(judged(requestSchema(schema), 'schema')).toBeUndefined();
    }
  });
});

describe('beyond it', () => {
  test('definitions of older drafts stay definitions', () => {
    const point = { type: 'object', properties: { x: { type: 'number', minimum: 0 } }, required: ['x'] };
    const schema = { type: 'object', properties: { at: { $ref: '#/definitions/point' } }, definitions: { point } };
    expect(requestSchema(schema)).toEqual({
      definitions: {
        point: {
          type: 'object',
          properties: { x: { type: 'number', description: '{minimum: 0}' } },
          additionalProperties: false,
          required: ['x'],
        },
      },
      type: 'object',
      properties: { at: { $ref: '#/definitions/point' } },
      additionalProperties: false,
    });
  });

  test('an object that may be null keeps its properties, and is closed', () => {
    expect(requestSchema({ type: ['object', 'null'], properties: { a: { type: 'string' } } })).toEqual({
      type: ['object', 'null'],
      properties: { a: { type: 'string' } },
      additionalProperties: false,
    });
  });

  test('an allOf of one reference is that reference', () => {
    const schema = { allOf: [{ $ref: '#/$defs/a' }], description: 'x', $defs: { a: { type: 'string' } } };
    expect(requestSchema(schema)).toEqual({ $defs: { a: { type: 'string' } }, $ref: '#/$defs/a' });
  });

  test('words that say nothing to a model are left out', () => {
    const schema = { $schema: 'x', $id: 'y', $comment: 'z', type: 'object', properties: {}, deprecated: true };
    expect(outputFormat(schema)).toEqual({
      type: 'json_schema',
      schema: { type: 'object', properties: {}, additionalProperties: false },
    });
  });
});

/** Only of what both treat alike. */
function drawn(rng: Rng, depth: number): Json {
  const kind = depth > 3 ? pick(rng, ['string', 'number', 'enum']) : pick(rng, KINDS);
  const notes = chance(rng, 0.3) ? { description: 'said', title: 'T' } : {};
  switch (kind) {
    case 'object': {
      const names = ['a', 'b', 'c', 'd'].slice(0, integerBetween(rng, 0, 4));
      const properties = Object.fromEntries(names.map((name) => [name, drawn(rng, depth + 1)]));
      const required = names.filter(() => chance(rng, 0.6));
      return { ...notes, properties, type: 'object', ...(chance(rng, 0.7) ? { required } : {}), ...bounds(rng) };
    }
    case 'array':
      return { type: 'array', items: drawn(rng, depth + 1), minItems: integerBetween(rng, 0, 3), ...notes };
    case 'string':
      return { ...bounds(rng), type: 'string', ...(chance(rng, 0.5) ? { format: pick(rng, FORMATS) } : {}) };
    case 'enum':
      return { ...notes, enum: ['a', 1, null, true].slice(0, integerBetween(rng, 1, 4)) };
    case 'anyOf':
      return { ...notes, [pick(rng, ['anyOf', 'oneOf'])]: [drawn(rng, depth + 1), { type: 'null' }] };
    default:
      return { type: 'number', ...bounds(rng), ...notes };
  }
}

const KINDS = ['object', 'object', 'object', 'array', 'string', 'number', 'enum', 'anyOf'] as const;
const FORMATS = ['date', 'email', 'uuid', 'regex', 'json-pointer'] as const;

function bounds(rng: Rng): Json {
  return chance(rng, 0.3) ? pick(rng, [{ minimum: 1 }, { maxLength: 3, pattern: 'x' }, { uniqueItems: true }]) : {};
}
