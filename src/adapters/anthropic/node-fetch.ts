/**
 * A fetch over node:http and node:https for the SDK: the same answers, errors and limits as Node's own fetch, in a
 * fraction of its time and memory. Bodies leave as fast as the system takes them and are never gathered; an answer can be
 * read as buffers, without a web stream around each piece (`bytesOf`).
 *
 * Where it differs from Node's own it is stricter: what belongs to the API never goes along to another host.
 */
import type { ClientRequest, IncomingMessage, RequestOptions } from 'node:http';
import type { Clock } from '../../base/clock.ts';
import { answerBody, type AnswerBody } from './answer-body.ts';
import { createWatch, withIdleLimit, type ByteSource, type Watch } from './idle.ts';
import { callOf, redirected, wireHeaders, type Call } from './call.ts';
import { sendBody, type Sending } from './request-body.ts';

/** As in Node's own fetch: until the connection stands, then for each wait on the other side. */
const CONNECT_MS_MAX = 10_000;
const SILENCE_MS_MAX = 300_000;
/** As in Node's own fetch: before a server closes it. One that dies as it is used again puts its call in doubt. */
const IDLE_CONNECTION_MS = 4_000;
const REDIRECTS_MAX = 20;
/** Answers that have no body, whatever their head says. */
const WITHOUT_BODY: ReadonlySet<number> = new Set([204, 205, 304]);

interface Transport {
  readonly request: (url: URL, options: RequestOptions) => ClientRequest;
}

interface Answer {
  readonly message: IncomingMessage;
  readonly response: Response;
}

const sources = new WeakMap<Response, ByteSource & { readonly answer: Response }>();

/** The bytes of an answer of ours that nobody has begun to read; undefined for those of another fetch. */
export function bytesOf(response: Response): ByteSource | undefined {
  return sources.get(response);
}

export function createNodeFetch({ clock }: { readonly clock: Clock }): typeof fetch {
  const transports = new Map<string, Promise<Transport>>();
  const transportOf = (protocol: string): Promise<Transport> => {
    const transport = transports.get(protocol) ?? loadTransport(protocol);
    transports.set(protocol, transport);
    return transport;
  };
  return async (input, init) => {
    let call = callOf(input, init);
    // What the SDK never asks for is left to Node's own.
    if (call === null) return fetch(input, init);
    let abroad = false;
    for (let hop = 0; hop <= REDIRECTS_MAX; hop++) {
      const transport = await transportOf(call.url.protocol);
      const { message, response } = await exchange(call, transport, clock);
      const next = redirected(call, message);
      // Their refusal is not about our key, which they were not shown.
      const refusal = abroad && (response.status === 401 || response.status === 403);
      if (next === null && !refusal) return response;
      await response.body?.cancel();
      if (next === null) throw failed(new Error(`redirected to ${call.url.origin}, where no key is sent`));
      if (next instanceof Error) throw failed(next);
      abroad ||= next.url.origin !== call.url.origin;
      call = next;
    }
    throw failed(new Error(`redirected more than ${REDIRECTS_MAX} times`));
  };
}

async function loadTransport(protocol: string): Promise<Transport> {
  const room = protocol === 'https:' ? await import('node:https') : await import('node:http');
  // Where Node is told to go through the proxies of the environment (NODE_USE_ENV_PROXY), it has told its own agent.
  const { options } = room.globalAgent as { readonly options?: { readonly proxyEnv?: unknown } };
  const proxied = options?.proxyEnv === undefined ? {} : { proxyEnv: options.proxyEnv };
  const agent = new room.Agent({ keepAlive: true, timeout: IDLE_CONNECTION_MS, ...proxied });
  return { request: (url, options) => room.request(url, { ...options, agent }) };
}

/** As fetch wraps whatever happened before the head of an answer. */
function failed(cause: unknown): TypeError {
  return new TypeError('fetch failed', { cause });
}

function limitReached(message: string, code: string): TypeError {
  return failed(Object.assign(new Error(message), { code }));
}

