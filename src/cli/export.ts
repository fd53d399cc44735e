/**
 * `batchrun export <run> --state-only`: the ledger of a run as JSON lines, for inspection, from one instant. Works beside
 * a driver. Results are not here: they are read with `batchrun results`.
 */
import { BatchrunError } from '../base/errors.ts';
import type { FileWriter } from '../domain/ports.ts';
import type { Store } from '../domain/store.ts';
import { exportState } from '../engine/views/export-state.ts';
import { createEngine, hasState, openStore, type Context } from './context.ts';
import { EXIT } from './drive/outcome.ts';
import { sideFile, type TypedTarget } from './files/side-file.ts';
import { selectRun } from './drive/select-run.ts';

const PENDING_CHARS_MAX = 256 * 1024;

export async function runExport(context: Context, wanted: string, target: TypedTarget): Promise<number> {
  const { flags, stateFolder } = context;
  if (flags.stateOnly !== true) {
    throw new BatchrunError('E_USAGE', 'export writes the ledger of a run: add --state-only', {
      hint: 'Results are read with `batchrun results <run>`.',
    });
  }
  if (!hasState(stateFolder)) throw new BatchrunError('E_RUN_UNKNOWN', `there is no state in ${stateFolder}`);
  const store = await openStore(stateFolder);
  try {
    const run = await selectRun(store, wanted, stateFolder);
    const path = await sideFile(store, run, { output: target.output ?? '-', overwrite: target.overwrite });
    const engine = await createEngine(context, { store, emit: () => undefined });
    await write(context, store, run.id, await engine.openOutput(path));
    if (path !== '-' && flags.quiet !== true) context.terminal.talk(`The ledger of ${run.id}: ${path}`);
    return EXIT.ok;
  } finally {
    await store.close();
  }
}

async function write({ signal, terminal }: Context, store: Store, runId: string, writer: FileWriter): Promise<void> {
  const snapshot = await store.snapshot();
  try {
    const run = await snapshot.run(runId);
    if (!run) throw new BatchrunError('E_RUN_UNKNOWN', `${runId} was pruned a moment ago`);
    let pending = '';
    for await (const line of exportState(snapshot, run)) {
      if (signal.aborted) throw new BatchrunError('E_NOT_FINISHED', 'the export was stopped before its end', RUN_AGAIN);
      pending += line;
      if (pending.length < PENDING_CHARS_MAX) continue;
      // `| head` has what it wants: an instant of the ledger is not held for nobody.
      if (terminal.unread) break;
      await writer.write(Buffer.from(pending));
      pending = '';
    }
    await writer.write(Buffer.from(pending));
    await writer.commit();
  } catch (error) {
    await writer.abort();
    throw error;
  } finally {
    await snapshot.close();
  }
}

const RUN_AGAIN = { hint: 'Run it again: nothing was written under the name of the output.' };
