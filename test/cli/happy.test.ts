/**
 * The way that everybody goes: submit, status, collect, and each of them again. What is on stdout, what is on stderr,
 * and that nothing is sent that was sent before.
 */
import { describe, expect, test } from 'vitest';
import {
  answerOf,
  ASK,
  asked,
  BANKING77,
  bench,
  classified,
  csv,
  echo,
  expectAnswers,
  expectNothingTwice,
  parseLines,
  requests,
} from '../support/cli.ts';
import { readFileSync } from 'node:fs';

describe('submit, status, collect', () => {
  test('the run id alone is on stdout, everything else on stderr, and each row gets its own answer in input order', async () => {
    const b = await bench();
    b.write('in.csv', csv(25));
    const submitted = await b.ok(['submit', 'in.csv', ...ASK, '--chunk-size', '10']);
    expect(submitted.stdout).toMatch(/^run_[0-9a-z]+\n$/i);
    expect(submitted.stderr).toContain('25 rows');
    expect(submitted.stderr).toContain('3 of 3 batches uploaded');
    expect(submitted.stderr).toContain('batchrun collect');
    expect(b.has('in.results.jsonl')).toBe(false);

    const status = await b.ok(['status']);
    expect(status.stdout).toContain(submitted.stdout.trim());
    expect(status.stdout).toMatch(/in batch +25/);

    const collected = await b.ok(['collect']);
    expect(collected.stdout).toBe('');
    expect(collected.stderr).toContain('Safe to stop with Ctrl-C');
    expect(collected.stderr).toContain(b.path('in.results.jsonl'));
    expectAnswers(b.lines('in.results.jsonl'), classified(25));
    expectNothingTwice(b.world);
    expect(b.world.ledger.batches).toHaveLength(3);
  });

  test('submit, collect and run again do nothing: no batch, no request, no other output', async () => {
    const b = await bench();
    b.write('in.jsonl', requests(5));
    const first = await b.ok(['submit', 'in.jsonl']);
    const again = await b.ok(['submit', 'in.jsonl']);
    expect(again.stdout).toBe(first.stdout);
    expect(again.stderr).toMatch(/submitted before.*--again/);
    await b.ok(['collect']);
    expect(b.world.ledger.batches).toHaveLength(1);

    const output = b.read('in.results.jsonl');
    const calls = b.calls();
    const after = await b.ok(['submit', 'in.jsonl']);
    expect(after.stdout).toBe(first.stdout);
    await b.ok(['collect']);
    await b.ok(['collect', 'latest']);
    const run = await b.ok(['run', 'in.jsonl']);
    expect(run.stderr).toContain('submitted before');
    expect(b.calls()).toBe(calls);
    expect(b.read('in.results.jsonl')).toBe(output);
    expectAnswers(parseLines(output), asked(5));
  });

  test('run does both, and -q says nothing at all', async () => {
    const b = await bench();
    b.write('in.jsonl', requests(3));
    const run = await b.ok(['run', 'in.jsonl', '-q', '-o', 'out.jsonl']);
    expect(run).toMatchObject({ stdout: '', stderr: '' });
    expectAnswers(b.lines('out.jsonl'), asked(3));
  });

  test('a run is named by a prefix, its name or latest', async () => {
    const b = await bench();
    b.write('a.jsonl', requests(1, 'a'));
    b.write('b.jsonl', requests(1, 'b'));
    const first = (await b.ok(['submit', 'a.jsonl', '--name', 'nightly'])).stdout.trim();
    const second = (await b.ok(['submit', 'b.jsonl'])).stdout.trim();
    await b.ok(['collect', 'nightly']);
    expect([b.has('a.results.jsonl'), b.has('b.results.jsonl')]).toEqual([true, false]);
    await b.ok(['collect', second.slice(0, -1)]);
    expect(b.has('b.results.jsonl')).toBe(true);
    const latest = await b.json(0, ['status', 'latest']);
    expect(latest.runs.map((run) => run.id)).toEqual([second]);
    const ambiguous = await b.exits(2, ['status', 'run_']);
    expect(ambiguous.stderr).toContain(first);
    const unknown = await b.exits(2, ['status', 'run_zzz']);
    expect(unknown.stderr).toContain(b.state);
  });

  test('real messages of bank customers keep their commas, quotes and line ends', async () => {
    const b = await bench();
    const lines = readFileSync(BANKING77, 'utf8').split('\n').slice(0, 41);
    b.write('bank.csv', `${lines.join('\n')}\n`);
    await b.ok(['run', 'bank.csv', ...ASK, '--format', 'flat']);
    const records = b.lines('bank.results.jsonl');
    expect(records.length).toBeGreaterThan(30);
    for (const record of records) {
      expect(record).toMatchObject({ status: 'succeeded', lane: 'batch', category: expect.any(String) });
      expect(record['text']).toBe(echo(`Classify: ${String(record['input_text'])}`));
    }
  });

  test('status works where the API cannot be reached, and names the folder where it found nothing', async () => {
    const b = await bench();
    const nothing = await b.ok(['status'], { env: { ANTHROPIC_API_KEY: undefined, ANTHROPIC_BASE_URL: undefined } });
    expect(nothing.stdout).toContain(b.state);
    expect(b.has('.batchrun')).toBe(false);
    b.write('in.jsonl', requests(2));
    await b.ok(['submit', 'in.jsonl']);
    const calls = b.calls();
    const view = await b.json(0, ['status'], { env: { ANTHROPIC_API_KEY: undefined, ANTHROPIC_BASE_URL: undefined } });
    expect(view.runs[0].rows).toMatchObject({ total: 2, in_batch: 2 });
    expect(b.calls()).toBe(calls);
  });

  test('what the caps do not allow waits for collect, which uploads it as slots come free', async () => {
    const b = await bench();
    b.write('in.jsonl', requests(8));
    const submitted = await b.json(0, ['submit', 'in.jsonl', '--chunk-size', '2', '--max-batches', '1']);
    expect(submitted).toMatchObject({ chunks: 4, uploaded: 1, waiting: 3 });
    await b.ok(['collect', '--max-batches', '1']);
    expect(b.world.ledger.peakBatches).toBe(1);
    expectAnswers(b.lines('in.results.jsonl'), asked(8));
    expectNothingTwice(b.world);
  });

  test('run --wait of submit is collect; --name and --again make another run', async () => {
    const b = await bench();
    b.write('in.jsonl', requests(2));
    const first = (await b.ok(['submit', 'in.jsonl', '--wait', '-o', '1.jsonl'])).stdout;
    expect(first).toBe('');
    await b.ok(['submit', 'in.jsonl', '--name', 'b', '--wait', '-o', '2.jsonl']);
    await b.ok(['submit', 'in.jsonl', '--name', 'b', '--again', '--wait', '-o', '3.jsonl']);
    const same = await b.ok(['submit', 'in.jsonl', '--name', 'b', '-o', '4.jsonl']);
    expect(same.stderr).toContain('submitted before');
    expect(b.world.ledger.batches).toHaveLength(3);
    for (const name of ['1.jsonl', '2.jsonl', '3.jsonl']) expect(b.lines(name).map(answerOf)).toHaveLength(2);
    const list = await b.json(0, ['list']);
    expect(list.runs.map((run) => run.name)).toEqual([null, 'b', 'b']);
  });

  test('another setting makes another run, and the flag that differs is named without its text', async () => {
    const b = await bench();
    b.write('in.csv', csv(2));
    await b.ok(['submit', 'in.csv', ...ASK]);
    const other = await b.ok([
      ...['submit', 'in.csv', '--model', 'claude-haiku-5-5', '--max-tokens', '200'],
      ...['--prompt', 'Secretly summarise: {{text}}', '-o', 'other.jsonl'],
    ]);
    expect(other.stderr).toMatch(/another --prompt: this is a new run/);
    expect(other.stderr).not.toContain('Secretly');
    expect(b.world.ledger.batches).toHaveLength(2);
  });
});
