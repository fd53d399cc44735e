/**
 * Acceleration (facts 3.3): an account that was idle may not send a full minute's calls at once. The API's rule is not
 * documented; this is one that can be told in a sentence. In a minute of the clock as many calls go through as `factor`
 * times the best of the ten minutes before it, and never fewer than the first minute's `START_CALLS`.
 */

const MINUTE_MS = 60_000;
const MINUTES_BACK = 10;
export const START_CALLS = 20;

export interface Ramp {
  /** How long until the next call may go; 0: now. */
  waitMs(pool: string, nowMs: number): number;
  /** A call that went through. */
  note(pool: string, nowMs: number): void;
}

/** Null: no such rule. */
export function createRamp(factor: number | null): Ramp {
  const pools = new Map<string, Map<number, number>>();
  if (factor === null) return { waitMs: () => 0, note: () => undefined };
  return {
    waitMs(pool, nowMs) {
      const minutes = pools.get(pool) ?? new Map<number, number>();
      const minute = Math.floor(nowMs / MINUTE_MS);
      let best = 0;
      for (let back = 1; back <= MINUTES_BACK; back++) best = Math.max(best, minutes.get(minute - back) ?? 0);
      const allowed = Math.max(START_CALLS, Math.floor(best * factor));
      return (minutes.get(minute) ?? 0) < allowed ? 0 : (minute + 1) * MINUTE_MS - nowMs;
    },
    note(pool, nowMs) {
      const minutes = pools.get(pool) ?? new Map<number, number>();
      const minute = Math.floor(nowMs / MINUTE_MS);
      minutes.set(minute, (minutes.get(minute) ?? 0) + 1);
      for (const old of minutes.keys()) if (old < minute - MINUTES_BACK) minutes.delete(old);
      pools.set(pool, minutes);
    },
  };
}
