/**
 * What can be handed over: every kind of input, and what each of its rows is asked and called.
 */
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import {
  answerOf,
  ASK,
  asked,
  bench,
  classified,
  csv,
  echo,
  expectAnswers,
  jsonl,
  MODEL,
  params,
  requests,
} from '../support/cli.ts';

const SHAPES = [
  { custom_id: 'a', params: params('first') },
  { ...params('second'), custom_id: 'b', tag: 'carried' },
  { custom_id: 'c', method: 'POST', url: '/v1/messages', body: params('third') },
  { custom_id: 'd', text: 'fourth' },
];
const OF_SHAPES = [
  ['a', 'first'],
  ['b', 'second'],
  ['c', 'third'],
  ['d', 'Classify: fourth'],
] as const;

describe('one file', () => {
  test('JSONL in all four shapes, side by side', async () => {
    const b = await bench();
    b.write('in.jsonl', jsonl(SHAPES));
    await b.ok(['run', 'in.jsonl', ...ASK]);
    expectAnswers(b.lines('in.results.jsonl'), OF_SHAPES);
  });

  test.each(['in.json', 'in.jsonl'])('a JSON array, called %s', async (name) => {
    const b = await bench();
    b.write(name, JSON.stringify(SHAPES, null, 2));
    await b.ok(['run', name, ...ASK, '-o', 'out.jsonl']);
    expectAnswers(b.lines('out.jsonl'), OF_SHAPES);
  });

  test.each([
    ['CSV with BOM and CRLF', 'in.csv', `\uFEFF${csv(3).replaceAll('\n', '\r\n')}`],
    ['CSV without a last line end', 'in.csv', csv(3).trimEnd()],
    ['CSV, gzipped', 'in.csv.gz', gzipSync(csv(3))],
    ['CSV, gzipped, without saying so', 'in.csv', gzipSync(csv(3))],
  ])('%s', async (_name, file, content) => {
    const b = await bench();
    b.write(file, content);
    await b.ok(['run', file, ...ASK]);
    expectAnswers(b.lines('in.results.jsonl'), classified(3));
  });

  test.each([
    ['with BOM and CRLF', `\uFEFF${requests(3).replaceAll('\n', '\r\n')}`],
    ['with empty lines and no last line end', `\n${requests(3).replaceAll('\n', '\n\n').trimEnd()}`],
    ['gzipped', gzipSync(requests(3))],
  ])('JSONL %s', async (_name, content) => {
    const b = await bench();
    b.write('in.jsonl', content);
    await b.ok(['run', 'in.jsonl']);
    expectAnswers(b.lines('in.results.jsonl'), asked(3));
  });

  test('path, compression and line ends do not make another run', async () => {
    const b = await bench();
    b.write('in.jsonl', requests(2));
    b.write('other.jsonl.gz', gzipSync(requests(2).replaceAll('\n', '\r\n')));
    const first = await b.json(0, ['submit', 'in.jsonl']);
    const same = await b.json(0, ['submit', 'other.jsonl.gz', '--chunk-size', '1', '-o', 'x.jsonl']);
    expect(same).toMatchObject({ run_id: first.run_id, already_submitted: true });
    expect(b.world.ledger.batches).toHaveLength(1);
  });
});

describe('stdin', () => {
  test('- is JSONL, and its results are called after the run', async () => {
    const b = await bench();
    const { run_id: run } = await b.json(0, ['submit', '-'], { stdin: requests(2) });
    await b.ok(['collect']);
    expectAnswers(b.lines(`${run}.results.jsonl`), asked(2));
  });

  test('CSV through a pipe is recognised, or said with --input-format', async () => {
    const b = await bench();
    await b.ok(['run', '-', ...ASK, '--input-format', 'csv', '-o', 'out.jsonl'], { stdin: csv(2) });
    expectAnswers(b.lines('out.jsonl'), classified(2));
  });

  test('gzip through a pipe', async () => {
    const b = await bench();
    await b.ok(['run', '-', '-o', 'out.jsonl'], { stdin: gzipSync(requests(2)) });
    expectAnswers(b.lines('out.jsonl'), asked(2));
  });
});

