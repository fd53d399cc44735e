/**
 * One process drives a state at a time, with real processes: who comes second is told who drives, a holder that dies
 * frees the lock at once, one that was overtaken writes nothing more, and what is submitted beside a driver is never
 * left to nobody.
 */
import { readdirSync, rmSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { describe, expect, test } from 'vitest';
import { createLocks } from '../../src/adapters/sqlite/locks.ts';
import { openSqliteStore } from '../../src/adapters/sqlite/store.ts';
import { systemClock } from '../../src/base/clock.ts';
import type { Store } from '../../src/domain/store.ts';
import {
  asked,
  bench,
  ENDLESS,
  expectAnswers,
  expectNothingTwice,
  requests,
  type Bench,
  type Running,
} from '../support/cli.ts';

/** A collect that waits for a batch; it has said that it drives. */
async function driving(b: Bench, more: readonly string[] = []): Promise<Running> {
  const running = b.start(['collect', ...more]);
  await running.says(/Safe to stop/);
  return running;
}

/** One run of three rows, submitted; its batch is under way. */
async function submitted(b: Bench, rows = 3): Promise<void> {
  b.write('in.jsonl', requests(rows));
  await b.ok(['submit', 'in.jsonl']);
}

/** Until it is opened no driver sees that its batches have ended: the list of batches answers 503. */
function closeGate(b: Bench): { open: () => void } {
  let closed = true;
  b.world.script(({ fault }) => (fault === 'list.503' ? closed : undefined));
  return {
    open: () => {
      closed = false;
    },
  };
}

/** Looks until it is so; each look gives the other processes a turn. */
async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isSo())) await new Promise((resolve) => setImmediate(resolve));
}

/** Stops a driver (SIGSTOP) outside of a transaction: else whoever comes second could not make a run beside it. */
async function halt(b: Bench, running: Running): Promise<void> {
  const ledger = new Database(join(b.state, 'state.db'), { timeout: 0 });
  const isFree = (): boolean => {
    running.kill('SIGSTOP');
    try {
      ledger.exec('BEGIN IMMEDIATE; ROLLBACK');
      return true;
    } catch {
      running.kill('SIGCONT');
      return false;
    }
  };
  try {
    await until(isFree);
  } finally {
    ledger.close();
  }
}

/** Processes that read an input now. */
function readersOf(b: Bench): number {
  return readdirSync(join(b.state, 'ingest')).length;
}

async function withStore<T>(b: Bench, use: (store: Store) => Promise<T>): Promise<T> {
  const store = openSqliteStore(join(b.state, 'state.db'));
  try {
    return await use(store);
  } finally {
    await store.close();
  }
}

