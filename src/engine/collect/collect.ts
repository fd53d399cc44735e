/**
 * Fetches the results of an ended batch into a file, proves that they are whole, and commits the outcome of every row
 * in one transaction. A download that fails or is not whole is thrown away and fetched again; nothing is ever sent
 * again because of it.
 */
import { failpoint } from '../../base/failpoint.ts';
import { invariant } from '../../base/errors.ts';
import { routeCreate, type ApiFailure, type BlockedVerdict } from '../../domain/failure-router.ts';
import { paths } from '../../domain/ids.ts';
import { BATCH_MISSING_MS_MAX, RESULT_FETCHES_MAX, RESULTS_KEPT_MS } from '../../domain/limits.ts';
import type { BatchRecord, ChunkRecord } from '../../domain/model.ts';
import { checkpoint, giveUpChunk, type CollectTarget } from './checkpoint.ts';
import { download } from './download.ts';
import type { KeyLink } from '../engine.ts';
import { blockStuck, linkFor, refuseLook } from '../keys/key-follow.ts';
import { whyNotWhole, type ScannedResults } from './result-scan.ts';
import { missingBlock } from '../poll/poll.ts';
import {
  apiFailureOrThrow,
  blockRun,
  causeOf,
  chunkKey,
  hearServerTime,
  noteFailure,
  repeatWait,
  serverNowMs,
  toBlock,
  type RepeatedWait,
  type Session,
} from '../session.ts';

/** Chunks at once: while one is made durable and committed, the next one arrives. */
const CHUNKS_AT_ONCE = 2;
/** From so many rows on another thread pays: it costs 50 ms, and these rows a tenth of a second. */
const PROVER_ROWS_MIN = 20_000;

/** Collects every ended chunk of these runs whose time has come. Gives how many were collected. */
export async function collectRound(session: Session, runIds: readonly string[]): Promise<number> {
  const { store } = session.engine;
  let collected = 0;
  for (const runId of runIds) {
    const ended = await store.chunks(runId, { states: ['ended'] });
    const rows = ended.reduce((sum, chunk) => sum + chunk.rowCount, 0);
    const round: CollectRound = { runIds, waiting: [...ended], prover: rows >= PROVER_ROWS_MIN, isOthers: false };
    const lanes = Array.from({ length: Math.min(CHUNKS_AT_ONCE, ended.length) }, () => collectLane(session, round));
    // All of them are waited for, also where one fails: what is under way must be over before anybody goes on.
    for (const lane of await Promise.allSettled(lanes)) {
      if (lane.status === 'rejected') throw lane.reason;
      collected += lane.value;
    }
    if (round.prover) await session.engine.prover?.rest();
  }
  return collected;
}

/** This chunk alone, of a run that others drive. `runIds`: whom a refusal of the key concerns here. */
export async function collectOne(session: Session, chunk: ChunkRecord, runIds: readonly string[]): Promise<boolean> {
  return (await collectWaiting(session, { runIds, waiting: [chunk], prover: false, isOthers: true })) > 0;
}

interface CollectRound {
  readonly runIds: readonly string[];
  /** Chunks that nobody has taken yet. */
  readonly waiting: ChunkRecord[];
  /** There are enough for another thread. */
  readonly prover: boolean;
  /** Of a run that is not driven here: it may have ended long ago. */
  readonly isOthers: boolean;
}

async function collectLane(session: Session, round: CollectRound): Promise<number> {
  try {
    return await collectWaiting(session, round);
  } catch (error) {
    // The other lane begins no more: this error ends the driving.
    round.waiting.length = 0;
    throw error;
  }
}

