import { beforeEach, describe, expect, test } from 'vitest';
import { RESULTS_KEPT_MS } from '../../../../src/domain/limits.ts';
import { DEADLINE_EVENT } from '../../../../src/engine/deadline/deadline-word.ts';
import { openSqliteStore } from '../../../../src/adapters/sqlite/store.ts';
import { METRICS, type Reading } from '../../../../src/domain/metrics.ts';
import type { DriverStore, Store } from '../../../../src/domain/store.ts';
import { Meter, poolReadings, runReadings } from '../../../../src/engine/views/metrics.ts';
import { AT, block, HOLDER, RUN } from '../../../contract/store.bench.ts';
import {
  batchInfo,
  newChunk,
  newRun,
  ORIGIN,
  poolSnapshot,
  START_MS,
  usageOf,
  WORKSPACE,
} from '../../../contract/store.lab.ts';

/** `name{label,…}` and the value. */
function shown(readings: readonly Reading[]): Record<string, number> {
  return Object.fromEntries(
    readings.map(({ name, labels, value }) => [`${name}{${Object.values(labels).join(',')}}`, value]),
  );
}

const only = (readings: readonly Reading[], part: string): Record<string, number> =>
  Object.fromEntries(Object.entries(shown(readings)).filter(([name]) => name.includes(part)));

let store: Store;
let driver: DriverStore;

beforeEach(async () => {
  store = openSqliteStore(':memory:');
  driver = await store.takeOver(HOLDER);
  return () => store.close();
});

/** A run of two chunks with five rows; the first chunk is under way as a batch. */
async function activeRun(): Promise<void> {
  await store.beginRun(newRun(RUN));
  await store.sealChunk(RUN, newChunk(1, [0, 1, 2]), AT);
  await store.sealChunk(RUN, newChunk(2, [3, 4]), AT);
  const end = { runId: RUN, atMs: AT, fingerprint: 'p', again: false, totalRows: 5, invalidRows: 0, mix: {} };
  await store.finishIngest(end);
  const start = { runId: RUN, chunkNo: 1, workspace: WORKSPACE, baselineBatchId: null, atMs: AT };
  const attemptId = (await driver.recordAttempt(start)) ?? 0;
  await driver.recordCreated({ attemptId, batch: batchInfo('msgbatch_1', 3), atMs: AT });
}

