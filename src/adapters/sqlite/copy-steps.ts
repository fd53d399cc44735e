/**
 * The driver's step around copy chunks: their rows end as the rows did that ask the same. Nothing of it was sent, so
 * there is no batch, no usage and no cost.
 */
import { invariant } from '../../base/errors.ts';
import type { ChunkKind } from '../../domain/model.ts';
import type { DriverStore } from '../../domain/store.ts';
import type { CopiedStep } from '../../domain/store-steps.ts';
import type { DriverTransaction } from './batch-steps.ts';
import type { Db } from './db.ts';
import { addStopReasons, moveChunk, moveRows } from './moves.ts';
import { countBy, writeRows } from './outcome-rows.ts';

export function createCopySteps(db: Db, step: DriverTransaction): Pick<DriverStore, 'recordCopied'> {
  return { recordCopied: (copied) => step(() => recordCopied(db, copied)) };
}

function recordCopied(db: Db, step: CopiedStep): void {
  const { runId, chunkNo, atMs, rows } = step;
  const chunk = db.get<{ kind: ChunkKind; row_count: number; copies_of: string | null }>(
    'SELECT kind, row_count, copies_of FROM chunks WHERE run_id = ? AND chunk_no = ?',
    runId,
    chunkNo,
  );
  invariant(chunk?.copies_of === 'rows', `chunk ${chunkNo} of ${runId} takes the answers of other rows`);
  const isCanceled = rows.length === chunk.row_count && rows.every((row) => row.to === 'canceled' && !row.result);
  if (isCanceled && chunk.kind === 'input') {
    // As any chunk that was never sent: its rows follow from it, and get records when they are sent after all.
    moveChunk(db, { runId, chunkNo }, 'sealed', 'canceled', atMs);
    moveRows(db, runId, 'waiting', 'canceled', chunk.row_count);
    return;
  }
  moveChunk(db, { runId, chunkNo }, 'sealed', 'collected', atMs, {
    ...{ copies_of: 'rows', succeeded: step.succeeded, rest: countBy(rows.map((row) => row.to)) },
  });
  const plain = step.succeeded - rows.filter((row) => row.to === 'succeeded').length;
  invariant(plain + rows.length === chunk.row_count, 'every row of a copy chunk has one outcome');
  db.run(
    'UPDATE chunk_index SET outcomes = ?, results = ? WHERE run_id = ? AND chunk_no = ?',
    step.outcomes,
    step.resultIndex,
    runId,
    chunkNo,
  );
  db.run('UPDATE chunks SET saved_usd = ? WHERE run_id = ? AND chunk_no = ?', step.savedUsd, runId, chunkNo);
  moveRows(db, runId, 'waiting', 'succeeded', plain);
  writeRows(db, { runId, chunkNo, rows, from: 'waiting' });
  addStopReasons(db, runId, step.stopReasons);
}
