/**
 * What the tests of our fetch work with: servers on real sockets, that close with the test, bodies that tell what was
 * asked of them, and waits that hang on turns of the event loop instead of time.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http';
import { createServer as createTcpServer, type AddressInfo, type Server as TcpServer, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';

export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Waits until it holds; a test that hangs here says so by its own time limit. */
export async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await turn();
}

/** Waits until a number has stood still for many turns: whatever moved it waits for somebody else. */
export async function standsStill(number: () => number): Promise<number> {
  let last = number();
  for (let quiet = 0; quiet < 2_000; quiet++) {
    await turn();
    if (number() === last) continue;
    last = number();
    quiet = 0;
  }
  return last;
}

export interface Http {
  readonly origin: string;
  readonly port: number;
  readonly server: Server;
  /** Every request that came. */
  readonly requests: readonly IncomingMessage[];
}

async function listening(server: Server | TcpServer): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

export async function http(listener: RequestListener): Promise<Http> {
  const requests: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    requests.push(request);
    // A client that breaks off is part of many tests.
    request.on('error', () => undefined);
    response.on('error', () => undefined);
    listener(request, response);
  });
  const port = await listening(server);
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return { origin: `http://127.0.0.1:${port}`, port, server, requests };
}

/** A server that speaks no HTTP but what the test makes it say. */
export async function tcp(onConnection: (socket: Socket) => void): Promise<{ origin: string; port: number }> {
  const open = new Set<Socket>();
  const server = createTcpServer((socket) => {
    open.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => open.delete(socket));
    onConnection(socket);
  });
  const port = await listening(server);
  onTestFinished(() => {
    server.close();
    for (const socket of open) socket.destroy();
  });
  return { origin: `http://127.0.0.1:${port}`, port };
}

/** A port that nobody listens on. */
export async function deafPort(): Promise<number> {
  const server = createTcpServer();
  const port = await listening(server);
  server.close();
  await once(server, 'close');
  return port;
}

/** Answers with this when the whole request has come. */
export function answering(body: string | Buffer, headers: Record<string, string> = {}, status = 200): RequestListener {
  return (request: IncomingMessage, response: ServerResponse) => {
    request.resume().on('end', () => response.writeHead(status, headers).end(body));
  };
}

export interface Source {
  readonly stream: ReadableStream<Uint8Array>;
  /** Pieces that were asked for. */
  asked: number;
  /** It was told that nobody wants the rest. */
  canceled: boolean;
}

/** A body whose pieces are made when they are asked for. */
export function source(next: (nth: number) => Uint8Array | Promise<Uint8Array> | null): Source {
  const made: Source = {
    asked: 0,
    canceled: false,
    stream: new ReadableStream<Uint8Array>(
      {
        async pull(controller) {
          const piece = await next(made.asked++);
          if (piece === null) controller.close();
          else controller.enqueue(piece);
        },
        cancel() {
          made.canceled = true;
        },
      },
      { highWaterMark: 0 },
    ),
  };
  return made;
}

export async function errorOf(work: Promise<unknown>): Promise<Error & { cause?: Error & { code?: string } }> {
  const error: unknown = await work.then(
    () => new Error('it did not fail'),
    (thrown: unknown) => thrown,
  );
  return error as Error & { cause?: Error & { code?: string } };
}
