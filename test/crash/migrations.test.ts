/**
 * State folders of every released schema under the built program: it takes them up where an older version left them,
 * finishes them and pays for nothing twice; a death in the middle of a migration and a race for it cost nothing; a
 * state of a newer version stays as it is, to the byte. That no value changes is in test/contract/migrations.test.ts.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { cpSync, readdirSync, readFileSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { describe, expect, test } from 'vitest';
import { openDatabase, prepare, readPragma } from '../../src/adapters/sqlite/kept.ts';
import { MIGRATIONS, SCHEMA_VERSION } from '../../src/adapters/sqlite/migrations.ts';
import { systemClock } from '../../src/base/clock.ts';
import { answerFor } from '../../src/tools/sim/answer.ts';
import type { JsonRecord } from '../../src/tools/sim/json.ts';
import { answerOf, bench, expectNothingTwice, MODEL, PROGRAM, type Bench } from '../support/cli.ts';
import {
  factsOf,
  OLD_KEY,
  OLD_STORES,
  oldStore,
  onCopy,
  restoreBatches,
  unpack,
  type OldStore,
} from '../support/old-stores.ts';
import { tempFolder } from '../support/temp.ts';

const env = { env: { ANTHROPIC_API_KEY: OLD_KEY } };

/** An old state with what the API has of it, here and now. */
async function opened(store: OldStore): Promise<Bench> {
  const b = await bench();
  const place = { folder: b.folder, origin: b.origin, nowMs: systemClock.now() };
  unpack(store, b.folder, place);
  restoreBatches(b.world, store, place);
  return b;
}

interface Finish {
  /** Batches that today's version makes. */
  readonly creates: number;
  /** Rows that end otherwise than with their answer, by id. */
  readonly others?: Readonly<Record<string, string>>;
}

/** What is left to do of each store. */
const LEFT: Readonly<Record<string, Finish>> = {
  'schema-1/sealed-offline': { creates: 3 },
  'schema-1/submitted': { creates: 0 },
  'schema-1/checkpoint-killed': { creates: 0 },
  'schema-1/answered-killed': { creates: 0 },
  'schema-1/body-complete-killed': { creates: 2 },
  'schema-1/uncertain': { creates: 1 },
  'schema-1/retrying': { creates: 0 },
  'schema-1/realtime-killed': { creates: 0 },
  'schema-1/retry-chunk': { creates: 1 },
  'schema-1/split': { creates: 0, others: { 'valley-1': 'batchrun_refused_request_too_large' } },
  'schema-1/blocked': { creates: 1 },
};

/** The rows of an input as they were asked, and the answers of the simulator. */
function expected(b: Bench, finish: Finish): [string, string][] {
  const asked: [string, JsonRecord][] = b.has('in.jsonl')
    ? b.lines('in.jsonl').map((line) => [line.custom_id, line['params'] as JsonRecord])
    : Array.from({ length: 6 }, (_, at) => [`c${at + 1}`, hillParams(at + 1)]);
  return asked.map(([id, params]) => [id, finish.others?.[id] ?? answerFor(params)]);
}

function hillParams(at: number): JsonRecord {
  return { model: MODEL, max_tokens: 100, messages: [{ role: 'user', content: `Where is hill, ${at}?` }] };
}

function expectOutput(b: Bench, finish: Finish): void {
  const rows = expected(b, finish);
  if (b.has('in.jsonl')) expect(b.lines('in.results.jsonl').map(answerOf)).toEqual(rows);
  // One line for the columns, then one for each row; the answers hold no comma.
  else expect(b.read('out.csv').trimEnd().split('\n').slice(1).map(cellsOf)).toEqual(rows);
}

function cellsOf(line: string): [string, string] {
  const [id = ''] = line.split(',');
  return [id, /[0-9a-f]{8} Where is hill, \d\?/.exec(line)?.[0] ?? line];
}

/** Calls that make or cost something. */
function work(b: Bench): { creates: number; messages: number } {
  return { creates: b.calls('batches.create'), messages: b.calls('messages.create') };
}

/** Few rows that wait for another try go realtime; a call whose answer was not committed is made again. */
function workLeft({ creates }: Finish, [run]: readonly OldRun[]): { creates: number; messages: number } {
  return { creates, messages: Number(run?.['row_retry']) + Number(run?.['row_in_realtime']) };
}

