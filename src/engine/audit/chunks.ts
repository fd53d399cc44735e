/**
 * Chunks whose batch the API does not show: it is missing, or nobody knows whether it was ever made. And whether the key
 * sees the batches of the run at all: without that, nothing that is missing means anything.
 */
import { plural } from '../../base/units.ts';
import { BATCH_EXPIRES_MS, BATCH_MISSING_MS_MAX, RESULTS_KEPT_MS } from '../../domain/limits.ts';
import { requestCount, type AttemptRecord, type BatchRecord } from '../../domain/model.ts';
import type { ListScan } from './list.ts';
import type { AuditScope, ChunkPicture, RunPicture } from './picture.ts';
import { finding, isoOrNull } from './report.ts';

/** A driver that works settles a doubt when the batch has ended, or when its grace is over: later it does not. */
const DOUBT_MS_MAX = BATCH_EXPIRES_MS + 60 * 60_000;
/** Candidates that are named. */
const NAMED_MAX = 3;

/**
 * A batch lives in one workspace, and any key of that sees it. Another key than the one that made the batches, and none
 * of them in sight: then nothing can be compared. Tells it and gives false.
 */
export function seesRun({ api }: AuditScope, { run, batches, doubts, found }: RunPicture, list: ListScan): boolean {
  const fresh = batches.filter((batch) => api.nowMs() - batch.createdAtMs < RESULTS_KEPT_MS);
  const workspaces = new Set([run, ...batches, ...doubts].map((one) => one.workspace));
  if (fresh.length + doubts.length === 0 || [...workspaces].some((one) => api.hasName(one))) return true;
  if (fresh.some((batch) => list.ours.has(batch.id))) return true;
  if (doubts.some((one) => one.baselineBatchId !== null && list.ours.has(one.baselineBatchId))) return true;
  const made = [...workspaces].join(', ');
  const what =
    fresh.length === 0
      ? `${api.whom} may belong to another workspace`
      : `none of the ${plural(fresh.length, 'batch', 'batches')} of this run is visible to ${api.whom}`;
  found.add(
    finding('other_workspace', {
      message: `${what}: the run was sent with ${made}, and nothing could be compared`,
      hint: 'Run the audit with a key of the workspace that the run was sent with.',
    }),
  );
  return false;
}

/** Chunks that wait for a batch that is not there, and those whose results were lost. */
export async function findMissing(scope: AuditScope, picture: RunPicture, list: ListScan): Promise<void> {
  const byId = new Map(picture.batches.map((batch) => [batch.id, batch]));
  for (const [chunkNo, chunk] of picture.chunks) {
    if (chunk.state === 'lost') noteLost(scope, picture, chunkNo, chunk);
    if (chunk.state !== 'submitted' && chunk.state !== 'ended') continue;
    const batch = chunk.batchId === null ? undefined : byId.get(chunk.batchId);
    if (batch && (list.ours.has(batch.id) || (await scope.api.batch(batch.id)) !== null)) continue;
    // As the ledger is now: a driver beside us may have collected it meanwhile, and deleted it.
    const now = await scope.engine.store.chunk(picture.run.id, chunkNo);
    if (now?.state !== chunk.state || now.batchId !== chunk.batchId) continue;
    missing(scope, picture, { chunkNo, chunk, batch });
  }
}

function missing(
  { api, command }: AuditScope,
  { run, found }: RunPicture,
  parts: { readonly chunkNo: number; readonly chunk: ChunkPicture; readonly batch: BatchRecord | undefined },
): void {
  const { chunkNo, chunk, batch } = parts;
  const lost = command(`batchrun resolve ${run.id} --chunk ${chunkNo} --lost`);
  const place = { chunk: chunkNo, batch: chunk.batchId, rows: chunk.rowCount };
  if (!batch) {
    const message = `chunk ${chunkNo} is ${chunk.state}, and the ledger names no batch of it`;
    found.add(finding('batch_missing', { ...place, message, hint: BACKUP }));
    return;
  }
  const sinceMs = batch.missingSinceMs ?? batch.createdAtMs;
  const since = isoOrNull(batch.missingSinceMs);
  if (api.nowMs() - sinceMs < BATCH_MISSING_MS_MAX) {
    const message = `batch ${batch.id} of chunk ${chunkNo} does not show at the API; that may pass for an hour`;
    found.note(finding('batch_missing', { ...place, since, message, hint: 'Run the audit again in some minutes.' }));
    return;
  }
  found.add(
    finding('batch_missing', {
      ...{ ...place, since },
      message: `chunk ${chunkNo} waits for batch ${batch.id} (${plural(chunk.rowCount, 'row')}), and the API does not have it: it is not in the list, and a look at it answers 404`,
      hint: `Is ANTHROPIC_API_KEY a key of the workspace that made it (${batch.workspace})? If the batch is gone for good, ${lost} gives its rows up.`,
    }),
  );
}

