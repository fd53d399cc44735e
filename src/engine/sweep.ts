/**
 * Clears away what processes left that died while they were reading an input: runs that were never ready, and folders
 * of runs that the ledger does not know. Cheap, and done by every command that writes.
 *
 * What a reader leaves has the reader's lock beside it, and what a prune leaves has a tombstone. Chunks of an unknown
 * run that have neither were sealed and perhaps sent: the ledger is an older one than it was. They stay, and the command
 * ends, because the next upload may be of what was paid already.
 */
import { BatchrunError } from '../base/errors.ts';
import { paths } from '../domain/ids.ts';
import type { Engine } from './engine.ts';

export async function sweep(engine: Engine): Promise<void> {
  const { store, files } = engine;
  const known = new Map((await store.runs({ ingesting: true })).map((run) => [run.id, run.state]));
  const names = new Set([...(await files.list('runs')), ...[...known.keys()]]);
  for (const runId of names) {
    const state = known.get(runId);
    if (state !== undefined && state !== 'ingesting') continue;
    const leftByReader = await hasLock(engine, runId);
    // Whoever is still reading it holds this lock.
    const lock = await engine.locks.tryAcquire(paths.ingestLock(runId));
    if (!lock) continue;
    try {
      // It may have become ready between the look and the lock.
      const now = await store.run(runId);
      if (now && now.state !== 'ingesting') continue;
      if (now) await store.deleteIngesting(runId);
      else if (!leftByReader) await expectNothingLost(engine, runId);
      // A reader of an older version holds another lock: a run that it has just made ready keeps its files.
      if ((await store.run(runId)) === null) await files.removeFolder(paths.run(runId));
    } finally {
      await lock.release();
      await files.remove(paths.ingestLock(runId));
    }
  }
}

/** The lock of a reader stays until its folder is gone. An older version had it in the folder. */
async function hasLock({ files }: Engine, runId: string): Promise<boolean> {
  for (const path of [paths.ingestLock(runId), paths.formerIngestLock(runId)]) {
    if ((await files.size(path)) !== null) return true;
  }
  return false;
}

async function expectNothingLost({ store, files }: Engine, runId: string): Promise<void> {
  const left = [...(await files.list(paths.chunks(runId))), ...(await files.list(paths.allResults(runId)))];
  if (left.length === 0 || (await store.tombstones()).some((stone) => stone.runId === runId)) return;
  const folder = files.locate(paths.run(runId));
  throw new BatchrunError('E_STATE_CORRUPT', `state.db does not know ${runId}, but ${folder} holds its chunks`, {
    details: { run: runId },
    hint: `It is an older state.db than there was: bring the newest one back. Nothing was changed or sent. If the batches of ${runId} are of no use any more, delete its folder and go on; submitted again, its rows are paid again.`,
  });
}
