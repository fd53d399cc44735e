/**
 * The package as people get it: what is in it, how large it is, and that it installs and runs in an empty folder with the
 * Node at hand (`.ci/run` does it on the oldest and on the newest).
 *
 * Where CI is set the install is the real one, with whatever compiling it takes. Elsewhere the native module of this
 * checkout is put in its place, and where the registry cannot be reached the rest is left out, saying so.
 */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdtempSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startSim } from '../../src/library/sim.ts';
import { licensed, licencesText } from './licences.mjs';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const IS_CI = (process.env['CI'] ?? '') !== '';
const run = promisify(execFile);

/** Below these sizes it stays; what makes it larger is looked at first. */
const PACKED_BYTES_MAX = 2_000_000;
const UNPACKED_BYTES_MAX = 6_500_000;

/** Everything that may be in it. */
const ALLOWED: readonly RegExp[] = [
  /^(?:package\.json|README\.md|CHANGELOG\.md|LICENSE)$/,
  /^dist\/(?:adapters|base|cli|domain|engine|host|library|tools)\/[\w./-]+\.js$/,
  /^dist\/(?:base|domain|engine|host|library|tools)\/[\w./-]+\.d\.ts$/,
  /^dist\/web\/[\w./-]+\.(?:js|css|html|svg)$/,
  /^dist\/(?:config|routes)\.schema\.json$/,
  /^dist\/licenses\.txt$/,
  /^dist\/batchrun\.1$/,
  /^\.github\/docs\/[\w-]+\.(?:md|png|svg)$/,
  /^\.github\/docs\/(?:examples|images|pictures|alerts|cron)\/[\w.-]+$/,
  /^fixtures\/banking77\/(?:LICENSE|SOURCE\.md|categories\.json|test\.csv|train\.csv)$/,
];

/** Licences that ask for no more than to be named, and that is done in dist/licenses.txt. */
const LICENCES = ['MIT', 'ISC', 'BSD-2-Clause', 'BSD-3-Clause', 'Apache-2.0', 'Unlicense', 'Zlib', 'WTFPL', '0BSD'];

interface Packed {
  readonly filename: string;
  readonly size: number;
  readonly unpackedSize: number;
  readonly files: readonly { readonly path: string; readonly size: number; readonly mode: number }[];
}

const temp = mkdtempSync(join(tmpdir(), 'batchrun package '));
const home = join(temp, 'an empty folder');
let packed: Packed;

beforeAll(async () => {
  const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', temp], { cwd: ROOT });
  const [first] = JSON.parse(stdout) as readonly Packed[];
  if (!first) throw new Error(`npm pack made nothing: ${stdout}`);
  packed = first;
});

afterAll(() => rmSync(temp, { recursive: true, force: true }));

