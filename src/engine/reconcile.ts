/**
 * Creates that may or may not have happened (design, section 3.1). The API has no idempotency key and its list does
 * not show what is in a batch, so the truth is found by sets: all attempts in doubt with one row count, and all batches
 * of that count that the list shows since the oldest of them and that nobody of ours knows. A batch gives itself away
 * by its first wire id once it has ended; only when no such batch is left unread, and a grace has passed, was nothing
 * made.
 */
import { groupBy } from '../base/collections.ts';
import { BatchrunError } from '../base/errors.ts';
import { tagOf } from '../domain/ids.ts';
import { linesOf } from '../domain/lines.ts';
import { BATCH_MISSING_MS_MAX, LATE_BATCH_MS, RESULT_LINE_BYTES_MAX } from '../domain/limits.ts';
import { requestCount, type AttemptRecord, type BatchInfo } from '../domain/model.ts';
import { parseResultLine, parseWireId } from '../domain/result-line.ts';
import type { BatchListing } from './listing.ts';
import { apiFailureOrThrow, blockRun, chunkKey, noteFailure, repeatWait, type Session } from './session.ts';

/** Attempts whose batch may still turn up: undecided ones, and those judged "not made" within the last day. */
export async function attemptsInDoubt(session: Session): Promise<readonly AttemptRecord[]> {
  const { store, api, clock } = session.engine;
  const attempts = await session.driver.attemptsToWatch(clock.now() - LATE_BATCH_MS);
  if (attempts.length === 0) return attempts;
  // Another base URL shows other batches: only attempts that were made there can be decided there.
  const here = new Set((await store.runs()).filter((run) => run.origin === api.origin).map((run) => run.id));
  return attempts.filter((attempt) => here.has(attempt.runId));
}

/** Decides what this listing can decide, and says which chunks must wait (`session.held`). */
export async function reconcile(
  session: Session,
  attempts: readonly AttemptRecord[],
  listing: BatchListing,
): Promise<void> {
  const held = new Set<string>();
  /** Attempts that found their batch in this pass. */
  const decided = new Set<number>();
  const unknown = await unknownBatches(session, listing);
  for (const [rowCount, group] of groupBy(attempts, (attempt) => attempt.rowCount)) {
    const candidates = listing
      .newerThan(group)
      .filter((batch) => unknown.has(batch.id) && requestCount(batch.counts) === rowCount);
    let unread = 0;
    const stuck: BatchInfo[] = [];
    for (const batch of candidates) {
      if (await readCandidate(session, batch, { attempts, decided })) continue;
      unread++;
      if (isStuck(session, batch)) stuck.push(batch);
    }
    if (stuck[0]) await blockGroup(session, group, stuck[0]);
    for (const attempt of group) {
      if (unread > 0) held.add(chunkKey(attempt));
      else await decideNotMade(session, attempt, listing);
    }
  }
  session.held = held;
}

async function unknownBatches(session: Session, listing: BatchListing): Promise<ReadonlySet<string>> {
  const ids = listing.batches.map((batch) => batch.id);
  const known = await session.driver.knownBatchIds(ids);
  return new Set(ids.filter((id) => !known.has(id)));
}

/** Reads the first wire id of a batch that may be ours. False while it cannot be read yet. */
async function readCandidate(
  session: Session,
  batch: BatchInfo,
  { attempts, decided }: { readonly attempts: readonly AttemptRecord[]; readonly decided: Set<number> },
): Promise<boolean> {
  if (batch.status !== 'ended') return false;
  const { driver, engine } = session;
  const wait = session.candidateWaits.get(batch.id);
  if (engine.clock.now() < Math.max(wait?.notBeforeMs ?? 0, session.quietUntilMs)) return false;
  const wireId = await firstWireId(session, batch);
  if (wireId === null) return false;
  session.candidateWaits.delete(batch.id);
  const parts = parseWireId(wireId);
  const mine = attempts.filter(
    (attempt) => parts !== null && tagOf(attempt.runId) === parts.tag && attempt.chunkNo === parts.chunkNo,
  );
  // An attempt that is undecided is more likely the one than an older one that was judged "not made".
  const left = mine.filter((one) => !decided.has(one.id));
  const attempt = left.find((one) => one.state === 'uncertain') ?? left[0] ?? mine[0];
  if (!attempt) {
    await driver.recordForeign(batch, engine.api.workspace);
    return true;
  }
  decided.add(attempt.id);
  const chunk = await engine.store.chunk(attempt.runId, attempt.chunkNo);
  const step = { attemptId: attempt.id, batch, atMs: engine.clock.now() };
  if (chunk?.state === 'uncertain' || chunk?.state === 'sealed') await driver.recordCreated(step);
  else await driver.recordDuplicate(step);
  engine.emit({ kind: 'reconcile.found', runId: attempt.runId, chunkNo: attempt.chunkNo, batchId: batch.id });
  return true;
}

