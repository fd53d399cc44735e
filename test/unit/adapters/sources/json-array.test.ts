/** JSON arrays: one element at a time, with its line, and nothing after a broken place is lost in silence. */
import { describe, expect, it } from 'vitest';
import { readJsonArray } from '../../../../src/adapters/sources/json-array.ts';
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
