/**
 * What every failure leads to: the one table (design, sections 3.1 point 3 and 3.2).
 *
 * `routeCreate` judges the create of a batch: was surely nothing made, must a person act, are the rows at fault, or
 * may a batch exist? `routeResult` judges a line of a result file, `routeRealtime` a call of the Messages API.
 * Decisions go by status, type and code; messages are read only where the API gives money limits no code.
 * It decides and never waits or calls. Every cell is in failure-router.test.ts.
 */
import { redact } from '../base/log.ts';
import type { Rng } from '../base/random.ts';
import type { RateSeen } from './pacing/rate-seen.ts';
import { routeDeviation } from './answer-check.ts';
import type { ResultLine } from './result-line.ts';

/** What went wrong with a call, as far as the API client could tell. */
export interface ApiFailure {
  /** Null where no HTTP answer came. */
  readonly status: number | null;
  /** error.type of the body; null where the answer is not in the API's shape. */
  readonly type: string | null;
  /** error.details.error_code. */
  readonly errorCode: string | null;
  readonly message: string;
  readonly retryAfterMs: number | null;
  /** The x-should-retry header. */
  readonly shouldRetry: boolean | null;
  readonly requestId: string | null;
  /** How the connection ended where no answer came. `aborted`: by ourselves. */
  readonly connection: 'never_made' | 'lost' | 'timeout' | 'aborted' | null;
  /** A 2xx whose body does not parse. */
  readonly unreadable: boolean;
  /** What the headers said about limits; only where an answer came. */
  readonly rates?: RateSeen;
}

export interface BlockedVerdict {
  readonly kind: 'blocked';
  readonly reason: 'credentials' | 'billing' | 'permission' | 'endpoint';
  /** As in model.ts, `Block`: what stands still until somebody has acted. */
  readonly scope: 'key' | 'workspace';
  readonly message: string;
  readonly hint: string;
}

export type CreateVerdict =
  | BlockedVerdict
  /** Surely no batch was made: back to sealed, and not before waitMs (null: the usual backoff). */
  | { readonly kind: 'sealed_wait'; readonly waitMs: number | null }
  | { readonly kind: 'split' }
  /** rowIndex is the row that the message names, from 0 in the body. */
  | { readonly kind: 'rows_refused'; readonly rowIndex: number | null }
  /** A batch may have been made. */
  | { readonly kind: 'uncertain' };

export type RowVerdict =
  | { readonly kind: 'succeeded' }
  | { readonly kind: 'failed'; readonly errorType: string }
  | { readonly kind: 'retry'; readonly errorType: string }
  | { readonly kind: 'expired' }
  | { readonly kind: 'canceled' }
  /** Money is missing, not the row's fault: it waits, and the attempt does not count. */
  | { readonly kind: 'held'; readonly errorType: string };

export type RealtimeVerdict =
  | BlockedVerdict
  | {
      readonly kind: 'retry';
      readonly errorType: string;
      /** Lower bound of the wait: the backoff may be longer, never shorter. */
      readonly waitMs: number;
      /** False where the API surely did no work for the row (429, no connection) or we broke off ourselves. */
      readonly countsAsAttempt: boolean;
    }
  | { readonly kind: 'failed'; readonly errorType: string };

/** Error types that the same body may survive on another try. */
const TRANSIENT_TYPES: ReadonlySet<string> = new Set([
  'api_error',
  'overloaded_error',
  'timeout_error',
  'rate_limit_error',
  'conflict_error',
]);
/** Error types that the same body cannot survive. */
export const HOPELESS: ReadonlySet<string> = new Set(['invalid_request_error', 'request_too_large', 'not_found_error']);
/** A failure that nobody has seen before gets one more try. */
const UNKNOWN_ATTEMPTS_MAX = 2;

/** Codes of money limits and accounts that are stopped (facts, section 3.5; SDK 1.10.0 error-classes.ts). */
const BILLING_CODES: ReadonlySet<string> = new Set([
  'enforced_spend_limit_reached',
  'contract_spend_limit_reached',
  'linked_organization_spend_limit_reached',
  'linked_organization_billing_unavailable',
  'organization_on_hold',
]);
/** Answers with 400 that no other row would change: the account may not do this (SDK 1.10.0 error-classes.ts). */
const ACCOUNT_CODES: ReadonlySet<string> = new Set([
  'claude_code_key_creator_not_member',
  'cmek_key_disabled',
  'cmek_key_network_blocked',
  'organization_not_enrolled_in_beta',
  'organization_type_not_supported',
  'workspace_policy_violation',
]);
/** Money limits that come as a plain invalid_request_error, known by their text alone (facts, section 3.5). */
const BILLING_TEXTS: readonly RegExp[] = [
  /credit balance is too low/i,
  /reached your (?:specified )?(?:workspace )?api usage limits?/i,
  /\bspend(?:ing)? limit\b.{0,40}\b(?:reached|exceeded)\b|\b(?:reached|exceed(?:ed|s)?)\b.{0,40}\bspend(?:ing)? limit\b/i,
  /organization (?:is|has been) (?:on hold|disabled)/i,
];

