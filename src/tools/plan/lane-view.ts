/**
 * How long the rows take in each lane on the account's limits, and which of these it is that binds.
 */
import { mapBand, type Band } from '../../domain/estimate/band.ts';
import {
  batchTime,
  realtimeTime,
  type BatchLane,
  type BatchTime,
  type RealtimeLane,
  type RealtimeShare,
  type RealtimeTime,
} from '../../domain/estimate/lane-time.ts';
import { rateClassOf } from '../../domain/pacing/rate-class.ts';
import type { PlanAccount } from './account.ts';
import type { Candidate, CandidatePart } from './candidates.ts';
import { answerSeconds } from './answer-time.ts';
import type { LanesView } from './view.ts';

export interface LaneQuestion {
  readonly candidate: Candidate;
  readonly account: PlanAccount;
  readonly chunks: number;
  readonly batchesMax: number;
  readonly concurrency: number;
  /** Input tokens of a row that are read from the cache, as expected; null where caching is not possible. */
  readonly cachedTokens: number | null;
}

export interface LaneTimes {
  readonly batchLane: BatchLane;
  readonly batch: BatchTime;
  readonly realtimeLane: RealtimeLane;
  readonly realtime: RealtimeTime;
  readonly view: LanesView;
}

export function lanesOf(question: LaneQuestion): LaneTimes {
  const { account, chunks, batchesMax } = question;
  const rows = rowsOf(question.candidate);
  const batchLane: BatchLane = {
    ...{ rows, chunks, batchesMax, batchMs: account.batchMs.ms },
    queue: account.batch.queue.value,
    callsPerMinute: account.batch.calls.value,
  };
  const batch = batchTime(batchLane);
  const lane = (end: keyof Band): RealtimeLane => realtimeLane(question, rows, end);
  const realtimeLaneExpected = lane('expected');
  const realtime = realtimeTime(realtimeLaneExpected);
  const seconds: Band = mapBand(
    { low: realtimeTime(lane('low')).ms, expected: realtime.ms, high: realtimeTime(lane('high')).ms },
    (ms) => ms / 1_000,
  );
  const view: LanesView = {
    batch: {
      seconds: mapBand(batch.ms, (ms) => ms / 1_000),
      at_once: Math.min(batch.atOnce, chunks),
      waves: batch.waves,
      binding: batch.binding,
    },
    realtime: { seconds, rows_per_minute: realtime.rowsPerMinute, binding: realtime.bounds[0].binding },
    realtime_cached: cachedView(question.cachedTokens, realtimeLaneExpected),
  };
  return { batchLane, batch, realtimeLane: realtimeLaneExpected, realtime, view };
}

/** Cache reads take nothing of the input limit (facts, section 3.3). */
function cachedView(cachedTokens: number | null, lane: RealtimeLane): LanesView['realtime_cached'] {
  if (cachedTokens === null) return null;
  const shares = lane.shares.map((share) => {
    const counts = share.binding === 'itpm' || share.binding === 'tpm';
    return counts ? { ...share, eachRow: Math.max(0, share.eachRow - cachedTokens) } : share;
  });
  const { ms, rowsPerMinute, bounds } = realtimeTime({ ...lane, shares });
  return { seconds: ms / 1_000, rows_per_minute: rowsPerMinute, binding: bounds[0].binding };
}

function realtimeLane({ candidate, account, concurrency }: LaneQuestion, rows: number, end: keyof Band): RealtimeLane {
  const classes = [...new Set(candidate.parts.map(({ model }) => rateClassOf(model)))];
  const shares = classes.flatMap((rateClass) => {
    const parts = candidate.parts.filter(({ model }) => rateClassOf(model) === rateClass);
    return sharesOf({ account, rateClass, parts, rows, end });
  });
  const latencyMs = answerSeconds(candidate, account).seconds * 1_000;
  return { rows, shares, concurrency, latencyMs };
}

interface ClassLoad {
  readonly account: PlanAccount;
  readonly rateClass: string;
  readonly parts: readonly CandidatePart[];
  readonly rows: number;
  readonly end: keyof Band;
}

function sharesOf({ account, rateClass, parts, rows, end }: ClassLoad): RealtimeShare[] {
  const limits = account.limitsOf(parts[0]?.model ?? '');
  const each = (of: (part: CandidatePart) => number): number =>
    parts.reduce((sum, part) => sum + of(part), 0) / Math.max(1, rows);
  const input = each((part) => part.input.tokens[end]);
  const output = each((part) => part.output.tokens[end]);
  const all = [
    { binding: 'rpm', limit: limits.requests, eachRow: each(({ part }) => part.rows) },
    { binding: 'itpm', limit: limits.input, eachRow: input },
    { binding: 'otpm', limit: limits.output, eachRow: output },
    { binding: 'tpm', limit: limits.tokens, eachRow: input + output },
  ] as const;
  return all.flatMap(({ binding, limit, eachRow }) =>
    limit === null ? [] : [{ binding, rateClass, perMinute: limit.value, eachRow }],
  );
}

function rowsOf({ parts }: Candidate): number {
  return parts.reduce((sum, { part }) => sum + part.rows, 0);
}
