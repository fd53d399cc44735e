/**
 * What cannot make its deadline is said early, and again when that has changed by more than a tenth: to who looks on, and
 * in the ledger, where `status` finds it and the next process what was said.
 */
import type { DeadlinePlan, DeadlineQuestion } from '../../domain/deadline.ts';
import type { RunRecord } from '../../domain/model.ts';
import { DEADLINE_EVENT, isNews, lastSaid, type DeadlineSaid } from './deadline-word.ts';
import type { Session } from '../session.ts';

export async function sayDeadline(
  session: Session,
  run: RunRecord,
  { plan, question }: { readonly plan: DeadlinePlan; readonly question: DeadlineQuestion },
): Promise<void> {
  const { engine, driver } = session;
  const { deadlineMs, nowMs, rowsPerMinute } = question;
  const { lateRows, doneAtMs } = plan;
  const now: DeadlineSaid = { deadlineMs, lateRows, missed: deadlineMs <= nowMs };
  const before = session.deadlines.said.get(run.id) ?? (await lastSaid(engine.store, run.id));
  const known = before?.deadlineMs === deadlineMs ? before : null;
  session.deadlines.said.set(run.id, known ?? { deadlineMs, lateRows: 0, missed: false });
  if (!isNews(known, now)) return;
  session.deadlines.said.set(run.id, now);
  const rate = Math.max(1, Math.round(rowsPerMinute));
  engine.emit({ kind: 'deadline.late', runId: run.id, ...now, doneAtMs, rowsPerMinute: rate });
  await driver.note(run.id, DEADLINE_EVENT, nowMs, {
    ...{ deadline_ms: deadlineMs, late_rows: lateRows, missed: now.missed },
    ...{ done_at_ms: doneAtMs, rows_per_minute: rate },
  });
}