describe('the metrics', () => {
  test('say how long the API has been down, and 0 where it answers', async () => {
    const meter = new Meter(() => AT);
    const outage = async (): Promise<unknown> => Object.values(only(await meter.read(store, ORIGIN), 'api_outage'));
    expect(await outage()).toEqual([0]);
    meter.observe({ kind: 'api.errors', sinceMs: AT - 90_000, cause: '500 on list' });
    expect(await outage()).toEqual([90]);
    meter.observe({ kind: 'api.answers' });
    expect(await outage()).toEqual([0]);
  });

  test('of a run are what the ledger says', async () => {
    await activeRun();
    await driver.setBlocks(RUN, [block('billing')], AT);
    const readings = await new Meter(() => AT).read(store, ORIGIN);
    expect(shown(readings)).toMatchObject({
      [`batchrun_rows_total{${RUN},in_batch}`]: 3,
      [`batchrun_rows_total{${RUN},waiting}`]: 2,
      [`batchrun_rows_total{${RUN},succeeded}`]: 0,
      [`batchrun_batches_open{${RUN}}`]: 1,
      [`batchrun_batch_requests_queued{${RUN}}`]: 3,
      [`batchrun_blocked{${RUN},billing}`]: 1,
    });
    expect(only(readings, 'budget')).toEqual({});
    expect(only(readings, 'last_success')).toEqual({});
  });

  test('of a run say what may come too late: its deadline, and results that the API deletes', async () => {
    await activeRun();
    const deadlineMs = AT + 60_000;
    await store.changeWishes(RUN, { deadlineMs });
    const late = async () => only(await new Meter(() => AT).read(store, ORIGIN), 'deadline');
    expect(await late()).toEqual({
      [`batchrun_deadline_timestamp_seconds{${RUN}}`]: deadlineMs / 1_000,
      [`batchrun_deadline_late_rows{${RUN}}`]: 0,
    });
    await driver.note(RUN, DEADLINE_EVENT, AT, { deadline_ms: deadlineMs, late_rows: 4, missed: false });
    expect(await late()).toMatchObject({ [`batchrun_deadline_late_rows{${RUN}}`]: 4 });
    await store.changeWishes(RUN, { deadlineMs: deadlineMs + 1 });
    expect(await late()).toMatchObject({ [`batchrun_deadline_late_rows{${RUN}}`]: 0 });
    const batch = await store.batch('msgbatch_1');
    expect(only(await new Meter(() => AT).read(store, ORIGIN), 'vanish')).toEqual({
      [`batchrun_results_vanish_timestamp_seconds{${RUN}}`]: ((batch?.createdAtMs ?? NaN) + RESULTS_KEPT_MS) / 1_000,
    });
  });

  test('of a run add up what its models cost, by lane, and name its budget', async () => {
    await activeRun();
    const run = await store.run(RUN);
    if (!run) throw new Error('no run');
    const usage = [usageOf(4), usageOf(2, { model: 'claude-opus-5-5' }), usageOf(1, { lane: 'realtime' })];
    const readings = runReadings({
      run: { ...run, settings: { ...run.settings, wishes: { maxCostUsd: 50 } } },
      usage,
      open: { batches: 0, requests: 0 },
      lateRows: 0,
      vanishAtMs: null,
    });
    expect(only(readings, 'usd')).toEqual({
      [`batchrun_cost_usd{${RUN},batch}`]: 1.5,
      [`batchrun_cost_usd{${RUN},realtime}`]: 0.25,
      [`batchrun_budget_usd{${RUN}}`]: 50,
    });
  });

  test('of the account are limits, levels, what is used, and latencies in seconds', async () => {
    const batches = poolSnapshot('org_1', 'batches', {
      limits: [{ name: 'queue', value: 200_000, source: 'admin', atMs: START_MS }],
      levels: {},
      open: { batches: 3, requests: 50_000 },
      use: [],
      latency: null,
      pausedUntilMs: START_MS + 100_000,
    });
    const pools = [batches, poolSnapshot('org_1', 'opus_5')].map((pool) => ({ ...pool, origin: ORIGIN }));
    expect(shown(poolReadings(pools, START_MS + 90_000))).toEqual({
      'batchrun_limit{org_1|batches,queue,admin}': 200_000,
      'batchrun_limit_used_ratio{org_1|batches,queue}': 0.25,
      'batchrun_account_batches_open{org_1|batches}': 3,
      'batchrun_account_batch_requests_queued{org_1|batches}': 50_000,
      'batchrun_pause_seconds{org_1|batches}': 10,
      'batchrun_limit{org_1|opus_5,requests,headers}': 1_000,
      'batchrun_limit_used_ratio{org_1|opus_5,requests}': 0.009,
      'batchrun_bucket_level{org_1|opus_5,requests}': 812.5,
      'batchrun_pause_seconds{org_1|opus_5}': 0,
      'batchrun_call_seconds{org_1|opus_5,0.5}': 0.42,
      'batchrun_call_seconds{org_1|opus_5,0.95}': 1.8,
      'batchrun_call_seconds{org_1|opus_5,0.99}': 2.4,
    });
  });

  test('are of one base URL', async () => {
    await driver.recordPools(ORIGIN, [poolSnapshot('org_1', 'opus_5')], AT);
    await driver.recordPools('https://gateway.example', [poolSnapshot('org_2', 'opus_5')], AT);
    const readings = await new Meter(() => AT).read(store, ORIGIN);
    expect(Object.keys(only(readings, 'batchrun_limit{'))).toEqual(['batchrun_limit{org_1|opus_5,requests,headers}']);
  });

  test('count calls by pool and key, and row retries by run', async () => {
    const meter = new Meter(() => AT);
    const call = { kind: 'call.ended', pool: 'p', key: 'k', inputTokens: 0, outputTokens: 0 } as const;
    meter.observe({ ...call, inputTokens: 900, outputTokens: 50, refused: false, retried: false });
    meter.observe({ ...call, refused: true, retried: true });
    meter.observe({ ...call, key: 'k2', inputTokens: 100, refused: false, retried: true });
    const retry = { runId: RUN, seq: 1, attempt: 2, maxAttempts: 4, waitMs: 5, cause: '529' };
    meter.observe({ kind: 'retry.scheduled', ...retry });
    meter.observe({ kind: 'retry.chunk', runId: RUN, chunkNo: 3, rows: 40 });
    meter.observe({ kind: 'changed' });
    expect(shown(await meter.read(store, ORIGIN))).toEqual({
      'batchrun_api_outage_seconds{}': 0,
      'batchrun_requests_total{p,k}': 2,
      'batchrun_requests_total{p,k2}': 1,
      'batchrun_refusals_total{p,k}': 1,
      'batchrun_refusals_total{p,k2}': 0,
      'batchrun_retries_total{p,k}': 1,
      'batchrun_retries_total{p,k2}': 1,
      'batchrun_tokens_total{p,input}': 1_000,
      'batchrun_tokens_total{p,output}': 50,
      [`batchrun_row_retries_total{${RUN}}`]: 41,
    });
  });

  test('know when a row last succeeded; rows that only failed are no success', async () => {
    let nowMs = AT;
    const meter = new Meter(() => nowMs);
    meter.observe({ kind: 'rows.settled', runId: RUN, succeeded: 0, rest: 3 });
    expect(only(await meter.read(store, ORIGIN), 'success')).toEqual({});
    nowMs += 5_000;
    meter.observe({ kind: 'chunk.collected', runId: RUN, chunkNo: 1, succeeded: 1, rest: 2 });
    nowMs += 5_000;
    expect(only(await meter.read(store, ORIGIN), 'last_success')).toEqual({
      'batchrun_last_success_timestamp_seconds{}': (AT + 5_000) / 1_000,
    });
  });

  test('are not of runs that were done before, but of those that are done by now', async () => {
    await activeRun();
    await driver.recordLost({ runId: RUN, chunkNo: 1, atMs: AT, rows: lostRows([0, 1, 2]) });
    await store.requestCancel(RUN, AT);
    await driver.cancelUnsent(RUN, AT);
    await driver.finishRun(RUN, AT + 10);
    const rows = async (startMs: number): Promise<number> =>
      Object.keys(only(await new Meter(() => startMs).read(store, ORIGIN), 'batchrun_rows_total')).length;
    expect(await rows(AT + 11)).toBe(0);
    expect(await rows(AT + 10)).toBeGreaterThan(0);
    expect(only(await new Meter(() => AT + 11).read(store, ORIGIN), 'last_success')).toEqual({
      'batchrun_last_success_timestamp_seconds{}': (AT + 10) / 1_000,
    });
  });

  test('have exactly the labels that the table names', async () => {
    await activeRun();
    await driver.setBlocks(RUN, [block('billing')], AT);
    await driver.recordPools(ORIGIN, [poolSnapshot('org_1', 'batches', { open: { batches: 1, requests: 1 } })], AT);
    const meter = new Meter(() => AT);
    const call = { pool: 'p', key: 'k', inputTokens: 1, outputTokens: 1, refused: true, retried: true };
    meter.observe({ kind: 'call.ended', ...call });
    meter.observe({ kind: 'retry.chunk', runId: RUN, chunkNo: 3, rows: 40 });
    meter.observe({ kind: 'rows.settled', runId: RUN, succeeded: 1, rest: 0 });
    const readings = await meter.read(store, ORIGIN);
    for (const { name, labels } of readings) expect([name, Object.keys(labels)]).toEqual([name, METRICS[name].labels]);
    const seen = new Set(readings.map(({ name }) => name));
    const unseen = Object.keys(METRICS).filter((name) => !(seen as Set<string>).has(name));
    expect(unseen).toEqual([
      'batchrun_cost_usd',
      'batchrun_budget_usd',
      'batchrun_deadline_timestamp_seconds',
      'batchrun_deadline_late_rows',
    ]);
  });
});

function lostRows(seqs: readonly number[]): Parameters<DriverStore['recordLost']>[0]['rows'] {
  const row = { to: 'failed', attempts: 1, errorType: 'x', notBeforeMs: 0, result: null } as const;
  return seqs.map((seq, index) => ({ ...row, seq, index }));
}
