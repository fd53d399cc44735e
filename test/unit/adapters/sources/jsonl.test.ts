/** JSON Lines: every byte counts, wherever chunks end and whatever a line holds. */
import { describe, expect, it } from 'vitest';
import { readJsonLines } from '../../../../src/adapters/sources/jsonl.ts';
import { collect, outline, pieces, stream } from './support.ts';

const OPTIONS = { file: 0, recordBytesMax: 1_000 };

describe('lines', () => {
  it('come out the same wherever the chunks are cut', async () => {
    const text = '{"a":1}\r\n\n{"b":"é😀"}\n  \n{"c":3}';
    const bytes = Buffer.from(text);
    const wanted = ['1 {"a":1}', '3 {"b":"é😀"}', '5 {"c":3}'];
    for (let first = 0; first <= bytes.length; first++) {
      for (let second = first; second <= bytes.length; second++) {
        const cut = stream(bytes.subarray(0, first), bytes.subarray(first, second), bytes.subarray(second));
        expect(outline(await collect(readJsonLines(cut, OPTIONS)))).toEqual(wanted);
      }
    }
  });

  it('are read byte by byte as well', async () => {
    const bytes = Buffer.from('{"ä":"ß"}\n[1]\n');
    expect(outline(await collect(readJsonLines(pieces(bytes, 1), OPTIONS)))).toEqual(['1 {"ä":"ß"}', '2 [1]']);
  });

  it('carry the index of their file', async () => {
    const records = await collect(readJsonLines(stream('1\n'), { ...OPTIONS, file: 7 }));
    expect(records).toEqual([{ file: 7, line: 1, value: 1, plain: true }]);
  });

  it('are none in an empty input and in one of blank lines', async () => {
    expect(await collect(readJsonLines(stream(), OPTIONS))).toEqual([]);
    expect(await collect(readJsonLines(stream('\n\r\n \n'), OPTIONS))).toEqual([]);
  });

  it('may have keys that JavaScript has a meaning for', async () => {
    const [record] = await collect(readJsonLines(stream('{"__proto__":{"x":1}}'), OPTIONS));
    expect(Object.hasOwn(record?.value as object, '__proto__')).toBe(true);
    expect(({} as Record<string, unknown>)['x']).toBeUndefined();
  });
});

describe('a broken line', () => {
  it('is one problem and hides nothing else', async () => {
    const records = await collect(readJsonLines(stream('{"a":1}\n{"a":\n{"a":3}\n'), OPTIONS));
    expect(outline(records)).toEqual(['1 {"a":1}', '2 !json', '3 {"a":3}']);
  });

  it('is told without a word of what it says', async () => {
    const broken = [
      'hello my secret',
      '{"a":"my secret" x}',
      '{"x":"my secret secret","y":NaN}',
      '"secret',
      '{"a":secret}',
    ];
    for (const line of broken) {
      const [record] = await collect(readJsonLines(stream(line), OPTIONS));
      expect(record?.problem?.code).toBe('json');
      expect(record?.problem?.message).not.toContain('secret');
    }
  });

  it('with bytes that are not UTF-8 names the first one, wherever the chunks are cut', async () => {
    const bytes = Buffer.concat([
      Buffer.from('{"a":"é"}\n{"a":"'),
      Buffer.from([0xc3, 0x28]),
      Buffer.from('"}\n{"a":3}\n'),
    ]);
    for (let size = 1; size <= bytes.length; size++) {
      const records = await collect(readJsonLines(pieces(bytes, size), OPTIONS));
      expect(outline(records)).toEqual(['1 {"a":"é"}', '2 !utf8', '3 {"a":3}']);
      expect(records[1]?.problem?.message).toContain('byte 6 of the line');
    }
  });
});

describe('a giant line', () => {
  it('is a problem that names the bound, and the next line is read', async () => {
    const giant = `{"a":"${'x'.repeat(3_000)}"}`;
    const bytes = Buffer.from(`{"a":1}\n${giant}\n{"a":3}\n`);
    for (const size of [1, 7, 100, 1_000, 10_000]) {
      const records = await collect(readJsonLines(pieces(bytes, size), OPTIONS));
      expect(outline(records)).toEqual(['1 {"a":1}', '2 !too_long', '3 {"a":3}']);
      expect(records[1]?.problem?.message).toContain('1.0 kB');
    }
  });

  it('at the end of the input is a problem as well', async () => {
    const records = await collect(readJsonLines(pieces(Buffer.from('x'.repeat(5_000)), 512), OPTIONS));
    expect(outline(records)).toEqual(['1 !too_long']);
  });

  it('may be exactly as long as the bound', async () => {
    const exact = `"${'x'.repeat(998)}"`;
    for (const size of [1, 999, 1_001, 5_000]) {
      const records = await collect(readJsonLines(pieces(Buffer.from(`${exact}\n${exact}é\n`), size), OPTIONS));
      expect(records.map((record) => record.problem?.code)).toEqual([undefined, 'too_long']);
    }
  });

  it('is not held in memory', async () => {
    const part = Buffer.alloc(1_000_000, 'x');
    async function* endless(): AsyncGenerator<Buffer> {
      for (let count = 0; count < 2_000; count++) yield part;
      yield Buffer.from('\n{"a":2}\n');
    }
    const before = process.memoryUsage().rss;
    const records = await collect(readJsonLines(endless(), { file: 0, recordBytesMax: 20_000_000 }));
    expect(outline(records)).toEqual(['1 !too_long', '2 {"a":2}']);
    expect(process.memoryUsage().rss - before).toBeLessThan(200_000_000);
  });
});
