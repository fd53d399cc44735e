/**
 * What the shell sees: completions in the real shells, the manual page as its programs read it, help, and what is said to
 * a command or a flag that there is not.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, readFileSync, mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { COMMANDS } from '../../src/cli/flags/command-table.ts';
import { EXAMPLES, EXITS } from '../../src/cli/help/examples.ts';
import { FLAG_GROUPS } from '../../src/cli/flags/flag-groups.ts';
import { EXIT_CODES } from '../../src/cli/help/help-text.ts';
import { COMMAND_FLAGS, FLAG_SPECS } from '../../src/cli/flags/option-table.ts';
import { FLAG_NAMES, longName } from '../../src/cli/flags/options.ts';
import { createProgram } from '../../src/cli/program.ts';
import { SYNONYMS } from '../../src/cli/flags/synonyms.ts';
import { bench, PROGRAM, requests, type Bench } from '../support/cli.ts';
import { Pty } from '../support/pty.ts';

const has = (program: string): boolean => spawnSync(program, ['--version']).error === undefined;
const SHOWN = Object.entries(COMMANDS).flatMap(([name, { hidden }]) => (hidden === true ? [] : name));

/** One folder with a state, as the shells complete it and as people type it. */
const STATES_TYPED = ['a\\ folder/state', "'a folder/state'", '~/a\\ folder/state'];

/** The program on PATH under its name, a run to complete, and the completions of a shell in a file. */
async function shell(name: 'bash' | 'zsh' | 'fish'): Promise<{ b: Bench; env: Record<string, string> }> {
  const b = await bench();
  mkdirSync(b.path('bin'));
  symlinkSync(PROGRAM, b.path('bin/batchrun'));
  b.write('in.jsonl', requests(1));
  await b.ok(['run', 'in.jsonl', '--name', 'nightly']);
  await b.ok(['run', 'in.jsonl', '--name', '$(touch owned) `touch owned`', '-o', 'other.jsonl']);
  cpSync(b.path('.batchrun'), b.path('a folder/state'), { recursive: true });
  b.write('completions', (await b.ok(['completions', name])).stdout);
  return { b, env: { PATH: `${b.path('bin')}:${process.env['PATH']}`, HOME: b.folder, LANG: 'C.UTF-8' } };
}

