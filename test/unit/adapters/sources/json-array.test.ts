/** JSON arrays: one element at a time, with its line, and nothing after a broken place is lost in silence. */
import { describe, expect, it } from 'vitest';
import { readJsonArray } from '../../../../src/adapters/sources/json-array.ts';
import { integerBetween, seededRng } from '../../../../src/base/random.ts';
import type { Rng } from '../../../../src/base/random.ts';
import { collect, outline, pieces, readAll, tempFile } from './support.ts';

interface Of {
  readonly wrapped?: boolean;
  readonly max?: number;
}

async function read(text: string | Buffer, size: number, of: Of = {}): Promise<string[]> {
  const bytes = typeof text === 'string' ? Buffer.from(text) : text;
  const options = { file: 0, recordBytesMax: of.max ?? 10_000, name: 'rows.json', wrapped: of.wrapped ?? false };
  return outline(await collect(readJsonArray(pieces(bytes, size), options)));
}

async function expectElements(text: string | Buffer, wanted: readonly string[], of: Of = {}): Promise<void> {
  for (const size of [1, 2, 3, 7, 64, 100_000]) expect(await read(text, size, of)).toEqual(wanted);
}

describe('elements', () => {
  it('come with the line on which they begin', async () => {
    await expectElements('[{"a":1},{"a":"é😀"},\n  {\n    "a": [1, {"b": null}]\n  }\n, {"a":-1.5e3}]\n', [
      '1 {"a":1}',
      '1 {"a":"é😀"}',
      '2 {"a":[1,{"b":null}]}',
      '5 {"a":-1500}',
    ]);
  });

  it('may be anything that JSON has', async () => {
    await expectElements('[ "x", 1, true, null, [], {} ]', ['1 "x"', '1 1', '1 true', '1 null', '1 []', '1 {}']);
  });

  it('are none in an empty array', async () => {
    await expectElements(' [ ] \n', []);
  });

  it('are found in the body of an API request', async () => {
    await expectElements(
      '{"requests":[\n{"custom_id":"a"},\n{"custom_id":"b"}]}\n',
      ['2 {"custom_id":"a"}', '3 {"custom_id":"b"}'],
      {
        wrapped: true,
      },
    );
  });

  it('keep keys that JavaScript has a meaning for as their own', async () => {
    const path = await tempFile('odd.json', '[{"__proto__":{"x":1},"constructor":2}]');
    const [record] = await readAll([path]);
    expect(Object.keys(record?.value as object)).toEqual(['__proto__', 'constructor']);
  });

  it('of a long array on one line are all there', async () => {
    const rows = Array.from({ length: 5_000 }, (_, index) => ({ id: index, text: 'äöü'.repeat(20) }));
    const path = await tempFile('long.jsonl', JSON.stringify(rows));
    const records = await readAll([path]);
    expect(records.map((record) => record.value)).toEqual(rows);
  });
});