async function collectWaiting(session: Session, round: CollectRound): Promise<number> {
  const { store, clock, signal } = session.engine;
  let collected = 0;
  for (let chunk = round.waiting.shift(); chunk; chunk = round.waiting.shift()) {
    if (signal.aborted || clock.monotonicMs() < session.quietUntilMs) return collected;
    if (session.blocks.stopsChunk(chunk)) continue;
    const wait = session.fetchWaits.get(chunkKey(chunk));
    if (wait && wait.notBeforeMs > clock.monotonicMs()) continue;
    const run = await store.run(chunk.runId);
    const batch = chunk.batchId === null ? null : await store.batch(chunk.batchId);
    invariant(run && batch, `the batch of ended chunk ${chunk.chunkNo} is known`);
    const link = await linkFor(session, batch);
    if (clock.monotonicMs() < session.keys.paceOf(link).quietUntilMs) continue;
    if (await collectChunk(session, { run, chunk, batch, link }, round)) collected++;
  }
  return collected;
}

/** A chunk whose batch has ended, and the key that may fetch its results. */
type Fetch = CollectTarget & { readonly link: KeyLink };

async function collectChunk(session: Session, target: Fetch, round: CollectRound): Promise<boolean> {
  const { chunk, batch } = target;
  const { engine } = session;
  const writer = await engine.files.create(paths.results(chunk.runId, chunk.chunkNo));
  let results: ScannedResults;
  try {
    const proved = await download(session, target, { writer, prover: round.prover });
    results = proved.results;
    const problem = proved.problem ?? whyNotWhole(results, batch.counts);
    if (problem !== null) {
      await writer.abort();
      if (results.foreign && !batch.proven) await disprove(session, target);
      else await notWhole(session, target, problem);
      return false;
    }
    await writer.commit(session.driver.assertDriving);
    failpoint('collect.results_file');
    session.reach.heard('results');
  } catch (error) {
    await writer.abort();
    await afterFailedFetch(session, target, apiFailureOrThrow(error), round);
    return false;
  }
  await checkpoint(session, { ...target, isOld: round.isOthers }, results);
  session.fetchWaits.delete(chunkKey(chunk));
  return true;
}

/**
 * A batch that only a person took for this chunk's, and its lines say otherwise. Nothing is sent because of it: where
 * we made the chunk, it is in doubt again; where a batch was adopted with the wrong input, a person has to say.
 */
async function disprove(session: Session, { run, chunk, batch }: CollectTarget): Promise<void> {
  const { engine, driver } = session;
  const { runId, chunkNo } = chunk;
  if (chunk.wire === 'tag') {
    const reason = `the lines of ${batch.id} are not of this chunk`;
    await driver.recordDisproved({ runId, chunkNo, batchId: batch.id, atMs: engine.clock.now(), reason });
    engine.emit({ kind: 'batch.disproved', runId, chunkNo, batchId: batch.id });
    return;
  }
  if (run.state === 'canceling') return giveUpChunk(session, chunk, 'canceled');
  await blockRun(session, runId, {
    reason: 'adopted_mismatch',
    scope: `chunk:${chunkNo}`,
    message: `the results of ${batch.id} hold custom_ids that are not in the input that it was adopted with`,
    hint: `Give the run up (\`batchrun cancel ${runId}\`, \`batchrun collect ${runId}\`, \`batchrun prune ${runId}\`) and adopt the batch again with the right input, or with the right --id-column. Nothing was sent.`,
    sinceMs: engine.clock.now(),
  });
}

async function notWhole(session: Session, { chunk, batch, link }: Fetch, problem: string): Promise<void> {
  const { engine, driver } = session;
  const { runId, chunkNo } = chunk;
  const fetches = await driver.recordFetchFailed({ runId, chunkNo, atMs: engine.clock.now(), reason: problem });
  if (fetches >= RESULT_FETCHES_MAX) {
    await blockRun(session, runId, {
      reason: 'results_unreadable',
      scope: `chunk:${chunkNo}`,
      message: `the results of ${batch.id} (chunk ${chunkNo}) were fetched ${fetches} times and were never whole: ${problem}`,
      hint: `Nothing was sent again and nothing is lost: run \`batchrun collect\` later, or ask support about the batch. If it is gone for good, \`batchrun resolve ${runId} --chunk ${chunkNo} --lost\` gives its rows up.`,
      sinceMs: engine.clock.now(),
    });
    return;
  }
  scheduleFetch(session, chunk, { cause: problem, askedMs: null });
  await refreshCounts(session, batch, link);
}

