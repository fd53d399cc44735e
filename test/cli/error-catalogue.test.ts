/**
 * Every code of the error catalogue, reached: through the built program wherever a user can get there, else through the
 * real rooms in this process. Each says what happened with a name in it, has a hint, and ends with its exit code.
 * test/meta/errors.test.ts fails when a code has no scenario here.
 */
import { spawn } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, rmSync, symlinkSync, truncateSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test, vi } from 'vitest';
import { fileError } from '../../src/adapters/disk-files.ts';
import { openDatabase } from '../../src/adapters/sqlite/kept.ts';
import { ERROR_CATALOGUE } from '../../src/base/error-catalogue.ts';
import { BatchrunError, type ErrorCode } from '../../src/base/errors.ts';
import { silentLogger } from '../../src/base/log.ts';
import type { Flags } from '../../src/cli/flags/options.ts';
import { createProgram } from '../../src/cli/program.ts';
import { runSubmit } from '../../src/cli/submit.ts';
import { createTerminal } from '../../src/cli/terminal/terminal.ts';
import { createBatchrun } from '../../src/library/index.ts';
import {
  ASK,
  bench,
  csv,
  ENDLESS,
  jsonl,
  KEY,
  params,
  PROGRAM,
  requests,
  Running,
  type Bench,
  type CallOptions,
} from '../support/cli.ts';
import { SmallDisk } from '../support/small-disk.ts';
import { tempFolder } from '../support/temp.ts';

/** An error as `--json` shows it, and what the process ended with. */
interface Seen {
  readonly code: string;
  readonly message: string;
  readonly hint: string;
  readonly exit: number;
  readonly processExit: number | null;
}

interface Scenario {
  /** What the message names: the file, the flag, the run, … */
  readonly names: RegExp;
  /** Where the process ends with another code than the error's: a signal. */
  readonly processExit?: number;
  readonly reach: () => Promise<Seen>;
}

async function cli(b: Bench, args: readonly string[], options: CallOptions = {}): Promise<Seen> {
  const ended = await b.call([...args, '--json'], options);
  const printed = /^\{"error":.*\}$/m.exec(ended.stdout)?.[0];
  expect(printed, `batchrun ${args.join(' ')}\n${ended.stdout}\n${ended.stderr}`).toBeDefined();
  const { error } = JSON.parse(printed ?? '') as { error: Omit<Seen, 'processExit'> };
  // For people the same words.
  expect(ended.stderr).toContain(error.message);
  expect(ended.stderr).toContain(error.hint);
  return { ...error, processExit: ended.code };
}

/** An error that was thrown in this process. */
function thrown(error: unknown): Seen {
  if (!(error instanceof BatchrunError)) throw error;
  const { code, message, hint, exit } = error;
  return { code, message, hint, exit, processExit: exit };
}

async function withInput(content: string | Buffer, name = 'in.jsonl'): Promise<Bench> {
  const b = await bench();
  b.write(name, content);
  return b;
}

/** A refusal of one submit. */
const submit =
  (name: string, content: string | Buffer, ...flags: string[]) =>
  async (): Promise<Seen> =>
    cli(await withInput(content, name), ['submit', name, ...flags]);

async function submitted(options: Parameters<typeof bench>[0] = ENDLESS): Promise<Bench> {
  const b = await bench(options);
  b.write('in.jsonl', requests(2));
  await b.ok(['submit', 'in.jsonl']);
  return b;
}

async function finished(): Promise<Bench> {
  const b = await withInput(requests(2));
  await b.ok(['run', 'in.jsonl']);
  return b;
}

/** Changes the ledger behind the program's back. */
function inLedger(b: Bench, sql: string): void {
  const raw = openDatabase(join(b.state, 'state.db'), { timeout: 5_000 });
  raw.exec(sql);
  raw.close();
}

/** A collect that waits for its batch, and the ledger changed under it before the batch ends. */
async function changedUnderCollect(sql: string): Promise<Seen> {
  const b = await submitted({ batchDurationMs: [1_500, 1_500] });
  const collect = b.start(['collect', '--json']);
  await collect.says(/Safe to stop/);
  inLedger(b, sql);
  const ended = await collect.ended;
  const { error } = JSON.parse(ended.stdout) as { error: Omit<Seen, 'processExit'> };
  return { ...error, processExit: ended.code };
}

