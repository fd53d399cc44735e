/**
 * A load test while it runs, for whoever shows or steers it: the terminal and the live page. A snapshot is plain JSON,
 * whole at any time and bounded in size; steering takes effect at once and never lifts a bound that was given.
 */
import type { ArrivalShape } from './arrivals.ts';

/** `stopping`: nothing new is sent, what is under way may end. */
export type LoadState = 'running' | 'stopping' | 'done';

export interface LoadControl {
  snapshot(): LoadSnapshot;
  /** Of the closed model: from now on so many users. Those too many leave after the answer in hand. */
  setUsers(users: number): void;
  /** Of the open model: from now on so many arrivals a second, in place of the plan. */
  setRate(perSecond: number): void;
  /** Nothing new is sent. Once is enough, twice is the same. */
  stop(): void;
  /** Told about once a second, and when the state changes. Gives what takes the listener away again. */
  onChange(listener: () => void): () => void;
}

/** What was asked for. */
export interface LoadSettingsView {
  /** `sim`, or the base URL that is tested. */
  readonly target: string;
  /** `closed`: users who wait for answers; `open`: arrivals that wait for nothing. */
  readonly load: 'closed' | 'open';
  readonly users: number | null;
  readonly spawn_per_second: number | null;
  readonly think_seconds: readonly [number, number] | null;
  readonly arrivals: ArrivalShape | null;
  readonly rate_per_second: readonly [number, number] | null;
  readonly turns: number;
  readonly stream: boolean;
  readonly models: readonly string[];
  readonly duration_seconds: number;
  readonly max_requests: number;
  readonly max_cost_usd: number | null;
  readonly timeout_seconds: number;
  readonly seed: number;
  readonly fail_if: string | null;
}

/** Somebody has changed the load while it ran. */
export interface LoadChange {
  readonly at_seconds: number;
  /** From then on; null in the open model. */
  readonly users: number | null;
  /** From then on; null in the closed model. */
  readonly per_second: number | null;
}

/** Times of many requests. */
export interface LatencyView {
  readonly count: number;
  readonly mean_ms: number;
  readonly p50_ms: number;
  readonly p75_ms: number;
  readonly p90_ms: number;
  readonly p95_ms: number;
  readonly p99_ms: number;
  readonly p99_9_ms: number;
  readonly max_ms: number;
}

/** Null where nothing was measured. */
export interface LatenciesView {
  /** From when a request should have begun to the end of its answer: corrected for coordinated omission. */
  readonly total: LatencyView | null;
  /** From when it was really sent. */
  readonly service: LatencyView | null;
  /** DNS, TCP and TLS of new connections. */
  readonly connect: LatencyView | null;
  /** From the send to the head of the answer. */
  readonly first_byte: LatencyView | null;
  /** From the send to the first token of a streamed answer. */
  readonly first_token: LatencyView | null;
  /** From the head to the end of the answer. */
  readonly stream: LatencyView | null;
}

/** One second of the test. Counts are of requests that ended in it. */
export interface LoadPoint {
  /** Since the start; the point is about the second that begins there. */
  readonly second: number;
  readonly users: number;
  /** Requests under way at its end. */
  readonly in_flight: number;
  /** Arrivals a second that were wanted; null in the closed model. */
  readonly wanted_per_second: number | null;
  /** Requests sent in it. */
  readonly sent: number;
  readonly succeeded: number;
  readonly rate_limited: number;
  readonly failed: number;
  readonly input_tokens: number;
  readonly output_tokens: number;
  /** Of total; null where no request ended well in it. */
  readonly p50_ms: number | null;
  readonly p95_ms: number | null;
  readonly p99_ms: number | null;
  /** Of first_token. */
  readonly first_token_p95_ms: number | null;
}

/** Where refusals begin. */
export interface KneeView {
  /** Highest rate at which nothing, or less than 5 %, was refused; null where the first one was refused already. In requests a second. */
  readonly last_clean_per_second: number | null;
  /** Lowest rate at which 5 % or more were refused; null where there was none. */
  readonly first_refused_per_second: number | null;
  /** What was let through a second while others were refused; null where that was too short to tell. */
  readonly sustained_per_second: number | null;
  /** Which limit was hit first, as far as it can be told. */
  readonly bound_by: LimitName | null;
  /** Rate of this mix at which the first limit is met that the headers tell of; null where they tell too little. In the
   *  long run: a full bucket lets a burst through. */
  readonly told_per_second: number | null;
  readonly told_by: LimitName | null;
  /** So much any limit by the minute lets through for long; of what is above it nobody knows after so short a test. */
  readonly sure_per_second: number | null;
}

export type LimitName = 'requests' | 'input_tokens' | 'output_tokens' | 'tokens';

export interface LoadSnapshot {
  readonly state: LoadState;
  readonly settings: LoadSettingsView;
  /** ISO 8601. */
  readonly started_at: string;
  readonly elapsed_seconds: number;
  readonly users: number;
  readonly in_flight: number;
  /** Users that were asked for last; null in the open model. */
  readonly wanted_users: number | null;
  readonly wanted_per_second: number | null;
  readonly sent: number;
  readonly succeeded: number;
  /** Refused with 429; not among the failed. */
  readonly rate_limited: number;
  readonly failed: number;
  /** By kind: `timeout`, `connection`, `overloaded_error`, … */
  readonly failures: Readonly<Record<string, number>>;
  /** Broken off when the test stopped; in no other count. */
  readonly canceled: number;
  readonly input_tokens: number;
  readonly output_tokens: number;
  /** At list prices, also of the simulator, which costs nothing; null where a price is not known. */
  readonly cost_usd: number | null;
  /** Of the last ten seconds. */
  readonly requests_per_second: number;
  readonly latency: LatenciesView;
  readonly knee: KneeView | null;
  /** Oldest first, at most LIVE_POINTS_MAX: of long tests every nth second. */
  readonly points: readonly LoadPoint[];
}

export const LIVE_POINTS_MAX = 600;
