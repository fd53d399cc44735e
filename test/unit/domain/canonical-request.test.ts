/** When two requests are the same: by table, and by property over random shapes. */
import { describe, expect, test } from 'vitest';
import { chance, integerBetween, pick, seededRng, shuffled, type Rng } from '../../../src/base/random.ts';
import { canonicalParams, requestHash } from '../../../src/domain/canonical-request.ts';

type Json = Record<string, unknown>;

const BASE = { model: 'm', max_tokens: 5, messages: [{ role: 'user', content: 'hello' }] };
const MARK = { cache_control: { type: 'ephemeral' } };
const hash = (params: Json, betas: readonly string[] = []): string =>
  requestHash(JSON.stringify(params), betas).toString('hex');

describe('the same', () => {
  const block = { type: 'text', text: 'x' };
  test.each<[string, Json, Json]>([
    ['another order of keys', BASE, { messages: BASE.messages, max_tokens: 5, model: 'm' }],
    ['a mark on the params', BASE, { ...BASE, ...MARK }],
    ['a mark on the system prompt', { ...BASE, system: [block] }, { ...BASE, system: [{ ...block, ...MARK }] }],
    ['a mark on a tool', { ...BASE, tools: [{ name: 't' }] }, { ...BASE, tools: [{ name: 't', ...MARK }] }],
    [
      'a mark on a block of a message',
      { ...BASE, messages: [{ role: 'user', content: [block] }] },
      { ...BASE, messages: [{ role: 'user', content: [{ ...block, ...MARK }] }] },
    ],
    [
      'a mark on a block within a block',
      { ...BASE, messages: [{ role: 'user', content: [{ type: 'tool_result', content: [block] }] }] },
      { ...BASE, messages: [{ role: 'user', content: [{ type: 'tool_result', content: [{ ...block, ...MARK }] }] }] },
    ],
  ])('%s', (_name, one, other) => {
    expect(hash(one)).toBe(hash(other));
  });

  test('betas in another order', () => {
    expect(hash(BASE, ['a', 'b'])).toBe(hash(BASE, ['b', 'a']));
  });
});

describe('not the same', () => {
  test.each<[string, Json, readonly string[]]>([
    ['another letter', { ...BASE, messages: [{ role: 'user', content: 'Hello' }] }, []],
    ['white space', { ...BASE, messages: [{ role: 'user', content: 'hello ' }] }, []],
    ['another model', { ...BASE, model: 'n' }, []],
    ['more tokens', { ...BASE, max_tokens: 6 }, []],
    ['an order of messages', { ...BASE, messages: [...BASE.messages, ...BASE.messages] }, []],
    ['a beta', BASE, ['a']],
    ['a system prompt', { ...BASE, system: '' }, []],
    ['a null', { ...BASE, thinking: null }, []],
    [
      'a key of that name in what a tool takes',
      { ...BASE, tools: [{ name: 't', input_schema: { properties: { ...MARK } } }] },
      [],
    ],
  ])('%s', (_name, params, betas) => {
    expect(hash(params, betas)).not.toBe(hash(BASE));
  });

  test('a tool with another key of that name in its schema', () => {
    const tool = (type: string): Json => ({
      ...{ ...BASE, tools: [{ name: 't', input_schema: { properties: { cache_control: { type } } } }] },
    });
    expect(hash(tool('string'))).not.toBe(hash(tool('number')));
  });
});

function value(rng: Rng, depth: number): unknown {
  const kind = depth === 0 ? 0 : integerBetween(rng, 0, 4);
  if (kind <= 2) return pick(rng, ['', 'ü"\\\n', 0, -1.5, 1e21, true, null, '\u2028', 'text']);
  if (kind === 3) return Array.from({ length: integerBetween(rng, 0, 3) }, () => value(rng, depth - 1));
  return Object.fromEntries(
    Array.from({ length: integerBetween(rng, 0, 4) }, () => [
      pick(rng, ['a', 'b', '10', '9', 'é', 'z']),
      value(rng, depth - 1),
    ]),
  );
}

function turned(rng: Rng, one: unknown): unknown {
  if (typeof one !== 'object' || one === null) return one;
  if (Array.isArray(one)) return one.map((item) => turned(rng, item));
  return Object.fromEntries(shuffled(rng, Object.entries(one)).map(([key, item]) => [key, turned(rng, item)]));
}

test('the canonical text says the same, and the order of keys never matters', () => {
  const rng = seededRng('canonical');
  for (let nth = 0; nth < 500; nth++) {
    const params = { x: value(rng, 4), y: value(rng, 3) };
    expect(JSON.parse(canonicalParams(params))).toEqual(params);
    expect(canonicalParams(turned(rng, params) as Json)).toBe(canonicalParams(params));
    if (chance(rng, 0.5)) expect(hash({ ...params, z: 1 })).not.toBe(hash(params));
  }
});