describe('broken JSON', () => {
  it('keeps every element before the broken place and says where it is', async () => {
    await expectElements('[{"a":1},\n{"a":2},{"a" 3},{"a":4}]', ['1 {"a":1}', '2 {"a":2}', '2 !unread']);
    const path = await tempFile('broken.json', '[{"a":1},\n{"a":2},{"a" 3}]');
    const records = await readAll([path]);
    expect(records.at(-1)?.problem?.message).toMatch(
      /expected ':' at character 14 \(in the element that begins on line 2\)/,
    );
  });

  it('is said where the file ends too early', async () => {
    const text = '[{"a":1},{"a":2}]';
    for (let length = 1; length < text.length; length++) {
      const found = await read(text.slice(0, length), 5);
      expect(found.at(-1)).toBe('1 !unread');
    }
  });

  it('is said of anything after the end of the array', async () => {
    await expectElements('[{"a":1}] x', ['1 {"a":1}', '1 !unread']);
    await expectElements('[{"a":1}]\n[2]', ['1 {"a":1}', '2 !unread']);
    await expectElements('{"requests":[1],"more":2}', ['1 1', '1 !unread'], { wrapped: true });
    await expectElements('{"requests":[1]', ['1 1', '1 !unread'], { wrapped: true });
  });

  it('is an element with bytes that are not UTF-8, and only that one', async () => {
    const bad = Buffer.from([0xc3, 0x28]);
    const text = Buffer.concat([Buffer.from('[{"a":"x"},{"a":"'), bad, Buffer.from('"},{"a":"é"}]')]);
    await expectElements(text, ['1 {"a":"x"}', '1 !utf8', '1 {"a":"é"}']);
  });

  it('is an element above the bound, on one line or on many', async () => {
    for (const filling of [`"${'x'.repeat(200_000)}"`, `[${'1,\n'.repeat(80_000)}1]`]) {
      const found = await read(`[{"a":1},\n{"a":${filling}}]`, 65_536, { max: 50_000 });
      expect(found[0]).toBe('1 {"a":1}');
      expect(found[1]).toMatch(/!unread$/);
      expect(found).toHaveLength(2);
    }
  });

  it('refuses a file that is said to be JSON and is no array', async () => {
    const path = await tempFile('object.json', '{"rows":[1]}');
    await expect(readAll([path], { format: 'json' })).rejects.toMatchObject({ code: 'E_INPUT_FORMAT' });
  });
});

/**
 * Objects that lie whole in a chunk are read in another way than the rest. With chunks of one byte there are none, so
 * that everything goes through stream-json: whatever the chunks are, the same must come out.
 */
describe('objects that are read at once', () => {
  it('are found again after anything else', async () => {
    const text =
      '[1,{"a":"}, {\\"b\\":1},"},"},",{"c":"\\\\"},[{"d":1},{}]\n,{"e":[{"f":"]"}]} , null,\n\n{"g":{}},{"h":0}]';
    await expectElements(text, [
      ...['1 1', '1 {"a":"}, {\\"b\\":1},"}', '1 "},"', '1 {"c":"\\\\"}', '1 [{"d":1},{}]'],
      ...['2 {"e":[{"f":"]"}]}', '2 null', '4 {"g":{}}', '4 {"h":0}'],
    ]);
  });

  it('let no comma pass after the last one', async () => {
    await expectElements('[{"a":1},{"a":2},{"a":3},]', ['1 {"a":1}', '1 {"a":2}', '1 {"a":3}', '1 !unread']);
  });

  it('are none in a text that only looks so, after a literal that is none', async () => {
    await expectElements('[{"a":1},trux,{"a":2},{"a":3}]', ['1 {"a":1}', '1 !unread']);
    await expectElements('[{"a":1},"\\u1",{"a":2},{"a":3}]', ['1 {"a":1}', '1 !unread']);
  });

  it('are counted, so that the place of a fault is the right one', async () => {
    const path = await tempFile('broken.json', '[{"a":1},{"a":2},\n{"a":3},{"a":4},{"é":5},{"a" 6}]');
    const records = await readAll([path]);
    expect(outline(records).slice(-2)).toEqual(['2 {"é":5}', '2 !unread']);
    expect(records.at(-1)?.problem?.message).toMatch(/expected ':' at character 30 .*begins on line 2/);
  });

  it('are known to be plain only where they are', async () => {
    const ascii = await readAll([await tempFile('ascii.json', '[0,{"a":"b"},{"a":"\\n"},{"a":"c"},1]')]);
    expect(ascii.map((record) => record.plain)).toEqual([undefined, true, false, true, undefined]);
    const other = await readAll([await tempFile('other.json', '[0,{"a":"b"},{"a":"é"},1]')]);
    expect(other.some((record) => record.plain === true)).toBe(false);
  });

  it('do not depend on the chunks, in 400 texts by chance, most of them broken', async () => {
    const rng = seededRng('json-array-1');
    for (let nth = 0; nth < 400; nth++) {
      const wrapped = rng.next() < 0.2;
      const text = damaged(rng, wrapped ? `{"requests":${anyArray(rng)}\n}` : anyArray(rng));
      const [slow, ...others] = await Promise.all([1, 7, 50, 100_000].map((size) => told(text, size, wrapped)));
      for (const other of others) expect(other, text.toString()).toEqual(slow);
    }
  });
});