/** The package with a better-sqlite3 whose native part was never built. */
async function withoutNativePart(): Promise<Seen> {
  const b = await withInput(requests(1));
  const folder = tempFolder();
  const home = dirname(dirname(dirname(PROGRAM)));
  const modules = fileURLToPath(new URL('../../node_modules', import.meta.url));
  for (const part of ['dist', 'package.json']) cpSync(join(home, part), join(folder, part), { recursive: true });
  mkdirSync(join(folder, 'node_modules'));
  for (const name of readdirSync(modules)) {
    if (name !== 'better-sqlite3') symlinkSync(join(modules, name), join(folder, 'node_modules', name));
  }
  for (const part of ['lib', 'package.json']) {
    cpSync(join(modules, 'better-sqlite3', part), join(folder, 'node_modules/better-sqlite3', part), {
      recursive: true,
    });
  }
  const args = [join(folder, 'dist/cli/main.js'), 'submit', 'in.jsonl', '--json'];
  const child = new Running(spawn(process.execPath, args, { cwd: b.folder, env: { ...b.env, HOME: b.folder } }));
  const ended = await child.ended;
  const { error } = JSON.parse(ended.stdout) as { error: Omit<Seen, 'processExit'> };
  return { ...error, processExit: ended.code };
}

/** Ctrl-C while stdin is still being read. */
async function interrupted(): Promise<Seen> {
  const b = await bench();
  const env = { PATH: process.env['PATH'], HOME: b.folder, ...b.env };
  const child = spawn(process.execPath, [PROGRAM, 'submit', '-', '--json'], { cwd: b.folder, env });
  onTestFinished(() => void child.kill('SIGKILL'));
  const running = new Running(child);
  child.stdin.write(requests(1));
  // The ledger is opened after the signals are listened to.
  await expect.poll(() => b.has('.batchrun/state.db')).toBe(true);
  child.kill('SIGINT');
  await running.says(/Stopping/);
  child.stdin.end(requests(1, 'second').replace('row-1', 'row-2'));
  const ended = await running.ended;
  const { error } = JSON.parse(ended.stdout) as { error: Omit<Seen, 'processExit'> };
  return { ...error, processExit: ended.code };
}

/** A submit in this process, on a terminal where somebody says no. */
async function declined(): Promise<Seen> {
  const b = await withInput(requests(2));
  for (const [name, value] of Object.entries(b.env)) vi.stubEnv(name, value);
  onTestFinished(() => void vi.unstubAllEnvs());
  const asked: string[] = [];
  const terminal = {
    ...createTerminal({ color: false, quiet: true, complete: (text) => text }),
    interactive: true,
    talk: () => undefined,
    ask: (question: string) => Promise.resolve(asked.push(question) > 0 ? 'n' : ''),
  };
  const context = {
    flags: await flagsOf(['submit', 'in.jsonl', '--confirm-over', '0']),
    ...{ terminal, signal: new AbortController().signal, stateFolder: b.state, log: silentLogger },
  };
  const inputs = [b.path('in.jsonl')];
  const end = runSubmit(context, inputs, { command: 'submit', argv: [], wait: false });
  const seen = thrown(await end.catch((error: unknown) => error));
  expect([asked.length, b.calls('batches.create'), b.runFolders()]).toEqual([1, 0, []]);
  return seen;
}

/** The flags as the command line would give them. */
async function flagsOf(argv: readonly string[]): Promise<Flags> {
  let flags: Flags | undefined;
  const started = (given: Flags): never => {
    flags = given;
    throw new Error('far enough');
  };
  const parts = { version: '0', argv, signal: new AbortController().signal, finished: () => undefined, started };
  await createProgram(parts)
    .parseAsync(['node', 'batchrun', ...argv])
    .catch(() => undefined);
  if (!flags) throw new Error('the flags were not read');
  return flags;
}

async function fullDisk(): Promise<Seen> {
  const b = await withInput(requests(2));
  const disk = SmallDisk.mount(b.state, 64 * 1024);
  if (disk) {
    disk.fill();
    return cli(b, ['submit', 'in.jsonl']);
  }
  // Where nobody may mount one: the system's own answer, through the room that turns it into ours.
  const cause = Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
  return thrown(fileError(cause, join(b.folder, 'state.db')));
}

