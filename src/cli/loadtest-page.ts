/**
 * The live page of a load test (`--web`): where it begins and ends. What it shows and steers is tools/loadtest/page.ts.
 */
import { messageOf } from '../base/errors.ts';
import type { LoadControl } from '../tools/loadtest/live.ts';
import { LOAD_PAGE_FILES, loadPageFeed, loadPageRoutes } from '../tools/loadtest/page.ts';
import type { Context } from './context.ts';
import { loadWeb } from './context-web.ts';
import { pageToken, withToken } from './page-token.ts';
import { packageVersion } from './version.ts';

export interface LoadPage {
  /** Shows the end of the test to whoever looks, and frees the port. */
  close(): Promise<void>;
}

const PORT = 7_700;

/** The address goes to stderr: stdout is the report. */
export async function startLoadtestPage({ flags, terminal, log }: Context, control: LoadControl): Promise<LoadPage> {
  const token = pageToken(process.env);
  const web = await loadWeb();
  const isLocal = web.isLoopback(flags.host);
  const server = await web.start({
    host: flags.host,
    port: flags.port ?? PORT,
    token,
    files: LOAD_PAGE_FILES,
    routes: loadPageRoutes({ control, version: packageVersion(), isLocal }),
    feed: loadPageFeed(control),
    onError: (error) => log.error('page.failed', { why: messageOf(error) }),
  });
  terminal.talk(`The live page: ${withToken(server.url, token)}`);
  if (!isLocal && flags.quiet !== true) {
    const { port } = new URL(server.url);
    terminal.talk(
      `It can be reached from other machines (--host ${flags.host}) and is not encrypted: whoever listens on the way reads the token, with which the load is steered. A tunnel is safer: ssh -L ${port}:127.0.0.1:${port} this-machine`,
    );
  }
  return { close: () => server.close() };
}
