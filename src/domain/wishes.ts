/** What a user wants of a run beyond its rows: how soon, by which lane, for how much. */
import type { Priority } from './priority.ts';

/** What the user wants of a run beyond its rows; all of it can be changed while the run goes on. */
export interface RunWishes {
  readonly priority: Priority;
  /** `auto`: batches, and realtime for few retries and where a deadline asks for it. */
  readonly lane: LaneMode;
  /** When the results are needed. */
  readonly deadlineMs: number | null;
  readonly maxCostUsd: number | null;
  /** What is reserved before something is sent: the most that it can cost, or what it is expected to cost. */
  readonly budgetMode: BudgetMode;
  /** How often an answer that was cut by max_tokens is asked for again with twice as many. */
  readonly retryTruncated: number;
  /** An answer that does not follow the run's schema fails its row, or is asked for again within the attempts. */
  readonly onSchemaError: 'fail' | 'retry';
  /** So many rows are called before anything else is sent, and must not be refused; 0: none (any more). */
  readonly pilot: number;
}

export type LaneMode = 'auto' | 'batch' | 'realtime';
export type BudgetMode = 'worst' | 'expected';

const NO_WISHES: RunWishes = {
  priority: 'normal',
  lane: 'auto',
  deadlineMs: null,
  maxCostUsd: null,
  budgetMode: 'worst',
  retryTruncated: 0,
  onSchemaError: 'fail',
  pilot: 0,
};

export function wishesOf(run: { readonly settings: { readonly wishes?: Partial<RunWishes> } }): RunWishes {
  return { ...NO_WISHES, ...run.settings.wishes };
}
