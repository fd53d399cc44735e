/**
 * HTTP as the world sees it: what comes in, what goes out, and what may happen to the wire on the way.
 *
 * Both skins (server.ts on sockets, fetch.ts in memory) turn these into the real thing, so that the world itself
 * needs neither. A refusal is thrown as a `Refusal` anywhere below `handle` and becomes the API's error shape there.
 */

export interface SimRequest {
  readonly method: string;
  /** With its query string. */
  readonly path: string;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer | undefined;
  /** `http://host:port` as the client knows it: results_url begins with it. Default: from the host header. */
  readonly origin?: string | undefined;
  /** Aborts when the client has gone: ends the waiting, never undoes what was accepted. */
  readonly signal?: AbortSignal | undefined;
}

/** A request of which only the headers have arrived. */
export type SimRequestHead = Omit<SimRequest, 'body'>;

/**
 * What the wire does to an answer. `reset`: closed without one. `hang`: nothing ever comes.
 * `body_reset`: the body breaks off with an error. `body_stall`: the body stops and never ends.
 */
export type WireFault = 'reset' | 'hang' | 'body_reset' | 'body_stall';

export interface SimResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Read lazily, once, in pieces of about 64 KiB where it is long. */
  readonly body: Iterable<string>;
  readonly fault?: WireFault;
  /** The same body with the waits between its pieces, for skins on which time passes. */
  readonly paced?: () => AsyncIterable<string>;
}

export interface RefusalOptions {
  readonly headers?: Readonly<Record<string, string>>;
  readonly details?: Readonly<Record<string, unknown>>;
}

/** An answer that is not 2xx, in the API's terms (facts section 4). */
export class Refusal extends Error {
  readonly status: number;
  readonly type: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly details: Readonly<Record<string, unknown>> | undefined;

  constructor(status: number, type: string, message: string, options: RefusalOptions = {}) {
    super(message);
    this.name = 'Refusal';
    this.status = status;
    this.type = type;
    this.headers = options.headers ?? {};
    this.details = options.details;
  }

  /** With these too, where it has no better ones. */
  withHeaders(headers: Readonly<Record<string, string>>): Refusal {
    const { details } = this;
    return new Refusal(this.status, this.type, this.message, {
      headers: { ...headers, ...this.headers },
      ...(details === undefined ? {} : { details }),
    });
  }
}

export function invalidRequest(message: string, details?: Readonly<Record<string, unknown>>): Refusal {
  return new Refusal(400, 'invalid_request_error', message, details === undefined ? {} : { details });
}

const TYPE_BY_STATUS: Readonly<Record<number, string>> = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  402: 'billing_error',
  403: 'permission_error',
  404: 'not_found_error',
  409: 'conflict_error',
  413: 'request_too_large',
  429: 'rate_limit_error',
  504: 'timeout_error',
  529: 'overloaded_error',
};

const MESSAGE_BY_STATUS: Readonly<Record<number, string>> = {
  404: 'Not Found',
  429: 'Number of requests has exceeded your rate limit. Please try again later.',
  500: 'Internal server error',
  503: 'Service temporarily unavailable',
  504: 'Request timed out. Please try again.',
  529: 'Overloaded',
};

/** The refusal that the API gives with this status when nothing more is to be said. */
export function refusalOf(status: number, message?: string, options?: RefusalOptions): Refusal {
  const type = TYPE_BY_STATUS[status] ?? (status < 500 ? 'invalid_request_error' : 'api_error');
  return new Refusal(status, type, message ?? MESSAGE_BY_STATUS[status] ?? `Status ${status}`, options);
}

export function errorBody(refusal: Refusal, requestId: string | null): string {
  const { type, message, details } = refusal;
  const error = details === undefined ? { type, message } : { type, message, details };
  return JSON.stringify({ type: 'error', error, request_id: requestId });
}

export function jsonResponse(value: unknown, headers: Readonly<Record<string, string>> = {}): SimResponse {
  return { status: 200, headers: { 'content-type': 'application/json', ...headers }, body: [JSON.stringify(value)] };
}

/** A wire effect that comes instead of an answer. */
export function noAnswer(fault: 'reset' | 'hang'): SimResponse {
  return { status: 0, headers: {}, body: [], fault };
}

/**
 * 413 as Cloudflare answers it before the API sees the request: no top-level type, no request id (facts 1.6).
 */
export function tooLargeResponse(): SimResponse {
  const body = '{"error":{"type":"request_too_large","message":"Request exceeds the maximum size"}}';
  return { status: 413, headers: { 'content-type': 'application/json', server: 'cloudflare' }, body: [body] };
}
