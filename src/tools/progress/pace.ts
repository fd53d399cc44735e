/**
 * How fast a run goes and when it will be done as it looks: by the pace of late where rows come back steadily, else by
 * how long earlier batches took, else when the last batch expires. What nobody can tell is null.
 */
import type { RunView } from '../../engine/views/status.ts';
import type { History } from './history.ts';
import type { PaceView } from './view.ts';

export function paceOf(run: RunView, history: History, nowMs: number): PaceView {
  const pace = history.pace(nowMs);
  const end = endOf(run, pace?.rows ?? 0, nowMs);
  return {
    rows_per_minute: pace && rounded(pace.rows),
    tokens_per_minute: pace && rounded(pace.tokens),
    done_at: end && new Date(end.atMs).toISOString(),
    basis: end?.basis ?? null,
  };
}

interface End {
  readonly atMs: number;
  readonly basis: NonNullable<PaceView['basis']>;
}

function endOf(run: RunView, rowsPerMinute: number, nowMs: number): End | null {
  const rows = (state: string): number => run.rows[state] ?? 0;
  const left = rows('waiting') + rows('in_batch') + rows('retry') + rows('in_realtime');
  if (left === 0 || run.state === 'done' || run.blocked.length > 0) return null;
  const byRate: End | null =
    rowsPerMinute > 0 ? { atMs: nowMs + (left / rowsPerMinute) * 60_000, basis: 'rate' } : null;
  // Where all that is left is under way, batches end when batches end, however many came back of late.
  if (rows('in_batch') < left) return byRate;
  const { typical_batch_seconds: typical, latest_end: latest } = run.eta;
  const begun = run.batches.filter(({ status }) => status !== 'ended').map((batch) => Date.parse(batch.created_at));
  if (typical !== null && begun.length > 0) {
    const atMs = Math.max(...begun) + typical * 1_000;
    if (atMs > nowMs) return { atMs, basis: 'batches' };
  }
  if (byRate) return byRate;
  return latest === null ? null : { atMs: Date.parse(latest), basis: 'latest' };
}

function rounded(value: number): number {
  return Math.round(value * 10) / 10;
}
