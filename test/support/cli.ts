/**
 * The built program as a user runs it: a child process in a folder of its own, with a clean environment, against a
 * simulator in this process that tests can steer and question. Nothing here waits for time to pass: it waits for the
 * end of a process or for something that it says.
 *
 * `npm test` builds dist/ first. BATCHRUN_TEST_PACKAGE names another package folder to test, such as an installed one.
 */
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished } from 'vitest';
import { systemClock } from '../../src/base/clock.ts';
import { answerFor } from '../../src/tools/sim/answer.ts';
import type { JsonRecord } from '../../src/tools/sim/json.ts';
import type { SimOptions } from '../../src/tools/sim/options.ts';
import { startSimServer, type SimServer } from '../../src/tools/sim/server.ts';
import { createSimWorld, type SimWorld } from '../../src/tools/sim/world.ts';
import { tempFolder } from './temp.ts';

const CHECKOUT = fileURLToPath(new URL('../..', import.meta.url));
const PACKAGE = process.env['BATCHRUN_TEST_PACKAGE'] ?? CHECKOUT;
export const PROGRAM = join(PACKAGE, 'dist/cli/main.js');
export const BANKING77 = join(CHECKOUT, 'fixtures/banking77/test.csv');

/** Looks like a real key, so that whatever hides keys has something to hide. */
export const KEY = 'sk-ant-api03-TESTKEY-0123456789abcdefghijklmnop-wxyz';
export const MODEL = 'claude-haiku-5-5';
/** What makes requests of the rows of `texts` and `csv`. */
export const ASK = ['--model', MODEL, '--max-tokens', '200', '--prompt', 'Classify: {{text}}'] as const;

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A run in `--json`; the shape itself is under test in json.test.ts. */
export interface RunJson {
  readonly id: string;
  readonly name: string | null;
  readonly state: string;
  readonly canceled: boolean;
  readonly blocked: readonly Readonly<Record<string, string>>[];
  readonly rows: Readonly<Record<string, number>>;
  readonly cost_usd: Readonly<Record<string, number | null>>;
  readonly batches: readonly { readonly id: string; readonly rows: number }[];
  readonly output: string | null;
}

/** What a command prints with `--json`: a field is there only where the command has it. */
export interface Printed {
  readonly runs: readonly [RunJson, ...RunJson[]];
  readonly driver: { readonly pid: number } | null;
  readonly run_id: string;
  readonly chunks: number;
  readonly already_submitted: boolean;
  readonly output: string;
  readonly error: { readonly code: string; readonly message: string };
  readonly first_request: JsonRecord;
  readonly pruned: readonly string[];
  readonly ok: boolean;
  readonly checks: readonly unknown[];
}

type Result =
  | { readonly type: 'succeeded'; readonly message: { readonly content: readonly { readonly text: string }[] } }
  | { readonly type: 'errored'; readonly error: { readonly error: { readonly type: string } } }
  | { readonly type: 'canceled' | 'expired' };

/** A line of an output: in the API's shape it has a result, in the others fields by their names. */
export interface Line {
  readonly custom_id: string;
  readonly result: Result;
  readonly [field: string]: unknown;
}

export interface CallOptions {
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly stdin?: string | Buffer;
  /** The working directory; default the folder of the bench. */
  readonly cwd?: string;
}

/** A process under way. */
export class Running {
  readonly child: ChildProcessWithoutNullStreams;
  readonly ended: Promise<Ended>;
  stdout = '';
  stderr = '';
  #over = false;
  readonly #heard = new EventTarget();

  constructor(child: ChildProcessWithoutNullStreams) {
    this.child = child;
    const note = (stream: 'stdout' | 'stderr') => (text: string) => {
      this[stream] += text;
      this.#heard.dispatchEvent(new Event('heard'));
    };
    child.stdout.setEncoding('utf8').on('data', note('stdout'));
    child.stderr.setEncoding('utf8').on('data', note('stderr'));
    this.ended = once(child, 'close').then(([code, signal]: unknown[]) => {
      this.#over = true;
      this.#heard.dispatchEvent(new Event('heard'));
      const { stdout, stderr } = this;
      return { code: code as number | null, signal: signal as NodeJS.Signals | null, stdout, stderr };
    });
  }

