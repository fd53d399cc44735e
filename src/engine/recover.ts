/**
 * What a new driver does first: settles what the last one left open when it died. Resuming is the normal start.
 */
import { OPEN_CHUNK_STATES } from '../domain/transitions.ts';
import { clearRunLeftovers } from './cleanup/leftovers.ts';
import type { RunRecord } from '../domain/model.ts';
import { beginDoubt, type Session } from './session.ts';

export async function recover(session: Session): Promise<void> {
  const { driver, engine } = session;
  const atMs = engine.clock.now();
  for (const attempt of await driver.openAttempts()) {
    // Without its last bytes a body is no JSON: nothing can have been made of it. With them, nobody knows yet.
    const step = { attemptId: attempt.id, atMs, reason: 'the process that sent it died' };
    if (attempt.bodyComplete) {
      await driver.recordUncertain(step);
      beginDoubt(session, attempt.id);
    } else {
      await driver.recordNotCreated(step);
    }
  }
  for (const run of await engine.store.runs()) {
    if (run.state === 'done' || run.origin !== engine.api.origin) continue;
    await driver.releaseRealtime(run.id, atMs);
    await clearRunLeftovers(engine.files, run.id);
    // What was blocked is tried once more: that is how a person's mending is noticed.
    if (run.blocked.length > 0) await driver.setBlocks(run.id, [], atMs);
  }
}

/** Does anything of this run still have to move? */
export async function hasOpenWork(session: Session, run: RunRecord): Promise<boolean> {
  const counts = await session.engine.store.chunkCounts(run.id);
  return OPEN_CHUNK_STATES.some((state) => counts[state] > 0) || run.rows.retry > 0 || run.rows.in_realtime > 0;
}
