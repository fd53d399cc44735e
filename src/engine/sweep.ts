/**
 * Clears away what processes left that died while they were reading an input: runs that were never ready, and folders
 * of runs that the ledger does not know. Cheap, and done by every command that writes.
 */
import { paths } from '../domain/ids.ts';
import type { Engine } from './engine.ts';

export async function sweep(engine: Engine): Promise<void> {
  const { store, files } = engine;
  const known = new Map((await store.runs({ ingesting: true })).map((run) => [run.id, run.state]));
  const names = new Set([...(await files.list('runs')), ...[...known.keys()]]);
  for (const runId of names) {
    const state = known.get(runId);
    if (state !== undefined && state !== 'ingesting') continue;
    // Whoever is still reading it holds this lock.
    const lock = await engine.locks.tryAcquire(paths.ingestLock(runId));
    if (!lock) continue;
    try {
      // It may have become ready between the look and the lock.
      const now = await store.run(runId);
      if (now && now.state !== 'ingesting') continue;
      if (now) await store.deleteIngesting(runId);
      await files.removeFolder(paths.run(runId));
    } finally {
      await lock.release();
    }
  }
}
