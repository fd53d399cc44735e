/** Opening inputs: what each one is, what is refused at once, and that packed, piped and several inputs read alike. */
import { execFile, execFileSync } from 'node:child_process';
import { mkdir, open, readdir, truncate } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { isBatchrunError, type BatchrunError } from '../../../../src/base/errors.ts';
import { openSource } from '../../../../src/adapters/sources/open-source.ts';
import { collect, outline, readAll, stream, tempFile, tempFolder } from './support.ts';

const LINES = '{"a":1}\n{"a":2}\n';
const READ = ['1 {"a":1}', '2 {"a":2}'];

async function refusal(opening: Promise<unknown>): Promise<BatchrunError> {
  const error: unknown = await opening.catch((thrown: unknown) => thrown);
  if (!isBatchrunError(error)) throw new Error(`not refused: ${String(error)}`);
  return error;
}

describe('the format', () => {
  it('is told by content before the name', async () => {
    expect(outline(await readAll([await tempFile('rows.csv', LINES)]))).toEqual(READ);
    expect(outline(await readAll([await tempFile('rows.jsonl', '[{"a":1}]')]))).toEqual(['1 {"a":1}']);
    expect(outline(await readAll([await tempFile('rows.txt', 'text,label\nx,y\n')]))).toEqual([
      '2 {"text":"x","label":"y"}',
    ]);
    expect(outline(await readAll([await tempFile('rows.txt', '\n  {"requests": [{"a":1}]}')]))).toEqual(['2 {"a":1}']);
  });

  it('is what --input-format says', async () => {
    const path = await tempFile('rows', 'hello\nworld\n');
    await expect(readAll([path])).rejects.toMatchObject({ code: 'E_INPUT_FORMAT' });
    expect(outline(await readAll([path], { format: 'csv' }))).toEqual(['2 {"hello":"world"}']);
    expect(outline(await readAll([path], { format: 'jsonl' }))).toEqual(['1 !json', '2 !json']);
  });

  it('has a UTF-8 mark or none', async () => {
    const mark = '\ufeff';
    expect(outline(await readAll([await tempFile('rows.jsonl', mark + LINES)]))).toEqual(READ);
    expect(outline(await readAll([await tempFile('rows.json', `${mark}[1]`)]))).toEqual(['1 1']);
    expect(outline(await readAll([await tempFile('a.csv', `${mark}a,b\n1,2\n`)]))).toEqual(['2 {"a":"1","b":"2"}']);
  });

  it('is refused with the way to convert it where it cannot be rows', async () => {
    const utf16 = Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(LINES, 'utf16le')]);
    await expect(openSource([await tempFile('a.jsonl', utf16)])).rejects.toMatchObject({
      code: 'E_INPUT_FORMAT',
      hint: expect.stringContaining('iconv'),
    });
    await expect(openSource([await tempFile('a.jsonl', Buffer.from(LINES, 'utf16le'))])).rejects.toThrow(
      /zero byte at byte 1/,
    );
    await expect(openSource([await tempFile('a.csv', 'PK\x03\x04rest')])).rejects.toThrow(/Excel/);
    await expect(openSource([await tempFile('a.csv', gzipSync(gzipSync(LINES)))])).rejects.toThrow(/twice/);
  });

  it('is refused where one object fills several lines', async () => {
    const pretty = JSON.stringify({ model: 'm', messages: [] }, null, 2);
    await expect(openSource([await tempFile('a.json', pretty)])).rejects.toMatchObject({
      code: 'E_INPUT_FORMAT',
      hint: expect.stringContaining('jq'),
    });
    expect(outline(await readAll([await tempFile('a.json', '{"a":1}')]))).toEqual(['1 {"a":1}']);
  });

  it.each([
    ['in.jsonl', false, 'in.lines.jsonl'],
    ["it's $HOME of `mine`.jsonl", false, "it's $HOME of `mine`.lines.jsonl"],
    ['in.jsonl.gz', true, 'in.lines.jsonl'],
    ['packed.ndjson', true, 'packed.lines.jsonl'],
  ])(
    'is refused where commas stand between the lines, and the hint can be pasted: %s',
    async (name, packed, target) => {
      const text = '{"a":1},\r\n{"a":"b,"}, \n{"a":3}\n';
      const path = await tempFile(name, packed ? gzipSync(text) : text);
      const error = await refusal(openSource([path]));
      expect(error).toMatchObject({ code: 'E_INPUT_FORMAT', message: expect.stringContaining('comma') });
      const command = /take the commas away: (.*)$/.exec(error.hint)?.[1] ?? '';
      execFileSync('sh', ['-c', command], { stdio: 'pipe' });
      expect(outline(await readAll([join(dirname(path), target)]))).toEqual(['1 {"a":1}', '2 {"a":"b,"}', '3 {"a":3}']);
      expect((await readdir(dirname(path))).sort()).toEqual([name, target].sort());
    },
  );

  it.each([
    ['plain', false, "… | sed 's/,[[:space:]]*$//' | batchrun …"],
    ['packed', true, "… | gzip -dc | sed 's/,[[:space:]]*$//' | batchrun …"],
  ])('is refused where commas stand between the lines of stdin, which has no file: %s', async (_, packed, command) => {
    const text = '{"a":1},\n{"a":2},\n';
    const error = await refusal(openSource(['-'], { stdin: stream(packed ? gzipSync(text) : text) }));
    expect(error.hint.endsWith(`: ${command}`), error.hint).toBe(true);
    const filter = command.slice('… | '.length, -' | batchrun …'.length);
    const through = execFileSync('sh', ['-c', filter], { input: packed ? gzipSync(text) : text, encoding: 'utf8' });
    expect(through).toBe('{"a":1}\n{"a":2}\n');
  });

  it('does not matter for an input without rows', async () => {
    expect(await readAll([await tempFile('empty', '')])).toEqual([]);
    expect(await readAll([await tempFile('blank.jsonl', ' \n\n')])).toEqual([]);
  });
});

