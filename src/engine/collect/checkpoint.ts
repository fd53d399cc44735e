/**
 * Commits what a chunk has brought: the outcome of every row with the place of its answer, in one transaction; or that
 * it will never bring anything.
 */
import { failpoint } from '../../base/failpoint.ts';
import type { BatchRecord, ChunkRecord, RowRecord, RunRecord } from '../../domain/model.ts';
import { decodeRequestIndex, encodeResultIndex, outcomeByte } from '../../domain/packed-index.ts';
import type { CollectedRow } from '../../domain/store-steps.ts';
import { CutOffs, keepCutOff } from './cut-offs.ts';
import { Deviants } from './deviants.ts';
import type { ScannedResults } from './result-scan.ts';
import { RowVerdicts } from './row-verdicts.ts';
import type { Session } from '../session.ts';

export interface CollectTarget {
  readonly run: RunRecord;
  readonly chunk: ChunkRecord;
  readonly batch: BatchRecord;
}

/**
 * One transaction: the outcome of every row, the index of the results, usage and cost. `isOld`: what it says of the money
 * of a key is no news.
 */
export async function checkpoint(
  session: Session,
  { run, chunk, batch, isOld }: CollectTarget & { readonly isOld: boolean },
  scan: ScannedResults,
): Promise<void> {
  const { engine, driver } = session;
  const index = decodeRequestIndex((await engine.store.chunkIndex(run.id, chunk.chunkNo)).requests);
  const before = await recordsOf(session, chunk, index.seqs);
  const rows: CollectedRow[] = [];
  const verdicts = new RowVerdicts(session, run, before, chunk.hurriedAtMs !== null);
  const cutOffs = new CutOffs(session, { run, chunk, before });
  const deviants = new Deviants(session, { run, chunk, before });
  try {
    for (const { index: at, line } of scan.rest) {
      const seq = index.at(at).seq;
      const length = scan.lengths[at] ?? 0;
      const place = { seq, index: at, result: { chunkNo: chunk.chunkNo, offset: scan.offsets[at] ?? 0, length } };
      const answer = { ...place, line };
      let row = line.type === 'succeeded' ? null : cutOffs.keep(verdicts.of(answer));
      if (cutOffs.looksAt(line)) row = await cutOffs.askAgain(answer);
      if (line.deviation !== undefined) row ??= await deviants.judge(answer);
      if (!row) continue;
      rows.push(row);
      scan.outcomes[at] = outcomeByte('elsewhere');
    }
  } finally {
    await cutOffs.close();
    await deviants.close();
  }
  if (chunk.kind === 'retry') rows.push(...succeededRetries(chunk, { index, scan, before, others: rows }));
  const succeeded = scan.counts.succeeded + cutOffs.kept - cutOffs.again - deviants.count;
  await driver.checkpointCollected({
    runId: run.id,
    chunkNo: chunk.chunkNo,
    batchId: batch.id,
    atMs: engine.clock.now(),
    outcomes: scan.outcomes,
    resultIndex: encodeResultIndex(scan.offsets, scan.lengths),
    succeeded,
    rows,
    usage: scan.usage,
    stopReasons: cutOffs.withFinal(scan.stopReasons),
  });
  failpoint('collect.checkpoint');
  const place = { runId: run.id, chunkNo: chunk.chunkNo };
  engine.emit({ kind: 'chunk.collected', ...place, succeeded, rest: chunk.rowCount - succeeded });
  await verdicts.tellHeld(isOld ? null : batch.workspace);
}

/** How rows end whose results nobody will bring; they are not sent again by themselves. */
const GIVEN_UP = {
  lost: { to: 'failed', errorType: 'batchrun_results_lost' },
  canceled: { to: 'canceled', errorType: 'batchrun_canceled' },
} as const;

/** Its results can no longer be had, or the run was canceled and they are not its own. */
export async function giveUpChunk(
  session: Session,
  chunk: ChunkRecord,
  why: keyof typeof GIVEN_UP = 'lost',
): Promise<void> {
  const { engine, driver } = session;
  const { runId, chunkNo } = chunk;
  const { seqs } = decodeRequestIndex((await engine.store.chunkIndex(runId, chunkNo)).requests);
  const before = await recordsOf(session, chunk, seqs);
  const rows = [...seqs].map((seq, index): CollectedRow => {
    const record = before.get(seq);
    const attempts = (record?.attempts ?? 0) + 1;
    return keepCutOff({ seq, index, ...GIVEN_UP[why], attempts, notBeforeMs: 0, result: null }, record);
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
    readonly scan: ScannedResults;
    readonly before: ReadonlyMap<number, RowRecord>;
    /** Rows whose outcome is known already. */
    readonly others: readonly CollectedRow[];
  },
): CollectedRow[] {
  const rest = new Set(parts.others.map((row) => row.index));
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
