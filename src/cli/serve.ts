/**
 * `batchrun serve`: a page on what this state holds, for a browser on this machine. It only looks, until somebody with the
 * token asks for more; then it starts the commands that a person would type (serve-tasks.ts). Without an API key
 * everything can be seen.
 */
import { systemClock } from '../base/clock.ts';
import { isBatchrunError, messageOf } from '../base/errors.ts';
import { PAGE_FILES } from '../tools/serve/page-files.ts';
import { Downloads } from '../tools/serve/downloads.ts';
import { Watch } from '../tools/serve/feed.ts';
import { serveRoutes } from '../tools/serve/routes.ts';
import { findCredentials, type Context } from './context.ts';
import { openServeState } from './context-web.ts';
import { EXIT } from './drive/outcome.ts';
import { startPage } from './serve/page-server.ts';
import { unguessable } from './serve/page-token.ts';
import { CommandTasks } from './serve/serve-tasks.ts';
import { withState } from './help/state-hints.ts';
import { isDriving } from './status.ts';
import { packageVersion } from './help/version.ts';

/** How often it looks while nobody does, so that the charts of whoever comes have no gap. */
const LOOK_INTERVAL_MS = 5_000;

export async function runServe(context: Context): Promise<number> {
  const { flags, terminal, stateFolder, signal } = context;
  const state = await openServeState(context);
  // What is wrong with the state is said here, not in a page.
  await state.ledger();
  const tasks = new CommandTasks(context, await whatIsMissing(context));
  const watch = new Watch(state, {
    clock: systemClock,
    isDriving,
    tasks: () => tasks.list(),
    // Who reads the page is in no folder: the whole path.
    complete: (text) => (flags.state === '.batchrun' ? text : withState(text, stateFolder)),
    start: unguessable(),
  });
  const downloads = new Downloads(state, systemClock, unguessable);
  const page = await startPage(context, {
    files: PAGE_FILES,
    routes: (isLocal) => serveRoutes({ state, watch, tasks, downloads, isLocal, version: packageVersion() }),
    feed: watch.feed('/api/stream'),
    onError: (error) => context.log.error('serve.failed', { why: messageOf(error) }),
  });
  try {
    await terminal.data(`${page.address}\n`);
    if (flags.quiet !== true) for (const line of opening(context, page.warning, tasks.missing)) terminal.talk(line);
    await lookUntil(watch, signal);
    return EXIT.ok;
  } finally {
    await page.close();
    await tasks.close();
    await state.close();
    context.log.debug('serve.ended', { state: stateFolder });
  }
}

function opening({ stateFolder }: Context, warning: string | null, missing: string | null): string[] {
  return [
    `The page of ${stateFolder} is at the address above; the token behind its # allows texts, downloads and actions.`,
    ...(warning === null ? [] : [warning]),
    ...(missing === null ? [] : [`Actions that call the API are off: ${missing}`]),
    'Ctrl-C ends it.',
  ];
}

/** Why commands cannot be started; nothing is sent to find that out. */
async function whatIsMissing(context: Context): Promise<string | null> {
  try {
    await findCredentials(context);
    return null;
  } catch (error) {
    if (!isBatchrunError(error)) throw error;
    return `${error.message}. Start \`batchrun serve\` again with ANTHROPIC_API_KEY set.`;
  }
}

async function lookUntil(watch: Watch, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    // What is wrong with the ledger is met, and said, by whoever asks for something.
    await watch.look().catch(() => undefined);
    await systemClock.sleep(LOOK_INTERVAL_MS, signal);
  }
}
