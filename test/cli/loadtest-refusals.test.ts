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
    ['--html', '/dev/null', /--html \/dev\/null is no ordinary file/],
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

test('a report that cannot be written is exit 1, and stdout holds the figures and nothing else', async () => {
  const b = await bench();
  // Its name fits, that of the file beside it which becomes it does not.
  const args = ['loadtest', ...paid(b), '--html', 'x'.repeat(253), '--json'];
  const { stdout, stderr } = await b.exits(1, args);
  expect(JSON.parse(stdout)).toMatchObject({ requests: { sent: 3, succeeded: 3 } });
  expect(stderr).toMatch(/Not written: .*name too long.* Stdout has its figures\./);
});

describe('what is said to cost at most', () => {
  const TOOL = { name: 't', input_schema: { type: 'object' } };
  const asked = async (b: Bench, params: object): Promise<string> => {
    const args = ['loadtest', ...paid(b).filter((word) => word !== '--yes'), '--params', JSON.stringify(params)];
    return (await b.exits(2, args)).stderr;
  };
  const usdIn = (text: string): number => Number(/at most \$([\d.]+\d)/.exec(text)?.[1]);

  test('holds the tokens that the API puts before a request with tools', async () => {
    const b = await bench();
    const most = usdIn(await asked(b, { tools: [TOOL] }));
    // As many bytes without tools: some hundred tokens are as much as the prompt itself.
    const plain = usdIn(await asked(b, { metadata: { tools: JSON.stringify([TOOL]) } }));
    expect(most).toBeGreaterThan(plain * 1.5);
  });

  test('names what nobody can tell beforehand', async () => {
    const b = await bench();
    const text = await asked(b, { tools: [{ type: 'web_search_20250305', name: 'web_search' }] });
    expect(text).toMatch(/at most \$[\d.]+, and on top of it uses of the API's own tools \(web_search\)/);
    expect(await asked(b, {})).not.toContain('on top of it');
  });

  test.each([
    ['messages', [{ role: 'user', content: 'x' }]],
    ['stream', true],
    ['speed', 'fast'],
  ])('"%s" of --params is refused: it would be written over, or not counted', async (name, value) => {
    const b = await bench();
    expect(await asked(b, { [name]: value })).toContain(`a load test takes no "${name}" in --params`);
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