/** How many lines there must be says the batch. If it was believed to have ended too early, its counts have grown. */
async function refreshCounts({ engine, driver }: Session, batch: BatchRecord, { api }: KeyLink): Promise<void> {
  try {
    const info = await api.retrieveBatch(batch.id, engine.signal);
    if (info.status === 'ended') await driver.recordBatchSeen(info);
  } catch (error) {
    // It is asked again after the next fetch.
    apiFailureOrThrow(error);
  }
}

async function afterFailedFetch(
  session: Session,
  { run, chunk, batch, link }: Fetch,
  failure: ApiFailure,
  { runIds, isOthers }: CollectRound,
): Promise<void> {
  const { engine, driver } = session;
  noteFailure(session, 'results', failure, link);
  if (failure.connection === 'aborted') return;
  // Of the refusals only these say that there is nothing: another key may still see it.
  const saysNothing = [400, 404, 410].includes(failure.status ?? 0);
  if (saysNothing && !session.serverTimeHeard) await askServerTime(session, link);
  const nowMs = serverNowMs(session);
  const isOld = session.serverTimeHeard && nowMs - batch.createdAtMs > RESULTS_KEPT_MS;
  if (saysNothing && (batch.archivedAtMs !== null || isOld)) {
    await giveUpChunk(session, chunk);
    return;
  }
  const wait = scheduleFetch(session, chunk, { cause: causeOf(failure), askedMs: failure.retryAfterMs });
  const verdict = routeCreate(failure, false);
  if (failure.status === 404) {
    // A passing fault, whoever answers it, for an hour; since when is kept for a collect that runs once in a while.
    await driver.recordBatchMissing(batch.id, nowMs);
    if (nowMs - (batch.missingSinceMs ?? nowMs) > BATCH_MISSING_MS_MAX) {
      await blockRun(session, run.id, missingBlock(batch, `the results of ${batch.id} (chunk ${chunk.chunkNo}) have`));
    }
  } else if (verdict.kind === 'blocked' && isOthers) {
    // It may be of another workspace. A key that is refused for itself is refused for what is driven here, too.
    const scope = `chunk:${chunk.chunkNo}`;
    await blockRun(session, run.id, { ...toBlock(verdict, engine.clock.now()), scope });
  } else if (verdict.kind === 'blocked') {
    await refuseLook(session, link, verdict, runIds);
    await blockUnseen(session, { chunk, batch }, verdict);
  } else {
    engine.log.debug('results.not_fetched', { batch: batch.id, failures: wait.failures });
  }
}

/** Where no other key of its workspace is left, what is paid waits for a person. */
async function blockUnseen(
  session: Session,
  { chunk, batch }: Pick<CollectTarget, 'chunk' | 'batch'>,
  verdict: BlockedVerdict,
): Promise<void> {
  const { keys } = session;
  const place = keys.named(batch.workspace);
  if (!keys.several || !place || keys.canSee(place)) return;
  const { runId, chunkNo } = chunk;
  await blockStuck(session, place, { runId, chunkNo, what: `batch ${batch.id} (chunk ${chunkNo})` }, verdict);
}

/** How old a batch is goes by the API's clock: ours, a month ahead, would give up what is there. */
async function askServerTime(session: Session, { api }: KeyLink): Promise<void> {
  try {
    hearServerTime(session, await api.serverTimeMs(session.engine.signal));
  } catch (error) {
    apiFailureOrThrow(error);
  }
}

function scheduleFetch(
  session: Session,
  chunk: ChunkRecord,
  { cause, askedMs }: { readonly cause: string; readonly askedMs: number | null },
): RepeatedWait {
  const wait = repeatWait(session, session.fetchWaits.get(chunkKey(chunk)), askedMs);
  session.fetchWaits.set(chunkKey(chunk), wait);
  const { runId, chunkNo } = chunk;
  session.engine.emit({ kind: 'collect.refetch', runId, chunkNo, cause, waitMs: wait.waitMs });
  return wait;
}
