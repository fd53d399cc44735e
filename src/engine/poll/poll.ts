/**
 * Looks at all open batches with one list call, not one call each, and lets the same look decide what is in doubt.
 *
 * A batch that the list does not show is asked for by itself. 404 is a passing fault for an hour (seen for minutes,
 * even after the end: sdk-python#1432); after that a person is asked, and everything is kept.
 */
import { routeList, type BlockedVerdict } from '../../domain/failure-router.ts';
import { BATCH_MISSING_MS_MAX } from '../../domain/limits.ts';
import type { AttemptRecord, BatchInfo, BatchRecord, Block } from '../../domain/model.ts';
import { hasForeign, noteForeign } from '../upload/foreign.ts';
import { blockPlace, refuseLook, releasePlace, type Following } from '../keys/key-follow.ts';
import { listBatches } from './listing.ts';
import { attemptsInDoubt, reconcile, type Look } from '../doubt/reconcile.ts';
import {
  apiFailureOf,
  apiFailureOrThrow,
  blockRun,
  chunkKey,
  hearServerTime,
  noteFailure,
  releaseAll,
  serverNowMs,
  unblockChunk,
  type Session,
} from '../session.ts';

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
 * that nobody looked at would hold its slot for ever. With keys of several workspaces it is a look at each of them that
 * has something of ours, by a key of its own.
 */
export async function poll(session: Session): Promise<PollResult> {
  const runIds = await unfinishedRuns(session);
  const open = await openBatchRecords(session, runIds);
  const attempts = await attemptsInDoubt(session);
  const looks: Look[] = [];
  const unseen: AttemptRecord[] = [];
  const asked: (number | null)[] = [];
  const refused: { readonly following: Following; readonly refusal: BlockedVerdict }[] = [];
  for (const following of followings(session, open, attempts)) {
    const tried = await lookInto(session, following, runIds);
    if ('listing' in tried) {
      looks.push(tried);
      asked.push(tried.listing.retryAfterMs);
      await releasePlace(session, following.place);
      continue;
    }
    // Without a look at the list nothing that is in doubt may be sent.
    unseen.push(...following.attempts);
    // A workspace that wants quiet for itself has it; the others are looked at meanwhile.
    if (!tried.itsOwn) asked.push(tried.retryAfterMs);
    if (tried.refusal) refused.push({ following, refusal: tried.refusal });
  }
  for (const batch of open) asked.push(await lookAt(session, batch, looks));
  // Only now: another key may have turned out to be of the same workspace.
  for (const { following, refusal } of refused) await blockPlace(session, following, refusal);
  const retryAfterMs = asked.reduce((most, ms) => (ms === null ? most : Math.max(most ?? 0, ms)), null);
  if (looks.length > 0 && attempts.length > 0) await reconcile(session, looks, unseen);
  else session.held = new Set(attempts.map(chunkKey));
  return { answered: looks.length > 0 || open.length + attempts.length === 0, retryAfterMs };
}

/**
 * What is looked for where, and where batches of others take room: only a look tells that they have ended. Of a key that is not in the pool nobody
 * knows the workspace: it is looked for everywhere.
 */
function followings(
  session: Session,
  open: readonly BatchRecord[],
  attempts: readonly AttemptRecord[],
): readonly Following[] {
  const { keys } = session;
  return keys.places
    .map((place) => {
      const isHere = ({ workspace }: { readonly workspace: string }): boolean =>
        (keys.placeOf(workspace) ?? place) === place;
      return { place, batches: open.filter(isHere), attempts: attempts.filter(isHere) };
    })
    .filter(({ place, batches, attempts: doubts }) => batches.length + doubts.length > 0 || hasForeign(session, place));
}

interface NotLooked {
  readonly retryAfterMs: number | null;
  /** The wait is that of its organization; others have none. */
  readonly itsOwn: boolean;
  /** No key of this workspace may look. */
  readonly refusal?: BlockedVerdict | null;
}

