/**
 * Which work goes first: runs before runs, and rows before rows in the realtime lane. Nothing waits for ever: what waits
 * gains a step for every so many minutes, so a low priority goes before what came later by three steps.
 */
export const PRIORITIES = ['critical', 'high', 'normal', 'low'] as const;

/** How urgent something is. */
export type Priority = (typeof PRIORITIES)[number];

/** A batch takes up to an hour as a rule: a step is worth that much of waiting. */
export const BATCH_AGEING_MS = 3_600_000;
/** Realtime rows go within seconds: a minute is a long wait. */
export const REALTIME_AGEING_MS = 60_000;

/** `sinceMs`: since when it waits. Of two, the one with the smaller number goes first. */
export function turnOf(priority: Priority, sinceMs: number, ageingMs: number): number {
  return sinceMs + PRIORITIES.indexOf(priority) * ageingMs;
}

/** A word in a `priority` column or field; null where it is none of the four. */
export function toPriority(value: unknown): Priority | null {
  if (typeof value !== 'string') return null;
  const word = value.trim().toLowerCase();
  return PRIORITIES.find((priority) => priority === word) ?? null;
}
