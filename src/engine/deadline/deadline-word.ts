/**
 * The last word on a deadline, as it stands in the ledger: `status` shows it, and the next process knows what was said.
 */
import type { Store } from '../../domain/store.ts';

export const DEADLINE_EVENT = 'run.deadline';

export interface DeadlineSaid {
  readonly deadlineMs: number;
  readonly lateRows: number;
  /** The deadline was over by then. */
  readonly missed: boolean;
}

/** Of so many events, newest first, the last word on the deadline is looked for. */
const EVENTS_LOOKED_AT = 200;
const CHANGE_SHARE_MIN = 0.1;

/** What is over is said once. */
export function isNews(before: DeadlineSaid | null, now: DeadlineSaid): boolean {
  if (now.missed) return before?.missed !== true;
  const said = before?.lateRows ?? 0;
  return Math.abs(now.lateRows - said) > said * CHANGE_SHARE_MIN;
}

/** The last word on the deadline of this run, if it is not long ago; else null. */
export async function lastSaid(store: Pick<Store, 'events'>, runId: string): Promise<DeadlineSaid | null> {
  const events = await store.events(runId, { limit: EVENTS_LOOKED_AT, newest: true });
  const data = events.findLast((event) => event.kind === DEADLINE_EVENT)?.data;
  const { deadline_ms: deadlineMs, late_rows: lateRows, missed } = data ?? {};
  if (typeof deadlineMs !== 'number' || typeof lateRows !== 'number') return null;
  return { deadlineMs, lateRows, missed: missed === true };
}
