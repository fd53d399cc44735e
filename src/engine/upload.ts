/**
 * Makes batches of sealed chunks, as many as the caps allow. Each create is an attempt that is committed before its
 * first byte leaves (design, section 3.1): whatever happens, the next process knows what may have been made.
 */
import { failpoint } from '../base/failpoint.ts';
import { isBatchrunError, messageOf } from '../base/errors.ts';
import { routeCreate, type ApiFailure } from '../domain/failure-router.ts';
import { paths } from '../domain/ids.ts';
import { requestCount, type ChunkRecord } from '../domain/model.ts';
import type { KeyLink } from './engine.ts';
import { KeyLoad, usableKeys } from './key-book.ts';
import { refuseKey } from './key-follow.ts';
import { openBatchRecords } from './poll.ts';
import {
  apiFailureOf,
  beginDoubt,
  blockRun,
  causeOf,
  chunkKey,
  noteFailure,
  serverNowMs,
  waitBefore,
  type Session,
} from './session.ts';
import { splitChunk } from './split.ts';

/** A batch ends 24 h after its create; the clocks of two servers may differ. */
const SECOND_BATCH_SLACK_MS = 3_600_000;

export interface UploadRound {
  readonly uploaded: number;
  /** The caps are used in full; sealed chunks wait for a slot. */
  readonly full: boolean;
  /** Sealed chunks that wait, for a slot or a time. */
  readonly waiting: number;
}

/** Uploads until a cap, a wait or the end of the chunks. Runs in their order, chunks in theirs. */
export async function uploadRound(session: Session, runIds: readonly string[]): Promise<UploadRound> {
  const { store, clock, pacing, signal } = session.engine;
  let uploaded = 0;
  const load = session.keys.several ? await loadOf(session) : null;
  for (const runId of runIds) {
    for (;;) {
      if (signal.aborted || session.blocks.stopsSending(runId)) break;
      const run = await store.run(runId);
      if (run?.state !== 'ready' && run?.state !== 'active') break;
      const chunk = await nextChunk(session, runId);
      if (!chunk) break;
      const link = usableKeys(session, load).find((one) => session.keys.createTimeOf(one) <= clock.monotonicMs());
      if (!link) return { uploaded, full: false, waiting: 1 };
      if ((await openBatches(session)) >= pacing.maxBatches) return { uploaded, full: true, waiting: 1 };
      if (await uploadChunk(session, { chunk, link, runIds })) uploaded++;
      load?.add(link.api.workspace, chunk.rowCount);
    }
  }
  return { uploaded, full: false, waiting: 0 };
}

async function nextChunk(session: Session, runId: string): Promise<ChunkRecord | undefined> {
  // A few more than one, because some of the first may be held or blocked.
  const limit = session.held.size + session.blocks.chunkBlocks(runId) + 1;
  const sealed = await session.engine.store.chunks(runId, { states: ['sealed'], limit });
  return sealed.find((chunk) => !session.held.has(chunkKey(chunk)) && !session.blocks.stopsChunk(chunk));
}

/** Batches that are or may be open, over all runs of this state: the API's caps are the account's, not a run's. */
async function openBatches(session: Session): Promise<number> {
  const { store, api } = session.engine;
  let open = 0;
  for (const run of await store.runs()) {
    if (run.state === 'done' || run.origin !== api.origin) continue;
    const counts = await store.chunkCounts(run.id);
    open += counts.submitting + counts.uncertain + counts.submitted;
    // One that the API no longer shows is over a day after it was made, whatever the ledger knows of it.
    const seconds = await store.secondBatches(run.id);
    open += seconds.filter((batch) => batch.expiresAtMs + SECOND_BATCH_SLACK_MS > serverNowMs(session)).length;
  }
  return open;
}

/** What each key of a pool has under way: the next batch goes where most room is. */
async function loadOf(session: Session): Promise<KeyLoad> {
  const { store, api } = session.engine;
  const load = new KeyLoad(session.keys);
  const runs = (await store.runs()).filter((run) => run.state !== 'done' && run.origin === api.origin);
  const open = await openBatchRecords(
    session,
    runs.map((run) => run.id),
  );
  for (const { workspace, counts } of open) load.add(workspace, requestCount(counts));
  return load;
}

interface Create {
  readonly chunk: ChunkRecord;
  /** The key that it goes out with; its workspace is where the batch will live. */
  readonly link: KeyLink;
  readonly runIds: readonly string[];
}

/** One create. True when a batch was made for sure. */
async function uploadChunk(session: Session, { chunk, link, runIds }: Create): Promise<boolean> {
  const { engine, driver } = session;
  const { clock } = engine;
  const { api } = link;
  const baseline = await newestBatchId(session, link, runIds);
  if (baseline === undefined) return false;

  const attemptId = await driver.recordAttempt({
    runId: chunk.runId,
    chunkNo: chunk.chunkNo,
    workspace: api.workspace,
    baselineBatchId: baseline,
    atMs: clock.now(),
  });
  if (attemptId === null) return false;
  failpoint('submit.attempt');
  const place = { runId: chunk.runId, chunkNo: chunk.chunkNo };
  engine.emit({ kind: 'upload.started', ...place, rows: chunk.rowCount, bytes: chunk.bytes });
  let bodyComplete = false;
  // A stop breaks an upload off while that is harmless; once the body is complete its answer is waited for.
  const breakOff = new AbortController();
  const onStop = (): void => {
    if (!bodyComplete) breakOff.abort();
  };
  engine.signal.addEventListener('abort', onStop);
  try {
    const batch = await api.createBatch({
      bodyPath: paths.body(chunk.runId, chunk.chunkNo),
      bytes: chunk.bytes,
      sha256: chunk.sha256,
      betas: chunk.betas,
      beforeTail: async () => {
        await driver.recordBodyComplete(attemptId);
        bodyComplete = true;
        failpoint('submit.body_complete');
      },
      signal: breakOff.signal,
    });
    failpoint('submit.answered');
    await driver.recordCreated({ attemptId, batch, atMs: clock.now() });
    failpoint('submit.recorded');
    session.reach.heard();
    session.keys.paceOf(link).createFailures = 0;
    engine.emit({ kind: 'upload.done', ...place, batchId: batch.id, rows: chunk.rowCount });
    return true;
  } catch (error) {
    const failure = apiFailureOf(error);
    if (!failure) {
      await forgetUnsentAttempt(session, attemptId, bodyComplete, error);
      if (!isDamage(session, { chunk, bodyComplete, error })) throw error;
      await blockDamaged(session, chunk, error);
      return false;
    }
    await afterFailure(session, { chunk, link, attemptId, failure, bodyComplete, runIds });
    return false;
  } finally {
    engine.signal.removeEventListener('abort', onStop);
  }
}