describe.each(OLD_STORES.filter(({ name }) => name in LEFT))('$name: $what:', (store) => {
  const finish = LEFT[store.name] ?? { creates: 0 };
  const code = finish.others ? 3 : 0;

  test('status shows what it holds, and collect brings it to its end', async () => {
    const b = await opened(store);
    const before = runsIn(b);
    const shown = await b.json(0, ['status'], env);
    expect(shown.runs.map(({ id, state }) => [id, state])).toEqual(before.map(({ id, state }) => [id, state]));
    expect(shown.runs[0].rows).toMatchObject(countersOf(before[0]));
    const logged = (await b.ok(['log', 'latest'], env)).stdout.trimEnd().split('\n');
    const ended = await b.exits(code, ['collect'], env);
    expect(ended.stderr).not.toMatch(/bug/);
    expectOutput(b, finish);
    expect(work(b)).toEqual(workLeft(finish, before));
    expectNothingTwice(b.world);
    const log = (await b.ok(['log', 'latest'], env)).stdout.split('\n');
    expect(log.slice(0, logged.length)).toEqual(logged);
    const calls = b.calls();
    expect((await b.json(code, ['collect', 'latest'], env)).runs[0]).toMatchObject({ state: 'done' });
    expect(b.calls()).toBe(calls);
    // Nothing is off: not in the ledger, not in the files, not at the API.
    await b.ok(['audit', 'latest'], env);
    expect(versionIn(b)).toBe(SCHEMA_VERSION);
  });

  test('the same input continues it', async () => {
    const b = await opened(store);
    const before = runsIn(b);
    await b.exits(code, ['run', ...store.again], env);
    expectOutput(b, finish);
    expect(work(b)).toEqual(workLeft(finish, before));
    expect(runsIn(b).map(({ id, state }) => [id, state])).toEqual([[before[0]?.id, 'done']]);
  });
});

test('every old store is driven to its end by a test', () => {
  const others = ['schema-1/canceling', 'schema-1/done', 'schema-1/ingest-killed'];
  expect([...Object.keys(LEFT), ...others].sort()).toEqual(OLD_STORES.map(({ name }) => name));
});

interface OldRun {
  readonly id: string;
  readonly state: string;
  readonly [column: string]: unknown;
}

function runsIn(b: Bench): OldRun[] {
  return onCopy(b.state, b.path('look'), (db) => prepare(db, 'SELECT * FROM runs ORDER BY id').all() as OldRun[]);
}

function versionIn(b: Bench): unknown {
  return onCopy(b.state, b.path('look'), (db) => readPragma(db, 'user_version'));
}

/** The row counters as --json names them. */
function countersOf(run: OldRun | undefined): Record<string, unknown> {
  const counters = Object.entries(run ?? {}).filter(([name]) => name.startsWith('row_'));
  return { total: run?.['total_rows'], ...Object.fromEntries(counters.map(([name, value]) => [name.slice(4), value])) };
}

describe('schema-1/canceling', () => {
  const store = oldStore('schema-1/canceling');

  test('the batch that runs is canceled, and every row has its line', async () => {
    const b = await bench();
    const place = { folder: b.folder, origin: b.origin, nowMs: systemClock.now() };
    const state = unpack(store, b.folder, place);
    for (const { id, body } of store.batches) {
      const durationMs = 600_000;
      b.world.restoreBatch({ id, createdAtMs: place.nowMs, body: readFileSync(join(state, body)), durationMs });
    }
    await b.exits(3, ['collect'], env);
    expect(b.lines('in.results.jsonl').map(answerOf)).toEqual([1, 2, 3, 4].map((at) => [`coast-${at}`, 'canceled']));
    expect(work(b)).toEqual({ creates: 0, messages: 0 });
    expect(b.calls('batches.cancel')).toBe(1);
  });
});

describe('schema-1/done', () => {
  const store = oldStore('schema-1/done');

  test('nothing is asked or written again; a file that was deleted comes back as it was', async () => {
    const b = await opened(store);
    const [output, errors] = [b.read('in.results.jsonl'), b.read('errors.jsonl')];
    await b.exits(3, ['run', ...store.again], env);
    expect([b.read('in.results.jsonl'), b.read('errors.jsonl')]).toEqual([output, errors]);
    rmSync(b.path('in.results.jsonl'));
    await b.exits(3, ['collect', 'latest'], env);
    expect(b.read('in.results.jsonl')).toBe(output);
    expect(b.calls()).toBe(0);
  });

  test('the pruned run is remembered: its rows are not paid again', async () => {
    const b = await opened(store);
    const again = await b.ok(['submit', 'first.jsonl'], env);
    expect(again.stderr).toMatch(/The same 3 rows were run as run_\w+.*the run was pruned since/s);
    expect(b.calls()).toBe(0);
  });

  test('its failed row is sent again by retry', async () => {
    const b = await opened(store);
    // The skipped row stays as it is.
    await b.exits(3, ['retry', 'latest', '--wait'], env);
    const rows = b.lines('in.jsonl').map((line) => [line.custom_id, answerFor(line['params'] as JsonRecord)]);
    expect(b.lines('in.results.jsonl').map(answerOf)).toEqual(
      rows.map(([id, answer]) => [id, id === 'wood-2' ? 'batchrun_missing_param' : answer]),
    );
    expect(b.calls('messages.create')).toBe(1);
  });
});

