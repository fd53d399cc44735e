/**
 * Which lane a chunk or a waiting row of a run goes to: what the user forces comes first, then what its route
 * has chosen, then what a row can do at all, then a deadline that presses, then how many wait at once.
 */
import { LONG_OUTPUT_BETA, REALTIME_BYTES_MAX } from './limits.ts';
import { laneOfMix } from './lane-mix.ts';
import { wishesOf, type ChunkRecord, type Lane, type LaneMode, type RetryLaneMode, type RunRecord } from './model.ts';

export interface RetryLaneQuestion {
  readonly mode: RetryLaneMode;
  /** Rows of the run that wait for a retry now, this one included. */
  readonly waitingNow: number;
  readonly runRows: number;
  /** Bytes of this row's request, and its betas. */
  readonly requestBytes: number;
  readonly betas: readonly string[];
}

/** Up to so many rows waiting at once are tried again in the realtime lane (`--retry-lane auto`). */
export function realtimeRetryRowsMax(runRows: number): number {
  return Math.max(100, Math.floor(runRows / 100));
}

/** Rows over the size of a Messages request, or with the batch-only long output, have no other lane than batch. */
export function realtimeAllowed(row: Pick<RetryLaneQuestion, 'requestBytes' | 'betas'>): boolean {
  return row.requestBytes <= REALTIME_BYTES_MAX && !row.betas.includes(LONG_OUTPUT_BETA);
}

/** The lane of a row's next attempt; null: there is none (`--retry-lane none`). */
export function retryLane(question: RetryLaneQuestion): Lane | null {
  if (question.mode === 'none') return null;
  if (question.mode === 'batch' || !realtimeAllowed(question)) return 'batch';
  if (question.mode === 'realtime') return 'realtime';
  return question.waitingNow <= realtimeRetryRowsMax(question.runRows) ? 'realtime' : 'batch';
}

type ChunkShape = Pick<ChunkRecord, 'kind' | 'betas' | 'mix' | 'bytes'>;

/** Does it go to the API at all? Copy chunks take answers that others get. */
export function isSent({ answers }: Pick<ChunkRecord, 'answers'>): boolean {
  return answers === 'api';
}

/** May the rows of this chunk be called one by one? */
export function mayBeCalled(chunk: ChunkShape): boolean {
  if (!realtimeAllowed({ requestBytes: 0, betas: chunk.betas })) return false;
  // What the lane does not take comes back as a chunk of retries: such a chunk has no other way than a batch.
  return chunk.kind === 'input' || largestBytes(chunk) <= REALTIME_BYTES_MAX;
}

/** Around the params of a row: its wire id, and the braces. */
const FRAME_BYTES = 128;

/** May this row be called? One that may not is no pilot (domain/pilot.ts). */
export function mayPilot(row: { readonly paramsBytes: number; readonly betas: readonly string[] }): boolean {
  return realtimeAllowed({ requestBytes: row.paramsBytes + FRAME_BYTES, betas: row.betas });
}

/** Is this sealed chunk not to be uploaded, because its rows are called (engine/realtime/release.ts)? */
export function goesRealtime(run: Pick<RunRecord, 'settings'>, chunk: ChunkShape): boolean {
  return laneWanted(run, laneOfMix(chunk.mix)) === 'realtime' && mayBeCalled(chunk);
}

/** What is forced for the whole run goes before what a route has chosen for a row. */
export function laneWanted(run: Pick<RunRecord, 'settings'>, routed: Lane | null): LaneMode {
  const { lane } = wishesOf(run);
  return lane === 'auto' ? (routed ?? 'auto') : lane;
}

export interface WaitingRowQuestion {
  readonly requestBytes: number;
  readonly betas: readonly string[];
  /** The run makes its deadline in the realtime lane only. */
  readonly hurries: boolean;
  /** The one that its route has chosen. */
  readonly routed?: Lane | null;
}

/** The lane of a row that waits for another try, or for its first one. */
export function laneOfWaiting(run: Pick<RunRecord, 'settings' | 'rows' | 'totalRows'>, row: WaitingRowQuestion): Lane {
  const lane = laneWanted(run, row.routed ?? null);
  if (lane === 'batch' || !realtimeAllowed(row)) return 'batch';
  if (lane === 'realtime' || row.hurries) return 'realtime';
  const { retryLane: mode } = run.settings;
  const { requestBytes, betas } = row;
  const question = { waitingNow: run.rows.retry, runRows: run.totalRows, requestBytes, betas };
  // A first try is no retry: with `none` it goes the cheap way.
  return retryLane({ mode: mode === 'none' ? 'batch' : mode, ...question }) ?? 'batch';
}

/** States of batchrun 0.1 did not keep it: then no more is known than the size of the whole. */
function largestBytes({ mix, bytes }: ChunkShape): number {
  return Math.max(0, ...Object.values(mix).map((part) => part.largestBytes ?? bytes));
}
