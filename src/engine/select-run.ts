/**
 * Which run is meant: a unique prefix of its id (with or without `run_`), its name, or `latest`.
 */
import { BatchrunError } from '../base/errors.ts';
import type { RunRecord } from '../domain/model.ts';
import type { Store } from '../domain/store.ts';

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

/** For what cannot be taken back (a cancel): of several unfinished runs with one name none is taken for the other. */
export async function selectOnlyRun(store: Runs, wanted: string, stateFolder: string): Promise<RunRecord> {
  const run = await selectRun(store, wanted, stateFolder);
  if (wanted === 'latest' || wanted === run.id || run.name !== wanted) return run;
  const open = (await store.runs()).filter(({ name, state }) => name === wanted && state !== 'done');
  if (open.length <= 1) return run;
  const ids = open.map(({ id }) => id).slice(-IDS_SHOWN_MAX);
  const more = open.length > ids.length ? ', …' : '';
  throw new BatchrunError(
    'E_RUN_AMBIGUOUS',
    `"${wanted}" is the name of ${open.length} unfinished runs: ${ids.join(', ')}${more}`,
    { hint: 'Give the id of the run that is meant.' },
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
