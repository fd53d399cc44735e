/**
 * Commands that the page starts, as it shows them: which, for which run, what they said last, and how they ended. Who
 * starts them is the command line's affair.
 */

export interface TaskView {
  readonly id: number;
  /** As it would be typed. */
  readonly command: string;
  readonly run: string;
  readonly started_at: string;
  /** Null while it runs. */
  readonly exit: number | null;
  /** What the exit code means. */
  readonly outcome: string | null;
  readonly lines: readonly string[];
}

export type RetryState = 'failed' | 'expired' | 'canceled';
export const RETRY_STATES: readonly RetryState[] = ['failed', 'expired', 'canceled'];

export interface ServeTasks {
  list(): readonly TaskView[];
  /** Null where commands can be started; else why not. */
  readonly missing: string | null;
  cancel(runId: string): TaskView;
  retry(runId: string, states: readonly RetryState[], drives: boolean): TaskView;
  collect(runId: string): TaskView;
  /** As Ctrl-C would. */
  stop(id: number): boolean;
}
