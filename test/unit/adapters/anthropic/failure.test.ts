/**
 * Every kind of thing that the SDK, fetch or a socket throws, and the `ApiFailure` that it becomes. What is read wrongly
 * here is a batch paid twice (never_made although the body left) or a night of waiting.
 */
import Anthropic from '@anthropic-ai/sdk';
import { describe, expect, test } from 'vitest';
import { apiError, retryAfterMs, toApiError, unreadable } from '../../../../src/adapters/anthropic/failure.ts';
import { BatchrunError } from '../../../../src/base/errors.ts';
import type { ApiFailure } from '../../../../src/domain/failure-router.ts';

const NOW_MS = Date.UTC(2026, 10, 20);

function failureOf(error: unknown): ApiFailure {
  const ours = toApiError(error, NOW_MS);
  expect(ours.code).toBe('E_API');
  return (ours.details as { failure: ApiFailure }).failure;
}

function systemError(code: string, message = code, more: object = {}): Error {
  return Object.assign(new Error(message), { code, ...more });
}

/** As fetch and the SDK wrap it. */
function wrapped(cause: Error): Error {
  return new Anthropic.APIConnectionError({ cause: new TypeError('fetch failed', { cause }) });
}

function httpError(status: number, body: object | undefined, headers: Record<string, string> = {}): Error {
  return Anthropic.APIError.generate(status, body, undefined, new Headers(headers));
}

const ERROR_BODY = { type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } };

describe('connections', () => {
  test.each([
    'ECONNREFUSED',
    'ENOTFOUND',
    'EAI_AGAIN',
    'UND_ERR_CONNECT_TIMEOUT',
    'CERT_HAS_EXPIRED',
    'ERR_TLS_CERT_ALTNAME_INVALID',
  ])('%s was never made', (code) => {
    expect(failureOf(wrapped(systemError(code)))).toMatchObject({
      connection: 'never_made',
      status: null,
      unreadable: false,
    });
  });

  test.each(['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET', 'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH', 'ESOMETHING_NEW'])(
    '%s is lost: something may have arrived',
    (code) => {
      expect(failureOf(wrapped(systemError(code)))).toMatchObject({ connection: 'lost', status: null });
    },
  );

  test.each(['UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT', 'ETIMEDOUT'])('%s is a timeout', (code) => {
    expect(failureOf(wrapped(systemError(code)))).toMatchObject({ connection: 'timeout' });
  });

  // The kernel gives these on an established connection too, when the network goes away after the body has left.
  test.each(['EHOSTUNREACH', 'ENETUNREACH'])('%s is never made only where it was met while connecting', (code) => {
    expect(failureOf(wrapped(systemError(code, code, { syscall: 'connect' })))).toMatchObject({
      connection: 'never_made',
    });
    expect(failureOf(wrapped(systemError(code, code, { syscall: 'read' })))).toMatchObject({ connection: 'lost' });
    expect(failureOf(wrapped(systemError(code, code, { syscall: 'write' })))).toMatchObject({ connection: 'lost' });
  });

  test('the SDK’s own timeout and abort are told apart', () => {
    expect(failureOf(new Anthropic.APIConnectionTimeoutError())).toMatchObject({ connection: 'timeout' });
    expect(failureOf(new Anthropic.APIUserAbortError())).toMatchObject({ connection: 'aborted' });
  });

  test('an abort that a body stream throws is an abort', () => {
    const abort = new AbortController();
    abort.abort();
    expect(failureOf(abort.signal.reason)).toMatchObject({ connection: 'aborted' });
    expect(failureOf(wrapped(abort.signal.reason as Error))).toMatchObject({ connection: 'aborted' });
  });

  test('several addresses that all refused were never reached', () => {
    const each = [
      systemError('ECONNREFUSED', 'connect ECONNREFUSED ::1:1'),
      systemError('ECONNREFUSED', 'connect ECONNREFUSED 127.0.0.1:1'),
    ];
    const all = Object.assign(new AggregateError(each), { code: 'ECONNREFUSED' });
    expect(failureOf(wrapped(all))).toMatchObject({ connection: 'never_made' });
  });

  test('the message names what the system said', () => {
    expect(failureOf(wrapped(systemError('ECONNREFUSED'))).message).toMatch(/\(ECONNREFUSED\)$/);
  });

  test('a chain of causes without an end does not hang', () => {
    const loop = new Error('x');
    loop.cause = loop;
    expect(failureOf(loop)).toMatchObject({ connection: 'lost' });
  });

  test.each([undefined, null, 'text', 7, {}])('%s that was thrown is lost', (thrown) => {
    expect(failureOf(thrown)).toMatchObject({ connection: 'lost', status: null });
  });
});

