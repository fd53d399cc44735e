/**
 * What comes out and where: the formats, the file of rows that did not succeed, stdout, and the paths that are
 * remembered.
 */
import { parse } from 'csv-parse/sync';
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
  params,
  parseLines,
  requests,
} from '../support/cli.ts';

/** Cells that are trouble: formulas, quotes, commas, line ends, nothing. */
const TROUBLE = 'id,text,note\n1,"=1+1","a, ""b"""\n2,"two\nlines",\n3,-5,@x\n';

function records(text: string): Record<string, string>[] {
  return parse(text, { columns: true, bom: true });
}

describe('formats', () => {
  test('csv carries the columns, and cells that a spreadsheet would run are defused', async () => {
    const b = await bench();
    b.write('in.csv', TROUBLE);
    await b.ok(['run', 'in.csv', ...ASK, '-o', 'out.csv']);
    const rows = records(b.read('out.csv'));
    expect(rows.map((row) => [row['custom_id'], row['status'], row['lane']])).toEqual([
      ['2', 'succeeded', 'batch'],
      ['3', 'succeeded', 'batch'],
      ['5', 'succeeded', 'batch'],
    ]);
    expect(rows.map((row) => row['text'])).toEqual(
      ['=1+1', 'two\nlines', '-5'].map((text) => echo(`Classify: ${text}`)),
    );
    expect(rows.map((row) => row['input_text'])).toEqual(["'=1+1", 'two\nlines', "'-5"]);
    expect(rows.map((row) => row['note'])).toEqual(['a, "b"', '', "'@x"]);
    expect(Number(rows[0]?.['output_tokens'])).toBeGreaterThan(0);
    expect(Number(rows[0]?.['cost_usd'])).toBeGreaterThan(0);

    const raw = await b.ok(['results', 'latest', '--format', 'csv', '--no-defuse-formulas']);
    expect(records(raw.stdout).map((row) => row['input_text'])).toEqual(['=1+1', 'two\nlines', '-5']);
  });

  test('--no-defuse-formulas at submit', async () => {
    const b = await bench();
    b.write('in.csv', TROUBLE);
    await b.ok(['run', 'in.csv', ...ASK, '--format', 'csv', '--no-defuse-formulas']);
    expect(records(b.read('in.results.csv')).map((row) => row['note'])).toEqual(['a, "b"', '', '@x']);
  });

  test('flat is one record a row, with the columns of the input', async () => {
    const b = await bench();
    b.write(
      'in.jsonl',
      jsonl([
        { text: 'x', tags: ['a'], n: 1 },
        { custom_id: 'own', text: 'y' },
      ]),
    );
    await b.ok(['run', 'in.jsonl', ...ASK, '--format', 'flat']);
    const [first, second] = b.lines('in.results.jsonl');
    expect(first).toMatchObject({
      custom_id: '1',
      status: 'succeeded',
      text: echo('Classify: x'),
      stop_reason: 'end_turn',
      model: 'claude-haiku-5-5',
      error_type: null,
      input_tokens: expect.any(Number),
      output_tokens: expect.any(Number),
      cost_usd: expect.any(Number),
      lane: 'batch',
      attempts: 1,
      input_text: 'x',
      tags: ['a'],
      n: 1,
    });
    expect(second?.custom_id).toBe('own');
  });

  test('a row that failed is told in every format', async () => {
    const b = await bench();
    b.write('in.jsonl', jsonl([params('fine'), params('bad', { model: 'claude-nobody-9' })]));
    await b.exits(3, ['run', 'in.jsonl', '--no-preflight']);
    expect(b.lines('in.results.jsonl').map(answerOf).at(-1)).toEqual(['2', 'not_found_error']);
    const flat = parseLines((await b.ok(['results', 'latest', '--format', 'flat', '--only', 'failed'])).stdout);
    expect(flat).toMatchObject([{ custom_id: '2', status: 'failed', error_type: 'not_found_error', text: null }]);
    const table = records((await b.ok(['results', 'latest', '--format', 'csv'])).stdout);
    expect(table[1]).toMatchObject({ custom_id: '2', status: 'failed', error_type: 'not_found_error', text: '' });
  });
});

describe('--errors', () => {
  test('holds the rows that did not succeed with their requests, and can be submitted as it is', async () => {
    const b = await bench({ rates: { errorRate: 1, errorTypes: { invalid_request_error: 1 } } });
    b.write('in.csv', csv(3));
    await b.exits(3, ['run', 'in.csv', ...ASK, '--errors', 'errors.jsonl']);
    const errors = b.lines('errors.jsonl');
    expect(errors).toMatchObject([
      {
        custom_id: '2',
        params: params('Classify: question 1'),
        error: { type: 'invalid_request_error', message: expect.any(String), status: 'failed' },
      },
      { custom_id: '3' },
      { custom_id: '4' },
    ]);
    b.world.setRates({ errorRate: 0 });
    await b.ok(['run', 'errors.jsonl', '-o', 'second.jsonl']);
    expectAnswers(b.lines('second.jsonl'), classified(3));
  });

  test('is there and empty when all went well', async () => {
    const b = await bench();
    b.write('in.csv', csv(1));
    await b.ok(['run', 'in.csv', ...ASK, '--errors', 'errors.jsonl']);
    expect(b.read('errors.jsonl')).toBe('');
  });
});

