/**
 * What a call is told that had no turn.
 */
import { BatchrunError } from '../base/errors.ts';

export function closedError(): BatchrunError {
  return new BatchrunError('E_NOT_FINISHED', 'the limiter was closed before the call had its turn', {
    hint: 'Nothing was sent for it: ask again, with another limiter.',
  });
}
