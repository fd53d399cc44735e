/**
 * A signal for one call. The SDK leaves its listeners on the signal it was given; on one that lives as long as a run
 * of days they would pile up.
 */
import { setMaxListeners } from 'node:events';

export function ownSignal(outer: AbortSignal): {
  readonly signal: AbortSignal;
  readonly abort: () => void;
  readonly release: () => void;
} {
  const own = new AbortController();
  const onAbort = (): void => own.abort();
  if (outer.aborted) own.abort();
  // As many calls as the limits allow listen to one signal: that is no leak.
  setMaxListeners(0, outer);
  outer.addEventListener('abort', onAbort, { once: true });
  return { signal: own.signal, abort: onAbort, release: () => outer.removeEventListener('abort', onAbort) };
}
