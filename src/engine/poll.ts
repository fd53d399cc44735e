/**
 * Looks at all open batches with one list call, not one call each, and lets the same look decide what is in doubt.
 *
 * A batch that the list does not show is asked for by itself. 404 is a passing fault for an hour (seen for minutes,
 * even after the end: sdk-python#1432); after that a person is asked, and everything is kept.
 */
import { routeCreate } from '../domain/failure-router.ts';
import { BATCH_MISSING_MS_MAX } from '../domain/limits.ts';
import type { BatchInfo, BatchRecord, Block } from '../domain/model.ts';
import { type BatchListing, listBatches } from './listing.ts';
import { attemptsInDoubt, reconcile } from './reconcile.ts';
import {
  apiFailureOf,
  apiFailureOrThrow,
  blockAll,
  blockRun,
  chunkKey,
  hearServerTime,
  noteFailure,
  serverNowMs,
  unblockChunk,
  type Session,
} from './session.ts';

/** The interval grows with the age of the youngest open batch: a twentieth of it, up to ten times the base. */
const AGE_SHARE = 20;
const INTERVAL_GROWTH_MAX = 10;
/** A new batch may be younger than the clock of this machine says. */
const LIST_SLACK_MS = 3_600_000;

export interface PollResult {
  /** Something was seen: false where the API could not be asked. */
  readonly answered: boolean;
  /** The API's own wish for the next look, or null. */
  readonly retryAfterMs: number | null;
}

/** The batches of these runs that are still being processed, second ones of a chunk among them: they hold slots too. */
export async function openBatchRecords(session: Session, runIds: readonly string[]): Promise<readonly BatchRecord[]> {
  const { store } = session.engine;
  const open: BatchRecord[] = [];
  for (const runId of runIds) {
    const seconds = await store.secondBatches(runId);
    open.push(...seconds);
    const submitted = await store.chunks(runId, { states: ['submitted'] });
    if (submitted.length === 0) continue;
    const chunkNos = new Set(submitted.map((chunk) => chunk.chunkNo));
    const known = new Set(seconds.map((batch) => batch.id));
    const batches = await store.batches(runId);
    open.push(...batches.filter(({ id, chunkNo }) => chunkNo !== null && chunkNos.has(chunkNo) && !known.has(id)));
  }
  return open;
}

/**
 * One look for every unfinished run of this origin, whoever drives it: batches that have ended are slots, and a batch
 * that nobody looked at would hold its slot for ever.
 */
export async function poll(session: Session): Promise<PollResult> {
  const { engine } = session;
  const runIds = await unfinishedRuns(session);
  const open = await openBatchRecords(session, runIds);
  const attempts = await attemptsInDoubt(session);
  if (open.length === 0 && attempts.length === 0) {
    session.held = new Set();
    return { answered: true, retryAfterMs: null };
  }
  // A wait that an earlier process was told is kept as well: without a look nothing that is in doubt may be sent.
  const quietMs = session.quietUntilMs - engine.clock.monotonicMs();
  if (quietMs > 0) {
    session.held = new Set(attempts.map(chunkKey));
    return { answered: false, retryAfterMs: quietMs };
  }
  let listing: BatchListing;
  try {
    listing = await listBatches(engine, {
      batchIds: new Set(open.map((batch) => batch.id)),
      attempts,
      oldestBatchMs: open.length === 0 ? null : Math.min(...open.map((batch) => batch.createdAtMs)) - LIST_SLACK_MS,
    });
    session.reach.heard();
    session.lookRefused = false;
    hearServerTime(session, listing.serverAtMs);
  } catch (error) {
    const failure = apiFailureOrThrow(error);
    noteFailure(session, failure);
    const verdict = routeCreate(failure, false);
    if (verdict.kind === 'blocked') {
      session.lookRefused = true;
      await blockAll(session, runIds, verdict);
    }
    // Without a look at the list nothing that is in doubt may be sent.
    session.held = new Set(attempts.map(chunkKey));
    return { answered: false, retryAfterMs: failure.retryAfterMs };
  }
  let retryAfterMs = listing.retryAfterMs;
  for (const batch of open) {
    if (engine.clock.monotonicMs() < session.quietUntilMs) break;
    const asked = await lookAt(session, batch, listing);
    if (asked !== null) retryAfterMs = Math.max(retryAfterMs ?? 0, asked);
  }
  if (attempts.length > 0) await reconcile(session, attempts, listing);
  else session.held = new Set();
  return { answered: true, retryAfterMs };
}

async function unfinishedRuns(session: Session): Promise<readonly string[]> {
  const { store, api } = session.engine;
  return (await store.runs()).filter((run) => run.state !== 'done' && run.origin === api.origin).map((run) => run.id);
}

