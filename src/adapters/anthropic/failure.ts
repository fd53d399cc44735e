/**
 * Whatever the SDK, fetch or a socket throws, as one `ApiFailure`: what the failure router decides on. The caller
 * of the API sees a BatchrunError E_API that carries it. No SDK class is named outside this folder.
 */
import { BatchrunError, isBatchrunError, messageOf, systemCodeOf } from '../../base/errors.ts';
import { redact } from '../../base/log.ts';
import type { ApiFailure } from '../../domain/failure-router.ts';
import { ratesOf, toHeaders } from './rate-headers.ts';

/** With these the connection was never made, so nothing of the request can have arrived. */
const NEVER_MADE: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'UND_ERR_CONNECT_TIMEOUT',
  'CERT_HAS_EXPIRED',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'ERR_TLS_CERT_ALTNAME_INVALID',
  'ERR_SSL_WRONG_VERSION_NUMBER',
]);

/**
 * These also come on a connection that stands, when the network goes away after the body has left. Only from the
 * system call that makes connections are they a proof.
 */
const NEVER_MADE_AT_CONNECT: ReadonlySet<string> = new Set(['EHOSTUNREACH', 'ENETUNREACH', 'EADDRNOTAVAIL']);

/** With these a limit of time was reached: the SDK's, or undici's own on the headers and on the body. */
const TIMEOUTS: ReadonlySet<string> = new Set(['UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT', 'ETIMEDOUT']);

/** A 2xx answer that is not what the API documents. */
export function unreadable(what: string): BatchrunError {
  return apiError({
    ...NO_ANSWER,
    message: `the answer to ${what} cannot be read`,
    connection: null,
    unreadable: true,
  });
}

export function apiError(failure: ApiFailure, cause?: unknown): BatchrunError {
  return new BatchrunError('E_API', failure.message, {
    details: { failure },
    ...(cause === undefined ? {} : { cause }),
  });
}

const NO_ANSWER: ApiFailure = {
  status: null,
  type: null,
  errorCode: null,
  message: '',
  retryAfterMs: null,
  shouldRetry: null,
  requestId: null,
  connection: 'lost',
  unreadable: false,
};

/** Errors of ours pass through unchanged; everything else becomes an E_API. `nowMs` is for dates in retry-after. */
export function toApiError(error: unknown, nowMs: number): BatchrunError {
  const own = causes(error).find((cause) => isBatchrunError(cause));
  if (isBatchrunError(own)) return own;
  if (isCredentialError(error)) {
    const none = /could not resolve authentication method/i.test(messageOf(error));
    const unusable = `the API credentials cannot be used: ${redact(messageOf(error))}`;
    return new BatchrunError('E_CREDENTIALS', none ? 'no API credentials were found' : unusable, { cause: error });
  }
  const status = field(error, 'status');
  if (typeof status === 'number') return apiError(httpFailure(error, status, nowMs), error);
  const connection = connectionOf(error);
  const deepest = causes(error).at(-1);
  return apiError({ ...NO_ANSWER, message: redact(connectionText(messageOf(error), deepest)), connection }, error);
}

function connectionOf(error: unknown): NonNullable<ApiFailure['connection']> {
  const name = error instanceof Error ? error.constructor.name : '';
  const chain = causes(error);
  const codes = chain.map((cause) => systemCodeOf(cause) ?? '');
  // An aborted body is a DOMException, whose code is a number.
  const aborted = chain.some((cause) => cause instanceof Error && cause.name === 'AbortError');
  if (name === 'APIUserAbortError' || aborted || codes.includes('ABORT_ERR')) return 'aborted';
  if (name === 'APIConnectionTimeoutError' || codes.some((code) => TIMEOUTS.has(code))) return 'timeout';
  return chain.some(isNeverMade) ? 'never_made' : 'lost';
}

function isNeverMade(cause: unknown): boolean {
  const code = systemCodeOf(cause) ?? '';
  return NEVER_MADE.has(code) || (NEVER_MADE_AT_CONNECT.has(code) && field(cause, 'syscall') === 'connect');
}

function connectionText(message: string, cause: unknown): string {
  const detail = systemCodeOf(cause) ?? messageOf(cause);
  return message.includes(detail) ? message : `${message.replace(/\.$/, '')} (${detail})`;
}

function httpFailure(error: unknown, status: number, nowMs: number): ApiFailure {
  const headers = toHeaders(field(error, 'headers'));
  const header = (name: string): string | null => headers.get(name);
  const shouldRetry = header('x-should-retry');
  const body = field(error, 'error');
  // The API nests {type: error, error: {type, message}}; Cloudflare's 413 has the inner part alone.
  const inner = field(body, 'error') ?? body;
  return {
    status,
    type: text(field(inner, 'type')),
    errorCode: text(field(field(inner, 'details'), 'error_code')),
    message: redact(text(field(inner, 'message')) ?? messageOf(error)),
    // A date is by the API's clock, which its own header tells; ours may be wrong.
    retryAfterMs: retryAfterMs(header('retry-after-ms'), header('retry-after'), dateMs(header('date')) ?? nowMs),
    shouldRetry: shouldRetry === null ? null : shouldRetry === 'true',
    requestId: header('request-id'),
    connection: null,
    unreadable: false,
    rates: ratesOf(headers, nowMs),
  };
}

function dateMs(date: string | null): number | null {
  const ms = Date.parse(date ?? '');
  return Number.isNaN(ms) ? null : ms;
}

/** `retry-after-ms`, or `retry-after` in seconds or as a date; null where neither says a wait. */
export function retryAfterMs(ms: string | null, seconds: string | null, nowMs: number): number | null {
  if (ms !== null && Number.isFinite(Number.parseFloat(ms))) return Math.max(0, Number.parseFloat(ms));
  if (seconds === null) return null;
  if (/^\s*\d+(\.\d+)?\s*$/.test(seconds)) return Number(seconds) * 1_000;
  const date = Date.parse(seconds);
  return Number.isNaN(date) ? null : Math.max(0, date - nowMs);
}

/** The SDK throws plain errors about credentials before anything is sent; they have no status. */
function isCredentialError(error: unknown): boolean {
  // An error of the API's, with a status or from the middle of a stream, is about the request.
  if (error instanceof Error && /^API|Error$/.test(error.constructor.name) && 'apiMessage' in error) return false;
  // What the system says is about the network, whatever words are in it.
  if (causes(error).some((cause) => systemCodeOf(cause) !== undefined)) return false;
  return (
    /authentication method|credential|apiKey|authToken|api_key/i.test(messageOf(error)) &&
    !(error instanceof SyntaxError)
  );
}

/** The error and what caused it, outermost first. */
function causes(error: unknown): unknown[] {
  const chain: unknown[] = [];
  for (let at = error; at !== undefined && at !== null && chain.length < 10; at = field(at, 'cause')) chain.push(at);
  return chain;
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}

function text(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}
