/**
 * What the store suite works with: builders of runs and chunks, an invariant checker that knows the ledger only through
 * its door, and a dump of everything, so that "changes nothing" can be said and checked.
 */
import { expect } from 'vitest';
import type { BatchInfo, ChunkRecord, RowRecord, RowState, RunRecord, UsageEntry } from '../../src/domain/model.ts';
import { NO_USAGE, ROW_STATES } from '../../src/domain/model.ts';
import { decodeOutcomes, decodeRequestIndex, outcomeOf, RequestIndexBuilder } from '../../src/domain/packed-index.ts';
import type { DriverStore, Store } from '../../src/domain/store.ts';
import type { PoolSnapshot } from '../../src/domain/pacing/snapshot.ts';
import type { CollectedRow, NewChunk, NewRun } from '../../src/domain/store-steps.ts';

export const ORIGIN = 'https://api.anthropic.com';
export const WORKSPACE = 'wrkspc_1';
export const START_MS = Date.UTC(2026, 10, 20);

export function newRun(id: string, more: Partial<NewRun> = {}): NewRun {
  return {
    id,
    name: null,
    origin: ORIGIN,
    workspace: WORKSPACE,
    createdAtMs: START_MS,
    inputs: ['rows.jsonl'],
    settings: {
      chunkRows: 10_000,
      chunkBytes: 256_000_000,
      maxAttempts: 4,
      retryLane: 'auto',
      failIf: null,
      defuseFormulas: false,
      columns: [],
    },
    settingHashes: { model: 'abc' },
    output: `/out/${id}.results.jsonl`,
    format: 'jsonl',
    errors: null,
    overwrite: false,
    ...more,
  };
}

export function indexOf(seqs: readonly number[], kind: 'input' | 'retry' = 'input'): Uint8Array {
  const builder = new RequestIndexBuilder();
  for (const seq of seqs) builder.append({ seq, requestBytes: 100, rowBytes: kind === 'input' ? 20 : 0 });
  return builder.finish();
}

export function newChunk(chunkNo: number, seqs: readonly number[], more: Partial<NewChunk> = {}): NewChunk {
  const kind = more.kind ?? 'input';
  return {
    chunkNo,
    kind,
    betas: [],
    priority: null,
    rowCount: seqs.length,
    bytes: seqs.length * 101 + 15,
    sha256: `sha-${chunkNo}`,
    firstSeq: seqs[0] ?? 0,
    mix: { 'claude-haiku-5-5': { rows: seqs.length, bytes: seqs.length * 100, maxTokens: seqs.length * 64 } },
    parentNo: null,
    wire: 'tag',
    requestIndex: indexOf(seqs, kind),
    ...more,
  };
}

export function batchInfo(id: string, rows: number, more: Partial<BatchInfo> = {}): BatchInfo {
  return {
    id,
    status: 'in_progress',
    counts: { processing: rows, succeeded: 0, errored: 0, canceled: 0, expired: 0 },
    createdAtMs: START_MS,
    expiresAtMs: START_MS + 86_400_000,
    endedAtMs: null,
    archivedAtMs: null,
    resultsUrl: null,
    ...more,
  };
}

export function endedInfo(id: string, rows: number, tookMs = 60_000): BatchInfo {
  return batchInfo(id, rows, {
    status: 'ended',
    counts: { processing: 0, succeeded: rows, errored: 0, canceled: 0, expired: 0 },
    endedAtMs: START_MS + tookMs,
    resultsUrl: `${ORIGIN}/v1/messages/batches/${id}/results`,
  });
}

export function usageOf(rows: number, more: Partial<UsageEntry> = {}): UsageEntry {
  return {
    ...NO_USAGE,
    model: 'claude-haiku-5-5',
    lane: 'batch',
    rows,
    inputTokens: rows * 10,
    outputTokens: rows * 3,
    costUsd: rows * 0.25,
    unpricedRows: 0,
    ...more,
  };
}

