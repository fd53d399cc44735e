/**
 * Which run is meant: a unique prefix of its id (with or without `run_`), its name, or `latest`.
 */
import { BatchrunError } from '../../base/errors.ts';
import type { RowState, RunRecord } from '../../domain/model.ts';
import type { Store } from '../../domain/store.ts';

type Runs = Pick<Store, 'runs'>;

export async function selectRun(store: Runs, wanted: string, stateFolder: string): Promise<RunRecord> {
  const runs = await store.runs();
  const latest = runs.at(-1);
  if (wanted === 'latest' && latest) return latest;
  const exact = runs.find((run) => run.id === wanted);
  if (exact) return exact;
  const named = runs.filter((run) => run.name === wanted);
  // Of several runs with one name (a nightly job) the newest is meant.
  const newest = named.at(-1);
  if (newest) return newest;
  const prefix = wanted.startsWith('run_') ? wanted : `run_${wanted}`;
  const matching = runs.filter((run) => run.id.startsWith(prefix));
  const [only] = matching;
  if (matching.length === 1 && only) return only;
  if (matching.length > 1) {
    const ids = matching
      .map((run) => run.id)
      .slice(0, IDS_SHOWN_MAX)
      .join(', ');
    throw new BatchrunError('E_RUN_AMBIGUOUS', `"${wanted}" is the beginning of ${matching.length} runs: ${ids}`);
  }
  throw new BatchrunError('E_RUN_UNKNOWN', `there is no run "${wanted}" in ${stateFolder}`);
}

/** For what only unfinished runs are asked for (a cancel): of several with one name none is taken for the other. */
export async function selectOpenRun(store: Runs, wanted: string, stateFolder: string): Promise<RunRecord> {
  const { run, named } = await runsMeant(store, wanted, stateFolder);
  const open = named.filter(({ state }) => state !== 'done');
  if (open.length > 1) throw ambiguous(wanted, 'unfinished runs', open);
  // The newest may be done while an older one goes on: that one is meant.
  return open[0] ?? run;
}

/** For what cannot be taken back (a prune): a name must be that of one run. */
export async function selectSoleRun(store: Runs, wanted: string, stateFolder: string): Promise<RunRecord> {
  const { run, named } = await runsMeant(store, wanted, stateFolder);
  if (named.length > 1) throw ambiguous(wanted, 'runs', named);
  return run;
}

export interface RunToRetry {
  readonly run: RunRecord;
  /** Others of the same name that have rows to try again: left alone. */
  readonly others: readonly RunRecord[];
}

/** The newest of its name, unless that has nothing to try again and only one other has. */
export async function selectRunToRetry(
  store: Runs,
  wanted: string,
  of: { readonly stateFolder: string; readonly states: readonly RowState[] },
): Promise<RunToRetry> {
  const { run, named } = await runsMeant(store, wanted, of.stateFolder);
  const hasRows = (one: RunRecord): boolean => of.states.some((state) => one.rows[state] > 0);
  const others = named.filter((one) => one.id !== run.id && one.state === 'done' && hasRows(one));
  const [other] = others;
  if (run.state !== 'done' || hasRows(run) || !other) return { run, others };
  if (others.length > 1) throw ambiguous(wanted, 'runs with rows to try again', others);
  return { run: other, others: [] };
}

/** The run that is named, as everywhere; and where it is named by its name, all that have this name, the oldest first. */
async function runsMeant(
  store: Runs,
  wanted: string,
  stateFolder: string,
): Promise<{ readonly run: RunRecord; readonly named: readonly RunRecord[] }> {
  const run = await selectRun(store, wanted, stateFolder);
  if (wanted === 'latest' || wanted === run.id || run.name !== wanted) return { run, named: [run] };
  return { run, named: (await store.runs()).filter(({ name }) => name === wanted) };
}

function ambiguous(name: string, what: string, runs: readonly RunRecord[]): BatchrunError {
  const ids = runs.map(({ id }) => id).slice(-IDS_SHOWN_MAX);
  const more = runs.length > ids.length ? ', …' : '';
  return new BatchrunError(
    'E_RUN_AMBIGUOUS',
    `"${name}" is the name of ${runs.length} ${what}: ${ids.join(', ')}${more}`,
    {
      hint: 'Give the id of the run that is meant.',
    },
  );
}

const IDS_SHOWN_MAX = 5;

/** The run that is named, or all. */
export async function selectRuns(
  store: Runs,
  wanted: string | undefined,
  stateFolder: string,
): Promise<readonly RunRecord[]> {
  return wanted === undefined ? store.runs() : [await selectRun(store, wanted, stateFolder)];
}
