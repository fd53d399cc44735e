/**
 * When a row that waits for another try is due. Its time is kept by the clock of the machine, which may be set: a row
 * that was scheduled while the clock was hours ahead must not wait for hours once that is mended.
 */
import { RETRY_AFTER_SAID_MS } from './limits.ts';

/** Longer than this no row waits for itself: a wait that the API asks for beyond it is the whole lane's (`waits`). */
export const ROW_WAIT_MS_MAX = RETRY_AFTER_SAID_MS;

export function isDue(notBeforeMs: number, nowMs: number): boolean {
  return notBeforeMs <= nowMs || notBeforeMs > nowMs + ROW_WAIT_MS_MAX;
}
