/**
 * What is asked of our fetch, as one request that can be sent; and what a redirect makes of it.
 *
 * As Node's own fetch, with one exception: on the way to another host all headers stay behind but those that every
 * client sends. The key is in a header of the API's own, which Node's own fetch would hand on.
 */
import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http';
import type { RequestBody } from './request-body.ts';

export interface Call {
  readonly url: URL;
  readonly method: string;
  readonly headers: Headers;
  readonly body: RequestBody;
  readonly signal: AbortSignal | null;
}

const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
const FOR_ANYBODY: ReadonlySet<string> = new Set(['accept', 'accept-encoding', 'user-agent']);

/** Null where it is something that the SDK does not ask for. */
export function callOf(input: string | URL | Request, init: RequestInit = {}): Call | null {
  if (input instanceof Request || (init.redirect ?? 'follow') !== 'follow') return null;
  const url = new URL(input);
  if (!/^https?:$/.test(url.protocol) || url.username !== '' || url.password !== '') return null;
  const body = bodyOf(init.body);
  if (body === undefined) return null;
  const method = (init.method ?? 'GET').toUpperCase();
  const headers = new Headers(init.headers);
  setMissing(headers, 'accept', '*/*');
  setMissing(headers, 'user-agent', 'node');
  // Results pack well. Brotli only where nobody on the way can take offence at it, as browsers do.
  setMissing(headers, 'accept-encoding', url.protocol === 'https:' ? 'br, gzip, deflate' : 'gzip, deflate');
  if (body instanceof Uint8Array) headers.set('content-length', String(body.byteLength));
  if (body === null && method !== 'GET' && method !== 'HEAD') headers.set('content-length', '0');
  return { url, method, headers, body, signal: init.signal ?? null };
}

/** A POST without a body announces none. */
function bodyOf(body: unknown): RequestBody | undefined {
  if (body === undefined || body === null) return null;
  if (typeof body === 'string') return Buffer.from(body, 'utf8');
  if (body instanceof ReadableStream) return body as ReadableStream<Uint8Array>;
  if (ArrayBuffer.isView(body)) return Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  return body instanceof ArrayBuffer ? Buffer.from(body) : undefined;
}

function setMissing(headers: Headers, name: string, value: string): void {
  if (!headers.has(name)) headers.set(name, value);
}

export function wireHeaders({ headers }: Call): OutgoingHttpHeaders {
  return Object.fromEntries(headers);
}

/** The request that an answer asks for instead; an error where it cannot be made; null where it asks for none. */
export function redirected(call: Call, answer: IncomingMessage): Call | Error | null {
  const { statusCode: status = 0, headers } = answer;
  if (!REDIRECTS.has(status) || headers.location === undefined) return null;
  if (!URL.canParse(headers.location, call.url.href)) return new Error('redirected to what is not a URL');
  const url = new URL(headers.location, call.url);
  if (!/^https?:$/.test(url.protocol) || url.username !== '' || url.password !== '') {
    return new Error('redirected to what cannot be called');
  }
  const { method } = call;
  const toGet =
    status === 303 ? method !== 'GET' && method !== 'HEAD' : status !== 307 && status !== 308 && method === 'POST';
  // A stream is sent once.
  if (status !== 303 && call.body instanceof ReadableStream) return new Error('a body that was streamed is redirected');
  const abroad = url.origin !== call.url.origin;
  if (abroad && call.body !== null && !toGet) return new Error(`a body is redirected to another host, ${url.origin}`);
  const kept = new Headers();
  for (const [name, value] of call.headers) {
    if (abroad ? FOR_ANYBODY.has(name) : !(toGet && name.startsWith('content-'))) kept.set(name, value);
  }
  return { ...call, url, method: toGet ? 'GET' : method, headers: kept, body: toGet ? null : call.body };
}