describe('completions', () => {
  test('in bash: commands, flags of a command, values, files, folders and runs', async () => {
    const { b, env } = await shell('bash');
    const complete = (...words: readonly string[]): string[] => {
      const script =
        'source ./completions; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _batchrun; printf "%s\\n" "${COMPREPLY[@]}"';
      const { stdout, stderr } = spawnSync('bash', ['--norc', '-c', script, 'bash', 'batchrun', ...words], {
        ...{ cwd: b.folder, env, encoding: 'utf8' as const },
      });
      expect(stderr).toBe('');
      return stdout.split('\n').filter((line) => line !== '');
    };
    expect(complete('sta')).toEqual(['status', 'stats']);
    expect(complete('')).toEqual(expect.arrayContaining([...SHOWN, 'help']));
    expect(complete('')).not.toContain('complete');
    expect(complete('submit', '--max-c')).toEqual(['--max-cost']);
    expect(complete('status', '--max-c')).toEqual([]);
    expect(complete('submit', 'in.jsonl', '--format', '')).toEqual(['jsonl', 'flat', 'csv']);
    expect(complete('submit', '--format', '=', 'f')).toEqual(['flat']);
    expect(complete('submit', '--format', '=')).toEqual(['jsonl', 'flat', 'csv']);
    expect(complete('sim', '--tier', 's')).toEqual(['start', 'scale']);
    expect(complete('plan', '--tier', 'tier_')).toEqual(['tier_1', 'tier_2', 'tier_3', 'tier_4']);
    expect(complete('submit', '--model', 'claude-haiku-5')).toContain('claude-haiku-5-5');
    expect(complete('submit', '--name', '')).toEqual([]);
    expect(complete('submit', 'in')).toEqual(['in.jsonl', 'in.results.jsonl'].filter((file) => b.has(file)));
    expect(complete('status', '--state', 'a')).toEqual(['a folder']);
    expect(complete('completions', '')).toEqual(['bash', 'zsh', 'fish']);
    expect(complete('help', 'sub')).toEqual(['submit']);
    expect(complete('log', 'ni')).toEqual(['nightly']);
    expect(complete('cancel', '')).toEqual([
      'latest',
      'nightly',
      expect.stringMatching(/^run_/),
      expect.stringMatching(/^run_/),
    ]);
    expect(complete('log', '--state', 'elsewhere', '')).toEqual([]);
    expect(complete('log', '--state', '.batchrun', 'night')).toEqual(['nightly']);
    // As readline hands the words over: as they were typed.
    for (const typed of STATES_TYPED) {
      expect([typed, complete('log', '--state', typed, 'night')]).toEqual([typed, ['nightly']]);
      expect([typed, complete('log', '--state', '=', typed, 'night')]).toEqual([typed, ['nightly']]);
    }
    expect(complete('log', '--state', '"$(touch owned)', 'night')).toEqual([]);
    expect([b.has('owned'), b.has('elsewhere')]).toEqual([false, false]);
  });

  test.skipIf(!has('zsh') && !process.env['CI'])('in zsh: commands, flags, values and runs', async () => {
    const { b, env } = await shell('zsh');
    const zsh = new Pty(['zsh', '-f', '-i'], { cwd: b.folder, env, columns: 100 });
    zsh.type("PROMPT='> '; autoload -Uz compinit && compinit -u -D && source ./completions && echo rea''dy\n");
    await zsh.shows(/^ready$/m);
    const completes = async (typed: string, becomes: RegExp): Promise<void> => {
      zsh.type(`${typed}\t`);
      await zsh.shows(becomes);
      // Ctrl-U takes the line away.
      zsh.type('\u0015');
      await zsh.until(() => /^>$/.test(zsh.screen.lines.at(-1) ?? ''), 'an empty line');
    };
    await completes('batchrun subm', /^> batchrun submit $|^> batchrun submit$/m);
    await completes('batchrun submit --max-c', /batchrun submit --max-cost/);
    await completes('batchrun submit --retry-lane=real', /--retry-lane=realtime/);
    await completes('batchrun log night', /batchrun log nightly/);
    await completes('batchrun submit in.j', /batchrun submit in\.jsonl/);
    for (const typed of STATES_TYPED) await completes(`batchrun log --state ${typed} night`, /state'? nightly/);
    expect(b.has('owned')).toBe(false);
  });

  test.skipIf(!has('fish') && !process.env['CI'])('in fish: commands, flags, values, files and runs', async () => {
    const { b, env } = await shell('fish');
    const complete = (line: string): string[] => {
      const { stdout, stderr } = spawnSync(
        'fish',
        ['--no-config', '-c', 'source ./completions; complete -C "$argv"', '--', line],
        {
          ...{ cwd: b.folder, env, encoding: 'utf8' as const },
        },
      );
      expect(stderr).toBe('');
      return stdout.split('\n').flatMap((one) => (one === '' ? [] : (one.split('\t')[0] ?? '')));
    };
    expect(complete('batchrun sta').sort()).toEqual(['stats', 'status']);
    expect(complete('batchrun submit --max-c')).toEqual(['--max-cost']);
    expect(complete('batchrun status --max-c')).toEqual([]);
    expect(complete('batchrun submit --format ').sort()).toEqual(['csv', 'flat', 'jsonl']);
    expect(complete('batchrun log nigh')).toEqual(['nightly']);
    for (const typed of STATES_TYPED) {
      expect([typed, complete(`batchrun log --state ${typed} nigh`)]).toEqual([typed, ['nightly']]);
    }
    expect(complete("batchrun log --state='a folder/state' nigh")).toEqual(['nightly']);
    expect(complete('batchrun log --state=elsewhere nigh')).toEqual([]);
    expect(complete('batchrun submit in.j')).toContain('in.jsonl');
    expect(complete('batchrun completions z')).toEqual(['zsh']);
    expect(b.has('owned')).toBe(false);
  });

  test('a shell that is not known is refused, with those that are', async () => {
    const b = await bench();
    const ended = await b.exits(2, ['completions', 'tcsh']);
    expect(ended.stderr).toMatch(/bash, zsh, fish/);
    expect(ended.stdout).toBe('');
  });

  test('runs are asked for in silence, whatever is wrong', async () => {
    const b = await bench();
    expect(await b.ok(['complete', 'runs'])).toMatchObject({ stdout: '', stderr: '' });
    expect(b.has('.batchrun')).toBe(false);
    b.write('.batchrun/state.db', 'not a ledger');
    expect(await b.ok(['complete', 'runs'])).toMatchObject({ stdout: '', stderr: '' });
  });
});

describe('the manual page', () => {
  const page = readFileSync(join(PROGRAM, '../../batchrun.1'), 'utf8');

  test('is in the package, with every command, flag, exit code and example', () => {
    const packageJson = JSON.parse(readFileSync(join(PROGRAM, '../../../package.json'), 'utf8')) as { man: string };
    expect(packageJson.man).toBe('./dist/batchrun.1');
    const plain = page
      .replaceAll('\\-', '-')
      .replaceAll('\\(aq', "'")
      .replaceAll(/\\f[BIR]/g, '');
    for (const name of SHOWN) expect(plain).toMatch(new RegExp(`^batchrun ${name}\\b`, 'm'));
    for (const flag of FLAG_NAMES) expect(plain).toContain(`--${longName(flag)}`);
    for (const [code] of EXIT_CODES) expect(plain).toContain(`\n${code}\n`);
    for (const [command] of Object.values(EXAMPLES).flat())
      expect(plain.replaceAll('\\e', '\\').replaceAll('\\(ti', '~')).toContain(command);
    expect(page).toMatch(/^[\x20-\x7e\n]*$/);
  });

  test.skipIf(!has('groff') && !process.env['CI'])(
    'groff has nothing to say against it, and what is copied works',
    () => {
      const checked = spawnSync('groff', ['-man', '-ww', '-z'], { input: page, encoding: 'utf8' });
      expect(checked.stderr).toBe('');
      const shown = spawnSync('groff', ['-man', '-Tutf8', '-P-cbou', '-rLL=200n'], {
        input: page,
        encoding: 'utf8',
      }).stdout;
      expect(shown).toContain("--prompt 'Classify: {{text}}'");
      expect(shown).toContain('~/.config/fish/completions/batchrun.fish');
      expect(shown).toContain('--max-cost <usd>');
    },
  );
});

describe('help', () => {
  test('every command has examples that its own flags understand, and exit codes', () => {
    const program = createProgram({
      version: '0',
      argv: [],
      signal: new AbortController().signal,
      finished: () => undefined,
      started: () => undefined,
    });
    const flags = (name: string): string[] =>
      program.commands
        .find((command) => command.name() === name)
        ?.options.flatMap(({ long, short }) => [long ?? '', short ?? '']) ?? [];
    for (const name of SHOWN) {
      expect(EXAMPLES[name]?.length, name).toBeGreaterThan(0);
      expect(EXITS[name], name).toBeDefined();
    }
    for (const [command] of Object.values(EXAMPLES).flat()) {
      for (const [, name = '', rest = ''] of command.matchAll(/batchrun ([a-z]+)([^|>]*)/g)) {
        expect(SHOWN, command).toContain(name);
        // The flags of another command stand behind `config`.
        const known = name === 'config' ? flags('run').concat(flags('config')) : flags(name);
        for (const [flag] of rest.replaceAll(/'[^']*'/g, '').matchAll(/(?<=\s)--?[a-z][a-z-]*/g))
          expect(known, command).toContain(flag);
      }
    }
  });

  test.each(['prune', 'list', 'limits', 'audit', 'doctor', 'collect'])(
    'the examples of %s are taken as they stand',
    async (name) => {
      const b = await bench();
      b.write('in.jsonl', requests(1));
      await b.ok(['run', 'in.jsonl', '--name', 'nightly']);
      for (const [command] of EXAMPLES[name] ?? []) {
        const [, ...words] = command.replace(/ [|>].*$/, '').split(' ');
        expect([command, (await b.ok(words)).code]).toEqual([command, 0]);
      }
    },
  );

  test('every flag has one heading', () => {
    expect(Object.values(FLAG_GROUPS).flat().sort()).toEqual([...FLAG_NAMES].sort());
  });

  test('groups the flags of a command, and ends with examples and exit codes', async () => {
    const b = await bench();
    const { stdout, stderr } = await b.ok(['submit', '--help']);
    expect(stderr).toBe('');
    const headings = [...stdout.matchAll(/^[A-Z].*:$/gm)].map(([line]) => line);
    expect(headings.slice(0, 2)).toEqual(['Requests from rows:', 'Reading the input:']);
    expect(headings.slice(-2)).toEqual(['Common:', 'Examples:']);
    expect(stdout).toMatch(/\nExit codes: 0 accepted/);
    expect((await b.ok(['help', 'submit'])).stdout).toBe(stdout);
    for (const flag of COMMAND_FLAGS['submit'] ?? [])
      expect(stdout).toContain(/--[a-z-]+/.exec(FLAG_SPECS[flag].flags)?.[0]);
  });

  test('is as wide as the terminal, plain in a pipe, and ASCII where the locale is', async () => {
    const b = await bench();
    const wide = new Pty([process.execPath, PROGRAM, '--help'], { cwd: b.folder, columns: 160, rows: 100 });
    await wide.exit();
    expect(Math.max(...wide.screen.lines.map((line) => line.length))).toBeGreaterThan(110);
    const piped = (await b.ok(['--help'])).stdout;
    expect(piped).not.toContain('\u001b');
    expect(piped.split('\n').filter((line) => !line.startsWith('  $') && line.length > 80)).toEqual([]);
    expect((await b.ok(['submit', '--help'], { env: { LANG: 'C' } })).stdout).toMatch(/^[\x20-\x7e\n]*$/);
  });
});

describe('a slip', () => {
  test.each([
    [['help', 'sumbit'], /unknown command 'sumbit'\n\(Did you mean submit\?\)/],
    [['help', 'nope'], /unknown command 'nope'\n/],
    [['sumbit', 'in.jsonl'], /unknown command 'sumbit'\n\(Did you mean submit\?\)/],
    [['stauts'], /Did you mean status\?/],
    [['submit', 'in.jsonl', '--ouput', 'x'], /Did you mean --output\?/],
    [['ls'], /Here it is batchrun list: the runs/],
    [['stop', 'latest'], /Here it is batchrun cancel/],
    [['resume'], /Here it is batchrun collect/],
    [['download', 'latest'], /Here it is batchrun collect/],
    [['estimate', 'in.jsonl'], /Here it is batchrun plan/],
    [['watch'], /Here it is batchrun status --watch/],
    [['version'], /Here it is batchrun --version/],
    [['constructor'], /batchrun --help lists the commands/],
  ])('%j says what was meant, and ends with 2', async (args, text) => {
    const b = await bench();
    const ended = await b.exits(2, args);
    expect(ended.stderr).toMatch(text);
    expect(ended.stdout).toBe('');
    expect(b.has('.batchrun')).toBe(false);
  });

  test('repeats no address of a webhook and no password of a Redis: what is said goes into mails and logs', async () => {
    const b = await bench();
    b.write('in.csv', 'text,id\nhello,1\n');
    const address = 'https://hooks.slack.com/services/HUSH';
    for (const args of [
      ['--notify', 'hooks.slack.com/services/HUSH'],
      ['--notify=ftp://user:HUSH@ops.example.com'],
      [`--notfy=${address}`],
      ['--limiter', 'redis:/user:HUSH@cache'],
      ['--notify', address],
      [`--notify=${address}`, '--limiter', 'redis://user:HUSH@cache:6379/0'],
      ['--notify-cmd', `curl ${address}`],
    ]) {
      for (const more of [[], ['--json'], ['--log-format', 'json']]) {
        const { stdout, stderr } = await b.exits(2, ['run', 'in.csv', ...args, ...more]);
        expect(stdout + stderr).not.toContain('HUSH');
        expect(stdout + stderr).toMatch(/notfy|--notify|--limiter/);
      }
    }
    const corrected = async (...args: string[]): Promise<string> => {
      const { stderr } = await b.exits(2, ['run', 'in.csv', ...args]);
      return /batchrun run in\.csv (.*) --model/.exec(stderr)?.[1] ?? stderr;
    };
    expect(await corrected('--notify', address)).toBe("--notify 'https://hooks.slack.com/****'");
    expect(await corrected('--limiter=rediss://cache:6379/2')).toBe('--limiter=rediss://cache:6379/2');
    expect(await corrected('--limiter', 'redis://user:HUSH@cache')).toBe("--limiter 'redis://****@cache'");
    const cut = await b.exits(2, ['run', 'in.csv', '--notify', 'https://hooks.slack.com/****']);
    expect(cut.stderr).toContain(
      "argument '****' is invalid. Where it says **** the secret part of the address belongs.",
    );
    const wrong = await b.exits(2, ['run', 'in.csv', '--limiter', 'foo']);
    expect(wrong.stderr).toContain('It must begin with redis:// or rediss://.\n');
    const missing = await b.exits(2, ['loadtest', 'https://user:HUSH@gw.example']);
    expect(missing.stderr).toContain('there is no file https://****@gw.example\n');
  });

  test('has the shape of an error with --json', async () => {
    const b = await bench();
    const { error } = await b.json(2, ['ls']);
    expect(error).toMatchObject({ code: 'E_USAGE', exit: 2, message: expect.stringContaining('batchrun list') });
    const flag = await b.json(2, ['status', '--wach']);
    expect(flag.error.message).toContain('--watch');
  });

  test('words of other tools lead to commands that there are, and hide none', () => {
    for (const [word, command] of Object.entries(SYNONYMS)) {
      expect(Object.keys(COMMANDS), word).not.toContain(word);
      expect([...SHOWN, 'help', '--version'], word).toContain(command.split(' ')[0]);
    }
  });
});
