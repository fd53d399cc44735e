/**
 * Keys and prompts stay where they belong (promise P7), and a run stays at the API it was made for.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { startSimServer } from '../../src/tools/sim/server.ts';
import { bench, ENDLESS, jsonl, KEY, params, parseLines, type Bench } from '../support/cli.ts';
import { onTestFinished } from 'vitest';

const PROMPT = 'the-patient-is-called-Grete-Samsa';

function filesOf(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

/** Everything that this program says on its way through a run with every trouble that it talks about. */
async function troubled(b: Bench): Promise<string> {
  b.world.failNext('create.500_before');
  b.world.failNext('results.cut_line');
  b.world.failNext('message.529', 2);
  const rows = [
    params(`${PROMPT} 1`),
    params(`${PROMPT} 2`, { model: 'claude-nobody-9' }),
    { ...params(PROMPT), stream: 1 },
  ];
  b.write('in.jsonl', `${jsonl(rows)}{"${PROMPT}\n`);
  const said: string[] = [];
  const say = async (...args: string[]): Promise<void> => {
    const ended = await b.call([...args, '--log-level', 'debug']);
    expect(ended.code, ended.stderr).not.toBe(1);
    said.push(ended.stdout, ended.stderr);
  };
  await say('submit', 'in.jsonl');
  await say('submit', 'in.jsonl', '--on-invalid', 'skip', '--json');
  await say('status');
  await say('collect', '--json');
  await say('log', 'latest');
  await say('list', '--json');
  await say('doctor');
  await say('retry', 'latest', '--wait');
  return said.join('\n');
}

describe('the state folder', () => {
  test('is for its owner alone, and git leaves it out', async () => {
    const b = await bench(ENDLESS);
    b.write('in.jsonl', jsonl([params('x')]));
    await b.ok(['submit', 'in.jsonl']);
    expect(statSync(b.state).mode & 0o777).toBe(0o700);
    expect(readFileSync(join(b.state, '.gitignore'), 'utf8')).toBe('*\n');
  });

  test('holds no key; the ledger, the log and the terminal hold no prompt', async () => {
    const b = await bench({ rates: { expireRate: 0.5 } });
    const said = await troubled(b);
    expect(said).toContain('run_');
    expect(said).not.toContain(KEY);
    expect(said).not.toContain(PROMPT);
    const files = filesOf(b.state);
    const withKey = files.filter((file) => readFileSync(file).includes(KEY));
    expect(withKey).toEqual([]);
    const withPrompt = files
      .filter((file) => readFileSync(file).includes(PROMPT))
      .map((file) => file.slice(b.state.length));
    // Prompts are in files of the run only.
    expect(withPrompt.filter((file) => !file.startsWith('/runs/'))).toEqual([]);
    expect(withPrompt.length).toBeGreaterThan(0);
  });

  test('texts of flags are kept as hashes only', async () => {
    const b = await bench(ENDLESS);
    b.write('in.jsonl', jsonl([{ text: 'x' }]));
    const flags = ['--model', 'claude-haiku-5-5', '--max-tokens', '9', '--prompt', `{{text}} ${PROMPT}`];
    await b.ok(['submit', 'in.jsonl', ...flags, '--system', `${PROMPT}!`]);
    const ledger = filesOf(b.state).filter((file) => file.includes('.db'));
    expect(ledger.length).toBeGreaterThan(0);
    for (const file of ledger) expect(readFileSync(file).includes(PROMPT)).toBe(false);
  });

  test("the SDK's own log shows no key and stays off stdout", async () => {
    const b = await bench();
    b.write('in.jsonl', jsonl([params('x')]));
    const run = await b.ok(['run', 'in.jsonl', '-o', '-'], { env: { ANTHROPIC_LOG: 'debug' } });
    expect(parseLines(run.stdout).map((line) => line.custom_id)).toEqual(['1']);
    expect(run.stderr).not.toContain(KEY);
  });

  test('a key in the environment variable of another name, or as a bearer token, is hidden as well', async () => {
    const b = await bench();
    b.write('in.jsonl', jsonl([params('x')]));
    const env = { ANTHROPIC_API_KEY: undefined, ANTHROPIC_AUTH_TOKEN: KEY };
    const run = await b.ok(['run', 'in.jsonl', '--log-level', 'debug'], { env });
    expect(run.stdout + run.stderr).not.toContain(KEY);
    expect(filesOf(b.state).filter((file) => readFileSync(file).includes(KEY))).toEqual([]);
  });
});

describe('another base URL', () => {
  test('is refused for a run that lives elsewhere, and nothing is asked there', async () => {
    const b = await bench();
    b.write('in.jsonl', jsonl([params('x')]));
    const first = await b.json(0, ['submit', 'in.jsonl']);
    const other = await bench();
    const env = { ANTHROPIC_BASE_URL: other.origin };
    for (const args of [['collect'], ['collect', first.run_id], ['cancel', 'latest']]) {
      const failed = await b.json(2, args, { env });
      expect(failed.error).toMatchObject({ code: 'E_ORIGIN' });
      expect(failed.error.message).toContain(b.origin);
    }
    await b.ok(['collect']);
    for (const args of [
      ['retry', 'latest'],
      ['prune', 'latest', '--remote'],
    ]) {
      expect((await b.json(2, args, { env })).error.code).toBe('E_ORIGIN');
    }
    expect(other.calls()).toBe(0);
  });

  test('makes another run of the same input, and each is collected where it lives', async () => {
    const b = await bench();
    b.write('in.jsonl', jsonl([params('x')]));
    await b.ok(['submit', 'in.jsonl', '-o', '1.jsonl']);
    const server = await startSimServer(b.world, { port: 0 });
    onTestFinished(() => server.close());
    const env = { ANTHROPIC_BASE_URL: server.origin };
    const second = await b.json(0, ['submit', 'in.jsonl', '-o', '2.jsonl'], { env });
    expect(second.already_submitted).toBe(false);
    const collected = await b.ok(['collect']);
    expect(collected.stderr).toMatch(/Left alone/);
    expect([b.has('1.jsonl'), b.has('2.jsonl')]).toEqual([true, false]);
    await b.ok(['collect'], { env });
    expect(b.has('2.jsonl')).toBe(true);
  });
});