describe('schema-1/ingest-killed', () => {
  const store = oldStore('schema-1/ingest-killed');

  test('what was read by half is swept away, and the input makes a run', async () => {
    const b = await opened(store);
    expect(b.runFolders()).toHaveLength(1);
    const [before] = runsIn(b);
    await b.ok(['collect'], env);
    expect(b.runFolders()).toEqual([]);
    await b.ok(['run', ...store.again, '--chunk-size', '2'], env);
    expectOutput(b, { creates: 3 });
    expect(work(b)).toEqual({ creates: 3, messages: 0 });
    expect(runsIn(b).map(({ id, state }) => [id === before?.id, state])).toEqual([[false, 'done']]);
  });
});

/** The built modules beside a `migrations.js` of ours. Gives the address of db.js. */
function builtDb(folder: string, migrations?: string): string {
  const js = join(folder, 'js');
  for (const room of ['adapters', 'base', 'domain']) {
    cpSync(join(dirname(PROGRAM), '..', room), join(js, room), { recursive: true });
  }
  writeFileSync(join(js, 'package.json'), '{"type":"module"}');
  symlinkSync(fileURLToPath(new URL('../../node_modules', import.meta.url)), join(folder, 'node_modules'));
  const rooms = join(js, 'adapters/sqlite');
  if (migrations !== undefined) {
    renameSync(join(rooms, 'migrations.js'), join(rooms, 'real-migrations.js'));
    writeFileSync(join(rooms, 'migrations.js'), migrations);
  }
  return pathToFileURL(join(rooms, 'db.js')).href;
}

/** Migrations of which step `id` kills the process when `count` of its statements were run. */
const DYING = `
  import { MIGRATIONS as REAL, SCHEMA_VERSION } from './real-migrations.js';
  const [id, count] = process.env.DIE_AT.split(':').map(Number);
  export { SCHEMA_VERSION };
  export const MIGRATIONS = REAL.map((step) => (step.id === id ? { ...step, sqlite: dying(step.sqlite) } : step));
  function dying(statements) {
    return {
      *[Symbol.iterator]() {
        yield* statements.slice(0, count);
        process.kill(process.pid, 'SIGKILL');
      },
    };
  }`;

describe.each(['schema-1/submitted', 'schema-1/answered-killed'])('a migration of %s', (name) => {
  const store = oldStore(name);
  const steps = MIGRATIONS.filter(({ id }) => id > store.schema);
  const deaths = steps.flatMap(({ id, sqlite }) => Array.from({ length: sqlite.length + 1 }, (_, at) => `${id}:${at}`));

  test('that is killed before any of its statements leaves the old state whole, and the next one goes through', async () => {
    const b = await opened(store);
    const before = factsOf(b.state, b.path('before'));
    const module = builtDb(tempFolder(), DYING);
    const code = `const { Db } = await import(${JSON.stringify(module)}); new Db(${JSON.stringify(join(b.state, 'state.db'))});`;
    expect(deaths.length).toBeGreaterThan(1);
    for (const death of deaths) {
      const child = spawn(process.execPath, ['--input-type=module', '-e', code], {
        env: { ...process.env, DIE_AT: death },
        stdio: 'inherit',
      });
      expect([death, await once(child, 'close')]).toEqual([death, [null, 'SIGKILL']]);
      expect([death, versionIn(b)]).toEqual([death, Number(death.split(':')[0]) - 1]);
      expect(factsOf(b.state, b.path('between'), before)).toEqual(before);
    }
    expect(runsIn(b)[0]).not.toHaveProperty('wire');
    await b.ok(['collect'], env);
    expectOutput(b, LEFT[name] ?? { creates: 0 });
    expect(versionIn(b)).toBe(SCHEMA_VERSION);
  });

  test('that several processes start at the same instant is done once, and all of them work', async () => {
    const b = await opened(store);
    const before = factsOf(b.state, b.path('before'));
    const module = builtDb(tempFolder());
    // Everyone waits at the gate (the end of stdin), so that all open at the same instant.
    const code = `
      const { Db } = await import(${JSON.stringify(module)});
      process.stdout.write('ready');
      await new Promise((resolve) => process.stdin.on('end', resolve).resume());
      const db = new Db(${JSON.stringify(join(b.state, 'state.db'))});
      db.run("INSERT INTO events (run_id, at_ms, kind, data) VALUES ('a', 1, 'x', '{}')");
      db.close();`;
    const children = Array.from({ length: 6 }, () =>
      spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: ['pipe', 'pipe', 'inherit'] }),
    );
    await Promise.all(children.map((child) => once(child.stdout, 'data')));
    const exits = children.map(async (child) => (await once(child, 'close'))[0] as number | null);
    for (const child of children) child.stdin.end();
    expect(await Promise.all(exits)).toEqual(children.map(() => 0));
    expect(versionIn(b)).toBe(SCHEMA_VERSION);
    const after = factsOf(b.state, b.path('after'), before);
    expect(after['events']?.rows).toHaveLength((before['events']?.rows.length ?? 0) + children.length);
    expect({ ...after, events: null }).toEqual({ ...before, events: null });
  });

  test('that commands start together costs none of them anything', async () => {
    const b = await opened(store);
    const looks = Array.from({ length: 3 }, () => b.ok(['status', '--json'], env));
    await Promise.all([b.ok(['collect'], env), ...looks, b.ok(['list'], env)]);
    expectOutput(b, LEFT[name] ?? { creates: 0 });
    expectNothingTwice(b.world);
  });
});