const BACKUP = 'The ledger is damaged: bring state.db back from a backup, and do not delete the folder.';

function noteLost({ command }: AuditScope, { run, found }: RunPicture, chunkNo: number, chunk: ChunkPicture): void {
  found.note(
    finding('results_lost', {
      ...{ chunk: chunkNo, batch: chunk.batchId, rows: chunk.rowCount },
      message: `the results of chunk ${chunkNo} (${plural(chunk.rowCount, 'row')}) were never collected: what they cost is paid and not known`,
      hint: `${command(`batchrun retry ${run.id}`)} sends its rows again, and pays for them again.`,
    }),
  );
}

/**
 * Creates without a clear answer. While a process drives the state they are its business; otherwise nobody finds out,
 * and a batch that was made runs and is billed: that is off, and a person has to type something.
 */
export async function findDoubts(scope: AuditScope, picture: RunPicture): Promise<void> {
  const told = new Set(picture.settled);
  for (const attempt of picture.doubts) {
    if (told.has(attempt.chunkNo) || !(await isOpenDoubt(scope, attempt))) continue;
    told.add(attempt.chunkNo);
    doubt(scope, picture, attempt);
  }
}

/** Is it still in doubt, and was it ever? Without its last bytes nothing can have been made of a body. */
async function isOpenDoubt({ engine, driven }: AuditScope, attempt: AttemptRecord): Promise<boolean> {
  const underWay = attempt.state === 'open' && driven;
  if (underWay || (attempt.state === 'open' && !attempt.bodyComplete)) return false;
  const chunk = await engine.store.chunk(attempt.runId, attempt.chunkNo);
  return chunk?.state === 'uncertain' || chunk?.state === 'submitting';
}

function doubt(scope: AuditScope, { run, found, undecided }: RunPicture, attempt: AttemptRecord): void {
  const { engine, driven, command } = scope;
  const { chunkNo, rowCount } = attempt;
  const sinceMs = attempt.endedAtMs ?? attempt.startedAtMs;
  const blocked = run.blocked.find((block) => block.scope === `chunk:${chunkNo}`);
  const candidates = undecided.filter((batch) => requestCount(batch.counts) === rowCount).map((batch) => batch.id);
  const named = candidates.slice(0, NAMED_MAX).join(', ') + (candidates.length > NAMED_MAX ? ', …' : '');
  const may = candidates.length === 0 ? '' : `; ${named} may be of it`;
  const words = `batchrun resolve ${run.id} --chunk ${chunkNo}`;
  const byHand = `By hand: ${command(`${words} --batch ID`)}, ${command(`${words} --not-created`)} or ${command(`${words} --lost`)}.`;
  const one = finding('in_doubt', {
    chunk: chunkNo,
    rows: rowCount,
    since: isoOrNull(sinceMs),
    message: `since ${isoOrNull(sinceMs)} nobody knows whether a batch was made of chunk ${chunkNo} (${plural(rowCount, 'row')}): its create got no clear answer${may}`,
    hint: driven
      ? `The process that drives this state finds out. ${byHand}`
      : `${command(`batchrun collect ${run.id}`)} finds out. ${byHand}`,
  });
  const late = engine.clock.now() - sinceMs > DOUBT_MS_MAX;
  if (driven && !late && !blocked) found.note(one);
  else found.add(one);
}
