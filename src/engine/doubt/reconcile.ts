/**
 * Creates that may or may not have happened (design, section 3.1). The API has no idempotency key and its list does
 * not show what is in a batch, so the truth is found by sets: all attempts in doubt with one row count, and all batches
 * of that count that the list shows since the oldest of them and that nobody of ours knows; what only a person gave to a
 * chunk counts as unknown. A batch gives itself away by its first wire id once it has ended; only when no such batch is
 * left unread, and a grace has passed, was nothing made.
 */
import { groupBy } from '../../base/collections.ts';
import { tagOf } from '../../domain/ids.ts';
import { BATCH_MISSING_MS_MAX, LATE_BATCH_MS } from '../../domain/limits.ts';
import { requestCount, type AttemptRecord, type BatchInfo } from '../../domain/model.ts';
import { parseWireId, type WireIdParts } from '../../domain/result-line.ts';
import { readHead } from './batch-head.ts';
import { makerOf } from './batch-maker.ts';
import { blockAdopted, blockElsewhere, blockGroup, releaseBlocks } from './doubt-blocks.ts';
import type { KeyLink } from '../engine.ts';
import type { Place } from '../keys/key-book.ts';
import type { BatchListing } from '../poll/listing.ts';
import { apiFailureOrThrow, chunkKey, noteFailure, repeatWait, type Session } from '../session.ts';

/** The `date` header counts whole seconds: a difference of two may be one too many. */
const SERVER_CLOCK_STEP_MS = 1_000;

/** Attempts whose batch may still turn up: undecided ones, and those judged "not made" within the last day. */
export async function attemptsInDoubt(session: Session): Promise<readonly AttemptRecord[]> {
  const { store, api, clock } = session.engine;
  const attempts = await session.driver.attemptsToWatch(clock.now() - LATE_BATCH_MS);
  // Another base URL shows other batches: only attempts that were made there can be decided there.
  const here = new Set((await store.runs()).filter((run) => run.origin === api.origin).map((run) => run.id));
  const mine = attempts.filter((attempt) => here.has(attempt.runId));
  if (mine.length === 0) await releaseBlocks(session, new Set());
  return mine;
}

/** A look at the list of one workspace, and what is in doubt there. */
export interface Look {
  readonly place: Place;
  /** The key that looked. */
  readonly link: KeyLink;
  readonly listing: BatchListing;
  readonly attempts: readonly AttemptRecord[];
}

/** What one pass over all workspaces has found out. */
interface Pass {
  /** All attempts in doubt, those of workspaces that could not be looked at among them. */
  readonly attempts: readonly AttemptRecord[];
  /** Attempts that found their batch. */
  readonly decided: Set<number>;
  readonly held: Set<string>;
  /** Chunks that only a person can settle. */
  readonly blocked: Set<string>;
  /** Attempts that a place judged to have been made elsewhere, and how many places did. */
  readonly elsewhere: Map<AttemptRecord, number>;
}

/**
 * Decides what these looks can decide, and says which chunks must wait (`session.held`). `unseen`: attempts into whose
 * workspace nobody could look now.
 */
export async function reconcile(
  session: Session,
  looks: readonly Look[],
  unseen: readonly AttemptRecord[] = [],
): Promise<void> {
  const attempts = [
    ...new Map([...looks.flatMap((look) => look.attempts), ...unseen].map((one) => [one.id, one])).values(),
  ];
  const pass: Pass = {
    ...{ attempts, held: new Set(unseen.map(chunkKey)), decided: new Set(), blocked: new Set(), elsewhere: new Map() },
  };
  for (const look of looks) await reconcilePlace(session, look, pass);
  for (const [attempt, places] of pass.elsewhere) {
    // Every workspace that can be looked at was, and none of them knew it after all.
    if (places < session.keys.seeing || pass.decided.has(attempt.id)) continue;
    const chunk = await session.engine.store.chunk(attempt.runId, attempt.chunkNo);
    if (chunk?.state === 'uncertain') await blockElsewhere(session, attempt);
  }
  session.held = pass.held;
  await releaseBlocks(session, pass.blocked);
}

