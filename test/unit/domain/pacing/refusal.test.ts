/** What a 429 is about, by its code, its message and its headers. */
import { describe, expect, test } from 'vitest';
import type { ApiFailure } from '../../../../src/domain/failure-router.ts';
import type { RateSeen, SeenBucket, SeenBucketName } from '../../../../src/domain/pacing/rate-seen.ts';
import { refusalOf } from '../../../../src/domain/pacing/refusal.ts';

function failure(message: string, more: Partial<ApiFailure> = {}): ApiFailure {
  return {
    ...{ status: 429, type: 'rate_limit_error', errorCode: null, message, retryAfterMs: 1_000, shouldRetry: null },
    ...{ requestId: null, connection: null, unreadable: false, ...more },
  };
}

function rates(buckets: Partial<Record<SeenBucketName, Partial<SeenBucket>>>): RateSeen {
  const full = Object.entries(buckets).map(([name, seen]) => [
    name,
    { limit: null, remaining: null, resetMs: null, ...seen },
  ]);
  return { organization: null, workspace: null, by: 'api', buckets: Object.fromEntries(full) as RateSeen['buckets'] };
}

const SAMPLE =
  "This request would exceed your organization's rate limit of 30,000 input tokens per minute (org: 7e3c, model: claude-opus-5). For details, refer to: https://docs.claude.com/en/api/rate-limits. You can see the response headers for current usage. Please reduce the prompt length or the maximum tokens requested, or try again later.";

describe('by its message', () => {
  test.each([
    [SAMPLE, 'input', 30_000],
    [
      'This request would exceed the rate limit for your organization (7e3c) of 8,000 output tokens per minute.',
      'output',
      8_000,
    ],
    ["This request would exceed your organization's rate limit of 50 requests per minute (org: 1).", 'requests', 50],
    ["This request would exceed your organization's rate limit of 1,000,000 tokens per minute.", 'tokens', 1_000_000],
    ["This request would exceed your organization's rate limit of 5,000,000 tokens per day.", 'day', 5_000_000],
    ["This request would exceed your organization's rate limit of 2 requests per second.", 'requests', 120],
    [
      'Number of batch requests in the processing queue has exceeded your limit. Please wait for batches to be processed.',
      'queue',
      null,
    ],
    ['Number of batch requests in the processing queue has exceeded your limit of 200,000.', 'queue', 200_000],
    ['Number of concurrent batches has exceeded your limit of 100.', 'batches', 100],
    ['Number of requests has exceeded your rate limit. Please try again later.', null, null],
    ["This request would exceed your organization's rate limit of 9 requests per day.", null, null],
    ['', null, null],
  ] as const)('%s', (message, bucket, limit) => {
    expect(refusalOf(failure(message))).toEqual({ kind: 'rate', bucket, limit });
  });

  test('is believed before the headers, which round', () => {
    const seen = rates({ requests: { remaining: 0, limit: 50 }, input: { remaining: 1_000, limit: 30_000 } });
    expect(refusalOf(failure(SAMPLE, { rates: seen }))).toEqual({ kind: 'rate', bucket: 'input', limit: 30_000 });
  });

  test('gets its limit from the headers where it names none', () => {
    const seen = rates({ requests: { limit: 50, remaining: 0 } });
    expect(refusalOf(failure('slow down', { rates: seen }))).toEqual({ kind: 'rate', bucket: 'requests', limit: 50 });
  });

  test('is not read where the API gives a code', () => {
    expect(refusalOf(failure(SAMPLE, { errorCode: 'some_new_limit' }))).toEqual({
      ...{ kind: 'rate', bucket: null, limit: null },
    });
  });
});

describe('by its headers', () => {
  const silent = (buckets: Parameters<typeof rates>[0]): unknown => refusalOf(failure('?', { rates: rates(buckets) }));

  test('the bucket of which nothing is left', () => {
    const buckets = { requests: { remaining: 9 }, output: { remaining: 0, limit: 8_000 }, tokens: { remaining: 0 } };
    expect(silent(buckets)).toEqual({ kind: 'rate', bucket: 'output', limit: 8_000 });
  });

  test('of several the one that takes longest', () => {
    expect(silent({ requests: { remaining: 0, resetMs: 100 }, input: { remaining: 0, resetMs: 200 } })).toMatchObject({
      bucket: 'input',
    });
  });

  test('a proxy tells only of tokens', () => {
    expect(silent({ requests: { remaining: 3 }, tokens: { remaining: 0, limit: 9_000 } })).toEqual({
      ...{ kind: 'rate', bucket: 'tokens', limit: 9_000 },
    });
  });

  test('none where all have something left', () => {
    expect(silent({ requests: { remaining: 3, limit: 50 } })).toEqual({ kind: 'rate', bucket: null, limit: null });
  });
});

describe('what is no bucket', () => {
  test('too fast a growth', () => {
    expect(refusalOf(failure(SAMPLE, { errorCode: 'ramp_limit_exceeded' }))).toEqual({ kind: 'ramp' });
  });

  test.each(['enforced_spend_limit_reached', 'contract_spend_limit_reached'])('money: %s', (errorCode) => {
    expect(refusalOf(failure('no', { errorCode, retryAfterMs: null }))).toEqual({ kind: 'money' });
  });

  test('money without a code', () => {
    expect(refusalOf(failure('You have reached your specified API usage limits.'))).toEqual({ kind: 'money' });
  });

  test.each([200, 400, 403, 500, 529, null])('status %s is none at all', (status) => {
    expect(refusalOf(failure(SAMPLE, { status }))).toBeNull();
  });

  test('nor is an answer that cannot be read', () => {
    expect(refusalOf(failure(SAMPLE, { unreadable: true }))).toBeNull();
  });
});
