import { describe, expect, it } from 'vitest';
import { seededRng } from '../../../src/base/random.ts';
import type { ApiFailure } from '../../../src/domain/failure-router.ts';
import { backoffMs, routeCreate, routeList, routeRealtime, routeResult } from '../../../src/domain/failure-router.ts';
import { realtimeAllowed, realtimeRetryRowsMax, retryLane } from '../../../src/domain/lanes.ts';
import { LONG_OUTPUT_BETA, REALTIME_BYTES_MAX } from '../../../src/domain/limits.ts';

const NOTHING: ApiFailure = {
  status: null,
  type: null,
  errorCode: null,
  message: '',
  retryAfterMs: null,
  shouldRetry: null,
  requestId: null,
  connection: null,
  unreadable: false,
};

function answer(status: number, type: string | null, more: Partial<ApiFailure> = {}): ApiFailure {
  return { ...NOTHING, status, type, message: `${type}`, ...more };
}

function broken(connection: ApiFailure['connection']): ApiFailure {
  return { ...NOTHING, connection, message: 'socket hang up' };
}

const UNREADABLE = answer(200, null, { unreadable: true });

/** Everything that stops for money (facts, section 3.5), as create and realtime answer it. */
const MONEY: readonly ApiFailure[] = [
  answer(429, 'rate_limit_error', { errorCode: 'enforced_spend_limit_reached' }),
  answer(429, 'rate_limit_error', { errorCode: 'contract_spend_limit_reached' }),
  answer(402, 'billing_error'),
  answer(402, null),
  answer(402, 'billing_error', { errorCode: 'linked_organization_spend_limit_reached' }),
  answer(402, 'billing_error', { errorCode: 'linked_organization_billing_unavailable' }),
  answer(400, 'invalid_request_error', { errorCode: 'organization_on_hold' }),
  answer(400, 'invalid_request_error', {
    message: 'You have reached your specified API usage limits. You will regain access on 2026-12-01.',
  }),
  answer(400, 'invalid_request_error', { message: 'You have reached your specified workspace API usage limits.' }),
  answer(400, 'invalid_request_error', {
    message: 'Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing.',
    errorCode: 'something_new',
  }),
  answer(400, 'invalid_request_error', { message: 'This organization has been disabled.' }),
  answer(403, 'permission_error', { message: 'The spend limit of this workspace is reached.' }),
];

/** What only looks like a money limit. */
const NOT_MONEY: readonly string[] = [
  "This request would exceed your organization's rate limit of 30,000 input tokens per minute",
  'messages.0.content: Input should be a valid string',
  'The request would exceed a ramp limit',
  'tools.0.name: credit_limit is not a valid name',
];

