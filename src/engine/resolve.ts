/**
 * A person settles what could not be decided: which batch is a chunk's, that none was made, or that its rows are given
 * up. What the API can still tell is held against it, because a wrong word here is paid for.
 */
import { BatchrunError } from '../base/errors.ts';
import { BATCH_MISSING_MS_MAX, RESULT_FETCHES_MAX } from '../domain/limits.ts';
import {
  requestCount,
  type AttemptRecord,
  type BatchInfo,
  type BatchRecord,
  type ChunkRecord,
  type RunRecord,
} from '../domain/model.ts';
import { giveUpChunk } from './checkpoint.ts';
import { listBatches } from './listing.ts';
import { firstWireIds } from './reconcile.ts';
import { apiFailureOf, serverNowMs, type Session } from './session.ts';
import { wireIdReader } from './wire-ids.ts';

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
  const question = { run, chunk };
  if (how.kind === 'batch' && chunk.state === 'sealed') await takeLateBatch(session, question, how.batchId);
  else if (!OPEN_QUESTIONS.includes(chunk.state)) {
    throw refusal(
      `chunk ${chunkNo} is ${chunk.state}: there is nothing to settle about it`,
      `\`batchrun status ${run.id}\` names the chunks in doubt.`,
    );
  } else if (how.kind === 'batch') await takeBatch(session, question, how.batchId);
  else if (how.kind === 'not_created') await takeAsNotMade(session, question);
  else await giveUp(session, question);
  await session.driver.note(run.id, 'chunk.resolved', session.engine.clock.now(), { how: how.kind }, chunkNo);
}

/** The batch as it is now, where it may be this chunk's: nobody's yet, and of its size. */
async function unclaimedBatch(session: Session, chunk: ChunkRecord, batchId: string): Promise<BatchInfo> {
  if (chunk.batchId === batchId) throw refusal(`${batchId} is the batch of chunk ${chunk.chunkNo} already`);
  const known = await session.engine.store.batch(batchId);
  if (known?.runId === null) throw refusal(`${batchId} was read before: it belongs to another program`);
  if (known) throw refusal(`${batchId} is the batch of chunk ${known.chunkNo} of ${known.runId}`);
  const batch = await look(session, batchId);
  if (!batch) throw refusal(`the API does not know ${batchId} (404), for this key at least`);
  const rows = requestCount(batch.counts);
  if (rows === chunk.rowCount) return batch;
  throw refusal(`${batchId} holds ${rows} requests; chunk ${chunk.chunkNo} has ${chunk.rowCount} rows`);
}

/**
 * A chunk that was judged "not made", or that a person said so of, and is about to be sent again: a batch that shows by
 * its results that it is its own takes it back. A guess is not enough here.
 */
async function takeLateBatch(session: Session, { run, chunk }: Question, batchId: string): Promise<void> {
  const { engine, driver } = session;
  const { chunkNo } = chunk;
  const batch = await unclaimedBatch(session, chunk, batchId);
  if (!(await isProven(session, chunk, batch))) {
    throw refusal(
      `chunk ${chunkNo} is sealed, and the results of ${batchId} cannot be read yet: whether it is its batch is not known`,
      `\`batchrun cancel ${run.id}\` keeps it from being sent. Or say it again when the batch has ended.`,
    );
  }
  let attempt: AttemptRecord | undefined;
  for (let page = await attemptsAfter(session, run, 0); page.length > 0;) {
    attempt = page.findLast((one) => one.chunkNo === chunkNo) ?? attempt;
    page = await attemptsAfter(session, run, page.at(-1)?.id ?? 0);
  }
  if (!attempt) throw refusal(`chunk ${chunkNo} was never sent from here`);
  await driver.recordCreated({ attemptId: attempt.id, batch, atMs: engine.clock.now(), proven: true });
}

