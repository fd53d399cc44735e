/**
 * Answers that were cut off by max_tokens and asked for again: they are paid, and better than none. A row that gets no
 * better one ends with it.
 */
import type { Db } from './db.ts';
import { addStopReasons } from './moves.ts';

/** One that does not follow the run's schema is no success. */
const KEEP = `UPDATE rows SET state = 'succeeded', error_type = NULL WHERE run_id = ? AND truncations > 0
  AND coalesce(error_type, '') NOT LIKE 'batchrun_schema:%'`;

/** All rows of a run that wait to be tried again. Gives how many end so. */
export function keepCutOffRetries(db: Db, runId: string): number {
  return counted(db, runId, db.run(`${KEEP} AND state = 'retry'`, runId));
}

/** A row of a chunk of retries. False where it has no such answer. */
export function keepCutOffRow(db: Db, runId: string, seq: number): boolean {
  return counted(db, runId, db.run(`${KEEP} AND state = 'waiting' AND seq = ?`, runId, seq)) === 1;
}

/** An answer that does not follow the run's schema: the row fails with it where no better one comes. */
const FAIL = `UPDATE rows SET state = 'failed', attempts = attempts + ? WHERE run_id = ?
  AND result_chunk_no IS NOT NULL AND error_type LIKE 'batchrun_schema:%'`;

/** All rows of a run that wait to be tried again. Gives how many end so. */
export function keepDeviantRetries(db: Db, runId: string): number {
  return db.run(`${FAIL} AND state = 'retry'`, 0, runId);
}

/** A row of a chunk of retries, after so many tries more. False where it has no such answer. */
export function keepDeviantRow(db: Db, runId: string, seq: number, tries: 0 | 1): boolean {
  return db.run(`${FAIL} AND state = 'waiting' AND seq = ?`, tries, runId, seq) === 1;
}

/** That an answer was cut is counted where it is how the row ended. */
export function counted(db: Db, runId: string, rows: number): number {
  if (rows > 0) addStopReasons(db, runId, { max_tokens: rows });
  return rows;
}