describe('a create that failed', () => {
  const table: readonly (readonly [what: string, failure: ApiFailure, bodyComplete: boolean, verdict: object])[] = [
    ['429', answer(429, 'rate_limit_error'), true, { kind: 'sealed_wait', waitMs: null }],
    [
      '429 with retry-after',
      answer(429, 'rate_limit_error', { retryAfterMs: 7_000 }),
      true,
      { kind: 'sealed_wait', waitMs: 7_000 },
    ],
    ['429 of a proxy', answer(429, null, { retryAfterMs: 1 }), true, { kind: 'sealed_wait', waitMs: 1 }],
    [
      'a ramp limit',
      answer(429, 'rate_limit_error', { errorCode: 'ramp_limit_exceeded', retryAfterMs: 30_000 }),
      true,
      { kind: 'sealed_wait', waitMs: 30_000 },
    ],
    ['429 before the body was complete', answer(429, 'rate_limit_error'), false, { kind: 'sealed_wait', waitMs: null }],
    ['401', answer(401, 'authentication_error'), true, { kind: 'blocked', reason: 'credentials', scope: 'key' }],
    ['401 of a proxy', answer(401, null), false, { kind: 'blocked', reason: 'credentials' }],
    ['403', answer(403, 'permission_error'), true, { kind: 'blocked', reason: 'permission', scope: 'key' }],
    [
      '400 for the whole account',
      answer(400, 'invalid_request_error', { errorCode: 'cmek_key_disabled' }),
      true,
      { kind: 'blocked', reason: 'permission' },
    ],
    ['404 of a server without batches', answer(404, null), true, { kind: 'blocked', reason: 'endpoint' }],
    ['405', answer(405, null), true, { kind: 'blocked', reason: 'endpoint' }],
    ['413 of Cloudflare', answer(413, 'request_too_large'), true, { kind: 'split' }],
    ['413 without a body', answer(413, null), false, { kind: 'split' }],
    ['400', answer(400, 'invalid_request_error'), true, { kind: 'rows_refused', rowIndex: null }],
    [
      '404 for a model',
      answer(404, 'not_found_error', { message: 'model: x' }),
      true,
      { kind: 'rows_refused', rowIndex: null },
    ],
    ['422', answer(422, 'invalid_request_error'), true, { kind: 'rows_refused', rowIndex: null }],
    ['408', answer(408, 'timeout_error'), true, { kind: 'uncertain' }],
    ['409', answer(409, 'conflict_error'), true, { kind: 'uncertain' }],
    ['418', answer(418, null), true, { kind: 'uncertain' }],
    ['500', answer(500, 'api_error'), true, { kind: 'uncertain' }],
    [
      '500 with a money text',
      answer(500, 'api_error', { message: 'credit balance is too low' }),
      true,
      { kind: 'uncertain' },
    ],
    ['502 of a proxy', answer(502, null), true, { kind: 'uncertain' }],
    ['503', answer(503, 'api_error', { retryAfterMs: 5 }), true, { kind: 'uncertain' }],
    ['504', answer(504, 'timeout_error'), true, { kind: 'uncertain' }],
    ['529', answer(529, 'overloaded_error'), true, { kind: 'uncertain' }],
    ['500 that says x-should-retry', answer(500, 'api_error', { shouldRetry: true }), true, { kind: 'uncertain' }],
    ['an unreadable 2xx', UNREADABLE, true, { kind: 'uncertain' }],
    ['an unreadable 2xx before the body was complete', UNREADABLE, false, { kind: 'uncertain' }],
    ['a connection never made', broken('never_made'), true, { kind: 'sealed_wait', waitMs: null }],
    ['a connection lost', broken('lost'), true, { kind: 'uncertain' }],
    ['a timeout', broken('timeout'), true, { kind: 'uncertain' }],
    ['our own end', broken('aborted'), true, { kind: 'uncertain' }],
    ['an unknown death', NOTHING, true, { kind: 'uncertain' }],
    [
      '500 before the body was complete',
      answer(500, 'api_error', { retryAfterMs: 9 }),
      false,
      { kind: 'sealed_wait', waitMs: 9 },
    ],
    ['a connection lost before the body was complete', broken('lost'), false, { kind: 'sealed_wait', waitMs: null }],
    ['a timeout before the body was complete', broken('timeout'), false, { kind: 'sealed_wait', waitMs: null }],
    ['our own end before the body was complete', broken('aborted'), false, { kind: 'sealed_wait', waitMs: null }],
  ];
  it.each(table)('%s', (_what, failure, bodyComplete, verdict) => {
    expect(routeCreate(failure, bodyComplete)).toMatchObject(verdict);
  });

  it.each(MONEY)('is blocked for money: $status $errorCode $message', (failure) => {
    expect(routeCreate(failure, true)).toMatchObject({ kind: 'blocked', reason: 'billing', scope: 'workspace' });
  });

  it.each(NOT_MONEY)('is not blocked for money by %j', (message) => {
    expect(routeCreate(answer(429, 'rate_limit_error', { message }), true).kind).toBe('sealed_wait');
    expect(routeCreate(answer(400, 'invalid_request_error', { message }), true).kind).toBe('rows_refused');
  });

  it.each([
    ["requests.0.custom_id: String should match pattern '^[a-zA-Z0-9_-]{1,64}$'", 0],
    ['requests.417.params.model: Field required', 417],
    ['400 {"type":"error","error":{"message":"requests.99999.params: x"}}', 99_999],
    ['requests.3: Extra inputs are not permitted', 3],
    ['requests: List should have at least 1 item', null],
    ['messages.4.content: bad', null],
    ['prerequests.4.x', null],
    ['max_tokens: requests.1e', null],
  ])('names the row of %j: %s', (message, rowIndex) => {
    expect(routeCreate(answer(400, 'invalid_request_error', { message }), true)).toEqual({
      kind: 'rows_refused',
      rowIndex,
    });
  });

  it('says what is blocked and what to do, without a key and not at any length', () => {
    const message = `bad key sk-ant-api03-abcdefghijkl ${'x'.repeat(2_000)}`;
    const verdict = routeCreate(answer(401, 'authentication_error', { message, requestId: 'req_7' }), true);
    if (verdict.kind !== 'blocked') throw new Error(verdict.kind);
    expect(verdict.message).toMatch(/does not accept the key: authentication_error: bad key/);
    expect(verdict.message).toContain('req_7');
    expect(verdict.message).not.toContain('abcdefghijkl');
    expect(verdict.message.length).toBeLessThan(450);
    expect(verdict.hint).toContain('ANTHROPIC_API_KEY');
  });
});