/** The next look: the base interval, more for batches that have been under way for long, never before the API's wish. */
export function pollInterval(baseMs: number, youngestAgeMs: number, retryAfterMs: number | null): number {
  const grown = Math.min(Math.max(baseMs, Math.ceil(youngestAgeMs / AGE_SHARE)), baseMs * INTERVAL_GROWTH_MAX);
  return Math.max(grown, retryAfterMs ?? 0);
}

async function lookAt(session: Session, batch: BatchRecord, listing: BatchListing): Promise<number | null> {
  const listed = listing.get(batch.id);
  if (listed) {
    await seen(session, batch, listed);
    return null;
  }
  const { engine, driver } = session;
  try {
    const info = await engine.api.retrieveBatch(batch.id, engine.signal);
    await seen(session, batch, info);
    return info.retryAfterMs;
  } catch (error) {
    const failure = apiFailureOf(error);
    if (!failure) throw error;
    noteFailure(session, failure);
    if (failure.status === 404) {
      await driver.recordBatchMissing(batch.id, serverNowMs(session));
      await missing(session, batch, listing);
    }
    return failure.retryAfterMs;
  }
}

async function missing(session: Session, batch: BatchRecord, listing: BatchListing): Promise<void> {
  const { runId, chunkNo } = batch;
  if (runId === null || chunkNo === null) return;
  // A second batch that is gone stands in nobody's way.
  if ((await session.engine.store.chunk(runId, chunkNo))?.batchId !== batch.id) return;
  // By the API's clock: one that is set here by an hour must not make a passing 404 an hour old.
  const nowMs = serverNowMs(session);
  if (await isOtherWorkspace(session, batch, listing)) {
    await blockRun(session, runId, otherWorkspaceBlock(session, batch));
    return;
  }
  const sinceMs = batch.missingSinceMs ?? nowMs;
  if (nowMs - sinceMs < BATCH_MISSING_MS_MAX) return;
  await blockRun(session, runId, missingBlock(batch, `batch ${batch.id} (chunk ${batch.chunkNo}) has`));
}

/**
 * A batch lives in one workspace, and any key of that follows it. Another key than the one that made it, and none of
 * the batches of that one in the list: then it is most likely a key of another workspace, and waiting is of no use.
 */
async function isOtherWorkspace(session: Session, batch: BatchRecord, listing: BatchListing): Promise<boolean> {
  const { api, store } = session.engine;
  if (batch.workspace === api.workspace || batch.runId === null) return false;
  const siblings = (await store.batches(batch.runId)).filter((one) => one.workspace === batch.workspace);
  return siblings.every((one) => listing.get(one.id) === undefined);
}

function otherWorkspaceBlock({ engine }: Session, batch: BatchRecord): Block {
  return {
    reason: 'other_workspace',
    scope: `chunk:${batch.chunkNo}`,
    message: `batch ${batch.id} (chunk ${batch.chunkNo}) answers 404 to this key (${engine.api.workspace}): it was made with ${batch.workspace}, and batches are visible in their own workspace only`,
    hint: 'Run `batchrun collect` with a key of the workspace that made it. Nothing is lost: the batch goes on there.',
    sinceMs: batch.missingSinceMs ?? engine.clock.now(),
  };
}

/** A batch that we made and that the API has not known for an hour. */
export function missingBlock(batch: BatchRecord, what: string): Block {
  return {
    reason: 'batch_missing',
    scope: `chunk:${batch.chunkNo}`,
    message: `${what} answered 404 for an hour`,
    hint: `Is ANTHROPIC_API_KEY a key of the workspace that made it (${batch.workspace})? With the right key, \`batchrun collect\` goes on. If the batch is gone for good: \`batchrun resolve ${batch.runId} --chunk ${batch.chunkNo} --lost\` gives its rows up.`,
    sinceMs: batch.missingSinceMs ?? batch.createdAtMs,
  };
}

async function seen(session: Session, known: BatchRecord, info: BatchInfo): Promise<void> {
  const { driver, engine } = session;
  const { runId, chunkNo } = known;
  const chunk = runId === null || chunkNo === null ? null : await engine.store.chunk(runId, chunkNo);
  if (runId !== null && chunkNo !== null && chunk?.batchId === known.id) {
    for (const reason of ['batch_missing', 'other_workspace']) await unblockChunk(session, { runId, chunkNo }, reason);
  }
  if (info.status === 'ended' && runId !== null && chunkNo !== null) {
    // Of two batches of one chunk the first that has ended is taken; the chunk has moved on for the second.
    if (chunk?.state !== 'submitted') return driver.recordBatchSeen(info);
    await driver.recordEnded({ runId, chunkNo, batch: info, atMs: engine.clock.now() });
    const tookMs = info.endedAtMs === null ? null : info.endedAtMs - info.createdAtMs;
    engine.emit({ kind: 'batch.ended', runId, chunkNo, batchId: info.id, tookMs });
    return;
  }
  if (info.status !== known.status || known.missingSinceMs !== null) await driver.recordBatchSeen(info);
}