/** What is known of one pool: a limit from a header, and two minutes of one key. */
export function poolSnapshot(organization: string, rateClass: string, more: Partial<PoolSnapshot> = {}): PoolSnapshot {
  const minute = START_MS / 60_000;
  return {
    pool: `${organization}|${rateClass}`,
    organization,
    rateClass,
    atMs: START_MS + 90_000,
    limits: [{ name: 'requests', value: 1_000, source: 'headers', atMs: START_MS }],
    levels: { requests: 812.5 },
    open: null,
    pausedUntilMs: null,
    use: [
      {
        key: 'sk-ant-…wxyz',
        minutes: [
          { minute, requests: 10, inputTokens: 5_000, outputTokens: 700, refused: 1, retried: 2 },
          { minute: minute + 1, requests: 4, inputTokens: 900, outputTokens: 80, refused: 0, retried: 0 },
        ],
      },
    ],
    latency: { calls: 14, p50Ms: 420, p95Ms: 1_800, p99Ms: 2_400 },
    mode: 'local',
    ...more,
  };
}

export function collectedRow(
  seq: number,
  index: number,
  to: CollectedRow['to'],
  more: Partial<CollectedRow> = {},
): CollectedRow {
  const errorType = to === 'succeeded' ? null : to === 'retry' || to === 'failed' ? 'api_error' : to;
  return { seq, index, to, attempts: 1, errorType, notBeforeMs: 0, result: null, ...more };
}

/** All row records of a run, read in pages. */
export async function allRecords(store: Store, runId: string): Promise<readonly RowRecord[]> {
  const all: RowRecord[] = [];
  for (;;) {
    const page = await store.rowRecords(runId, { afterSeq: all.at(-1)?.seq ?? -1, limit: 7 });
    all.push(...page);
    if (page.length < 7) return all;
  }
}

/** Where each row is by what chunks and records say; throws where they contradict each other. */
export async function statesOf(store: Store, runId: string): Promise<ReadonlyMap<number, RowState>> {
  const records = new Map((await allRecords(store, runId)).map((record) => [record.seq, record]));
  const states = new Map<number, RowState>();
  const chunks = await store.chunks(runId);
  const put = (seq: number, state: RowState): void => {
    expect(states.has(seq), `row ${seq} is in two places`).toBe(false);
    states.set(seq, state);
  };
  for (const chunk of chunks.filter((one) => one.kind === 'input')) {
    await addInputChunk(store, chunk, records, put);
  }
  const open = new Map<number, RowState>();
  for (const chunk of chunks.filter((one) => one.kind === 'retry')) {
    await addRetryChunk(store, chunk, records, open);
  }
  for (const record of records.values()) {
    const place = open.get(record.seq);
    expect(record.state === 'waiting', `row ${record.seq} (${record.state}) waits exactly in a retry chunk`).toBe(
      place !== undefined,
    );
    put(record.seq, place ?? record.state);
    await expectHome(store, record);
  }
  return states;
}

async function addInputChunk(
  store: Store,
  chunk: ChunkRecord,
  records: ReadonlyMap<number, RowRecord>,
  put: (seq: number, state: RowState) => void,
): Promise<void> {
  const index = await store.chunkIndex(chunk.runId, chunk.chunkNo);
  const seqs = [...decodeRequestIndex(index.requests).seqs];
  expect(seqs).toHaveLength(chunk.rowCount);
  const outcomes = index.outcomes === null ? null : decodeOutcomes(index.outcomes, chunk.rowCount);
  expect(outcomes !== null, 'a chunk has outcomes when it is collected').toBe(chunk.state === 'collected');
  for (const [at, seq] of seqs.entries()) {
    const record = records.get(seq);
    switch (chunk.state) {
      case 'split':
        break;
      case 'sealed':
        expect(record).toBeUndefined();
        put(seq, 'waiting');
        break;
      case 'collected':
        expect(outcomeOf(outcomes?.[at] ?? 0)).toBe(record ? 'elsewhere' : 'succeeded');
        if (!record) put(seq, 'succeeded');
        break;
      case 'canceled':
        if (!record) put(seq, 'canceled');
        break;
      case 'refused':
      case 'lost':
        expect(record, `row ${seq} of a ${chunk.state} chunk has a record`).toBeDefined();
        break;
      default:
        expect(record).toBeUndefined();
        put(seq, 'in_batch');
    }
  }
}

