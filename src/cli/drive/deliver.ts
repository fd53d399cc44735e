/**
 * The results of a finished run once more: to another place that is asked for now, or to their own where the file is
 * gone. They lie in the state folder, so nothing is fetched and nothing is paid.
 */
import { systemClock } from '../../base/clock.ts';
import type { RunRecord } from '../../domain/model.ts';
import type { Store } from '../../domain/store.ts';
import { AsCompleted } from '../../engine/output/as-completed.ts';
import { writeOutputs } from '../../engine/output/output.ts';
import { viewRun } from '../../engine/views/status.ts';
import { outputIsGone } from '../../host/output-check.ts';
import { createEngine, type Context } from '../context.ts';
import { sendLeftNotices } from './notify.ts';
import { exitOfRun } from './outcome.ts';
import { changedOutputs, checkOutputs } from '../files/output-path.ts';
import { tellMoved } from '../submit/submit-identity.ts';
import { tellEnd } from './tell-end.ts';
import { jsonText } from '../terminal/ui.ts';

/** Gives the run as it is afterwards. */
export async function deliver(context: Context, store: Store, run: RunRecord): Promise<RunRecord> {
  const { flags } = context;
  const asked = flags.output !== undefined || flags.errors !== undefined;
  if (!asked && !outputIsGone(run)) return run;
  const choice = asked ? changedOutputs(flags, run) : run;
  if (asked) checkOutputs({ choice: { ...choice }, inputs: run.inputs, runId: run.id, runs: await store.runs() });
  const engine = await createEngine(context, { store, emit: () => undefined });
  // Before it is written, so that nobody writes the file of another run in between. stdout is nothing to remember: the next
  // command would write into the void.
  if (asked && choice.output !== '-') {
    tellMoved(context, run.id, await store.setOutput(run.id, choice, systemClock.now()));
  }
  await writeOutputs(engine, { ...run, ...choice });
  return (await store.run(run.id)) ?? run;
}

/** `collect` and `run` on a finished run: no lock, no API; its results where they are wanted, and its exit code. */
export async function reportDone(context: Context, store: Store, run: RunRecord, command = 'collect'): Promise<number> {
  const { flags, terminal } = context;
  const now = await deliver(context, store, run);
  if (flags.asCompleted === true) {
    const engine = await createEngine(context, { store, emit: () => undefined });
    await new AsCompleted(engine, (text) => terminal.data(text)).print([run.id]);
  }
  const view = await viewRun(store, now);
  const exit = exitOfRun(now, flags.failIf);
  if (flags.json === true) await terminal.data(jsonText({ runs: [view] }));
  tellEnd(context, view, exit);
  await sendLeftNotices(context, store, command);
  return exit;
}
