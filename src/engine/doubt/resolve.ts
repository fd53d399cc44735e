/**
 * A person settles what could not be decided: which batch is a chunk's, that none was made, or that its rows are given
 * up. What the API can still tell is held against it, because a wrong word here is paid for.
 */
import { BatchrunError } from '../../base/errors.ts';
import { RESULT_FETCHES_MAX } from '../../domain/limits.ts';
import {
  requestCount,
  type AttemptRecord,
  type BatchRecord,
  type ChunkRecord,
  type RunRecord,
} from '../../domain/model.ts';
import { giveUpChunk } from '../collect/checkpoint.ts';
import type { KeyLink } from '../engine.ts';
import { firstWireIds } from './reconcile.ts';
import type { Session } from '../session.ts';
import { attemptsAfter, findShown, isShown, refusal, type Shown } from './shown-batch.ts';
import { wireIdReader } from '../collect/wire-ids.ts';

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
async function unclaimedBatch(session: Session, { run, chunk }: Question, batchId: string): Promise<Shown> {
  if (chunk.batchId === batchId) throw refusal(`${batchId} is the batch of chunk ${chunk.chunkNo} already`);
  const known = await session.engine.store.batch(batchId);
  if (known?.runId === null) throw refusal(`${batchId} was read before: it belongs to another program`);
  if (known) throw refusal(`${batchId} is the batch of chunk ${known.chunkNo} of ${known.runId}`);
  const shown = await findShown(session, { run, chunk }, batchId);
  if (!shown) throw refusal(`the API does not know ${batchId} (404), for ${whomOf(session)} at least`);
  const rows = requestCount(shown.batch.counts);
  if (rows === chunk.rowCount) return shown;
  throw refusal(`${batchId} holds ${rows} requests; chunk ${chunk.chunkNo} has ${chunk.rowCount} rows`);
}

/** Was this attempt sent to where this key looks, as far as is known? */
function isSentThere({ keys }: Session, { workspace }: AttemptRecord, { api }: KeyLink): boolean {
  return keys.placeOf(workspace)?.hasName(api.workspace) ?? true;
}

function whomOf({ keys }: Session): string {
  return keys.several ? 'the keys of the pool that it may have been made with' : 'this key';
}

/**
 * A chunk that was judged "not made", or that a person said so of, and is about to be sent again: a batch that shows by
 * its results that it is its own takes it back. A guess is not enough here.
 */
async function takeLateBatch(session: Session, { run, chunk }: Question, batchId: string): Promise<void> {
  const { engine, driver } = session;
  const { chunkNo } = chunk;
  const shown = await unclaimedBatch(session, { run, chunk }, batchId);
  if (!(await isProven(session, chunk, shown))) {
    throw refusal(
      `chunk ${chunkNo} is sealed, and the results of ${batchId} cannot be read yet: whether it is its batch is not known`,
      `\`batchrun cancel ${run.id}\` keeps it from being sent. Or say it again when the batch has ended.`,
    );
  }
  let attempt: AttemptRecord | undefined;
  for (let page = await attemptsAfter(session, run, 0); page.length > 0;) {
    attempt = page.findLast((one) => one.chunkNo === chunkNo && isSentThere(session, one, shown.link)) ?? attempt;
    page = await attemptsAfter(session, run, page.at(-1)?.id ?? 0);
  }
  if (!attempt) throw refusal(`chunk ${chunkNo} was never sent from here`);
  const { batch } = shown;
  await driver.recordCreated({ attemptId: attempt.id, batch, atMs: engine.clock.now(), proven: true });
}

async function takeBatch(session: Session, { run, chunk }: Question, batchId: string): Promise<void> {
  const { engine, driver } = session;
  const shown = await unclaimedBatch(session, { run, chunk }, batchId);
  for (const own of await batchesOf(session, chunk)) {
    // What only a person named may be corrected by one.
    if (own.proven && (await isShown(session, own))) {
      throw refusal(
        `the API still shows ${own.id}, which is surely the batch of chunk ${chunk.chunkNo}`,
        `\`batchrun collect ${run.id}\` follows it. If ${batchId} holds the same rows, \`batchrun audit\` names and prices it.`,
      );
    }
  }
  const proven = await isProven(session, chunk, shown);
  const doubts = await doubtsOf(session, { run, chunk }, `${batchId} is named in its place`);
  const attempt = doubts.find((one) => isSentThere(session, one, shown.link)) ?? doubts[0];
  await driver.recordCreated({ attemptId: attempt.id, batch: shown.batch, atMs: engine.clock.now(), proven });
}

/** True when its results carry our wire ids of this chunk; false while they cannot be read; throws when they do not. */
async function isProven(session: Session, chunk: ChunkRecord, shown: Shown): Promise<boolean> {
  const holds = await holdsRows(session, chunk, shown);
  if (holds === 'others')
    throw refusal(`the results of ${shown.batch.id} hold other rows than those of chunk ${chunk.chunkNo}`);
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
    if (shown.batch.status !== 'ended') {
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
  { batch, link }: Shown,
): Promise<'its' | 'others' | 'unreadable'> {
  if (batch.status !== 'ended') return 'unreadable';
  const ids = await firstWireIds(session, batch, link);
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
