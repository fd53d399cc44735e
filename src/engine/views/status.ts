/**
 * A run as people and scripts see it: the shape of `--json`, from the ledger alone. Offline, beside a driver, and in a
 * fraction of a second whatever the size of the run. Fields may be added, never removed; what is not known is null.
 */
import { roundUsd } from '../../base/units.ts';
import { RESULTS_KEPT_MS } from '../../domain/limits.ts';
import { CHUNK_STATES, ROW_STATES, wishesOf, type Block, type RunRecord, type UsageEntry } from '../../domain/model.ts';
import { worstRunCostUsd } from '../../domain/reserve.ts';
import type { Store } from '../../domain/store.ts';
import { OPEN_ROW_STATES } from '../../domain/transitions.ts';
import type { CacheView } from '../cache/cache-view.ts';
import { viewCoalesced, type CoalescedView } from '../copies/coalesced-view.ts';
import type { BatchView, BlockView, BudgetShown, DeadlineView, OutageView, RunView } from './run-view.ts';
import type { BudgetLedger } from '../budget/budget.ts';
import { lastSaid } from '../deadline/deadline-word.ts';
import type { FailureView } from './schema-view.ts';

export type { BatchView, BlockView, BudgetShown, DeadlineView, OutageView, RunView };

/** How many earlier batches the typical duration is taken from. */
const HISTORY_BATCHES = 50;

/** What of the ledger a view is made from. */
type Ledger = BudgetLedger &
  Pick<Store, 'chunkCounts' | 'copyCounts' | 'failureCounts' | 'batches' | 'batchHistory' | 'events' | 'rowRecords'>;

export async function viewRun(store: Ledger, run: RunRecord): Promise<RunView> {
  const { priority, lane } = wishesOf(run);
  const [doubtful, counts, usage, failures, batches, history, budget, deadline, pilot, coalesced] = await Promise.all([
    store.chunks(run.id, { states: ['submitting', 'uncertain'] }),
    store.chunkCounts(run.id),
    store.usage(run.id),
    store.failureCounts(run.id),
    openBatches(store, run),
    store.batchHistory(run.origin, HISTORY_BATCHES),
    viewBudget(store, run),
    viewDeadline(store, run),
    viewPilot(store, run),
    run.settings.coalesce ? viewCoalesced(store, run) : null,
  ]);
  const chunkTotal = CHUNK_STATES.reduce((sum, state) => sum + counts[state], 0);
  const expiries = batches.map((batch) => batch.expires_at);
  return {
    id: run.id,
    name: run.name,
    state: run.state,
    canceled: run.canceled,
    ...{ priority, lane, budget, pilot },
    blocked: run.blocked.map(viewBlock),
    rows: { total: run.totalRows, ...Object.fromEntries(ROW_STATES.map((state) => [state, run.rows[state]])) },
    chunks: { total: chunkTotal, ...counts },
    coalesced,
    in_doubt: doubtful.map((chunk) => chunk.chunkNo),
    usage: viewUsage(usage),
    cost_usd: viewCost(run, usage, coalesced),
    cache: await viewCaching(run, usage),
    lanes: viewLanes(usage),
    models: Object.keys(run.mix),
    ...(await viewFailures(failures)),
    stop_reasons: run.stopReasons,
    inputs: run.inputs,
    output: run.output,
    format: run.format,
    errors: run.errors,
    base_url: run.origin,
    created_at: iso(run.createdAtMs),
    done_at: run.doneAtMs === null ? null : iso(run.doneAtMs),
    batches,
    results_vanish_at: batches.map((batch) => batch.results_until).sort()[0] ?? null,
    deadline,
    api_outage: await viewOutage(store, run),
    eta: { latest_end: expiries.sort().at(-1) ?? null, typical_batch_seconds: typicalSeconds(history) },
  };
}

/** Rows that have reached their end. */
export function finishedRows(run: RunRecord): number {
  return run.totalRows - OPEN_ROW_STATES.reduce((sum, state) => sum + run.rows[state], 0);
}

async function openBatches(store: Ledger, run: RunRecord): Promise<BatchView[]> {
  const states = ['submitted', 'ended'] as const;
  const open = await store.chunks(run.id, { states });
  if (open.length === 0) return [];
  const byId = new Map((await store.batches(run.id, { chunkStates: states })).map((batch) => [batch.id, batch]));
  return open.flatMap((chunk) => {
    const batch = chunk.batchId === null ? undefined : byId.get(chunk.batchId);
    if (!batch) return [];
    return [
      {
        id: batch.id,
        chunk: chunk.chunkNo,
        rows: chunk.rowCount,
        status: chunk.state === 'ended' ? 'ended' : batch.status,
        created_at: iso(batch.createdAtMs),
        expires_at: iso(batch.expiresAtMs),
        results_until: iso(batch.createdAtMs + RESULTS_KEPT_MS),
      },
    ];
  });
}