/**
 * An error of our own (a full disk, a lost file) in the middle of an upload. Before the body was complete nothing can
 * have been made; after it the attempt stays open, and whoever drives next finds it uncertain.
 */
async function forgetUnsentAttempt(
  session: Session,
  attemptId: number,
  bodyComplete: boolean,
  error: unknown,
): Promise<void> {
  if (bodyComplete) return;
  try {
    await session.driver.recordNotCreated({ attemptId, atMs: session.engine.clock.now(), reason: messageOf(error) });
  } catch {
    // The ledger itself cannot be written now; the next process finds an open attempt without a complete body.
  }
}

/** Is it the file of this chunk that is missing or is not what was sealed? */
function isDamage(
  session: Session,
  { chunk, bodyComplete, error }: { chunk: ChunkRecord; bodyComplete: boolean; error: unknown },
): boolean {
  if (bodyComplete || (!isBatchrunError(error, 'E_STATE_CORRUPT') && !isBatchrunError(error, 'E_FILE'))) return false;
  return error.details['file'] === session.engine.files.locate(paths.body(chunk.runId, chunk.chunkNo));
}

/** Other chunks go on; nothing was made of this one. */
async function blockDamaged(session: Session, chunk: ChunkRecord, error: unknown): Promise<void> {
  await blockRun(session, chunk.runId, {
    reason: 'chunk_damaged',
    scope: `chunk:${chunk.chunkNo}`,
    message: `chunk ${chunk.chunkNo} cannot be sent: ${messageOf(error)}`,
    hint: 'Submit the same input again: the file is made anew from it. Or bring it back from a backup, and `batchrun collect` goes on. Nothing of this chunk was sent.',
    sinceMs: session.engine.clock.now(),
  });
}

/** The newest batch that the list shows; null when it shows none; undefined when the list cannot be had now. */
async function newestBatchId(
  session: Session,
  link: KeyLink,
  runIds: readonly string[],
): Promise<string | null | undefined> {
  const { signal } = session.engine;
  try {
    const page = await link.api.listBatches({ afterId: null, limit: 1, signal });
    session.reach.heard();
    return page.batches[0]?.id ?? null;
  } catch (error) {
    const failure = apiFailureOf(error);
    if (!failure) throw error;
    noteFailure(session, failure, link);
    const verdict = routeCreate(failure, false);
    if (verdict.kind === 'blocked') await refuseKey(session, link, verdict, runIds);
    else pauseCreates(session, failure, link);
    return undefined;
  }
}

function pauseCreates(session: Session, failure: ApiFailure, link: KeyLink): number {
  const pace = session.keys.paceOf(link);
  pace.createFailures++;
  const waitMs = waitBefore(session, pace.createFailures, failure.retryAfterMs);
  pace.createNotBeforeMs = session.engine.clock.monotonicMs() + waitMs;
  return waitMs;
}

interface FailedCreate extends Create {
  readonly attemptId: number;
  readonly failure: ApiFailure;
  readonly bodyComplete: boolean;
}

async function afterFailure(session: Session, failed: FailedCreate): Promise<void> {
  const { engine, driver } = session;
  const { chunk, link, attemptId, failure } = failed;
  const atMs = engine.clock.now();
  const cause = causeOf(failure);
  const place = { runId: chunk.runId, chunkNo: chunk.chunkNo };
  noteFailure(session, failure, link);
  const verdict = routeCreate(failure, failed.bodyComplete);
  switch (verdict.kind) {
    case 'blocked':
      await driver.recordNotCreated({ attemptId, atMs, reason: cause });
      await refuseKey(session, link, verdict, failed.runIds);
      return;
    case 'sealed_wait': {
      await driver.recordNotCreated({ attemptId, atMs, reason: cause });
      const waitMs = pauseCreates(session, failure, link);
      engine.emit({ kind: 'upload.waits', ...place, waitMs, cause });
      return;
    }
    case 'uncertain':
      await driver.recordUncertain({ attemptId, atMs, reason: cause });
      beginDoubt(session, attemptId);
      engine.emit({ kind: 'upload.uncertain', ...place, cause });
      return;
    case 'split':
      await splitChunk(session, { chunk, attemptId, cause, errorType: 'request_too_large', rowIndex: null });
      return;
    case 'rows_refused':
      await splitChunk(session, {
        chunk,
        attemptId,
        cause,
        errorType: failure.type ?? 'invalid_request_error',
        rowIndex: verdict.rowIndex,
      });
  }
}
