/**
 * When a driver can do no more: every run that is left waits for a person.
 */
import { isSent } from '../domain/lanes.ts';
import type { RunRecord } from '../domain/model.ts';
import type { RealtimeLane } from './realtime/realtime.ts';
import type { ScopeRequest } from './scope.ts';
import type { Session } from './session.ts';

interface Driven extends Pick<ScopeRequest, 'goal'> {
  readonly runIds: readonly string[];
}

/** Is every unfinished run at a point where only a person can help? */
export async function allBlocked(session: Session, lane: RealtimeLane, { runIds, goal }: Driven): Promise<boolean> {
  let blocked = 0;
  for (const runId of runIds) {
    const run = await session.engine.store.run(runId);
    if (!run || run.state === 'done') continue;
    if (session.blocks.of(runId).length === 0) return false;
    if (lane.busy || (await canMove(session, run, goal))) return false;
    blocked++;
  }
  return blocked > 0;
}

async function canMove(
  { engine, blocks, lookRefused }: Session,
  run: RunRecord,
  goal: Driven['goal'],
): Promise<boolean> {
  const sending = !blocks.stopsSending(run.id);
  // A key that may not even look: nothing moves until somebody mends that.
  if (lookRefused) return false;
  if (goal === 'upload') return sending;
  const open = await engine.store.chunks(run.id, {
    states: ['sealed', 'submitting', 'uncertain', 'submitted', 'ended'],
  });
  // Copy chunks move when others have: what could be copied was, in this round.
  const mayMove = open.filter((chunk) => !blocks.stopsChunk(chunk) && isSent(chunk));
  if (mayMove.some((chunk) => sending || chunk.state !== 'sealed')) return true;
  return sending && run.rows.retry > 0;
}
