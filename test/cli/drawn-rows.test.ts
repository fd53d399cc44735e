/**
 * --sample, --shuffle and --seed: the same rows for the same seed from every kind of input, in the thread and outside of
 * it; and --truncate, which shortens what templates put in.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { ASK, bench, csv, ENDLESS, jsonl, MODEL, params, type Bench } from '../support/cli.ts';

const ROWS = 400;

/** The same rows as plain data in every format; ids are the rows' own. */
function inputs(b: Bench): Record<string, string> {
  const rows = Array.from({ length: ROWS }, (_, at) => ({ id: `r${at}`, text: `question ${at}` }));
  b.write('in.csv', `id,text\n${rows.map(({ id, text }) => `${id},${text}\n`).join('')}`);
  // The header of a CSV is a line: a comment in front of the others makes the lines the same.
  b.write('in.jsonl', `\n${jsonl(rows)}`);
  b.write('in.json', `[${rows.map((row) => JSON.stringify(row)).join(',\n')}]`);
  b.write('in.csv.gz', gzipSync(b.read('in.csv')));
  b.write('one.jsonl', `\n${jsonl(rows.slice(0, 150))}`);
  b.write('two.jsonl', jsonl(rows.slice(150)));
  return { csv: 'in.csv', jsonl: 'in.jsonl', json: 'in.json', gzip: 'in.csv.gz' };
}

/** The ids of the output of a run, in its order. */
async function ids(b: Bench, args: readonly string[], options: { stdin?: string } = {}): Promise<string[]> {
  await b.ok(['run', ...args, ...ASK, '-o', 'out.jsonl', '--overwrite', '--again'], options);
  return b.lines('out.jsonl').map(({ custom_id: id }) => id);
}

const byId = ['--id-column', 'id'];

describe('--sample', () => {
  test('chooses the same rows from a CSV, JSON Lines, gzip and stdin, and about its share of them', async () => {
    const b = await bench();
    inputs(b);
    const first = await ids(b, ['in.csv', '--sample', '10%', ...byId]);
    expect(first.length).toBeGreaterThan(15);
    expect(first.length).toBeLessThan(70);
    expect([...first].sort((one, other) => Number(one.slice(1)) - Number(other.slice(1)))).toEqual(first);
    expect(await ids(b, ['in.jsonl', '--sample', '10%', ...byId])).toEqual(first);
    expect(await ids(b, ['in.csv.gz', '--sample', '0.1', ...byId])).toEqual(first);
    expect(await ids(b, ['-', '--sample', '10%', ...byId], { stdin: b.read('in.csv') })).toEqual(first);
    expect(await ids(b, ['in.csv', '--sample', '10%', '--seed', '2', ...byId])).not.toEqual(first);
    const turned = await ids(b, ['in.csv', '--sample', '10%', '--shuffle', ...byId]);
    expect(turned).not.toEqual(first);
    expect([...turned].sort()).toEqual([...first].sort());
    // Rows without an id are called by their lines in the file.
    const lines = await ids(b, ['in.csv', '--sample', '10%']);
    expect(lines.map((line) => `r${Number(line) - 2}`)).toEqual(first);
  });

  test('of two models gives two runs with the same rows', async () => {
    const b = await bench();
    b.write('in.csv', csv(300));
    const args = ['in.csv', '--sample', '5%', '--max-tokens', '9', '--prompt', '{{text}}'];
    await b.ok(['run', ...args, '--model', 'claude-haiku-5-5', '--name', 'a', '-o', 'a.jsonl']);
    const other = await b.ok(['run', ...args, '--model', 'claude-sonnet-5-5', '--name', 'b', '-o', 'b.jsonl']);
    expect(other.stderr).toContain('with another --model, --name');
    const of = (name: string): string[] => b.lines(name).map(({ custom_id: id }) => id);
    expect(of('a.jsonl')).toEqual(of('b.jsonl'));
    expect(of('a.jsonl').length).toBeGreaterThan(3);
  });

  test.each([
    ['0%', '--sample 0% would leave no row'],
    ['100%', 'below 100%'],
    ['10', 'below 100%'],
  ])('of %s is refused', async (share, message) => {
    const b = await bench();
    b.write('in.csv', csv(3));
    expect((await b.exits(2, ['submit', 'in.csv', ...ASK, '--sample', share])).stderr).toContain(message);
  });

  test('that leaves no row says so', async () => {
    const b = await bench();
    b.write('in.csv', csv(3));
    const ended = await b.exits(2, ['submit', 'in.csv', ...ASK, '--sample', '0.01%']);
    expect(ended.stderr).toContain('--sample chose none of 3 rows');
  });
});

