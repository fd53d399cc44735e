/**
 * What an error of somebody else's call is: a failure that the failure router knows, or the caller's own affair. The
 * page of the library says the same in words: what is made again, and what never is.
 */
import { toApiError } from '../adapters/anthropic/failure.ts';
import { systemCodeOf } from '../base/errors.ts';
import type { ApiFailure } from '../domain/failure-router.ts';
import { apiFailureOf } from '../engine/session.ts';

/** Of sockets, of names, of undici, of HTTP/2, and of clients that put codes of their own on what they saw of these. */
const NETWORK_CODES =
  /^E(?:CONN|PIPE|TIMEDOUT|HOST|NET|AI_|NOTFOUND|ADDRNOTAVAIL)|^UND_ERR_(?!ABORTED|INVALID|NOT_SUPPORTED)|^ERR_(?:HTTP2_|NETWORK$|STREAM_PREMATURE_CLOSE$)/;
const CAUSES_MAX = 10;

/** Null where the API has nothing to do with it: then it is thrown as it is, and at once. */
export function failureOf(error: unknown, nowMs: number): ApiFailure | null {
  const chain = causesOf(error);
  if (!isOfCall(error, chain)) return null;
  const failure = apiFailureOf(toApiError(error, nowMs));
  // A limit of time that the call has set for one try (AbortSignal.timeout) is one like that of a client.
  const isTimeout = failure?.status === null && chain.some((cause) => nameOf(cause) === 'TimeoutError');
  return failure && isTimeout ? { ...failure, connection: 'timeout' } : failure;
}

function isOfCall(error: unknown, chain: readonly unknown[]): boolean {
  if (typeof field(error, 'status') === 'number') return true;
  if (!(error instanceof Error)) return false;
  if (/^API(?:Connection|UserAbort)/.test(error.constructor.name)) return true;
  if (chain.some((cause) => ['AbortError', 'TimeoutError'].includes(nameOf(cause)))) return true;
  const codes = chain.flatMap((cause) => systemCodeOf(cause) ?? []);
  // An address that is none, too many redirects: undici names a cause without a code. A slip, and no network.
  if (error instanceof TypeError && error.message === 'fetch failed') return codes.length > 0 || chain.length === 1;
  if (error instanceof TypeError && error.message === 'terminated') return true;
  return codes.some((code) => NETWORK_CODES.test(code));
}

/** The error and what caused it, outermost first. */
function causesOf(error: unknown): readonly unknown[] {
  const chain: unknown[] = [];
  for (let at = error; at !== undefined && at !== null && chain.length < CAUSES_MAX; at = field(at, 'cause')) {
    chain.push(at);
  }
  return chain;
}

/** An aborted fetch throws a DOMException, which is an Error, of a name that says why. */
function nameOf(cause: unknown): string {
  return cause instanceof Error ? cause.name : '';
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}