describe('a second driver', () => {
  test('exits 6 and names the process, the host, the command and since when', async () => {
    const b = await bench(ENDLESS);
    await submitted(b);
    const startedMs = systemClock.now();
    const first = await driving(b);
    for (const args of [['collect'], ['collect', '--once'], ['run', 'in.jsonl']]) {
      const second = await b.exits(6, args);
      expect(second.stderr).toContain(`process ${first.child.pid} on ${hostname()} (\`batchrun collect\`, since `);
      const since = /since (\S+)\) drives this state/.exec(second.stderr)?.[1] ?? '';
      expect(Date.parse(since)).toBeGreaterThanOrEqual(startedMs);
      expect(Date.parse(since)).toBeLessThanOrEqual(systemClock.now());
      expect(second.stderr).toMatch(/--retry-lock 10m.*--skip-if-locked/);
    }
    const { error } = await b.json(6, ['collect']);
    expect(error).toMatchObject({ code: 'E_LOCKED', message: expect.stringContaining(String(first.child.pid)) });
    // The first has noticed nothing.
    first.kill('SIGINT');
    expect(await first.ended).toMatchObject({ code: 130 });
    expect(b.calls('batches.create')).toBe(1);
  });

  test.each(['everything', 'one run'])(
    'a run that is turned away says that its rows are sent all the same, and they are (%s)',
    async (what) => {
      const b = await bench(ENDLESS);
      await submitted(b);
      const first = await driving(b, what === 'one run' ? ['latest'] : []);
      // It has the lock and does not look: what comes up is ready for as long as the others read.
      await halt(b, first);
      b.write('other.jsonl', requests(2));
      const turned = await b.exits(6, ['run', 'other.jsonl']);
      const id = /; it sends the rows of (run_\w+); /.exec(turned.stderr)?.[1] ?? '';
      expect(turned.stderr).toContain(`\`batchrun collect ${id}\` fetches their answers`);
      const skipping = await b.ok(['run', 'other.jsonl', '--skip-if-locked']);
      expect(skipping.stderr).toContain(`drives this state: it sends the rows of ${id}; `);
      expect(await b.json(0, ['submit', 'other.jsonl'])).toMatchObject({ run_id: id, already_submitted: true });
      expect((await b.ok(['submit', 'other.jsonl'])).stderr).toContain(`it sends the rows of ${id}; `);
      expect(b.world.ledger.batches).toHaveLength(1);
      first.kill('SIGCONT');
      await until(() => b.world.ledger.batches.length === 2);
      expect(b.world.ledger.batches.map(({ rowCount }) => rowCount)).toEqual([3, 2]);
      first.kill('SIGINT');
      await first.ended;
    },
  );

  test('a run under way that is turned away is left as it is, and nothing is promised for the other process', async () => {
    const b = await bench(ENDLESS);
    await submitted(b);
    b.write('other.jsonl', requests(2));
    const id = (await b.ok(['submit', 'other.jsonl'])).stdout.trim();
    const [one] = (await b.json(0, ['status'])).runs.filter((run) => run.id !== id);
    const first = await driving(b, [one?.id ?? '']);
    const left = `${id} is active and is left as it is here; \`batchrun collect ${id}\` goes on with it`;
    for (const [code, args] of [
      [0, ['run', 'other.jsonl', '--skip-if-locked']],
      [0, ['submit', 'other.jsonl', '--wait', '--skip-if-locked']],
      [0, ['collect', id, '--skip-if-locked']],
      [0, ['submit', 'other.jsonl']],
      [6, ['run', 'other.jsonl']],
      [6, ['submit', 'other.jsonl', '--wait']],
    ] as const) {
      const { stderr } = await b.exits(code, args);
      expect(stderr).toContain(left);
      expect(stderr).not.toMatch(/sends the rows|takes .* up|goes on\. For a new run/);
    }
    expect(await b.json(0, ['run', 'other.jsonl', '--skip-if-locked'])).toEqual({ runs: [] });
    first.kill('SIGINT');
    await first.ended;
    expect(b.calls('batches.create')).toBe(2);
  });

  test('a run that waits beside runs of another base URL is promised to a driver of its own only', async () => {
    const b = await bench(ENDLESS);
    await submitted(b);
    const first = await driving(b);
    await halt(b, first);
    b.write('other.jsonl', requests(2));
    const elsewhere = { ANTHROPIC_BASE_URL: b.origin.replace('127.0.0.1', 'localhost') };
    const { stderr } = await b.ok(['run', 'other.jsonl', '--skip-if-locked'], { env: elsewhere });
    expect(stderr).toMatch(/it sends the rows of run_\w+, if it works with http:\/\/localhost:\d+ as well; /);
    first.kill('SIGCONT');
    first.kill('SIGINT');
    await first.ended;
    expect(b.calls('batches.create')).toBe(1);
  });

  test('a stop of several runs names the command for each, on lines that can be pasted', async () => {
    const b = await bench(ENDLESS);
    b.write('in.jsonl', requests(2));
    const ids: string[] = [];
    for (let at = 1; at <= 7; at++) {
      ids.push(
        (await b.ok(['submit', 'in.jsonl', '--again', '-o', `${at}.jsonl`, '--max-batches', '100'])).stdout.trim(),
      );
    }
    const running = b.start(['collect', '--state', b.state]);
    await running.says(/Safe to stop/);
    running.kill('SIGINT');
    const { stderr } = await running.ended;
    const lines = stderr.slice(stderr.indexOf('To stop them:')).trimEnd().split('\n');
    expect(lines).toEqual([
      'To stop them:',
      ...ids.slice(0, 5).map((id) => `  batchrun cancel ${id} --state ${b.state}`),
      `  … and 2 more: batchrun status --state ${b.state}`,
    ]);
  });

  test('exits 0 with --skip-if-locked, and says why', async () => {
    const b = await bench(ENDLESS);
    await submitted(b);
    const first = await driving(b);
    const second = await b.ok(['collect', '--skip-if-locked']);
    expect(second.stderr).toContain(`process ${first.child.pid} on`);
    expect(second.stderr).toMatch(/nothing to do here/);
    expect(await b.json(0, ['collect', '--skip-if-locked'])).toEqual({ runs: [] });
  });

  test('waits with --retry-lock, and goes on when the first ends', async () => {
    const b = await bench(ENDLESS);
    await submitted(b);
    const first = await driving(b);
    const second = b.start(['collect', '--retry-lock', '10m']);
    const third = await b.exits(6, ['collect', '--retry-lock', '1ms']);
    expect(third.stderr).toContain(`process ${first.child.pid} on`);
    expect(second.stderr).toBe('');
    first.kill('SIGTERM');
    expect(await first.ended).toMatchObject({ code: 143 });
    await second.says(/Safe to stop/);
    expect(await b.json(0, ['status'])).toMatchObject({ driver: { pid: second.child.pid } });
    expect((await b.ok(['status'])).stdout).toMatch(
      new RegExp(`\n\nProcess ${second.child.pid} on \\S+ \\(\`batchrun collect\`\\) drives this state\\.\n`),
    );
  });

  test('has the lock at once when the first was killed', async () => {
    const b = await bench();
    await submitted(b);
    const gate = closeGate(b);
    const first = await driving(b);
    first.kill('SIGKILL');
    expect(await first.ended).toMatchObject({ signal: 'SIGKILL' });
    gate.open();
    // Nobody has let go, and status knows all the same that nobody drives.
    expect((await b.json(0, ['status'])).driver).toBeNull();
    const { stdout } = await b.ok(['status', '--state', b.state]);
    expect(stdout).toMatch(/^run_\w+ {2}active \(submitted \S+ ago\)\n/);
    expect(stdout).toContain(
      `\n\nNo process drives this state now: \`batchrun collect --state ${b.state}\` goes on.\n`,
    );
    await b.ok(['collect']);
    expect((await b.ok(['status'])).stdout).not.toContain('drives this state');
    expectAnswers(b.lines('in.results.jsonl'), asked(3));
    expect(b.calls('batches.create')).toBe(1);
  });

  test('stays out while the first is stopped (SIGSTOP), and the first goes on afterwards', async () => {
    const b = await bench();
    await submitted(b);
    const gate = closeGate(b);
    const first = await driving(b);
    first.kill('SIGSTOP');
    gate.open();
    const second = await b.exits(6, ['collect']);
    expect(second.stderr).toContain(`process ${first.child.pid} on`);
    expect(await b.json(0, ['status'])).toMatchObject({ driver: { pid: first.child.pid } });
    first.kill('SIGCONT');
    expect(await first.ended).toMatchObject({ code: 0 });
    expectAnswers(b.lines('in.results.jsonl'), asked(3));
  });

  test('that finds the lock held by somebody who never says so gives up', async () => {
    const b = await bench(ENDLESS);
    await submitted(b);
    // The last driver has let go; this holder has the lock and has not entered itself.
    const lock = await createLocks(b.state).tryAcquire('lock.db');
    const second = await b.exits(6, ['collect']);
    expect(second.stderr).toMatch(/another process|process \d+/);
    await lock?.release();
  });
});

