/**
 * The bench of the store suites: a ledger for each test, checked after every step, and the steps that lead to where a
 * test begins.
 */
import { afterEach, beforeEach, expect } from 'vitest';
import { encodeResultIndex, OUTCOME, outcomeByte } from '../../src/domain/packed-index.ts';
import type { DriverStore, Store } from '../../src/domain/store.ts';
import type { CollectedRow, CollectedStep } from '../../src/domain/store-steps.ts';
import type { Block } from '../../src/domain/model.ts';
import {
  batchInfo,
  checkLedger,
  collectedRow,
  dump,
  endedInfo,
  newChunk,
  newRun,
  refusal,
  START_MS,
  usageOf,
  WORKSPACE,
} from './store.lab.ts';

export interface StoreUnderTest {
  readonly store: Store;
  /** The same ledger through a new handle, as a later process sees it. */
  reopen(): Promise<Store>;
}

export type OpenStore = () => Promise<StoreUnderTest>;

export const RUN = 'run_000000001aaaaaaa';
export const OTHER = 'run_000000002bbbbbbb';
export const AT = START_MS + 1_000;
export const HOLDER = { pid: 4_711, host: 'here', command: 'collect', atMs: AT };

/** Opens a ledger before each test of the suite that calls it, and checks and closes it afterwards. */
export function storeBench(open: OpenStore) {
  let lab: StoreUnderTest;
  let store: Store;
  let driver: DriverStore;

  beforeEach(async () => {
    lab = await open();
    store = lab.store;
    driver = await store.takeOver(HOLDER);
  });

  afterEach(async () => {
    await checkLedger(store);
    await store.close();
  });

  /** A ready run whose chunks hold these rows, counted from 0. */
  async function ready(
    sizes: readonly number[],
    more: { id?: string; fingerprint?: string; invalid?: number } = {},
  ): Promise<string> {
    const { id = RUN, fingerprint = `print of ${id}`, invalid = 0 } = more;
    await store.beginRun(newRun(id));
    let seq = 0;
    for (const [at, size] of sizes.entries()) {
      const seqs = Array.from({ length: size }, () => seq++);
      await store.sealChunk(id, newChunk(at + 1, seqs), AT);
    }
    const end = {
      runId: id,
      atMs: AT,
      fingerprint,
      again: false,
      totalRows: seq + invalid,
      invalidRows: invalid,
      mix: {},
    };
    expect(await store.finishIngest(end)).toEqual({ kind: 'ready' });
    await checkLedger(store);
    return id;
  }

  async function attempt(chunkNo: number, runId = RUN): Promise<number> {
    const start = { runId, chunkNo, workspace: WORKSPACE, baselineBatchId: null, atMs: AT };
    const id = await driver.recordAttempt(start);
    if (id === null) throw new Error('the run takes no attempt');
    await checkLedger(store);
    return id;
  }

  async function submitted(chunkNo: number, batchId = `msgbatch_${chunkNo}`, runId = RUN): Promise<number> {
    const attemptId = await attempt(chunkNo, runId);
    await driver.recordBodyComplete(attemptId);
    const rows = (await store.chunk(runId, chunkNo))?.rowCount ?? 0;
    await driver.recordCreated({ attemptId, batch: batchInfo(batchId, rows), atMs: AT });
    await checkLedger(store);
    return attemptId;
  }

  async function ended(chunkNo: number, batchId = `msgbatch_${chunkNo}`, runId = RUN): Promise<void> {
    await submitted(chunkNo, batchId, runId);
    const rows = (await store.chunk(runId, chunkNo))?.rowCount ?? 0;
    await driver.recordEnded({ runId, chunkNo, batch: endedInfo(batchId, rows), atMs: AT });
    await checkLedger(store);
  }

  /** The step that collects a chunk of `rowCount` rows, of which these have records. */
  function collectedStep(chunkNo: number, rowCount: number, rows: readonly CollectedRow[] = []): CollectedStep {
    const outcomes = new Uint8Array(rowCount).fill(outcomeByte('succeeded', 'end_turn'));
    for (const row of rows) if (row.to !== 'succeeded') outcomes[row.index] = OUTCOME.elsewhere;
    const lengths = new Float64Array(rowCount).fill(10);
    return {
      runId: RUN,
      chunkNo,
      batchId: `msgbatch_${chunkNo}`,
      atMs: AT,
      outcomes,
      resultIndex: encodeResultIndex(
        Float64Array.from(lengths, (_, at) => at * 11),
        lengths,
      ),
      succeeded: rowCount - rows.filter((row) => row.to !== 'succeeded').length,
      rows,
      usage: [usageOf(rowCount)],
      stopReasons: {},
    };
  }

  async function collected(chunkNo: number, rowCount: number, rows: readonly CollectedRow[] = []): Promise<void> {
    await ended(chunkNo);
    await driver.checkpointCollected(collectedStep(chunkNo, rowCount, rows));
    await checkLedger(store);
  }

  /** A run of one collected chunk whose rows wait for a retry. */
  async function withRetries(count: number, more: Partial<CollectedRow> = {}): Promise<void> {
    await ready([count]);
    await collected(
      1,
      count,
      Array.from({ length: count }, (_, seq) => collectedRow(seq, seq, 'retry', more)),
    );
  }

  async function sealRetry(chunkNo: number, seqs: readonly number[]): Promise<void> {
    await driver.sealRetryChunk(RUN, newChunk(chunkNo, seqs, { kind: 'retry' }), seqs, AT);
    await checkLedger(store);
  }

  async function rowsOf(runId = RUN): Promise<Readonly<Record<string, number>>> {
    const rows: Readonly<Record<string, number>> = (await store.run(runId))?.rows ?? {};
    return Object.fromEntries(Object.entries(rows).filter(([, count]) => count > 0));
  }

  async function kinds(runId: string | null = RUN): Promise<string[]> {
    return (await store.events(runId, { limit: 1_000 })).map((event) => event.kind);
  }

  async function chunkState(chunkNo: number, runId = RUN): Promise<string | undefined> {
    return (await store.chunk(runId, chunkNo))?.state;
  }

  /** The step is refused with one of these codes, and nothing whatever has changed. */
  async function refused(
    work: () => Promise<unknown>,
    codes: readonly string[] = ['E_TRANSITION', 'E_BUG'],
  ): Promise<void> {
    const before = await dump(store, driver);
    expect(codes).toContain(await refusal(work()));
    expect(await dump(store, driver)).toEqual(before);
  }

  return {
    get store() {
      return store;
    },
    get driver() {
      return driver;
    },
    /** A test that takes over says so: the steps below are taken by whoever drives. */
    set driver(next) {
      driver = next;
    },
    reopen: () => lab.reopen(),
    ready,
    attempt,
    submitted,
    ended,
    collectedStep,
    collected,
    withRetries,
    sealRetry,
    rowsOf,
    kinds,
    chunkState,
    refused,
  };
}

export function block(reason: string): Block {
  return { reason, scope: 'workspace', message: 'no credit', hint: 'add some', sinceMs: AT };
}
