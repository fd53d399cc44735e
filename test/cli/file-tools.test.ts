/**
 * `check` and `sample` as a user runs them: formats, odd files, closed pipes, Ctrl-C, and nothing that stays behind.
 */
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { bench, csv, jsonl, MODEL, params, requests, type Bench } from '../support/cli.ts';

/** No key, no API, and a folder for temporary files of its own. */
async function offline(): Promise<{ b: Bench; env: Record<string, string>; temporary: () => string[] }> {
  const b = await bench();
  await b.offline();
  mkdirSync(b.path('tmp'));
  const env = { ANTHROPIC_API_KEY: '', ANTHROPIC_BASE_URL: 'http://127.0.0.1:1', TMPDIR: b.path('tmp') };
  return { b, env, temporary: () => readdirSync(b.path('tmp')) };
}

const BAD = [
  jsonl([{ custom_id: 'a', params: params('x') }]),
  jsonl([{ custom_id: 'a', params: params('y') }]),
  '{"broken\n',
  jsonl([{ custom_id: 'b', params: { ...params('z'), temperature: 1, max_tokens: 0 } }]),
  jsonl([{ text: 'no prompt' }]),
].join('');

describe('check', () => {
  test('names everything that is wrong, with file and line, and leaves nothing behind', async () => {
    const { b, env, temporary } = await offline();
    b.write('in.jsonl', BAD);
    const { stdout } = await b.exits(2, ['check', 'in.jsonl'], { env });
    expect(stdout).toMatch(/^in\.jsonl: 5 rows, 4 cannot be sent$/m);
    expect(stdout).toMatch(/^ {2}unsupported_param +2 +in\.jsonl:4$/m);
    expect(stdout).toMatch(/^ {2}in\.jsonl:2 \(row a\): the id "a" is already that of the row on line 1$/m);
    expect(stdout).toMatch(/^ {2}in\.jsonl:3: not valid JSON/m);
    expect(stdout).toContain('need --model, --max-tokens and --prompt');
    expect(b.has('.batchrun')).toBe(false);
    expect(temporary()).toEqual([]);
  });

  test('says the same as submit does', async () => {
    const b = await bench();
    b.write('in.jsonl', BAD);
    const lines = (text: string): string[] =>
      text
        .replaceAll(`${b.folder}/`, '')
        .split('\n')
        .filter((line) => /^ {2}in\.jsonl:\d+.*: /.test(line));
    const checked = await b.exits(2, ['check', 'in.jsonl']);
    const submitted = await b.exits(2, ['submit', 'in.jsonl']);
    expect(lines(checked.stdout)).toEqual(lines(submitted.stderr));
    expect(lines(checked.stdout)).toHaveLength(5);
  });

  test('--json has all of them, not only the first twenty', async () => {
    const { b, env } = await offline();
    b.write('in.jsonl', `${'{bad\n'.repeat(3_000)}${requests(2)}`);
    const { stdout } = await b.exits(2, ['check', 'in.jsonl', '--json'], { env });
    const report = JSON.parse(stdout) as { problems: { line: number }[]; [name: string]: unknown };
    expect(report.problems.map(({ line }) => line)).toEqual(Array.from({ length: 3_000 }, (_, at) => at + 1));
    expect(report).toMatchObject({ ok: false, rows: 3_002, bad_rows: 3_000, problem_count: 3_000 });
    const text = (await b.exits(2, ['check', 'in.jsonl'], { env })).stdout;
    expect(text).toContain('… and 2,980 more');
  });

  test('a CSV is checked without flags as far as that goes, and with them to the end', async () => {
    const { b, env } = await offline();
    b.write('in.csv', `${csv(3)}4\n5,"open "quote"\n`);
    const { stdout } = await b.exits(2, ['check', 'in.csv'], { env });
    expect(stdout).toMatch(/in\.csv:5: 1 cell where the header has 2/);
    expect(stdout).toMatch(/note: --prompt, --model and --max-tokens are not given/);
    b.write('good.csv', `${csv(2)}3, \n`);
    await b.ok(['check', 'good.csv'], { env });
    const flags = ['--model', MODEL, '--max-tokens', '5'];
    const full = await b.exits(2, ['check', 'good.csv', ...flags, '--prompt', '{{text}}'], { env });
    expect(full.stdout).toMatch(/good\.csv:4: --prompt comes to nothing but white space/);
    const wrong = await b.exits(2, ['check', 'good.csv', ...flags, '--prompt', '{{tekst}}'], { env });
    expect(wrong.stderr).toMatch(/tekst/);
  });

  test.each([
    ['gz.jsonl.gz', gzipSync(requests(3)), 3],
    ['array.json', JSON.stringify([{ custom_id: 'é😀', params: params('x') }]), 1],
    ['no-end.jsonl', requests(2).trimEnd(), 2],
    ['crlf.jsonl', requests(2).replaceAll('\n', '\r\n'), 2],
    ['huge.jsonl', jsonl([{ custom_id: 'h', params: params('x'.repeat(40_000_000)) }]), 1],
  ])('%s is fine', async (name, content, rows) => {
    const { b, env } = await offline();
    b.write(name, content);
    const { stdout } = await b.ok(['check', name, '--json'], { env });
    expect(JSON.parse(stdout)).toMatchObject({ ok: true, rows, problems: [], inputs: [name] });
  });

  test('stdin, twice the same id in two inputs, and only the first rows', async () => {
    const { b, env } = await offline();
    expect((await b.ok(['check', '-'], { env, stdin: requests(2) })).stdout).toContain('2 rows, nothing is wrong');
    b.write('a.jsonl', requests(2));
    b.write('b.jsonl', requests(2));
    const both = await b.exits(2, ['check', 'a.jsonl', 'b.jsonl'], { env });
    expect(both.stdout).toMatch(/b\.jsonl:1 \(row row-1\): .* line 1 of input 1/);
    await b.ok(['check', 'a.jsonl', 'b.jsonl', '--limit', '2'], { env });
  });

  test.each([
    [['check', 'gone.csv'], /there is no file gone\.csv/],
    [['check', 'tmp'], /is a folder/],
    [['check', 'empty'], /there are no rows in empty/],
    [['check'], /missing required argument/],
    [['check', 'in.csv', '--modle', 'x'], /--model/],
    [['check', 'in.csv', '--model', 'claude-3-haiku'], /no longer served/],
  ])('%j is refused', async (args, text) => {
    const { b, env, temporary } = await offline();
    b.write('empty', '');
    b.write('in.csv', csv(1));
    expect((await b.exits(2, args, { env })).stderr).toMatch(text);
    expect(temporary()).toEqual([]);
  });

  test.each([1, 2])('Ctrl-C (%i times) leaves nothing behind', async (times) => {
    const { b, env, temporary } = await offline();
    b.write('in.jsonl', requests(400_000));
    const running = b.start(['check', 'in.jsonl'], { env });
    while (temporary().length === 0) await new Promise((resolve) => setImmediate(resolve));
    for (let at = 0; at < times; at++) {
      running.kill('SIGINT');
      await running.says(/Stopping/);
    }
    const ended = await running.ended;
    // While a process ends by its exit code, a further signal may still end it as signals do.
    expect(times === 1 ? ended.code : (ended.code ?? 130)).toBe(130);
    expect(ended.stdout).toBe('');
    expect(temporary()).toEqual([]);
  });
});