async function lookInto(session: Session, following: Following, runIds: readonly string[]): Promise<Look | NotLooked> {
  const { engine, keys } = session;
  const { place, batches, attempts } = following;
  // A wait that an earlier process was told is kept as well.
  const quietMs = keys.quietUntilMs(place) - engine.clock.monotonicMs();
  if (quietMs > 0) return { retryAfterMs: quietMs, itsOwn: keys.several };
  const needs = {
    batchIds: new Set(batches.map((batch) => batch.id)),
    attempts,
    oldestBatchMs: batches.length === 0 ? null : Math.min(...batches.map((batch) => batch.createdAtMs)) - LIST_SLACK_MS,
  };
  let refusal: BlockedVerdict | null = null;
  let retryAfterMs: number | null = null;
  for (const link of keys.seers(place)) {
    try {
      const listing = await listBatches({ ...engine, api: link.api }, needs);
      session.reach.heard('list');
      session.lookRefused = false;
      await releaseAll(session, 'endpoint');
      keys.noteSight(link, true);
      hearServerTime(session, listing.serverAtMs);
      noteForeign(session, link, { batches: listing.batches, ownIds: needs.batchIds });
      await session.pacer.noteBatchCalls(keys.organizationOf(link), link.label, listing.pages);
      return { place, link, listing, attempts };
    } catch (error) {
      const failure = apiFailureOrThrow(error);
      noteFailure(session, 'list', failure, link);
      retryAfterMs = failure.retryAfterMs;
      const verdict = routeList(failure);
      // Something was made here: a list that is not found comes back.
      const passes = verdict.kind !== 'blocked' || verdict.reason === 'endpoint';
      if (passes) return { retryAfterMs, itsOwn: keys.several && failure.status === 429 };
      refusal = verdict;
      await refuseLook(session, link, verdict, runIds);
    }
  }
  return { retryAfterMs, itsOwn: false, refusal: keys.several ? refusal : null };
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

/** Gives what the API wants to be waited before the next look at it. */
async function lookAt(session: Session, batch: BatchRecord, all: readonly Look[]): Promise<number | null> {
  const { engine, keys, driver } = session;
  const place = keys.placeOf(batch.workspace);
  const looks = place === null ? all : all.filter((look) => look.place === place);
  for (const { place: here, listing } of looks) {
    const listed = listing.get(batch.id);
    if (!listed) continue;
    // What a person only believes to be ours says nothing about a key.
    if (batch.proven) keys.learn(batch.workspace, here);
    await seen(session, batch, listed);
    return null;
  }
  let unknown = 0;
  let retryAfterMs: number | null = null;
  for (const look of looks) {
    if (engine.clock.monotonicMs() < keys.quietUntilMs(look.place)) continue;
    try {
      const info = await look.link.api.retrieveBatch(batch.id, engine.signal);
      session.reach.heard('retrieve');
      if (batch.proven) keys.learn(batch.workspace, look.place);
      await seen(session, batch, info);
      return info.retryAfterMs;
    } catch (error) {
      const failure = apiFailureOf(error);
      if (!failure) throw error;
      noteFailure(session, 'retrieve', failure, look.link);
      if (failure.status === 404) unknown++;
      if (failure.retryAfterMs !== null) retryAfterMs = Math.max(retryAfterMs ?? 0, failure.retryAfterMs);
    }
  }
  // Only where everybody who may know it was asked, the answer means something.
  const isRefused = place === null && keys.named(batch.workspace) !== null;
  if (unknown > 0 && !isRefused && unknown >= (place === null ? keys.seeing : 1)) {
    await driver.recordBatchMissing(batch.id, serverNowMs(session));
    await missing(session, batch, looks);
  }
  return retryAfterMs;
}

async function missing(session: Session, batch: BatchRecord, looks: readonly Look[]): Promise<void> {
  const { runId, chunkNo } = batch;
  if (runId === null || chunkNo === null) return;
  // A second batch that is gone stands in nobody's way.
  if ((await session.engine.store.chunk(runId, chunkNo))?.batchId !== batch.id) return;
  // By the API's clock: one that is set here by an hour must not make a passing 404 an hour old.
  const nowMs = serverNowMs(session);
  if (await isOtherWorkspace(session, batch, looks)) {
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
async function isOtherWorkspace(session: Session, batch: BatchRecord, looks: readonly Look[]): Promise<boolean> {
  const { keys, engine } = session;
  if (batch.runId === null || looks.some(({ place }) => keys.named(batch.workspace) === place)) return false;
  const siblings = (await engine.store.batches(batch.runId)).filter((one) => one.workspace === batch.workspace);
  return siblings.every((one) => looks.every(({ listing }) => listing.get(one.id) === undefined));
}

function otherWorkspaceBlock({ engine, keys }: Session, batch: BatchRecord): Block {
  const whom = keys.several ? `every key of the pool (${keys.labels})` : `this key (${engine.api.workspace})`;
  return {
    reason: 'other_workspace',
    scope: `chunk:${batch.chunkNo}`,
    message: `batch ${batch.id} (chunk ${batch.chunkNo}) answers 404 to ${whom}: it was made with ${batch.workspace}, and batches are visible in their own workspace only`,
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
