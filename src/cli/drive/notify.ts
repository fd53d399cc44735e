/**
 * `--notify`, `--notify-cmd` and `--notify-on` while a command drives. They only listen: what goes wrong with them is
 * logged, stops nothing and changes no exit code. Without these flags nothing is loaded.
 */
import { hostname } from 'node:os';
import type { EngineEvent } from '../../engine/events.ts';
import type { DriveEnd } from '../../engine/runner.ts';
import type { RunRecord } from '../../domain/model.ts';
import { NOTICE_EVENTS } from '../../domain/notice-events.ts';
import type { Store } from '../../domain/store.ts';
import { systemClock } from '../../base/clock.ts';
import type { Context } from '../context.ts';
import { EXIT, exitOfRun } from './outcome.ts';
import { TOKEN_VARIABLE } from '../serve/page-token.ts';

/** Signs what a webhook gets. In the environment only: a secret in a flag is read by everybody on the machine. */
export const NOTIFY_SECRET = 'BATCHRUN_NOTIFY_SECRET';

/** What the command of a notice must not see: keys, and what may hold passwords. */
const HIDDEN = ['BATCHRUN_LIMITER', 'BATCHRUN_NOTIFY', NOTIFY_SECRET, TOKEN_VARIABLE];
/** By rule: the SDK reads more of them with each version. Windows tells no case apart. */
const CREDENTIALS = /^ANTHROPIC_.*(KEY|KEYS|TOKEN|SECRET|HEADERS)$/i;

export interface Notifying {
  /** The command drives these runs from now on. */
  begin(runIds: readonly string[]): void;
  readonly observe: (event: EngineEvent) => void;
  ended(end: DriveEnd, exit: number): void;
  failed(error: unknown): void;
  /** Waits a little for what is on its way. */
  finish(): Promise<void>;
}

const NO_NOTICES: Notifying = {
  begin: () => undefined,
  observe: () => undefined,
  ended: () => undefined,
  failed: () => undefined,
  finish: () => Promise.resolve(),
};

export async function startNotify(context: Context, ledger: Store, command: string): Promise<Notifying> {
  return (await createNotifier(context, ledger, command)) ?? NO_NOTICES;
}

/** A command that finds nothing to drive sends what an earlier one could not. */
export async function sendLeftNotices(context: Context, ledger: Store, command: string): Promise<void> {
  const notifier = await createNotifier(context, ledger, command);
  notifier?.catchUp();
  await notifier?.finish();
}

async function createNotifier({ flags, log, signal, stateFolder }: Context, ledger: Store, command: string) {
  const { notify: url, notifyCmd, notifyOn, apiKeysEnv = [] } = flags;
  if (url === undefined && notifyCmd === undefined) return null;
  const { noticeChannels } = await import('../context-notify.ts');
  const { Notifier } = await import('../../tools/notify/notifier.ts');
  const { env } = process;
  const hidden = [...HIDDEN, ...apiKeysEnv, ...Object.keys(env).filter((name) => CREDENTIALS.test(name))];
  const channels = noticeChannels({ url, command: notifyCmd, secret: env[NOTIFY_SECRET], env, hidden, log });
  return new Notifier({
    ...{ ledger, log, signal, channels, clock: systemClock },
    on: new Set(notifyOn ?? NOTICE_EVENTS),
    exitOf: (run: RunRecord) => {
      const code = exitOfRun(run, flags.failIf);
      // Canceled rows are what `cancel` was asked for.
      const isAsked = run.canceled && flags.failIf === undefined && code === EXIT.rowsFailed && command === 'cancel';
      return isAsked ? EXIT.ok : code;
    },
    sender: { host: hostname(), state: stateFolder, command: `batchrun ${command}` },
  });
}
