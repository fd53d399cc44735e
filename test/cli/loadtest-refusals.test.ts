/**
 * What a load test refuses before anything is sent or written: a bound that cannot be kept, a report that could not be
 * written at its end, an input that it would write over.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { bench, MODEL, type Bench } from '../support/cli.ts';

const ROWS = '{"custom_id":"a","params":{"messages":[{"role":"user","content":"Hi"}]}}\n';

function paid(b: Bench): string[] {
  return ['--target', b.origin, '--yes', '--model', MODEL, '--max-tokens', '20', '--users', '1', '--max-requests', '3'];
}

describe('nothing is sent', () => {
  test.each([
    ['--html', 'nowhere/load.html', /nothing can be written to the folder of --html/],
    ['--csv', 'nowhere/load.csv', /nothing can be written to the folder of --csv/],
    ['--html', 'folder', /--html folder is a folder/],
    ['--html', 'rows.jsonl', /--html rows\.jsonl is what the test reads/],
    ['--csv', './rows.jsonl', /--csv \.\/rows\.jsonl is what the test reads/],
  ])('where %s is %s', async (flag, file, says) => {
    const b = await bench();
    b.write('rows.jsonl', ROWS);
    mkdirSync(join(b.folder, 'folder'));
    const { stderr } = await b.exits(2, ['loadtest', 'rows.jsonl', ...paid(b), flag, file]);
    expect(stderr).toMatch(says);
    expect(b.calls('messages.create')).toBe(0);
    expect(b.read('rows.jsonl')).toBe(ROWS);
  });

  test('where the report and the seconds are one file', async () => {
    const b = await bench();
    const { stderr } = await b.exits(2, ['loadtest', ...paid(b), '--html', 'one', '--csv', './one']);
    expect(stderr).toContain('--html and --csv are the same file');
  });

  test('where the timeout is longer than what can be measured: a timer would end each request at once', async () => {
    const b = await bench();
    const { stderr } = await b.exits(2, ['loadtest', ...paid(b), '--timeout', '100d']);
    expect(stderr).toContain('--timeout must be more than nothing and at most an hour');
    expect(b.calls('messages.create')).toBe(0);
  });
});

test('a test that could send nothing is not fine for CI, and says why', async () => {
  const b = await bench();
  const { stdout } = await b.exits(3, ['loadtest', '--max-cost', '0.0000001']);
  expect(stdout).toContain('Nothing was sent: the most that one request can cost');
});

test('no key is said to go along where none does', async () => {
  const b = await bench();
  const keyless = { env: { ANTHROPIC_API_KEY: undefined } };
  const { stderr } = await b.exits(2, ['loadtest', ...paid(b).filter((word) => word !== '--yes')], keyless);
  expect(stderr).toContain('without a key');
});
