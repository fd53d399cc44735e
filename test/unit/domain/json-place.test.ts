/** Where a text stops being JSON, and why. */
import { describe, expect, test } from 'vitest';
import { integerBetween, pick, seededRng } from '../../../src/base/random.ts';
import { jsonComplaint, jsonErrorPlace } from '../../../src/domain/json-place.ts';

const place = (text: string): string => {
  const { line, column } = jsonErrorPlace(text);
  return `${line}:${column}`;
};

test.each([
  ['', '1:1'],
  ['{', '1:2'],
  ['{"a":}', '1:6'],
  ['{"a" 1}', '1:6'],
  ['{"a":1,}', '1:8'],
  ['[1,\n2,\n]', '3:1'],
  ['{\n  "a": 1\n  "b": 2\n}', '3:3'],
  ["{'a': 1}", '1:2'],
  ['{"a": tru}', '1:7'],
  ['{"a": "x\ny"}', '1:9'],
  ['{"a": "\\x"}', '1:8'],
  ['{"a":1} x', '1:9'],
  ['[1 2]', '1:4'],
  ['{"a":[{"b":[}]}', '1:13'],
  ['01', '1:2'],
  ['// no', '1:1'],
])('%j stops at %s', (text, expected) => {
  expect(place(text)).toBe(expected);
});

describe('by chance', () => {
  test('what stands before the place can still become JSON, and with the character there it cannot', () => {
    const rng = seededRng('json-place');
    const whole = JSON.stringify({ a: [1, -2.5e3, 'x"\\\n', { b: null, c: true, d: [] }], e: {}, é: 'ü' }, null, 1);
    for (let nth = 0; nth < 2_000; nth++) {
      const at = integerBetween(rng, 0, whole.length - 1);
      const broken = `${whole.slice(0, at)}${pick(rng, ['', '}', ']', ',', ':', 'x', '"', '\u0001'])}${whole.slice(at + 1)}`;
      if (isJson(broken)) continue;
      const { line, column } = jsonErrorPlace(broken);
      const offset =
        broken
          .split('\n')
          .slice(0, line - 1)
          .join('\n').length +
        (line > 1 ? 1 : 0) +
        column -
        1;
      expect(offset).toBeLessThanOrEqual(broken.length);
      // It is never found before the change that broke it, less the word or number that it is in.
      expect(offset).toBeGreaterThanOrEqual(at - 8);
    }
  });

  test('depth is no matter', () => {
    expect(place('['.repeat(200_000))).toBe('1:200001');
  });
});

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

test('what the engine says is told with its place and without the text', () => {
  expect(jsonComplaint(new SyntaxError("Expected ',' or '}' after property value in JSON at position 18"))).toBe(
    "Expected ',' or '}' after property value at character 18",
  );
  expect(jsonComplaint(new SyntaxError('Unexpected token \'"\', "{"a" "b"}" is not valid JSON'))).toBe(
    "Unexpected token '\"'",
  );
  expect(jsonComplaint(new SyntaxError('"undefined" is not valid JSON'))).toBe('this is no JSON value');
});
