/** Answers to requests with a schema: one that it allows, and as often as the rate says one that it does not. */
import { Ajv2020 } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import { describe, expect, test } from 'vitest';
import { seededRng } from '../../../../src/base/random.ts';
import { deviantText, schemaValue } from '../../../../src/tools/sim/schema-value.ts';
import { bench, HOUR_MS, idOf, paramsOf, textOf } from './helpers.ts';

const SCHEMA = {
  type: 'object',
  properties: {
    label: { enum: ['a', 'b'] },
    when: { type: 'string', format: 'date-time' },
    mail: { type: 'string', format: 'email' },
    key: { type: 'string', format: 'uuid' },
    maybe: { anyOf: [{ $ref: '#/$defs/place' }, { type: 'null' }] },
    list: { type: 'array', items: { type: 'integer' } },
  },
  required: ['label', 'when', 'mail', 'key', 'maybe', 'list'],
  additionalProperties: false,
  $defs: { place: { type: 'object', properties: { city: { type: 'string' } }, additionalProperties: false } },
};

const ajv = new Ajv2020();
formats.default(ajv);
const follows = ajv.compile(SCHEMA);
const hash = (nth: number): string => nth.toString(16).padStart(2, '0').repeat(8);

function isFollowed(text: string): boolean {
  try {
    return follows(JSON.parse(text));
  } catch {
    return false;
  }
}

test('a value follows its schema, whatever the row', () => {
  for (let nth = 0; nth < 256; nth++) expect(follows(schemaValue(SCHEMA, hash(nth)))).toBe(true);
});

test('a deviant text never does, and comes in more than one way', () => {
  const rng = seededRng('deviants');
  const texts = Array.from({ length: 400 }, (_unused, nth) => deviantText(SCHEMA, hash(nth % 256), rng));
  expect(texts.filter(isFollowed)).toEqual([]);
  const kinds = texts.map((text) => (text.startsWith('I ') ? 'prose' : text.endsWith('}') ? 'value' : 'half'));
  expect(new Set(kinds).size).toBe(3);
});

describe('the rate', () => {
  const asked = paramsOf('x', { output_config: { format: { type: 'json_schema', schema: SCHEMA } } });

  test('says how many answers deviate in a batch, and the ledger knows which', async () => {
    const { create, clock, results, world } = bench({ rates: { schemaErrorRate: 0.5 } });
    const requests = Array.from({ length: 200 }, (_unused, nth) => ({
      custom_id: `r${nth}`,
      params: nth < 100 ? asked : paramsOf('x'),
    }));
    const id = idOf(await create(requests));
    clock.advance(HOUR_MS);
    const texts = new Map((await results(id)).map((line) => [line['custom_id'], textOf(line)]));
    const rows = [...(world.ledger.batches[0]?.rows() ?? [])];
    const deviating = rows.filter((row) => row.deviates).map((row) => row.customId);
    expect(deviating.length).toBeGreaterThan(25);
    expect(deviating.length).toBeLessThan(75);
    for (const { customId, deviates } of rows.slice(0, 100))
      expect(isFollowed(texts.get(customId) ?? '')).toBe(!deviates);
  });

  test('holds for messages too, each time anew', async () => {
    const { call, world } = bench({ rates: { schemaErrorRate: 0.5 } });
    for (let nth = 0; nth < 40; nth++) {
      const { json } = await call('POST', '/v1/messages', asked);
      const [block] = json['content'] as readonly { readonly text: string }[];
      expect(isFollowed(block?.text ?? '')).toBe(world.ledger.messages.at(-1)?.deviates === false);
    }
    expect(new Set(world.ledger.messages.map((message) => message.deviates)).size).toBe(2);
  });
});
