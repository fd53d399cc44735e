/**
 * Reads of one instant: what a driver writes meanwhile is not in them, and it is not kept from writing.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { openDatabase, prepare } from '../../../../src/adapters/sqlite/kept.ts';
import { openSqliteStore } from '../../../../src/adapters/sqlite/store.ts';
import type { DriverStore, Store } from '../../../../src/domain/store.ts';
import { newChunk, newRun, WORKSPACE } from '../../../contract/store.lab.ts';
import { tempFolder } from '../../../support/temp.ts';

const RUN = 'run_000000009mmmmmmm';
const AT = Date.UTC(2026, 10, 20);

let file: string;
let store: Store;
let driver: DriverStore;

beforeEach(async () => {
  file = join(tempFolder(), 'state.db');
  store = openSqliteStore(file);
  onTestFinished(() => store.close());
  await store.beginRun(newRun(RUN));
  for (const no of [1, 2, 3]) await store.sealChunk(RUN, newChunk(no, [no - 1]), AT);
  const end = { totalRows: 3, invalidRows: 0, mix: {}, fingerprint: 'f', again: false };
  await store.finishIngest({ runId: RUN, atMs: AT, ...end });
  driver = await store.takeOver({ pid: 1, host: 'here', command: 'test', atMs: AT });
});

async function attempt(chunkNo: number): Promise<number> {
  const id = await driver.recordAttempt({ runId: RUN, chunkNo, workspace: WORKSPACE, baselineBatchId: null, atMs: AT });
  if (id === null) throw new Error('the run takes no attempt');
  return id;
}

describe('a snapshot', () => {
  test('shows the ledger as it was, while the driver goes on; a later one shows it as it is', async () => {
    const before = await store.snapshot();
    await attempt(1);
    const states = async (reads: Pick<Store, 'chunks' | 'run'>): Promise<unknown[]> => [
      (await reads.run(RUN))?.state,
      ...(await reads.chunks(RUN)).map((chunk) => chunk.state),
    ];
    expect(await states(before)).toEqual(['ready', 'sealed', 'sealed', 'sealed']);
    expect(await before.attempts(RUN, { limit: 9 })).toEqual([]);
    expect(await states(store)).toEqual(['active', 'submitting', 'sealed', 'sealed']);
    const after = await store.snapshot();
    expect(await states(after)).toEqual(await states(store));
    await before.close();
    await after.close();
  });

  test('of a ledger in memory is that ledger, and outlives its closing', async () => {
    const memory = openSqliteStore(':memory:');
    await (await memory.snapshot()).close();
    expect(await memory.runs()).toEqual([]);
    await memory.close();
  });
});

test('chunks and attempts come in pages, attempts by state', async () => {
  const page = async (afterNo: number): Promise<number[]> =>
    (await store.chunks(RUN, { afterNo, limit: 2 })).map((chunk) => chunk.chunkNo);
  expect([await page(0), await page(2), await page(3)]).toEqual([[1, 2], [3], []]);
  const [first, second] = [await attempt(1), await attempt(2)];
  await driver.recordNotCreated({ attemptId: first, atMs: AT, reason: 'refused' });
  const ids = async (filter: Omit<Parameters<Store['attempts']>[1], 'limit'>, limit = 9): Promise<number[]> =>
    (await store.attempts(RUN, { ...filter, limit })).map((one) => one.id);
  expect(await ids({})).toEqual([first, second]);
  expect(await ids({}, 1)).toEqual([first]);
  expect(await ids({ afterId: first })).toEqual([second]);
  expect(await ids({ states: ['open'] })).toEqual([second]);
  expect(await store.attempts('run_000000009zzzzzzz', { limit: 9 })).toEqual([]);
});

test('the check of the database says nothing of a whole one, and names what is damaged', async () => {
  expect(await store.check()).toEqual([]);
  const raw = openDatabase(file, {});
  const root = prepare(raw, "SELECT rootpage FROM sqlite_master WHERE name = 'batches_ended'").pluck().get();
  const pageBytes = Number(prepare(raw, 'PRAGMA page_size').pluck().get());
  raw.close();
  await store.close();
  const bytes = readFileSync(file);
  const at = (Number(root) - 1) * pageBytes;
  writeFileSync(file, bytes.fill(0xff, at, at + pageBytes));
  store = openSqliteStore(file);
  expect((await store.check()).join()).toContain(`page ${String(root)}`);
});