describe('a look at the list', () => {
  it.each([404, 405])('that is not there (%d) is the base URL of something else: a person must act', (status) => {
    const verdict = routeList(answer(status, 'not_found_error', { message: 'Not Found' }));
    expect(verdict).toMatchObject({ kind: 'blocked', reason: 'endpoint', scope: 'key' });
    expect(verdict).toHaveProperty('hint', expect.stringContaining('ANTHROPIC_BASE_URL'));
  });

  it.each([400, 401, 429, 500, 529])('with %d says what a create with it says', (status) => {
    const failure = answer(status, 'some_error', { message: 'No' });
    expect(routeList(failure)).toEqual(routeCreate(failure, false));
  });
});

describe('a result line', () => {
  const errored = (errorType: string, errorMessage = '', errorCode?: string) =>
    ({ type: 'errored', errorType, errorMessage, errorCode }) as const;
  const TRANSIENT = ['api_error', 'overloaded_error', 'timeout_error', 'rate_limit_error', 'conflict_error'];
  const HOPELESS = ['invalid_request_error', 'request_too_large', 'not_found_error'];

  it.each(['succeeded', 'canceled'] as const)('%s is what it says, whatever the attempt', (type) => {
    for (const attempt of [1, 4, 9]) expect(routeResult({ type }, attempt, 4)).toEqual({ kind: type });
  });

  it('expired is tried again until the attempts are used up, and then is expired', () => {
    const verdicts = [1, 2, 3, 4].map((attempt) => routeResult({ type: 'expired' }, attempt, 4));
    expect(verdicts.map((verdict) => verdict.kind)).toEqual(['retry', 'retry', 'retry', 'expired']);
    expect(verdicts[0]).toEqual({ kind: 'retry', errorType: 'expired' });
  });

  it.each(HOPELESS)('errored with %s has failed at once', (errorType) => {
    expect(routeResult(errored(errorType), 1, 4)).toEqual({ kind: 'failed', errorType });
  });

  it.each(TRANSIENT)('errored with %s is tried again until the attempts are used up', (errorType) => {
    const kinds = [1, 2, 3, 4, 5].map((attempt) => routeResult(errored(errorType), attempt, 4).kind);
    expect(kinds).toEqual(['retry', 'retry', 'retry', 'failed', 'failed']);
    expect(routeResult(errored(errorType), 1, 1)).toEqual({ kind: 'failed', errorType });
  });

  it.each(['brand_new_error', 'unknown_result_type', 'missing_message', 'unknown_error', 'permission_error'])(
    'errored with %s, which nobody has seen, is tried once more',
    (errorType) => {
      const kinds = [1, 2, 3].map((attempt) => routeResult(errored(errorType), attempt, 4).kind);
      expect(kinds).toEqual(['retry', 'failed', 'failed']);
      expect(routeResult(errored(errorType), 1, 1).kind).toBe('failed');
    },
  );

  it('errored without a type counts as unknown', () => {
    expect(routeResult({ type: 'errored' }, 1, 4)).toEqual({ kind: 'retry', errorType: 'unknown_error' });
  });

  it.each([
    errored('billing_error'),
    errored('invalid_request_error', 'Your credit balance is too low to access the Anthropic API.'),
    errored('invalid_request_error', 'You have reached your specified API usage limits.'),
    errored('invalid_request_error', 'x', 'organization_on_hold'),
    errored('rate_limit_error', 'x', 'enforced_spend_limit_reached'),
    errored('permission_error', 'Your organization is on hold.'),
  ])('errored for money is held, whatever the attempt: %j', (line) => {
    for (const attempt of [1, 4, 9]) {
      expect(routeResult(line, attempt, 4)).toEqual({ kind: 'held', errorType: line.errorType });
    }
  });

  it.each(NOT_MONEY)('errored is not held for %j', (message) => {
    expect(routeResult(errored('invalid_request_error', message), 1, 4).kind).toBe('failed');
  });
});

