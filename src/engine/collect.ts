/**
 * Fetches the results of an ended batch into a file, proves that they are whole, and commits the outcome of every row
 * in one transaction. A download that fails or is not whole is thrown away and fetched again; nothing is ever sent
 * again because of it.
 */
import { failpoint } from '../base/failpoint.ts';
import { invariant } from '../base/errors.ts';
import { routeCreate, type ApiFailure } from '../domain/failure-router.ts';
import { paths } from '../domain/ids.ts';
import { LineSplitter } from '../domain/lines.ts';
import { BATCH_MISSING_MS_MAX, RESULT_FETCHES_MAX, RESULT_LINE_BYTES_MAX, RESULTS_KEPT_MS } from '../domain/limits.ts';
import type { BatchRecord, ChunkRecord } from '../domain/model.ts';
import type { FileWriter } from '../domain/ports.ts';
import { tooLong } from './batch-head.ts';
import { checkpoint, giveUpChunk, type CollectTarget } from './checkpoint.ts';
import { ResultScan } from './result-scan.ts';
import { wireIdReader } from './wire-ids.ts';
import { missingBlock } from './poll.ts';
import {
  apiFailureOrThrow,
  blockAll,
  blockRun,
  causeOf,
  chunkKey,
  hearServerTime,
  noteFailure,
  repeatWait,
  serverNowMs,
  type RepeatedWait,
  type Session,
} from './session.ts';

/** Result bytes gathered before they are written. */
const WRITE_BYTES = 1024 * 1024;
/** Lines between two signs of life. */
const PROGRESS_LINES = 5_000;

/** Collects every ended chunk of these runs whose time has come. Gives how many were collected. */
export async function collectRound(session: Session, runIds: readonly string[]): Promise<number> {
  const { store, clock, signal } = session.engine;
  let collected = 0;
  for (const runId of runIds) {
    for (const chunk of await store.chunks(runId, { states: ['ended'] })) {
      if (signal.aborted) return collected;
      if (clock.monotonicMs() < session.quietUntilMs) return collected;
      if (session.blocks.stopsChunk(chunk)) continue;
      const wait = session.fetchWaits.get(chunkKey(chunk));
      if (wait && wait.notBeforeMs > clock.monotonicMs()) continue;
      const run = await store.run(runId);
      const batch = chunk.batchId === null ? null : await store.batch(chunk.batchId);
      invariant(run && batch, `the batch of ended chunk ${chunk.chunkNo} is known`);
      if (await collectChunk(session, { run, chunk, batch }, runIds)) collected++;
    }
  }
  return collected;
}

async function collectChunk(session: Session, target: CollectTarget, runIds: readonly string[]): Promise<boolean> {
  const { chunk, batch } = target;
  const { engine } = session;
  const writer = await engine.files.create(paths.results(chunk.runId, chunk.chunkNo));
  const scan = new ResultScan(chunk.rowCount, await wireIdReader(engine.files, chunk));
  try {
    const problem = (await download(session, target, { writer, scan })) ?? scan.missing(batch.counts);
    if (problem !== null) {
      await writer.abort();
      if (scan.foreign && !batch.proven) await disprove(session, target);
      else await notWhole(session, target, problem);
      return false;
    }
    await writer.commit(session.driver.assertDriving);
    failpoint('collect.results_file');
    session.reach.heard();
  } catch (error) {
    await writer.abort();
    await afterFailedFetch(session, target, apiFailureOrThrow(error), runIds);
    return false;
  }
  await checkpoint(session, target, scan);
  session.fetchWaits.delete(chunkKey(chunk));
  return true;
}

/** Writes the results as they come and scans them on the way. Gives the reason when a line cannot be believed. */
async function download(
  session: Session,
  { run, chunk, batch }: CollectTarget,
  { writer, scan }: { writer: FileWriter; scan: ResultScan },
): Promise<string | null> {
  const { api, signal, emit } = session.engine;
  const splitter = new LineSplitter({ lineBytesMax: RESULT_LINE_BYTES_MAX, tooLong });
  let pending: Buffer[] = [];
  let pendingBytes = 0;
  const flush = async (): Promise<void> => {
    await writer.write(Buffer.concat(pending));
    pending = [];
    pendingBytes = 0;
  };
  let told = 0;
  for await (const piece of api.streamResults(batch, signal)) {
    for (const line of splitter.push(piece)) {
      const problem = scan.take(line);
      if (problem !== null) return problem;
    }
    pending.push(piece);
    pendingBytes += piece.length;
    if (pendingBytes >= WRITE_BYTES) await flush();
    if (scan.lines - told < PROGRESS_LINES) continue;
    told = scan.lines;
    emit({ kind: 'collect.progress', runId: run.id, chunkNo: chunk.chunkNo, lines: scan.lines, rows: chunk.rowCount });
  }
  for (const line of splitter.end()) {
    const problem = scan.take(line);
    if (problem !== null) return problem;
  }
  await flush();
  return null;
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

async function notWhole(session: Session, { chunk, batch }: CollectTarget, problem: string): Promise<void> {
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
  await refreshCounts(session, batch);
}

/** How many lines there must be says the batch. If it was believed to have ended too early, its counts have grown. */
async function refreshCounts({ engine, driver }: Session, batch: BatchRecord): Promise<void> {
  try {
    const info = await engine.api.retrieveBatch(batch.id, engine.signal);
    if (info.status === 'ended') await driver.recordBatchSeen(info);
  } catch (error) {
    // It is asked again after the next fetch.
    apiFailureOrThrow(error);
  }
}

async function afterFailedFetch(
  session: Session,
  { run, chunk, batch }: CollectTarget,
  failure: ApiFailure,
  runIds: readonly string[],
): Promise<void> {
  const { engine, driver } = session;
  noteFailure(session, failure);
  if (failure.connection === 'aborted') return;
  // Of the refusals only these say that there is nothing: another key may still see it.
  const saysNothing = [400, 404, 410].includes(failure.status ?? 0);
  if (saysNothing && !session.serverTimeHeard) await askServerTime(session);
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
  } else if (verdict.kind === 'blocked') {
    session.lookRefused = true;
    await blockAll(session, runIds, verdict);
  } else {
    engine.log.debug('results could not be fetched', { batch: batch.id, failures: wait.failures });
  }
}

/** How old a batch is goes by the API's clock: ours, a month ahead, would give up what is there. */
async function askServerTime(session: Session): Promise<void> {
  const { api, signal } = session.engine;
  try {
    hearServerTime(session, await api.serverTimeMs(signal));
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
