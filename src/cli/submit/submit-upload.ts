/**
 * The end of `submit`: upload as many batches as the caps allow, and print the run. What does not fit waits for `collect`.
 */
import { isBatchrunError } from '../../base/errors.ts';
import type { Store } from '../../domain/store.ts';
import type { DriverRecord } from '../../domain/store-steps.ts';
import type { Engine } from '../../engine/engine.ts';
import type { EngineEvent } from '../../engine/events.ts';
import type { IngestReport } from '../../engine/ingest/ingest.ts';
import { drive } from '../../engine/runner.ts';
import { viewRun } from '../../engine/views/status.ts';
import { openAccount } from '../drive/account.ts';
import { holderOf, withApi, type ApiLink, type Context } from '../context.ts';
import { stoppedText } from '../drive/stopped-text.ts';
import { leftRunText } from '../drive/left-runs.ts';
import { startNotify } from '../drive/notify.ts';
import { EXIT } from '../drive/outcome.ts';
import { submitView, tellUploads } from './submit-view.ts';
import type { PreflightView } from '../render/preflight-text.ts';
import { savingView } from '../render/saving-text.ts';
import { jsonText } from '../terminal/ui.ts';

interface Upload {
  readonly engine: Engine;
  readonly store: Store;
  readonly link: ApiLink;
  readonly runId: string;
  readonly exists: boolean;
  readonly preflight: PreflightView | null;
  readonly saving: IngestReport['saving'];
}

/** Uploads what the caps allow, and prints the run. */
export async function uploadAndReport(context: Context, upload: Upload): Promise<number> {
  const { engine, store, link, runId, exists, preflight, saving } = upload;
  const { flags, terminal } = context;
  const before = await store.run(runId);
  let driver: DriverRecord | null = null;
  const told = new Set<string>();
  let end: Awaited<ReturnType<typeof drive>> | 'locked' | 'nothing' = 'nothing';
  if (before && before.state !== 'done') {
    const account = await openAccount(context, link);
    const notify = await startNotify(context, store, 'submit');
    const emit = (event: EngineEvent): void => {
      notify.observe(event);
      if (event.kind === 'blocked' && event.runId === runId) told.add(event.message);
      engine.emit(event);
    };
    try {
      end = await drive(withApi({ ...engine, emit }, link, flags, account), {
        runIds: [runId],
        goal: 'upload',
        once: false,
        holder: holderOf('submit'),
        retryLockMs: flags.retryLock,
        asCompleted: null,
        onDriving: (runIds) => {
          notify.begin(runIds);
          return Promise.resolve();
        },
      });
      notify.ended(end, EXIT.notFinished);
    } catch (error) {
      notify.failed(error);
      if (!isBatchrunError(error, 'E_LOCKED')) throw error;
      driver = await store.driver();
      end = 'locked';
    } finally {
      await account.close();
      await notify.finish();
    }
  }
  const view = { ...(await submitView(store, { runId, exists, driver, preflight })), saving: savingView(saving) };
  const now = driver === null ? null : await store.run(runId);
  const left = now === null ? '' : await leftRunText(store, now);
  if (flags.quiet !== true) tellUploads(context, view, { driver, left, told });
  await terminal.data(flags.json === true ? jsonText(view) : `${runId}\n`);
  const run = end === 'stopped' ? await store.run(runId) : null;
  if (run) terminal.talk(stoppedText([await viewRun(store, run)]));
  if (end === 'unreachable') terminal.talk('The API could not be reached; the work goes on with `batchrun collect`.');
  if (end === 'blocked') return EXIT.blocked;
  return end === 'unreachable' || end === 'stopped' ? EXIT.notFinished : EXIT.ok;
}
