/**
 * One batch of the simulated API: a function of the clock.
 *
 * Nothing runs in the background. When a batch was made and how long it takes are fixed at its creation; its status,
 * its counts and the fate of every row follow from the time at which somebody looks. Only a cancel and a delete are
 * remembered. A row's fate is drawn from the seed and its custom_id, so a row sent again under a new id draws anew.
 */
import type { Clock } from '../../base/clock.ts';
import { refusalAnswer, type Answer } from './answer.ts';
import { drawWeighted, type Draws } from './draw.ts';
import type { RowErrorType, SimRates, SimSettings } from './options.ts';
import type { InputUse } from './prompt-cache.ts';
import type { Problem } from './judge.ts';

/** What is kept of a row: not its params, only what answering needs. */
export interface SimRow {
  readonly customId: string;
  /** The full id behind an alias; as sent where it is unknown. */
  readonly model: string;
  readonly paramsHash: string;
  readonly input: InputUse;
  readonly answer: Answer;
  /** What it says instead, as often as the rate wants it; where a schema is asked for. */
  readonly deviant?: Answer | undefined;
  readonly problem?: Problem;
}

export interface SimBatch {
  readonly id: string;
  readonly ordinal: number;
  readonly organization: string;
  readonly workspace: string;
  readonly rows: readonly SimRow[];
  readonly rates: SimRates;
  readonly createdAtMs: number;
  readonly durationMs: number;
  readonly expiresAtMs: number;
  readonly archivedAtMs: number;
  /** Before it, list and retrieve do not know the batch. */
  readonly visibleAtMs: number;
  readonly expiresWhole: boolean;
  readonly isForeign: boolean;
  cancelAtMs: number | undefined;
  isDeleted: boolean;
  /** Did the client get the answer of its create? */
  wasAnswered: boolean;
  finalCounts: RequestCounts | undefined;
}

export interface RequestCounts {
  readonly processing: number;
  readonly succeeded: number;
  readonly errored: number;
  readonly canceled: number;
  readonly expired: number;
}

export type RowOutcome =
  | { readonly type: 'succeeded'; readonly answer: Answer }
  | { readonly type: 'errored'; readonly problem: Problem }
  | { readonly type: 'canceled' }
  | { readonly type: 'expired' };

export type BatchStatus = 'in_progress' | 'canceling' | 'ended';

/** What is needed to read a batch at a time. */
export interface BatchView {
  readonly settings: SimSettings;
  readonly draws: Draws;
  readonly clock: Clock;
}

function undisturbedEndMs(batch: SimBatch): number {
  if (batch.expiresWhole) return batch.expiresAtMs;
  return Math.min(batch.createdAtMs + batch.durationMs, batch.expiresAtMs);
}

export function endsAtMs(view: BatchView, batch: SimBatch): number {
  const end = undisturbedEndMs(batch);
  if (batch.cancelAtMs === undefined || batch.cancelAtMs >= end) return end;
  return Math.min(end, batch.cancelAtMs + view.settings.cancelDurationMs);
}

export function statusOf(view: BatchView, batch: SimBatch): BatchStatus {
  const now = view.clock.now();
  if (now >= endsAtMs(view, batch)) return 'ended';
  return batch.cancelAtMs !== undefined && now >= batch.cancelAtMs ? 'canceling' : 'in_progress';
}

/** How a row of a batch that has ended came out. */
export function outcomeOf(view: BatchView, batch: SimBatch, row: SimRow): RowOutcome {
  const doneAtMs = batch.expiresWhole
    ? Infinity
    : batch.createdAtMs + batch.durationMs * view.draws('done', row.customId).next();
  const isCanceled = batch.cancelAtMs !== undefined && batch.cancelAtMs < undisturbedEndMs(batch);
  if (isCanceled && doneAtMs > (batch.cancelAtMs ?? 0)) return { type: 'canceled' };
  if (doneAtMs > batch.expiresAtMs) return { type: 'expired' };
  if (row.problem !== undefined) return { type: 'errored', problem: row.problem };
  return drawOutcome(view, batch.rates, row);
}

