/**
 * The lines of row files: what goes in comes out, one line each, whatever is in the user's ids and columns.
 */
import { describe, expect, test } from 'vitest';
import {
  decodeInvalidEntry,
  decodeRowEntry,
  encodeInvalidEntry,
  encodeRowEntry,
  generatedId,
  type RowEntry,
} from '../../../src/domain/row-file.ts';

const NASTY = 'line\nfeed \r\t"quote" \\ \u0000 \u2028 é 😀 \ud800';

const ENTRIES: readonly RowEntry[] = [
  { id: 'a', line: 1 },
  { id: '', line: 2, columns: {} },
  { id: NASTY, line: 3, columns: { [NASTY]: NASTY } },
  { id: 'b', line: 4, file: 3, columns: { text: 'x', number: 1.5, none: null, nested: { list: [1, 'two'] } } },
  { id: '7', line: Number.MAX_SAFE_INTEGER, file: 1 },
];

describe('a row entry', () => {
  test.each(ENTRIES.map((entry, at) => [at, entry] as const))('%d comes back as it was, on one line', (_at, entry) => {
    const text = encodeRowEntry(entry);
    expect(text.endsWith('\n')).toBe(true);
    expect(text.indexOf('\n')).toBe(text.length - 1);
    expect(decodeRowEntry(text)).toEqual(entry);
    expect(decodeRowEntry(text.trimEnd())).toEqual(entry);
  });

  test('leaves out what is absent: the first file and no columns', () => {
    expect(encodeRowEntry({ id: 'a', line: 1, file: 0 })).toBe('{"id":"a","line":1}\n');
    expect(encodeRowEntry({ id: 'a', line: 1, file: 2, columns: { b: 1 } })).toBe(
      '{"id":"a","line":1,"file":2,"columns":{"b":1}}\n',
    );
  });

  test('keeps the order of the columns', () => {
    const columns = { z: 1, a: 2, m: 3 };
    expect(Object.keys(decodeRowEntry(encodeRowEntry({ id: 'x', line: 1, columns })).columns ?? {})).toEqual([
      'z',
      'a',
      'm',
    ]);
  });
});

test('an invalid entry keeps its problems and what could be made of its params', () => {
  const entry = {
    id: NASTY,
    line: 9,
    seq: 8,
    problems: [{ code: 'json', message: NASTY }],
    params: { model: 'm' },
    columns: { a: 1 },
  };
  const text = encodeInvalidEntry(entry);
  expect(text.indexOf('\n')).toBe(text.length - 1);
  expect(decodeInvalidEntry(text)).toEqual(entry);
});

test('a row without an id gets its line, and with several inputs the input as well', () => {
  expect([generatedId(0, 12, 1), generatedId(0, 12, 2), generatedId(2, 1, 3)]).toEqual(['12', '1:12', '3:1']);
});
