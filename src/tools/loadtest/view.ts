/**
 * What a load test came to, as `--json` prints it and as text and page are made of it. It holds figures and names of
 * models only: no prompt, no answer, no key.
 */
import type { KneeView, LoadChange, LatenciesView, LatencyView, LoadSettingsView } from './live.ts';
import type { LimitsView } from './rate-watch.ts';
import type { EndedBy } from './settings.ts';
import type { Verdict } from './thresholds.ts';

export interface LoadView {
  readonly settings: LoadSettingsView;
  /** What the live page changed while the test ran, oldest first. */
  readonly changes: readonly LoadChange[];
  readonly started_at: string;
  readonly elapsed_seconds: number;
  /** Why nothing more was sent: duration, max_requests, max_cost, knee, nothing_succeeds, stopped. */
  readonly ended_by: EndedBy;
  readonly requests: {
    readonly sent: number;
    readonly succeeded: number;
    readonly rate_limited: number;
    readonly failed: number;
    readonly failures: Readonly<Record<string, number>>;
    readonly canceled: number;
  };
  readonly tokens: { readonly input: number; readonly output: number };
  readonly throughput: {
    /** Answers that came whole. */
    readonly requests_per_minute: number;
    readonly input_tokens_per_minute: number;
    readonly output_tokens_per_minute: number;
  };
  /** At list prices; of the simulator what the same would cost at the API. */
  readonly cost_usd: {
    readonly total: number | null;
    /** What requests without a whole answer may have cost on top, at most. */
    readonly uncertain: number;
    readonly charged: boolean;
  };
  readonly latency: LatenciesView;
  /** Output tokens a second of single streamed answers, after their first token. */
  readonly tokens_per_second: SpeedView | null;
  readonly connections: number;
  readonly bytes: number;
  readonly by_request: readonly PartView[];
  readonly by_stage: readonly StageView[];
  readonly knee: KneeView | null;
  readonly limits: readonly LimitsView[];
  readonly thresholds: readonly Verdict[];
  readonly findings: readonly string[];
  readonly tester: { readonly lag_p50_ms: number; readonly lag_p99_ms: number };
}

export interface SpeedView {
  readonly mean: number;
  readonly p10: number;
  readonly p50: number;
  readonly p90: number;
}

export interface PartView {
  readonly name: string;
  readonly sent: number;
  readonly succeeded: number;
  readonly rate_limited: number;
  readonly failed: number;
  readonly input_tokens: number;
  readonly output_tokens: number;
  readonly total: LatencyView | null;
  readonly service: LatencyView | null;
  readonly first_token: LatencyView | null;
}

export interface StageView extends Omit<PartView, 'name'> {
  readonly from_seconds: number;
  readonly to_seconds: number;
  readonly rate_per_second: number;
}
