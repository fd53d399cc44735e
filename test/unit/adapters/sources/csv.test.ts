/** CSV: cells that hold anything, lines that stay right, and broken records that are never lost in silence. */
import { readFile } from 'node:fs/promises';
import { parse } from 'csv-parse/sync';
import { describe, expect, it } from 'vitest';
import { readCsv } from '../../../../src/adapters/sources/csv.ts';
import { openSource } from '../../../../src/adapters/sources/open-source.ts';
import { integerBetween, seededRng } from '../../../../src/base/random.ts';
import type { Rng } from '../../../../src/base/random.ts';
import { collect, outline, pieces, readAll, tempFile } from './support.ts';

async function rows(text: string | Buffer, columns: readonly string[], size = 7): Promise<string[]> {
  const shape = { columns, delimiter: ',', lineByte: 10 as const };
  const bytes = typeof text === 'string' ? Buffer.from(text) : text;
  return outline(await collect(readCsv(pieces(bytes, size), { file: 0, recordBytesMax: 1_000, shape })));
}

/** The same reading whatever the size of the chunks. */
async function expectRows(text: string | Buffer, columns: readonly string[], wanted: readonly string[]): Promise<void> {
  for (const size of [1, 2, 3, 5, 8, 13, 10_000]) expect(await rows(text, columns, size)).toEqual(wanted);
}

describe('records', () => {
  it('have commas, quotes and line breaks in quoted cells, and the line on which they begin', async () => {
    const text = 'text,label\n"a, b",1\n"say ""hi""\nthere",2\nplain,3\n';
    await expectRows(
      text,
      ['text', 'label'],
      [
        '2 {"text":"a, b","label":"1"}',
        '3 {"text":"say \\"hi\\"\\nthere","label":"2"}',
        '5 {"text":"plain","label":"3"}',
      ],
    );
  });

  it('keep their lines with CR LF inside quoted cells and between records', async () => {
    const text = 'a,b\r\n"x\r\ny\r\nz",1\r\n\r\n  \r\nq,2\r\nlast,3';
    await expectRows(
      text,
      ['a', 'b'],
      ['2 {"a":"x\\r\\ny\\r\\nz","b":"1"}', '7 {"a":"q","b":"2"}', '8 {"a":"last","b":"3"}'],
    );
  });

  it('may mix LF and CR LF', async () => {
    await expectRows('a,b\n1,2\r\n3,4\n', ['a', 'b'], ['2 {"a":"1","b":"2"}', '3 {"a":"3","b":"4"}']);
  });

  it('keep empty cells, and cells of spaces', async () => {
    await expectRows('a,b\n,\n , x\n', ['a', 'b'], ['2 {"a":"","b":""}', '3 {"a":" ","b":" x"}']);
  });

  it('may have a column named __proto__', async () => {
    const path = await tempFile('odd.csv', '__proto__,text\nx,y\n');
    const [record] = await readAll([path]);
    const value = record?.value as Record<string, unknown>;
    expect(Object.keys(value)).toEqual(['__proto__', 'text']);
    expect(value['__proto__']).toBe('x');
  });

  it('with another number of cells than the header are problems, and the reading goes on', async () => {
    await expectRows('a,b\n1\n1,2,3\n1,2\n', ['a', 'b'], ['2 !columns', '3 !columns', '4 {"a":"1","b":"2"}']);
  });

  it('with bytes that are not UTF-8 are problems of their own lines', async () => {
    const bad = Buffer.from([0xe9]);
    const text = Buffer.concat([
      Buffer.from('a,b\nx,1\ncaf'),
      bad,
      Buffer.from(',2\n"line\n'),
      bad,
      Buffer.from('",3\né,4\n'),
    ]);
    await expectRows(text, ['a', 'b'], ['2 {"a":"x","b":"1"}', '3 !utf8', '4 !utf8', '6 {"a":"é","b":"4"}']);
  });

  it('are 10,003 in the training set of BANKING77', async () => {
    const source = await openSource(['fixtures/banking77/train.csv']);
    expect(source.columns).toEqual(['text', 'category']);
    const records = await collect(source.records());
    expect(records).toHaveLength(10_003);
    expect(records.filter((record) => record.problem)).toEqual([]);
    expect(records[0]).toMatchObject({ line: 2, value: { text: 'I am still waiting on my card?' } });
    const { readBytes, totalBytes } = source.progress();
    expect(readBytes).toBe(totalBytes);
  });
});

