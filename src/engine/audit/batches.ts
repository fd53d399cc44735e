/**
 * What is at the API and nothing uses: batches that bear the tag of a run and that its ledger does not know, and second
 * batches of one chunk. Both are priced from their own results. A batch is known as ours by the ids inside, and these
 * can be read only once it has ended; before that it is named, and nothing is claimed.
 */
import { formatUsd, plural } from '../../base/units.ts';
import { LATE_BATCH_MS } from '../../domain/limits.ts';
import { requestCount, type BatchInfo, type BatchRecord } from '../../domain/model.ts';
import { tagOf } from '../../domain/ids.ts';
import { parseWireId } from '../../domain/result-line.ts';
import { CLOCK_SLACK_MS, type ListScan } from './list.ts';
import type { AuditScope, RunPicture } from './picture.ts';
import { finding, isoOrNull, spentUsd } from './report.ts';

const CONSOLE = 'When that is looked into, delete the batch in the Console: the audit no longer finds it then.';

/** Looks at everything that may be ours and is not in the ledger. False where something could not be read. */
export async function findUnknown(
  scope: AuditScope,
  pictures: readonly RunPicture[],
  list: ListScan,
): Promise<boolean> {
  let complete = true;
  let read = 0;
  for (const batch of list.candidates) {
    const near = pictures.filter((picture) => mayBeOf(picture, batch));
    if (near.length === 0) continue;
    scope.tell(`reading what may be ours: ${++read} of ${list.candidates.length}`);
    if (batch.status !== 'ended') {
      noteUndecided(near, batch, UNTIL_ENDED);
      continue;
    }
    const first = await scope.api.firstIds(batch);
    if (first.kind === 'gone') noteUndecided(near, batch, NEVER);
    else if (first.kind === 'failed') {
      complete = false;
      noteUndecided(near, batch, unreadable(first.cause));
    } else {
      await judge(scope, near, batch, first.customIds);
    }
  }
  return complete;
}

/** As many rows as one of its chunks, and not older than the run. */
function mayBeOf({ run, sizes }: RunPicture, batch: BatchInfo): boolean {
  return batch.createdAtMs >= run.createdAtMs - CLOCK_SLACK_MS && sizes.has(requestCount(batch.counts));
}

interface Why {
  readonly why: (batch: BatchInfo) => string;
  readonly hint: (batch: BatchInfo) => string;
}

const UNTIL_ENDED: Why = {
  why: () => 'whether it is of this run cannot be told before it has ended',
  hint: (batch) => `Run the audit again when it has ended, by ${isoOrNull(batch.expiresAtMs)} at the latest.`,
};
const NEVER: Why = {
  why: () => 'its results are gone, so whether it is of this run can no longer be told',
  hint: () => 'Compare its time with `batchrun log`; the API keeps results for 29 days.',
};

function unreadable(cause: string): Why {
  return {
    why: () => `whether it is of this run is not known, because its results could not be read (${cause})`,
    hint: () => 'Run the audit again.',
  };
}

function noteUndecided(near: readonly RunPicture[], batch: BatchInfo, { why, hint }: Why): void {
  for (const { run, chunks, found, undecided } of near) {
    // Long after the end of a run nothing of it was made any more: what runs now is somebody else's.
    if (run.doneAtMs !== null && batch.createdAtMs > run.doneAtMs + CLOCK_SLACK_MS) continue;
    undecided.push(batch);
    const rows = requestCount(batch.counts);
    const same = [...chunks].filter(([, chunk]) => chunk.rowCount === rows).map(([chunkNo]) => chunkNo);
    const which = same.length === 1 ? `chunk ${same[0]}` : `${plural(same.length, 'chunk')} of it`;
    const message = `batch ${batch.id} has as many rows as ${which} (${rows}), and the ledger does not know it: ${why(batch)}`;
    found.note(
      finding('undecided', {
        ...{ batch: batch.id, rows, since: isoOrNull(batch.createdAtMs), message, hint: hint(batch) },
      }),
    );
  }
}