/** One request and its answer. Resolves with the head of the answer; what breaks later breaks its body. */
function exchange(call: Call, transport: Transport, clock: Clock): Promise<Answer> {
  const { signal, url } = call;
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const request = transport.request(url, { method: call.method, headers: wireHeaders(call) });
    let body: AnswerBody | null = null;
    const breakOff = (error: unknown): void => {
      if (body) body.fail(error);
      // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- the reason of a signal, as fetch gives it
      reject(error);
      over();
      request.destroy();
    };
    const onAbort = (): void => breakOff(signal?.reason);
    const connecting = createWatch({
      clock,
      idleMs: CONNECT_MS_MAX,
      onIdle: () => breakOff(limitReached(`Connect Timeout Error (${url.host})`, 'UND_ERR_CONNECT_TIMEOUT')),
    });
    const silence = createWatch({
      clock,
      idleMs: SILENCE_MS_MAX,
      onIdle: () => breakOff(limitReached('Headers Timeout Error', 'UND_ERR_HEADERS_TIMEOUT')),
    });
    const over = (): void => {
      signal?.removeEventListener('abort', onAbort);
      connecting.stop();
      silence.stop();
      sending.stop();
    };
    signal?.addEventListener('abort', onAbort, { once: true });
    request.on('error', (cause) => {
      // After the head of the answer the answer wins; where it is cut by this, its own end says so.
      if (body === null) breakOff(failed(cause));
    });
    request.on('close', () => {
      if (body === null) breakOff(failed(new Error('socket hang up')));
    });
    request.on('response', (message: IncomingMessage) => {
      silence.stop();
      // Who refuses does not want the rest. Going on would meet a closed connection, and that would hide the answer.
      if (!isSuccess(message)) sending.stop();
      if (closesSoon(message)) request.shouldKeepAlive = false;
      body = answerBody(message, (whole) => {
        const reusable = whole && sending.complete;
        over();
        if (!reusable) request.destroy();
      });
      try {
        resolve({ message, response: toResponse(call, message, body, clock) });
      } catch (error) {
        breakOff(failed(error));
      }
    });
    const sending: Sending = sendBody(request, call.body, {
      connected: connected(request, url, connecting),
      announcedBytes: announcedBytes(call),
      watch: silence,
      onFailed: (error) => breakOff(failed(error)),
    });
  });
}

/** Resolves when the connection stands; one that is used again does already. Where it cannot be made the request fails. */
function connected(request: ClientRequest, url: URL, watch: Watch): Promise<void> {
  return new Promise((resolve) => {
    request.on('socket', (socket) => {
      if (request.destroyed) return;
      if (request.reusedSocket) {
        resolve();
        return;
      }
      watch.listen();
      socket.once(url.protocol === 'https:' ? 'secureConnect' : 'connect', () => {
        watch.stop();
        resolve();
      });
    });
  });
}

function announcedBytes(call: Call): number | null {
  const announced = call.headers.get('content-length');
  return announced === null ? null : Number(announced);
}

function isSuccess({ statusCode = 0 }: IncomingMessage): boolean {
  return statusCode >= 200 && statusCode < 300;
}

/** Says the server that it closes idle connections no later than we do? Then this one is not worth keeping. */
function closesSoon(message: IncomingMessage): boolean {
  const hint = /timeout=(\d+)/.exec(String(message.headers['keep-alive'] ?? ''))?.[1];
  return hint !== undefined && Number(hint) * 1_000 <= IDLE_CONNECTION_MS;
}

function toResponse(call: Call, message: IncomingMessage, body: AnswerBody, clock: Clock): Response {
  const { statusCode: status = 0, statusMessage: statusText = '', rawHeaders } = message;
  const headers = new Headers();
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) headers.append(rawHeaders[at] ?? '', rawHeaders[at + 1] ?? '');
  const empty = WITHOUT_BODY.has(status);
  const response = new Response(empty ? null : webStream(body, clock), { status, statusText, headers });
  Object.defineProperty(response, 'url', { value: call.url.href });
  // Nobody will read it: its end is looked for here, so that the connection becomes free.
  if (empty) void body.read().catch(() => undefined);
  // It holds the answer as well: the SDK lets go of the signal of a call whose answer nobody holds.
  else sources.set(response, { read: body.read, cancel: body.cancel, answer: response });
  return response;
}

/** Nothing is read before it is asked for: whoever takes the bytes directly leaves nothing behind in a stream. */
function webStream(body: AnswerBody, clock: Clock): ReadableStream<Uint8Array> {
  const silent = (): Error => limitReached('Body Timeout Error', 'UND_ERR_BODY_TIMEOUT');
  const pieces = withIdleLimit(body, {
    clock,
    idleMs: SILENCE_MS_MAX,
    timer: 'fresh',
    error: silent,
    onIdle: () => body.fail(silent()),
  });
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const piece = await pieces.next();
        if (piece.done === true) controller.close();
        else controller.enqueue(piece.value);
      },
      async cancel() {
        await body.cancel();
        await pieces.return(undefined);
      },
    },
    { highWaterMark: 0 },
  );
}