/** What the create of a batch came to. `bodyComplete`: was that committed, so that the last bytes may have left? */
export function routeCreate(failure: ApiFailure, bodyComplete: boolean): CreateVerdict {
  if (failure.unreadable) return { kind: 'uncertain' };
  const blocked = blockedBy(failure);
  if (blocked !== null) return blocked;
  switch (failure.status) {
    case 429:
      return { kind: 'sealed_wait', waitMs: failure.retryAfterMs };
    case 413:
      return { kind: 'split' };
    case 400:
    case 404:
    case 422:
      return { kind: 'rows_refused', rowIndex: namedRow(failure.message) };
    default:
  }
  // An unfinished body is no JSON: whatever went wrong, nothing can have been made of it.
  const surelyNothing = !bodyComplete || failure.connection === 'never_made';
  return surelyNothing ? { kind: 'sealed_wait', waitMs: failure.retryAfterMs } : { kind: 'uncertain' };
}

/**
 * What the refused look at the list of batches says. The list is always there: where it is not found (`endpoint`), the
 * base URL is not that of the API, or something in between is in trouble (engine/outage/address.ts tells them apart).
 * For a batch or a row the same status means that alone.
 */
export function routeList(failure: ApiFailure): CreateVerdict {
  const verdict = routeCreate(failure, false);
  if (verdict.kind === 'blocked' || failure.unreadable) return verdict;
  return failure.status === 404 || failure.status === 405 ? block(failure, 'endpoint') : verdict;
}

/** The list of batches was not found. */
export function isListAbsent(failure: ApiFailure): boolean {
  const verdict = routeList(failure);
  return verdict.kind === 'blocked' && verdict.reason === 'endpoint';
}

/** What becomes of a row by its line. `attemptsSoFar` includes its try; `asksAgain`: where it breaks the schema. */
export function routeResult(
  line: Pick<ResultLine, 'type' | 'errorType' | 'errorMessage' | 'errorCode' | 'stopReason' | 'deviation'>,
  attemptsSoFar: number,
  maxAttempts: number,
  asksAgain = false,
): RowVerdict {
  const left = attemptsSoFar < maxAttempts;
  switch (line.type) {
    case 'succeeded':
    case 'canceled':
      return line.deviation === undefined ? { kind: line.type } : routeDeviation(line, left && asksAgain);
    case 'expired':
      return left ? { kind: 'retry', errorType: 'expired' } : { kind: 'expired' };
    case 'errored': {
      const errorType = line.errorType ?? 'unknown_error';
      if (isBillingLine(errorType, line.errorCode ?? null, line.errorMessage ?? '')) return { kind: 'held', errorType };
      if (HOPELESS.has(errorType)) return { kind: 'failed', errorType };
      const again = left && (TRANSIENT_TYPES.has(errorType) || attemptsSoFar < UNKNOWN_ATTEMPTS_MAX);
      return { kind: again ? 'retry' : 'failed', errorType };
    }
  }
}

/** What becomes of a call of the Messages API that failed. `attemptsSoFar` includes it. */
export function routeRealtime(failure: ApiFailure, attemptsSoFar: number, maxAttempts: number): RealtimeVerdict {
  const blocked = failure.unreadable ? null : blockedBy(failure);
  if (blocked !== null) return blocked;
  const errorType = realtimeErrorType(failure);
  const retry = (countsAsAttempt: boolean): RealtimeVerdict => {
    return { kind: 'retry', errorType, waitMs: failure.retryAfterMs ?? 0, countsAsAttempt };
  };
  // An outage of the network or a throttled hour must not use up the attempts of thousands of rows.
  if (failure.connection === 'aborted' || failure.connection === 'never_made') return retry(false);
  if (failure.status === 429 && !failure.unreadable) return retry(false);
  if (attemptsSoFar < maxAttempts && mayRetry(failure)) return retry(true);
  return { kind: 'failed', errorType };
}

/** The server's own word wins, as in the SDK; else 408, 409, 5xx and broken connections are worth another try. */
function mayRetry(failure: ApiFailure): boolean {
  const { status } = failure;
  if (failure.shouldRetry !== null) return failure.shouldRetry;
  return failure.unreadable || status === null || status === 408 || status === 409 || status >= 500;
}