/** Whose is it, by the first ids inside, and does its chunk still wait for it? */
async function judge(
  scope: AuditScope,
  near: readonly RunPicture[],
  batch: BatchInfo,
  customIds: readonly string[],
): Promise<void> {
  const ids = customIds.flatMap((id) => parseWireId(id) ?? []);
  const picture = near.find(({ run }) => ids.some(({ tag }) => tag === tagOf(run.id)));
  const parts = ids.find(({ tag }) => picture !== undefined && tag === tagOf(picture.run.id));
  if (!parts || !picture) return;
  const { store } = scope.engine;
  // As the ledger is now: a driver beside us may have taken it up since the list was read.
  const known = await store.batch(batch.id);
  if (known !== null && known.runId !== null) return;
  const chunk = await store.chunk(picture.run.id, parts.chunkNo);
  const open = chunk?.state === 'submitting' || chunk?.state === 'uncertain' || chunk?.state === 'sealed';
  if (open) await unclaimed(scope, picture, { batch, chunkNo: parts.chunkNo, sealed: chunk.state === 'sealed' });
  else await orphan(scope, picture, { batch, chunkNo: parts.chunkNo, known: chunk !== null });
}

async function unclaimed(
  { engine, api, driven, command }: AuditScope,
  { run, found, settled }: RunPicture,
  { batch, chunkNo, sealed }: { readonly batch: BatchInfo; readonly chunkNo: number; readonly sealed: boolean },
): Promise<void> {
  settled.add(chunkNo);
  // A driver looks for the batch of a sealed chunk for a day after its create; later nobody does.
  const late =
    sealed && !(await hasFreshAttempt({ engine, run: run.id, chunkNo, sinceMs: api.nowMs() - LATE_BATCH_MS }));
  const words = `batchrun resolve ${run.id} --chunk ${chunkNo} --batch ${batch.id}`;
  const danger = sealed ? 'chunk is about to be sent again' : 'create got no clear answer';
  const one = finding('unclaimed', {
    chunk: chunkNo,
    batch: batch.id,
    rows: requestCount(batch.counts),
    since: isoOrNull(batch.createdAtMs),
    message: `batch ${batch.id} has ended and is the batch of chunk ${chunkNo}, whose ${danger}: the ledger has not taken it up`,
    hint: late
      ? `Before anything else: ${command(words)}. Else the chunk is paid twice.`
      : driven
        ? 'The process that drives this state takes it up.'
        : `${command(`batchrun collect ${run.id}`)} takes it up. By hand: ${command(words)}.`,
  });
  if (driven && !late) found.note(one);
  else found.add(one);
}

async function hasFreshAttempt(parts: {
  readonly engine: AuditScope['engine'];
  readonly run: string;
  readonly chunkNo: number;
  readonly sinceMs: number;
}): Promise<boolean> {
  for (let afterId = 0; ;) {
    const page = await parts.engine.store.attempts(parts.run, { states: ['not_created'], afterId, limit: 1_000 });
    const last = page.at(-1);
    if (!last) return false;
    afterId = last.id;
    if (page.some((one) => one.chunkNo === parts.chunkNo && (one.endedAtMs ?? 0) >= parts.sinceMs)) return true;
  }
}

async function orphan(
  scope: AuditScope,
  { run, found }: RunPicture,
  { batch, chunkNo, known }: { readonly batch: BatchInfo; readonly chunkNo: number; readonly known: boolean },
): Promise<void> {
  scope.tell(`pricing ${batch.id}`);
  const price = await priceOf(scope, batch);
  const which = known ? `chunk ${chunkNo}` : `a chunk ${chunkNo} that the ledger has not`;
  const one = finding('orphan', {
    chunk: chunkNo,
    batch: batch.id,
    rows: requestCount(batch.counts),
    cost_usd: price.usd,
    since: isoOrNull(batch.createdAtMs),
    message: `batch ${batch.id} bears the tag of this run (${which}), and the ledger does not know it; ${price.text}`,
    hint: `Is there another copy of this state folder that drives the same run? Only one may. ${scope.command(`batchrun log ${run.id}`)} shows what this one did. ${CONSOLE}`,
  });
  if (price.usd === 0) found.note(one);
  else found.add(one);
}

