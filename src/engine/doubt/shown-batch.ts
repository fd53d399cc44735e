/**
 * Batches that a person or the ledger names, as the API shows them now, each to a key of the workspace that made it.
 */
import { BatchrunError } from '../../base/errors.ts';
import { BATCH_MISSING_MS_MAX } from '../../domain/limits.ts';
import type { AttemptRecord, BatchInfo, BatchRecord, ChunkRecord, RunRecord } from '../../domain/model.ts';
import type { KeyLink } from '../engine.ts';
import type { Place } from '../keys/key-book.ts';
import { linkFor } from '../keys/key-follow.ts';
import { listBatches } from '../poll/listing.ts';
import { apiFailureOf, serverNowMs, type Session } from '../session.ts';

/** A batch as the API shows it now, and the key that it shows it to. */
export interface Shown {
  readonly batch: BatchInfo;
  readonly link: KeyLink;
}

/** Looks for it in the workspaces that the chunk was sent to; everywhere where one of them is not known. */
export async function findShown(
  session: Session,
  { run, chunk }: { readonly run: RunRecord; readonly chunk: ChunkRecord },
  batchId: string,
): Promise<Shown | null> {
  const { keys } = session;
  const places = new Set<Place>();
  const anywhere = keys.seeing > 0 ? keys.places.filter((place) => keys.canSee(place)) : keys.places;
  for (let page = await attemptsAfter(session, run, 0); page.length > 0;) {
    for (const { workspace } of page.filter((one) => one.chunkNo === chunk.chunkNo)) {
      const place = keys.placeOf(workspace);
      for (const one of place ? [place] : anywhere) places.add(one);
    }
    page = await attemptsAfter(session, run, page.at(-1)?.id ?? 0);
  }
  for (const place of places.size > 0 ? places : anywhere) {
    const link = keys.seer(place);
    const batch = await look(session, link, batchId);
    if (batch) return { batch, link };
  }
  return null;
}

/** A batch of the ledger as the API shows it now; null where it surely has it no more. Throws where a 404 proves nothing. */
export async function isShown(session: Session, batch: BatchRecord): Promise<Shown | null> {
  const link = await linkFor(session, batch);
  const shown = await look(session, link, batch.id);
  if (shown) return { batch: shown, link };
  const { engine, keys } = session;
  const isIts = keys.placeOf(batch.workspace)?.hasName(batch.workspace) === true;
  // One of them in the list says that this key sees what was made with the other.
  const ofThere = isIts ? [batch] : await batchesAt(session, batch.workspace);
  const listing = await listBatches(
    { ...engine, api: link.api },
    {
      batchIds: new Set(ofThere.map((one) => one.id)),
      attempts: [],
      oldestBatchMs: Math.min(...ofThere.map((one) => one.createdAtMs)),
    },
  );
  const listed = listing.get(batch.id);
  if (listed) return { batch: listed, link };
  if (!isIts && ofThere.every((one) => listing.get(one.id) === undefined)) {
    throw refusal(
      `${batch.id} answers 404 to ${keys.several ? `every key of the pool (${keys.labels})` : `this key (${engine.api.workspace})`}: it was made with ${batch.workspace}, and batches are visible in their own workspace only`,
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
async function look({ engine }: Session, { api }: KeyLink, batchId: string): Promise<BatchInfo | null> {
  try {
    return await api.retrieveBatch(batchId, engine.signal);
  } catch (error) {
    if (apiFailureOf(error)?.status === 404) return null;
    throw error;
  }
}

export function attemptsAfter({ engine }: Session, run: RunRecord, afterId: number): Promise<readonly AttemptRecord[]> {
  return engine.store.attempts(run.id, { afterId, limit: 1_000 });
}

/** E_RESOLVE: what a person said does not fit what is known. */
export function refusal(message: string, hint?: string): BatchrunError {
  return new BatchrunError('E_RESOLVE', `${message}; nothing was changed`, hint === undefined ? {} : { hint });
}
