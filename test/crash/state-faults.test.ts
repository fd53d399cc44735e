/**
 * A ledger that was damaged (cut, emptied, deleted, written over, without its write-ahead log): the commands say so with
 * E_STATE_CORRUPT or go on rightly; nothing is changed, nothing is sent and nothing is paid a second time; and with the
 * ledger back the work goes on to its end.
 */
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { asked, bench, ENDLESS, expectAnswers, expectNothingTwice, requests, type Bench } from '../support/cli.ts';

const ROWS = 6;
const CHUNKS = 3;
const PAGE_BYTES = 4_096;
const SUBMIT = ['submit', 'in.jsonl', '--chunk-size', '2'];

/** A run whose batches are all at the API, with its ledger as it was left: closed, or by a process that was killed. */
async function submitted(left: 'closed' | 'killed'): Promise<Damaged> {
  const b = await bench();
  b.write('in.jsonl', requests(ROWS));
  if (left === 'killed') {
    const ended = await b.call(SUBMIT, { env: { BATCHRUN_FAILPOINT: `submit.recorded:${CHUNKS}` } });
    expect(ended.signal).toBe('SIGKILL');
    expect(existsSync(join(b.state, 'state.db-wal'))).toBe(true);
  } else {
    await b.ok(SUBMIT);
    expect(existsSync(join(b.state, 'state.db-wal'))).toBe(false);
  }
  return new Damaged(b);
}

class Damaged {
  readonly b: Bench;
  readonly #kept: string;
  readonly #creates: number;

