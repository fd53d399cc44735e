/**
 * The world on a socket: HTTP as clients really speak it, for `batchrun sim` and for tests of whole processes.
 *
 * A body that ends before its announced length makes no batch. Long results go out in pieces and wait for the
 * client to read. What the world says about the wire (reset, hang, stall) is done here to the real connection.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { announcedBytes, collectBody } from './collect-body.ts';
import { noAnswer, type SimRequestHead, type SimResponse } from './http.ts';
import type { SimWorld } from './world.ts';

export interface SimServerOptions {
  /** 0: any free port. */
  readonly port: number;
  /** Default 127.0.0.1: nobody else can reach it. */
  readonly host?: string;
}

export interface SimServer {
  readonly origin: string;
  readonly port: number;
  /** Ends at once: open connections are cut. */
  close(): Promise<void>;
}

export async function startSimServer(world: SimWorld, options: SimServerOptions): Promise<SimServer> {
  const host = options.host ?? '127.0.0.1';
  const server = createServer({ requestTimeout: 0, keepAliveTimeout: 60_000 }, (request, response) => {
    // A client that has gone breaks the exchange anywhere; nobody is left to be told.
    exchange(world, request, response).catch(() => void request.socket.destroy());
  });
  server.listen(options.port, host);
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : options.port;
  return { origin: `http://${host}:${port}`, port, close: () => closeServer(server) };
}

async function closeServer(server: Server): Promise<void> {
  const closed = once(server, 'close');
  server.close();
  server.closeAllConnections();
  await closed;
}

async function exchange(world: SimWorld, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  const head: SimRequestHead = {
    method: request.method ?? 'GET',
    path: request.url ?? '/',
    headers: headersOf(request),
    signal: gone.signal,
  };
  const early = world.open(head);
  if (early !== undefined) return send(early, request, response);
  const bytesMax = world.bodyBytesMax(head.path);
  const body = await collectBody(request, { announcedBytes: announcedBytes(head.headers), bytesMax });
  if (body === undefined) return send(world.tooLarge(), request, response);
  // The client went away during the upload: whatever arrived is not a request.
  if (!request.complete) return send(noAnswer('reset'), request, response);
  return send(await world.handle({ ...head, body }), request, response);
}

function headersOf(request: IncomingMessage): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(request.headers)) {
    if (value !== undefined) headers[name] = Array.isArray(value) ? value.join(', ') : value;
  }
  return headers;
}

async function send(answer: SimResponse, request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (answer.fault === 'reset') {
    request.socket.resetAndDestroy();
    return;
  }
  // Nothing is sent and nothing closed: the client has to give up by itself.
  if (answer.fault === 'hang') return;
  // The date is the world's, which may be years from the machine's.
  response.sendDate = false;
  response.writeHead(answer.status, answer.headers);
  if (answer.paced) {
    for await (const piece of answer.paced()) {
      if (response.destroyed) return;
      response.write(piece);
    }
    response.end();
    return;
  }
  for (const piece of answer.body) {
    if (response.destroyed) return;
    if (!response.write(piece)) await drained(response);
  }
  if (answer.fault === 'body_stall') return;
  if (answer.fault === 'body_reset') {
    // After what was written has left, so that the client sees a beginning and then the break.
    await new Promise((resolve) => response.write('', resolve));
    request.socket.destroy();
    return;
  }
  response.end();
}

/** Resolves when the client has read on, or has gone. */
function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const settle = (): void => {
      response.off('drain', settle);
      response.off('close', settle);
      resolve();
    };
    response.on('drain', settle);
    response.on('close', settle);
  });
}
