/**
 * `batchrun cancel <run>`: what was not sent is dropped, the batches are stopped, and what they had finished is
 * collected, because it is paid. The output then has every row, the canceled ones as canceled.
 */
import { BatchrunError, isBatchrunError } from '../base/errors.ts';
import { systemClock } from '../base/clock.ts';
import { viewRun } from '../engine/views/status.ts';
import { connectApi, hasState, openStore, type Context } from './context.ts';
import { assertOrigin, driveAndReport } from './drive/drive-runs.ts';
import { EXIT } from './drive/outcome.ts';
import { selectOpenRun } from './drive/select-run.ts';
import { jsonText } from './terminal/ui.ts';

/** A submit that drives does not cancel for us, but it is over soon; a collect does. */
const SUBMIT_MS_MAX = 10_000;

export async function runCancel(context: Context, wanted: string): Promise<number> {
  const { flags, terminal, stateFolder } = context;
  if (!hasState(stateFolder)) throw new BatchrunError('E_RUN_UNKNOWN', `there is no state in ${stateFolder}`);
  const store = await openStore(stateFolder);
  try {
    const run = await selectOpenRun(store, wanted, stateFolder);
    if (run.state === 'done') {
      if (flags.json === true) await terminal.data(jsonText({ runs: [await viewRun(store, run)] }));
      else terminal.talk(`${run.id} is done already; there is nothing to cancel.`);
      return EXIT.ok;
    }
    const link = await connectApi(context, [run]);
    assertOrigin(run, link);
    if (run.state !== 'canceling') await store.requestCancel(run.id, systemClock.now());
    if (flags.quiet !== true) terminal.talk(`${run.id} is being canceled; results that are finished are collected.`);
    try {
      const patient = { ...context, flags: { ...flags, retryLock: Math.max(flags.retryLock, SUBMIT_MS_MAX) } };
      return await driveAndReport(patient, store, { command: 'cancel', runIds: [run.id], once: false, link });
    } catch (error) {
      if (!isBatchrunError(error, 'E_LOCKED')) throw error;
      const now = (await store.run(run.id)) ?? run;
      if (flags.json === true) await terminal.data(jsonText({ runs: [await viewRun(store, now)] }));
      terminal.talk(
        `${error.message}: it stops the batches of ${run.id}. \`batchrun collect\` brings the cancel to its end.`,
      );
      return EXIT.ok;
    }
  } finally {
    await store.close();
  }
}
