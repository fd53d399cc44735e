/**
 * A page for a browser, of whichever command: its port, its token, and what is said where others can reach it. What it
 * shows is for the command.
 */
import type { Context } from '../context.ts';
import { loadWeb, type WebPage } from '../context-web.ts';
import { pageToken, withToken } from './page-token.ts';

export interface PageServer {
  /** With the token behind its #. */
  readonly address: string;
  /** What to know where others can reach it; null where nobody can. */
  readonly warning: string | null;
  /** Lets everybody go and frees the port. */
  close(): Promise<void>;
}

export interface Page extends Pick<WebPage, 'files' | 'feed' | 'onError'> {
  /** `isLocal`: only this machine can reach it. */
  readonly routes: (isLocal: boolean) => WebPage['routes'];
  /** What a stranger could do who reads the token: `, with which the load is steered`. */
  readonly power?: string;
}

const PORT = 7_700;

export async function startPage({ flags }: Context, page: Page): Promise<PageServer> {
  const token = pageToken(process.env);
  const web = await loadWeb();
  const isLocal = web.isLoopback(flags.host);
  const server = await web.start({
    host: flags.host,
    port: flags.port ?? PORT,
    token,
    files: page.files,
    routes: page.routes(isLocal),
    feed: page.feed,
    onError: page.onError,
  });
  const { port } = new URL(server.url);
  const warning = `It can be reached from other machines (--host ${flags.host}) and is not encrypted: whoever listens on the way reads the token${page.power ?? ''}. A tunnel is safer: ssh -L ${port}:127.0.0.1:${port} this-machine`;
  return { address: withToken(server.url, token), warning: isLocal ? null : warning, close: () => server.close() };
}
