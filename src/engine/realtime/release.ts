/**
 * Sealed chunks whose rows are called instead of being uploaded: their rows get records of their own and wait for the
 * realtime lane. Chunk by chunk, as the lane needs them, so that neither the ledger nor memory fills up with what will
 * be called in hours.
 *
 * A chunk of which a batch may have been made is never among them: its rows may still be answered there.
 */
import { hasRealtime } from '../../domain/lane-mix.ts';
import { goesRealtime, isSent } from '../../domain/lanes.ts';
import { wishesOf, type ChunkRecord, type RunRecord } from '../../domain/model.ts';
import { BATCH_AGEING_MS, turnOf } from '../../domain/priority.ts';
import { pilotHolds } from '../pilot/pilot-hold.ts';
import type { RealtimeLane } from './realtime.ts';
import { chunkKey, type Session } from '../session.ts';

/** Rows of a run that wait at least before more are released: what the fastest lane does between two looks. */
const WAITING_ROWS_MIN = 2_000;

/** Gives the lane what runs that are forced into it need of it now. Gives the number of rows. */
export async function releaseRound(session: Session, lane: RealtimeLane, runIds: readonly string[]): Promise<number> {
  const { store } = session.engine;
  const waiting: { readonly run: RunRecord; readonly chunk: ChunkRecord }[] = [];
  const lacks = new Map<string, number>();
  for (const runId of runIds) {
    const run = await store.run(runId);
    if (!run || !mayCall(run) || !mayRelease(session, run)) continue;
    lacks.set(runId, WAITING_ROWS_MIN - waitingRows(session, lane, run));
    if ((lacks.get(runId) ?? 0) <= 0) continue;
    for (const chunk of await releasable(session, run)) if (goesRealtime(run, chunk)) waiting.push({ run, chunk });
  }
  const turn = ({ run, chunk }: (typeof waiting)[number]): number =>
    turnOf(chunk.priority ?? wishesOf(run).priority, chunk.sealedAtMs, BATCH_AGEING_MS);
  let rows = 0;
  for (const { run, chunk } of waiting.sort((one, other) => turn(one) - turn(other))) {
    const lacking = lacks.get(run.id) ?? 0;
    if (lacking <= 0) continue;
    const released = await releaseChunk(session, chunk);
    lacks.set(run.id, lacking - released);
    rows += released;
  }
  return rows;
}

/** Is all of it called, or are there rows whose route wants it so? */
function mayCall(run: RunRecord): boolean {
  const { lane } = wishesOf(run);
  return lane === 'realtime' || (lane === 'auto' && hasRealtime(run.mix));
}

/** Does anything stop new calls of this run? */
export function mayRelease(session: Session, run: RunRecord): boolean {
  return (run.state === 'ready' || run.state === 'active') && !session.blocks.stopsSending(run.id);
}

/** Sealed chunks of which surely no batch is under way, in their order; none while a pilot is to be waited for. */
export async function releasable(session: Session, run: RunRecord): Promise<readonly ChunkRecord[]> {
  const { store } = session.engine;
  if (await pilotHolds(session, run)) return [];
  const sealed = (await store.chunks(run.id, { states: ['sealed'] })).filter(isSent);
  const free = sealed.filter((chunk) => !session.held.has(chunkKey(chunk)) && !session.blocks.stopsChunk(chunk));
  if (free.length === 0) return free;
  const doubled = new Set((await store.secondBatches(run.id)).map(({ chunkNo }) => chunkNo));
  return free.filter(({ chunkNo }) => !doubled.has(chunkNo));
}

export async function releaseChunk({ engine, driver }: Session, chunk: ChunkRecord): Promise<number> {
  const { runId, chunkNo } = chunk;
  const rows = await driver.releaseChunk(runId, chunkNo, engine.clock.now());
  engine.emit({ kind: 'chunk.released', runId, chunkNo, rows });
  return rows;
}

/** Rows whose chunk file cannot be read wait for a person, and must not keep others from being released. */
function waitingRows(session: Session, lane: RealtimeLane, run: RunRecord): number {
  return session.blocks.chunkBlocks(run.id) > 0 ? lane.waiting(run.id) : run.rows.retry;
}