async function reconcilePlace(session: Session, look: Look, pass: Pass): Promise<void> {
  const { attempts, listing } = look;
  await noteDoubts(session, attempts, listing);
  const unknown = await unknownBatches(session, listing);
  for (const [rowCount, group] of groupBy(attempts, (attempt) => attempt.rowCount)) {
    const candidates = listing
      .newerThan(group)
      .filter((batch) => unknown.has(batch.id) && requestCount(batch.counts) === rowCount);
    let unread = 0;
    const stuck: BatchInfo[] = [];
    for (const batch of candidates) {
      if (await readCandidate(session, batch, { look, pass })) continue;
      unread++;
      if (isStuck(session, batch)) stuck.push(batch);
    }
    // What a person has settled waits for nothing any more; a batch that turns up all the same is remembered.
    const waiting = group.filter((attempt) => !attempt.byHand);
    if (stuck.length > 0) {
      for (const key of await blockGroup(session, waiting, stuck)) pass.blocked.add(key);
    }
    for (const attempt of waiting) {
      if (unread > 0) pass.held.add(chunkKey(attempt));
      else await decideNotMade(session, attempt, { look, pass });
    }
  }
}

/**
 * The grace of an attempt begins with the first look at the list after it: by the API's clock, so that a job that looks
 * once in a while comes to its end too, and a clock that is set by an hour here decides nothing.
 */
async function noteDoubts(session: Session, attempts: readonly AttemptRecord[], listing: BatchListing): Promise<void> {
  const inDoubt = attempts.filter((attempt) => attempt.state === 'uncertain');
  for (const { id } of inDoubt) {
    if (!session.doubtsSinceMs.has(id)) session.doubtsSinceMs.set(id, listing.startedAtMs);
  }
  const { serverAtMs } = listing;
  const unseen = inDoubt.filter((attempt) => attempt.doubtSinceMs === null).map((attempt) => attempt.id);
  if (serverAtMs !== null && unseen.length > 0) await session.driver.recordDoubtSeen(unseen, serverAtMs);
}

/** Has its batch had time enough to show? Each of the two measures is at most what has really passed. */
function graceIsOver(session: Session, attempt: AttemptRecord, listing: BatchListing): boolean {
  const { reconcileGraceMs } = session.engine.pacing;
  const here = listing.startedAtMs - (session.doubtsSinceMs.get(attempt.id) ?? listing.startedAtMs);
  const { serverAtMs } = listing;
  const known = attempt.doubtSinceMs !== null && serverAtMs !== null;
  const there = known ? serverAtMs - attempt.doubtSinceMs - SERVER_CLOCK_STEP_MS : 0;
  return Math.max(here, there) >= reconcileGraceMs;
}

/**
 * Is this batch nobody's, now that its wire ids are known? A person's word about it is held against them: where they say
 * the same, the batch is proven; where they do not, it is taken from that chunk, and may be another's.
 */