describe('a realtime call that failed', () => {
  const RETRIED: readonly (readonly [failure: ApiFailure, errorType: string])[] = [
    [answer(408, 'timeout_error'), 'timeout_error'],
    [answer(409, 'conflict_error'), 'conflict_error'],
    [answer(500, 'api_error'), 'api_error'],
    [answer(502, null), 'batchrun_http_502'],
    [answer(503, 'api_error', { errorCode: 'cmek_key_unreachable' }), 'api_error'],
    [answer(504, 'timeout_error'), 'timeout_error'],
    [answer(529, 'overloaded_error'), 'overloaded_error'],
    [broken('lost'), 'batchrun_connection_lost'],
    [broken('timeout'), 'batchrun_connection_timeout'],
    [NOTHING, 'batchrun_no_answer'],
    [answer(400, 'invalid_request_error', { shouldRetry: true }), 'invalid_request_error'],
  ];
  it.each(RETRIED)('is tried again, until the attempts are used up: %j', (failure, errorType) => {
    const again = { kind: 'retry', errorType, waitMs: 0, countsAsAttempt: true };
    expect(routeRealtime(failure, 1, 4)).toEqual(again);
    expect(routeRealtime({ ...failure, retryAfterMs: 1_234 }, 3, 4)).toEqual({ ...again, waitMs: 1_234 });
    expect(routeRealtime(failure, 4, 4)).toEqual({ kind: 'failed', errorType });
  });

  it.each([
    answer(429, 'rate_limit_error', { retryAfterMs: 900_000 }),
    answer(429, 'rate_limit_error', { errorCode: 'ramp_limit_exceeded', retryAfterMs: 900_000 }),
    { ...broken('never_made'), retryAfterMs: 900_000 },
    { ...broken('aborted'), retryAfterMs: 900_000 },
  ])('uses up no attempt where the API did nothing for the row: $status $connection', (failure) => {
    for (const attempt of [1, 4, 99]) {
      const verdict = { kind: 'retry', waitMs: 900_000, countsAsAttempt: false };
      expect(routeRealtime(failure, attempt, 4)).toMatchObject(verdict);
    }
  });

  it.each([
    answer(400, 'invalid_request_error'),
    answer(404, 'not_found_error'),
    answer(413, 'request_too_large'),
    answer(422, 'invalid_request_error'),
    answer(418, 'teapot_error'),
    answer(500, 'api_error', { shouldRetry: false }),
  ])('has failed for good: $status $type', (failure) => {
    expect(routeRealtime(failure, 1, 4)).toEqual({ kind: 'failed', errorType: failure.type });
  });

  it('is asked again like a lost answer where the answer cannot be read', () => {
    const kinds = [1, 2, 3, 4].map((attempt) => routeRealtime(UNREADABLE, attempt, 4).kind);
    expect(kinds).toEqual(['retry', 'retry', 'retry', 'failed']);
    expect(routeRealtime(UNREADABLE, 4, 4)).toEqual({ kind: 'failed', errorType: 'batchrun_unreadable_answer' });
  });

  it.each([
    [answer(401, 'authentication_error'), 'credentials'],
    [answer(403, 'permission_error'), 'permission'],
    [answer(400, 'invalid_request_error', { errorCode: 'workspace_policy_violation' }), 'permission'],
    [answer(404, null), 'endpoint'],
  ] as const)('is blocked: %j', (failure, reason) => {
    for (const attempt of [1, 9]) expect(routeRealtime(failure, attempt, 4)).toMatchObject({ kind: 'blocked', reason });
  });

  it.each(MONEY)('is blocked for money: $status $errorCode $message', (failure) => {
    expect(routeRealtime(failure, 1, 4)).toMatchObject({ kind: 'blocked', reason: 'billing' });
  });
});