/** What a driver could write: every table, and when each file of the state changed. */
async function written(b: Bench): Promise<unknown> {
  return withStore(b, async (store) => {
    const runs = await store.runs();
    const chunks = await Promise.all(runs.map((run) => store.chunks(run.id)));
    const batches = await Promise.all(runs.map((run) => store.batches(run.id)));
    return { runs, chunks, batches, events: await store.events(null, { limit: 10_000 }), driver: await store.driver() };
  });
}

describe('a driver that was overtaken', () => {
  test('writes nothing more and ends with exit 6 and E_FENCED', async () => {
    const b = await bench();
    await submitted(b);
    const gate = closeGate(b);
    const first = await driving(b, ['--json']);
    const holder = { pid: 1, host: 'elsewhere', command: 'batchrun collect', atMs: systemClock.now() };
    await withStore(b, (store) => store.takeOver(holder));
    const before = await written(b);
    gate.open();
    const ended = await first.ended;
    expect(ended.code, ended.stderr).toBe(6);
    expect(JSON.parse(ended.stdout)).toMatchObject({ error: { code: 'E_FENCED', exit: 6 } });
    expect(ended.stderr).toMatch(/process 1 on elsewhere drives this state now/);
    expect(await written(b)).toEqual(before);
    expect(b.has('in.results.jsonl')).toBe(false);
    // The lock went with the process, and whoever comes next finishes.
    await b.ok(['collect']);
    expectAnswers(b.lines('in.results.jsonl'), asked(3));
    expect(b.calls('batches.create')).toBe(1);
  });

  test('sends nothing more: its next chunk is left to the other', async () => {
    const b = await bench();
    b.write('in.jsonl', requests(6));
    await b.ok(['submit', 'in.jsonl', '--chunk-size', '2', '--max-batches', '1']);
    const gate = closeGate(b);
    const first = await driving(b, ['--max-batches', '1']);
    const holder = { pid: 1, host: 'elsewhere', command: 'batchrun collect', atMs: systemClock.now() };
    await withStore(b, (store) => store.takeOver(holder));
    gate.open();
    expect((await first.ended).code).toBe(6);
    expect(b.calls('batches.create')).toBe(1);
    await b.ok(['collect']);
    expectAnswers(b.lines('in.results.jsonl'), asked(6));
    expect(b.calls('batches.create')).toBe(3);
    expectNothingTwice(b.world);
  });

  test('gives way where the lock file was deleted under it, and the other one finishes alone', async () => {
    const b = await bench();
    await submitted(b);
    const gate = closeGate(b);
    const first = await driving(b);
    rmSync(join(b.state, 'lock.db'));
    const second = await driving(b, ['--json']);
    gate.open();
    const [one, other] = await Promise.all([first.ended, second.ended]);
    expect([one.code, other.code], `${one.stderr}\n${other.stderr}`).toEqual([6, 0]);
    expect(one.stderr).toContain(`process ${second.child.pid} on`);
    expectAnswers(b.lines('in.results.jsonl'), asked(3));
    expect(b.calls('batches.create')).toBe(1);
    expectNothingTwice(b.world);
  });
});