describe('the package', () => {
  it('holds what it needs, and nothing else', () => {
    const paths = packed.files.map(({ path }) => path);
    expect(paths.filter((path) => !ALLOWED.some((pattern) => pattern.test(path)))).toEqual([]);
    const entries = ['index', 'sim', 'limiter'].flatMap((name) => [
      `dist/library/${name}.js`,
      `dist/library/${name}.d.ts`,
    ]);
    expect(paths).toEqual(
      expect.arrayContaining([
        ...entries,
        'dist/cli/main.js',
        'dist/licenses.txt',
        'LICENSE',
        'README.md',
        'CHANGELOG.md',
      ]),
    );
  });

  it(`is no larger than ${PACKED_BYTES_MAX} bytes, and ${UNPACKED_BYTES_MAX} unpacked`, () => {
    expect(packed.size).toBeLessThan(PACKED_BYTES_MAX);
    expect(packed.unpackedSize).toBeLessThan(UNPACKED_BYTES_MAX);
    expect(packed.unpackedSize).toBeGreaterThan(1_000_000);
  });

  it('has a program that can be run', () => {
    const main = packed.files.find(({ path }) => path === 'dist/cli/main.js');
    expect((main?.mode ?? 0) & 0o111).toBe(0o111);
    expect(readFileSync(join(ROOT, 'dist/cli/main.js'), 'utf8')).toMatch(/^#!\/usr\/bin\/env node\n/);
  });

  it('has every page that its README links to', () => {
    const readme = readFileSync(join(ROOT, 'README.md'), 'utf8');
    const links = [...readme.matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)/g)].map((match) => match[1] ?? '');
    const paths = packed.files.map(({ path }) => path);
    const missing = links.filter((link) => !paths.includes(link.replace(/^\.\//, '')));
    // What is for those who work on batchrun, and pictures, are in the repository alone.
    const elsewhere =
      /^(?:\.github\/(?:CONTRIBUTING|SECURITY)\.md|\.github\/pictures\/|src\/README\.md|test\/|fixtures\/)/;
    expect(missing.filter((link) => !elsewhere.test(link) || !existsSync(join(ROOT, link)))).toEqual([]);
  });
});

describe('licences', () => {
  const packages = licensed();

  it('of all that is installed are listed with their texts, as the lock file has it', () => {
    expect(packages.length).toBeGreaterThan(10);
    expect(readFileSync(join(ROOT, 'dist/licenses.txt'), 'utf8')).toBe(licencesText(packages));
    const { dependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
      dependencies: Record<string, string>;
    };
    const listed = packages.map(({ name, version }) => `${name} ${version}`);
    expect(listed).toEqual(
      expect.arrayContaining(Object.entries(dependencies).map(([name, version]) => `${name} ${version}`)),
    );
  });

  it('are ones that may be used', () => {
    const others = packages.filter(({ license }) => {
      const names = (license ?? 'none').match(/[\w.-]+/g) ?? [];
      return !names.every((name) => ['AND', 'OR', ...LICENCES].includes(name));
    });
    expect(others.map(({ name, license }) => `${name}: ${license ?? 'none'}`)).toEqual([]);
  });
});

/** Says why there is nothing to look at, or null. */
async function install(): Promise<string | null> {
  mkdirSync(home);
  writeFileSync(join(home, 'package.json'), '{ "private": true }\n');
  const args = ['install', join(temp, packed.filename), '--prefer-offline', '--no-audit', '--no-fund'];
  try {
    await run('npm', IS_CI ? args : [...args, '--ignore-scripts'], { cwd: home, maxBuffer: 2 ** 26 });
  } catch (error) {
    const said = String((error as { stderr?: unknown }).stderr ?? error);
    const isAway = /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|ENOTCACHED|network/i.test(said);
    if (IS_CI || !isAway) throw error;
    return 'the registry cannot be reached';
  }
  const native = 'node_modules/better-sqlite3/build/Release/better_sqlite3.node';
  if (!IS_CI) {
    mkdirSync(dirname(join(home, native)), { recursive: true });
    cpSync(join(ROOT, native), join(home, native));
  }
  return null;
}

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

async function call(
  command: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Ended> {
  const child = spawn(command, args, { cwd: home, env: { PATH: process.env['PATH'], HOME: home, ...env } });
  const said = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (part: string) => (said.stdout += part));
  child.stderr.setEncoding('utf8').on('data', (part: string) => (said.stderr += part));
  child.stdin.end();
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, ...said };
}

const npx = (...args: string[]): Promise<Ended> => call('npx', ['--no-install', 'batchrun', ...args]);

describe('installed in an empty folder', () => {
  let absent: string | null = null;

  beforeAll(async () => {
    absent = await install();
  });

  it('runs by its name, in a path with spaces', async (context) => {
    if (absent !== null) context.skip(absent);
    const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };
    expect(await npx('--version')).toMatchObject({ code: 0, stdout: `${version}\n` });
    expect((await npx('--help')).stdout).toContain('batchrun');
    expect((await npx('doctor')).stdout).toContain('better-sqlite3: loads');
    expect(statSync(join(home, 'node_modules/batchrun/dist/cli/main.js')).mode & 0o111).not.toBe(0);
    // Nothing for development has come along.
    expect(
      ['typescript', 'vitest', '@types/better-sqlite3'].filter((name) => existsSync(join(home, 'node_modules', name))),
    ).toEqual([]);
  });

  it('brings a run to its end', async (context) => {
    if (absent !== null) context.skip(absent);
    const sim = await startSim();
    writeFileSync(join(home, 'in.csv'), 'id,text\n1,one\n2,two\n');
    const ended = await call(
      'npx',
      [
        '--no-install',
        'batchrun',
        'run',
        'in.csv',
        '--model',
        'claude-haiku-5-5',
        '--max-tokens',
        '20',
        '--prompt',
        '{{text}}',
      ],
      { ANTHROPIC_API_KEY: 'test', ANTHROPIC_BASE_URL: sim.origin, BATCHRUN_POLL_INTERVAL: '50ms' },
    );
    await sim.close();
    expect(ended.code, ended.stderr).toBe(0);
    expect(readFileSync(join(home, 'in.results.jsonl'), 'utf8').trimEnd().split('\n')).toHaveLength(2);
  });

  it('can be imported, and required where Node can', async (context) => {
    if (absent !== null) context.skip(absent);
    const program = `
      const sim = createSim();
      const batchrun = createBatchrun({ state: 'state', apiKey: 'test', fetch: sim.fetch, pollIntervalMs: 20 });
      const limiter = createLimiter({});
      (async () => {
        const run = await batchrun.submit([{ text: 'x' }], { model: 'claude-haiku-5-5', maxTokens: 9, prompt: '{{text}}' });
        console.log((await run.wait()).rows.succeeded, await limiter.run(() => 'called', { model: 'm', estimate: { inputTokens: 1, maxTokens: 1 } }));
        await batchrun.close();
        await limiter.close();
      })();`;
    const names = [
      ['createBatchrun', 'batchrun'],
      ['createSim', 'batchrun/sim'],
      ['createLimiter', 'batchrun/limiter'],
    ];
    writeFileSync(
      join(home, 'a.mjs'),
      `${names.map(([name, from]) => `import { ${name} } from '${from}';`).join('\n')}${program}`,
    );
    writeFileSync(
      join(home, 'b.cjs'),
      `${names.map(([name, from]) => `const { ${name} } = require('${from}');`).join('\n')}${program}`,
    );
    expect(await call(process.execPath, ['a.mjs'])).toEqual({ code: 0, stdout: '1 called\n', stderr: '' });
    // Node warns of it where it is new.
    const required = await call(process.execPath, ['--no-warnings', 'b.cjs']);
    expect(required).toEqual({ code: 0, stdout: '1 called\n', stderr: '' });
  });
});