describe('gzip', () => {
  it('is known by its first bytes, whatever the name', async () => {
    expect(outline(await readAll([await tempFile('rows.jsonl', gzipSync(LINES))]))).toEqual(READ);
    expect(outline(await readAll([await tempFile('a.csv.gz', gzipSync('a,b\n1,2\n'))]))).toEqual([
      '2 {"a":"1","b":"2"}',
    ]);
    expect(outline(await readAll([await tempFile('a.gz', gzipSync('[1,2]'))]))).toEqual(['1 1', '1 2']);
  });

  it('may have several members, as `cat a.gz b.gz` makes it', async () => {
    const path = await tempFile('rows.gz', Buffer.concat([gzipSync('{"a":1}\n'), gzipSync('{"a":2}\n')]));
    expect(outline(await readAll([path]))).toEqual(READ);
  });

  it('that is cut off or damaged stops the reading, with the place', async () => {
    const text = Array.from({ length: 200_000 }, (_, index) => JSON.stringify({ index, text: `${index * 7919}` })).join(
      '\n',
    );
    const whole = gzipSync(text);
    const cut = await tempFile('cut.jsonl.gz', whole.subarray(0, whole.length - 100));
    await expect(readAll([cut])).rejects.toMatchObject({
      code: 'E_INPUT_FORMAT',
      message: expect.stringMatching(/cut off\) near byte \d{4,}/),
    });
    const damaged = Buffer.from(whole);
    damaged.fill(0xff, whole.length - 5_000, whole.length - 4_900);
    await expect(readAll([await tempFile('damaged.gz', damaged)])).rejects.toMatchObject({ code: 'E_INPUT_FORMAT' });
    await expect(openSource([await tempFile('short.gz', whole.subarray(0, 12))])).rejects.toThrow(
      /short\.gz: the gzip data/,
    );
  });
});

describe('inputs', () => {
  it('that are missing, folders, or named twice as stdin are refused before anything is read', async () => {
    const good = await tempFile('good.jsonl', LINES);
    await expect(openSource([good, `${good}.nope`])).rejects.toMatchObject({
      code: 'E_INPUT_MISSING',
      message: expect.stringContaining('nope'),
    });
    await expect(openSource([`${good}/below`])).rejects.toMatchObject({ code: 'E_INPUT_MISSING' });
    const folder = join(await tempFolder(), 'sub');
    await mkdir(folder);
    await expect(openSource([folder])).rejects.toMatchObject({
      code: 'E_INPUT_MISSING',
      message: expect.stringContaining('folder'),
    });
    await expect(openSource(['-', '-'], { stdin: stream(LINES) })).rejects.toMatchObject({ code: 'E_USAGE' });
    await expect(openSource([])).rejects.toMatchObject({ code: 'E_USAGE' });
  });

  it('are read one after the other, each with its own lines and format', async () => {
    const inputs = [
      await tempFile('a.jsonl', LINES),
      '-',
      await tempFile('b.json', '[3]'),
      await tempFile('c.csv', 'a,b\n4,5\n'),
    ];
    const records = await readAll(inputs, { stdin: stream('{"s":', '1}\n', '{"s":2}') });
    expect(records.map(({ file, line }) => `${file}:${line}`)).toEqual(['0:1', '0:2', '1:1', '1:2', '2:1', '3:2']);
  });

  it('may be stdin in any format, plain or packed, in pieces of any size', async () => {
    for (const [bytes, wanted] of [
      [Buffer.from(`\ufeff${LINES}`), READ],
      [gzipSync(LINES), READ],
      [Buffer.from('a,b\n1,2\n'), ['2 {"a":"1","b":"2"}']],
    ] as const) {
      for (const size of [1, 5, 1_000]) {
        const parts = Array.from({ length: Math.ceil(bytes.length / size) }, (_, at) =>
          bytes.subarray(at * size, (at + 1) * size),
        );
        const source = await openSource(['-'], { stdin: stream(...parts) });
        expect(outline(await collect(source.records()))).toEqual(wanted);
        expect(source.progress()).toEqual({ readBytes: bytes.length, totalBytes: null });
      }
    }
  });

  it('may be named pipes', async () => {
    const path = join(await tempFolder(), 'pipe');
    await promisify(execFile)('mkfifo', [path]);
    const writing = open(path, 'w').then(async (handle) => {
      await handle.write(LINES);
      await handle.close();
    });
    expect(outline(await readAll([path]))).toEqual(READ);
    await writing;
  });

  it('tell how far the reading is', async () => {
    const path = await tempFile('rows.jsonl', LINES);
    const source = await openSource([path, path]);
    expect(source.progress()).toEqual({ readBytes: 0, totalBytes: LINES.length * 2 });
    await collect(source.records());
    expect(source.progress().readBytes).toBe(LINES.length * 2);
  });

  it('are let go when the reader has seen enough', async () => {
    const path = await tempFile('rows.jsonl', LINES.repeat(300_000));
    const source = await openSource([path]);
    for await (const records of source.records()) {
      expect([...records].length).toBeGreaterThan(0);
      break;
    }
    await truncate(path, 0);
    expect(source.progress().readBytes).toBeLessThan(LINES.length * 300_000);
  });
});