function attemptsAfter({ engine }: Session, run: RunRecord, afterId: number): Promise<readonly AttemptRecord[]> {
  return engine.store.attempts(run.id, { afterId, limit: 1_000 });
}

async function takeBatch(session: Session, { run, chunk }: Question, batchId: string): Promise<void> {
  const { engine, driver } = session;
  const batch = await unclaimedBatch(session, chunk, batchId);
  for (const own of await batchesOf(session, chunk)) {
    // What only a person named may be corrected by one.
    if (own.proven && (await isShown(session, own))) {
      throw refusal(
        `the API still shows ${own.id}, which is surely the batch of chunk ${chunk.chunkNo}`,
        `\`batchrun collect ${run.id}\` follows it. If ${batchId} holds the same rows, \`batchrun audit\` names and prices it.`,
      );
    }
  }
  const proven = await isProven(session, chunk, batch);
  const [attempt] = await doubtsOf(session, { run, chunk }, `${batchId} is named in its place`);
  await driver.recordCreated({ attemptId: attempt.id, batch, atMs: engine.clock.now(), proven });
}

/** True when its results carry our wire ids of this chunk; false while they cannot be read; throws when they do not. */
async function isProven(session: Session, chunk: ChunkRecord, batch: BatchInfo): Promise<boolean> {
  const holds = await holdsRows(session, chunk, batch);
  if (holds === 'others')
    throw refusal(`the results of ${batch.id} hold other rows than those of chunk ${chunk.chunkNo}`);
  // Ids of the user's own may stand in any batch of theirs.
  return holds === 'its' && chunk.wire === 'tag';
}

async function takeAsNotMade(session: Session, question: Question): Promise<void> {
  const { engine, driver } = session;
  const { run, chunk } = question;
  const { chunkNo } = chunk;
  if (chunk.wire === 'own') {
    throw refusal(
      `chunk ${chunkNo} was adopted: sent by us it would carry the ids of your input, and a batch of it could not be told from a stranger's when an answer gets lost`,
      `To have its rows sent all the same: \`batchrun resolve ${run.id} --chunk ${chunkNo} --lost\`, \`batchrun collect ${run.id}\`, and then \`batchrun retry ${run.id}\`, which sends them with ids of ours.`,
    );
  }
  for (const batch of await batchesOf(session, chunk)) {
    const shown = await isShown(session, batch);
    if (shown && (batch.proven || (await holdsRows(session, chunk, shown)) !== 'others')) {
      throw refusal(
        `the API still shows ${batch.id}, ${batch.proven ? 'a' : 'perhaps the'} batch of chunk ${chunkNo}: sending its rows again would pay twice`,
        `\`batchrun collect ${run.id}\` follows it.`,
      );
    }
  }
  const attempts = await doubtsOf(session, question, 'the API knows its batch no more');
  for (const { id: attemptId } of attempts) {
    const atMs = engine.clock.now();
    await driver.recordNotCreated({ attemptId, atMs, reason: 'a person said so', byHand: true });
  }
}

async function giveUp(session: Session, { run, chunk }: Question): Promise<void> {
  for (const batch of await batchesOf(session, chunk)) {
    const shown = await isShown(session, batch);
    if (!shown) continue;
    if (shown.status !== 'ended') {
      throw refusal(`${batch.id}, the batch of chunk ${chunk.chunkNo}, is still being processed and will be paid`);
    }
    // Fetched again and again and never whole: that they begin well is of no use.
    if (batch.id === chunk.batchId && chunk.fetches >= RESULT_FETCHES_MAX) continue;
    if ((await holdsRows(session, chunk, shown)) === 'its') {
      throw refusal(
        `the results of ${batch.id}, the batch of chunk ${chunk.chunkNo}, can be had, and they are paid`,
        `\`batchrun collect ${run.id}\` fetches them.`,
      );
    }
  }
  await giveUpChunk(session, chunk);
}

