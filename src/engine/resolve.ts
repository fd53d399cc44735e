/**
 * A person settles what could not be decided: which batch is a chunk's, that none was made, or that its rows are given
 * up. What the API can still tell is held against it, because a wrong word here is paid for.
 */
import { BatchrunError } from '../base/errors.ts';
import { tagOf } from '../domain/ids.ts';
import { requestCount, type AttemptRecord, type BatchInfo, type ChunkRecord, type RunRecord } from '../domain/model.ts';
import { parseWireId } from '../domain/result-line.ts';
import { giveUpChunk } from './collect.ts';
import { firstWireIds } from './reconcile.ts';
import { apiFailureOf, type Session } from './session.ts';

export type Settlement =
  { readonly kind: 'batch'; readonly batchId: string } | { readonly kind: 'not_created' } | { readonly kind: 'lost' };

interface Question {
  readonly run: RunRecord;
  readonly chunk: ChunkRecord;
}

/** States in which there is something to settle. */
const OPEN_QUESTIONS: readonly string[] = ['uncertain', 'submitted', 'ended'];

/** Throws E_CHUNK_UNKNOWN and E_RESOLVE, and changes nothing, where the word does not fit what is known. */
export async function resolveChunk(
  session: Session,
  { run, chunkNo }: { readonly run: RunRecord; readonly chunkNo: number },
  how: Settlement,
): Promise<void> {
  const chunk = await session.engine.store.chunk(run.id, chunkNo);
  if (!chunk) {
    throw new BatchrunError('E_CHUNK_UNKNOWN', `${run.id} has no chunk ${chunkNo}`, {
      hint: `\`batchrun status ${run.id}\` names the chunks that wait for a person.`,
    });
  }
  if (!OPEN_QUESTIONS.includes(chunk.state)) {
    throw refusal(`chunk ${chunkNo} is ${chunk.state}: there is nothing to settle about it`);
  }
  const question = { run, chunk };
  if (how.kind === 'batch') await takeBatch(session, question, how.batchId);
  else if (how.kind === 'not_created') await takeAsNotMade(session, question);
  else await giveUp(session, question);
  await session.driver.note(run.id, 'chunk.resolved', session.engine.clock.now(), { how: how.kind }, chunkNo);
}

async function takeBatch(session: Session, { run, chunk }: Question, batchId: string): Promise<void> {
  const { engine, driver } = session;
  if (chunk.batchId === batchId) throw refusal(`${batchId} is the batch of chunk ${chunk.chunkNo} already`);
  const known = await engine.store.batch(batchId);
  if (known?.runId === null) throw refusal(`${batchId} was read before: it belongs to another program`);
  if (known) throw refusal(`${batchId} is the batch of chunk ${known.chunkNo} of ${known.runId}`);
  const batch = await look(session, batchId);
  if (!batch) throw refusal(`the API does not know ${batchId} (404), for this key at least`);
  const rows = requestCount(batch.counts);
  if (rows !== chunk.rowCount) {
    throw refusal(`${batchId} holds ${rows} requests; chunk ${chunk.chunkNo} has ${chunk.rowCount} rows`);
  }
  const proven = await isProven(session, { run, chunk }, batch);
  const attempt = await doubtOf(session, { run, chunk }, `${batchId} is named in its place`);
  await driver.recordCreated({ attemptId: attempt.id, batch, atMs: engine.clock.now(), proven });
}

/** True when its results carry the wire ids of this chunk; false while they cannot be read; throws when they do not. */
async function isProven(session: Session, { run, chunk }: Question, batch: BatchInfo): Promise<boolean> {
  if (batch.status !== 'ended') return false;
  const ids = await firstWireIds(session, batch);
  if (ids === null) return false;
  const parts = ids.map((id) => parseWireId(id));
  if (parts.some((one) => one?.tag === tagOf(run.id) && one.chunkNo === chunk.chunkNo)) return true;
  throw refusal(`the results of ${batch.id} hold other rows than those of chunk ${chunk.chunkNo}`);
}

async function takeAsNotMade(session: Session, question: Question): Promise<void> {
  const { engine, driver } = session;
  const { batchId, chunkNo } = question.chunk;
  if (batchId !== null && (await look(session, batchId))) {
    throw refusal(
      `the API still shows ${batchId}, the batch of chunk ${chunkNo}: sending its rows again would pay twice`,
    );
  }
  const attempt = await doubtOf(session, question, 'the API knows its batch no more');
  const atMs = engine.clock.now();
  await driver.recordNotCreated({ attemptId: attempt.id, atMs, reason: 'a person said so', byHand: true });
}

async function giveUp(session: Session, { chunk }: Question): Promise<void> {
  const batch = chunk.batchId === null ? null : await look(session, chunk.batchId);
  if (batch && batch.status !== 'ended') {
    throw refusal(`${batch.id}, the batch of chunk ${chunk.chunkNo}, is still being processed and will be paid`);
  }
  await giveUpChunk(session, chunk);
}

/** The attempt that is in doubt; the batch that the chunk had until now is taken from it. */
async function doubtOf(session: Session, { run, chunk }: Question, reason: string): Promise<AttemptRecord> {
  const { engine, driver } = session;
  const { runId, chunkNo, batchId } = chunk;
  if (batchId !== null) await driver.recordDisproved({ runId, chunkNo, batchId, atMs: engine.clock.now(), reason });
  const attempts = await driver.attemptsToWatch(engine.clock.now());
  const attempt = attempts.find((one) => one.runId === run.id && one.chunkNo === chunkNo && one.state === 'uncertain');
  if (attempt) return attempt;
  throw new BatchrunError(
    'E_BUG',
    `this must not happen: chunk ${chunkNo} of ${run.id} is in doubt without an attempt`,
  );
}

/** The batch as the API shows it now; null where it answers 404. */
async function look(session: Session, batchId: string): Promise<BatchInfo | null> {
  const { api, signal } = session.engine;
  try {
    return await api.retrieveBatch(batchId, signal);
  } catch (error) {
    if (apiFailureOf(error)?.status === 404) return null;
    throw error;
  }
}

function refusal(message: string): BatchrunError {
  return new BatchrunError('E_RESOLVE', `${message}; nothing was changed`);
}
