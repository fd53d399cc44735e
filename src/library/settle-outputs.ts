/**
 * Where the results of a run go that exists already: what is asked for now changes that, and what is not asked for stays.
 * Those of a finished run are written at once: they lie in the state folder, so nothing is fetched or paid.
 */
import type { RunRecord } from '../domain/model.ts';
import type { MovedOutput } from '../domain/store-steps.ts';
import type { Engine } from '../engine/engine.ts';
import { writeOutputs } from '../engine/output/output.ts';
import { checkOutputs, outputIsGone, type OutputChoice } from '../host/output-check.ts';
import type { SubmitOptions } from './options.ts';
import { filledIn, outputOf } from './submit.ts';

/** A run that goes on writes them at its end. */
export async function changeOutputs(
  { store, clock }: Engine,
  run: RunRecord,
  options: SubmitOptions,
): Promise<readonly MovedOutput[]> {
  if (options.output === undefined && options.errors === undefined && options.format === undefined) return [];
  const choice = changedOutputs(options, run);
  checkOutputs({ choice, inputs: run.inputs, runId: run.id, runs: await store.runs() });
  return store.setOutput(run.id, choice, clock.now());
}

/** Of a run that is done: also where its own file is gone since. */
export async function deliver(engine: Engine, run: RunRecord, options: SubmitOptions): Promise<readonly MovedOutput[]> {
  const { store } = engine;
  const asked = options.output !== undefined || options.errors !== undefined;
  if (!asked && !outputIsGone(run)) return [];
  const choice = asked ? changedOutputs(options, run) : run;
  if (asked) checkOutputs({ choice, inputs: run.inputs, runId: run.id, runs: await store.runs() });
  // Before it is written, so that nobody writes the file of another run in between.
  const moved = asked ? await store.setOutput(run.id, choice, engine.clock.now()) : [];
  await writeOutputs(engine, { ...run, ...choice });
  return moved;
}

function changedOutputs(options: SubmitOptions, run: RunRecord): OutputChoice {
  const { output, errors, format, overwrite } = filledIn(outputOf(options), run);
  return {
    output: output ?? run.output,
    errors: errors ?? run.errors,
    format: options.format ?? (output === null ? run.format : format),
    overwrite,
  };
}
