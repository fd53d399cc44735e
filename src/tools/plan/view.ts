/**
 * What a plan says: the shape of its `--json`. Fields may be added, never removed; what is not known is null. Money is in
 * USD, times in seconds; a band is what is expected, and between which two it will most probably be.
 */
import type { Lane } from '../../domain/lane.ts';
import type { Band } from '../../domain/estimate/band.ts';

export interface CostView {
  /** Null where a price is not known. */
  readonly plain: Band | null;
  /** With the shared prefix in the prompt cache; null where it cannot be cached or has no price. */
  readonly cached: Band | null;
  /** What a budget sets aside for all rows (domain/reserve.ts): every answer as long as its max_tokens. */
  readonly worst: number | null;
}

export interface CachingView {
  /** Tokens that all rows begin with. */
  readonly prefix_tokens: number;
  /** The shortest prefix that the model keeps; null where it is not known. */
  readonly min_tokens: number | null;
  readonly possible: boolean;
  readonly pays: boolean;
  /** What is expected to be saved in the batch lane; less than nothing where caching costs more. */
  readonly saved_usd: number | null;
  readonly hit_share: Readonly<Record<'batch' | 'realtime', Band>>;
  readonly why: string;
}

export interface ModelView {
  readonly label: string;
  readonly own: boolean;
  readonly models: readonly string[];
  readonly input_tokens: Band;
  readonly output_tokens: Band;
  readonly output_tokens_max: number;
  readonly input_basis: string;
  readonly output_basis: string;
  readonly sample_rows: number;
  /** Of the input tokens, the farther end: 0.05 is 5 %. */
  readonly input_error: number;
  readonly cost_usd: { readonly batch: CostView; readonly realtime: CostView };
  readonly caching: CachingView;
  /** Null where no answer was seen: `speed_word` is all that is said. */
  readonly answer_seconds: number;
  readonly answer_basis: 'measured' | 'table';
  readonly speed_word: string;
  readonly fits: boolean;
  readonly problems: readonly string[];
  readonly lanes: LanesView;
}

export interface LanesView {
  readonly batch: {
    readonly seconds: Band;
    readonly at_once: number;
    readonly waves: number;
    readonly binding: string;
  };
  readonly realtime: {
    readonly seconds: Band;
    readonly rows_per_minute: number;
    readonly binding: string;
  };
  /** With the shared prefix in the cache, whose reads take nothing of the input limit; null where that is not possible. */
  readonly realtime_cached: {
    readonly seconds: number;
    readonly rows_per_minute: number;
    readonly binding: string;
  } | null;
}

export interface LimitLine {
  readonly name: string;
  readonly rate_class: string;
  readonly value: number;
  readonly source: string;
}

export interface RaiseView {
  /** `rpm`, `itpm`, `otpm`, `tpm`, `concurrency`, `queue`, `max_batches`. */
  readonly limit: string;
  readonly lane: 'batch' | 'realtime';
  readonly from: number;
  readonly to: number;
  readonly seconds_now: number;
  readonly seconds_then: number;
  readonly how: string;
}

export interface SplitView {
  readonly batch_rows: number;
  readonly realtime_rows: number;
  readonly cost_usd: number | null;
}

export interface DeadlineView {
  readonly at: string;
  readonly seconds: number;
  readonly batch: string;
  readonly realtime: string;
  readonly split: SplitView | null;
  readonly sure_split: SplitView | null;
  readonly late_rows: number;
}

export interface BudgetView {
  readonly max_usd: number;
  readonly lane: 'batch' | 'realtime';
  /** `fits`: even if every answer is as long as it may be; `likely`, `unlikely`, `unknown`. */
  readonly verdict: string;
  /** Rows that it surely reaches for; null where nobody can tell. */
  readonly rows_surely: number | null;
}

export interface RecommendationView {
  readonly lane: 'batch' | 'realtime' | 'split';
  readonly model: string;
  readonly reasons: readonly string[];
}

export interface PlanView {
  readonly rows: { readonly total: number; readonly invalid: number; readonly to_send: number };
  readonly chunks: number;
  readonly bytes: number;
  /** Was the API asked, and if not, why not. */
  readonly asked: { readonly count_tokens: boolean; readonly why_not: string | null };
  /** As the rows are first, then by model for all rows. */
  readonly models: readonly [ModelView, ...ModelView[]];
  readonly limits: {
    readonly tier: string | null;
    readonly assumed: boolean;
    readonly lines: readonly LimitLine[];
    readonly monthly_cap_usd: number | null;
  };
  readonly batch_duration: { readonly seconds: Band; readonly batches: number };
  readonly raise: readonly RaiseView[];
  readonly deadline: DeadlineView | null;
  readonly budget: BudgetView | null;
  readonly recommendation: RecommendationView;
  readonly assumptions: readonly string[];
  /** Per route, where there are routes: rows and cost. */
  readonly routes: readonly RouteView[] | null;
  /** What sending identical requests once would save; null where it was not looked for. */
  readonly duplicates: DuplicatesView | null;
  readonly as_of: {
    readonly prices: string;
    readonly tiers: string;
    readonly speeds: string;
    readonly tokenizers: string;
  };
}

export interface RouteView {
  /** Null: the rows that no rule took. */
  readonly route: string | null;
  readonly model: string;
  readonly lane: Lane;
  readonly rows: number;
  readonly cost_usd: number | null;
}

export interface DuplicatesView {
  readonly rows: number;
  /** False: an estimate, from a part of the rows. */
  readonly exact: boolean;
  /** At most. */
  readonly saved_usd: number | null;
}