/** Everything that comes out, the error too where there is one. */
async function told(text: Buffer, size: number, wrapped: boolean): Promise<unknown[]> {
  const found: unknown[] = [];
  const options = { file: 0, recordBytesMax: 10_000, name: 'rows.json', wrapped };
  try {
    for await (const records of readJsonArray(pieces(text, size), options)) {
      for (const { line, element, value, problem } of records) {
        found.push([line, element, value, problem]);
      }
    }
  } catch (error) {
    found.push(String(error));
  }
  return found;
}

/**
 * Keys and texts. No key is a lone backslash: V8 of Node 24.21 has a fault in JSON.parse there. After {"":1,"\\":1} it
 * reads the key of {"":1,"\"":1} as a backslash too.
 */
const TEXTS = ['', 'a', 'é', '🙂', '"', 'a\\', '\n', '},', ']', '{', '{"a":1},', '\u0001', '\u2028'];
const BREAKS = [',', ',', ',\n', '\n,', ' , ', ',\r\n\n'];
const FAULTS = [',', '"', '}', '{', ']', '[', ':', '\\', 'x', '\n', 'tru', '\u00e9', '\ufeff', '\0'].map((text) =>
  Buffer.from(text),
);

function anyArray(rng: Rng): string {
  let text = '[';
  for (let left = integerBetween(rng, 0, 7); left > 0; left--) {
    // No numbers or literals alone: where one ends is seen only at what follows, which may be on the next line.
    const row = rng.next() < 0.8 ? { id: left, text: anyValue(rng, 1) } : pick(rng, [[anyValue(rng, 1)], ...TEXTS]);
    text += `${JSON.stringify(row, null, rng.next() < 0.2 ? 2 : 0)}${left > 1 ? pick(rng, BREAKS) : '\n'}`;
  }
  return `${text}]\n`;
}

function anyValue(rng: Rng, depth: number): unknown {
  const kind = integerBetween(rng, 0, depth < 3 ? 6 : 3);
  if (kind === 0) return integerBetween(rng, -99, 99);
  if (kind === 1) return pick(rng, [true, false, null, 1.5e-3]);
  const count = integerBetween(rng, 0, 3);
  if (kind <= 3) return Array.from({ length: count }, () => pick(rng, TEXTS)).join('');
  const values = Array.from({ length: count }, () => anyValue(rng, depth + 1));
  return kind === 4 ? values : Object.fromEntries(values.map((value) => [pick(rng, TEXTS), value]));
}

/** Up to two bytes lost, or something put in, be it no UTF-8; or the end cut off. */
function damaged(rng: Rng, text: string): Buffer {
  let bytes = Buffer.from(text);
  for (let left = integerBetween(rng, 0, 2); left > 0; left--) {
    const at = integerBetween(rng, 0, bytes.length);
    const kind = integerBetween(rng, 0, 9);
    if (kind === 0) bytes = bytes.subarray(0, at);
    else {
      const put = kind < 3 ? Buffer.alloc(0) : kind === 3 ? Buffer.from([0xc3]) : pick(rng, FAULTS);
      bytes = Buffer.concat([bytes.subarray(0, at), put, bytes.subarray(kind < 3 ? at + 1 : at)]);
    }
  }
  return bytes;
}

function pick<T>(rng: Rng, from: readonly T[]): T {
  return from[integerBetween(rng, 0, from.length - 1)] as T;
}
