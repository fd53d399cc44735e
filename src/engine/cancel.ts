/**
 * Stops a run: what was not sent is canceled at once, its batches are asked to stop, and what they had finished by then
 * is collected, because it is paid.
 */
import type { BatchRecord } from '../domain/model.ts';
import { openBatchRecords } from './poll.ts';
import { apiFailureOrThrow, waitBefore, type Session } from './session.ts';

/** One pass over the canceling runs among these. Batches that did not hear are asked again at the next pass. */
export async function cancelRound(session: Session, runIds: readonly string[]): Promise<void> {
  const { store, clock } = session.engine;
  for (const runId of runIds) {
    const run = await store.run(runId);
    if (run?.state !== 'canceling') continue;
    await session.driver.cancelUnsent(runId, clock.now());
    for (const batch of await openBatchRecords(session, [runId])) {
      // Only what is surely ours is canceled (design, section 3.1 point 6).
      const due = clock.now() >= session.cancelNotBeforeMs;
      if (due && batch.status === 'in_progress' && batch.proven) await cancelBatch(session, batch);
    }
  }
}

/** Asks for the end of a batch. A refusal is not the end of the world: it ends by itself within a day. */
async function cancelBatch(session: Session, batch: BatchRecord): Promise<void> {
  const { engine, driver } = session;
  try {
    const info = await engine.api.cancelBatch(batch.id, engine.signal);
    // The end itself is recorded by the poll, together with the move of the chunk.
    if (info.status !== 'ended') await driver.recordBatchSeen(info);
    session.reach.heard();
    engine.emit({ kind: 'batch.canceled', runId: batch.runId ?? '', batchId: batch.id });
  } catch (error) {
    const failure = apiFailureOrThrow(error);
    session.reach.silent(failure, engine.clock.now());
    session.cancelNotBeforeMs = engine.clock.now() + waitBefore(session, 1, failure.retryAfterMs);
    engine.log.warn('a batch could not be canceled yet', { batch: batch.id, status: failure.status });
  }
}
