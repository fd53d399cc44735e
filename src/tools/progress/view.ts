/**
 * What is going on in a state folder, as `status --watch` and the page of `serve` show it: the runs as `--json` has them,
 * who drives, the account's limits, the last events, and of each open run how fast it goes. Fields may be added, never
 * removed; what is not known is null.
 */
import type { EventRecord } from '../../domain/store-steps.ts';
import type { LimitsView } from '../../engine/views/limits-view.ts';
import type { RunView } from '../../engine/views/status.ts';

export interface ProgressView {
  readonly at: string;
  /** In the order in which they were made. The same object as long as nothing of a run has changed. */
  readonly runs: readonly RunView[];
  /** Runs that were left out because they are finished for long. */
  readonly hidden_runs: number;
  /** Null where nobody drives. */
  readonly driver: DriverView | null;
  readonly limits: readonly LimitsView[];
  /** The last ones of all runs, oldest first. */
  readonly events: readonly EventView[];
  /** By the id of a run; only of runs that are not done. */
  readonly pace: Readonly<Record<string, PaceView>>;
}

export interface DriverView {
  readonly pid: number;
  readonly host: string;
  readonly command: string;
  readonly since: string;
}

export interface EventView {
  readonly id: number;
  readonly time: string;
  readonly event: string;
  readonly run: string;
  readonly chunk: number | null;
  readonly row: number | null;
  readonly data: Readonly<Record<string, unknown>>;
}

export interface PaceView {
  /** Rows that came to their end, by the minute, of late; null before two looks. */
  readonly rows_per_minute: number | null;
  readonly tokens_per_minute: number | null;
  /** When all rows are done as it looks; null where nobody can tell. */
  readonly done_at: string | null;
  /** `rate`: at the pace of late; `batches`: as long as earlier batches took; `latest`: when the last batch expires. */
  readonly basis: 'rate' | 'batches' | 'latest' | null;
}

/** One look at a run. Rows, tokens and cost are sums since it began; the rest is how it was at that instant. */
export interface Sample {
  readonly atMs: number;
  readonly finished: number;
  /** Of them, rows that did not succeed. */
  readonly failed: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly costUsd: number;
  /** Calls of the account that were refused with 429 in the minute before. */
  readonly refused: number;
  /** The largest share of a limit of the account that was in use; null where none is known. */
  readonly limitShare: number | null;
  /** Put together afterwards from the events of the ledger: tokens and cost are shared out by rows. */
  readonly rebuilt: boolean;
}

export function viewEvent({ id, atMs, kind, runId, chunkNo, seq, data }: EventRecord): EventView {
  return { id, time: new Date(atMs).toISOString(), event: kind, run: runId, chunk: chunkNo, row: seq, data };
}
