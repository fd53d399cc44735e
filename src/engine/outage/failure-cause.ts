/** What went wrong with a call, in a word or two: for people, never with what was sent. */
import type { ApiFailure } from '../../domain/failure-router.ts';

const CONNECTION_TEXTS = {
  never_made: 'no connection',
  lost: 'connection lost',
  timeout: 'timeout',
  aborted: 'stopped',
} as const;

export function causeOf(failure: ApiFailure): string {
  const named = failure.errorCode ?? failure.type;
  if (failure.status !== null) return named === null ? `status ${failure.status}` : `${failure.status} ${named}`;
  if (failure.unreadable) return 'unreadable answer';
  return failure.connection === null ? 'no answer' : CONNECTION_TEXTS[failure.connection];
}
