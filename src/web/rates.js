// @ts-check
/**
 * Rates by the minute, of sums that were looked at now and then. A sum holds until the next look: where nobody looked for
 * long, nothing happened, and what came then came at once. A straight line between the two would show work that was not
 * done.
 */

/** A rate is taken over a part of what is shown, so that lumps do not hide it. */
const WINDOW_SHARE = 1 / 40;
const WINDOW_MS_MIN = 10_000;

/** @param {readonly number[]} at */
function windowOf(at) {
  return Math.max(WINDOW_MS_MIN, ((at.at(-1) ?? 0) - (at[0] ?? 0)) * WINDOW_SHARE);
}

/**
 * Puts points into gaps, so that lines stay low until something comes: one where the last rate has run out, one just
 * before the next look.
 *
 * @param {readonly number[]} at Milliseconds, ascending.
 * @returns {{ at: number[], hold: <T>(column: readonly T[]) => T[] }} The times, and what makes a column as long as they are.
 */
export function held(at) {
  const windowMs = windowOf(at);
  /** @type {number[]} */
  const times = [];
  /** Of which look each of them is. @type {number[]} */
  const from = [];
  for (const [nth, now] of at.entries()) {
    const before = at[nth - 1] ?? now;
    if (now - before > windowMs + 1) {
      times.push(before + windowMs, now - 1);
      from.push(nth - 1, nth - 1);
    }
    times.push(now);
    from.push(nth);
  }
  return {
    at: times,
    hold: (column) => from.map((nth) => /** @type {any} */ (column[nth])),
  };
}

/** By the minute, of sums at these times. @param {readonly number[]} at */
export function rates(at) {
  const windowMs = windowOf(at);
  /** @type {number[]} */
  const from = [];
  for (let now = 0, start = 0; now < at.length; now++) {
    while (start + 1 < now && (at[start + 1] ?? 0) <= (at[now] ?? 0) - windowMs) start++;
    from.push(start);
  }
  return (/** @type {readonly number[]} */ sums) =>
    sums.map((sum, now) => {
      const start = from[now] ?? 0;
      if (start === now) return now === 0 ? null : 0;
      // What was so long before the window was so at its beginning too.
      const ms = Math.min((at[now] ?? 0) - (at[start] ?? 0), windowMs);
      return Math.max(0, sum - (sums[start] ?? 0)) / (Math.max(ms, 1_000) / 60_000);
    });
}
