/**
 * Which key a batch is followed with, and what becomes of the work when the API refuses a key: others of its workspace
 * follow its batches, others of the pool take the new work, and only what no key is left for stands still.
 */
import type { BlockedVerdict } from '../../domain/failure-router.ts';
import type { AttemptRecord, BatchRecord, ChunkRecord } from '../../domain/model.ts';
import type { KeyLink } from '../engine.ts';
import { naming, usableKeys, type Place } from './key-book.ts';
import {
  apiFailureOrThrow,
  blockAll,
  blockRun,
  chunkKey,
  noteFailure,
  toBlock,
  unblockChunk,
  type Session,
} from '../session.ts';

/** What is looked for in one workspace. */
export interface Following {
  readonly place: Place;
  readonly batches: readonly BatchRecord[];
  readonly attempts: readonly AttemptRecord[];
}

/** Chunks that wait for a batch, or for the word that there is none. */
const WAITING_STATES: ReadonlySet<ChunkRecord['state']> = new Set(['uncertain', 'sealed']);

/** The key to follow a batch with: one of the workspace that made it. */
export async function linkFor(
  session: Session,
  batch: Pick<BatchRecord, 'id' | 'workspace' | 'proven'>,
): Promise<KeyLink> {
  const { keys } = session;
  const place = keys.placeOf(batch.workspace) ?? (await findPlace(session, batch));
  return keys.seer(place ?? keys.named(batch.workspace) ?? keys.places[0]);
}

/** Its key is not in the pool: another one of its workspace may be. */
async function findPlace(
  session: Session,
  batch: Pick<BatchRecord, 'id' | 'workspace' | 'proven'>,
): Promise<Place | null> {
  const { engine, keys } = session;
  for (const place of keys.places) {
    if (!keys.canSee(place) || engine.clock.monotonicMs() < keys.quietUntilMs(place)) continue;
    const link = keys.seer(place);
    try {
      await link.api.retrieveBatch(batch.id, engine.signal);
      session.reach.heard('retrieve');
      if (batch.proven) keys.learn(batch.workspace, place);
      return place;
    } catch (error) {
      noteFailure(session, 'retrieve', apiFailureOrThrow(error), link);
    }
  }
  return null;
}

/**
 * The API refuses what only a person can mend. Of a pool this key is set aside and named, and the others go on; what the
 * base URL does to one it does to all.
 */
export async function refuseKey(
  session: Session,
  link: KeyLink,
  verdict: BlockedVerdict,
  runIds: readonly string[],
): Promise<void> {
  const { keys, engine } = session;
  if (!keys.several || verdict.reason === 'endpoint') return blockAll(session, runIds, verdict);
  if (keys.setAside(link, verdict)) {
    const { reason, message, hint } = naming(link, verdict);
    engine.emit({ kind: 'key.aside', key: link.label, reason, message, hint });
  }
  if (usableKeys(session).length > 0) return;
  for (const refusal of keys.refusals) await blockAll(session, runIds, refusal);
}

/** The same where it was a look that was refused: nobody may even look with this key. */
export async function refuseLook(
  session: Session,
  link: KeyLink,
  verdict: BlockedVerdict,
  runIds: readonly string[],
): Promise<void> {
  const { keys } = session;
  keys.noteSight(link, false);
  if (keys.seeing === 0) session.lookRefused = true;
  await refuseKey(session, link, verdict, runIds);
}

/** Nobody may look into this workspace: what is there stands still, everything else goes on. */
export async function blockPlace(session: Session, following: Following, refused: BlockedVerdict): Promise<void> {
  const { store } = session.engine;
  const { place } = following;
  for (const { id, runId, chunkNo, workspace } of following.batches) {
    if (runId === null || chunkNo === null || session.keys.named(workspace) !== place) continue;
    if ((await store.chunk(runId, chunkNo))?.batchId !== id) continue;
    await blockStuck(session, place, { runId, chunkNo, what: `batch ${id} (chunk ${chunkNo})` }, refused);
  }
  for (const { runId, chunkNo, workspace } of following.attempts) {
    if (session.keys.named(workspace) !== place) continue;
    const chunk = await store.chunk(runId, chunkNo);
    if (!chunk || !WAITING_STATES.has(chunk.state)) continue;
    await blockStuck(session, place, { runId, chunkNo, what: `chunk ${chunkNo} is in doubt, and its batch` }, refused);
  }
}

interface StuckChunk {
  readonly runId: string;
  readonly chunkNo: number;
  readonly what: string;
}

export async function blockStuck(
  session: Session,
  place: Place,
  { runId, chunkNo, what }: StuckChunk,
  refused: BlockedVerdict,
): Promise<void> {
  const { keys, engine } = session;
  const verdict = naming(keys.seer(place), refused);
  const { reason } = verdict;
  const stuck = keys.stuck.get(place) ?? [];
  if (stuck.some((one) => chunkKey(one) === chunkKey({ runId, chunkNo }) && one.reason === reason)) return;
  keys.stuck.set(place, [...stuck, { runId, chunkNo, reason }]);
  const message = `${what} can be followed with no other key of the pool; ${verdict.message}`;
  await blockRun(session, runId, {
    ...toBlock({ ...verdict, message }, engine.clock.now()),
    scope: `chunk:${chunkNo}`,
  });
}

/** Somebody may look again. */
export async function releasePlace(session: Session, place: Place): Promise<void> {
  const stuck = session.keys.stuck.get(place) ?? [];
  session.keys.stuck.delete(place);
  for (const one of stuck) await unblockChunk(session, one, one.reason);
}
