/**
 * `batchrun prune`: deletes finished runs from the state folder, and with --remote the API's copies of their batches. A
 * tombstone stays, so that a nightly job never pays again for what it had; outputs are never touched.
 */
import { systemClock } from '../base/clock.ts';
import { BatchrunError, isBatchrunError } from '../base/errors.ts';
import { formatBytes, plural } from '../base/units.ts';
import { paths } from '../domain/ids.ts';
import type { BatchRecord, RunRecord } from '../domain/model.ts';
import type { BatchApi } from '../domain/ports.ts';
import type { Engine } from '../engine/engine.ts';
import { KeyBook } from '../engine/keys/key-book.ts';
import { isStillDone, removeRun } from '../engine/cleanup/prune.ts';
import { apiFailureOf } from '../engine/session.ts';
import { sweep } from '../engine/cleanup/sweep.ts';
import { connectApi, createEngine, hasState, openStore, type ApiLink, type Context } from './context.ts';
import { originError } from './drive/drive-runs.ts';
import { EXIT } from './drive/outcome.ts';
import { selectSoleRun } from './drive/select-run.ts';
import { jsonText } from './terminal/ui.ts';

export async function runPrune(context: Context, wanted: string | undefined): Promise<number> {
  const { flags, stateFolder } = context;
  if (wanted === undefined && flags.keepLast === undefined && flags.keepWithin === undefined) {
    throw new BatchrunError('E_USAGE', 'say what to keep: --keep-last N, --keep-within DURATION, or name a run', {
      hint: 'For example: batchrun prune --keep-within 30d --dry-run',
    });
  }
  if (!hasState(stateFolder)) throw new BatchrunError('E_RUN_UNKNOWN', `there is no state in ${stateFolder}`);
  const store = await openStore(stateFolder);
  try {
    const engine = await createEngine(context, { store, emit: () => undefined });
    await sweep(engine);
    const runs = wanted === undefined ? await prunable(context, engine) : [await namedRun(context, engine, wanted)];
    const link =
      flags.remote === true && flags.dryRun !== true && runs.length > 0 ? await connectApi(context, runs) : null;
    const pruned: RunRecord[] = [];
    let freedBytes = 0;
    for (const run of runs) {
      const bytes = await engine.files.folderBytes(paths.run(run.id));
      if (flags.dryRun !== true && !(await pruneRun(context, { engine, run, link }))) {
        const message = `${run.id} was opened again meanwhile: nothing of it was removed`;
        if (wanted !== undefined) throw new BatchrunError('E_RUN_NOT_DONE', message);
        context.terminal.talk(message);
        continue;
      }
      freedBytes += bytes;
      pruned.push(run);
    }
    if (pruned.length > 0 && flags.dryRun !== true) await store.compact();
    await tell(context, pruned, freedBytes);
    return EXIT.ok;
  } finally {
    await store.close();
  }
}

async function namedRun(context: Context, engine: Engine, wanted: string): Promise<RunRecord> {
  const run = await selectSoleRun(engine.store, wanted, context.stateFolder);
  if (run.state === 'done') return run;
  throw new BatchrunError('E_RUN_NOT_DONE', `${run.id} is ${run.state}; only finished runs are pruned`);
}

/** Finished runs that neither --keep-last nor --keep-within keeps. */
async function prunable({ flags }: Context, engine: Engine): Promise<RunRecord[]> {
  const done = (await engine.store.runs()).filter((run) => run.state === 'done');
  const keptByCount = new Set(done.slice(done.length - (flags.keepLast ?? 0)).map((run) => run.id));
  const oldestMs = flags.keepWithin === undefined ? Infinity : systemClock.now() - flags.keepWithin;
  return done.filter((run) => !keptByCount.has(run.id) && (run.doneAtMs ?? 0) < oldestMs);
}

/** False where the run was opened again since it was listed. */
async function pruneRun(
  context: Context,
  { engine, run, link }: { readonly engine: Engine; readonly run: RunRecord; readonly link: ApiLink | null },
): Promise<boolean> {
  if (link && !(await deleteRemote(context, { engine, run, link }))) return false;
  return removeRun(engine, run);
}

/** First the API's copies: as long as the ledger knows the batches, an interrupted prune can be repeated. */
async function deleteRemote(
  context: Context,
  { engine, run, link }: { readonly engine: Engine; readonly run: RunRecord; readonly link: ApiLink },
): Promise<boolean> {
  if (run.origin !== link.api.origin) {
    throw originError(run, link);
  }
  const batches = await engine.store.batches(run.id);
  // Of a run that is done now these have all been collected. What a retry adds is not among them.
  if (!(await isStillDone(engine, run))) return false;
  for (const batch of batches) {
    if (!batch.proven) continue;
    for (const api of apisFor(link, batch)) {
      try {
        await api.deleteBatch(batch.id, context.signal);
        break;
      } catch (error) {
        // Deleted by hand, or by an earlier prune that was interrupted; or another key made it.
        if (!isBatchrunError(error, 'E_API') || apiFailureOf(error)?.status !== 404) throw error;
      }
    }
  }
  return true;
}

/** The key of the workspace that made it; of a key that is not in the pool any more, each that may be of its workspace. */
function apisFor({ api, keys }: ApiLink, { workspace }: BatchRecord): readonly BatchApi[] {
  const book = new KeyBook(keys ? { api, keys } : { api });
  const place = book.placeOf(workspace);
  return (place ? [place] : book.places).map((one) => book.seer(one).api);
}

async function tell({ flags, terminal }: Context, runs: readonly RunRecord[], freedBytes: number): Promise<void> {
  if (flags.json === true) {
    const ids = runs.map((run) => run.id);
    await terminal.data(jsonText({ pruned: ids, freed_bytes: freedBytes, dry_run: flags.dryRun === true }));
    return;
  }
  if (flags.quiet === true && flags.dryRun !== true) return;
  for (const run of runs)
    terminal.talk(
      `${flags.dryRun === true ? 'would prune' : 'pruned'} ${run.id}${run.output === null ? '' : ` (${run.output} stays)`}`,
    );
  terminal.talk(
    `${plural(runs.length, 'run')}, ${formatBytes(freedBytes)}${flags.dryRun === true ? ' would be' : ''} freed.`,
  );
}
