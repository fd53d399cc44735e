/**
 * Clears away what processes left that died while they were reading an input: runs that were never ready, and folders
 * of runs that the ledger does not know. Cheap, and done by every command that writes.
 *
 * Whoever makes a run's files or takes them away holds the run's lock, and when it dies the file of the lock stays: the
 * mark of a folder that nobody needs. What a prune leaves has a tombstone besides. Chunks of an unknown run that have
 * neither were sealed and perhaps sent: the ledger is an older one than it was. They stay, and the command ends, because
 * the next upload may be of what was paid already. So a sweep never makes a mark where it found none, unless the ledger
 * itself says that the run was still being read; and it takes away the marks of runs that count.
 */
import { BatchrunError } from '../../base/errors.ts';
import { paths } from '../../domain/ids.ts';
import type { Engine } from '../engine.ts';
import { sweepSpools } from '../ingest/spools.ts';

export async function sweep(engine: Engine): Promise<void> {
  const { store, files } = engine;
  await sweepSpools(engine);
  const known = new Map((await store.runs({ ingesting: true })).map((run) => [run.id, run.state]));
  const names = new Set([...(await files.list('runs')), ...[...known.keys()]]);
  const marks = new Set(await files.list(paths.ingestLocks));
  for (const runId of names) {
    const state = known.get(runId);
    const counts = state !== undefined && state !== 'ingesting';
    if (counts && !marks.has(paths.ingestLock(runId).slice(paths.ingestLocks.length + 1))) continue;
    if (state === undefined && !(await hasMark(engine, runId))) await clearUnknown(engine, runId);
    else await clearUnlessHeld(engine, runId);
  }
}

/** A run that is being read, or whose reader (or pruner) died, and the mark of it. */
async function clearUnlessHeld(engine: Engine, runId: string): Promise<void> {
  const { files } = engine;
  // Whoever is still at it holds this lock.
  const lock = await engine.locks.tryAcquire(paths.ingestLock(runId));
  if (!lock) return;
  try {
    await clearUnready(engine, runId);
    // Only now: a folder that could not be removed keeps its mark, and the next command tries again.
    await files.remove(paths.ingestLock(runId));
  } finally {
    await lock.release();
  }
}

async function clearUnready({ store, files }: Engine, runId: string): Promise<void> {
  // It may have become ready between the look and the lock.
  const now = await store.run(runId);
  if (now && now.state !== 'ingesting') return;
  if (now) await store.deleteIngesting(runId);
  // A reader of an older version holds another lock: a run that it has just made ready keeps its files.
  if ((await store.run(runId)) === null) await files.removeFolder(paths.run(runId));
}

/** Without a mark nobody is at it any more: what came to its end in order has become a run, or has left no folder. */
async function clearUnknown(engine: Engine, runId: string): Promise<void> {
  if ((await engine.store.run(runId)) !== null) return;
  await expectNothingLost(engine, runId);
  await engine.files.removeFolder(paths.run(runId));
}

/** The lock of a reader stays until its folder is gone. An older version had it in the folder. */
async function hasMark({ files }: Engine, runId: string): Promise<boolean> {
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
