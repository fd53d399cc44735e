/**
 * A small web server for pages of batchrun: files, routes and a feed behind one guard, with bounds on everything that
 * comes in. It knows no page; what it serves is handed in. An error of a route is an answer with what it says, never a
 * stack, and never the end of the process.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { BatchrunError, isBatchrunError, messageOf, systemCodeOf } from '../../base/errors.ts';
import { redact } from '../../base/log.ts';
import { refusal, type WebAnswer, type WebFeed, type WebRoute } from '../../domain/web.ts';
import { loadAssets, type Assets } from './assets.ts';
import { readBody } from './body.ts';
import { Feeds } from './feeds.ts';
import { Guard, isLoopback, type Refused } from './guard.ts';
import { setSafety } from './headers.ts';
import { createRouter } from './router.ts';
import { sendFile, sendJson } from './send.ts';

export { isLoopback };

export interface WebOptions {
  readonly host: string;
  /** 0 is a free one. */
  readonly port: number;
  readonly token: string;
  readonly files: Readonly<Record<string, string>>;
  readonly routes: readonly WebRoute[];
  readonly feed: WebFeed;
  /** Told of errors that nobody expected. */
  readonly onError: (error: unknown) => void;
}

export interface WebServer {
  /** Without the token. */
  readonly url: string;
  /** Lets everybody go and frees the port. */
  close(): Promise<void>;
}

const CONNECTIONS_MAX = 64;
const HEADERS_MS_MAX = 10_000;
const REQUEST_MS_MAX = 30_000;
const KEEP_ALIVE_MS = 5_000;
const PATH_CHARS_MAX = 2_000;

/** Throws E_WEB_PORT where the address cannot be had. */
export async function startWeb(options: WebOptions): Promise<WebServer> {
  const site = new Site(options);
  const server = createServer(
    { requestTimeout: REQUEST_MS_MAX, headersTimeout: HEADERS_MS_MAX },
    (request, response) => {
      void site.handle(request, response);
    },
  );
  server.maxConnections = CONNECTIONS_MAX;
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  await listen(server, options);
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : options.port;
  return {
    url: `http://${urlHost(options.host)}:${port}/`,
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      await site.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

async function listen(server: Server, { host, port }: WebOptions): Promise<void> {
  try {
    server.listen(port, host.replace(/^\[|\]$/g, ''));
    await once(server, 'listening');
  } catch (error) {
    const why =
      systemCodeOf(error) === 'EADDRINUSE' ? 'is taken by another process' : `cannot be had: ${messageOf(error)}`;
    throw new BatchrunError('E_WEB_PORT', `port ${port} on ${host} for the page ${why}`, { cause: error });
  }
}

/** An address that a browser on this machine can open. */
function urlHost(host: string): string {
  if (host === '0.0.0.0' || host === '::') return 'localhost';
  return host.includes(':') && !host.startsWith('[') ? `[${host}]` : host;
}

class Site {
  readonly #options: WebOptions;
  readonly #guard: Guard;
  readonly #assets: Assets;
  readonly #feeds = new Feeds();
  readonly #route: ReturnType<typeof createRouter>;

  constructor(options: WebOptions) {
    this.#options = options;
    this.#guard = new Guard(options);
    this.#assets = loadAssets(options.files);
    this.#route = createRouter(options.routes);
  }

  close(): Promise<void> {
    return this.#feeds.close();
  }

  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    setSafety(response);
    try {
      const answer = await this.#answer(request, response);
      if (answer?.kind === 'json') sendJson(response, answer.status ?? 200, answer.value);
    } catch (error) {
      // Data that was on its way cannot be taken back: the reader sees that it broke off.
      if (response.headersSent) {
        this.#options.onError(error);
        response.destroy();
      } else sendJson(response, ...this.#said(error));
    }
  }

  /** Null where it was sent already. */
  async #answer(request: IncomingMessage, response: ServerResponse): Promise<WebAnswer | null> {
    const caller = this.#guard.refusesCaller(request);
    if (caller) return refused(response, caller);
    const { url = '/', method = 'GET' } = request;
    if (url.length > PATH_CHARS_MAX) return refusal(414, 'the address is too long');
    const [path = '/', search = ''] = url.split('?', 2);
    const isLook = method === 'GET' || method === 'HEAD';
    if (isLook && this.#assets.serve(path, request, response)) return null;
    const isAuthorized = this.#guard.isAuthorized(request);
    const query = new URLSearchParams(search);
    const { feed } = this.#options;
    // A look at the headers of what never ends would wait for ever, and hold one of few places.
    if (method !== 'GET' || path !== feed.path)
      return this.#byRoute(request, response, { method, path, query, isAuthorized });
    const access = this.#guard.refusesAccess(feed.access, isAuthorized);
    if (access) return refused(response, access);
    const served = await this.#feeds.serve(feed, { request, response, isAuthorized, query });
    return served ? null : refusal(503, 'too many pages look at this', 'Close some of them.');
  }

  async #byRoute(request: IncomingMessage, response: ServerResponse, call: Asked): Promise<WebAnswer | null> {
    const found = this.#route(call.method, call.path);
    if (found === null) return refusal(404, 'there is nothing here');
    if ('allow' in found) {
      response.setHeader('allow', found.allow.join(', '));
      return refusal(405, `this takes ${found.allow.join(', ')} only`);
    }
    const { route, path } = found;
    const access = this.#guard.refusesAccess(route.access, call.isAuthorized);
    if (access) return refused(response, access);
    const body = route.method === 'POST' ? await readBody(request) : { value: {} };
    if ('refused' in body) return refused(response, body.refused);
    const gone = new AbortController();
    response.on('close', () => gone.abort());
    const { query, isAuthorized } = call;
    const answer = await route.answer({ path, query, body: body.value, isAuthorized, signal: gone.signal });
    if (answer.kind === 'json') return answer;
    await sendFile(response, answer, gone.signal);
    return null;
  }

  /** What is said of an error, with its status. */
  #said(error: unknown): [number, unknown] {
    if (!isBatchrunError(error)) this.#options.onError(error);
    const hint = error instanceof BatchrunError ? error.hint : 'See what batchrun says in its terminal.';
    const status = isBatchrunError(error, 'E_RUN_UNKNOWN') ? 404 : isBatchrunError(error, 'E_USAGE') ? 400 : 500;
    return [status, { error: { message: redact(messageOf(error)), hint: redact(hint) } }];
  }
}

interface Asked {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly isAuthorized: boolean;
}

function refused(response: ServerResponse, { status, message, hint }: Refused): WebAnswer {
  if (status === 401) response.setHeader('www-authenticate', 'Bearer');
  // The rest of a body that nobody reads.
  if (status === 413) response.setHeader('connection', 'close');
  return refusal(status, message, hint);
}
