/**
 * Runs that were begun by others and that nobody goes on with: a night that was cut short. While the own runs wait, what
 * is paid of them is brought to safety before the API deletes it, one chunk at a time. It costs nothing. Nothing of them is
 * sent and no output is written: whether the rest of a run that somebody may have stopped on purpose is wanted, `collect`
 * is told.
 */
import { isBatchrunError, messageOf } from '../base/errors.ts';
import type { ChunkRecord } from '../domain/model.ts';
import { collectOne } from './collect/collect.ts';
import type { DriveScope } from './scope.ts';
import { blockRun, chunkKey, type Session } from './session.ts';

/** True when the results of a chunk were fetched: there may be more. */
export async function fetchBeside(session: Session, scope: DriveScope): Promise<boolean> {
  const { engine, blocks, fetchWaits, keys } = session;
  const nowMs = engine.clock.monotonicMs();
  const own = new Set(scope.uploading);
  for (const run of await engine.store.runs()) {
    if (run.state !== 'active' || run.origin !== engine.api.origin || own.has(run.id)) continue;
    for (const chunk of await engine.store.chunks(run.id, { states: ['ended'] })) {
      const batch = chunk.batchId === null ? null : await engine.store.batch(chunk.batchId);
      // Of a workspace that none of the keys is of: asked with another key it would look as if it were gone.
      if (batch === null || keys.placeOf(batch.workspace) === null) continue;
      if (blocks.stopsChunk(chunk) || (fetchWaits.get(chunkKey(chunk))?.notBeforeMs ?? 0) > nowMs) continue;
      return fetchOne(session, chunk, scope.runIds);
    }
  }
  return false;
}

/** What is damaged there is told, and must not end what is driven here. */
async function fetchOne(session: Session, chunk: ChunkRecord, runIds: readonly string[]): Promise<boolean> {
  try {
    return await collectOne(session, chunk, runIds);
  } catch (error) {
    if (!isBatchrunError(error, 'E_STATE_CORRUPT') && !isBatchrunError(error, 'E_FILE')) throw error;
    await blockRun(session, chunk.runId, {
      reason: 'results_damaged',
      scope: `chunk:${chunk.chunkNo}`,
      message: `the results of chunk ${chunk.chunkNo} of ${chunk.runId} cannot be fetched: ${messageOf(error)}`,
      hint: `\`batchrun collect ${chunk.runId}\` tries again. Nothing was sent again, and the API keeps them for 29 days.`,
      sinceMs: session.engine.clock.now(),
    });
    return false;
  }
}