  /** Waits until it has said this. Fails when it ends without. */
  async says(pattern: RegExp, stream: 'stdout' | 'stderr' = 'stderr'): Promise<void> {
    while (!pattern.test(this[stream])) {
      if (this.#over) throw new Error(`ended without saying ${String(pattern)}:\n${this.stdout}\n${this.stderr}`);
      await once(this.#heard, 'heard');
    }
  }

  kill(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }
}

/** Starts the built program. It is killed at the end of the test if it still runs. */
export function start(cwd: string, args: readonly string[], env: CallOptions['env'], stdin?: string | Buffer): Running {
  const clean = { PATH: process.env['PATH'], HOME: cwd, TZ: 'UTC', LANG: 'C.UTF-8' };
  const child = spawn(process.execPath, [PROGRAM, ...args], { cwd, env: { ...clean, ...env } });
  const running = new Running(child);
  // A program that ends early does not read all of its input.
  child.stdin.on('error', () => undefined);
  child.stdin.end(stdin ?? '');
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await running.ended;
  });
  return running;
}

/** A folder, a simulator and the program. */
export class Bench {
  readonly folder: string;
  readonly world: SimWorld;
  readonly origin: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  #server: SimServer | undefined;

  constructor(folder: string, world: SimWorld, server: SimServer) {
    this.folder = folder;
    this.world = world;
    this.origin = server.origin;
    this.#server = server;
    const { origin } = server;
    this.env = {
      ANTHROPIC_API_KEY: KEY,
      ANTHROPIC_BASE_URL: origin,
      BATCHRUN_POLL_INTERVAL: '50ms',
      BATCHRUN_RECONCILE_GRACE: '300ms',
    };
  }

  /** Nobody listens at the address of the API any more; open connections are cut. */
  async offline(): Promise<void> {
    await this.#server?.close();
    this.#server = undefined;
  }

  async online(): Promise<void> {
    this.#server = await startSimServer(this.world, { port: Number(new URL(this.origin).port) });
  }

  get state(): string {
    return join(this.folder, '.batchrun');
  }

  start(args: readonly string[], options: CallOptions = {}): Running {
    return start(options.cwd ?? this.folder, args, { ...this.env, ...options.env }, options.stdin);
  }

  /** Runs the program to its end. */
  call(args: readonly string[], options: CallOptions = {}): Promise<Ended> {
    return this.start(args, options).ended;
  }

  /** Runs it to its end and expects this exit code; what it said is in the failure. */
  async exits(code: number, args: readonly string[], options: CallOptions = {}): Promise<Ended> {
    const ended = await this.call(args, options);
    expect(ended.code, `batchrun ${args.join(' ')}\n${ended.stdout.slice(0, 2_000)}\n${ended.stderr}`).toBe(code);
    return ended;
  }

  ok(args: readonly string[], options: CallOptions = {}): Promise<Ended> {
    return this.exits(0, args, options);
  }