async function addRetryChunk(
  store: Store,
  chunk: ChunkRecord,
  records: ReadonlyMap<number, RowRecord>,
  open: Map<number, RowState>,
): Promise<void> {
  const { requests } = await store.chunkIndex(chunk.runId, chunk.chunkNo);
  for (const seq of decodeRequestIndex(requests).seqs) {
    expect(records.has(seq), `row ${seq} of a retry chunk has a record`).toBe(true);
    if (['split', 'refused', 'lost', 'canceled', 'collected'].includes(chunk.state)) continue;
    expect(open.has(seq), `row ${seq} is in one open retry chunk only`).toBe(false);
    open.set(seq, chunk.state === 'sealed' ? 'waiting' : 'in_batch');
  }
}

async function expectHome(store: Store, record: RowRecord): Promise<void> {
  const home = await store.chunk(record.runId, record.homeChunkNo);
  expect(home?.kind, `row ${record.seq} has its request in an input chunk`).toBe('input');
  const { requests } = await store.chunkIndex(record.runId, record.homeChunkNo);
  expect(decodeRequestIndex(requests).at(record.homeIndex).seq).toBe(record.seq);
}

/** The ledger agrees with itself: call it after every step. */
export async function checkLedger(store: Store): Promise<void> {
  for (const run of await store.runs({ ingesting: true })) {
    if (run.state === 'ingesting') continue;
    await checkRun(store, run);
  }
}

async function checkRun(store: Store, run: RunRecord): Promise<void> {
  const counts = Object.fromEntries(ROW_STATES.map((state) => [state, 0])) as Record<RowState, number>;
  for (const state of (await statesOf(store, run.id)).values()) counts[state]++;
  counts.invalid = run.rows.invalid;
  expect(run.rows, `the counters of ${run.id} say what its chunks and rows say`).toEqual(counts);
  expect(Object.values(run.rows).reduce((sum, count) => sum + count, 0)).toBe(run.totalRows);
  const chunks = await store.chunks(run.id);
  const byState = await store.chunkCounts(run.id);
  for (const [state, count] of Object.entries(byState)) {
    expect(chunks.filter((chunk) => chunk.state === state)).toHaveLength(count);
  }
  for (const chunk of chunks) {
    if (!['submitted', 'ended', 'collected', 'lost'].includes(chunk.state)) continue;
    // Its answers are those of others.
    if (chunk.answers !== 'api') continue;
    // Its rows were given up while nobody knew its batch.
    if (chunk.state === 'lost' && chunk.batchId === null) continue;
    const batch = chunk.batchId === null ? null : await store.batch(chunk.batchId);
    expect(batch, `the batch of chunk ${chunk.chunkNo} is known`).toMatchObject({
      runId: run.id,
      chunkNo: chunk.chunkNo,
      // The ids of a script prove nothing.
      proven: chunk.wire === 'tag',
    });
    if (chunk.state !== 'submitted') expect(batch?.status).toBe('ended');
  }
  if (run.state === 'done') expect(run.rows).toMatchObject({ waiting: 0, in_batch: 0, retry: 0, in_realtime: 0 });
}

/** Everything that can be seen of the ledger. */
export async function dump(store: Store, driver?: DriverStore): Promise<unknown> {
  const runs = await store.runs({ ingesting: true });
  const parts = runs.map(async (run) => {
    const chunks = await store.chunks(run.id);
    return {
      run,
      chunks: await Promise.all(
        chunks.map(async (chunk) => ({ chunk, index: await store.chunkIndex(run.id, chunk.chunkNo) })),
      ),
      records: await allRecords(store, run.id),
      usage: await store.usage(run.id),
      batches: await store.batches(run.id),
    };
  });
  return {
    runs: await Promise.all(parts),
    events: await store.events(null, { limit: 1_000_000 }),
    tombstones: await store.tombstones(),
    pools: await store.pools(),
    driver: await store.driver(),
    open: await driver?.openAttempts(),
    watched: await driver?.attemptsToWatch(0),
  };
}

/** The code of the error that a step was refused with. */
export async function refusal(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => 'nothing was refused',
    (error: unknown) => String((error as { code?: unknown }).code),
  );
}