/** The custom_id of the first line of a batch's results; null when it cannot be had now. */
async function firstWireId(session: Session, batch: BatchInfo): Promise<string | null> {
  const { api, signal } = session.engine;
  const enough = new AbortController();
  const limits = { lineBytesMax: RESULT_LINE_BYTES_MAX, tooLong };
  try {
    for await (const line of linesOf(api.streamResults(batch, AbortSignal.any([signal, enough.signal])), limits)) {
      const wireId = parseResultLine(line.bytes.toString())?.wireId;
      if (wireId !== undefined) return wireId;
      break;
    }
    retryCandidate(session, batch, null);
    return null;
  } catch (error) {
    const failure = apiFailureOrThrow(error);
    noteFailure(session, failure);
    retryCandidate(session, batch, failure.retryAfterMs);
    return null;
  } finally {
    enough.abort();
  }
}

function retryCandidate(session: Session, batch: BatchInfo, askedMs: number | null): void {
  session.candidateWaits.set(batch.id, repeatWait(session, session.candidateWaits.get(batch.id), askedMs));
}

/** Has it ended, and could its results not be read for an hour? */
function isStuck(session: Session, batch: BatchInfo): boolean {
  const wait = session.candidateWaits.get(batch.id);
  return wait !== undefined && session.engine.clock.now() - wait.sinceMs > BATCH_MISSING_MS_MAX;
}

async function blockGroup(session: Session, group: readonly AttemptRecord[], batch: BatchInfo): Promise<void> {
  for (const attempt of group) {
    await blockRun(session, attempt.runId, {
      reason: 'candidate_unreadable',
      scope: `chunk:${attempt.chunkNo}`,
      message: `chunk ${attempt.chunkNo} is in doubt: batch ${batch.id} may be its, and its results have not been readable for an hour`,
      hint: 'Look at the batch in the Console; `batchrun collect` tries again. The chunk is not sent before that is settled.',
      sinceMs: attempt.startedAtMs,
    });
  }
}

function tooLong(bytes: number): never {
  throw new BatchrunError('E_API', `a result line has more than ${bytes} bytes`);
}

async function decideNotMade(session: Session, attempt: AttemptRecord, listing: BatchListing): Promise<void> {
  const { engine, driver } = session;
  if (attempt.state !== 'uncertain') return;
  // The attempt may have been decided a moment ago, by a batch that was read.
  const chunk = await engine.store.chunk(attempt.runId, attempt.chunkNo);
  const graceEndsMs = (attempt.endedAtMs ?? attempt.startedAtMs) + engine.pacing.reconcileGraceMs;
  if (chunk?.state !== 'uncertain' || listing.startedAtMs < graceEndsMs || !listing.covers(attempt)) return;
  if (!sameWorkspace(session, attempt, listing)) {
    await blockRun(session, attempt.runId, {
      reason: 'other_workspace',
      scope: `chunk:${attempt.chunkNo}`,
      message: `chunk ${attempt.chunkNo} is in doubt, and this key may belong to another workspace than the one that sent it (${attempt.workspace}): its batch would not show here`,
      hint: 'Run `batchrun collect` with a key of the workspace that sent it.',
      sinceMs: attempt.startedAtMs,
    });
    return;
  }
  await driver.recordNotCreated({ attemptId: attempt.id, atMs: engine.clock.now(), reason: 'not in the list' });
  engine.emit({ kind: 'reconcile.not_made', runId: attempt.runId, chunkNo: attempt.chunkNo });
}

/**
 * "Not in the list" proves something only in the workspace that the create went to. Another key may well belong to the
 * same one: then the list shows the batch that was the newest before the attempt.
 */
function sameWorkspace(session: Session, attempt: AttemptRecord, listing: BatchListing): boolean {
  if (attempt.workspace === session.engine.api.workspace) return true;
  return attempt.baselineBatchId !== null && listing.get(attempt.baselineBatchId) !== undefined;
}