async function isFree(session: Session, batch: BatchInfo, parts: readonly WireIdParts[]): Promise<boolean> {
  const { engine, driver } = session;
  const known = await engine.store.batch(batch.id);
  if (known?.runId === null || known?.runId === undefined || known.chunkNo === null) return true;
  const place = { runId: known.runId, chunkNo: known.chunkNo };
  const chunk = await engine.store.chunk(place.runId, place.chunkNo);
  // Adopted while its results were read.
  if (known.proven || chunk?.wire !== 'tag') return false;
  const atMs = engine.clock.now();
  if (parts.some((one) => one.tag === tagOf(place.runId) && one.chunkNo === place.chunkNo)) {
    await driver.recordProven({ batchId: batch.id, atMs });
    return false;
  }
  const reason = `the lines of ${batch.id} are not of this chunk`;
  await driver.recordDisproved({ ...place, batchId: batch.id, atMs, reason });
  engine.emit({ kind: 'batch.disproved', ...place, batchId: batch.id });
  return true;
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
  { look, pass }: { readonly look: Look; readonly pass: Pass },
): Promise<boolean> {
  if (batch.status !== 'ended') return false;
  const { driver, engine } = session;
  const wait = session.candidateWaits.get(batch.id);
  if (engine.clock.monotonicMs() < Math.max(wait?.notBeforeMs ?? 0, session.keys.quietUntilMs(look.place)))
    return false;
  const ids = await firstWireIds(session, batch, look.link);
  if (ids === null) return false;
  session.candidateWaits.delete(batch.id);
  const parts = ids.flatMap((id) => parseWireId(id) ?? []);
  if (!(await isFree(session, batch, parts))) return true;
  const ours = pass.attempts.filter((attempt) =>
    parts.some((one) => one.tag === tagOf(attempt.runId) && one.chunkNo === attempt.chunkNo),
  );
  const attempt = await makerOf(session, parts, { ours, place: look.place, decided: pass.decided });
  if (!attempt) {
    await driver.recordForeign(batch, look.link.api.workspace);
    return true;
  }
  pass.decided.add(attempt.id);
  const chunk = await engine.store.chunk(attempt.runId, attempt.chunkNo);
  const step = { attemptId: attempt.id, batch, atMs: engine.clock.now() };
  const waits = chunk?.state === 'uncertain' || chunk?.state === 'sealed';
  if (waits && attempt.state !== 'created') await driver.recordCreated(step);
  else await driver.recordDuplicate(step);
  engine.emit({ kind: 'reconcile.found', runId: attempt.runId, chunkNo: attempt.chunkNo, batchId: batch.id });
  return true;
}

/** The custom_ids of the first lines of a batch's results; null when they cannot be had now. */
export async function firstWireIds(
  session: Session,
  batch: BatchInfo,
  link: KeyLink,
): Promise<readonly string[] | null> {
  try {
    const ids = await readHead({ api: link.api, signal: session.engine.signal }, batch);
    session.reach.heard('results');
    if (ids === null) retryCandidate(session, batch, null);
    return ids;
  } catch (error) {
    const failure = apiFailureOrThrow(error);
    noteFailure(session, 'results', failure, link);
    retryCandidate(session, batch, failure.retryAfterMs);
    return null;
  }
}

function retryCandidate(session: Session, batch: BatchInfo, askedMs: number | null): void {
  session.candidateWaits.set(batch.id, repeatWait(session, session.candidateWaits.get(batch.id), askedMs));
}

/** Has it ended, and could its results not be read for an hour? */
function isStuck(session: Session, batch: BatchInfo): boolean {
  const wait = session.candidateWaits.get(batch.id);
  return wait !== undefined && session.engine.clock.monotonicMs() - wait.sinceMs > BATCH_MISSING_MS_MAX;
}

async function decideNotMade(
  session: Session,
  attempt: AttemptRecord,
  { look, pass }: { readonly look: Look; readonly pass: Pass },
): Promise<void> {
  const { engine, driver } = session;
  const { listing } = look;
  if (attempt.state !== 'uncertain') return;
  // The attempt may have been decided a moment ago, by a batch that was read.
  const chunk = await engine.store.chunk(attempt.runId, attempt.chunkNo);
  if (chunk?.state !== 'uncertain' || !graceIsOver(session, attempt, listing) || !listing.covers(attempt)) return;
  if (chunk.wire === 'own') return blockAdopted(session, attempt);
  if (!sameWorkspace(attempt, look)) {
    pass.elsewhere.set(attempt, (pass.elsewhere.get(attempt) ?? 0) + 1);
    return;
  }
  await driver.recordNotCreated({ attemptId: attempt.id, atMs: engine.clock.now(), reason: 'not in the list' });
  engine.emit({ kind: 'reconcile.not_made', runId: attempt.runId, chunkNo: attempt.chunkNo });
}

/**
 * "Not in the list" proves something only in the workspace that the create went to. Another key may well belong to the
 * same one: then the list shows the batch that was the newest before the attempt.
 */
function sameWorkspace(attempt: AttemptRecord, { place, listing }: Look): boolean {
  if (place.hasName(attempt.workspace)) return true;
  return attempt.baselineBatchId !== null && listing.get(attempt.baselineBatchId) !== undefined;
}
