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
import type { BatchRecord, ChunkRecord, RowRecord, RunRecord } from '../domain/model.ts';
import { decodeRequestIndex, encodeResultIndex, outcomeByte } from '../domain/packed-index.ts';
import type { FileWriter } from '../domain/ports.ts';
import type { CollectedRow } from '../domain/store-steps.ts';
import { tooLong } from './batch-head.ts';
import { ResultScan } from './result-scan.ts';
import { wireIdReader } from './wire-ids.ts';
import { RowVerdicts } from './row-verdicts.ts';
import { missingBlock } from './poll.ts';
import {
  apiFailureOrThrow,
  blockAll,
  blockRun,
  causeOf,
  chunkKey,
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

interface Target {
  readonly run: RunRecord;
  readonly chunk: ChunkRecord;
  readonly batch: BatchRecord;
}

async function collectChunk(session: Session, target: Target, runIds: readonly string[]): Promise<boolean> {
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
  { run, chunk, batch }: Target,
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

/** One transaction: the outcome of every row, the index of the results, usage and cost. */
async function checkpoint(session: Session, { run, chunk, batch }: Target, scan: ResultScan): Promise<void> {
  const { engine, driver } = session;
  const index = decodeRequestIndex((await engine.store.chunkIndex(run.id, chunk.chunkNo)).requests);
  const before = await recordsOf(session, chunk, index.seqs);
  const rows: CollectedRow[] = [];
  const verdicts = new RowVerdicts(session, run, before);
  for (const { index: at, line } of scan.rest) {
    const seq = index.at(at).seq;
    const length = scan.lengths[at] ?? 0;
    rows.push(
      verdicts.of({ seq, index: at, line, result: { chunkNo: chunk.chunkNo, offset: scan.offsets[at] ?? 0, length } }),
    );
    scan.outcomes[at] = outcomeByte('elsewhere');
  }
  if (chunk.kind === 'retry') rows.push(...succeededRetries(chunk, { index, scan, before }));
  await driver.checkpointCollected({
    runId: run.id,
    chunkNo: chunk.chunkNo,
    batchId: batch.id,
    atMs: engine.clock.now(),
    outcomes: scan.outcomes,
    resultIndex: encodeResultIndex(scan.offsets, scan.lengths),
    succeeded: scan.succeeded,
    rows,
    usage: scan.usage.entries(),
    stopReasons: scan.stopReasons.counts,
  });
  failpoint('collect.checkpoint');
  const place = { runId: run.id, chunkNo: chunk.chunkNo };
  engine.emit({ kind: 'chunk.collected', ...place, succeeded: scan.succeeded, rest: scan.rest.length });
  await verdicts.tellHeld();
}

/** Its results can no longer be had: its rows fail with `batchrun_results_lost` and are not sent again by themselves. */
export async function giveUpChunk(session: Session, chunk: ChunkRecord): Promise<void> {
  const { engine, driver } = session;
  const { runId, chunkNo } = chunk;
  const { seqs } = decodeRequestIndex((await engine.store.chunkIndex(runId, chunkNo)).requests);
  const before = await recordsOf(session, chunk, seqs);
  const rows = [...seqs].map((seq, index): CollectedRow => {
    const attempts = (before.get(seq)?.attempts ?? 0) + 1;
    return { seq, index, to: 'failed', attempts, errorType: 'batchrun_results_lost', notBeforeMs: 0, result: null };
  });
  await driver.recordLost({ runId, chunkNo, atMs: engine.clock.now(), rows });
  engine.emit({ kind: 'chunk.lost', runId, chunkNo, rows: rows.length });
}

/** The records that rows of a retry chunk have already; an input chunk's rows have none yet. */
async function recordsOf(
  session: Session,
  chunk: ChunkRecord,
  seqs: Float64Array,
): Promise<ReadonlyMap<number, RowRecord>> {
  const records = new Map<number, RowRecord>();
  if (chunk.kind === 'input') return records;
  for (const seq of seqs) {
    const record = await session.engine.store.rowRecord(chunk.runId, seq);
    if (record) records.set(seq, record);
  }
  return records;
}

function succeededRetries(
  chunk: ChunkRecord,
  parts: {
    readonly index: ReturnType<typeof decodeRequestIndex>;
    readonly scan: ResultScan;
    readonly before: ReadonlyMap<number, RowRecord>;
  },
): CollectedRow[] {
  const rest = new Set(parts.scan.rest.map((line) => line.index));
  const rows: CollectedRow[] = [];
  for (const [at, seq] of parts.index.seqs.entries()) {
    if (rest.has(at)) continue;
    const result = {
      chunkNo: chunk.chunkNo,
      offset: parts.scan.offsets[at] ?? 0,
      length: parts.scan.lengths[at] ?? 0,
    };
    const attempts = (parts.before.get(seq)?.attempts ?? 0) + 1;
    rows.push({ seq, index: at, to: 'succeeded', attempts, errorType: null, notBeforeMs: 0, result });
  }
  return rows;
}

/**
 * A batch that only a person took for this chunk's, and its lines say otherwise. Nothing is sent because of it: where
 * we made the chunk, it is in doubt again; where a batch was adopted with the wrong input, a person has to say.
 */
async function disprove(session: Session, { chunk, batch }: Target): Promise<void> {
  const { engine, driver } = session;
  const { runId, chunkNo } = chunk;
  if (chunk.wire === 'tag') {
    const reason = `the lines of ${batch.id} are not of this chunk`;
    await driver.recordDisproved({ runId, chunkNo, batchId: batch.id, atMs: engine.clock.now(), reason });
    engine.emit({ kind: 'batch.disproved', runId, chunkNo, batchId: batch.id });
    return;
  }
  await blockRun(session, runId, {
    reason: 'adopted_mismatch',
    scope: `chunk:${chunkNo}`,
    message: `the results of ${batch.id} hold custom_ids that are not in the input that it was adopted with`,
    hint: `Give the run up with \`batchrun cancel ${runId}\` and adopt the batch with the right input, or with the right --id-column. Nothing was sent.`,
    sinceMs: engine.clock.now(),
  });
}

async function notWhole(session: Session, { chunk, batch }: Target, problem: string): Promise<void> {
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
}

async function afterFailedFetch(
  session: Session,
  { run, chunk, batch }: Target,
  failure: ApiFailure,
  runIds: readonly string[],
): Promise<void> {
  const { engine, driver } = session;
  // By the API's clock: with ours alone, one that is wrong by a month would give up what is there.
  const nowMs = serverNowMs(session);
  noteFailure(session, failure);
  if (failure.connection === 'aborted') return;
  const gone = batch.archivedAtMs !== null || nowMs - batch.createdAtMs > RESULTS_KEPT_MS;
  // Of the refusals only these say that there is nothing: another key may still see it.
  if (gone && [400, 404, 410].includes(failure.status ?? 0)) {
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