test('a new state that another process is just making is waited for', async () => {
  const folder = tempFolder();
  const file = join(folder, 'state.db');
  const script = (code: string): ReturnType<typeof spawn> =>
    spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: ['pipe', 'pipe', 'inherit'] });
  const module = builtDb(folder);
  const raw = JSON.stringify(new URL('kept.js', module).href);
  // As a process in the middle of the switch to the write-ahead log: it holds the write lock of a plain database.
  const first = script(`
    const { openDatabase } = await import(${raw});
    const db = openDatabase(${JSON.stringify(file)}, {});
    db.exec('BEGIN IMMEDIATE');
    process.stdout.write('held');
    process.stdin.on('end', () => db.exec('COMMIT')).resume();`);
  await once(first.stdout ?? first, 'data');
  const second = script(`
    const { Db } = await import(${JSON.stringify(module)});
    process.stdout.write('opens');
    new Db(${JSON.stringify(file)}).close();`);
  const ended = once(second, 'close');
  await once(second.stdout ?? second, 'data');
  // Time enough to be refused at once, for one that does not wait.
  for (let turn = 0; turn < 2_000 && second.exitCode === null; turn++) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  first.stdin?.end();
  expect(await ended).toEqual([0, null]);
});

/** Every file below a folder, by what is in it, and the folders. Left out is SQLite's index of a log: made anew at will. */
function everyByte(folder: string): string[] {
  return readdirSync(folder, { recursive: true })
    .map(String)
    .filter((path) => !path.endsWith('-shm'))
    .sort()
    .map((path) => {
      const file = join(folder, path);
      if (statSync(file).isDirectory()) return `${path}/`;
      return `${path} ${createHash('sha256').update(readFileSync(file)).digest('hex')}`;
    });
}

const NEWER: Readonly<Record<string, string>> = {
  'of schema 99': 'PRAGMA user_version = 99',
  'with a column that nobody knows yet': `ALTER TABLE chunks ADD COLUMN of_tomorrow TEXT NOT NULL DEFAULT 'x'; PRAGMA user_version = ${SCHEMA_VERSION + 1}`,
};

describe.each(Object.keys(NEWER))('a newer state %s', (name) => {
  test.each(['schema-1/submitted', 'schema-1/answered-killed'])(
    'is refused by every command and not touched, like %s',
    async (from) => {
      const b = await opened(oldStore(from));
      makeNewer(b, NEWER[name] ?? '');
      const before = everyByte(b.folder);
      for (const args of [
        ...[['status'], ['list'], ['log', 'latest'], ['results', 'latest'], ['collect'], ['collect', '--once']],
        ...[
          ['submit', 'other.jsonl'],
          ['run', 'other.jsonl'],
          ['cancel', 'latest'],
          ['retry', 'latest'],
        ],
        ...[
          ['prune', '--keep-last', '0'],
          ['prune', 'latest', '--dry-run'],
        ],
      ]) {
        const ended = await b.exits(1, args, env);
        expect(ended.stderr).toMatch(/the state folder has schema \d+; this batchrun knows schema \d+\n.*update/);
        expect([args, everyByte(b.folder)]).toEqual([args, before]);
      }
      expect((await b.json(1, ['status'], env)).error.code).toBe('E_STATE_NEWER');
      expect(b.calls()).toBe(0);
    },
  );
});

/** Writes as a newer version would, which was then closed cleanly or killed like the old one. */
function makeNewer(b: Bench, sql: string): void {
  b.write('other.jsonl', '{"custom_id":"a","params":{}}\n');
  const file = join(b.state, 'state.db');
  const killed = statSync(`${file}-wal`, { throwIfNoEntry: false }) !== undefined;
  const db = openDatabase(file, {});
  if (killed) db.exec('PRAGMA wal_autocheckpoint = 0');
  db.exec(sql);
  if (killed) for (const end of ['', '-wal']) cpSync(`${file}${end}`, `${file}${end}.kept`);
  db.close();
  if (killed) for (const end of ['', '-wal']) renameSync(`${file}${end}.kept`, `${file}${end}`);
}
