/**
 * Time, as something that is passed in.
 *
 * Everything that asks for the time or waits does it through a `Clock`, so that a test or a rehearsal
 * can run a night in milliseconds and always in the same order. This room and the adapters are the only
 * places that may touch `Date.now` and `setTimeout` (test/meta/layers.test.ts holds everyone to that).
 */

export interface Clock {
  /** Wall clock, milliseconds since 1970-01-01T00:00:00Z. May jump when the machine's clock is set. */
  now(): number;
  /** Milliseconds from an arbitrary start that never run backwards: for measuring how long something took. */
  monotonicMs(): number;
  /**
   * Resolves after `ms` milliseconds, or at once when `signal` aborts: it never rejects, so that a waiting
   * loop looks at its signal in one place, at its head.
   */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** setTimeout fires at once for anything above this (a signed 32-bit number of milliseconds). */
const TIMER_MS_MAX = 2 ** 31 - 1;

/** The machine's own time. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonicMs: () => performance.now(),
  sleep: async (ms, signal) => {
    const end = performance.now() + ms;
    // A wait longer than one timer can hold is cut into several.
    for (let left = ms; left > 0 && signal?.aborted !== true; left = end - performance.now()) {
      await oneTimer(Math.min(left, TIMER_MS_MAX), signal);
    }
  },
};

function oneTimer(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const finish = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', finish);
      resolve();
    };
    const timer = setTimeout(finish, ms);
    signal?.addEventListener('abort', finish, { once: true });
  });
}
