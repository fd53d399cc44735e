/**
 * Which sealed chunks go next: of all runs that are uploaded, by their priority and by how long they wait, so that nothing
 * waits for ever.
 */
import type { ChunkRecord, RunRecord } from '../../domain/model.ts';
import { wishesOf } from '../../domain/model.ts';
import { goesRealtime, isSent } from '../../domain/lanes.ts';
import { BATCH_AGEING_MS, turnOf } from '../../domain/priority.ts';
import { pilotHolds } from '../pilot/pilot-hold.ts';
import { chunkKey, type Session } from '../session.ts';

export interface PlannedUpload {
  readonly run: RunRecord;
  readonly chunk: ChunkRecord;
  readonly turn: number;
}

export async function planUploads(session: Session, runIds: readonly string[]): Promise<PlannedUpload[]> {
  const { store } = session.engine;
  const plan: PlannedUpload[] = [];
  for (const runId of runIds) {
    if (session.blocks.stopsSending(runId)) continue;
    const run = await store.run(runId);
    if (run?.state !== 'ready' && run?.state !== 'active') continue;
    if (await pilotHolds(session, run)) continue;
    for (const chunk of await store.chunks(runId, { states: ['sealed'] })) {
      if (!isSent(chunk)) continue;
      if (session.held.has(chunkKey(chunk)) || session.blocks.stopsChunk(chunk) || goesRealtime(run, chunk)) continue;
      const priority = chunk.priority ?? wishesOf(run).priority;
      plan.push({ run, chunk, turn: turnOf(priority, run.createdAtMs, BATCH_AGEING_MS) });
    }
  }
  // A stable sort: of equal turns the runs in their order, and their chunks in theirs.
  return plan.sort((one, other) => one.turn - other.turn);
}
