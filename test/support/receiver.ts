/**
 * A receiver of notices: an HTTP server of its own that keeps what it gets, and answers as a test wants it to. What was
 * asked for last stays so.
 */
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from 'node:http';
import { onTestFinished } from 'vitest';

export interface Notice {
  readonly version: number;
  readonly id: string;
  readonly event: string;
  readonly at: string;
  readonly text: string;
  readonly message: string;
  readonly hint: string | null;
  readonly exit: number | null;
  readonly code: string | null;
  readonly run: { readonly id: string; readonly name: string | null; readonly state: string };
  readonly rows: Readonly<Record<string, number>>;
  readonly cost_usd: { readonly spent: number | null; readonly budget: number | null };
  readonly details: Readonly<Record<string, unknown>>;
  readonly host: string;
  readonly state: string;
  readonly command: string;
}

export interface Received {
  readonly path: string;
  readonly method: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** Answers, or does not. */
export type Manner = (response: ServerResponse, received: Received) => void;

export const takes: Manner = (response) => void response.writeHead(204).end();
export const answers =
  (status: number, headers: Readonly<Record<string, string>> = {}): Manner =>
  (response) =>
    void response.writeHead(status, headers).end('no');
export const hangs: Manner = () => undefined;

export class Receiver {
  readonly received: Received[] = [];
  readonly url: string;
  readonly #server: Server;
  readonly #heard = new EventTarget();
  #manners: Manner[];

  constructor(server: Server, manners: readonly Manner[]) {
    this.#server = server;
    this.#manners = [...manners];
    const address = server.address();
    this.url = `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}/hook/s3cret`;
    server.on('request', (request, response) => {
      let body = '';
      request.setEncoding('utf8').on('data', (text: string) => (body += text));
      request.on('end', () => {
        const { url: path = '', method = '', headers } = request;
        const one = { path, method, headers, body };
        this.received.push(one);
        const manner = this.#manners.length > 1 ? this.#manners.shift() : this.#manners[0];
        (manner ?? takes)(response, one);
        this.#heard.dispatchEvent(new Event('heard'));
      });
    });
  }

  /** From now on. */
  behaves(...manners: readonly Manner[]): void {
    this.#manners = [...manners];
  }

  get notices(): readonly Notice[] {
    return this.received.map(({ body }) => JSON.parse(body) as Notice);
  }

  get events(): readonly string[] {
    return this.notices.map(({ event }) => event);
  }

  async gets(count: number): Promise<void> {
    while (this.received.length < count) await once(this.#heard, 'heard');
  }

  async close(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }
}

export async function receiver(...manners: readonly Manner[]): Promise<Receiver> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const made = new Receiver(server, manners);
  onTestFinished(() => made.close());
  return made;
}
