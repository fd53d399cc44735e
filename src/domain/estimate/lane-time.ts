/**
 * How long each lane takes for so many rows, and which limit it is that makes it so. Both are upper views: buckets are
 * taken to be empty at the beginning, and a wave of batches ends with its slowest.
 */
import type { RowShare } from '../pacing/lane-rate.ts';
import { rowsPerMinute } from '../pacing/lane-rate.ts';
import { mapBand, type Band } from './band.ts';

const MINUTE_MS = 60_000;

export interface BatchLane {
  readonly rows: number;
  readonly chunks: number;
  /** Calls of the batch endpoints a minute. */
  readonly callsPerMinute: number;
  /** Requests in batches that are not processed yet. */
  readonly queue: number;
  readonly batchesMax: number;
  /** How long one batch takes. */
  readonly batchMs: Band;
}

export type BatchBinding = 'batch_duration' | 'queue' | 'max_batches' | 'batch_calls';

export interface BatchTime {
  readonly ms: Band;
  /** Batches under way together. */
  readonly atOnce: number;
  /** One after the other. */
  readonly waves: number;
  readonly binding: BatchBinding;
}

export function batchTime(lane: BatchLane): BatchTime {
  const { chunks, callsPerMinute, batchMs } = lane;
  const atOnce = batchesAtOnce(lane);
  const waves = Math.max(1, Math.ceil(chunks / atOnce));
  const createsMs = (chunks / callsPerMinute) * MINUTE_MS;
  const ms = mapBand(batchMs, (one) => Math.max(waves * one, createsMs + one));
  return { ms, atOnce, waves, binding: bindingOf(lane, { waves, createsMs }) };
}

/** At least one: a chunk that is larger than the queue never goes, and is refused elsewhere. */
function batchesAtOnce({ rows, chunks, queue, batchesMax }: BatchLane): number {
  const chunkRows = Math.max(1, Math.ceil(rows / Math.max(1, chunks)));
  return Math.max(1, Math.min(batchesMax, Math.floor(queue / chunkRows)));
}

function bindingOf(
  lane: BatchLane,
  { waves, createsMs }: { readonly waves: number; readonly createsMs: number },
): BatchBinding {
  if (createsMs > waves * lane.batchMs.expected) return 'batch_calls';
  if (waves === 1) return 'batch_duration';
  return batchesAtOnce({ ...lane, batchesMax: Infinity }) < lane.batchesMax ? 'queue' : 'max_batches';
}

/** Rows whose batches end within this time, if each takes so long. */
export function batchRowsWithin(lane: BatchLane, withinMs: number, batchMs: number): number {
  const waves = Math.floor(withinMs / Math.max(1, batchMs));
  const chunks = Math.min(lane.chunks, waves * batchesAtOnce(lane));
  // Also their creates take time.
  const createsMs = (chunks / lane.callsPerMinute) * MINUTE_MS;
  if (chunks === 0 || createsMs + batchMs > withinMs) return 0;
  return chunks === lane.chunks ? lane.rows : Math.floor((lane.rows / lane.chunks) * chunks);
}

export type RealtimeBinding = 'rpm' | 'itpm' | 'otpm' | 'tpm' | 'concurrency';

/** One limit of a minute, and what a row takes of it on average over all rows. */
export interface RealtimeShare extends RowShare {
  readonly binding: Exclude<RealtimeBinding, 'concurrency'>;
  /** The models that share it. */
  readonly rateClass: string;
}

export interface RealtimeLane {
  readonly rows: number;
  /** Limits that are not known are left out. Cache reads take nothing of the input limit. */
  readonly shares: readonly RealtimeShare[];
  readonly concurrency: number;
  readonly latencyMs: number;
}

export interface RealtimeBound {
  readonly binding: RealtimeBinding;
  /** Null: of our own, the calls at once. */
  readonly share: RealtimeShare | null;
  readonly rowsPerMinute: number;
}

export interface RealtimeTime {
  readonly ms: number;
  readonly rowsPerMinute: number;
  /** All bounds, the narrowest first. */
  readonly bounds: readonly [RealtimeBound, ...RealtimeBound[]];
}

export function realtimeTime(lane: RealtimeLane): RealtimeTime {
  const { rows, shares, concurrency, latencyMs } = lane;
  const own: RealtimeBound = {
    ...{ binding: 'concurrency', share: null },
    rowsPerMinute: rowsPerMinute([], { concurrency, latencyMs }),
  };
  const bounds: [RealtimeBound, ...RealtimeBound[]] = [own];
  for (const share of shares) {
    if (share.eachRow <= 0) continue;
    const rate = rowsPerMinute([share], { concurrency: Infinity, latencyMs: 1 });
    bounds.push({ binding: share.binding, share, rowsPerMinute: rate });
  }
  bounds.sort((one, other) => one.rowsPerMinute - other.rowsPerMinute);
  const rate = bounds[0].rowsPerMinute;
  return { ms: (rows / rate) * MINUTE_MS + latencyMs, rowsPerMinute: rate, bounds };
}

/** Rows that are answered within this time. */
export function realtimeRowsWithin(
  time: Pick<RealtimeTime, 'rowsPerMinute'>,
  withinMs: number,
  latencyMs: number,
): number {
  return Math.max(0, Math.floor((time.rowsPerMinute * (withinMs - latencyMs)) / MINUTE_MS));
}
