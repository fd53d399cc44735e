/**
 * `batchrun results <run>`: reads a run's outcomes from disk, offline, finished or not. Rows that have no outcome yet
 * are left out unless they are asked for with --only.
 */
import { BatchrunError } from '../base/errors.ts';
import { ROW_STATES, type RowState } from '../domain/model.ts';
import { OPEN_ROW_STATES } from '../domain/transitions.ts';
import { formatterOptions, toOutputRecord } from '../engine/output/output.ts';
import { walkRows } from '../engine/output/walk.ts';
import { createEngine, hasState, openStore, type Context } from './context.ts';
import { EXIT } from './drive/outcome.ts';
import { selectRun } from './drive/select-run.ts';

const PENDING_CHARS_MAX = 256 * 1024;

export async function runResults(context: Context, wanted: string): Promise<number> {
  const { flags, terminal, stateFolder } = context;
  const only = flags.only === undefined ? null : statesOf(flags.only);
  if (!hasState(stateFolder)) throw new BatchrunError('E_RUN_UNKNOWN', `there is no state in ${stateFolder}`);
  const store = await openStore(stateFolder);
  try {
    const run = await selectRun(store, wanted, stateFolder);
    const engine = await createEngine(context, { store, emit: () => undefined });
    const options = { ...formatterOptions(run), defuseFormulas: flags.defuseFormulas && run.settings.defuseFormulas };
    const formatter = engine.formats.formatter({ ...options, format: flags.format ?? run.format });
    // With --row nothing is printed before the row is found.
    let pending = flags.row === undefined ? (formatter.header() ?? '') : '';
    let found = false;
    for await (const row of walkRows(engine, run)) {
      if (context.signal.aborted) break;
      if (flags.row !== undefined && row.entry.id !== flags.row) continue;
      found = true;
      if (flags.row !== undefined) pending += formatter.header() ?? '';
      const shown = only ? only.has(row.state) : flags.row !== undefined || !OPEN_ROW_STATES.includes(row.state);
      if (shown) pending += formatter.format(toOutputRecord(row));
      if (pending.length >= PENDING_CHARS_MAX) {
        await terminal.data(pending);
        pending = '';
      }
      if (flags.row !== undefined) break;
    }
    await terminal.data(pending);
    if (flags.row !== undefined && !found) {
      throw new BatchrunError('E_USAGE', `run ${run.id} has no row "${flags.row}"`, {
        hint: 'Give the custom_id of a row, or its line number where it has none.',
      });
    }
    return EXIT.ok;
  } finally {
    await store.close();
  }
}

/** Row states by name. Throws E_USAGE naming those that exist. */
function statesOf(names: readonly string[]): ReadonlySet<RowState> {
  for (const name of names) {
    if ((ROW_STATES as readonly string[]).includes(name)) continue;
    throw new BatchrunError('E_USAGE', `--only does not know "${name}"`, {
      hint: `There are ${ROW_STATES.join(', ')}.`,
    });
  }
  return new Set(names as readonly RowState[]);
}