describe('--shuffle', () => {
  test('gives every row once, in an order of its seed; with --limit its beginning', async () => {
    const b = await bench();
    const all = inputs(b);
    const order = await ids(b, [all['csv'] ?? '', '--shuffle', ...byId]);
    expect(order).toHaveLength(ROWS);
    expect(new Set(order).size).toBe(ROWS);
    expect(order.slice(0, 10)).not.toEqual(Array.from({ length: 10 }, (_, at) => `r${at}`));
    expect(await ids(b, ['in.jsonl', '--shuffle', ...byId, '--limit', '20'])).toEqual(order.slice(0, 20));
    expect(await ids(b, ['in.csv.gz', '--shuffle', ...byId, '--limit', '20'])).toEqual(order.slice(0, 20));
    // An array counts its elements.
    const elements = await ids(b, ['in.json', '--shuffle', '--limit', '20']);
    expect(elements.every((element) => Number(element) >= 1 && Number(element) <= ROWS)).toBe(true);
    const both = await ids(b, ['one.jsonl', 'two.jsonl', '--shuffle', '--limit', '50']);
    expect(both.some((id) => id.startsWith('1:')) && both.some((id) => id.startsWith('2:'))).toBe(true);
    expect(b.has('.batchrun/spool')).toBe(false);
  });

  test('of the same seed is the same run, of another one another', async () => {
    const b = await bench(ENDLESS);
    b.write('in.csv', csv(50));
    const args = ['submit', 'in.csv', ...ASK, '--shuffle', '--limit', '9'];
    const first = await b.json(0, [...args, '--seed', '7']);
    expect(await b.json(0, [...args, '--seed', '7'])).toMatchObject({ run_id: first.run_id, already_submitted: true });
    const other = await b.ok([...args, '-o', 'other.jsonl', '--seed', '8']);
    expect(other.stderr).toContain('with another --seed: this is a new run');
  });

  test('of a large input is the same in its thread, puts aside what does not fit, and leaves nothing', async () => {
    const b = await bench(ENDLESS);
    const large = 'question with some words in it, ä 💶 "quoted" '.repeat(9_000);
    const rows = Array.from({ length: 110 }, (_, at) => ({ params: params(`${at} ${large}`) }));
    b.write('in.jsonl', jsonl(rows));
    const thread = await b.json(0, ['submit', 'in.jsonl', '--shuffle', '--seed', '3', '--yes']);
    expect(b.has('.batchrun/spool')).toBe(true);
    expect(execFileSync('ls', [b.path('.batchrun/spool')], { encoding: 'utf8' })).toBe('');
    const stdin = readFileSync(b.path('in.jsonl'));
    const here = await b.json(0, ['submit', '-', '--shuffle', '--seed', '3', '--yes'], { stdin });
    expect([here.run_id, here.already_submitted]).toEqual([thread.run_id, true]);
    const few = await b.json(0, [
      'submit',
      'in.jsonl',
      '--sample',
      '20%',
      '--shuffle',
      '--limit',
      '5',
      '-o',
      'few.jsonl',
      '--dry-run',
    ]);
    const same = await b.json(
      0,
      ['submit', '-', '--sample', '20%', '--shuffle', '--limit', '5', '-o', 'few.jsonl', '--dry-run'],
      {
        stdin,
      },
    );
    expect(few).toEqual(same);
    expect(few).toMatchObject({ rows: 5 });
  });
});

describe('--truncate', () => {
  const args = (...more: string[]): string[] => ['--model', MODEL, '--max-tokens', '9', ...more];

  test('cuts what templates put in, counts the rows, and carries the whole', async () => {
    const b = await bench();
    b.write('in.csv', 'text,note\nshort,a\nmuch too long,b\n💶💶💶💶💶💶,c\n');
    const templates = ['--prompt', '{{note}}: {{text}}', '--system', 'About {{text}}.'];
    const run = ['run', 'in.csv', ...args(...templates), '--truncate', 'text=5', '--format', 'flat', '-o', 'out.jsonl'];
    const ended = await b.ok(run);
    expect(ended.stderr).toContain('note: {{text}} was cut to 5 characters (--truncate) (2 rows)');
    const lines = b.lines('out.jsonl') as unknown as Record<string, unknown>[];
    expect(lines.map(({ text, input, columns }) => JSON.stringify([text, input, columns])).join()).not.toBe('');
    expect(JSON.stringify(lines[1])).toContain('much too long');
    const shown = await b.json(0, [
      'submit',
      'in.csv',
      ...args(...templates),
      '--truncate',
      'text=5',
      '--limit',
      '3',
      '--shuffle',
      '--dry-run',
    ]);
    expect(JSON.stringify(shown.first_request)).toMatch(/"About (short|much |💶💶💶💶💶)\."/u);
  });

  test('says that it leaves rows alone that are requests already', async () => {
    const b = await bench();
    b.write('in.jsonl', jsonl([{ params: params('a ready one') }, { text: 'plain data' }]));
    const ended = await b.ok([
      'submit',
      'in.jsonl',
      ...args('--prompt', '{{text}}'),
      '--truncate',
      'text=3',
      '--dry-run',
    ]);
    expect(ended.stderr).toContain('a row brings its own messages: --truncate cuts only');
    expect(ended.stderr).toContain('{{text}} was cut to 3 characters (--truncate) (1 row)');
  });

  test.each([
    ['txet=5', 'in.csv', '--truncate names txet, but the input has the columns: id, text', 'Did you mean text?'],
    ['id=5', 'in.csv', '--truncate id has no effect: no template has {{id}} in it', 'It cuts what {{column}} puts'],
    ['body=5', 'in.jsonl', '--truncate body has no effect', 'rows that are requests already are sent as they are'],
    ['text', 'in.csv', 'It must be columns such as body=4000', ''],
    ['text=0', 'in.csv', 'It must be columns such as body=4000', ''],
  ])('%s of %s is refused', async (cut, input, message, hint) => {
    const b = await bench();
    b.write('in.csv', csv(2));
    b.write('in.jsonl', jsonl([{ params: params('x') }]));
    const prompt = input === 'in.csv' ? ['--prompt', '{{text}}'] : [];
    const ended = await b.exits(2, ['submit', input, ...args(...prompt), '--truncate', cut]);
    expect(ended.stderr).toContain(message);
    expect(ended.stderr).toContain(hint);
  });
});
