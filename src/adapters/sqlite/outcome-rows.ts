/**
 * Outcomes of the rows of a chunk as records of their own, and the counters with them.
 */
import type { RowState } from '../../domain/model.ts';
import type { CollectedRow } from '../../domain/store-steps.ts';
import type { Db } from './db.ts';
import { moveRows } from './moves.ts';

/** They have a record, or now get one. `from`: where they are counted so far. */
export function writeRows(
  db: Db,
  step: { runId: string; chunkNo: number; rows: readonly CollectedRow[]; from: 'in_batch' | 'waiting' },
): void {
  const { runId, chunkNo } = step;
  for (const row of step.rows) {
    db.run(
      `INSERT INTO rows (run_id, seq, state, home_chunk_no, home_index, attempts, error_type, not_before_ms,
         result_chunk_no, result_offset, result_length, truncations, max_tokens)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, coalesce(?, 0), ?)
       ON CONFLICT (run_id, seq) DO UPDATE SET state = excluded.state, attempts = excluded.attempts,
         error_type = excluded.error_type, not_before_ms = excluded.not_before_ms,
         result_chunk_no = excluded.result_chunk_no, result_offset = excluded.result_offset,
         result_length = excluded.result_length,
         truncations = coalesce(?, truncations), max_tokens = coalesce(excluded.max_tokens, max_tokens)`,
      runId,
      row.seq,
      row.to,
      chunkNo,
      row.index,
      row.attempts,
      row.errorType,
      row.notBeforeMs,
      row.result?.chunkNo ?? null,
      row.result?.offset ?? null,
      row.result?.length ?? null,
      row.truncated?.truncations ?? null,
      row.truncated?.maxTokens ?? null,
      row.truncated?.truncations ?? null,
    );
  }
  for (const [to, count] of Object.entries(countBy(step.rows.map((row) => row.to)))) {
    moveRows(db, runId, step.from, to as RowState, count);
  }
}

export function countBy(values: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const value of values) counts[value] = (counts[value] ?? 0) + 1;
  return counts;
}