describe('a broken quote', () => {
  it('costs its own line where it begins and ends there', async () => {
    const text = 'a,b\n1,2\n5" disk,3\n"say "hi" to me",4\nx,5\n';
    await expectRows(text, ['a', 'b'], ['2 {"a":"1","b":"2"}', '3 !csv_quote', '4 !csv_quote', '5 {"a":"x","b":"5"}']);
  });

  it('keeps the lines after it right', async () => {
    const text = 'a,b\n\n\n"x"y,2\n\n"p\nq",3\nz"z,4\nlast,5';
    await expectRows(
      text,
      ['a', 'b'],
      ['4 !csv_quote', '6 {"a":"p\\nq","b":"3"}', '8 !csv_quote', '9 {"a":"last","b":"5"}'],
    );
  });

  it('in the last line is a problem of that line', async () => {
    await expectRows('a,b\n1,2\n"x,3', ['a', 'b'], ['2 {"a":"1","b":"2"}', '3 !csv_quote']);
    await expectRows('a,b\n1,2\n"x,3\n', ['a', 'b'], ['2 {"a":"1","b":"2"}', '3 !csv_quote']);
    await expectRows('a,b\n1,2\nx"x,3', ['a', 'b'], ['2 {"a":"1","b":"2"}', '3 !csv_quote']);
  });

  it('that swallowed further lines leaves the rest of the file unread, and says so', async () => {
    const text = 'a,b\n1,2\n"open,3\nx,4\n"y",5\nz,6\n';
    await expectRows(text, ['a', 'b'], ['2 {"a":"1","b":"2"}', '3 !unread']);
    await expectRows('a,b\n1,2\n"open,3\nx,4\n', ['a', 'b'], ['2 {"a":"1","b":"2"}', '3 !unread']);
  });
});

describe('a giant record', () => {
  it('on one line is a problem, and the next one is read', async () => {
    await expectRows(`a,b\n${'x'.repeat(5_000)},1\ny,2\n`, ['a', 'b'], ['2 !too_long', '3 {"a":"y","b":"2"}']);
  });

  it('over several lines leaves the rest unread', async () => {
    await expectRows(`a,b\n"${'x\n'.repeat(3_000)}",1\ny,2\n`, ['a', 'b'], ['2 !unread']);
  });
});

describe('the header', () => {
  it('is refused with columns that have no name or the same one', async () => {
    const unnamed = await tempFile('pandas.csv', ',text,label\n0,a,b\n');
    await expect(openSource([unnamed])).rejects.toMatchObject({
      code: 'E_INPUT_FORMAT',
      hint: expect.stringContaining('index=False'),
    });
    const twice = await tempFile('twice.csv', 'text,label, text\na,b,c\n');
    await expect(openSource([twice])).rejects.toThrow(/same name.*text/);
  });

  it('is known before the first record, of all inputs together', async () => {
    const first = await tempFile('first.csv', '\ufeffid,"text"\r\n1,x\r\n');
    const second = await tempFile('second.csv', 'text,label\ny,z\n');
    const source = await openSource([first, second]);
    expect(source.columns).toEqual(['id', 'text', 'label']);
    const records = await collect(source.records());
    expect(records.map(({ file, line, value }) => ({ file, line, value }))).toEqual([
      { file: 0, line: 2, value: { id: '1', text: 'x' } },
      { file: 1, line: 2, value: { text: 'y', label: 'z' } },
    ]);
  });

  it('may be all there is', async () => {
    const path = await tempFile('empty.csv', 'text,label');
    const source = await openSource([path]);
    expect(source.columns).toEqual(['text', 'label']);
    expect(await collect(source.records())).toEqual([]);
  });

  it('that is broken or not UTF-8 is refused', async () => {
    await expect(openSource([await tempFile('a.csv', 'a,"b"x\n1,2\n')])).rejects.toMatchObject({
      code: 'E_INPUT_FORMAT',
    });
    const latin = Buffer.concat([Buffer.from('caf'), Buffer.from([0xe9]), Buffer.from(',b\n1,2\n')]);
    await expect(openSource([await tempFile('b.csv', latin)])).rejects.toThrow(/UTF-8/);
  });

  it('tells the delimiter: comma, semicolon, tab', async () => {
    expect(outline(await readAll([await tempFile('a.csv', 'a;b\n1,5;2\n')]))).toEqual(['2 {"a":"1,5","b":"2"}']);
    expect(outline(await readAll([await tempFile('a.tsv', 'a\tb\n1,5\t2\n')]))).toEqual(['2 {"a":"1,5","b":"2"}']);
    expect(outline(await readAll([await tempFile('a.csv', 'text\nhello\n')]))).toEqual(['2 {"text":"hello"}']);
  });

  it('may end its lines with CR alone', async () => {
    expect(outline(await readAll([await tempFile('mac.csv', 'a,b\r1,2\r3,4\r')]))).toEqual([
      '2 {"a":"1","b":"2"}',
      '3 {"a":"3","b":"4"}',
    ]);
  });
});