describe('stdout', () => {
  test('-o - writes the results and nothing else to stdout', async () => {
    const b = await bench();
    b.write('in.jsonl', requests(3));
    const run = await b.ok(['run', 'in.jsonl', '-o', '-']);
    expectAnswers(parseLines(run.stdout), asked(3));
    expect(b.has('in.results.jsonl')).toBe(false);
    const collected = await b.ok(['collect', 'latest', '-o', '-']);
    expect(collected.stdout).toBe(run.stdout);
  });

  test('a slow reader gets everything, and nobody is warned of anything', async () => {
    const b = await bench();
    b.write('in.jsonl', requests(6_000));
    await b.ok(['run', 'in.jsonl', '-q']);
    const running = b.start(['results', 'latest']);
    running.child.stdout.pause();
    await new Promise((resolve) => running.child.stdout.once('readable', resolve));
    running.child.stdout.resume();
    const ended = await running.ended;
    expect(ended).toMatchObject({ code: 0, stderr: '' });
    expect(ended.stdout).toBe(b.read('in.results.jsonl'));
  });

  test('--as-completed prints each row once, in any order, and again after a restart', async () => {
    const b = await bench({ batchDurationMs: [50, 400] });
    b.write('in.jsonl', requests(6));
    const run = await b.ok(['run', 'in.jsonl', '--as-completed', '--chunk-size', '2']);
    const sorted = (text: string) => parseLines(text).map(answerOf).sort();
    expect(sorted(run.stdout)).toEqual(asked(6).map(([id, text]) => [id, echo(text)]));
    expect(run.stdout.split('\n')).toHaveLength(7);
  });

  test('--as-completed beside -o gives both', async () => {
    const b = await bench();
    b.write('in.jsonl', requests(3));
    await b.ok(['submit', 'in.jsonl', '-o', 'out.jsonl']);
    const run = await b.ok(['collect', '--as-completed']);
    expect(parseLines(run.stdout)).toHaveLength(3);
    expectAnswers(b.lines('out.jsonl'), asked(3));
  });
});

describe('where', () => {
  test('{run} and {date} are filled in', async () => {
    const b = await bench();
    b.write('in.jsonl', requests(1));
    const submitted = await b.json(0, ['submit', 'in.jsonl', '-o', '{date}.{run}.jsonl', '--errors', 'e.{run}.jsonl']);
    expect(submitted.output).toMatch(new RegExp(`/\\d{4}-\\d\\d-\\d\\d\\.${submitted.run_id}\\.jsonl$`));
    const collected = await b.json(0, ['collect']);
    expect(collected.runs[0].output).toBe(submitted.output);
    expect(b.has(submitted.output.slice(b.folder.length + 1))).toBe(true);
    expect(b.has(`e.${submitted.run_id}.jsonl`)).toBe(true);
  });

  test('the place of submit is remembered, whatever folder collect runs in', async () => {
    const b = await bench();
    b.write('data/in.csv', csv(2));
    await b.ok(['submit', 'in.csv', ...ASK, '--state', '../.batchrun'], { cwd: b.path('data') });
    await b.ok(['collect']);
    expectAnswers(b.lines('data/in.results.jsonl'), classified(2));
  });

  test('collect -o on a finished run writes it there, in another format, without a request', async () => {
    const b = await bench();
    b.write('in.jsonl', requests(2));
    await b.ok(['run', 'in.jsonl']);
    const calls = b.calls();
    await b.ok(['collect', 'latest', '-o', 'again.csv', '--errors', 'errors.jsonl']);
    expect(records(b.read('again.csv')).map((row) => row['custom_id'])).toEqual(['row-1', 'row-2']);
    expect(b.has('errors.jsonl')).toBe(true);
    expect(b.calls()).toBe(calls);
    expect((await b.json(0, ['status', 'latest'])).runs[0].output).toBe(b.path('again.csv'));
  });

  test('one file for several runs is refused; {run} makes it several', async () => {
    const b = await bench();
    b.write('a.jsonl', requests(1, 'a'));
    b.write('b.jsonl', requests(1, 'b'));
    const first = await b.json(0, ['submit', 'a.jsonl']);
    const second = await b.json(0, ['submit', 'b.jsonl']);
    const refused = await b.exits(2, ['collect', '-o', 'all.jsonl']);
    expect(refused.stderr).toContain('{run}');
    await b.ok(['collect', '-o', '{run}.jsonl']);
    expectAnswers(b.lines(`${first.run_id}.jsonl`), asked(1, 'a'));
    expectAnswers(b.lines(`${second.run_id}.jsonl`), asked(1, 'b'));
  });

  test('a nightly job that writes one file: yesterday is replaced only with --overwrite', async () => {
    const b = await bench();
    b.write('in.csv', csv(1, 'monday'));
    await b.ok(['run', 'in.csv', ...ASK]);
    b.write('in.csv', csv(1, 'tuesday'));
    await b.exits(2, ['run', 'in.csv', ...ASK]);
    await b.ok(['run', 'in.csv', ...ASK, '--overwrite']);
    expectAnswers(b.lines('in.results.jsonl'), classified(1, 'tuesday'));
  });
});