function drawOutcome(view: BatchView, rates: SimRates, row: SimRow): RowOutcome {
  const rng = view.draws('outcome', row.customId);
  let left = rng.next();
  if ((left -= rates.expireRate) < 0) return { type: 'expired' };
  if ((left -= rates.errorRate) < 0) {
    const type = drawWeighted<RowErrorType>(rng, rates.errorTypes, 'api_error');
    return { type: 'errored', problem: { status: 500, type, message: ROW_ERROR_MESSAGES[type] } };
  }
  if ((left -= rates.billingErrorRate) < 0) return { type: 'errored', problem: CREDIT_TOO_LOW };
  if ((left -= rates.refusalRate) < 0) return { type: 'succeeded', answer: refusalAnswer() };
  const isDeviant = row.deviant !== undefined && view.draws('schema', row.customId).next() < rates.schemaErrorRate;
  return { type: 'succeeded', answer: isDeviant ? row.deviant : row.answer };
}

const ROW_ERROR_MESSAGES: Readonly<Record<RowErrorType, string>> = {
  api_error: 'Internal server error',
  overloaded_error: 'Overloaded',
  timeout_error: 'Request timed out',
  rate_limit_error: 'Rate limited',
  invalid_request_error: 'messages: the request could not be processed',
  request_too_large: 'Request exceeds the maximum size',
};

export const CREDIT_TOO_LOW: Problem = {
  status: 400,
  type: 'invalid_request_error',
  message:
    'Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or purchase credits.',
};

/** All in `processing` until the whole batch has ended (facts 1.3): counts show no progress. */
function countsOf(view: BatchView, batch: SimBatch): RequestCounts {
  if (statusOf(view, batch) !== 'ended') {
    return { processing: batch.rows.length, succeeded: 0, errored: 0, canceled: 0, expired: 0 };
  }
  if (batch.finalCounts !== undefined) return batch.finalCounts;
  const counts = { processing: 0, succeeded: 0, errored: 0, canceled: 0, expired: 0 };
  for (const row of batch.rows) counts[outcomeOf(view, batch, row).type]++;
  batch.finalCounts = counts;
  return counts;
}

/** The MessageBatch object: every key always present. */
export function batchJson(view: BatchView, batch: SimBatch, origin: string): Readonly<Record<string, unknown>> {
  const now = view.clock.now();
  const status = statusOf(view, batch);
  const isEnded = status === 'ended';
  const wasCanceled = batch.cancelAtMs !== undefined && batch.cancelAtMs <= now;
  return {
    id: batch.id,
    type: 'message_batch',
    processing_status: status,
    request_counts: countsOf(view, batch),
    ended_at: isEnded ? isoTime(endsAtMs(view, batch)) : null,
    created_at: isoTime(batch.createdAtMs),
    expires_at: isoTime(batch.expiresAtMs),
    archived_at: isArchived(view, batch) ? isoTime(batch.archivedAtMs) : null,
    cancel_initiated_at: wasCanceled ? isoTime(batch.cancelAtMs ?? now) : null,
    results_url: isEnded ? `${origin}/v1/messages/batches/${batch.id}/results` : null,
  };
}

export function isArchived(view: BatchView, batch: SimBatch): boolean {
  return view.clock.now() >= batch.archivedAtMs;
}

/** Rows that count toward the processing queue. */
export function queuedRows(view: BatchView, batch: SimBatch): number {
  if (statusOf(view, batch) === 'ended') return 0;
  if (view.settings.switches.queueCounts === 'until_batch_ends' || batch.durationMs <= 0) return batch.rows.length;
  // Rows finish evenly over the batch's duration; no need to ask each of them.
  const share = 1 - (view.clock.now() - batch.createdAtMs) / batch.durationMs;
  return Math.ceil(batch.rows.length * Math.max(0, share));
}

function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}
