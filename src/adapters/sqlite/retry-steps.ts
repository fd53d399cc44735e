/**
 * The driver's steps around rows that are tried again: as a chunk of retries, or call by call in the realtime lane.
 */
import { invariant } from '../../base/errors.ts';
import type { RowRecord, RunState } from '../../domain/model.ts';
import { decodeRequestIndex } from '../../domain/packed-index.ts';
import type { DriverStore } from '../../domain/store.ts';
import type { RealtimeStep } from '../../domain/store-steps.ts';
import { publicErrorType } from '../../domain/schema-error.ts';
import { isDue } from '../../domain/row-wait.ts';
import type { DriverTransaction } from './batch-steps.ts';
import { insertChunk } from './chunk-insert.ts';
import { counted } from './cut-offs.ts';
import type { Db } from './db.ts';
import { addEvent, addStopReasons, addUsage, moveChunk, moveRowRecord, moveRows, moveRun } from './moves.ts';
import { countBy } from './outcome-rows.ts';
import { toRow, type RowColumns } from './records.ts';

type RetrySteps = Pick<
  DriverStore,
  | 'sealRetryChunk'
  | 'claimRealtime'
  | 'settleRealtime'
  | 'releaseRealtime'
  | 'releaseChunk'
  | 'recordHurried'
  | 'giveUpRows'
>;

export function createRetrySteps(db: Db, step: DriverTransaction): RetrySteps {
  return {
    sealRetryChunk: (runId, chunk, seqs, atMs) =>
      step(() => {
        insertChunk(db, { runId, chunk, atMs, state: 'sealed' });
        for (const seq of seqs) moveRowRecord(db, { runId, seq, from: 'retry', to: 'waiting' });
        moveRows(db, runId, 'retry', 'waiting', seqs.length);
      }),
    claimRealtime: (runId, seqs, atMs, reserveUsd = new Map()) =>
      step(() => claimRealtime(db, { runId, seqs, atMs, reserveUsd })),
    releaseChunk: (runId, chunkNo, atMs) => step(() => releaseChunk(db, { runId, chunkNo, atMs })),
    recordHurried: (runId, chunkNo, atMs) =>
      step(() => {
        const hurry = 'UPDATE chunks SET hurried_at_ms = ? WHERE run_id = ? AND chunk_no = ? AND hurried_at_ms IS NULL';
        if (db.run(hurry, atMs, runId, chunkNo) === 1) addEvent(db, { runId, chunkNo, atMs, kind: 'chunk.hurried' });
      }),
    settleRealtime: (settled) => step(() => settleRealtime(db, settled)),
    releaseRealtime: (runId, atMs) =>
      step(() => {
        const released = db.run("UPDATE rows SET state = 'retry' WHERE run_id = ? AND state = 'in_realtime'", runId);
        moveRows(db, runId, 'in_realtime', 'retry', released);
        if (released > 0) addEvent(db, { runId, atMs, kind: 'rows.released', data: { rows: released } });
        return released;
      }),
    giveUpRows: (runId, rows, atMs) =>
      step(() => {
        for (const { seq, to, errorType } of rows) {
          moveRowRecord(db, { runId, seq, from: 'retry', to });
          db.run('UPDATE rows SET error_type = ? WHERE run_id = ? AND seq = ?', errorType, runId, seq);
          moveRows(db, runId, 'retry', to, 1);
        }
        counted(db, runId, rows.filter((row) => row.to === 'succeeded').length);
        if (rows.length === 0) return;
        const causes = countBy(rows.map(({ errorType }) => publicErrorType(errorType ?? 'unknown')));
        addEvent(db, { runId, atMs, kind: 'rows.given_up', data: { rows: rows.length, causes } });
      }),
  };
}