/** All that the ledger has of a chunk: it may know more than the one that the chunk follows. */
async function batchesOf({ engine }: Session, chunk: ChunkRecord): Promise<readonly BatchRecord[]> {
  return (await engine.store.batches(chunk.runId)).filter((batch) => batch.chunkNo === chunk.chunkNo);
}

/** Whose rows are in it, as far as its results can be read now? */
async function holdsRows(
  session: Session,
  chunk: ChunkRecord,
  batch: BatchInfo,
): Promise<'its' | 'others' | 'unreadable'> {
  if (batch.status !== 'ended') return 'unreadable';
  const ids = await firstWireIds(session, batch);
  if (ids === null) return 'unreadable';
  const indexOf = await wireIdReader(session.engine.files, chunk);
  return ids.some((id) => indexOf(id) !== null) ? 'its' : 'others';
}

/** The attempts in doubt; the batches that the chunk had until now are taken from it. */
async function doubtsOf(
  session: Session,
  { run, chunk }: Question,
  reason: string,
): Promise<readonly [AttemptRecord, ...AttemptRecord[]]> {
  const { engine, driver } = session;
  const { runId, chunkNo } = chunk;
  for (const { id: batchId } of await batchesOf(session, chunk)) {
    await driver.recordDisproved({ runId, chunkNo, batchId, atMs: engine.clock.now(), reason });
  }
  const attempts = await driver.attemptsToWatch(engine.clock.now());
  const [first, ...others] = attempts.filter(
    (one) => one.runId === run.id && one.chunkNo === chunkNo && one.state === 'uncertain',
  );
  if (first) return [first, ...others];
  throw new BatchrunError(
    'E_BUG',
    `this must not happen: chunk ${chunkNo} of ${run.id} is in doubt without an attempt`,
  );
}

/** A batch of the ledger as the API shows it now; null where it surely has it no more. Throws where a 404 proves nothing. */
async function isShown(session: Session, batch: BatchRecord): Promise<BatchInfo | null> {
  const shown = await look(session, batch.id);
  if (shown) return shown;
  const { engine } = session;
  const { api } = engine;
  // One of them in the list says that this key sees what was made with the other.
  const ofThere = batch.workspace === api.workspace ? [batch] : await batchesAt(session, batch.workspace);
  const listing = await listBatches(engine, {
    batchIds: new Set(ofThere.map((one) => one.id)),
    attempts: [],
    oldestBatchMs: Math.min(...ofThere.map((one) => one.createdAtMs)),
  });
  const listed = listing.get(batch.id);
  if (listed) return listed;
  if (batch.workspace !== api.workspace && ofThere.every((one) => listing.get(one.id) === undefined)) {
    throw refusal(
      `${batch.id} answers 404 to this key (${api.workspace}): it was made with ${batch.workspace}, and batches are visible in their own workspace only`,
      'Say it with a key of the workspace that made it.',
    );
  }
  // By the API's clock: for minutes after a create a 404 may pass.
  const ageMs = (listing.serverAtMs ?? serverNowMs(session)) - batch.createdAtMs;
  if (ageMs >= BATCH_MISSING_MS_MAX) return null;
  throw refusal(
    `the API does not show ${batch.id} (404), but made it less than an hour ago: that may pass`,
    `Wait until it is an hour old and say it again. Until then \`batchrun collect ${batch.runId}\` looks for it.`,
  );
}

/** Batches that were made in this workspace, in any run. */
async function batchesAt({ engine }: Session, workspace: string): Promise<readonly BatchRecord[]> {
  const all: BatchRecord[] = [];
  for (const run of await engine.store.runs()) {
    if (run.origin !== engine.api.origin) continue;
    all.push(...(await engine.store.batches(run.id)).filter((batch) => batch.workspace === workspace));
  }
  return all;
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

function refusal(message: string, hint?: string): BatchrunError {
  return new BatchrunError('E_RESOLVE', `${message}; nothing was changed`, hint === undefined ? {} : { hint });
}