describe('the backoff', () => {
  it('is anything between nothing and the doubled bound, never above the largest', () => {
    const rng = seededRng('backoff');
    for (const [attempt, bound] of [
      [1, 1_000],
      [2, 2_000],
      [5, 16_000],
      [7, 60_000],
      [2_000, 60_000],
    ] as const) {
      const waits = Array.from({ length: 2_000 }, () => backoffMs(attempt, rng));
      expect(Math.max(...waits)).toBeLessThan(bound);
      expect(Math.max(...waits)).toBeGreaterThan(bound * 0.95);
      expect(Math.min(...waits)).toBeLessThan(bound * 0.05);
      expect(waits.every((wait) => Number.isInteger(wait) && wait >= 0)).toBe(true);
    }
  });

  it('takes other bounds, and an attempt 0 as the first', () => {
    const almostOne = { next: () => 0.9999999 };
    expect(backoffMs(3, almostOne, { baseMs: 10, maxMs: 25 })).toBe(24);
    expect(backoffMs(1, almostOne, { baseMs: 10 })).toBe(9);
    expect(backoffMs(0, almostOne)).toBe(999);
  });
});

describe('the lane of a retry', () => {
  const row = { requestBytes: 1_000, betas: [] as readonly string[] };
  const auto = { ...row, mode: 'auto' } as const;

  it.each([
    [1, 50, 'realtime'],
    [100, 50, 'realtime'],
    [101, 50, 'batch'],
    [100, 10_000, 'realtime'],
    [101, 10_099, 'batch'],
    [101, 10_100, 'realtime'],
    [10_000, 1_000_000, 'realtime'],
    [10_001, 1_000_000, 'batch'],
  ] as const)('auto: %d rows waiting of a run of %d go %s', (waitingNow, runRows, lane) => {
    expect(retryLane({ ...auto, waitingNow, runRows })).toBe(lane);
    expect(waitingNow <= realtimeRetryRowsMax(runRows)).toBe(lane === 'realtime');
  });

  it('is forced by the mode', () => {
    for (const waitingNow of [1, 5_000]) {
      const question = { ...row, waitingNow, runRows: 100 };
      expect(retryLane({ ...question, mode: 'batch' })).toBe('batch');
      expect(retryLane({ ...question, mode: 'realtime' })).toBe('realtime');
      expect(retryLane({ ...question, mode: 'none' })).toBeNull();
    }
  });

  it.each([
    { requestBytes: REALTIME_BYTES_MAX + 1, betas: [] },
    { requestBytes: 10, betas: ['other', LONG_OUTPUT_BETA] },
  ])('is batch for a row that the realtime lane cannot take, even by force: %j', (large) => {
    expect(realtimeAllowed(large)).toBe(false);
    for (const mode of ['auto', 'realtime', 'batch'] as const) {
      expect(retryLane({ ...large, mode, waitingNow: 1, runRows: 1 })).toBe('batch');
    }
    expect(retryLane({ ...large, mode: 'none', waitingNow: 1, runRows: 1 })).toBeNull();
  });

  it('is open to a row of exactly the size of a Messages request', () => {
    expect(realtimeAllowed({ requestBytes: REALTIME_BYTES_MAX, betas: ['other'] })).toBe(true);
  });
});