describe('sample', () => {
  test('keeps the header and the quotes of a CSV, and the order of its rows', async () => {
    const { b, env } = await offline();
    const rows = Array.from({ length: 200 }, (_, at) => `"${at}","ü ""${at}""\r\n, end"`);
    b.write('in.csv', `"id", text \r\n${rows.join('\r\n')}`);
    const { stdout, stderr } = await b.ok(['sample', 'in.csv', '--limit', '20'], { env });
    const found = stdout.split(/\r\n(?=")/);
    expect(found[0]).toBe('"id", text ');
    const places = found.slice(1).map((row) => rows.indexOf(row.replace(/"[\r\n]*$/, '"')));
    expect(places).toHaveLength(20);
    expect(places).toEqual([...places].sort((one, other) => one - other));
    expect(places[0]).toBeGreaterThanOrEqual(0);
    expect(stderr).toContain('20 of 200 rows');
    b.write('again.csv', stdout);
    await b.ok(['check', 'again.csv'], { env });
  });

  test('lines of JSON come out byte for byte; the same seed gives the same rows', async () => {
    const { b, env } = await offline();
    const lines = Array.from({ length: 1_000 }, (_, at) => `{"id" :${at},  "t":"\\u00fc😀" }`);
    b.write('in.jsonl', `${lines.join('\n')}\n\n`);
    const sample = async (...args: string[]): Promise<string[]> =>
      (await b.ok(['sample', 'in.jsonl', ...args, '--quiet'], { env })).stdout.split('\n').slice(0, -1);
    const ten = await sample();
    expect(ten).toHaveLength(10);
    expect(ten.every((line) => lines.includes(line))).toBe(true);
    expect(await sample('--seed', '1')).toEqual(ten);
    expect(await sample('--seed', '2')).not.toEqual(ten);
    const share = await sample('--sample', '10%');
    expect(share.length).toBeGreaterThan(60);
    expect(share.length).toBeLessThan(140);
    expect(await sample('--sample', '10%', '--limit', '7')).toHaveLength(7);
    expect(await sample('--limit', '5000')).toEqual(lines);
  });

  test('gzip, stdin, a JSON array, several inputs', async () => {
    const { b, env } = await offline();
    b.write('in.jsonl.gz', gzipSync(requests(3)));
    expect((await b.ok(['sample', 'in.jsonl.gz'], { env })).stdout).toBe(requests(3));
    expect((await b.ok(['sample', '-'], { env, stdin: csv(3) })).stdout).toBe(csv(3));
    b.write('in.json', JSON.stringify([{ a: 1 }, { a: 'ü' }], null, 2));
    const array = await b.ok(['sample', 'in.json'], { env });
    expect(array.stdout).toBe('{"a":1}\n{"a":"ü"}\n');
    expect(array.stderr).toContain('as JSON Lines');
    b.write('a.csv', csv(2));
    b.write('b.csv', csv(1).trimEnd().replace('\n', '\r\n'));
    expect((await b.ok(['sample', 'a.csv', 'b.csv'], { env })).stdout.match(/id,text/g)).toHaveLength(1);
    b.write('c.csv', 'other,columns\n1,2\n');
    expect((await b.exits(2, ['sample', 'a.csv', 'c.csv'], { env })).stderr).toContain('other columns');
    b.write('empty', '');
    expect((await b.ok(['sample', 'empty'], { env })).stdout).toBe('');
  });

  test('to a file; what is there is not overwritten, and an input never', async () => {
    const { b, env } = await offline();
    b.write('in.csv', csv(50));
    b.write('batchrun.config.yaml', 'output: results.jsonl\noverwrite: true\n');
    expect((await b.ok(['sample', 'in.csv', '--limit', '2'], { env })).stdout).toMatch(/^id,text\n.*\n.*\n$/);
    await b.ok(['sample', 'in.csv', '-o', 'out.csv'], { env });
    expect(b.read('out.csv').split('\n')).toHaveLength(12);
    expect((await b.exits(2, ['sample', 'in.csv', '-o', 'out.csv'], { env })).stderr).toContain('exists already');
    await b.ok(['sample', 'in.csv', '-o', 'out.csv', '--overwrite', '--limit', '1'], { env });
    expect(b.read('out.csv').split('\n')).toHaveLength(3);
    expect((await b.exits(2, ['sample', 'in.csv', '-o', 'in.csv', '--overwrite'], { env })).stderr).toContain('input');
    expect(readFileSync(b.path('in.csv'), 'utf8')).toBe(csv(50));
    expect(readdirSync(b.folder).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });

  test('a reader that goes away (| head) ends it', async () => {
    const { b, env } = await offline();
    b.write('in.jsonl', requests(50_000));
    const running = b.start(['sample', 'in.jsonl', '--limit', '50000'], { env });
    running.child.stdout.destroy();
    expect((await running.ended).code).toBe(0);
  });

  test.each([
    [['sample', 'gone'], /there is no file gone/],
    [['sample', 'tmp'], /is a folder/],
    [['sample', 'in.csv', '--limit', '0'], /whole number/],
    [['sample', 'in.csv', '--sample', '200%'], /share/],
    [['sample', 'cut.jsonl.gz'], /cut off/],
  ])('%j is refused', async (args, text) => {
    const { b, env } = await offline();
    b.write('in.csv', csv(1));
    b.write('cut.jsonl.gz', gzipSync(requests(10_000)).subarray(0, 20_000));
    expect((await b.exits(2, args, { env })).stderr).toMatch(text);
  });
});
