/**
 * The shape of a run in `--json` and in the library. Fields may be added, never removed; what is not known is null.
 */
import type { CacheView } from '../cache/cache-view.ts';
import type { CoalescedView } from '../copies/coalesced-view.ts';

/** A run as `batchrun status --json` shows it. */
export interface RunView {
  readonly id: string;
  readonly name: string | null;
  readonly state: string;
  readonly canceled: boolean;
  readonly priority: string;
  /** `auto`, `batch` or `realtime`: where its rows may go. */
  readonly lane: string;
  /** Null without `--max-cost`. */
  readonly budget: BudgetShown | null;
  /** Null without `--pilot`, and once somebody has sent the rest all the same. `state`: `open`, `passed` or `refused`. */
  readonly pilot: { readonly rows: number; readonly state: string } | null;
  readonly blocked: readonly BlockView[];
  readonly rows: Readonly<Record<string, number>>;
  readonly chunks: Readonly<Record<string, number>>;
  /** Rows that take the answers of others, and cost nothing; null without `--dedupe` and `--reuse`. */
  readonly coalesced: CoalescedView | null;
  /** Numbers of the chunks whose create got no clear answer. */
  readonly in_doubt: readonly number[];
  readonly usage: Readonly<Record<string, number>>;
  readonly cost_usd: {
    /** Null where an answer came from a model without a known price. */
    readonly spent: number | null;
    /** From what the finished rows cost; null before any has finished. */
    readonly estimated_total: number | null;
    /** What is spent, and what the budget would set aside for every row that is left (domain/reserve.ts); null without a known price. */
    readonly estimated_max: number | null;
  };
  /** Null where nothing was asked for and nothing was cached. */
  readonly cache: CacheView | null;
  readonly lanes: Readonly<Record<string, { readonly rows: number; readonly cost_usd: number }>>;
  readonly models: readonly string[];
  readonly failures: Readonly<Record<string, number>>;
  /** Of the failures `batchrun_schema`: what is wrong with the answers, the most frequent first. */
  readonly schema_errors: Readonly<Record<string, number>>;
  readonly stop_reasons: Readonly<Record<string, number>>;
  readonly inputs: readonly string[];
  readonly output: string | null;
  readonly format: string;
  readonly errors: string | null;
  readonly base_url: string;
  readonly created_at: string;
  readonly done_at: string | null;
  /** Batches that are under way, oldest first. */
  readonly batches: readonly BatchView[];
  /** When the first results that are not collected yet are deleted by the API; null where none are under way. */
  readonly results_vanish_at: string | null;
  /** Null where the run has none. */
  readonly deadline: DeadlineView | null;
  /** While the API holds the run up: as its driver last said. Null where it answers, or the run is done. */
  readonly api_outage: OutageView | null;
  readonly eta: { readonly latest_end: string | null; readonly typical_batch_seconds: number | null };
}

/** What the run may cost, and what of it is spent or set aside. */
export interface BudgetShown {
  readonly max_usd: number;
  readonly spent_usd: number;
  /** What batches and calls under way may come to cost. */
  readonly reserved_usd: number;
  /** Null where nobody can tell, because a model has no known price. */
  readonly left_usd: number | null;
  /** `worst` or `expected`. */
  readonly mode: string;
}

/** When the results are needed, and whether they will be there. */
export interface DeadlineView {
  readonly at: string;
  /** It is over, and rows were or are not done. */
  readonly missed: boolean;
  /** Rows that will be late, as the driver last said; null where nothing was said of late, or the run is done. */
  readonly late_rows: number | null;
}

/** The API does not answer, or with nothing but errors. */
export interface OutageView {
  /** `silent` or `errors`. */
  readonly kind: 'silent' | 'errors';
  readonly since: string;
  /** When that was last so; while a driver goes on it is told again every quarter of an hour. */
  readonly last: string;
  readonly cause: string;
  /** All of it in words. */
  readonly message: string;
}

/** Why something of the run stands still, and what a person must do. */
export interface BlockView {
  readonly reason: string;
  readonly scope: string;
  readonly message: string;
  readonly hint: string;
  readonly since: string;
  /** Batches that may be the ones in question. */
  readonly candidates: readonly string[];
}

/** A batch that is under way. */
export interface BatchView {
  readonly id: string;
  readonly chunk: number;
  readonly rows: number;
  readonly status: string;
  readonly created_at: string;
  readonly expires_at: string;
  readonly results_until: string;
}
