/**
 * Calls into a program's own functions that only tell it something.
 */

/**
 * Tells it. What it throws, or what its promise rejects with, is its own affair: work that is paid must not end by it,
 * and a rejection that nobody waits for would end the process.
 */
export function tell<T>(told: (value: T) => unknown, value: T): void {
  try {
    const given = told(value);
    if (isThenable(given)) given.then(undefined, () => undefined);
  } catch {
    // As above.
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && typeof (value as PromiseLike<unknown>).then === 'function';
}
