/**
 * What the documents show compiles for whoever copies it, and does what they say.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { describe, expect, it, onTestFinished } from 'vitest';
import ts from 'typescript';
import { bench, KEY } from '../support/cli.ts';
import { complaints, consumer, toJavaScript } from './consumer.ts';

/** A compiler reads all declarations of Node and of the SDK. */
const SLOW_MS = 180_000;

const DOCUMENTS = ['README.md', '.github/docs/library.md'];

interface Example {
  readonly name: string;
  readonly text: string;
}

/** Blocks of TypeScript in the documents; the first line may name one. */
function examples(): Example[] {
  return DOCUMENTS.flatMap((path) => {
    const text = readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
    return [...text.matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map((match, at) => {
      const code = match[1] ?? '';
      const name = /^\/\/ example: (\w+)/.exec(code)?.[1] ?? `${at + 1}`;
      return { name: `${path === 'README.md' ? 'readme' : 'library'}-${name}`, text: code };
    });
  });
}

const all = examples();

function exampleNamed(name: string): string {
  const found = all.find((example) => example.name === name);
  if (!found) throw new Error(`the documents show no example ${name}`);
  return found.text;
}

describe('examples', () => {
  it('are there', () => {
    const names = all.map(({ name }) => name);
    expect(names).toEqual(
      expect.arrayContaining(['run', 'service', 'schema', 'sim', 'limiter'].map((one) => `library-${one}`)),
    );
  });

  it('compile, and so do the declarations that they need', { timeout: SLOW_MS }, () => {
    const folder = consumer(Object.fromEntries(all.map(({ name, text }) => [`${name}.ts`, text])));
    const names = all.map(({ name }) => `${name}.ts`);
    expect(complaints(folder, names)).toEqual([]);
  });

  it.each([
    ['a bundler', { module: ts.ModuleKind.ESNext, moduleResolution: ts.ModuleResolutionKind.Bundler }],
    ['imports of .ts', { allowImportingTsExtensions: true }],
  ])('compile with %s', { timeout: SLOW_MS }, (_name, options) => {
    const own = all.filter(({ text }) => !text.includes('@anthropic-ai/sdk'));
    const folder = consumer(Object.fromEntries(own.map(({ name, text }) => [`${name}.ts`, text])));
    const names = own.map(({ name }) => `${name}.ts`);
    expect(complaints(folder, names, options)).toEqual([]);
  });

  it('with rows that an interface describes compile', { timeout: SLOW_MS }, () => {
    const folder = consumer({
      'typed.ts': [
        "import { createBatchrun } from 'batchrun';",
        'interface Ticket { readonly id: number; readonly text: string }',
        'async function* rows(): AsyncGenerator<Ticket> { yield { id: 1, text: "a" }; }',
        'const tickets: readonly Ticket[] = [];',
        'export const runs = [createBatchrun().submit(rows()), createBatchrun().submit(tickets)];',
      ].join('\n'),
    });
    expect(complaints(folder, ['typed.ts'])).toEqual([]);
  });

  it('that are wrong do not compile: the check can fail', { timeout: SLOW_MS }, () => {
    const folder = consumer({
      'wrong.ts': `import { createBatchrun } from 'batchrun';\nawait createBatchrun().submit('a.csv', { modle: 'x' });\n`,
    });
    expect(complaints(folder, ['wrong.ts']).join()).toContain("'modle' does not exist");
  });

  it('need the types of Node, and of no other package', { timeout: SLOW_MS }, () => {
    const folder = consumer({ 'a.ts': "import 'batchrun'; import 'batchrun/sim'; import 'batchrun/limiter';\n" }, [
      '@types/node',
      'undici-types',
    ]);
    expect(complaints(folder, ['a.ts'])).toEqual([]);
  });
});

interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program in a folder of its own that has batchrun. */
async function runProgram(text: string, env: Readonly<Record<string, string>> = {}): Promise<Ran> {
  const folder = consumer({ 'main.mjs': toJavaScript(text) });
  const child = spawn(process.execPath, ['main.mjs'], {
    cwd: folder,
    env: { PATH: process.env['PATH'], HOME: folder, ...env },
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const said = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (part: string) => (said.stdout += part));
  child.stderr.setEncoding('utf8').on('data', (part: string) => (said.stderr += part));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, ...said };
}

/** As the documents have it, but as fast as a test wants it. */
const hurried = (text: string): string => text.replace("state: '.batchrun'", "state: '.batchrun', pollIntervalMs: 50");

describe('a program', () => {
  it('as the page on the library shows first ends by itself, with all rows answered', async () => {
    const b = await bench();
    const ran = await runProgram(hurried(exampleNamed('library-run')), {
      ANTHROPIC_API_KEY: KEY,
      ANTHROPIC_BASE_URL: b.origin,
    });
    expect(ran).toMatchObject({ code: 0, stderr: '' });
    expect(ran.stdout).toMatch(/^0 of 1000\n/);
    expect(ran.stdout).toContain('ticket-1000 ');
    expect(ran.stdout.split('\n').filter((line) => line.startsWith('ticket-'))).toHaveLength(1_000);
    expect(ran.stdout).not.toContain(KEY);
  });

  it('with the simulator alone needs no key and no network', async () => {
    const ran = await runProgram(exampleNamed('library-sim'));
    expect(ran).toMatchObject({ code: 0, stderr: '' });
    expect(ran.stdout).toMatch(/^yes\n[\d.e-]+ \d \d\n$/);
  });

  it('with the limiter gets its answers', async () => {
    const b = await bench({ tier: 'start' });
    const ran = await runProgram(exampleNamed('library-limiter'), {
      ANTHROPIC_API_KEY: KEY,
      ANTHROPIC_BASE_URL: b.origin,
    });
    expect(ran).toMatchObject({ code: 0, stderr: '' });
    expect(ran.stdout).toContain('What is a token?');
    expect(ran.stdout).toContain("source: 'headers'");
  });

  it('says nothing by itself, also where things go wrong, and is not kept alive once it is closed', async () => {
    const b = await bench({ faults: { 'create.429': 0.3, 'list.500': 0.2 } });
    const ran = await runProgram(
      `import { createBatchrun } from 'batchrun';
       const batchrun = createBatchrun({ apiKey: '${KEY}', baseUrl: '${b.origin}', pollIntervalMs: 50 });
       const run = await batchrun.submit([{ params: { model: 'claude-haiku-5-5', max_tokens: 9, messages: [{ role: 'user', content: 'x' }] } }]);
       await run.wait();
       await batchrun.submit([{ text: 'no prompt' }]).catch(() => undefined);
       await batchrun.close();`,
    );
    expect(ran).toEqual({ code: 0, stdout: '', stderr: '' });
  });
});