describe('ids', () => {
  test('rows without one are called by their line, and with several files by file and line', async () => {
    const b = await bench();
    b.write('a.jsonl', jsonl([params('one'), params('two')]));
    b.write('sub/b.csv', csv(1));
    await b.ok(['run', 'a.jsonl', 'sub/b.csv', ...ASK]);
    const ids = b.lines('a.results.jsonl').map((line) => answerOf(line)[0]);
    expect(ids).toEqual(['1:1', '1:2', '2:2']);
    expect(b.lines('a.results.jsonl').map((line) => answerOf(line)[1])).toEqual(
      ['one', 'two', 'Classify: question 1'].map(echo),
    );
  });

  test('--id-column names the column that has them; any text will do', async () => {
    const b = await bench();
    b.write('in.csv', 'key,text\n"ä/1, ""x""",one\n😀,two\n');
    await b.ok(['run', 'in.csv', ...ASK, '--id-column', 'key']);
    expectAnswers(b.lines('in.results.jsonl'), [
      ['ä/1, "x"', 'Classify: one'],
      ['😀', 'Classify: two'],
    ]);
  });
});

describe('what rows are asked', () => {
  test('--params, --system and files give defaults; the row has the last word', async () => {
    const b = await bench();
    b.write('prompt.txt', 'Say {{text}}\n');
    b.write('system.txt', 'You are {{who}}.\n');
    b.write('in.jsonl', jsonl([{ text: 'hello', who: 'A' }, params('own', { system: 'Own.' })]));
    const dry = await b.json(0, [
      ...['submit', 'in.jsonl', '--dry-run', '--prompt-file', 'prompt.txt', '--system-file', 'system.txt'],
      ...['--params', '{"max_tokens":9,"stop_sequences":["END"]}', '--model', MODEL],
    ]);
    expect(dry.first_request).toEqual({
      model: MODEL,
      max_tokens: 9,
      stop_sequences: ['END'],
      system: 'You are A.',
      messages: [{ role: 'user', content: 'Say hello' }],
    });
  });

  test('a leading system message moves into system, and that is said once', async () => {
    const b = await bench();
    const row = (text: string): object => ({
      model: MODEL,
      max_tokens: 50,
      messages: [
        { role: 'system', content: 'Be brief.' },
        { role: 'user', content: text },
      ],
    });
    b.write('in.jsonl', jsonl([row('a'), row('b')]));
    const run = await b.ok(['run', 'in.jsonl']);
    expect(run.stderr.match(/note: .*system/g)).toHaveLength(1);
    expect(run.stderr).toContain('(2 rows)');
  });

  test('temperature is refused with the way out, and left out with --drop-unsupported', async () => {
    const b = await bench();
    b.write('in.jsonl', jsonl([params('a', { temperature: 0.2 }), params('b')]));
    const refused = await b.exits(2, ['run', 'in.jsonl']);
    expect(refused.stderr).toMatch(/in\.jsonl:1: .*temperature.*--drop-unsupported/);
    expect(b.calls()).toBe(0);
    const run = await b.ok(['run', 'in.jsonl', '--drop-unsupported']);
    expect(run.stderr).toMatch(/note: .*temperature.*\(1 row\)/);
    expectAnswers(b.lines('in.results.jsonl'), [
      ['1', 'a'],
      ['2', 'b'],
    ]);
  });

  test('--limit takes the first rows, as a run of its own', async () => {
    const b = await bench();
    b.write('in.csv', csv(10));
    await b.ok(['run', 'in.csv', ...ASK, '--limit', '3', '-o', 'few.jsonl']);
    expectAnswers(b.lines('few.jsonl'), classified(3));
    await b.ok(['run', 'in.csv', ...ASK]);
    expectAnswers(b.lines('in.results.jsonl'), classified(10));
  });

  test('--dry-run sends nothing and leaves no run', async () => {
    const b = await bench();
    b.write('in.csv', csv(3));
    const dry = await b.ok(['submit', 'in.csv', ...ASK, '--dry-run']);
    expect(JSON.parse(dry.stdout)).toEqual(params('Classify: question 1'));
    expect(dry.stderr).toContain('3 rows');
    expect(dry.stderr).toContain('nothing was sent');
    expect(b.calls()).toBe(0);
    expect(b.runFolders()).toEqual([]);
    expect((await b.json(0, ['list'])).runs).toEqual([]);
    const offline = await b.ok(['run', 'in.csv', ...ASK, '--dry-run'], { env: { ANTHROPIC_API_KEY: undefined } });
    expect(offline.stdout).toBe(dry.stdout);
  });
});
