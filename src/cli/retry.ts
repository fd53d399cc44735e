/**
 * `batchrun retry <run>`: rows of a finished run that failed, expired or were canceled are sent again, with fresh
 * attempts. Rows that succeeded stay as they are; the output is written anew at the end.
 */
import { BatchrunError } from '../base/errors.ts';
import { systemClock } from '../base/clock.ts';
import { plural } from '../base/units.ts';
import type { RunRecord } from '../domain/model.ts';
import { RETRYABLE_ROW_STATES } from '../domain/transitions.ts';
import { drive } from '../engine/runner.ts';
import { viewRun } from '../engine/views/status.ts';
import { sweep } from '../engine/cleanup/sweep.ts';
import { connectApi, createEngine, hasState, holderOf, openStore, withApi, type Context } from './context.ts';
import { assertOrigin, driveAndReport } from './drive/drive-runs.ts';
import { EXIT } from './drive/outcome.ts';
import { selectRunToRetry } from './drive/select-run.ts';
import { rememberWishes } from './flags/wishes.ts';
import { tellMoved } from './submit/submit-identity.ts';
import { jsonText } from './terminal/ui.ts';

export async function runRetry(context: Context, wanted: string): Promise<number> {
  const { flags, terminal, stateFolder } = context;
  const states = statesToRetry(flags.only);
  if (!hasState(stateFolder)) throw new BatchrunError('E_RUN_UNKNOWN', `there is no state in ${stateFolder}`);
  const store = await openStore(stateFolder);
  try {
    const { run, others } = await selectRunToRetry(store, wanted, { stateFolder, states });
    if (run.state !== 'done')
      throw new BatchrunError('E_RUN_NOT_DONE', `${run.id} is ${run.state}: its rows are still being tried`);
    const link = await connectApi(context, [run]);
    assertOrigin(run, link);
    await rememberWishes(context, store, [run]);
    const engine = withApi(await createEngine(context, { store, emit: () => undefined }), link, flags);
    await sweep(engine);
    let rows = 0;
    await drive(engine, {
      runIds: [],
      goal: 'upload',
      once: true,
      holder: holderOf('retry'),
      retryLockMs: flags.retryLock,
      asCompleted: null,
      first: async ({ driver }) => void (rows = await driver.reopen(run.id, states, systemClock.now())),
    });
    if (flags.quiet !== true) {
      terminal.talk(`${run.id}: ${reopenedText(run, rows)}.`);
      for (const { id } of others)
        terminal.talk(`${id} has this name, too, and rows to try again: batchrun retry ${id}`);
    }
    const now = (await store.run(run.id)) ?? run;
    const to = now.output;
    if (run.output !== null && to !== null && to !== run.output)
      tellMoved(context, run.id, [{ runId: run.id, from: run.output, to }]);
    if (rows > 0 && flags.wait === true) {
      return await driveAndReport(context, store, { command: 'retry', runIds: [run.id], once: false, link });
    }
    if (flags.json === true) await terminal.data(jsonText({ runs: [await viewRun(store, now)] }));
    else if (rows > 0 && flags.quiet !== true) terminal.talk('Now: batchrun collect');
    return EXIT.ok;
  } finally {
    await store.close();
  }
}

function reopenedText(before: RunRecord, rows: number): string {
  if (rows === 0 && before.rows.succeeded === before.totalRows) {
    return 'every row succeeded; there is nothing to try again';
  }
  return `another try for ${plural(rows, 'row')}`;
}

function statesToRetry(only: readonly string[] | undefined): readonly (typeof RETRYABLE_ROW_STATES)[number][] {
  if (only === undefined) return RETRYABLE_ROW_STATES;
  return only.map((name) => {
    const state = RETRYABLE_ROW_STATES.find((one) => one === name);
    if (state) return state;
    throw new BatchrunError('E_USAGE', `retry --only does not know "${name}"`, {
      hint: `There are ${RETRYABLE_ROW_STATES.join(', ')}.`,
    });
  });
}
