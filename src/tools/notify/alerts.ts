/**
 * Looks at the ledger for what somebody should know before it is too late: the budget, the deadline, results that the API
 * deletes soon, and calls that are refused.
 */
import { formatCount, formatUsd, plural } from '../../base/units.ts';
import { RESULTS_KEPT_MS, RESULTS_WARN_MS } from '../../domain/limits.ts';
import { wishesOf, type RunRecord } from '../../domain/model.ts';
import { BUDGET_SHARE, REFUSED_WINDOW_MS, type NoticeEvent } from '../../domain/notices.ts';
import type { Store } from '../../domain/store.ts';
import { lastSaid } from '../../engine/deadline/deadline-word.ts';

export type AlertLedger = Pick<Store, 'run' | 'runs' | 'usage' | 'events' | 'batches' | 'note'>;

export interface Alert {
  readonly event: NoticeEvent;
  readonly cause: string;
  readonly message: string;
  readonly hint?: string | null;
  readonly exit?: number;
  readonly code?: string;
  readonly details?: Readonly<Record<string, unknown>>;
}

/** Once for each cap: who raises it wants to hear of the next. */
export async function budgetAlert(ledger: AlertLedger, run: RunRecord): Promise<Alert | null> {
  const { maxCostUsd: capUsd } = wishesOf(run);
  if (capUsd === null) return null;
  const spentUsd = (await ledger.usage(run.id)).reduce((sum, entry) => sum + entry.costUsd, 0);
  if (spentUsd < capUsd * BUDGET_SHARE) return null;
  const share = Math.round((spentUsd / capUsd) * 100);
  return {
    event: 'budget',
    cause: `budget:${capUsd}`,
    message: `${formatUsd(spentUsd)} of the budget of ${formatUsd(capUsd)} are spent (${share} %)`,
    hint: run.state === 'done' ? null : `\`batchrun collect ${run.id} --max-cost USD\` raises it.`,
    details: { max_usd: capUsd, spent_usd: spentUsd },
  };
}

/** Once for each deadline while it is at risk, and once where it is missed. */
export async function deadlineAlert(ledger: AlertLedger, run: RunRecord): Promise<Alert | null> {
  const { deadlineMs } = wishesOf(run);
  if (deadlineMs === null || run.state === 'done') return null;
  const said = await lastSaid(ledger, run.id);
  if (said?.deadlineMs !== deadlineMs || (said.lateRows === 0 && !said.missed)) return null;
  const at = new Date(deadlineMs).toISOString();
  const late = plural(said.lateRows, 'row');
  return {
    event: 'deadline',
    cause: `deadline:${deadlineMs}${said.missed ? ':missed' : ''}`,
    message: said.missed ? `the deadline ${at} is over` : `${late} will be later than the deadline ${at}, as it looks`,
    hint: `\`batchrun status ${run.id}\` says what is where; \`batchrun collect ${run.id} --realtime\` calls what is not sent yet.`,
    details: { deadline: at, late_rows: said.lateRows, missed: said.missed },
  };
}

/** Once a day for each run. */
export async function vanishAlert(ledger: AlertLedger, run: RunRecord, nowMs: number): Promise<Alert | null> {
  if (run.state === 'done') return null;
  const open = await ledger.batches(run.id, { chunkStates: ['submitted', 'ended'] });
  const ends = open.map((batch) => batch.createdAtMs + RESULTS_KEPT_MS).filter((ms) => ms - nowMs < RESULTS_WARN_MS);
  if (ends.length === 0) return null;
  const at = new Date(Math.min(...ends)).toISOString();
  return {
    event: 'results_vanish',
    cause: `results_vanish:${new Date(nowMs).toISOString().slice(0, 10)}`,
    message: `results of ${plural(ends.length, 'batch', 'batches')} that are not collected yet are deleted by the API from ${at} on`,
    hint: `\`batchrun collect ${run.id}\` fetches them.`,
    details: { batches: ends.length, results_until: at },
  };
}

export function rateAlert(
  { calls, refused }: { readonly calls: number; readonly refused: number },
  nowMs: number,
): Alert {
  const minutes = REFUSED_WINDOW_MS / 60_000;
  return {
    event: 'rate_limited',
    cause: `rate_limited:${new Date(nowMs).toISOString()}`,
    message: `${formatCount(refused)} of the last ${plural(calls, 'call')} (${minutes} minutes) were refused with 429`,
    hint: '`batchrun limits` shows whose limit it is; other programs with the same organization use it too.',
    details: { calls, refused, window_seconds: REFUSED_WINDOW_MS / 1_000 },
  };
}