const SCENARIOS: Readonly<Record<ErrorCode, Scenario>> = {
  E_BUG: {
    names: /must not happen.*chunk 1/,
    // No user gets there: an ended chunk without its batch.
    reach: async () => {
      const b = await submitted();
      inLedger(b, "UPDATE chunks SET state = 'ended', batch_id = NULL");
      return cli(b, ['collect']);
    },
  },
  E_USAGE: { names: /--fail-if.*broken/, reach: submit('in.jsonl', requests(1), '--fail-if', 'broken') },
  E_CONFIG: {
    names: /BATCHRUN_QUIET.*perhaps/,
    reach: async () =>
      cli(await withInput(requests(1)), ['submit', 'in.jsonl'], { env: { BATCHRUN_QUIET: 'perhaps' } }),
  },
  E_INPUT_MISSING: { names: /nothing\.jsonl/, reach: async () => cli(await bench(), ['submit', 'nothing.jsonl']) },
  E_INPUT_FORMAT: { names: /noise\.bin/, reach: submit('noise.bin', Buffer.from([0, 1, 2, 255, 10])) },
  E_INPUT_EMPTY: { names: /empty\.jsonl/, reach: submit('empty.jsonl', '') },
  E_INPUT_INVALID: {
    names: /1 of 2 rows/,
    reach: submit('in.jsonl', jsonl([params('fine'), params('bad', { max_tokens: 0 })])),
  },
  E_TEMPLATE: {
    names: /--prompt.*txet/,
    reach: submit('in.csv', csv(1), '--model', 'm', '--max-tokens', '5', '--prompt', '{{txet}}'),
  },
  E_SCHEMA: {
    names: /answer\.json:1:9 is not JSON/,
    reach: async () => {
      const b = await withInput(requests(1));
      b.write('answer.json', '{"type":,}');
      return cli(b, ['submit', 'in.jsonl', '--schema', 'answer.json']);
    },
  },
  E_NO_MODEL: {
    names: /--model/,
    reach: submit('in.csv', csv(1), '--max-tokens', '5', '--prompt', '{{text}}'),
  },
  E_NO_PROMPT: { names: /--prompt.*text/, reach: submit('in.csv', csv(1)) },
  E_MODEL_RETIRED: {
    names: /claude-3-opus-20240229/,
    reach: submit('in.csv', csv(1), ...ASK.slice(2), '--model', 'claude-3-opus-20240229'),
  },
  E_PREFLIGHT: {
    names: /claude-nobody-9/,
    reach: submit('in.csv', csv(1), ...ASK.slice(2), '--model', 'claude-nobody-9'),
  },
  E_CREDENTIALS: {
    names: /credentials/,
    reach: async () =>
      cli(await withInput(requests(1)), ['submit', 'in.jsonl'], { env: { ANTHROPIC_API_KEY: undefined } }),
  },
  E_ORIGIN: {
    names: /run_\w+ .*127\.0\.0\.1:1\b/,
    reach: async () =>
      cli(await submitted(), ['collect', 'latest'], { env: { ANTHROPIC_BASE_URL: 'http://127.0.0.1:1' } }),
  },
  E_OUTPUT_TAKEN: {
    names: /in\.jsonl/,
    reach: submit('in.jsonl', requests(1), '-o', 'in.jsonl'),
  },
  E_NOT_CONFIRMED: { names: /nothing was sent/, reach: declined },
  E_RUN_UNKNOWN: { names: /"nobody"/, reach: async () => cli(await submitted(), ['status', 'nobody']) },
  E_RUN_AMBIGUOUS: {
    names: /"run_" .*2 runs: run_\w+, run_\w+/,
    reach: async () => {
      const b = await submitted();
      await b.ok(['submit', 'in.jsonl', '--again', '-o', 'again.jsonl']);
      return cli(b, ['status', 'run_']);
    },
  },
  E_CHUNK_UNKNOWN: {
    names: /run_\w+ has no chunk 7/,
    reach: async () => cli(await submitted(), ['resolve', 'latest', '--chunk', '7', '--lost']),
  },
  E_RESOLVE: {
    names: /msgbatch_none/,
    reach: async () => cli(await submitted(), ['resolve', 'latest', '--chunk', '1', '--batch', 'msgbatch_none']),
  },
  E_ADOPT: {
    names: /msgbatch_none/,
    reach: async () => cli(await withInput(requests(1)), ['adopt', 'msgbatch_none', '--input', 'in.jsonl']),
  },
  E_RUN_NOT_DONE: { names: /run_\w+ is active/, reach: async () => cli(await submitted(), ['prune', 'latest']) },
  E_STATE_UNUSABLE: {
    names: /in\.jsonl/,
    reach: submit('in.jsonl', requests(1), '--state', 'in.jsonl'),
  },
  E_STATE_NEWER: {
    names: /schema 1000/,
    reach: async () => {
      const b = await finished();
      const raw = openDatabase(join(b.state, 'state.db'), {});
      raw.exec('PRAGMA user_version = 1000');
      raw.close();
      return cli(b, ['status']);
    },
  },
  E_STATE_CORRUPT: {
    names: /state\.db/,
    reach: async () => {
      const b = await submitted();
      truncateSync(join(b.state, 'state.db'), 5_000);
      return cli(b, ['status']);
    },
  },
  E_NATIVE_MODULE: { names: /better-sqlite3 .*bindings file\.$/, reach: withoutNativePart },
  E_FILE: {
    names: /rows\/000001\.jsonl/,
    reach: async () => {
      const b = await finished();
      rmSync(join(b.state, 'runs', b.runFolders()[0] ?? '', 'rows'), { recursive: true });
      return cli(b, ['collect', 'latest', '-o', 'more.jsonl']);
    },
  },
  E_DISK_FULL: { names: /state\.db|\.batchrun/, reach: fullDisk },
  E_METRICS_PORT: {
    names: /port \d+ .*is taken/,
    reach: async () => {
      const b = await withInput(requests(1));
      const seen = await cli(b, ['run', 'in.jsonl', '--metrics-port', new URL(b.origin).port]);
      expect(b.calls('batches.create')).toBe(0);
      return seen;
    },
  },
  E_WEB_PORT: {
    names: /port \d+ on 127\.0\.0\.1 .*is taken/,
    reach: async () => {
      const b = await bench();
      const taken = new URL(b.origin).port;
      // It has no --json: what it says is for people.
      const ended = await b.call(['serve', '--port', taken]);
      const [message = '', hint = ''] = ended.stderr.split('batchrun: ').at(-1)?.split('\n') ?? [];
      return { code: 'E_WEB_PORT', message, hint, exit: 2, processExit: ended.code };
    },
  },
  E_FENCED: {
    // Nobody gets there while the system keeps its locks: another epoch in the ledger is another driver.
    names: /nothing was written/,
    reach: () => changedUnderCollect('UPDATE driver SET epoch = epoch + 1'),
  },
  E_LOCKED: {
    names: /process \d+ on .*batchrun run/,
    reach: async () => {
      const b = await withInput(requests(2));
      b.world.setFaults({ 'list.503': 1 });
      const driver = b.start(['run', 'in.jsonl']);
      await driver.says(/Safe to stop|uploaded|rows/);
      await expect.poll(async () => (await b.json(0, ['status'])).driver?.pid).toBe(driver.child.pid);
      return cli(b, ['collect']);
    },
  },
  E_TRANSITION: {
    // Nor here: somebody changes a chunk in the instant in which its batch ends.
    names: /chunk 1/,
    reach: () =>
      changedUnderCollect(
        `CREATE TRIGGER meddler AFTER UPDATE ON batches WHEN NEW.status = 'ended'
         BEGIN UPDATE chunks SET state = 'uncertain'; END`,
      ),
  },
  E_API: {
    names: /x-api-key|authentication/,
    reach: async () => {
      const b = await bench({ strictKeys: true, keys: { [KEY]: { workspace: 'wrkspc_a' } } });
      b.write('in.jsonl', requests(1));
      await b.ok(['run', 'in.jsonl']);
      const env = { ANTHROPIC_API_KEY: 'sk-ant-api03-revoked-0123456789-abcdefgh' };
      return cli(b, ['prune', 'latest', '--remote'], { env });
    },
  },
  E_API_UNREACHABLE: {
    names: /could not be reached for/,
    reach: async () => {
      const b = await withInput(requests(1));
      await b.offline();
      // With --json the runs are printed as they are; for people it is an error.
      const ended = await b.call(['run', 'in.jsonl', '--give-up', '200ms']);
      const [message = '', hint = ''] = ended.stderr.split('batchrun: ').at(-1)?.split('\n') ?? [];
      expect(hint).toBe(ERROR_CATALOGUE.E_API_UNREACHABLE.hint);
      return { code: 'E_API_UNREACHABLE', message, hint, exit: 4, processExit: ended.code };
    },
  },
  E_BLOCKED: {
    // Commands say it with their output and exit code 5; who waits in a program gets an error.
    names: /run_\w+ cannot go on: .*does not accept the key/,
    reach: async () => {
      const b = await bench({ strictKeys: true, keys: {} });
      const batchrun = createBatchrun({ state: b.state, apiKey: KEY, baseUrl: b.origin });
      onTestFinished(() => batchrun.close());
      const run = await batchrun.submit([{ params: params('x') }], { preflight: false });
      return thrown(await run.wait().catch((error: unknown) => error));
    },
  },
  E_NOT_FINISHED: { names: /interrupted after reading/, processExit: 130, reach: interrupted },
};

test.for(Object.entries(SCENARIOS))('%s', async ([code, { names, processExit, reach }]) => {
  const seen = await reach();
  const { exit } = ERROR_CATALOGUE[code as ErrorCode];
  expect(seen).toMatchObject({ code, exit, processExit: processExit ?? exit });
  expect(seen.message).toMatch(names);
  expect(seen.hint).toMatch(/\S.{10,}/s);
});

test('there is a scenario for every code, and none for another', () => {
  expect(Object.keys(SCENARIOS).sort()).toEqual(Object.keys(ERROR_CATALOGUE).sort());
});
