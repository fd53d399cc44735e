/**
 * Reads the metrics: counts what the engine tells while it works, and takes the rest from the ledger, so that it is what
 * `status` and `limits` show. Pure but for its counts; nothing in the engine depends on anyone listening.
 */
import { withoutNoise } from '../../base/units.ts';
import { RESULTS_KEPT_MS } from '../../domain/limits.ts';
import { METRICS, type MetricName, type Reading } from '../../domain/metrics.ts';
import { wishesOf, type RunRecord, type UsageEntry } from '../../domain/model.ts';
import type { PoolRecord } from '../../domain/store-steps.ts';
import type { Store } from '../../domain/store.ts';
import { lastSaid } from '../deadline/deadline-word.ts';
import type { EngineEvent } from '../events.ts';
import { viewLimits } from './limits-view.ts';

export interface MeteredRun {
  readonly run: RunRecord;
  readonly usage: readonly UsageEntry[];
  /** Under way at the API. */
  readonly open: { readonly batches: number; readonly requests: number };
  /** Rows that will be later than the deadline, as was last said of it. */
  readonly lateRows: number;
  /** When the first results that are not collected yet are deleted; null where none are under way. */
  readonly vanishAtMs: number | null;
}

/** What of the ledger the metrics are read from. */
export type MeteredLedger = Pick<Store, 'runs' | 'usage' | 'chunks' | 'pools' | 'batches' | 'events'>;

export class Meter {
  readonly #counts = new Map<string, { reading: Reading; value: number }>();
  readonly #now: () => number;
  readonly #startMs: number;
  #succeededAtMs = -Infinity;
  #outageSinceMs: number | null = null;

  constructor(now: () => number) {
    this.#now = now;
    this.#startMs = now();
  }

  observe(event: EngineEvent): void {
    switch (event.kind) {
      case 'call.ended': {
        const { pool, key } = event;
        this.#count('batchrun_requests_total', { pool, key }, 1);
        this.#count('batchrun_refusals_total', { pool, key }, event.refused ? 1 : 0);
        this.#count('batchrun_retries_total', { pool, key }, event.retried ? 1 : 0);
        this.#count('batchrun_tokens_total', { pool, direction: 'input' }, event.inputTokens);
        this.#count('batchrun_tokens_total', { pool, direction: 'output' }, event.outputTokens);
        break;
      }
      case 'retry.scheduled':
        this.#count('batchrun_row_retries_total', { run: event.runId }, 1);
        break;
      case 'retry.chunk':
        this.#count('batchrun_row_retries_total', { run: event.runId }, event.rows);
        break;
      case 'api.unreachable':
      case 'api.errors':
        this.#outageSinceMs = event.sinceMs;
        break;
      case 'api.answers':
        this.#outageSinceMs = null;
        break;
      case 'rows.settled':
      case 'chunk.collected':
        if (event.succeeded > 0) this.#succeededAtMs = this.#now();
        break;
      default:
    }
  }

