/**
 * The configuration through the program: profiles and what goes before what, `batchrun config`, and `batchrun init`.
 */
import { spawnSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { type viewConfig } from '../../src/cli/config.ts';
import { currentModels } from '../../src/cli/init.ts';
import { bench, csv, KEY, MODEL, PROGRAM, type Bench } from '../support/cli.ts';

const FILE = `model: claude-opus-5-5
max-tokens: 5
prompt: '{{text}}'
profiles:
  cheap:
    model: claude-haiku-5-5
  good:
    model: claude-sonnet-5-5
    max-tokens: 7
`;

interface Asked {
  readonly model: string;
  readonly max_tokens: number;
}

async function asked(b: Bench, args: readonly string[] = [], env: Record<string, string> = {}): Promise<Asked> {
  return (await b.json(0, ['submit', 'in.csv', '--dry-run', ...args], { env })).first_request as unknown as Asked;
}

describe('profiles', () => {
  test('flag > environment > profile > file > default', async () => {
    const b = await bench();
    b.write('in.csv', csv(1));
    b.write('batchrun.config.yaml', FILE);
    const env = { BATCHRUN_PROFILE: 'good' };
    expect(await asked(b)).toMatchObject({ model: 'claude-opus-5-5', max_tokens: 5 });
    expect(await asked(b, ['--profile', 'cheap'])).toMatchObject({ model: MODEL, max_tokens: 5 });
    expect(await asked(b, [], env)).toMatchObject({ model: 'claude-sonnet-5-5', max_tokens: 7 });
    expect(await asked(b, ['--profile', 'cheap'], env)).toMatchObject({ model: MODEL, max_tokens: 5 });
    expect(await asked(b, [], { ...env, BATCHRUN_MAX_TOKENS: '8' })).toMatchObject({ max_tokens: 8 });
    expect(await asked(b, ['--max-tokens', '9'], { ...env, BATCHRUN_MAX_TOKENS: '8' })).toMatchObject({
      max_tokens: 9,
    });
    b.write('batchrun.config.yaml', `profile: cheap\n${FILE}`);
    expect(await asked(b)).toMatchObject({ model: MODEL });
    expect(await asked(b, [], env)).toMatchObject({ model: 'claude-sonnet-5-5' });
  });

  test.each([
    [FILE, 'cheep', /has no profile "cheep"\n.*Did you mean "cheap"\? There are cheap, good\./s],
    [FILE, 'xyzzy', /has no profile "xyzzy"\nThere are cheap, good\./],
    ['model: x', 'cheap', /Profiles stand in it under "profiles"/],
    [null, 'cheap', /no configuration file here\n.*batchrun init/s],
  ])('one that is not there is refused', async (file, name, text) => {
    const b = await bench();
    if (file !== null) b.write('batchrun.config.yaml', file);
    const ended = await b.exits(2, ['status', '--profile', name]);
    expect(ended.stderr).toMatch(text);
  });

  test('a mistake in a profile that nobody asked for is found by every command', async () => {
    const b = await bench();
    b.write('batchrun.config.yml', 'profiles:\n  x:\n    chunk-sise: 5\n');
    const ended = await b.exits(2, ['list']);
    expect(ended.stderr).toMatch(/batchrun\.config\.yml:3: there is no flag "chunk-sise"; did you mean "chunk-size"\?/);
  });

  test('two files at once are refused by name', async () => {
    const b = await bench();
    b.write('batchrun.config.yaml', FILE);
    b.write('batchrun.config.json', '{}');
    const ended = await b.exits(2, ['list']);
    expect(ended.stderr).toContain('batchrun.config.json and batchrun.config.yaml');
    await b.ok(['list', '--config', 'batchrun.config.json']);
  });

  test("rehearse's flag is not taken for sim's of the same name", async () => {
    const b = await bench();
    b.write('batchrun.config.yaml', 'faults: heavy\n');
    const sim = b.start(['sim', '--port', '0']);
    await sim.says(/http:\/\//, 'stdout').catch(() => sim.says(/http:\/\//));
    sim.kill('SIGINT');
    expect((await sim.ended).stderr).not.toMatch(/heavy/);
  });
});

describe('batchrun config', () => {
  test('says where each value is from', async () => {
    const b = await bench();
    b.write('batchrun.config.yaml', FILE);
    const env = { BATCHRUN_CHUNK_SIZE: '5', BATCHRUN_QUIET: 'yes' };
    const ended = await b.ok(['config', 'submit', '--profile', 'good', '--limit', '3', '--json'], { env });
    const view = JSON.parse(ended.stdout) as ReturnType<typeof viewConfig>;
    const of = (flag: string): unknown => view.values.find((one) => one.flag === flag);
    const file = b.path('batchrun.config.yaml');
    expect(view).toMatchObject({ command: 'submit', file, profile: 'good', unknown_variables: [] });
    expect(of('limit')).toEqual({ flag: 'limit', value: '3', source: 'flag' });
    expect(of('chunk-size')).toEqual({
      ...{ flag: 'chunk-size', value: '5', source: 'environment', variable: 'BATCHRUN_CHUNK_SIZE' },
    });
    expect(of('quiet')).toMatchObject({ value: true, source: 'environment' });
    expect(of('max-tokens')).toEqual({
      flag: 'max-tokens',
      value: '7',
      source: 'profile',
      profile: 'good',
      file,
      line: 9,
    });
    expect(of('prompt')).toEqual({ flag: 'prompt', value: '{{text}}', source: 'file', file, line: 3 });
    expect(of('poll-interval')).toMatchObject({ value: '50ms', variable: 'BATCHRUN_POLL_INTERVAL' });
    expect(of('chunk-bytes')).toEqual({ flag: 'chunk-bytes', value: '256MB', source: 'default' });
    expect(of('color')).toEqual({ flag: 'color', value: true, source: 'default' });
    expect(of('output')).toEqual({ flag: 'output', value: null, source: 'unset' });
    expect(of('tail')).toBeUndefined();
  });

  test('the same in words', async () => {
    const b = await bench();
    b.write('batchrun.config.yaml', FILE);
    const { stdout } = await b.ok(['config', 'submit', 'in.csv', '--wait', '--profile', 'good']);
    expect(stdout).toMatch(/^batchrun submit {2}batchrun\.config\.yaml, profile good$/m);
    expect(stdout).toMatch(/^ {2}prompt +\{\{text\}\} +batchrun\.config\.yaml:3$/m);
    expect(stdout).toMatch(/^ {2}max-tokens +7 +profile good, batchrun\.config\.yaml:9$/m);
    expect(stdout).toMatch(/^ {2}wait +true +--wait$/m);
    expect(stdout).toMatch(/^ {2}poll-interval +50ms +BATCHRUN_POLL_INTERVAL$/m);
    expect((await b.ok(['config'])).stdout).toMatch(/^all flags/);
  });

  test('keys are masked, passwords are left out, and slips are named', async () => {
    const b = await bench();
    const env = {
      ANTHROPIC_API_KEYS: `${KEY}, ${KEY}x`,
      TEAM_KEY: KEY,
      BATCHRUN_API_KEYS_ENV: 'TEAM_KEY',
      BATCHRUN_LIMITER: 'redis://me:hunter2@host:6379',
      BATCHRUN_CHUNK_SISE: '5',
      BATCHRUN_SYSTEM: `use ${KEY}`,
    };
    for (const more of [[], ['--json']]) {
      const { stdout } = await b.ok(['config', 'run', ...more], { env });
      expect(stdout).not.toMatch(/TESTKEY|hunter2/);
      expect(stdout).toContain('sk-ant-…wxyz');
      expect(stdout).toContain('TEAM_KEY');
      expect(stdout).toContain('redis://me:****@host:6379');
      expect(stdout).toMatch(/BATCHRUN_CHUNK_SISE.*BATCHRUN_CHUNK_SIZE/);
    }
  });

  test.each([
    [['config', 'sumbit'], /there is no command "sumbit"\n.*batchrun config submit/s],
    [['config', 'xyzzy'], /there is no command "xyzzy"\n.*batchrun --help/s],
    [['config', 'submit', '--modle', 'x'], /--model/],
    [['config', 'submit', '--chunk-size', 'x'], /whole number/],
  ])('%j is refused', async (args, text) => {
    const b = await bench();
    expect((await b.exits(2, args)).stderr).toMatch(text);
  });

  test('the schema is printed also where the file is broken', async () => {
    const b = await bench();
    b.write('batchrun.config.json', '{');
    await b.exits(2, ['config', 'submit']);
    const { stdout } = await b.ok(['config', '--json-schema']);
    expect(JSON.parse(stdout)).toMatchObject({ type: 'object', additionalProperties: false });
  });
});

describe('batchrun init', () => {
  test('writes the defaults where nobody can be asked, and the next commands work with it', async () => {
    const b = await bench();
    b.write('in.csv', csv(2));
    const ended = await b.ok(['init']);
    expect(ended.stdout).toBe(`${b.path('batchrun.config.yaml')}\n`);
    expect(ended.stderr).toContain('batchrun submit rows.csv --dry-run');
    expect(parse(b.read('batchrun.config.yaml'))).toMatchObject({ model: MODEL, 'max-cost': 10, format: 'jsonl' });
    expect(await asked(b)).toMatchObject({ model: MODEL, max_tokens: 1024 });
    expect(b.has('.batchrun')).toBe(true);
    expect(b.calls()).toBe(0);
  });

  test('never overwrites, unless --overwrite is typed', async () => {
    const b = await bench();
    b.write('batchrun.config.yaml', '{ broken');
    const env = { BATCHRUN_OVERWRITE: '1' };
    expect((await b.exits(2, ['init', '--yes'], { env })).stderr).toMatch(/exists already.*--overwrite/s);
    expect(b.read('batchrun.config.yaml')).toBe('{ broken');
    await b.ok(['init', '--yes', '--overwrite']);
    expect(parse(b.read('batchrun.config.yaml'))).toMatchObject({ model: MODEL });
  });

  test('beside another configuration file it writes none', async () => {
    const b = await bench();
    b.write('batchrun.config.json', '{}');
    for (const more of [[], ['--overwrite']]) {
      expect((await b.exits(2, ['init', ...more])).stderr).toContain('batchrun.config.json is here already');
    }
    expect(b.has('batchrun.config.yaml')).toBe(false);
    await b.ok(['init', '--config', 'other.yaml']);
    expect((await b.exits(2, ['init', '--config', 'x.json'])).stderr).toContain('.yaml');
    expect((await b.exits(1, ['init', '--config', 'gone/x.yaml'])).stderr).toContain('cannot be written');
  });

  test('the schema is named where it lies', async () => {
    const b = await bench();
    await b.ok(['init', '--quiet']);
    const [first = ''] = b.read('batchrun.config.yaml').split('\n');
    expect(first).toMatch(/^# yaml-language-server: \$schema=file:\/\/\/.*\/dist\/config\.schema\.json$/);
  });

  const python = spawnSync('python3', ['-c', 'import pty']).status === 0;
  test.skipIf(!python)('asks on a terminal, again where an answer cannot be used', async () => {
    const b = await bench();
    const answers = ['5', 'col', 'Say {{x}}: "hi"', 'many', '50', 'csv', 'none', 'yes'];
    const said = terminal(b, ['init'], answers);
    expect(said).toContain('It must be a whole number from 1.');
    expect(parse(b.read('batchrun.config.yaml'))).toMatchObject({
      model: currentModels()[4],
      prompt: 'Say {{x}}: "hi"',
      'max-tokens': 50,
      format: 'csv',
      profiles: { nightly: { quiet: true } },
    });
    expect(said).toContain('--profile nightly');
  });

  test.skipIf(!python)('Ctrl-C at a question writes nothing', async () => {
    const b = await bench();
    const said = terminal(b, ['init'], ['5', '\u0003']);
    expect(said).toContain('nothing was written');
    expect(b.has('batchrun.config.yaml')).toBe(false);
  });
});

/** Runs it on a terminal; each answer is typed when a question stands there. */
function terminal(b: Bench, args: readonly string[], answers: readonly string[]): string {
  const script = `
import json, os, pty, sys
argv, answers = json.loads(sys.argv[1])
pid, fd = pty.fork()
if pid == 0:
    os.execv(argv[0], argv)
said = b''
asked = 0
while True:
    try:
        piece = os.read(fd, 65536)
    except OSError:
        break
    if not piece: break
    said += piece
    if said.count(b']: ') > asked and answers:
        asked = said.count(b']: ')
        answer = answers.pop(0)
        os.write(fd, answer.encode() + (b'' if answer == '\\x03' else b'\\r'))
os.waitpid(pid, 0)
sys.stdout.buffer.write(said)
`;
  const argv = JSON.stringify([[process.execPath, PROGRAM, ...args], answers]);
  const env = { PATH: process.env['PATH'], HOME: b.folder, TERM: 'xterm', LANG: 'C.UTF-8' };
  const ended = spawnSync('python3', ['-c', script, argv], { cwd: b.folder, env, encoding: 'utf8', timeout: 30_000 });
  return ended.stdout + ended.stderr;
}
