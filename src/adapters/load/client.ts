/**
 * The HTTP client of the load tester: node:http(s) with connections that are kept, and a time at each step of a request.
 * It is apart from the SDK's client on purpose: that one hides connections and has retries, and both would falsify what
 * is measured. Nothing is tried again here, and redirects are not followed: the key stays with the host that was named.
 */
import type { Agent, ClientRequest, IncomingMessage, RequestOptions } from 'node:http';
import { messageOf, systemCodeOf } from '../../base/errors.ts';
import { redact } from '../../base/log.ts';
import type { ApiFailure } from '../../domain/failure-router.ts';
import type { LoadAnswer, LoadCall, LoadClient, LoadFailure } from '../../domain/load.ts';
import { NO_USAGE } from '../../domain/model.ts';
import { refusalOf } from '../../domain/pacing/refusal.ts';
import type { RateSeen } from '../../domain/pacing/rate-seen.ts';
import { retryAfterMs } from '../anthropic/failure.ts';
import { hasRates, ratesOf } from '../anthropic/rate-headers.ts';
import { messageReader, streamReader, type AnswerError, type AnswerReader } from './answer-reader.ts';
import type { MessagesTarget } from './target.ts';

/** Servers close idle connections after five seconds and more: a request on one that dies would be a failure of ours. */
const IDLE_CONNECTION_MS = 4_000;
/** More users than this would open connections again and again otherwise. */
const CONNECTIONS_KEPT = 65_536;

/** An answer is some megabytes at the most; what goes on and on must not fill the memory of the tester. */
const ANSWER_BYTES_MAX = 64 * 1024 * 1024;

interface Transport {
  readonly agent: Agent;
  readonly request: (options: RequestOptions) => ClientRequest;
}

export async function createLoadClient(target: MessagesTarget): Promise<LoadClient> {
  const { protocol, hostname, port, pathname, search } = target.url;
  const transport = await loadTransport(protocol);
  const fixed = {
    agent: transport.agent,
    host: hostname.replace(/^\[|\]$/g, ''),
    port: port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port),
    path: `${pathname}${search}`,
    method: 'POST',
  };
  const under = new Set<Exchange>();
  return {
    send: (call) =>
      new Promise((resolve) => {
        const headers: Record<string, string | number> = {};
        for (const name in target.headers) headers[name] = target.headers[name] ?? '';
        headers['content-length'] = Buffer.byteLength(call.body);
        if (call.betas.length > 0) headers['anthropic-beta'] = call.betas.join(',');
        const exchange = new Exchange(call, protocol === 'https:', (answer) => {
          under.delete(exchange);
          resolve(answer);
        });
        under.add(exchange);
        exchange.begin(() => transport.request({ ...fixed, headers }));
      }),
    cancelAll: () => {
      for (const exchange of [...under]) exchange.breakOff('canceled');
    },
    close: () => transport.agent.destroy(),
  };
}

async function loadTransport(protocol: string): Promise<Transport> {
  const room = protocol === 'https:' ? await import('node:https') : await import('node:http');
  const agent = new room.Agent({
    keepAlive: true,
    maxSockets: Infinity,
    maxFreeSockets: CONNECTIONS_KEPT,
    timeout: IDLE_CONNECTION_MS,
  });
  return { agent, request: (options) => room.request(options) };
}

/** One request under way. Whatever ends it first counts. */
class Exchange {
  readonly #call: LoadCall;
  readonly #secure: boolean;
  readonly #done: (answer: LoadAnswer) => void;
  readonly #sentAtMs = performance.now();
  #request: ClientRequest | null = null;
  #timer: NodeJS.Timeout | undefined;
  #message: IncomingMessage | null = null;
  #reader: AnswerReader | null = null;
  #connectMs: number | null = null;
  #firstByteMs: number | null = null;
  #firstTokenMs: number | null = null;
  #bytes = 0;
  #over = false;

  constructor(call: LoadCall, secure: boolean, done: (answer: LoadAnswer) => void) {
    this.#call = call;
    this.#secure = secure;
    this.#done = done;
  }