/** Rows that are as they should be are cut out without csv-parse. Whatever the chunks are, the same must come out. */
describe('rows that are cut out at once', () => {
  it('have the cells that csv-parse finds, in 300 texts by chance', async () => {
    const rng = seededRng('csv-1');
    for (let nth = 0; nth < 300; nth++) {
      const text = `a,b\n${anyRows(rng)}`;
      const wanted = parse(text, { columns: true, skip_empty_lines: true, record_delimiter: ['\r\n', '\n'] });
      for (const size of [5, 40, 100_000]) {
        const shape = { columns: ['a', 'b'], delimiter: ',', lineByte: 10 as const };
        const options = { file: 0, recordBytesMax: 1_000, shape };
        const records = await collect(readCsv(pieces(Buffer.from(text), size), options));
        expect(
          records.map((record) => record.value),
          text,
        ).toEqual(wanted);
      }
    }
  });

  it('have the same lines and problems beside broken ones, wherever the chunks end', async () => {
    const rng = seededRng('csv-2');
    for (let nth = 0; nth < 300; nth++) {
      const text = damaged(rng, `a,b\n${anyRows(rng)}`);
      const whole = await rows(text, ['a', 'b'], 100_000);
      for (const size of [1, 7, 50]) expect(await rows(text, ['a', 'b'], size), text.toString()).toEqual(whole);
    }
  });

  it('are found again after a row that is longer than what is kept of it', async () => {
    const long = 'x'.repeat(150_000);
    const path = await tempFile('long.csv', `a,b\n1,2\n"${long}\n${long}",3\n4,5\n\n6,7\n${'8,9\n'.repeat(10)}`);
    const chunks = pieces(await readFile(path), 10_000);
    const shape = { columns: ['a', 'b'], delimiter: ',', lineByte: 10 as const };
    const found = await collect(readCsv(chunks, { file: 0, recordBytesMax: 1_000_000, shape }));
    expect(found.map(({ line }) => line)).toEqual([2, 3, 5, 7, ...Array.from({ length: 10 }, (_, at) => 8 + at)]);
    expect(found[1]?.value).toEqual({ a: `${long}\n${long}`, b: '3' });
  });
});

function anyRows(rng: Rng): string {
  let text = '';
  for (let left = integerBetween(rng, 0, 9); left > 0; left--) {
    text += `${anyCell(rng)},${anyCell(rng)}${pick(rng, ['\n', '\n', '\r\n', '\n\n'])}`;
  }
  return rng.next() < 0.5 ? text : text.trimEnd();
}

function anyCell(rng: Rng): string {
  const pieceCount = integerBetween(rng, 0, 4);
  const text = Array.from({ length: pieceCount }, () =>
    pick(rng, ['a', ' ', 'é', '🙂', ';', '"', ',', '\n', '\r\n']),
  ).join('');
  return /[",\n\r]/.test(text) || rng.next() < 0.2 ? `"${text.replaceAll('"', '""')}"` : text;
}

/** One byte lost, or something put in, after the header. */
function damaged(rng: Rng, text: string): Buffer {
  const bytes = Buffer.from(text);
  const at = integerBetween(rng, 4, bytes.length);
  const put = pick(rng, ['', ',', '"', '\n', '\r', 'x"y,', Buffer.from([0xc3])]);
  return Buffer.concat([bytes.subarray(0, at), Buffer.from(put), bytes.subarray(put === '' ? at + 1 : at)]);
}

function pick<T>(rng: Rng, from: readonly T[]): T {
  return from[integerBetween(rng, 0, from.length - 1)] as T;
}