describe('submits of one file at the same instant', () => {
  test.each([2, 10])('%i of them make one run and one set of batches, and all say which', async (count) => {
    const b = await bench(ENDLESS);
    b.write('in.jsonl', requests(9));
    const submits = Array.from({ length: count }, () => b.start(['submit', 'in.jsonl', '--chunk-size', '3']));
    const ended = await Promise.all(submits.map((submit) => submit.ended));
    expect(ended.map(({ code, stderr }) => (code === 0 ? 0 : stderr))).toEqual(ended.map(() => 0));
    const ids = new Set(ended.map(({ stdout }) => stdout));
    expect([...ids]).toEqual([expect.stringMatching(/^run_\w{16}\n$/)]);
    const { runs } = await b.json(0, ['status']);
    expect(runs.map(({ id, rows }) => [`${id}\n`, rows['in_batch'], rows['waiting']])).toEqual([[[...ids][0], 9, 0]]);
    expect(b.world.ledger.batches.map(({ rowCount }) => rowCount)).toEqual([3, 3, 3]);
    expect(b.calls('batches.create')).toBe(3);
    expectNothingTwice(b.world);
    expect(b.runFolders()).toHaveLength(1);
  });
});

describe('a submit beside a driver', () => {
  test('ends at once with the name of the driver, which uploads its chunks, time after time', async () => {
    const b = await bench(ENDLESS);
    await submitted(b);
    const driver = await driving(b);
    for (let at = 1; at <= 5; at++) {
      b.write(`${at}.jsonl`, requests(4, `word ${at}`));
      const before = b.world.ledger.batches.length;
      const submit = await b.json(0, ['submit', `${at}.jsonl`, '--chunk-size', '2']);
      expect(submit).toMatchObject({ driver: { pid: driver.child.pid }, chunks: 2 });
      // The submit is over: whoever makes these batches is the driver.
      await until(() => b.world.ledger.batches.length === before + 2);
    }
    expect(driver.child.exitCode).toBeNull();
    expectNothingTwice(b.world);
  });

  test('is taken up without a gap when the driver is just ending, time after time', async () => {
    const rounds = 6;
    const b = await bench();
    for (let at = 1; at <= rounds; at++) {
      b.write(`first-${at}.jsonl`, requests(1, `first ${at}`));
      b.write(`second-${at}.jsonl`, requests(2, `second ${at}`));
      await b.ok(['submit', `first-${at}.jsonl`]);
      const gate = closeGate(b);
      const collect = await driving(b);
      const folders = b.runFolders().length;
      const submit = b.start(['submit', `second-${at}.jsonl`]);
      // The driver finds its work done when the other has begun, while it reads, or when it has read to the end.
      const moments = [
        () => until(() => readersOf(b) > 0 || b.runFolders().length > folders),
        () => until(() => b.runFolders().length > folders),
        () => submit.says(/2 rows, 1 batch/),
      ];
      await moments[at % moments.length]?.();
      gate.open();
      const [driven, made] = await Promise.all([collect.ended, submit.ended]);
      expect([driven.code, made.code], `${driven.stderr}\n${made.stderr}`).toEqual([0, 0]);
      // Whoever it was: it is sent, and nobody has to come back for that.
      const [run] = (await b.json(0, ['status', made.stdout.trim()])).runs;
      expect([run.state, run.rows['waiting']], `${driven.stderr}\n${made.stderr}`).not.toEqual(['ready', 2]);
      expect(run.rows['waiting']).toBe(0);
    }
    await b.ok(['collect']);
    for (let at = 1; at <= rounds; at++) expectAnswers(b.lines(`second-${at}.results.jsonl`), asked(2, `second ${at}`));
    expect(b.calls('batches.create')).toBe(2 * rounds);
    expectNothingTwice(b.world);
  });
});

describe('beside a driver', () => {
  test('status, log, list and results read on', async () => {
    const b = await bench(ENDLESS);
    await submitted(b);
    const driver = await driving(b);
    expect(await b.json(0, ['status'])).toMatchObject({
      driver: { pid: driver.child.pid, host: hostname(), command: 'batchrun collect' },
      runs: [{ state: 'active', rows: { in_batch: 3 } }],
    });
    expect((await b.ok(['log', 'latest'])).stdout).toMatch(/run\.ingesting.*chunk\.submitted/s);
    expect((await b.ok(['list'])).stdout).toMatch(/active/);
    await b.ok(['results', 'latest']);
    expect(driver.child.exitCode).toBeNull();
  });
});