function realtimeErrorType(failure: ApiFailure): string {
  if (failure.unreadable) return 'batchrun_unreadable_answer';
  if (failure.type !== null) return failure.type;
  if (failure.status !== null) return `batchrun_http_${failure.status}`;
  return failure.connection === null ? 'batchrun_no_answer' : `batchrun_connection_${failure.connection}`;
}

/** The refusals that no waiting and no other row would change: a person must act. Null for all others. */
function blockedBy(failure: ApiFailure): BlockedVerdict | null {
  const { status, type, errorCode } = failure;
  // Money stops come with 400, 402, 403 or 429. In a 5xx such a text would not prove that nothing was made.
  const refused = status !== null && status >= 400 && status < 500;
  if (refused && (status === 402 || isBilling(type, errorCode, failure.message))) return block(failure, 'billing');
  if (status === 401) return block(failure, 'credentials');
  if (status === 403) return block(failure, 'permission');
  if (refused && errorCode !== null && ACCOUNT_CODES.has(errorCode)) return block(failure, 'permission');
  // The API names a type in each error. A bare refusal is another server's: a wrong base URL, a proxy without batches.
  if ([400, 404, 405, 422].includes(status ?? 0) && type === null) return block(failure, 'endpoint');
  return null;
}

function isBilling(type: string | null, errorCode: string | null, message: string): boolean {
  if (type === 'billing_error' || (errorCode !== null && BILLING_CODES.has(errorCode))) return true;
  return BILLING_TEXTS.some((text) => text.test(message));
}

/** The message of a row may quote its prompt: only the API's own sentences count, from their beginning. */
function isBillingLine(type: string, errorCode: string | null, message: string): boolean {
  if (isBilling(type, errorCode, '')) return true;
  return (type === 'invalid_request_error' || type === 'permission_error') && OWN_TEXTS.test(message);
}

const OWN_TEXTS =
  /^(?:your credit balance is too low|you have reached your (?:specified )?(?:workspace )?api usage limits?|your organization (?:is|has been) (?:on hold|disabled))/i;

const BLOCKS = {
  credentials: {
    scope: 'key',
    says: 'the API does not accept the key',
    hint: 'Check ANTHROPIC_API_KEY (`batchrun doctor` shows which key is used), then run `batchrun collect` again.',
  },
  billing: {
    scope: 'workspace',
    says: 'the API stops for money or account reasons',
    hint: 'Add credit or raise the spend limit in the Console (a monthly cap lifts on the 1st at 00:00 UTC; on hold: write to support), then run `batchrun collect` again.',
  },
  permission: {
    scope: 'key',
    says: 'the key may not do this',
    hint: 'Use a key whose workspace may do it, or have the permission granted, then run `batchrun collect` again.',
  },
  endpoint: {
    scope: 'key',
    says: 'the base URL does not answer as the Claude API does',
    hint: 'Check ANTHROPIC_BASE_URL (`batchrun doctor` shows it): it ends before /v1, and a proxy must pass /v1/messages/batches on.',
  },
} as const;

/** Enough of the API's message to act on. It names limits and keys, never prompts; keys are taken out all the same. */
const MESSAGE_CHARS_MAX = 300;

function block(failure: ApiFailure, reason: BlockedVerdict['reason']): BlockedVerdict {
  const { scope, says, hint } = BLOCKS[reason];
  const what = failure.errorCode ?? failure.type ?? `status ${failure.status}`;
  const text = redact(failure.message).slice(0, MESSAGE_CHARS_MAX);
  const request = failure.requestId === null ? '' : ` (request ${failure.requestId})`;
  return {
    kind: 'blocked',
    reason,
    scope,
    message: `${says}: ${what}${text === '' ? '' : `: ${text}`}${request}`,
    hint,
  };
}

/** `requests.<n>.` in a refusal (facts, section 1.6). */
function namedRow(message: string): number | null {
  const match = /\brequests\.(\d{1,6})\b(?=[.:[\s]|$)/.exec(message);
  return match === null ? null : Number(match[1]);
}

export interface BackoffBounds {
  readonly baseMs?: number;
  readonly maxMs?: number;
}

/** Full jitter: anything from 0 to base x 2^(attempt-1), at most maxMs. `attempt` counts from 1. */
export function backoffMs(attempt: number, rng: Rng, { baseMs = 1_000, maxMs = 60_000 }: BackoffBounds = {}): number {
  return Math.floor(rng.next() * Math.min(maxMs, baseMs * 2 ** Math.max(0, attempt - 1)));
}