  constructor(b: Bench) {
    this.b = b;
    this.#kept = b.path('kept');
    cpSync(b.state, this.#kept, { recursive: true });
    this.#creates = b.calls('batches.create');
    expect(b.world.ledger.batches).toHaveLength(CHUNKS);
  }

  path(name: string): string {
    return join(this.b.state, name);
  }

  restore(): void {
    rmSync(this.b.state, { recursive: true });
    cpSync(this.#kept, this.b.state, { recursive: true });
  }

  /** Every file of the state folder with its content. */
  content(): Record<string, string> {
    const names = readdirSync(this.b.state, { recursive: true, encoding: 'utf8' }).sort();
    return Object.fromEntries(
      names
        .filter((name) => statSync(this.path(name)).isFile())
        .map((name) => [name, readFileSync(this.path(name), 'hex')]),
    );
  }

  /** status, submit of the same input and collect: each refuses and leaves everything as it lies. */
  async refused(what: string): Promise<void> {
    const before = this.content();
    for (const args of [['status'], SUBMIT, ['collect']]) {
      const ended = await this.b.call([...args, '--json']);
      expect(ended.code, `${what}: ${args.join(' ')}\n${ended.stdout}\n${ended.stderr}`).toBe(1);
      expect(JSON.parse(ended.stdout), what).toMatchObject({
        error: { code: 'E_STATE_CORRUPT', message: expect.stringContaining('state.db'), exit: 1 },
      });
      expect(ended.stderr).toMatch(/Bring .*state\.db.* back/);
      expectNoStack(ended.stderr);
    }
    expect(this.content(), what).toEqual(before);
    this.paidOnce(what);
  }

  /** The same commands: each works, or says that the ledger is damaged. */
  async survived(what: string): Promise<void> {
    for (const args of [['status'], SUBMIT, ['collect', '--once']]) {
      const ended = await this.b.call([...args, '--json']);
      expectNoStack(ended.stderr);
      if (ended.code === 1) expect(ended.stdout, what).toContain('"E_STATE_CORRUPT"');
      else expect([0, 4], `${what}: ${args.join(' ')}\n${ended.stderr}`).toContain(ended.code);
    }
    this.paidOnce(what);
  }

  paidOnce(what: string): void {
    expect(this.b.calls('batches.create'), what).toBe(this.#creates);
  }

  async mended(): Promise<void> {
    this.restore();
    await this.b.ok(['collect']);
    expectAnswers(this.b.lines('in.results.jsonl'), asked(ROWS));
    expectNothingTwice(this.b.world);
    this.paidOnce('mended');
  }
}

function expectNoStack(stderr: string): void {
  expect(stderr).not.toMatch(/SqliteError|\n {4}at |bug in batchrun/);
}

test('a ledger of nothing but pruned runs that was deleted: what they paid for is not forgotten', async () => {
  const b = await bench();
  b.write('in.jsonl', requests(ROWS));
  await b.ok(['run', 'in.jsonl', '-o', 'out.jsonl']);
  await b.ok(['prune', 'latest']);
  expect(b.runFolders()).toEqual([]);
  rmSync(join(b.state, 'state.db'));
  const refused = await b.json(1, ['submit', 'in.jsonl', '-o', 'again.jsonl']);
  expect(refused.error).toMatchObject({ code: 'E_STATE_CORRUPT', message: expect.stringContaining('lock.db') });
  expect(b.world.ledger.batches).toHaveLength(1);
});

/** Every page boundary is cut in test/unit/adapters/sqlite/wholeness.test.ts; here whole commands meet some of them. */
describe.each(['closed', 'killed'] as const)('a ledger that was %s and then', (left) => {
  test('emptied, deleted or swapped for a text', async () => {
    const d = await submitted(left);
    truncateSync(d.path('state.db'));
    await d.refused('emptied');
    d.restore();
    rmSync(d.path('state.db'));
    await d.refused('deleted');
    d.restore();
    for (const part of ['', '-wal', '-shm']) rmSync(d.path(`state.db${part}`), { force: true });
    await d.refused('deleted with its log');
    d.restore();
    writeFileSync(d.path('state.db'), 'dear diary '.repeat(1_000));
    await d.refused('a text');
    await d.mended();
  });

  test('cut', async () => {
    const d = await submitted(left);
    const { size } = statSync(d.path('state.db'));
    for (const bytes of left === 'closed' ? [1, 100, PAGE_BYTES, size - PAGE_BYTES, size - 1] : [1]) {
      d.restore();
      truncateSync(d.path('state.db'), bytes);
      await d.refused(`${bytes} of ${size} bytes`);
    }
    d.restore();
    // Where nothing was copied out of the log yet, all of it is still there.
    truncateSync(d.path('state.db'), 100);
    if (left === 'killed') await d.survived(`100 of ${size} bytes`);
    await d.mended();
  });

  test('replaced by an empty ledger of another folder', async () => {
    const d = await submitted(left);
    await d.b.ok(['submit', 'in.jsonl', '--dry-run', '--state', 'other']);
    for (const part of ['-wal', '-shm']) rmSync(d.path(`state.db${part}`), { force: true });
    cpSync(d.b.path('other/state.db'), d.path('state.db'));
    const before = d.content();
    for (const args of [SUBMIT, ['collect']]) {
      const refused = await d.b.json(1, args);
      expect(refused.error).toMatchObject({ code: 'E_STATE_CORRUPT', hint: expect.stringContaining('state.db') });
    }
    expect({ ...d.content(), 'state.db': '' }).toEqual({ ...before, 'state.db': '' });
    d.paidOnce('replaced');
    await d.mended();
  });
});

describe('the write-ahead log of a process that was killed', () => {
  test.each<readonly [string, (file: string) => void]>([
    ['is gone', (file) => rmSync(file)],
    ['is empty', (file) => truncateSync(file)],
    ['is cut in the middle', (file) => truncateSync(file, Math.floor(statSync(file).size / 2))],
    ['has lost its last change', (file) => truncateSync(file, statSync(file).size - PAGE_BYTES)],
    ['is a text', (file) => writeFileSync(file, 'dear diary '.repeat(10_000))],
    ['has a byte that is another', (file) => flip(file, Math.floor(statSync(file).size / 2))],
  ])('%s', async (what, damage) => {
    const d = await submitted('killed');
    damage(d.path('state.db-wal'));
    await d.refused(what);
    await d.mended();
  });

  test('is gone with its index, and the file is older than the run: the run’s folder tells', async () => {
    const d = await submitted('killed');
    // The ledger as it was before the run, from a backup.
    d.restore();
    rmSync(d.b.state, { recursive: true });
    await d.b.ok(['submit', 'in.jsonl', '--limit', '1', '--dry-run']);
    const old = readFileSync(d.path('state.db'));
    d.restore();
    for (const part of ['-wal', '-shm']) rmSync(d.path(`state.db${part}`));
    writeFileSync(d.path('state.db'), old);
    const refused = await d.b.json(1, SUBMIT);
    expect(refused.error).toMatchObject({ code: 'E_STATE_CORRUPT', message: expect.stringContaining('run_') });
    expect(d.b.runFolders()).toHaveLength(1);
    d.paidOnce('older');
    await d.mended();
  });
});

test('garbage at the head of a page, or zeros in its place', async () => {
  const d = await submitted('closed');
  const pages = statSync(d.path('state.db')).size / PAGE_BYTES;
  expect(pages).toBeGreaterThan(20);
  // Every page meets a driver in test/unit/adapters/sqlite/db.test.ts; here whole commands meet some.
  for (let page = 0; page < pages; page += 3) {
    d.restore();
    const bytes = readFileSync(d.path('state.db'));
    const start = page * PAGE_BYTES + (page === 0 ? 100 : 0);
    if (page % 2 === 0) bytes.fill(0xa5, start, start + 16);
    else bytes.fill(0, start, start + PAGE_BYTES);
    writeFileSync(d.path('state.db'), bytes);
    await d.survived(`page ${page + 1} of ${pages}`);
  }
  await d.mended();
});

test('`batchrun doctor` reads every page and says what it found', async () => {
  const d = await submitted('closed');
  expect((await d.b.ok(['doctor'])).stdout).toMatch(/ok +ledger: whole, with 1 run\n/);
  const bytes = readFileSync(d.path('state.db'));
  const last = bytes.length - PAGE_BYTES;
  writeFileSync(d.path('state.db'), Buffer.from(bytes).fill(0xa5, last, last + 16));
  const damaged = await d.b.exits(2, ['doctor']);
  expect(damaged.stdout).toMatch(/FAIL +ledger: .*(damaged|not a whole)/);
  expect(damaged.stdout).toMatch(/Bring .* back/);
  truncateSync(d.path('state.db'));
  const lost = await d.b.exits(2, ['doctor']);
  expect(lost.stdout).toMatch(/FAIL +ledger: .*state\.db is missing or empty/);
  d.paidOnce('doctor');
  await d.mended();
});

describe('a lock that was written over', () => {
  test.each([
    ['a text', 'dear diary '.repeat(1_000)],
    ['a few bytes', 'x'],
  ])('with %s is mended: there is nothing in it', async (_what, text) => {
    const d = await submitted('closed');
    writeFileSync(d.path('lock.db'), text);
    await d.b.ok(SUBMIT);
    await d.b.ok(['collect']);
    expectAnswers(d.b.lines('in.results.jsonl'), asked(ROWS));
    d.paidOnce('lock');
  });

  test('while a process drives: it goes on driving alone', async () => {
    const b = await bench(ENDLESS);
    b.write('in.jsonl', requests(2));
    const driver = b.start(['run', 'in.jsonl']);
    await driver.says(/Safe to stop/);
    writeFileSync(join(b.state, 'lock.db'), 'dear diary '.repeat(1_000));
    const second = await b.json(6, ['collect']);
    expect(second.error.code).toBe('E_LOCKED');
    expect(b.calls('batches.create')).toBe(1);
  });
});

describe('a state that is only begun', () => {
  test.each([
    ['an empty folder', (): void => undefined],
    ['an empty ledger', (state: string) => writeFileSync(join(state, 'state.db'), '')],
    ['a folder for runs without one', (state: string) => mkdirSync(join(state, 'runs'))],
  ])('%s is a new state', async (_what, make) => {
    const b = await bench();
    b.write('in.jsonl', requests(2));
    b.write('.batchrun/.gitignore', '*\n');
    make(b.state);
    expect((await b.json(0, ['status'])).runs).toEqual([]);
    await b.ok(['run', 'in.jsonl']);
    expectAnswers(b.lines('in.results.jsonl'), asked(2));
  });

  test('killed while the first row is read: the next submit begins anew', async () => {
    const b = await bench();
    b.write('in.jsonl', requests(ROWS));
    for (const failpoint of ['ingest.chunk_file', 'ingest.ready']) {
      const ended = await b.call(SUBMIT, { env: { BATCHRUN_FAILPOINT: failpoint } });
      expect(ended.signal).toBe('SIGKILL');
      await b.ok(['status']);
      await b.ok(['collect']);
      expect(b.runFolders()).toEqual([]);
    }
    await b.ok(['run', 'in.jsonl']);
    expect(b.world.ledger.batches).toHaveLength(1);
  });
});

/** One bit of one byte. */
function flip(file: string, at: number): void {
  const bytes = readFileSync(file);
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  writeFileSync(file, bytes);
}