  /** Everything as it is now. Runs that were done before this process began are of no interest any more. */
  async read(ledger: MeteredLedger, origin: string): Promise<Reading[]> {
    const runs = await ledger.runs();
    const metered: MeteredRun[] = [];
    for (const run of runs) {
      if (run.doneAtMs !== null && run.doneAtMs < this.#startMs) continue;
      const chunks = run.state === 'done' ? [] : await ledger.chunks(run.id, { states: ['submitted'] });
      const requests = chunks.reduce((sum, chunk) => sum + chunk.rowCount, 0);
      const usage = await ledger.usage(run.id);
      const open = { batches: chunks.length, requests };
      metered.push({ run, usage, open, ...(await riskOf(ledger, run)) });
    }
    const doneAtMs = runs.reduce((latest, run) => Math.max(latest, run.doneAtMs ?? -Infinity), -Infinity);
    return [
      ...metered.flatMap(runReadings),
      ...poolReadings(await ledger.pools(origin), this.#now()),
      ...[...this.#counts.values()].map(({ reading, value }) => ({ ...reading, value })),
      reading('batchrun_api_outage_seconds', {}, this.#outageSeconds()),
      ...successReadings(Math.max(this.#succeededAtMs, doneAtMs)),
    ];
  }

  #outageSeconds(): number {
    return this.#outageSinceMs === null ? 0 : Math.max(0, this.#now() - this.#outageSinceMs) / 1_000;
  }

  #count(name: MetricName, labels: Reading['labels'], by: number): void {
    const id = JSON.stringify([name, ...METRICS[name].labels.map((label) => labels[label])]);
    const known = this.#counts.get(id) ?? { reading: { name, labels, value: 0 }, value: 0 };
    known.value += by;
    this.#counts.set(id, known);
  }
}

/** What may come too late: nothing of a run that is done. */
async function riskOf(ledger: MeteredLedger, run: RunRecord): Promise<Pick<MeteredRun, 'lateRows' | 'vanishAtMs'>> {
  if (run.state === 'done') return { lateRows: 0, vanishAtMs: null };
  const { deadlineMs } = wishesOf(run);
  const said = deadlineMs === null ? null : await lastSaid(ledger, run.id);
  const lateRows = said?.deadlineMs === deadlineMs ? said.lateRows : 0;
  const batches = await ledger.batches(run.id, { chunkStates: ['submitted', 'ended'] });
  const oldestMs = Math.min(...batches.map((batch) => batch.createdAtMs));
  return { lateRows, vanishAtMs: batches.length === 0 ? null : oldestMs + RESULTS_KEPT_MS };
}

/** Of one run: where its rows are, what is under way, what it cost, what it waits for. */
export function runReadings({ run, usage, open, lateRows, vanishAtMs }: MeteredRun): Reading[] {
  const of = { run: run.id };
  const { maxCostUsd, deadlineMs } = wishesOf(run);
  const costs = new Map<string, number>();
  for (const { lane, costUsd } of usage) costs.set(lane, (costs.get(lane) ?? 0) + costUsd);
  return [
    ...Object.entries(run.rows).map(([state, value]) => reading('batchrun_rows_total', { ...of, state }, value)),
    reading('batchrun_batches_open', of, open.batches),
    reading('batchrun_batch_requests_queued', of, open.requests),
    ...[...costs].map(([lane, usd]) => reading('batchrun_cost_usd', { ...of, lane }, withoutNoise(usd))),
    ...(maxCostUsd === null ? [] : [reading('batchrun_budget_usd', of, maxCostUsd)]),
    ...(deadlineMs === null
      ? []
      : [
          reading('batchrun_deadline_timestamp_seconds', of, deadlineMs / 1_000),
          reading('batchrun_deadline_late_rows', of, lateRows),
        ]),
    ...(vanishAtMs === null ? [] : [reading('batchrun_results_vanish_timestamp_seconds', of, vanishAtMs / 1_000)]),
    ...[...new Set(run.blocked.map((block) => block.reason))].map((reason) =>
      reading('batchrun_blocked', { ...of, reason }, 1),
    ),
  ];
}

/** Of the account: limits, what is used and left of them, how long calls take. */
export function poolReadings(pools: readonly PoolRecord[], nowMs: number): Reading[] {
  const used = viewLimits(pools, nowMs).flatMap(({ pool, limits }) =>
    limits.flatMap(({ name, share }) =>
      share === null ? [] : [reading('batchrun_limit_used_ratio', { pool, bucket: name }, share)],
    ),
  );
  return [...used, ...pools.flatMap((pool) => knownReadings(pool, nowMs))];
}

function knownReadings({ pool, limits, levels, open, latency, pausedUntilMs }: PoolRecord, nowMs: number): Reading[] {
  const quantile = (share: string, ms: number): Reading =>
    reading('batchrun_call_seconds', { pool, quantile: share }, ms / 1_000);
  return [
    ...limits.map(({ name, source, value }) => reading('batchrun_limit', { pool, bucket: name, source }, value)),
    ...Object.entries(levels).map(([bucket, level]) => reading('batchrun_bucket_level', { pool, bucket }, level)),
    reading('batchrun_pause_seconds', { pool }, Math.max(0, ((pausedUntilMs ?? 0) - nowMs) / 1_000)),
    ...(open === null
      ? []
      : [
          reading('batchrun_account_batches_open', { pool }, open.batches),
          reading('batchrun_account_batch_requests_queued', { pool }, open.requests),
        ]),
    ...(latency === null
      ? []
      : [quantile('0.5', latency.p50Ms), quantile('0.95', latency.p95Ms), quantile('0.99', latency.p99Ms)]),
  ];
}

function successReadings(atMs: number): Reading[] {
  return atMs === -Infinity ? [] : [reading('batchrun_last_success_timestamp_seconds', {}, atMs / 1_000)];
}

function reading(name: MetricName, labels: Reading['labels'], value: number): Reading {
  return { name, labels, value };
}
