/**
 * Takes a finished run out of the ledger and its files off the disk, in this order: `batchrun retry` may open the run
 * again at any instant until the ledger, in one transaction, has let it go, and a run without files would be a loss.
 *
 * The run's lock is held meanwhile. When the process dies in between, its file marks the folder as one that nobody needs
 * (sweep.ts): a canceled run leaves no tombstone that would say so.
 */
import { BatchrunError, isBatchrunError } from '../../base/errors.ts';
import { paths } from '../../domain/ids.ts';
import type { RunRecord } from '../../domain/model.ts';
import type { Engine } from '../engine.ts';

/** False where the run was opened again since it was read: then nothing of it is removed. */
export async function removeRun(engine: Engine, run: RunRecord): Promise<boolean> {
  const { files, locks } = engine;
  const lock = await locks.tryAcquire(paths.ingestLock(run.id));
  if (!lock) {
    throw new BatchrunError('E_LOCKED', `another process is removing ${run.id}`, {
      hint: 'Run the command again when it has ended.',
    });
  }
  try {
    const removed = await letGo(engine, run);
    if (removed) await files.removeFolder(paths.run(run.id));
    // Only now: a folder that could not be removed keeps its mark, and the next command tries again.
    await files.remove(paths.ingestLock(run.id));
    return removed;
  } finally {
    await lock.release();
  }
}

/** Is it still the finished run that it was when it was read? */
export async function isStillDone({ store }: Pick<Engine, 'store'>, run: RunRecord): Promise<boolean> {
  const now = await store.run(run.id);
  return now?.state === 'done' && now.doneAtMs === run.doneAtMs;
}

async function letGo({ store, clock }: Engine, run: RunRecord): Promise<boolean> {
  if ((await store.run(run.id)) !== null && !(await isStillDone({ store }, run))) return false;
  try {
    await store.pruneRun(run.id, clock.now());
    return true;
  } catch (error) {
    if (!isBatchrunError(error, 'E_TRANSITION')) throw error;
    // Pruned by somebody else, or opened again in the last instant.
    return (await store.run(run.id)) === null;
  }
}
