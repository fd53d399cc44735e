/**
 * Runs with a deadline: what would come too late in the cheap lane moves to the realtime lane, as late as that is possible
 * (domain/deadline.ts). Sealed chunks are released, then the youngest batches are stopped; what they had finished by then
 * is collected as always, and only rows that come back canceled are called.
 *
 * The mark on the chunk is durable before its batch is asked to stop, so that no row which was canceled for the deadline
 * ends as canceled; and a batch whose stop got lost is asked again at the next look.
 */
import { failpoint } from '../../base/failpoint.ts';
import { planDeadline, type DeadlinePlan, type DeadlineQuestion } from '../../domain/deadline.ts';
import { wishesOf, type BatchRecord, type ChunkRecord, type RunRecord } from '../../domain/model.ts';
import { stopBatch } from '../poll/cancel.ts';
import { deadlineQuestion, type Standing } from './deadline-look.ts';
import { sayDeadline } from './deadline-said.ts';
import type { RealtimeLane } from '../realtime/realtime.ts';
import { mayRelease, releaseChunk, releaseRound } from '../realtime/release.ts';
import type { Session } from '../session.ts';

/**
 * Moves what has to move now, for runs that are forced into the lane and for deadlines. Gives the runs that make their
 * deadline in the realtime lane only: their waiting rows go there.
 */
export async function hurryRound(
  session: Session,
  lane: RealtimeLane,
  runIds: readonly string[],
): Promise<ReadonlySet<string>> {
  await releaseRound(session, lane, runIds);
  const hurrying = new Set<string>();
  let othersMs = 0;
  for (const run of await runsWithDeadline(session, runIds)) {
    const standing = await deadlineQuestion(session, run, othersMs);
    const plan = planDeadline(standing.question);
    await sayDeadline(session, run, { plan, question: standing.question });
    // Who is due later has the lane when these have gone.
    othersMs += (standing.question.laneRows * 60_000) / standing.question.rowsPerMinute;
    if (wishesOf(run).lane !== 'auto') continue;
    session.deadlines.hurried.delete(run.id);
    if (plan.hurries) {
      session.deadlines.hurried.add(run.id);
      hurrying.add(run.id);
    }
    if (!isDue(standing.question) && mayRelease(session, run)) await move(session, standing, plan);
  }
  return hurrying;
}

/** Says how these runs stand and moves nothing: whoever only uploads leaves the rest to `collect`. */
export async function sayDeadlines(session: Session, runIds: readonly string[]): Promise<void> {
  for (const run of await runsWithDeadline(session, runIds)) {
    const { question } = await deadlineQuestion(session, run, 0);
    await sayDeadline(session, run, { plan: planDeadline(question), question });
  }
}

/** The most urgent first. */
async function runsWithDeadline({ engine }: Session, runIds: readonly string[]): Promise<readonly RunRecord[]> {
  const runs: RunRecord[] = [];
  for (const runId of runIds) {
    const run = await engine.store.run(runId);
    if (run && (run.state === 'ready' || run.state === 'active') && wishesOf(run).deadlineMs !== null) runs.push(run);
  }
  const dueMs = (run: RunRecord): number => wishesOf(run).deadlineMs ?? Infinity;
  return runs.sort((one, other) => dueMs(one) - dueMs(other));
}

function isDue({ nowMs, deadlineMs }: DeadlineQuestion): boolean {
  return deadlineMs <= nowMs;
}

async function move(session: Session, { chunks, batches }: Standing, plan: DeadlinePlan): Promise<void> {
  for (const chunkNo of plan.release) {
    const chunk = chunks.get(chunkNo);
    if (chunk) await releaseChunk(session, chunk);
  }
  for (const chunkNo of plan.stop) {
    const chunk = chunks.get(chunkNo);
    const batch = batches.get(chunkNo);
    if (chunk && batch) await stopForDeadline(session, chunk, batch);
  }
  for (const [chunkNo, batch] of batches) {
    if (chunks.get(chunkNo)?.hurriedAtMs !== null) await stopBatch(session, batch);
  }
}

async function stopForDeadline(session: Session, chunk: ChunkRecord, batch: BatchRecord): Promise<void> {
  const { engine, driver } = session;
  const { runId, chunkNo } = chunk;
  await driver.recordHurried(runId, chunkNo, engine.clock.now());
  failpoint('hurry.recorded');
  engine.emit({ kind: 'batch.hurried', runId, chunkNo, batchId: batch.id, rows: chunk.rowCount });
  await stopBatch(session, batch);
}
