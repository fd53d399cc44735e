/**
 * A chunk comes into the ledger: at ingest, as the part of a chunk that was split, as a chunk of retries.
 */
import type { NewChunk } from '../../domain/store-steps.ts';
import type { Db } from './db.ts';
import { addEvent } from './moves.ts';

/** A new chunk with its index. Its rows are counted where the run's rows are: at the end of ingest, or by the caller. */
export function insertChunk(
  db: Db,
  step: { runId: string; chunk: NewChunk; atMs: number; state: 'sealed' | 'refused' },
): void {
  const { runId, chunk, atMs, state } = step;
  db.run(
    `INSERT INTO chunks (run_id, chunk_no, kind, state, betas, row_count, bytes, sha256, first_seq, mix, parent_no,
       sealed_at_ms, wire, priority) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    runId,
    chunk.chunkNo,
    chunk.kind,
    state,
    JSON.stringify(chunk.betas),
    chunk.rowCount,
    chunk.bytes,
    chunk.sha256,
    chunk.firstSeq,
    JSON.stringify(chunk.mix),
    chunk.parentNo,
    atMs,
    chunk.wire,
    chunk.priority,
  );
  db.run(
    'INSERT INTO chunk_index (run_id, chunk_no, requests) VALUES (?, ?, ?)',
    runId,
    chunk.chunkNo,
    chunk.requestIndex,
  );
  addEvent(db, {
    runId,
    chunkNo: chunk.chunkNo,
    atMs,
    kind: `chunk.${state}`,
    data: { rows: chunk.rowCount, bytes: chunk.bytes, ...(chunk.parentNo === null ? {} : { from: chunk.parentNo }) },
  });
}