async function viewBudget(store: Ledger, run: RunRecord): Promise<BudgetShown | null> {
  const { maxCostUsd, budgetMode: mode } = wishesOf(run);
  if (maxCostUsd === null) return null;
  // Loaded where there is a cap: `status` is called in loops, and most runs have none.
  const { budgetOf } = await import('../budget/budget.ts');
  const view = await budgetOf({ engine: { store } }, run);
  if (!view) return null;
  const left = view.unknown ? null : roundUsd(Math.max(0, view.leftUsd));
  const reserved = roundUsd(view.reservedUsd);
  return { max_usd: view.capUsd, spent_usd: view.spentUsd, reserved_usd: reserved, left_usd: left, mode };
}

/** Loaded where there is something to say: `status` is called in loops. */
async function viewCaching(run: RunRecord, usage: readonly UsageEntry[]): Promise<CacheView | null> {
  const cached = usage.some((entry) => entry.cacheReadTokens + entry.cacheWrite5mTokens + entry.cacheWrite1hTokens > 0);
  return cached || run.settings.cache ? (await import('../cache/cache-view.ts')).viewCache(run, usage) : null;
}

/** Whether an open run has missed it is what its driver has seen and said: the ledger alone does not know the time. */
async function viewDeadline(store: Ledger, run: RunRecord): Promise<DeadlineView | null> {
  const { deadlineMs } = wishesOf(run);
  if (deadlineMs === null) return null;
  const at = iso(deadlineMs);
  if (run.doneAtMs !== null) return { at, missed: run.doneAtMs > deadlineMs, late_rows: null };
  const said = await lastSaid(store, run.id);
  if (said?.deadlineMs !== deadlineMs) return { at, missed: false, late_rows: null };
  return { at, missed: said.missed, late_rows: said.lateRows };
}

async function viewOutage(store: Ledger, run: RunRecord): Promise<OutageView | null> {
  if (run.state === 'done') return null;
  // Of a run that is done nobody waits for the API: then it is not loaded.
  return (await import('../outage/outages.ts')).viewOutage(store, run.id);
}

async function viewFailures(counts: Readonly<Record<string, number>>): Promise<FailureView> {
  const isPlain = !Object.keys(counts).some((type) => type.startsWith('batchrun_schema:'));
  // Loaded where there is something to say: most runs have no schema.
  return isPlain ? { failures: counts, schema_errors: {} } : (await import('./schema-view.ts')).viewFailures(counts);
}

function viewBlock(block: Block): BlockView {
  const { reason, scope, message, hint, candidates = [] } = block;
  return { reason, scope, message, hint, since: iso(block.sinceMs), candidates };
}

function viewUsage(usage: readonly UsageEntry[]): Record<string, number> {
  const sum = (of: (entry: UsageEntry) => number): number => usage.reduce((total, entry) => total + of(entry), 0);
  return {
    input_tokens: sum((entry) => entry.inputTokens),
    output_tokens: sum((entry) => entry.outputTokens),
    cache_creation_input_tokens: sum((entry) => entry.cacheWrite5mTokens + entry.cacheWrite1hTokens),
    cache_read_input_tokens: sum((entry) => entry.cacheReadTokens),
  };
}

function viewLanes(usage: readonly UsageEntry[]): Record<string, { rows: number; cost_usd: number }> {
  const lanes: Record<string, { rows: number; cost_usd: number }> = {};
  for (const entry of usage) {
    const lane = (lanes[entry.lane] ??= { rows: 0, cost_usd: 0 });
    lane.rows += entry.rows;
    lane.cost_usd += entry.costUsd;
  }
  return lanes;
}

async function viewPilot(store: Ledger, run: RunRecord): Promise<RunView['pilot']> {
  if (wishesOf(run).pilot === 0) return null;
  // Few runs have one: the others do not wait for this room to be loaded.
  const { lookAtPilot } = await import('../pilot/pilot-look.ts');
  const { state } = await lookAtPilot(store, run);
  return state === 'none' ? null : { rows: wishesOf(run).pilot, state };
}

function viewCost(run: RunRecord, usage: readonly UsageEntry[], coalesced: CoalescedView | null): RunView['cost_usd'] {
  const spent = usage.reduce((sum, entry) => sum + entry.costUsd, 0);
  const priced = usage.every((entry) => entry.unpricedRows === 0);
  const answered = usage.reduce((sum, entry) => sum + entry.rows, 0);
  const open = OPEN_ROW_STATES.reduce((sum, state) => sum + run.rows[state], 0);
  const left = open - (coalesced?.waiting_rows ?? 0);
  const estimate = left === 0 ? spent : answered > 0 ? spent + (spent / answered) * left : null;
  const worst = worstRunCostUsd(run.mix, wishesOf(run).lane);
  const rowsToSend = run.totalRows - run.rows.invalid - (coalesced?.rows ?? 0);
  return {
    spent: priced ? spent : null,
    estimated_total: priced ? estimate : null,
    estimated_max: worst === null || !priced || rowsToSend === 0 ? null : spent + worst * (left / rowsToSend),
  };
}

function typicalSeconds(history: readonly { readonly tookMs: number }[]): number | null {
  if (history.length === 0) return null;
  const sorted = history.map((batch) => batch.tookMs).sort((a, b) => a - b);
  return Math.round((sorted[Math.floor(sorted.length / 2)] ?? 0) / 1_000);
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
