/**
 * Messages as a newcomer reads them: each says what happened once, names the place, and what to type next.
 */
import { describe, expect, test } from 'vitest';
import { ASK, bench, csv, requests } from '../support/cli.ts';

describe('a command line that is refused', () => {
  test.each([
    [['report'], "error: missing required argument 'what'\nUsage: batchrun report <what> [run]\n"],
    [
      ['results', 'latest', '--limit', '2'],
      "error: unknown option '--limit'\n(--limit is a flag of submit, run, adopt, plan and others)\nUsage: batchrun results <run>\n",
    ],
  ])('says how it is called: %j', async (args, said) => {
    const b = await bench();
    const { stderr } = await b.exits(2, args);
    expect(stderr).toBe(`${said}\`batchrun ${args[0] ?? ''} --help\` has its flags and examples.\n`);
    const { error } = await b.json(2, args);
    expect(error).toMatchObject({
      message: expect.stringMatching(/^(missing|unknown)/),
      hint: expect.stringContaining(`Usage: batchrun ${args[0] ?? ''} <`),
    });
  });

  test('says no more where it has said which word was meant', async () => {
    const b = await bench();
    expect((await b.exits(2, ['status', '--jsn'])).stderr).toBe(
      "error: unknown option '--jsn'\n(Did you mean --json?)\n",
    );
  });

  test('of another command is told whose it is', async () => {
    const b = await bench();
    expect((await b.exits(2, ['plan', '--name', 'x'])).stderr).toMatch(
      /^error: unknown option '--name'\n\(--name is a flag of submit, run, adopt\)\n/,
    );
    const { error } = await b.json(2, ['status', '--realtime']);
    expect(error.message).toContain('(--realtime is a flag of submit, run, collect, retry and others)');
  });

  test('by the shell, which has cut the prompt at its blanks, is told so', async () => {
    const b = await bench();
    b.write('in.csv', csv(1));
    const { stderr } = await b.exits(2, ['submit', 'in.csv', ...ASK.slice(0, 4), '--prompt', 'Classify:', '{{text}}']);
    expect(stderr).toContain('there is no file {{text}}\nPut the prompt in quotes');
  });

  test('for its prompt: an empty one is refused once, a file that is not there by its flag', async () => {
    const b = await bench();
    b.write('in.csv', csv(3));
    b.write('prompt.txt', '\n');
    const given = ['submit', 'in.csv', ...ASK.slice(0, 4)];
    expect((await b.exits(2, [...given, '--prompt', ''])).stderr).toMatch(/^batchrun: --prompt is empty\n/);
    const empty = await b.exits(2, [...given, '--prompt-file', 'prompt.txt']);
    expect(empty.stderr).toMatch(/^batchrun: the file prompt\.txt of --prompt-file is empty\n/);
    expect((await b.exits(2, [...given, '--prompt-file', 'none.txt'])).stderr).toBe(
      'batchrun: the file none.txt of --prompt-file is not there\nCheck the path that --prompt-file names.\n',
    );
    expect((await b.exits(2, [...given, '--prompt-file', '.'])).stderr).toContain('cannot be read: it is a folder\n');
  });

  test('for its base URL: the variable is named', async () => {
    const b = await bench();
    b.write('in.jsonl', requests(1));
    const env = { ANTHROPIC_BASE_URL: 'localhost:8787' };
    expect((await b.exits(2, ['submit', 'in.jsonl'], { env })).stderr).toContain('Write ANTHROPIC_BASE_URL with');
  });
});

test('what stands in the way of a submit is told once, without a command that would not help', async () => {
  const b = await bench({ strictKeys: true });
  b.write('in.jsonl', requests(2));
  const { stderr } = await b.exits(5, ['submit', 'in.jsonl']);
  expect(stderr.match(/^blocked: /gm)).toHaveLength(1);
  expect(stderr.match(/Check ANTHROPIC_API_KEY/g)).toHaveLength(1);
  expect(stderr).not.toContain('Now: batchrun collect');
});

test('prune with --quiet says nothing', async () => {
  const b = await bench();
  b.write('in.jsonl', requests(2));
  await b.ok(['run', 'in.jsonl', '--quiet']);
  expect(await b.ok(['prune', '--keep-last', '1', '--quiet'])).toMatchObject({ stdout: '', stderr: '' });
  expect(await b.ok(['prune', 'latest', '--quiet'])).toMatchObject({ stdout: '', stderr: '' });
  expect((await b.json(0, ['list'])).runs).toEqual([]);
});
