/**
 * The live page of a load test (`--web`): where it begins and ends. What it shows and steers is tools/loadtest/page.ts.
 */
import { messageOf } from '../../base/errors.ts';
import type { LoadControl } from '../../tools/loadtest/live.ts';
import {
  LOAD_PAGE_FILES,
  loadOutcome,
  loadPageFeed,
  loadPageRoutes,
  type LoadOutcome,
} from '../../tools/loadtest/page.ts';
import type { LoadView } from '../../tools/loadtest/view.ts';
import type { Context } from '../context.ts';
import { startPage } from '../serve/page-server.ts';
import { packageVersion } from '../help/version.ts';

export interface LoadPage {
  /** Shows the end of the test and what it found (null: it has broken off) to whoever looks, and frees the port. */
  close(view: LoadView | null): Promise<void>;
}

/** The address goes to stderr: stdout is the report. */
export async function startLoadtestPage(context: Context, control: LoadControl): Promise<LoadPage> {
  const { terminal, flags, log } = context;
  let outcome: LoadOutcome | null = null;
  const page = await startPage(context, {
    files: LOAD_PAGE_FILES,
    routes: (isLocal) => loadPageRoutes({ control, version: packageVersion(), isLocal }),
    feed: loadPageFeed(control, () => outcome),
    onError: (error) => log.error('page.failed', { why: messageOf(error) }),
    power: ', with which the load is steered',
  });
  terminal.talk(`The live page: ${page.address}`);
  if (page.warning !== null && flags.quiet !== true) terminal.talk(page.warning);
  return {
    close: (view) => {
      outcome = view && loadOutcome(view);
      return page.close();
    },
  };
}