/** Only rows that still wait, and whose time has come: the caller's picture of them may be a moment old. */
function claimRealtime(
  db: Db,
  claim: { runId: string; seqs: readonly number[]; atMs: number; reserveUsd: ReadonlyMap<number, number> },
): readonly RowRecord[] {
  const { runId, seqs, atMs, reserveUsd } = claim;
  let reserved = 0;
  const run = db.get<{ state: string }>('SELECT state FROM runs WHERE id = ?', runId);
  if (run?.state !== 'active') return [];
  const claimed: RowRecord[] = [];
  for (const seq of seqs) {
    const row = db.get<RowColumns>("SELECT * FROM rows WHERE run_id = ? AND seq = ? AND state = 'retry'", runId, seq);
    if (!row || !isDue(row.not_before_ms, atMs)) continue;
    moveRowRecord(db, { runId, seq, from: 'retry', to: 'in_realtime' });
    db.run('UPDATE rows SET attempts = attempts + 1 WHERE run_id = ? AND seq = ?', runId, seq);
    claimed.push(toRow({ ...row, state: 'in_realtime', attempts: row.attempts + 1 }));
    reserved += reserveUsd.get(seq) ?? 0;
  }
  if (reserved > 0) reserve(db, runId, reserved);
  moveRows(db, runId, 'retry', 'in_realtime', claimed.length);
  if (claimed.length > 0) addEvent(db, { runId, atMs, kind: 'rows.in_realtime', data: { rows: claimed.length } });
  return claimed;
}

/** More where it is above zero, else given free. */
export function reserve(db: Db, runId: string, usd: number): void {
  // Sums of fractions may end a hair below nothing.
  db.run('UPDATE runs SET realtime_reserved_usd = max(0, realtime_reserved_usd + ?) WHERE id = ?', usd, runId);
}

/** The chunk itself is never sent: its rows have records from here on, as those of a chunk that was refused. */
function releaseChunk(db: Db, { runId, chunkNo, atMs }: { runId: string; chunkNo: number; atMs: number }): number {
  const chunk = db.get<{ kind: string; requests: Uint8Array }>(
    'SELECT c.kind, i.requests FROM chunks c JOIN chunk_index i USING (run_id, chunk_no) WHERE run_id = ? AND chunk_no = ?',
    runId,
    chunkNo,
  );
  invariant(chunk, `chunk ${chunkNo} of ${runId} exists`);
  const rows = moveChunk(db, { runId, chunkNo }, 'sealed', 'canceled', atMs, { released: true });
  for (const [index, seq] of decodeRequestIndex(chunk.requests).seqs.entries()) {
    if (chunk.kind === 'retry') moveRowRecord(db, { runId, seq, from: 'waiting', to: 'retry' });
    else {
      db.run(
        "INSERT INTO rows (run_id, seq, state, home_chunk_no, home_index, attempts) VALUES (?, ?, 'retry', ?, ?, 0)",
        runId,
        seq,
        chunkNo,
        index,
      );
    }
  }
  moveRows(db, runId, 'waiting', 'retry', rows);
  const run = db.get<{ state: RunState }>('SELECT state FROM runs WHERE id = ?', runId);
  if (run?.state === 'ready') moveRun(db, runId, 'ready', 'active', atMs);
  return rows;
}

function settleRealtime(db: Db, step: RealtimeStep): void {
  const { runId } = step;
  for (const row of step.rows) {
    moveRowRecord(db, { runId, seq: row.seq, from: 'in_realtime', to: row.to });
    db.run(
      `UPDATE rows SET error_type = ?, not_before_ms = ?, attempts = attempts - ?,
         result_chunk_no = ?, result_offset = ?, result_length = ?,
         truncations = coalesce(?, truncations), max_tokens = coalesce(?, max_tokens) WHERE run_id = ? AND seq = ?`,
      row.errorType,
      row.notBeforeMs,
      row.burnt ? 0 : 1,
      row.result?.chunkNo ?? null,
      row.result?.offset ?? null,
      row.result?.length ?? null,
      row.truncated?.truncations ?? null,
      row.truncated?.maxTokens ?? null,
      runId,
      row.seq,
    );
    moveRows(db, runId, 'in_realtime', row.to, 1);
    if (row.to !== 'succeeded') {
      const kind = row.to === 'retry' ? 'row.retried' : 'row.failed';
      addEvent(db, { runId, atMs: step.atMs, seq: row.seq, kind, data: { error: row.errorType, ...row.told } });
    }
  }
  db.run('UPDATE runs SET realtime_log_bytes = ? WHERE id = ?', step.logBytes, runId);
  if ((step.releasedUsd ?? 0) > 0) reserve(db, runId, -(step.releasedUsd ?? 0));
  addUsage(db, runId, step.usage);
  addStopReasons(db, runId, step.stopReasons);
  const succeeded = step.rows.filter((row) => row.to === 'succeeded').length;
  addEvent(db, { runId, atMs: step.atMs, kind: 'rows.settled', data: { rows: step.rows.length, succeeded } });
}