/** Second batches of one chunk, known to the ledger. */
export async function findDuplicates(scope: AuditScope, picture: RunPicture, list: ListScan): Promise<void> {
  for (const batch of picture.batches) {
    const chunk = batch.chunkNo === null ? undefined : picture.chunks.get(batch.chunkNo);
    if (!chunk || batch.chunkNo === null || chunk.batchId === batch.id) continue;
    const info = list.ours.get(batch.id) ?? (await scope.api.batch(batch.id));
    await duplicate(scope, picture, { batch, info, chunkNo: batch.chunkNo, used: chunk.batchId });
  }
}

async function duplicate(
  scope: AuditScope,
  { run, found }: RunPicture,
  parts: {
    readonly batch: BatchRecord;
    readonly info: BatchInfo | null;
    readonly chunkNo: number;
    readonly used: string | null;
  },
): Promise<void> {
  const { batch, info, chunkNo, used } = parts;
  const two =
    used === null
      ? `the rows of chunk ${chunkNo} were given up, and its batch ${batch.id} is there after all`
      : `chunk ${chunkNo} has a second batch: ${used} is used, ${batch.id} is not`;
  const place = { chunk: chunkNo, batch: batch.id, rows: requestCount(batch.counts) };
  const since = isoOrNull(batch.createdAtMs);
  const told = (message: string, hint: string, usd: number | null = null): ReturnType<typeof finding> =>
    finding('duplicate', { ...place, since, cost_usd: usd, message: `${two}; ${message}`, hint });
  const log = `${scope.command(`batchrun log ${run.id}`)} shows how it came about.`;
  if (info === null) {
    found.note(told('it is no longer at the API, so what it cost cannot be told', log));
  } else if (info.status === 'canceling') {
    found.note(told('it is being canceled', 'Run the audit again when it has ended.'));
  } else if (info.status === 'in_progress') {
    const collect = run.state === 'done' ? '' : `${scope.command(`batchrun collect ${run.id}`)} cancels it. `;
    const hint = `${collect}In the Console it can be canceled at once: rows that it has not answered yet are not billed.`;
    found.add(told('it is still under way, and what it answers is billed', hint));
  } else {
    scope.tell(`pricing ${batch.id}`);
    const price = await priceOf(scope, info);
    const one = told(price.text, price.usd === 0 ? log : `${log} ${CONSOLE}`, price.usd);
    if (price.usd === 0) found.note(one);
    else found.add(one);
  }
}

/** What the answers of a batch cost, by its own results; null where that is not known, with a word why. */
async function priceOf(
  { api }: AuditScope,
  batch: BatchInfo,
): Promise<{ readonly usd: number | null; readonly text: string }> {
  if (batch.counts.succeeded === 0) return { usd: 0, text: 'none of its rows was answered, so it cost nothing' };
  const read = await api.usage(batch);
  if (read.kind === 'gone') return { usd: null, text: 'what it cost is not known: its results are gone after 29 days' };
  if (read.kind === 'failed') {
    return { usd: null, text: `what it cost is not known: its results could not be read (${read.cause})` };
  }
  const answers = plural(batch.counts.succeeded, 'answer');
  const usd = spentUsd(read.usage);
  if (usd !== null) return { usd, text: `its ${answers} cost ${formatUsd(usd)}, and nothing uses them` };
  const models = read.usage.filter((entry) => entry.unpricedRows > 0).map((entry) => entry.model);
  return {
    usd: null,
    text: `nothing uses its ${answers}, and what they cost is not known: there is no price of ${models.join(', ')}`,
  };
}
