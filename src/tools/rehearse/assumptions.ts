/**
 * What a rehearsal takes for granted where nothing was measured: how long batches and calls take, how fast bodies travel,
 * how long answers are, and what goes wrong how often. As of 2026-11-20. Each has its source or its reason beside it, and
 * every report names those that it used.
 *
 * "facts" is the facts page that batchrun is built from (documentation of autumn 2026 and reports of users).
 */
import type { Rng } from '../../base/random.ts';
import type { FaultRates } from '../sim/faults.ts';
import type { SimRates } from '../sim/options.ts';

export const ASSUMPTIONS_AS_OF = '2026-11-20';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

/**
 * "Most batches finish in less than an hour", and 24 h is the end (facts 1.4). Read as: nine of ten within the hour, half
 * within 20 minutes, one in fifty after three hours. Batches of one to three rows took 10 s to 5 min in recordings (facts
 * 9), so the quickest are there too. In between it is even on a logarithmic scale.
 */
const BATCH_QUANTILES: readonly (readonly [share: number, ms: number])[] = [
  [0, MINUTE_MS],
  [0.1, 4 * MINUTE_MS],
  [0.5, 20 * MINUTE_MS],
  [0.9, HOUR_MS],
  [0.98, 3 * HOUR_MS],
  [1, 12 * HOUR_MS],
];
export const BATCH_DURATIONS_TEXT = 'half within 20 min, nine of ten within 1 h, one in fifty over 3 h';

export function drawDocumentedMs(rng: Rng): number {
  const share = rng.next();
  const at = BATCH_QUANTILES.findIndex(([next]) => share <= next);
  const [toShare, toMs] = BATCH_QUANTILES[Math.max(1, at)] ?? [1, HOUR_MS];
  const [fromShare, fromMs] = BATCH_QUANTILES[Math.max(1, at) - 1] ?? [0, MINUTE_MS];
  return fromMs * (toMs / fromMs) ** ((share - fromShare) / (toShare - fromShare));
}

/** Calls of the batch endpoints: no figure is documented; small answers of an API across the internet. */
export const CALL_LATENCY_MS = [150, 500] as const;

/**
 * A message: the time to the first token, and from there so many tokens a second. Neither is documented; taken as users
 * report it of models in the middle. `plan` has speeds by line of models; what this account measured stands before both.
 */
const FIRST_TOKEN_MS = [600, 1_800] as const;
const TOKENS_PER_SECOND = [50, 90] as const;
export const MESSAGE_LATENCY_TEXT = '0.6 to 1.8 s to the first token, then 50 to 90 tokens a second';

export function drawAssumedLatencyMs(rng: Rng, outputTokens: number): number {
  const [firstLeast, firstMost] = FIRST_TOKEN_MS;
  const [slow, fast] = TOKENS_PER_SECOND;
  const first = firstLeast + rng.next() * (firstMost - firstLeast);
  return first + (outputTokens / (slow + rng.next() * (fast - slow))) * 1_000;
}

/** How often 95 in 100 calls are slower than half of them is taken to be normal on a logarithmic scale. */
const P95_DEVIATIONS = 1.645;

/** A latency with this half-way point and this 95th percentile. */
export function drawMeasuredLatencyMs(rng: Rng, { p50Ms, p95Ms }: { p50Ms: number; p95Ms: number }): number {
  const deviation = Math.log(Math.max(1, p95Ms / Math.max(1, p50Ms))) / P95_DEVIATIONS;
  // Box and Muller; never the logarithm of nothing.
  const normal = Math.sqrt(-2 * Math.log(1 - rng.next())) * Math.cos(2 * Math.PI * rng.next());
  return Math.max(1, p50Ms) * Math.exp(deviation * normal);
}

/** 100 Mbit/s each way: an office line or a small machine in a data centre. */
export const TRANSFER_BYTES_PER_SECOND = 12_500_000;

export type FaultLevel = 'none' | 'light' | 'heavy';

export interface Faults {
  /** For the report. */
  readonly text: string;
  /** By occasion: each create, each look, each download, each message. */
  readonly faults: FaultRates;
  /** By row. */
  readonly rates: Partial<SimRates>;
  /** Batches take so many times as long. */
  readonly slowness: number;
}

/**
 * An ordinary night: every fault that users reported of the API comes up now and then (facts 1.12, 7, 10), so that in a
 * run of a hundred batches one or two of each kind are met. One row in a thousand ends errored by the API's own fault;
 * overloads of the message endpoint (529) are the most frequent error that users report.
 */
const LIGHT: Faults = {
  text: 'light: now and then a lost answer, a 429, a 529, a cut file; 1 row in 1,000 errored',
  faults: {
    'create.429': 0.01,
    'create.500_before': 0.01,
    'create.504_after': 0.005,
    'create.reset_after': 0.005,
    'list.503': 0.005,
    'retrieve.404': 0.02,
    'results.404': 0.02,
    'results.503': 0.01,
    'results.cut_line': 0.01,
    'results.reset': 0.01,
    'message.429': 0.005,
    'message.500': 0.005,
    'message.529': 0.02,
    'message.reset': 0.001,
  },
  rates: { errorRate: 0.001, errorTypes: { api_error: 0.5, overloaded_error: 0.4, timeout_error: 0.1 } },
  slowness: 1,
};

/**
 * A night with an incident: one create in four goes wrong somehow, one in ten of them with its batch made and the answer
 * lost; looks and downloads fail by the dozen; batches take twice as long ("heavy load may raise expiry", facts 1.5), one
 * in a hundred runs into its 24 h, and one row in fifty comes back errored or expired.
 */
const HEAVY: Faults = {
  text: 'heavy: an incident; 1 create in 4 goes wrong, batches take twice as long, 3 rows in 100 errored or expired',
  faults: {
    'create.429': 0.05,
    'create.500_before': 0.08,
    'create.reset_before': 0.02,
    'create.504_after': 0.06,
    'create.reset_after': 0.03,
    'create.garbage_answer': 0.01,
    'list.404': 0.01,
    'list.503': 0.1,
    'list.500': 0.02,
    'list.lag': 0.2,
    'retrieve.404': 0.1,
    'retrieve.500': 0.05,
    'results.404': 0.1,
    'results.503': 0.05,
    'results.cut_line': 0.08,
    'results.cut_inside': 0.04,
    'results.reset': 0.05,
    'results.duplicate_line': 0.01,
    'message.429': 0.02,
    'message.500': 0.03,
    'message.529': 0.15,
    'message.reset': 0.01,
    'message.reset_before': 0.02,
    'batch.expire': 0.01,
  },
  rates: {
    errorRate: 0.02,
    expireRate: 0.01,
    errorTypes: { api_error: 0.4, overloaded_error: 0.5, timeout_error: 0.1 },
  },
  slowness: 2,
};

const NONE: Faults = { text: 'none: everything works', faults: {}, rates: {}, slowness: 1 };

export const FAULT_LEVELS: Readonly<Record<FaultLevel, Faults>> = { none: NONE, light: LIGHT, heavy: HEAVY };
