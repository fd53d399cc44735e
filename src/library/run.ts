/**
 * What a program can do with one run.
 */
import type { RowState } from '../domain/model.ts';
import type { RunView } from '../engine/views/run-view.ts';
import type { RunEvent } from './events.ts';
import type { RunChanges } from './options.ts';
import type { SubmitReport } from './report.ts';
import type { ResultRow } from './result-row.ts';

/** Which results are wanted. */
export interface ResultsOptions {
  /** Only rows in these states; without it all that have come to an end. */
  readonly only?: readonly RowState[];
  /** Only the row with this id. */
  readonly id?: string;
  /** With the whole message of the API in each row: twice the work. */
  readonly messages?: boolean;
}

/** One run: what it is, what happens to it, and what came of it. */
export interface Run {
  readonly id: string;
  readonly name: string | null;
  /** What its submit found; null for a run that was looked up. */
  readonly report: SubmitReport | null;
  /**
   * Brings the run to its end and gives it as it is then; rows may have failed. Rejects with a `BatchrunError` where it
   * cannot: `E_LOCKED` (another process drives the state), `E_BLOCKED` (a person must act), `E_API_UNREACHABLE`,
   * `E_NOT_FINISHED` (stopped). An aborted `signal` ends the waiting alone: the run goes on.
   */
  wait(options?: { readonly signal?: AbortSignal }): Promise<RunView>;
  /**
   * What happens to it from when the first event is asked for until it is done; it is driven as by `wait`, and throws
   * what that would. Each call gives a reader of its own. A reader that is slow holds nothing up, and `break` ends only
   * the reading.
   */
  events(): AsyncIterableIterator<RunEvent>;
  /** What became of its rows, in the order of the input, from disk: one at a time, also while the run is under way. */
  results(options?: ResultsOptions): AsyncIterableIterator<ResultRow>;
  /** As `batchrun status --json` shows it. */
  status(): Promise<RunView>;
  /** Begins to drive it, and does not wait. */
  start(): void;
  /** Stops its batches, collects what they had finished, and gives the run as it is at the end. */
  cancel(): Promise<RunView>;
  /**
   * What is wanted of it from now on: a higher `maxCostUsd`, another `priority`, `pilot: 0` for a pilot that was refused.
   * A run that was blocked for it goes on with the next `wait`. Whoever drives it keeps to it from the next round on.
   */
  change(changes: RunChanges): Promise<RunView>;
  /** Another try for rows of a finished run. Gives how many there are; the run goes on by itself. */
  retry(options?: { readonly only?: readonly ('failed' | 'expired' | 'canceled')[] }): Promise<number>;
}
