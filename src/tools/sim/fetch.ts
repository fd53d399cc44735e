/**
 * The world as a `fetch` function: the official SDK runs against it in memory, under a virtual clock, without sockets.
 *
 * It behaves like Node's fetch where a client can tell: the request body is read to its end before anything is
 * answered, a body that breaks off or is shorter than its content-length makes no batch, an abort rejects with the
 * signal's reason, a reset is `TypeError: fetch failed` with a cause, and a broken answer `TypeError: terminated`.
 */
import { announcedBytes, collectBody } from './collect-body.ts';
import type { SimRequestHead, SimResponse } from './http.ts';
import type { SimWorld } from './world.ts';

export type SimFetch = (input: string | URL | Request, init?: RequestInit) => Promise<Response>;

export function simFetch(world: SimWorld): SimFetch {
  return async (input, init) => {
    const request = readInput(input, init);
    const { signal } = request.head;
    signal?.throwIfAborted();
    const early = world.open(request.head);
    const answer = early ?? (await untilAborted(exchange(world, request), signal));
    return toResponse(answer, signal);
  };
}

interface FetchInput {
  readonly head: SimRequestHead;
  readonly body: unknown;
}

function readInput(input: string | URL | Request, init: RequestInit = {}): FetchInput {
  const asked = input instanceof Request ? input : undefined;
  const url = new URL(input instanceof Request ? input.url : input);
  const headers: Record<string, string> = { host: url.host };
  new Headers(init.headers ?? asked?.headers).forEach((value, name) => (headers[name] = value));
  const body: unknown = init.body ?? asked?.body ?? undefined;
  const bytes = bytesOf(body);
  if (bytes !== undefined) headers['content-length'] = String(bytes.length);
  return {
    head: {
      method: (init.method ?? asked?.method ?? 'GET').toUpperCase(),
      path: `${url.pathname}${url.search}`,
      headers,
      origin: url.origin,
      signal: init.signal ?? asked?.signal ?? undefined,
    },
    body: bytes ?? body,
  };
}

/** Bodies that are there as a whole; a stream answers undefined. */
function bytesOf(body: unknown): Buffer | undefined {
  if (typeof body === 'string') return Buffer.from(body, 'utf8');
  if (ArrayBuffer.isView(body)) return Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  return body instanceof ArrayBuffer ? Buffer.from(body) : undefined;
}

async function exchange(world: SimWorld, { head, body }: FetchInput): Promise<SimResponse> {
  if (body === undefined) return world.handle({ ...head, body: undefined });
  if (Buffer.isBuffer(body)) return world.handle({ ...head, body });
  const announced = announcedBytes(head.headers);
  const whole = await readStream(world, head, body);
  if (whole === undefined) return world.tooLarge();
  if (announced !== undefined && announced !== whole.length) {
    throw fetchFailed(
      'Request body length does not match content-length header',
      'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH',
    );
  }
  return world.handle({ ...head, body: whole });
}

async function readStream(world: SimWorld, head: SimRequestHead, body: unknown): Promise<Buffer | undefined> {
  // Response takes whatever fetch takes as a body and makes one kind of stream of it.
  const stream = new Response(body as NonNullable<RequestInit['body']>).body;
  const reader = stream?.getReader();
  // As fetch does: an abort tells the source of the body that nobody reads on.
  const onAbort = (): void => void reader?.cancel(head.signal?.reason).catch(() => undefined);
  head.signal?.addEventListener('abort', onAbort, { once: true });
  try {
    const bytesMax = world.bodyBytesMax(head.path);
    const whole = await collectBody(piecesOf(reader), { announcedBytes: announcedBytes(head.headers), bytesMax });
    head.signal?.throwIfAborted();
    return whole;
  } catch (error) {
    head.signal?.throwIfAborted();
    throw new TypeError('fetch failed', { cause: error });
  } finally {
    head.signal?.removeEventListener('abort', onAbort);
  }
}

async function* piecesOf(reader: ReadableStreamDefaultReader<Uint8Array> | undefined): AsyncIterable<Uint8Array> {
  if (reader === undefined) return;
  for (let next = await reader.read(); !next.done; next = await reader.read()) yield next.value;
}

function untilAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work;
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason as Error);
    signal.addEventListener('abort', onAbort, { once: true });
    const settle = (): void => signal.removeEventListener('abort', onAbort);
    work.then(resolve, reject).finally(settle);
  });
}

function toResponse(answer: SimResponse, signal: AbortSignal | undefined): Promise<Response> {
  if (answer.fault === 'reset') return Promise.reject(fetchFailed('read ECONNRESET', 'ECONNRESET'));
  if (answer.fault === 'hang') return untilAborted(new Promise<never>(() => undefined), signal);
  const { status, headers } = answer;
  return Promise.resolve(new Response(streamOf(answer, signal), { status, headers }));
}

function streamOf(answer: SimResponse, signal: AbortSignal | undefined): ReadableStream<Uint8Array> {
  const pieces = answer.body[Symbol.iterator]();
  let onAbort: (() => void) | undefined;
  const settle = (): void => {
    if (onAbort !== undefined) signal?.removeEventListener('abort', onAbort);
  };
  return new ReadableStream<Uint8Array>(
    {
      start(controller) {
        onAbort = () => controller.error(signal?.reason);
        signal?.addEventListener('abort', onAbort, { once: true });
      },
      async pull(controller) {
        const next = pieces.next();
        if (next.done !== true) {
          controller.enqueue(Buffer.from(next.value, 'utf8'));
          return;
        }
        if (answer.fault === 'body_stall') return new Promise<never>(() => undefined);
        settle();
        if (answer.fault === 'body_reset')
          controller.error(failure('terminated', 'other side closed', 'UND_ERR_SOCKET'));
        else controller.close();
      },
      cancel: settle,
    },
    { highWaterMark: 0 },
  );
}

function fetchFailed(message: string, code: string): TypeError {
  return failure('fetch failed', message, code);
}

function failure(message: string, cause: string, code: string): TypeError {
  return new TypeError(message, { cause: Object.assign(new Error(cause), { code }) });
}
