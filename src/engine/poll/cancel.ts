/**
 * Stops a run: what was not sent is canceled at once, its batches are asked to stop, and what they had finished by then
 * is collected, because it is paid. Batches that a deadline takes rows from are stopped the same way.
 */
import { BATCH_MISSING_MS_MAX } from '../../domain/limits.ts';
import type { BatchRecord } from '../../domain/model.ts';
import type { KeyLink } from '../engine.ts';
import { linkFor } from '../keys/key-follow.ts';
import { openBatchRecords } from './poll.ts';
import { apiFailureOrThrow, noteFailure, serverNowMs, waitBefore, type Session } from '../session.ts';

/** Refusals that another try may mend, beside the 5xx. */
const PASSING: ReadonlySet<number> = new Set([408, 409, 429]);
/** Refusals that no other try changes: the batch has ended. All others (a key, a passing 404) are asked again. */
const FINAL: ReadonlySet<number> = new Set([400, 405, 410]);

/** One pass over the canceling runs among these, and over batches that nobody needs any more. Batches that did not hear are asked again at the next pass. */
export async function cancelRound(session: Session, runIds: readonly string[]): Promise<void> {
  const { store, clock } = session.engine;
  for (const runId of runIds) {
    const run = await store.run(runId);
    await stopSpares(session, runId);
    if (run?.state !== 'canceling') continue;
    await session.driver.cancelUnsent(runId, clock.now());
    for (const batch of await openBatchRecords(session, [runId])) await stopBatch(session, batch);
  }
}

/** Runs that were canceled beside us: their batches are stopped now; who collects next finishes them. */
export async function stopCanceled(session: Session): Promise<void> {
  const { store, api } = session.engine;
  const canceling = (await store.runs()).filter((run) => run.state === 'canceling' && run.origin === api.origin);
  await cancelRound(
    session,
    canceling.map((run) => run.id),
  );
}

/**
 * Of two batches of one chunk the first that ended whole is used; the others are stopped before they cost more. False
 * while one of them could not be told yet: after its run has ended nobody would look at it any more.
 */
export async function stopSpares(session: Session, runId: string): Promise<boolean> {
  let told = true;
  for (const batch of await session.engine.store.secondBatches(runId, 'spare')) {
    if (!(await stopBatch(session, batch))) told = false;
  }
  return told;
}

/** Only what is surely ours is canceled (design, section 3.1 point 6). False while it has to be tried again. */
export async function stopBatch(session: Session, batch: BatchRecord): Promise<boolean> {
  if (batch.status !== 'in_progress' || !batch.proven) return true;
  const refusal = session.cancelRefusals.get(batch.id);
  if (refusal !== undefined && FINAL.has(refusal)) return true;
  const nowMs = session.engine.clock.monotonicMs();
  if (nowMs >= Math.max(session.cancelNotBeforeMs, session.quietUntilMs)) {
    const link = await linkFor(session, batch);
    if (nowMs >= session.keys.paceOf(link).quietUntilMs) return cancelBatch(session, batch, link);
  }
  return refusal !== undefined && !mayPass(session, batch, refusal);
}

/** Has the API said for good that it will not stop this batch? */
export function cannotStop(session: Session, batch: BatchRecord): boolean {
  const refusal = session.cancelRefusals.get(batch.id);
  return refusal !== undefined && !mayPass(session, batch, refusal);
}

/** A young batch may not be shown everywhere yet (404): it would go on, and nobody would look at it any more. */
function mayPass(session: Session, { createdAtMs }: BatchRecord, status: number): boolean {
  return status === 404 && serverNowMs(session) - createdAtMs <= BATCH_MISSING_MS_MAX;
}

/** Asks for the end of a batch. A refusal is not the end of the world: it ends by itself within a day. */
async function cancelBatch(session: Session, batch: BatchRecord, link: KeyLink): Promise<boolean> {
  const { engine, driver } = session;
  try {
    const info = await link.api.cancelBatch(batch.id, engine.signal);
    // The end of a batch is recorded by the poll, together with the move of its chunk.
    if (info.status !== 'ended') await driver.recordBatchSeen(info);
    session.reach.heard('cancel');
    engine.emit({ kind: 'batch.canceled', runId: batch.runId ?? '', batchId: batch.id });
    return true;
  } catch (error) {
    const failure = apiFailureOrThrow(error);
    noteFailure(session, 'cancel', failure, link);
    session.cancelNotBeforeMs = engine.clock.monotonicMs() + waitBefore(session, 1, failure.retryAfterMs);
    engine.log.warn('batch.not_canceled', { batch: batch.id, status: failure.status });
    const { status } = failure;
    if (status === null || PASSING.has(status) || status >= 500) return false;
    session.cancelRefusals.set(batch.id, status);
    return !mayPass(session, batch, status);
  }
}
