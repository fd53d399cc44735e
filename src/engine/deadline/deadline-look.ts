/**
 * Where the rows of a run with a deadline are, how long batches take and how fast the lane is: what the plan
 * (domain/deadline.ts) is made from.
 */
import {
  HISTORY_BATCHES,
  slowBatchMs,
  type BatchPiece,
  type DeadlineQuestion,
  type SealedPiece,
} from '../../domain/deadline.ts';
import { laneOfMix } from '../../domain/lane-mix.ts';
import { goesRealtime, isSent, laneWanted, mayBeCalled } from '../../domain/lanes.ts';
import { wishesOf, type BatchRecord, type ChunkRecord, type RunRecord } from '../../domain/model.ts';
import { budgetOf, reservationOf } from '../budget/budget.ts';
import { cannotStop } from '../poll/cancel.ts';
import { laneRateOf } from '../realtime/lane-rate.ts';
import { releasable } from '../realtime/release.ts';
import { serverNowMs, type Session } from '../session.ts';

/** How long the API takes to stop a batch is not documented: calls under way may finish (facts, section 1.8). */
const STOP_MS = 5 * 60_000;
/** Rows that are in no chunk yet. */
const NO_CHUNK = 0;

export interface Standing {
  readonly question: DeadlineQuestion;
  /** What may be moved, and what is being stopped, by number. */
  readonly chunks: ReadonlyMap<number, ChunkRecord>;
  readonly batches: ReadonlyMap<number, BatchRecord>;
}

export async function deadlineQuestion(session: Session, run: RunRecord, othersMs: number): Promise<Standing> {
  const { store, clock, pacing } = session.engine;
  const purse = await openPurse(session, run);
  const free = new Set((await releasable(session, run)).map(({ chunkNo }) => chunkNo));
  const chunks = new Map<number, ChunkRecord>();
  const sealed: SealedPiece[] = [];
  const { lane, deadlineMs } = wishesOf(run);
  let laneRows = run.rows.in_realtime;
  // Where only batches are allowed, rows that wait go into one more.
  if (lane !== 'batch') laneRows += run.rows.retry;
  else if (run.rows.retry > 0) sealed.push({ chunkNo: NO_CHUNK, rows: run.rows.retry, movable: false });
  for (const chunk of await store.chunks(run.id, { states: ['sealed'] })) {
    // Its rows are done when others are.
    if (!isSent(chunk)) continue;
    if (goesRealtime(run, chunk)) {
      laneRows += chunk.rowCount;
      continue;
    }
    const movable = mayMove(run, chunk) && free.has(chunk.chunkNo) && (await purse.pays(chunk));
    sealed.push({ chunkNo: chunk.chunkNo, rows: chunk.rowCount, movable });
    chunks.set(chunk.chunkNo, chunk);
  }
  const open = await openChunks(session, run, purse);
  for (const [chunkNo, chunk] of open.chunks) chunks.set(chunkNo, chunk);
  const question = {
    nowMs: clock.now(),
    deadlineMs: deadlineMs ?? Infinity,
    sealed,
    batches: open.pieces,
    laneRows: laneRows + open.comingRows,
    othersMs,
    rowsPerMinute: await laneRateOf(session, run),
    batchMs: slowBatchMs(await store.batchHistory(run.origin, HISTORY_BATCHES)),
    stopMs: STOP_MS,
    batchesMax: pacing.maxBatches,
    hurried: session.deadlines.hurried.has(run.id),
  };
  return { question, chunks, batches: open.batches };
}

/** Neither the run nor a route of its rows keeps them in the batch lane, and they can be called. */
function mayMove(run: RunRecord, chunk: ChunkRecord): boolean {
  return laneWanted(run, laneOfMix(chunk.mix)) === 'auto' && mayBeCalled(chunk);
}

interface OpenChunks {
  readonly pieces: readonly BatchPiece[];
  /** Of batches that are being stopped: as many as come back at most. */
  readonly comingRows: number;
  readonly chunks: ReadonlyMap<number, ChunkRecord>;
  readonly batches: ReadonlyMap<number, BatchRecord>;
}

/** Chunks that are or may be with a batch. Of those that are in doubt nobody knows a batch that could be stopped. */
async function openChunks(session: Session, run: RunRecord, purse: Purse): Promise<OpenChunks> {
  const { store } = session.engine;
  const pieces: BatchPiece[] = [];
  const chunks = new Map<number, ChunkRecord>();
  const batches = new Map<number, BatchRecord>();
  let comingRows = 0;
  const open = await store.chunks(run.id, { states: ['submitting', 'uncertain', 'submitted'] });
  if (open.length === 0) return { pieces, comingRows, chunks, batches };
  const known = new Map(
    (await store.batches(run.id, { chunkStates: ['submitted'] })).map((batch) => [batch.id, batch]),
  );
  // A second batch would go on and answer for the same rows.
  const doubled = new Set((await store.secondBatches(run.id)).map(({ chunkNo }) => chunkNo));
  // The youngest first: they get of the budget what there is.
  for (const chunk of [...open].reverse()) {
    const { chunkNo, rowCount: rows } = chunk;
    const batch = chunk.batchId === null ? undefined : known.get(chunk.batchId);
    if (batch) batches.set(chunkNo, batch);
    chunks.set(chunkNo, chunk);
    if (batch && chunk.hurriedAtMs !== null) {
      comingRows += rows;
      continue;
    }
    // Somebody else stops it: its end is near.
    if (batch && batch.status !== 'in_progress') continue;
    const ageMs = batch ? Math.max(0, serverNowMs(session) - batch.createdAtMs) : 0;
    const stoppable = batch?.proven === true && !doubled.has(chunkNo) && !cannotStop(session, batch);
    const movable = mayMove(run, chunk) && stoppable && (await purse.pays(chunk));
    pieces.push({ chunkNo, rows, ageMs, movable });
  }
  return { pieces, comingRows, chunks, batches };
}

interface Purse {
  /** Does the budget allow these rows at the price of the realtime lane? Then they are counted. */
  pays(chunk: ChunkRecord): Promise<boolean>;
}

/** Rows that the budget does not let through would be done in neither lane. */
async function openPurse(session: Session, run: RunRecord): Promise<Purse> {
  const view = await budgetOf(session, run);
  if (!view) return { pays: () => Promise.resolve(true) };
  const waitingShare = (run.rows.retry + run.rows.in_realtime) / Math.max(1, run.totalRows - run.rows.invalid);
  const wholeUsd = await reservationOf(session, run, { mix: run.mix, lane: 'realtime', view });
  let leftUsd = view.unknown || wholeUsd === null ? 0 : view.leftUsd - wholeUsd * waitingShare;
  return {
    pays: async ({ mix, state }) => {
      const usd = await reservationOf(session, run, { mix, lane: 'realtime', view });
      // What is reserved for its batch is free again when that has ended.
      const freed = state === 'sealed' ? 0 : ((await reservationOf(session, run, { mix, lane: 'batch', view })) ?? 0);
      if (usd === null || usd - freed > leftUsd) return false;
      leftUsd -= usd - freed;
      return true;
    },
  };
}
