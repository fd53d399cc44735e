/**
 * What a call of somebody else's gave: what its headers say of limits, what it used, and whether it failed in a way that
 * the failure router knows. Reads what the official SDK and fetch give, and what the caller notes.
 */
import { Readable } from 'node:stream';
import { ratesOf, toHeaders } from '../adapters/anthropic/rate-headers.ts';
import type { ApiFailure } from '../domain/failure-router.ts';
import type { TokenUsage } from '../domain/model.ts';
import type { RateSeen } from '../domain/pacing/rate-seen.ts';
import { readUsage } from '../domain/result-line.ts';
import { failureOf } from './limiter-failure.ts';

/** What a caller may tell of an answer that cannot be looked into from outside. */
export interface CallNote {
  readonly headers?: Headers | Readonly<Record<string, string>>;
  /** The `usage` of the message, as the API gives it. */
  readonly usage?: unknown;
}

export interface ReadAnswer {
  /** What the caller gets. */
  readonly value: unknown;
  readonly usage: TokenUsage | null;
  readonly rates: RateSeen | null;
  /** A Response that is no success: it is handed on as it is when no other try is made. */
  readonly failure: ApiFailure | null;
}

/** One document. What comes piece by piece (events, lines) may have no end: it is left to the caller. */
const JSON_TYPE = /^\s*application\/json\s*(?:;|$)/i;

/** The SDK's promise, which has the headers for whoever asks. */
interface WithResponse {
  withResponse(): Promise<{ readonly data: unknown; readonly response: Response }>;
}

/** Makes the call and waits for what it gives. Rejects with whatever it throws or rejects with. */
export async function readAnswer(call: () => unknown, note: () => CallNote, nowMs: () => number): Promise<ReadAnswer> {
  // Not awaited before it is looked at: the SDK's promise has the headers, its value has not.
  const given = call();
  if (isWithResponse(given)) {
    const { data, response } = await given.withResponse();
    return answered({ value: data, body: data, headers: response.headers }, note, nowMs());
  }
  const value: unknown = await given;
  if (isResponse(value)) return readResponse(value, note, nowMs);
  // What `withResponse` of the SDK gives.
  const response = field(value, 'response');
  if (isResponse(response)) {
    return answered({ value, body: field(value, 'data'), headers: response.headers }, note, nowMs());
  }
  return answered({ value, body: value, headers: null }, note, nowMs());
}

/** Nobody reads this answer any more: a body that is left unread would keep its connection. */
export function letGo(value: unknown): void {
  const body = isResponse(value) ? field(value, 'body') : null;
  if (body instanceof Readable) body.destroy();
  else if (isWebStream(body)) body.cancel().catch(() => undefined);
}

async function readResponse(response: Response, note: () => CallNote, nowMs: () => number): Promise<ReadAnswer> {
  const isJson = JSON_TYPE.test(response.headers.get('content-type') ?? '');
  const body = isJson && !response.bodyUsed ? await jsonOf(response) : undefined;
  if (response.ok) return answered({ value: response, body, headers: response.headers }, note, nowMs());
  const { status, headers } = response;
  const failure = failureOf(Object.assign(new Error(`status ${status}`), { status, headers, error: body }), nowMs());
  return { value: response, usage: null, rates: failure?.rates ?? null, failure };
}

function answered(
  { value, body, headers }: { readonly value: unknown; readonly body: unknown; readonly headers: Headers | null },
  note: () => CallNote,
  nowMs: number,
): ReadAnswer {
  const noted = note();
  const told = noted.headers === undefined ? headers : toHeaders(noted.headers);
  const usage = noted.usage ?? field(body, 'usage');
  return {
    value,
    usage: typeof usage === 'object' && usage !== null ? readUsage(usage) : null,
    rates: told === null ? null : ratesOf(told, nowMs),
    failure: null,
  };
}

/**
 * A copy is read: the caller has the body to itself. Only of a stream of the web, whose copies can be read one without
 * the other. Those that node-fetch makes of a stream of Node run in step: the body, which nobody reads yet, would hold up
 * its copy for ever as soon as its buffer is full.
 */
async function jsonOf(response: Response): Promise<unknown> {
  if (!isWebStream(response.body)) return undefined;
  try {
    return await response.clone().json();
  } catch {
    // Whoever reads the body itself will see what is wrong with it.
    return undefined;
  }
}

/** Of whatever fetch: that of a package, or of another realm, has a Response of its own. */
function isResponse(value: unknown): value is Response {
  return (
    typeof field(value, 'status') === 'number' &&
    typeof field(value, 'ok') === 'boolean' &&
    typeof field(value, 'clone') === 'function' &&
    typeof field(field(value, 'headers'), 'get') === 'function'
  );
}

/** A stream of the web. That of a package such as node-fetch is one of Node. */
function isWebStream(value: unknown): value is ReadableStream {
  return typeof field(value, 'getReader') === 'function';
}

function isWithResponse(value: unknown): value is WithResponse {
  return typeof value === 'object' && value !== null && typeof field(value, 'withResponse') === 'function';
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}
