/**
 * Which run a submit came to, and where its results go.
 */
import { systemClock } from '../../base/clock.ts';
import { settingHash } from '../../domain/fingerprint.ts';
import type { RunRecord } from '../../domain/model.ts';
import type { Store } from '../../domain/store.ts';
import type { MovedOutput } from '../../domain/store-steps.ts';
import type { Context } from '../context.ts';
import type { Flags } from '../flags/options.ts';
import { changedOutputs, checkOutputs, chooseOutput, fillIn, movedText } from '../files/output-path.ts';

interface Settling {
  readonly runId: string;
  readonly exists: boolean;
  readonly wait: boolean;
  /** What changed hands when the run was made. */
  readonly moved?: readonly MovedOutput[] | undefined;
}

/** Now that the run has an id, `{run}` and `{date}` are filled in; a run that exists keeps its output unless told. */
export async function settleOutput(
  context: Context,
  store: Store,
  { runId, exists, wait, moved = [] }: Settling,
): Promise<void> {
  const run = await store.run(runId);
  if (!run) return;
  const { flags } = context;
  if (exists) {
    const asked = flags.output !== undefined || flags.format !== undefined || flags.errors !== undefined;
    // It was begun with --as-completed, which needs no file; without that the results must still go somewhere.
    const homeless = run.output === null && flags.asCompleted !== true;
    if (run.state === 'done' || !(asked || homeless)) return;
    const changed = changedOutputs(flags, run);
    const choice = { ...changed, output: changed.output ?? defaultOutputOf(flags, run) };
    checkOutputs({ choice, inputs: run.inputs, runId, runs: await store.runs() });
    if (choice.output !== '-' || wait)
      tellMoved(context, runId, await store.setOutput(runId, choice, systemClock.now()));
    return;
  }
  const fill = (path: string | null): string | null => (path === null ? null : fillIn(path, run));
  const filled = { ...run, output: fill(run.output), errors: fill(run.errors) };
  // What had no place for a date or an id was taken with the run, and may be another's by now.
  const isFilled = filled.output !== run.output || filled.errors !== run.errors;
  const others = isFilled ? await store.setOutput(runId, filled, systemClock.now()) : [];
  tellMoved(context, runId, [...moved, ...others]);
}

/** Also with --quiet: who looks for results where they were said to be must not find those of another run. */
export function tellMoved({ terminal }: Context, runId: string, moved: readonly MovedOutput[]): void {
  for (const one of moved) terminal.talk(movedText(one, runId));
}

export interface Submitted {
  readonly runId: string;
  readonly exists: boolean;
  /** Of the settings of this command. */
  readonly hashes: RunRecord['settingHashes'];
}

/** Is it a new run, and if the same input was run before, what differs? */
export async function tellIdentity(
  context: Context,
  store: Store,
  { runId, exists, hashes }: Submitted,
): Promise<void> {
  const { terminal, flags } = context;
  if (flags.quiet === true) return;
  const run = await store.run(runId);
  if (!run) return;
  if (exists) {
    const state =
      run.state === 'done'
        ? `is done${run.output === null ? '' : ` (${run.output})`}`
        : `is ${run.state}, and no second run is made`;
    terminal.talk(`These rows were submitted before: ${runId} ${state}. For a new run add --again.`);
    const unset = settingHash(null);
    // The same requests under other rules: only lanes and priorities can differ.
    if ((run.settingHashes['routes'] ?? unset) !== (hashes['routes'] ?? unset))
      terminal.talk('--routes is not what it was then: the rows keep the lanes and priorities that they were given.');
    return;
  }
  const before = (await store.runs()).filter((other) => other.id !== runId && sameInputs(other, run)).at(-1);
  const differing = before ? differingFlags(before, run) : [];
  if (before && differing.length > 0) {
    terminal.talk(
      `The same input was submitted as ${before.id} with another ${differing.join(', ')}: this is a new run.`,
    );
  }
}

/** Where the results of this run would go if it were submitted now. */
function defaultOutputOf(flags: Flags, run: RunRecord): string | null {
  const { output } = chooseOutput(flags, run.inputs);
  return output === null ? null : fillIn(output, run);
}

function sameInputs(a: RunRecord, b: RunRecord): boolean {
  return JSON.stringify(a.inputs) === JSON.stringify(b.inputs);
}

function differingFlags(a: RunRecord, b: RunRecord): string[] {
  const unset = settingHash(null);
  const flags = new Set([...Object.keys(b.settingHashes), ...Object.keys(a.settingHashes)]);
  return [...flags]
    .filter((flag) => (a.settingHashes[flag] ?? unset) !== (b.settingHashes[flag] ?? unset))
    .map((flag) => `--${flag}`);
}
