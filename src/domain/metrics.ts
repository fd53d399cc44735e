/**
 * The metrics of batchrun: names, units and labels, which dashboards rely on. Metrics may be added, never renamed.
 * No label holds a prompt, an answer or a key: keys are masked as for people.
 */

export interface MetricSpec {
  readonly kind: 'gauge' | 'counter';
  readonly help: string;
  readonly labels: readonly string[];
}

export const METRICS = {
  batchrun_rows_total: {
    kind: 'gauge',
    help: 'Rows of a run by state; the states together are all rows of the run.',
    labels: ['run', 'state'],
  },
  batchrun_batches_open: { kind: 'gauge', help: 'Batches of a run that are under way at the API.', labels: ['run'] },
  batchrun_batch_requests_queued: {
    kind: 'gauge',
    help: 'Requests in the batches of a run that are under way at the API.',
    labels: ['run'],
  },
  batchrun_account_batches_open: {
    kind: 'gauge',
    help: 'Batches of the workspace that are under way at the API, foreign ones included.',
    labels: ['pool'],
  },
  batchrun_account_batch_requests_queued: {
    kind: 'gauge',
    help: 'Requests in the batches of the workspace that are under way at the API, foreign ones included.',
    labels: ['pool'],
  },
  batchrun_limit: {
    kind: 'gauge',
    help: 'A limit of the account: calls or tokens a minute (day: a day; queue, batches: at once).',
    labels: ['pool', 'bucket', 'source'],
  },
  batchrun_limit_used_ratio: {
    kind: 'gauge',
    help: 'How much of a limit is used, rolling over its window; 1 is all of it.',
    labels: ['pool', 'bucket'],
  },
  batchrun_bucket_level: {
    kind: 'gauge',
    help: 'Calls or tokens that are left in a bucket, as the limiter counts them.',
    labels: ['pool', 'bucket'],
  },
  batchrun_pause_seconds: {
    kind: 'gauge',
    help: 'How long the API still wants no calls; 0 where it wants them.',
    labels: ['pool'],
  },
  batchrun_requests_total: { kind: 'counter', help: 'Calls of this process.', labels: ['pool', 'key'] },
  batchrun_tokens_total: {
    kind: 'counter',
    help: 'Tokens of the realtime calls of this process.',
    labels: ['pool', 'direction'],
  },
  batchrun_refusals_total: {
    kind: 'counter',
    help: 'Calls of this process that were answered with 429.',
    labels: ['pool', 'key'],
  },
  batchrun_retries_total: {
    kind: 'counter',
    help: 'Calls of this process that failed in passing and are made again, refused ones included.',
    labels: ['pool', 'key'],
  },
  batchrun_row_retries_total: {
    kind: 'counter',
    help: 'Rows that this process has scheduled for another try.',
    labels: ['run'],
  },
  batchrun_call_seconds: {
    kind: 'gauge',
    help: 'Latency of the realtime calls of the process that drives, by quantile.',
    labels: ['pool', 'quantile'],
  },
  batchrun_cost_usd: { kind: 'gauge', help: 'What a run has cost so far.', labels: ['run', 'lane'] },
  batchrun_budget_usd: { kind: 'gauge', help: 'What a run may cost, where it has a budget.', labels: ['run'] },
  batchrun_blocked: {
    kind: 'gauge',
    help: '1 where a person must act before a run goes on.',
    labels: ['run', 'reason'],
  },
  batchrun_deadline_timestamp_seconds: {
    kind: 'gauge',
    help: 'When the results of a run are needed, where it has a deadline, in seconds since 1970.',
    labels: ['run'],
  },
  batchrun_deadline_late_rows: {
    kind: 'gauge',
    help: 'Rows of a run that will be later than its deadline, as it was last said; 0 where all make it.',
    labels: ['run'],
  },
  batchrun_results_vanish_timestamp_seconds: {
    kind: 'gauge',
    help: 'When the API deletes the first results of a run that are not collected yet, in seconds since 1970.',
    labels: ['run'],
  },
  batchrun_api_outage_seconds: {
    kind: 'gauge',
    help: 'How long the API has not answered, or with errors of its own only; 0 where it answers.',
    labels: [],
  },
  batchrun_last_success_timestamp_seconds: {
    kind: 'gauge',
    help: 'When a row last succeeded, or a run last ended, in seconds since 1970.',
    labels: [],
  },
} as const satisfies Record<string, MetricSpec>;

export type MetricName = keyof typeof METRICS;

export interface Reading {
  readonly name: MetricName;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}
