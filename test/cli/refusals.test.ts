/**
 * What is refused before anything is sent (exit 2): bad rows with their places, missing settings with a command that
 * works, outputs that would be destroyed. After each refusal the API has heard nothing and no run is left.
 */
import { mkdirSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import {
  answerOf,
  ASK,
  bench,
  classified,
  csv,
  echo,
  ENDLESS,
  expectAnswers,
  jsonl,
  params,
  requests,
  type Bench,
  type Ended,
} from '../support/cli.ts';

async function refused(b: Bench, args: readonly string[], before = 0): Promise<Ended> {
  const ended = await b.exits(2, args);
  expect(ended.stdout).toBe('');
  expect(b.calls('batches.create')).toBe(before);
  expect(b.runFolders()).toHaveLength(before);
  return ended;
}

/** The words of a command as a shell would take them. */
function shellWords(line: string): string[] {
  return [...line.matchAll(/'((?:[^']|'\\'')*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '');
}

describe('rows', () => {
  test('the first 20 problems with file and line, and the count of all; several files', async () => {
    const b = await bench();
    b.write('good.jsonl', requests(3));
    const bad = Array.from({ length: 25 }, (_, at) => ({ custom_id: `bad-${at}`, params: { max_tokens: 5 } }));
    b.write('bad.jsonl', `${jsonl([{ custom_id: 'fine', params: params('x') }])}${jsonl(bad)}{"custom_id": "torn\n`);
    const ended = await refused(b, ['submit', 'good.jsonl', 'bad.jsonl', '--model', 'claude-haiku-5-5']);
    const places = ended.stderr.match(/bad\.jsonl:\d+/g) ?? [];
    expect(places).toHaveLength(20);
    expect(places[0]).toBe('bad.jsonl:2');
    expect(ended.stderr).toContain('bad-0');
    expect(ended.stderr).toMatch(/messages/);
    expect(ended.stderr).toMatch(/26 problems|and 6 more/);
    expect(ended.stderr).toContain('26 of 30 rows');
    expect(ended.stderr).toContain('--on-invalid skip');
    expect((await b.json(0, ['list'])).runs).toEqual([]);
  });

  test.each([
    ['stream', { stream: true }, /stream/],
    ['speed', { speed: 'fast' }, /speed/],
    ['max_tokens 0', { max_tokens: 0 }, /max_tokens/],
    ['max_tokens as text', { max_tokens: '5' }, /max_tokens/],
    ['top_k', { top_k: 3 }, /top_k.*--drop-unsupported/],
    ['a list as cache_control', { cache_control: [{ type: 'ephemeral' }] }, /cache_control/],
    ['a retired model', { model: 'claude-3-opus-20240229' }, /claude-3-opus-20240229/],
  ])('%s', async (_name, more, text) => {
    const b = await bench();
    b.write('in.jsonl', jsonl([params('fine'), params('bad', more)]));
    const ended = await refused(b, ['submit', 'in.jsonl']);
    expect(ended.stderr).toMatch(/in\.jsonl:2/);
    expect(ended.stderr).toMatch(text);
  });

  test('where no row can be sent, nobody is told to send the good ones alone', async () => {
    const b = await bench();
    b.write('in.csv', csv(2));
    const ask = ['submit', 'in.csv', ...ASK.map((word) => (word === '200' ? '900000' : word))];
    for (const mode of ['fail', 'skip']) {
      const ended = await refused(b, [...ask, '--on-invalid', mode]);
      expect(ended.stderr).toMatch(/max_tokens is 900,000/);
      expect(ended.stderr).toMatch(/the setting/);
      expect(ended.stderr).not.toContain('--on-invalid skip');
    }
  });

  test('a run that has the output and is not finished is named, with the way to stop it', async () => {
    const b = await bench(ENDLESS);
    b.write('in.jsonl', requests(1));
    await b.ok(['submit', 'in.jsonl']);
    b.write('in.jsonl', requests(2));
    const ended = await refused(b, ['submit', 'in.jsonl'], 1);
    expect(ended.stderr).toMatch(/`batchrun cancel run_\w+` stops it, and --overwrite/);
  });

  test('another url than /v1/messages is refused by its name', async () => {
    const b = await bench();
    b.write('in.jsonl', jsonl([{ custom_id: 'a', method: 'POST', url: '/v1/embeddings', body: params('x') }]));
    const ended = await refused(b, ['submit', 'in.jsonl']);
    expect(ended.stderr).toMatch(/in\.jsonl:1.*\/v1\/embeddings/);
  });

  test('two rows with one id, wherever they are', async () => {
    const b = await bench();
    b.write('a.jsonl', requests(30));
    b.write('b.jsonl', jsonl([{ custom_id: 'row-7', params: params('again') }]));
    const ended = await refused(b, ['submit', 'a.jsonl', 'b.jsonl', '--chunk-size', '10']);
    expect(ended.stderr).toMatch(/b\.jsonl:1/);
    expect(ended.stderr).toContain('row-7');
  });

  test('a row that is not UTF-8, and one that is no object', async () => {
    const b = await bench();
    b.write(
      'in.jsonl',
      Buffer.concat([Buffer.from(requests(1)), Buffer.from([0x22, 0xff, 0x22, 0x0a]), Buffer.from('5\n')]),
    );
    const ended = await refused(b, ['submit', 'in.jsonl']);
    expect(ended.stderr).toMatch(/in\.jsonl:2/);
    expect(ended.stderr).toMatch(/in\.jsonl:3/);
  });

  test('--on-invalid skip sends the good ones; the bad have their places in the output and in --errors', async () => {
    const b = await bench();
    const rows = [
      { custom_id: 'a', params: params('one') },
      { custom_id: 'b', params: { model: 'claude-haiku-5-5', max_tokens: 5 } },
      { custom_id: 'a', params: params('duplicate') },
      { custom_id: 'd', params: params('four', { temperature: 1 }) },
      { custom_id: 'e', params: params('five') },
    ];
    b.write('in.jsonl', `${jsonl(rows)}{"torn\n`);
    const run = await b.exits(3, ['run', 'in.jsonl', '--on-invalid', 'skip', '--errors', 'errors.jsonl']);
    expect(run.stderr).toMatch(/in\.jsonl:2/);
    expect(run.stderr).toMatch(/in\.jsonl:6/);
    const answers = b.lines('in.results.jsonl').map(answerOf);
    expect(answers.map(([id]) => id)).toEqual(['a', 'b', 'a', 'd', 'e', '6']);
    expect(answers.map(([, text]) => text)).toEqual([
      echo('one'),
      ...Array.from({ length: 3 }, (): unknown => expect.stringMatching(/^batchrun_/)),
      echo('five'),
      expect.stringMatching(/^batchrun_/),
    ]);
    const errors = b.lines('errors.jsonl');
    expect(errors.map((line) => line.custom_id)).toEqual(['b', 'a', 'd', '6']);
    expect(errors[2]).toMatchObject({
      params: params('four', { temperature: 1 }),
      error: { type: expect.any(String) },
    });
    expect((await b.json(0, ['status', 'latest'])).runs[0].rows).toMatchObject({ total: 6, succeeded: 2, invalid: 4 });
  });
});

describe('settings', () => {
  test.each([
    ['everything', []],
    ['--prompt and --model', ['--max-tokens', '20']],
    ['--model', ['--prompt', "It's {{body}}", '--max-tokens', '20']],
    ['--max-tokens', ['--prompt', '{{body}}', '--model', 'claude-haiku-5-5']],
    ['--prompt', ['--model', 'claude-haiku-5-5', '--max-tokens', '20']],
  ])('without %s: the answer is a command that works with the real columns', async (_name, flags) => {
    const b = await bench();
    b.write('my data.csv', 'id,body\n1,hello\n2,world\n');
    const ended = await refused(b, ['submit', 'my data.csv', ...flags]);
    if (!flags.includes('--prompt')) expect(ended.stderr).toContain('body');
    const command = /^ *batchrun (submit .*)$/m.exec(ended.stderr)?.[1] ?? '';
    expect(command).not.toBe('');
    await b.ok(shellWords(command));
    expect(b.world.ledger.batches).toHaveLength(1);
  });

  test('the same for JSON rows without messages', async () => {
    const b = await bench();
    b.write('in.jsonl', jsonl([{ id: 7, review: 'good' }]));
    const ended = await refused(b, ['submit', 'in.jsonl']);
    expect(ended.stderr).toContain('{{review}}');
    await b.ok(shellWords(/^ *batchrun (submit .*)$/m.exec(ended.stderr)?.[1] ?? ''));
  });

  test('a placeholder without a column: refused with the columns that exist', async () => {
    const b = await bench();
    b.write('in.csv', csv(2));
    const ended = await refused(b, ['submit', 'in.csv', '--model', 'm', '--max-tokens', '5', '--prompt', '{{txet}}']);
    expect(ended.stderr).toMatch(/txet/);
    expect(ended.stderr).toMatch(/id, text/);
  });

  test('a column in single braces, and an id column that there is not: refused with what was meant', async () => {
    const b = await bench();
    b.write('in.csv', csv(3));
    const flags = ['--model', 'claude-haiku-5-5', '--max-tokens', '5'];
    const single = await refused(b, ['submit', 'in.csv', ...flags, '--prompt', 'Classify: {text}']);
    expect(single.stderr).toContain('Write {{text}} to put the column in.');
    const column = await refused(b, ['submit', 'in.csv', ...flags, '--prompt', '{{text}}', '--id-column', 'ids']);
    expect(column.stderr).toBe(
      'batchrun: --id-column names "ids", but the input has the columns: id, text\nDid you mean --id-column id?\n',
    );
    const dry = await b.ok(['submit', 'in.csv', ...flags, '--prompt', 'Tell me a joke', '--dry-run']);
    expect(dry.stderr).toMatch(/^note: --prompt has no \{\{column\}\} in it: .* \(3 rows\)$/m);
  });

  test('a retired model names its successor', async () => {
    const b = await bench();
    b.write('in.csv', csv(1));
    const flags = ['--max-tokens', '5', '--prompt', '{{text}}'];
    const ended = await refused(b, ['submit', 'in.csv', '--model', 'claude-3-opus-20240229', ...flags]);
    expect(ended.stderr).toContain('claude-opus-5-5');
  });

  test('no key: said before a byte is read', async () => {
    const b = await bench();
    b.write('in.jsonl', requests(1));
    const ended = await b.exits(2, ['submit', 'in.jsonl'], { env: { ANTHROPIC_API_KEY: undefined } });
    expect(ended.stderr).toContain('ANTHROPIC_API_KEY');
  });
});

describe('inputs', () => {
  test.each([
    ['a missing file', 'nothing.jsonl', /nothing\.jsonl/],
    ['a folder', 'folder', /folder/],
    ['an empty file', 'empty.jsonl', /no rows|empty/],
    ['a CSV with nothing but its header', 'header.csv', /no rows|empty/],
    ['what is neither', 'noise.bin', /noise\.bin/],
  ])('%s', async (_name, input, text) => {
    const b = await bench();
    mkdirSync(b.path('folder'));
    b.write('empty.jsonl', '');
    b.write('header.csv', 'id,text\n');
    b.write('noise.bin', Buffer.from([0, 1, 2, 3, 255, 254, 10, 0]));
    const ended = await refused(b, ['submit', input, ...ASK]);
    expect(ended.stderr).toMatch(text);
    expect(ended.stderr).not.toMatch(/bug/);
  });

  test('a gzip that is cut off: nothing is sent although its beginning is fine', async () => {
    const { gzipSync } = await import('node:zlib');
    const b = await bench();
    b.write('in.jsonl.gz', gzipSync(requests(500)).subarray(0, -30));
    await refused(b, ['submit', 'in.jsonl.gz']);
    await refused(b, ['submit', 'in.jsonl.gz', '--on-invalid', 'skip']);
  });

  test('nothing on stdin', async () => {
    const b = await bench();
    await refused(b, ['submit', '-']);
  });
});

describe('outputs', () => {
  test('a folder, a folder that is not there, a file that exists', async () => {
    const b = await bench();
    b.write('in.jsonl', requests(1));
    b.write('out.jsonl', 'mine\n');
    mkdirSync(b.path('folder'));
    expect((await refused(b, ['submit', 'in.jsonl', '-o', 'folder'])).stderr).toMatch(/folder/);
    expect((await refused(b, ['submit', 'in.jsonl', '-o', 'no/such/out.jsonl'])).stderr).toContain('no/such');
    expect((await refused(b, ['submit', 'in.jsonl', '-o', 'out.jsonl'])).stderr).toContain('--overwrite');
    expect((await refused(b, ['submit', 'in.jsonl', '--errors', 'out.jsonl'])).stderr).toContain('out.jsonl');
    expect((await refused(b, ['submit', 'in.jsonl', '-o', 'same', '--errors', 'same'])).stderr).toContain('same');
    expect(b.read('out.jsonl')).toBe('mine\n');
    await b.ok(['run', 'in.jsonl', '-o', 'out.jsonl', '--overwrite']);
    expect(b.lines('out.jsonl').map(answerOf)).toEqual([['row-1', echo('question 1')]]);
  });

  test('the input itself is never an output', async () => {
    const b = await bench();
    b.write('in.jsonl', requests(1));
    const ended = await b.exits(2, ['run', 'in.jsonl', '-o', 'in.jsonl', '--overwrite']);
    expect(ended.stderr).toContain('in.jsonl');
    expect(b.read('in.jsonl')).toBe(requests(1));
  });

  test('the output of another run, finished or not', async () => {
    const b = await bench(ENDLESS);
    b.write('a.jsonl', requests(1, 'a'));
    b.write('b.jsonl', requests(1, 'b'));
    const first = await b.json(0, ['submit', 'a.jsonl', '-o', 'out.jsonl']);
    const unfinished = await refused(b, ['submit', 'b.jsonl', '-o', 'out.jsonl'], 1);
    expect(unfinished.stderr).toContain(first.run_id);
    expect(unfinished.stderr).toContain('not finished');
  });

  test('the output of a run that is done may be replaced by that run, not by another', async () => {
    const b = await bench();
    b.write('a.csv', csv(1, 'a'));
    b.write('b.csv', csv(1, 'b'));
    await b.ok(['run', 'a.csv', ...ASK, '-o', 'out.jsonl']);
    await refused(b, ['submit', 'b.csv', ...ASK, '-o', 'out.jsonl'], 1);
    await b.ok(['collect', 'latest', '-o', 'out.jsonl']);
    await b.ok(['run', 'b.csv', ...ASK, '-o', 'out.jsonl', '--overwrite']);
    expectAnswers(b.lines('out.jsonl'), classified(1, 'b'));
  });
});
