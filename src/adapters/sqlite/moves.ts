/**
 * The only writers of states and counters. Every move is checked against the tables of domain/transitions.ts, written
 * as a compare-and-set that must change exactly one row, and leaves an event; all inside the caller's transaction.
 */
import { BatchrunError, invariant } from '../../base/errors.ts';
import type { AttemptState, ChunkState, RowState, RunState, UsageEntry } from '../../domain/model.ts';
import { assertMove, rowStateOfChunk } from '../../domain/transitions.ts';
import type { Db } from './db.ts';

export interface ChunkKey {
  readonly runId: string;
  readonly chunkNo: number;
}

export interface EventFields {
  readonly runId: string;
  readonly atMs: number;
  readonly kind: string;
  readonly chunkNo?: number | null;
  readonly seq?: number | null;
  readonly data?: Readonly<Record<string, unknown>>;
}

export function addEvent(db: Db, event: EventFields): void {
  db.run(
    'INSERT INTO events (run_id, at_ms, kind, chunk_no, seq, data) VALUES (?, ?, ?, ?, ?, ?)',
    event.runId,
    event.atMs,
    event.kind,
    event.chunkNo ?? null,
    event.seq ?? null,
    JSON.stringify(event.data ?? {}),
  );
}

export function moveRun(db: Db, runId: string, from: RunState, to: RunState, atMs: number, data = {}): void {
  assertMove('run', from, to);
  const changed = db.run('UPDATE runs SET state = ? WHERE id = ? AND state = ?', to, runId, from);
  expectOne(changed, `run ${runId}`, from, to);
  addEvent(db, { runId, atMs, kind: `run.${to}`, data });
}

/**
 * Moves a chunk, and with it the rows that follow from its state: `waiting` and `in_batch` change by the chunk's
 * row count. Rows that leave these two get their new state from the caller (`moveRows`).
 */
export function moveChunk(db: Db, key: ChunkKey, from: ChunkState, to: ChunkState, atMs: number, data = {}): number {
  assertMove('chunk', from, to);
  const changed = db.run(
    'UPDATE chunks SET state = ? WHERE run_id = ? AND chunk_no = ? AND state = ?',
    to,
    key.runId,
    key.chunkNo,
    from,
  );
  expectOne(changed, `chunk ${key.chunkNo} of ${key.runId}`, from, to);
  const { row_count: rowCount } = db.get<{ row_count: number }>(
    'SELECT row_count FROM chunks WHERE run_id = ? AND chunk_no = ?',
    key.runId,
    key.chunkNo,
  ) ?? { row_count: 0 };
  const before = rowStateOfChunk(from);
  const after = rowStateOfChunk(to);
  if (before !== null && after !== null && before !== after) moveRows(db, key.runId, before, after, rowCount);
  addEvent(db, { ...key, atMs, kind: `chunk.${to}`, data: { rows: rowCount, ...data } });
  return rowCount;
}

export function moveAttempt(db: Db, attemptId: number, from: AttemptState, to: AttemptState, atMs: number): void {
  assertMove('attempt', from, to);
  const changed = db.run(
    'UPDATE attempts SET state = ?, ended_at_ms = coalesce(ended_at_ms, ?) WHERE id = ? AND state = ?',
    to,
    atMs,
    attemptId,
    from,
  );
  expectOne(changed, `attempt ${attemptId}`, from, to);
}

/** Moves `count` rows of a run from one counter to another. The CHECKs of the table refuse a counter below zero. */
export function moveRows(db: Db, runId: string, from: RowState, to: RowState, count: number): void {
  if (count === 0 || from === to) return;
  assertMove('row', from, to);
  invariant(count > 0, 'a negative number of rows cannot move');
  const changed = db.run(
    `UPDATE runs SET row_${from} = row_${from} - ?, row_${to} = row_${to} + ? WHERE id = ?`,
    count,
    count,
    runId,
  );
  invariant(changed === 1, `run ${runId} exists`);
}

/** Moves the record of one row. */
export function moveRowRecord(db: Db, row: { runId: string; seq: number; from: RowState; to: RowState }): void {
  const changed = db.run(
    'UPDATE rows SET state = ? WHERE run_id = ? AND seq = ? AND state = ?',
    row.to,
    row.runId,
    row.seq,
    row.from,
  );
  expectOne(changed, `row ${row.seq} of ${row.runId}`, row.from, row.to);
}

/** Adds what answers used and cost to the run's totals. */
export function addUsage(db: Db, runId: string, entries: readonly UsageEntry[]): void {
  for (const entry of entries) {
    db.run(
      `INSERT INTO usage (run_id, model, lane, rows, input_tokens, output_tokens, cache_write_5m_tokens,
         cache_write_1h_tokens, cache_read_tokens, cost_usd, unpriced_rows)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (run_id, model, lane) DO UPDATE SET
         rows = rows + excluded.rows,
         input_tokens = input_tokens + excluded.input_tokens,
         output_tokens = output_tokens + excluded.output_tokens,
         cache_write_5m_tokens = cache_write_5m_tokens + excluded.cache_write_5m_tokens,
         cache_write_1h_tokens = cache_write_1h_tokens + excluded.cache_write_1h_tokens,
         cache_read_tokens = cache_read_tokens + excluded.cache_read_tokens,
         cost_usd = cost_usd + excluded.cost_usd,
         unpriced_rows = unpriced_rows + excluded.unpriced_rows`,
      runId,
      entry.model,
      entry.lane,
      entry.rows,
      entry.inputTokens,
      entry.outputTokens,
      entry.cacheWrite5mTokens,
      entry.cacheWrite1hTokens,
      entry.cacheReadTokens,
      entry.costUsd,
      entry.unpricedRows,
    );
  }
}

export function addStopReasons(db: Db, runId: string, counts: Readonly<Record<string, number>>): void {
  if (Object.keys(counts).length === 0) return;
  const row = db.get<{ stop_reasons: string }>('SELECT stop_reasons FROM runs WHERE id = ?', runId);
  const sums = JSON.parse(row?.stop_reasons ?? '{}') as Record<string, number>;
  for (const [reason, count] of Object.entries(counts)) sums[reason] = (sums[reason] ?? 0) + count;
  db.run('UPDATE runs SET stop_reasons = ? WHERE id = ?', JSON.stringify(sums), runId);
}

function expectOne(changed: number, what: string, from: string, to: string): void {
  if (changed === 1) return;
  throw new BatchrunError('E_TRANSITION', `${what} was expected to be ${from} and is not: it cannot become ${to}`);
}
