/**
 * One create of a batch. It is an attempt that is committed before its first byte leaves (design, section 3.1): whatever
 * happens, the next process knows what may have been made.
 */
import { failpoint } from '../../base/failpoint.ts';
import { isBatchrunError, messageOf } from '../../base/errors.ts';
import { routeCreate, routeList, type ApiFailure } from '../../domain/failure-router.ts';
import { paths } from '../../domain/ids.ts';
import type { BatchInfo, ChunkRecord } from '../../domain/model.ts';
import type { KeyLink } from '../engine.ts';
import { refuseKey } from '../keys/key-follow.ts';
import { addressRefusal } from '../outage/address.ts';
import { apiFailureOf, beginDoubt, blockRun, causeOf, noteFailure, waitBefore, type Session } from '../session.ts';
import { splitChunk } from './split.ts';

/** Batches of the list that the baseline is taken from: with them it is seen what others have under way. */
const BASELINE_BATCHES = 100;

export interface Create {
  readonly chunk: ChunkRecord;
  /** The key that it goes out with; its workspace is where the batch will live. */
  readonly link: KeyLink;
  readonly runIds: readonly string[];
  /** The newest batches of the workspace, as its list shows them before the create. */
  readonly onListed: (batches: readonly BatchInfo[]) => void;
  /** The attempt is in the ledger. */
  readonly onRecorded: () => void;
  readonly onMade: (batchId: string) => void;
  /** A refusal for the queue, or for too many batches at once. */
  readonly onRefused: (failure: ApiFailure) => void;
}

/** One create. True when a batch was made for sure. */
export async function createBatchOf(session: Session, create: Create): Promise<boolean> {
  const { chunk, link } = create;
  const { engine, driver } = session;
  const { clock } = engine;
  const { api } = link;
  const baseline = await newestBatchId(session, create);
  // A create beside this one may have been told to wait meanwhile.
  if (baseline === undefined || session.keys.toldTimeOf(link) > clock.monotonicMs()) return false;

  const attemptId = await driver.recordAttempt({
    runId: chunk.runId,
    chunkNo: chunk.chunkNo,
    workspace: api.workspace,
    baselineBatchId: baseline,
    atMs: clock.now(),
  });
  if (attemptId === null) return false;
  create.onRecorded();
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
    create.onMade(batch.id);
    await driver.recordCreated({ attemptId, batch, atMs: clock.now() });
    failpoint('submit.recorded');
    session.reach.heard('create');
    const pace = session.keys.paceOf(link);
    pace.createFailures = 0;
    pace.lacksRoom = false;
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
    if (failure.status === 429) create.onRefused(failure);
    await afterFailure(session, { ...create, attemptId, failure, bodyComplete });
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
async function newestBatchId(session: Session, { link, runIds, onListed }: Create): Promise<string | null | undefined> {
  const { signal } = session.engine;
  try {
    const page = await link.api.listBatches({ afterId: null, limit: BASELINE_BATCHES, signal });
    session.reach.heard('list');
    onListed(page.batches);
    return page.batches[0]?.id ?? null;
  } catch (error) {
    const failure = apiFailureOf(error);
    if (!failure) throw error;
    noteFailure(session, 'list', failure, link);
    const verdict = routeList(failure);
    const isAbsent = verdict.kind === 'blocked' && verdict.reason === 'endpoint';
    const refusal = isAbsent ? await addressRefusal(session, verdict) : verdict;
    if (refusal?.kind === 'blocked') await refuseKey(session, link, refusal, runIds);
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
  noteFailure(session, 'create', failure, link);
  const verdict = routeCreate(failure, failed.bodyComplete);
  switch (verdict.kind) {
    case 'blocked':
      await driver.recordNotCreated({ attemptId, atMs, reason: cause });
      await refuseKey(session, link, verdict, failed.runIds);
      return;
    case 'sealed_wait': {
      await driver.recordNotCreated({ attemptId, atMs, reason: cause });
      const waitMs = pauseCreates(session, failure, link);
      // Broken off by ourselves at a stop: nothing waits, and nobody refused it.
      if (failure.connection !== 'aborted') engine.emit({ kind: 'upload.waits', ...place, waitMs, cause });
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