describe('answers', () => {
  test.each([400, 401, 403, 404, 408, 409, 413, 422, 429, 500, 502, 503, 504, 529])(
    '%i keeps status, type and message',
    (status) => {
      expect(failureOf(httpError(status, ERROR_BODY))).toMatchObject({
        status,
        type: 'overloaded_error',
        message: 'Overloaded',
        connection: null,
        unreadable: false,
      });
    },
  );

  test('an error code and the request id are kept', () => {
    const body = {
      type: 'error',
      error: { type: 'rate_limit_error', message: 'm', details: { error_code: 'enforced_spend_limit_reached' } },
    };
    expect(failureOf(httpError(429, body, { 'request-id': 'req_1', 'x-should-retry': 'false' }))).toMatchObject({
      errorCode: 'enforced_spend_limit_reached',
      requestId: 'req_1',
      shouldRetry: false,
    });
    expect(failureOf(httpError(500, body, { 'x-should-retry': 'true' }))).toMatchObject({
      shouldRetry: true,
      requestId: null,
    });
  });

  test('an error without the outer shape, as the edge sends it, is understood', () => {
    const inner = { type: 'request_too_large', message: 'Request exceeds the maximum size' };
    expect(failureOf(httpError(413, { error: inner }))).toMatchObject({ status: 413, type: 'request_too_large' });
    expect(failureOf(httpError(413, inner))).toMatchObject({ status: 413, type: 'request_too_large' });
  });

  test('a page of a proxy has a status and no type', () => {
    expect(
      failureOf(Anthropic.APIError.generate(502, undefined, '<html>Bad Gateway</html>', new Headers())),
    ).toMatchObject({
      status: 502,
      type: null,
      errorCode: null,
    });
  });

  test('waits are read from either header', () => {
    expect(failureOf(httpError(429, ERROR_BODY, { 'retry-after': '7' })).retryAfterMs).toBe(7_000);
    expect(failureOf(httpError(429, ERROR_BODY, { 'retry-after-ms': '250', 'retry-after': '7' })).retryAfterMs).toBe(
      250,
    );
    expect(failureOf(httpError(429, ERROR_BODY)).retryAfterMs).toBeNull();
  });

  test('an answer that cannot be read is told apart from none', () => {
    const error = unreadable('the create of a batch');
    expect(error.message).toBe('the answer to the create of a batch cannot be read');
    expect(failureOf(error)).toMatchObject({ unreadable: true, connection: null, status: null });
  });
});

describe('retry-after', () => {
  test.each([
    [null, '30', 30_000],
    [null, '0', 0],
    [null, ' 1.5 ', 1_500],
    [null, 'Fri, 20 Nov 2026 00:01:00 GMT', 60_000],
    [null, 'Thu, 19 Nov 2026 00:00:00 GMT', 0],
    [null, 'soon', null],
    [null, '', null],
    [null, null, null],
    ['1200', null, 1_200],
    ['-5', null, 0],
    ['x', '2', 2_000],
    ['Infinity', '2', 2_000],
  ])('%s and %s are %s ms', (ms, seconds, expected) => {
    expect(retryAfterMs(ms, seconds, NOW_MS)).toBe(expected);
  });
});

describe('errors of ours', () => {
  test('pass through as they are, however deep they lie', () => {
    const own = new BatchrunError('E_DISK_FULL', 'full');
    expect(toApiError(own, NOW_MS)).toBe(own);
    expect(toApiError(wrapped(own), NOW_MS)).toBe(own);
    const again = apiError({ ...failureOf(new Error('x')), status: 500 });
    expect(toApiError(again, NOW_MS)).toBe(again);
  });

  test('missing credentials are E_CREDENTIALS; an answer that speaks of credentials is not', () => {
    const missing = new Error(
      'Could not resolve authentication method. Expected one of apiKey, authToken, credentials to be set',
    );
    expect(toApiError(missing, NOW_MS).code).toBe('E_CREDENTIALS');
    const body = { type: 'error', error: { type: 'authentication_error', message: 'invalid credential' } };
    expect(toApiError(httpError(401, body), NOW_MS).code).toBe('E_API');
  });

  test('a connection that broke is no matter of credentials, whatever its host is called', () => {
    const cause = systemError('ENOTFOUND', 'getaddrinfo ENOTFOUND credentials.example');
    expect(toApiError(wrapped(cause), NOW_MS).code).toBe('E_API');
    expect(toApiError(new TypeError('fetch failed: credentials.example', { cause }), NOW_MS).code).toBe('E_API');
  });

  test('keys in messages are taken out', () => {
    const body = { type: 'error', error: { type: 'authentication_error', message: 'invalid sk-ant-api03-ABCDEFGHIJ' } };
    expect(failureOf(httpError(401, body)).message).toBe('invalid sk-ant-[redacted]');
    expect(toApiError(new Error('bad header: Bearer abcdefghijkl'), NOW_MS).message).not.toContain('abcdefghijkl');
  });
});
