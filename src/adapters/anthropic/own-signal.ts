/**
 * A signal for one call. The SDK leaves its listeners on the signal it was given; on one that lives as long as a run
 * of days they would pile up.
 */
export function ownSignal(outer: AbortSignal): {
  readonly signal: AbortSignal;
  readonly abort: () => void;
  readonly release: () => void;
} {
  const own = new AbortController();
  const onAbort = (): void => own.abort();
  if (outer.aborted) own.abort();
  outer.addEventListener('abort', onAbort, { once: true });
  return { signal: own.signal, abort: onAbort, release: () => outer.removeEventListener('abort', onAbort) };
}
