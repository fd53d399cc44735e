/** The text of params is the engine's own, whatever is in them. */
import { expect, test } from 'vitest';
import { chance, integerBetween, pick, seededRng, type Rng } from '../../../../src/base/random.ts';
import { stringifyParams } from '../../../../src/domain/row/params-json.ts';

const TEXTS = [
  '',
  'plain',
  'a "quote"',
  'back\\slash',
  'line\nfeed',
  '\u0000\u001f\u007f',
  'ünïcödé',
  '😀',
  '\u2028\u2029',
];
const LONE = ['\ud800', 'x\udc00y', '\ud83d'];
const NUMBERS = [0, -0, 1, -1.5, 1e21, 1e-7, 2 ** 53, 0.1 + 0.2, Infinity, -Infinity];
const KEYS = ['model', 'messages', '__proto__', 'toJSON', 'constructor', '1', '0', 'a b', 'q"', '', 'é'];

function value(rng: Rng, depth: number): unknown {
  const kind = integerBetween(rng, 0, depth > 4 ? 4 : 6);
  if (kind === 0) return pick(rng, [null, true, false]);
  if (kind === 1) return pick(rng, NUMBERS);
  if (kind <= 4) return pick(rng, chance(rng, 0.2) ? LONE : TEXTS);
  const count = integerBetween(rng, 0, 4);
  if (kind === 5) return Array.from({ length: count }, () => value(rng, depth + 1));
  const entries = Array.from({ length: count }, () => [pick(rng, KEYS), value(rng, depth + 1)] as const);
  // As JSON.parse makes it: `__proto__` is a key like any other.
  return JSON.parse(`{${entries.map(([key, one]) => `${JSON.stringify(key)}:${JSON.stringify(one)}`).join(',')}}`);
}

test('20,000 values of every kind', () => {
  const rng = seededRng('params-json');
  for (let nth = 0; nth < 20_000; nth++) {
    const one = value(rng, 0);
    expect(stringifyParams(one)).toBe(JSON.stringify(one));
  }
});

test('every character by itself', () => {
  for (let code = 0; code < 0x10000; code++) {
    const text = String.fromCharCode(code);
    if (stringifyParams(text) !== JSON.stringify(text)) expect.fail(`U+${code.toString(16)}`);
  }
});

test('what is not JSON is left out of objects and null in lists', () => {
  for (const one of [{ a: undefined, b: 1 }, { a: undefined }, [undefined, 1], [NaN], { a: { b: undefined } }]) {
    expect(stringifyParams(one)).toBe(JSON.stringify(one));
  }
});