  /** Runs it with --json and expects exactly one object on one line of stdout. */
  async json(code: number, args: readonly string[], options: CallOptions = {}): Promise<Printed> {
    const ended = await this.exits(code, [...args, '--json'], options);
    expect(ended.stdout, ended.stderr).toMatch(/^\{.*\}\n$/);
    expect(ended.stdout.trimEnd()).not.toContain('\n');
    return JSON.parse(ended.stdout) as Printed;
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  write(name: string, content: string | Buffer): string {
    mkdirSync(dirname(this.path(name)), { recursive: true });
    writeFileSync(this.path(name), content);
    return name;
  }

  read(name: string): string {
    return readFileSync(this.path(name), 'utf8');
  }

  has(name: string): boolean {
    return existsSync(this.path(name));
  }

  lines(name: string): Line[] {
    return parseLines(this.read(name));
  }

  /** Folders of runs in the state. */
  runFolders(): string[] {
    const runs = join(this.state, 'runs');
    return existsSync(runs) ? readdirSync(runs) : [];
  }

  /** How often this endpoint was called, and of all endpoints together. */
  calls(endpoint?: string): number {
    if (endpoint !== undefined) return this.world.ledger.calls.get(endpoint) ?? 0;
    return [...this.world.ledger.calls.values()].reduce((sum, count) => sum + count, 0);
  }
}

/** Batches take a tenth of a second, and nothing goes wrong unless a test wants it. */
export async function bench(options: SimOptions = {}): Promise<Bench> {
  const world = createSimWorld(
    {
      tier: 'scale',
      batchDurationMs: [50, 150],
      cancelDurationMs: 50,
      messageLatencyMs: [0, 5],
      listLagMs: 100,
      pollRetryAfterSeconds: null,
      ...options,
    },
    systemClock,
  );
  const server = await startSimServer(world, { port: 0 });
  const made = new Bench(tempFolder(), world, server);
  onTestFinished(() => made.offline());
  return made;
}

/**
 * Batches that do not end while a test runs, nor do their rows: each of them is done at a time drawn from the whole
 * duration, and of 600 s the first seconds of a slow machine would be a share that is met.
 */
export const ENDLESS = { batchDurationMs: [72_000_000, 72_000_000] } as const;

/** A CSV of `count` rows with columns id and text. */
export function csv(count: number, prefix = 'question'): string {
  const rows = Array.from({ length: count }, (_, index) => `${index + 1},${prefix} ${index + 1}\n`);
  return `id,text\n${rows.join('')}`;
}

/** Params of a row whose user says this. */
export function params(text: string, more: JsonRecord = {}): JsonRecord {
  return { model: MODEL, max_tokens: 200, messages: [{ role: 'user', content: text }], ...more };
}

/** JSONL of `count` requests with the ids row-1, row-2, … */
export function requests(count: number, prefix = 'question'): string {
  return jsonl(
    Array.from({ length: count }, (_, at) => ({
      custom_id: `row-${at + 1}`,
      params: params(`${prefix} ${at + 1}`),
    })),
  );
}

export function jsonl(values: readonly unknown[]): string {
  return values.map((value) => `${JSON.stringify(value)}\n`).join('');
}

export function parseLines(text: string): Line[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Line);
}

/** A line of the output in the API's shape: its id and the text of its answer (or its error type). */
export function answerOf({ custom_id: id, result }: Line): [string, string] {
  switch (result.type) {
    case 'succeeded':
      return [id, result.message.content.map(({ text }) => text).join('')];
    case 'errored':
      return [id, result.error.error.type];
    case 'canceled':
    case 'expired':
      return [id, result.type];
  }
}

/** What the simulator answers to a user text. */
export function echo(text: string): string {
  return answerFor(params(text));
}

/** Expects the output to hold these rows in this order, each with the answer to its own text. */
export function expectAnswers(lines: readonly Line[], rows: readonly (readonly [string, string])[]): void {
  expect(lines.map(answerOf)).toEqual(rows.map(([id, text]) => [id, echo(text)]));
}

/** `count` rows of `requests` as expectAnswers takes them. */
export function asked(count: number, prefix = 'question'): [string, string][] {
  return Array.from({ length: count }, (_, at) => [`row-${at + 1}`, `${prefix} ${at + 1}`]);
}

/** Rows of `csv` under ASK as expectAnswers takes them. Without ids of their own, rows are called by their lines. */
export function classified(count: number, prefix = 'question'): [string, string][] {
  return Array.from({ length: count }, (_, at) => [String(at + 2), `Classify: ${prefix} ${at + 1}`]);
}

/** No wire id of ours was accepted in two batches, as it would be if a chunk had been sent twice. */
export function expectNothingTwice(world: SimWorld): void {
  const seen = new Map<string, string>();
  const twice: string[] = [];
  for (const batch of world.ledger.batches) {
    if (batch.isForeign) continue;
    for (const id of batch.customIds()) {
      const before = seen.get(id);
      if (before !== undefined) twice.push(`${id} in ${before} and ${batch.id}`);
      seen.set(id, batch.id);
    }
  }
  expect(twice).toEqual([]);
}

/** Nothing is left that a person would take for a result or has to clear away. */
export function expectNothingHalf(...folders: string[]): void {
  for (const folder of folders) {
    const names = readdirSync(folder, { recursive: true, encoding: 'utf8' });
    expect(names.filter((name) => name.endsWith('.tmp'))).toEqual([]);
  }
}
