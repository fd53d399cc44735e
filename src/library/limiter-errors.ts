/**
 * What a call is told that had no turn.
 */
import { BatchrunError } from '../base/errors.ts';
import type { BlockedVerdict } from '../domain/failure-router.ts';

export function closedError(what = 'was closed before the call had its turn'): BatchrunError {
  return new BatchrunError('E_NOT_FINISHED', `the limiter ${what}`, {
    hint: 'Nothing was sent for it: ask again, with another limiter.',
  });
}

/** Every key of the pool is set aside: what the API said of the first of them. */
export function noKeyError({ reason, message }: BlockedVerdict): BatchrunError {
  return new BatchrunError('E_BLOCKED', `no key is left for this call: ${message}`, {
    hint:
      reason === 'credentials'
        ? 'Nothing was sent for it: make another limiter with keys that the API accepts.'
        : 'Nothing was sent for it. Put right what the API says; the keys are tried again after a minute.',
    details: { reason },
  });
}
