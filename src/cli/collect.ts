/**
 * `batchrun collect`: drive unfinished runs to their end and write their outputs; `--once` for a single pass.
 */
import { systemClock } from '../base/clock.ts';
import { BatchrunError } from '../base/errors.ts';
import { parseFailIf } from '../domain/fail-if.ts';
import type { RunRecord } from '../domain/model.ts';
import type { Store } from '../domain/store.ts';
import { sweep } from '../engine/cleanup/sweep.ts';
import { connectApi, createEngine, hasState, openStore, type ApiLink, type Context } from './context.ts';
import { reportDone } from './drive/deliver.ts';
import { driveAndReport, originError } from './drive/drive-runs.ts';
import { sendLeftNotices } from './drive/notify.ts';
import { EXIT } from './drive/outcome.ts';
import { changedOutputs, checkOutputs } from './files/output-path.ts';
import { selectRun } from './drive/select-run.ts';
import { rememberWishes, wishesAsked } from './flags/wishes.ts';
import { tellMoved } from './submit/submit-identity.ts';
import { jsonText } from './terminal/ui.ts';

export async function runCollect(context: Context, wanted: string | undefined): Promise<number> {
  const { flags, terminal, stateFolder } = context;
  checkFlags(context);
  if (!hasState(stateFolder)) return nothingHere(context, wanted);
  const store = await openStore(stateFolder);
  try {
    const engine = await createEngine(context, { store, emit: () => undefined });
    await sweep(engine);
    const named = wanted === undefined ? null : await selectRun(store, wanted, stateFolder);
    if (named?.state === 'done') return await reportDone(context, store, named);
    const open = named ? [named] : (await store.runs()).filter((run) => run.state !== 'done');
    if (open.length === 0) {
      await sendLeftNotices(context, store, 'collect');
      if (flags.quiet !== true) terminal.talk(`Nothing to do: no unfinished run in ${stateFolder}.`);
      if (flags.quiet !== true && (flags.output ?? flags.format ?? flags.errors) !== undefined) {
        terminal.talk('To write the results of a finished run once more, name it: `batchrun collect latest -o FILE`.');
      }
      if (flags.json === true) await terminal.data(jsonText({ runs: [] }));
      return EXIT.ok;
    }
    const link = await connectApi(context, open);
    refuseOtherOrigin(context, { open, named, link });
    await rememberOutputs(context, store, open);
    await rememberWishes(context, store, open);
    const runIds = named ? [named.id] : null;
    return await driveAndReport(context, store, { command: 'collect', runIds, once: flags.once === true, link });
  } finally {
    await store.close();
  }
}

function checkFlags({ flags }: Context): void {
  if (flags.failIf !== undefined) parseFailIf(flags.failIf);
  wishesAsked(flags);
  if (flags.json === true && (flags.output === '-' || flags.asCompleted === true)) {
    throw new BatchrunError('E_USAGE', '--json and results on stdout cannot go together', {
      hint: 'Write the results to a file.',
    });
  }
}

async function nothingHere({ flags, terminal, stateFolder }: Context, wanted: string | undefined): Promise<number> {
  if (wanted !== undefined) throw new BatchrunError('E_RUN_UNKNOWN', `there is no state in ${stateFolder}`);
  if (flags.quiet !== true) terminal.talk(`Nothing to do: there is no state in ${stateFolder}.`);
  if (flags.json === true) await terminal.data(jsonText({ runs: [] }));
  return EXIT.ok;
}

/** A run belongs to the API it was made for: its batches are nowhere else. */
function refuseOtherOrigin(
  context: Context,
  {
    open,
    named,
    link,
  }: { readonly open: readonly RunRecord[]; readonly named: RunRecord | null; readonly link: ApiLink },
): void {
  const others = open.filter((run) => run.origin !== link.api.origin);
  const [first] = others;
  if (!first) return;
  const error = originError(first, link);
  if (named || others.length === open.length) throw error;
  context.terminal.talk(`Left alone: ${error.message}.`);
}

/** `-o` and its kin are remembered, so that the next collect writes to the same place. */
async function rememberOutputs(context: Context, store: Store, runs: readonly RunRecord[]): Promise<void> {
  const { flags } = context;
  if (flags.output === undefined && flags.errors === undefined && flags.format === undefined) return;
  for (const flag of ['output', 'errors'] as const) {
    const path = flags[flag];
    if (path === undefined || runs.length < 2 || path.includes('{run}')) continue;
    throw new BatchrunError('E_USAGE', `--${flag} is one file for ${runs.length} runs`, {
      hint: `Name the run (batchrun collect <run>), or put {run} into the name: --${flag} 'results.{run}.jsonl'`,
    });
  }
  const all = await store.runs();
  for (const run of runs) {
    const choice = changedOutputs(flags, run);
    checkOutputs({ choice, inputs: run.inputs, runId: run.id, runs: all });
    tellMoved(context, run.id, await store.setOutput(run.id, choice, systemClock.now()));
  }
}
