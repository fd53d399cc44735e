/**
 * A chunk comes into the ledger: at ingest, as the part of a chunk that was split, as a chunk of retries.
 */
import type { NewChunk } from '../../domain/store-steps.ts';
import type { Db } from './db.ts';
import { addEvent } from './moves.ts';

/** A new chunk with its index. Its rows are counted where the run's rows are: at the end of ingest, or by the caller. */
export function insertChunk(
  db: Db,
  step: { runId: string; chunk: NewChunk; atMs: number; state: 'sealed' | 'refused' | 'collected' },
): void {
  const { runId, chunk, atMs, state } = step;
  const copiesOf = chunk.answers === undefined || chunk.answers === 'api' ? null : chunk.answers;
  db.run(
    `INSERT INTO chunks (run_id, chunk_no, kind, state, betas, row_count, bytes, sha256, first_seq, mix, parent_no,
       sealed_at_ms, wire, priority, copies_of, saved_usd) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
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
    copiesOf,
    chunk.answered?.savedUsd ?? null,
  );
  db.run(
    'INSERT INTO chunk_index (run_id, chunk_no, requests, outcomes, results, leaders) VALUES (?, ?, ?, ?, ?, ?)',
    runId,
    chunk.chunkNo,
    chunk.requestIndex,
    chunk.answered?.outcomes ?? null,
    chunk.answered?.resultIndex ?? null,
    chunk.leaders ?? null,
  );
  addEvent(db, {
    runId,
    chunkNo: chunk.chunkNo,
    atMs,
    kind: `chunk.${state}`,
    data: {
      rows: chunk.rowCount,
      bytes: chunk.bytes,
      ...(chunk.parentNo === null ? {} : { from: chunk.parentNo }),
      ...(copiesOf === null ? {} : { copies_of: copiesOf }),
    },
  });
}
