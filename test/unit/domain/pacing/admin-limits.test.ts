/** What is made of the Admin API's answer. */
import { describe, expect, test } from 'vitest';
import { BatchrunError } from '../../../../src/base/errors.ts';
import {
  inputLimitOf,
  isAdminKeyRefused,
  limitsOfModel,
  type AdminModelLimits,
} from '../../../../src/domain/pacing/admin-limits.ts';

function group(models: readonly string[], more: Partial<AdminModelLimits> = {}): AdminModelLimits {
  return {
    ...{ models, requestsPerMinute: 50, inputTokensPerMinute: null, inputTokensPerMinuteCacheAware: null },
    ...{ outputTokensPerMinute: null, tokensPerMinute: null, tokensPerDay: null, ...more },
  };
}

describe('the limits of a model', () => {
  const opus = group(['claude-opus-4-5-20251101', 'claude-opus-4-5']);
  const haiku = group(['claude-haiku-5-5']);
  const limits = {
    organization: null,
    groups: [opus, haiku],
    batch: { queuedRequests: null, requestsPerMinute: null },
  };

  test.each([
    ['claude-opus-4-5', opus],
    ['claude-opus-4-5-20251101', opus],
    ['claude-haiku-5-5-20261007', haiku],
    ['claude-haiku-4-5', null],
  ])('%s', (model, found) => {
    expect(limitsOfModel(limits, model)).toBe(found);
  });
});

test.each([
  [null, null, null],
  [30_000, null, 30_000],
  [null, 20_000, 20_000],
  [30_000, 20_000, 20_000],
  [10_000, 20_000, 10_000],
])('of input limits %s and %s (without cache reads) %s holds', (all, uncached, holds) => {
  expect(inputLimitOf(group([], { inputTokensPerMinute: all, inputTokensPerMinuteCacheAware: uncached }))).toBe(holds);
});

test.each([
  [401, true],
  [403, true],
  [404, false],
  [500, false],
  [null, false],
])('status %s: the key was refused: %s', (status, refused) => {
  const error = new BatchrunError('E_API', 'no', { details: { failure: { status } } });
  expect(isAdminKeyRefused(error)).toBe(refused);
  expect(isAdminKeyRefused(new BatchrunError('E_CONFIG', 'no', { details: { failure: { status } } }))).toBe(false);
  expect(isAdminKeyRefused(new Error('401'))).toBe(false);
});