  begin(make: () => ClientRequest): void {
    try {
      const request = make();
      this.#request = request;
      request.on('socket', (socket) => {
        if (request.reusedSocket) return;
        socket.once(this.#secure ? 'secureConnect' : 'connect', () => (this.#connectMs = this.#since()));
      });
      request.on('response', (message) => this.#answered(message));
      request.on('error', (error) => this.#broken(error));
      request.end(this.#call.body);
      this.#timer = setTimeout(() => this.breakOff('timeout'), this.#call.timeoutMs);
    } catch (error) {
      // Headers that cannot be sent: no request was made.
      this.#broken(error);
    }
  }

  breakOff(kind: 'timeout' | 'canceled' | 'too_large'): void {
    this.#end({ kind, refusal: null, retryAfterMs: null });
    this.#request?.destroy();
  }

  #since(): number {
    return performance.now() - this.#sentAtMs;
  }

  #answered(message: IncomingMessage): void {
    this.#firstByteMs = this.#since();
    this.#message = message;
    const streams = (message.headers['content-type'] ?? '').startsWith('text/event-stream');
    const reader = streams ? streamReader(this.#call.keepsText) : messageReader(this.#call.keepsText);
    this.#reader = reader;
    message.on('data', (piece: Buffer) => {
      if (this.#over) return;
      this.#bytes += piece.length;
      if (this.#bytes > ANSWER_BYTES_MAX) this.breakOff('too_large');
      else if (reader.take(piece)) this.#firstTokenMs = this.#since();
    });
    message.on('end', () => this.#end(null));
    message.on('error', (error) => this.#broken(error));
    message.on('close', () => {
      if (!message.complete) this.#broken(new Error('the answer broke off'));
    });
  }

  #broken(error: unknown): void {
    const kind = this.#message ? 'cut_off' : 'connection';
    const code = systemCodeOf(error);
    const told = kind === 'connection' && code !== undefined ? `connection_${code.toLowerCase()}` : kind;
    this.#end({ kind: told, refusal: null, retryAfterMs: null });
    this.#request?.destroy();
  }

  #end(given: LoadFailure | null): void {
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#timer);
    const endedAtMs = performance.now();
    const read = this.#reader?.end();
    const message = this.#message;
    const headers = message?.headers ?? {};
    const status = message?.statusCode ?? null;
    const rates = ratesIn(headers);
    const failed = status !== null && (status < 200 || status >= 300);
    const failure =
      given ??
      (failed || read?.error
        ? failureOf({ status: status ?? 0, error: read?.error ?? null, headers, rates })
        : read?.complete === true
          ? null
          : { kind: this.#isStream() ? 'cut_off' : 'unreadable', refusal: null, retryAfterMs: null });
    this.#done({
      ...{ sentAtMs: this.#sentAtMs, endedAtMs, connectMs: this.#connectMs },
      ...{ firstByteMs: this.#firstByteMs, firstTokenMs: this.#firstTokenMs },
      ...{ status, bytes: this.#bytes, requestId: textOf(headers['request-id']), rates, failure },
      ...{ usage: read?.usage ?? NO_USAGE, model: read?.model ?? null, text: read?.text ?? null },
    });
  }

  #isStream(): boolean {
    return (this.#message?.headers['content-type'] ?? '').startsWith('text/event-stream');
  }
}

interface Refused {
  readonly status: number;
  readonly error: AnswerError | null;
  readonly headers: IncomingMessage['headers'];
  readonly rates: RateSeen | null;
}

function failureOf({ status, error, headers, rates }: Refused): LoadFailure {
  const date = Date.parse(textOf(headers.date) ?? '');
  const wait = retryAfterMs(
    textOf(headers['retry-after-ms']),
    textOf(headers['retry-after']),
    Number.isNaN(date) ? Date.now() : date,
  );
  const failure: ApiFailure = {
    ...{ status, type: error?.type ?? null, errorCode: error?.errorCode ?? null },
    ...{ message: redact(messageOf(error?.message ?? '')), retryAfterMs: wait, shouldRetry: null },
    ...{ requestId: textOf(headers['request-id']), connection: null, unreadable: false },
    ...(rates ? { rates } : {}),
  };
  // A stream that began well may end in an error all the same.
  const kind = KIND.test(error?.type ?? '') ? (error?.type ?? '') : `http_${status}`;
  return { kind, refusal: refusalOf(failure), retryAfterMs: wait };
}

/** Kinds are counted and printed: what a server calls an error must be a name, not a text of its own. */
const KIND = /^[a-z][\w.-]{0,63}$/i;

/** Most answers of most servers have none: only then are all headers looked at. */
function ratesIn(headers: IncomingMessage['headers']): RateSeen | null {
  let found = false;
  for (const name in headers) if (name.includes('ratelimit')) found = true;
  if (!found) return null;
  const web = new Headers();
  for (const [name, value] of Object.entries(headers)) {
    if (typeof value === 'string' && (name.includes('ratelimit') || name === 'date')) web.set(name, value);
  }
  const seen = ratesOf(web, Date.now());
  return hasRates(seen) ? seen : null;
}

function textOf(value: string | string[] | undefined): string | null {
  return typeof value === 'string' ? value : null;
}
