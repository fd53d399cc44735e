/**
 * The driver's steps around creating batches: attempts and what they came to, splits, refusals (design, section 3.1).
 */
import { invariant } from '../../base/errors.ts';
import { requestCount, type BatchInfo, type ChunkState } from '../../domain/model.ts';
import type { DriverStore } from '../../domain/store.ts';
import type { AttemptStart, DisprovedStep, SplitStep } from '../../domain/store-steps.ts';
import { upsertBatch, type DriverTransaction } from './batch-steps.ts';
import { insertChunk } from './chunk-insert.ts';
import type { Db } from './db.ts';
import { addEvent, moveAttempt, moveChunk, moveRows, moveRun } from './moves.ts';
import type { AttemptColumns } from './records.ts';

type AttemptSteps = Pick<
  DriverStore,
  | 'recordAttempt'
  | 'recordBodyComplete'
  | 'recordCreated'
  | 'recordDuplicate'
  | 'recordNotCreated'
  | 'recordUncertain'
  | 'recordDisproved'
  | 'recordDoubtSeen'
  | 'recordSplit'
  | 'recordRefused'
>;

export function createAttemptSteps(db: Db, step: DriverTransaction): AttemptSteps {
  return {
    recordAttempt: (start) => step(() => startAttempt(db, start)),
    recordBodyComplete: (attemptId) =>
      step(() => {
        const changed = db.run("UPDATE attempts SET body_complete = 1 WHERE id = ? AND state = 'open'", attemptId);
        invariant(changed === 1, 'the body of an open attempt is complete once');
      }),
    recordCreated: (made) => step(() => recordCreated(db, made)),
    recordDuplicate: (made) => step(() => recordDuplicate(db, made)),
    recordNotCreated: (ended) => step(() => endAttempt(db, { ...ended, to: 'sealed' })),
    recordUncertain: (ended) => step(() => endAttempt(db, { ...ended, to: 'uncertain' })),
    recordDisproved: (disproved) => step(() => recordDisproved(db, disproved)),
    recordDoubtSeen: (attemptIds, serverMs) =>
      step(() => {
        for (const id of attemptIds) {
          db.run('UPDATE attempts SET doubt_since_ms = ? WHERE id = ? AND doubt_since_ms IS NULL', serverMs, id);
        }
      }),
    recordSplit: (split) => step(() => recordSplit(db, split)),
    recordRefused: ({ runId, chunkNo, attemptId, atMs, errorType }) =>
      step(() => {
        moveAttempt(db, attemptId, 'open', 'not_created', atMs);
        moveChunk(db, { runId, chunkNo }, 'submitting', 'refused', atMs, { error: errorType });
        failWholeChunk(db, { runId, chunkNo, atMs, errorType });
      }),
  };
}

interface MadeBatch {
  readonly attemptId: number;
  readonly batch: BatchInfo;
  readonly atMs: number;
  readonly proven?: boolean;
}

function recordCreated(db: Db, { attemptId, batch, atMs, proven = true }: MadeBatch): void {
  const attempt = attemptOf(db, attemptId);
  moveAttempt(db, attemptId, attempt.state, 'created', atMs);
  db.run('UPDATE attempts SET batch_id = ? WHERE id = ?', batch.id, attemptId);
  const key = { runId: attempt.run_id, chunkNo: attempt.chunk_no };
  const from = chunkState(db, key);
  // A batch that turns up after its chunk was judged "not made" takes the chunk back through an attempt.
  if (from === 'sealed') moveChunk(db, key, 'sealed', 'submitting', atMs, { late: true });
  moveChunk(db, key, from === 'sealed' ? 'submitting' : from, 'submitted', atMs, { batch: batch.id });
  db.run('UPDATE chunks SET batch_id = ? WHERE run_id = ? AND chunk_no = ?', batch.id, key.runId, key.chunkNo);
  upsertBatch(db, batch, { ...key, workspace: attempt.workspace, attemptId, proven });
}

/**
 * In the transaction that makes the run count its chunk gets its batch: at no instant could somebody send it. The batch
 * stays unproven: its custom_ids are a script's, so it is never canceled or deleted by us.
 */
export function adoptBatch(db: Db, step: { runId: string; atMs: number; batch: BatchInfo; workspace: string }): void {
  const { runId, atMs, batch, workspace } = step;
  const chunks = db.all<{ chunk_no: number; row_count: number }>(
    'SELECT chunk_no, row_count FROM chunks WHERE run_id = ?',
    runId,
  );
  const [chunk] = chunks;
  invariant(
    chunk && chunks.length === 1 && chunk.row_count === requestCount(batch.counts),
    'one chunk holds the batch',
  );
  const key = { runId, chunkNo: chunk.chunk_no };
  const attemptId = startAttempt(db, { ...key, workspace, baselineBatchId: null, atMs });
  invariant(attemptId !== null, 'a run that has just become ready can be sent');
  db.run('UPDATE attempts SET body_complete = 1 WHERE id = ?', attemptId);
  recordCreated(db, { attemptId, batch, atMs, proven: false });
}

/**
 * What was believed of a batch was wrong. It is forgotten, so that the next look at the list reads it like any other:
 * it may be the batch of another chunk.
 */
function recordDisproved(db: Db, { runId, chunkNo, batchId, atMs, reason }: DisprovedStep): void {
  const key = { runId, chunkNo };
  const batch = db.get<{ attempt_id: number | null }>('SELECT attempt_id FROM batches WHERE id = ?', batchId);
  invariant(batch?.attempt_id, `batch ${batchId} came from an attempt`);
  moveAttempt(db, batch.attempt_id, 'created', 'uncertain', atMs);
  db.run(
    'UPDATE attempts SET batch_id = NULL, doubted = 1, doubt_since_ms = NULL, by_hand = 0, reason = ? WHERE id = ?',
    reason,
    batch.attempt_id,
  );
  moveChunk(db, key, chunkState(db, key), 'uncertain', atMs, { batch: batchId, reason });
  db.run('UPDATE chunks SET batch_id = NULL, fetches = 0 WHERE run_id = ? AND chunk_no = ?', runId, chunkNo);
  db.run('DELETE FROM batches WHERE id = ?', batchId);
}

function recordDuplicate(db: Db, { attemptId, batch, atMs }: MadeBatch): void {
  const attempt = attemptOf(db, attemptId);
  // Its attempt may have its batch already: then this is one more of the same chunk.
  if (attempt.state !== 'created') {
    moveAttempt(db, attemptId, attempt.state, 'created', atMs);
    db.run('UPDATE attempts SET batch_id = ? WHERE id = ?', batch.id, attemptId);
  }
  const key = { runId: attempt.run_id, chunkNo: attempt.chunk_no };
  upsertBatch(db, batch, { ...key, workspace: attempt.workspace, attemptId });
  addEvent(db, { ...key, atMs, kind: 'batch.duplicate', data: { batch: batch.id } });
}

function attemptOf(db: Db, attemptId: number): AttemptColumns {
  const attempt = db.get<AttemptColumns>('SELECT * FROM attempts WHERE id = ?', attemptId);
  invariant(attempt, `attempt ${attemptId} exists`);
  return attempt;
}

function chunkState(db: Db, key: { runId: string; chunkNo: number }): ChunkState {
  const row = db.get<{ state: ChunkState }>(
    'SELECT state FROM chunks WHERE run_id = ? AND chunk_no = ?',
    key.runId,
    key.chunkNo,
  );
  invariant(row, `chunk ${key.chunkNo} of ${key.runId} exists`);
  return row.state;
}

function startAttempt(db: Db, start: AttemptStart): number | null {
  const run = db.get<{ state: string }>('SELECT state FROM runs WHERE id = ?', start.runId);
  if (run?.state === 'ready') moveRun(db, start.runId, 'ready', 'active', start.atMs);
  else if (run?.state !== 'active') return null;
  moveChunk(db, start, 'sealed', 'submitting', start.atMs);
  return db.insert(
    `INSERT INTO attempts (run_id, chunk_no, workspace, row_count, bytes, baseline_batch_id, started_at_ms, state)
     SELECT run_id, chunk_no, ?, row_count, bytes, ?, ?, 'open' FROM chunks WHERE run_id = ? AND chunk_no = ?`,
    start.workspace,
    start.baselineBatchId,
    start.atMs,
    start.runId,
    start.chunkNo,
  );
}

function endAttempt(
  db: Db,
  end: { attemptId: number; atMs: number; reason: string; to: 'sealed' | 'uncertain'; byHand?: boolean },
): void {
  const attempt = attemptOf(db, end.attemptId);
  const key = { runId: attempt.run_id, chunkNo: attempt.chunk_no };
  moveAttempt(db, end.attemptId, attempt.state, end.to === 'sealed' ? 'not_created' : 'uncertain', end.atMs);
  const doubted = end.to === 'uncertain' ? 1 : 0;
  db.run(
    'UPDATE attempts SET reason = ?, doubted = max(doubted, ?), by_hand = ? WHERE id = ?',
    end.reason,
    doubted,
    end.byHand === true ? 1 : 0,
    end.attemptId,
  );
  // An older attempt may be decided when its chunk is with another batch already: then only the attempt moves.
  const from = chunkState(db, key);
  if (from === 'submitting' || from === 'uncertain') moveChunk(db, key, from, end.to, end.atMs, { reason: end.reason });
}

function recordSplit(db: Db, split: SplitStep): void {
  const { runId, chunkNo, atMs } = split;
  moveAttempt(db, split.attemptId, 'open', 'not_created', atMs);
  const parent = db.get<{ row_count: number; root_no: number | null }>(
    'SELECT row_count, root_no FROM chunks WHERE run_id = ? AND chunk_no = ?',
    runId,
    chunkNo,
  );
  invariant(parent, `chunk ${chunkNo} of ${runId} exists`);
  // The refusals of all parts count together, on the chunk that they were first cut from.
  const rootNo = parent.root_no ?? chunkNo;
  db.run('UPDATE chunks SET refusals = refusals + 1 WHERE run_id = ? AND chunk_no = ?', runId, rootNo);
  moveChunk(db, { runId, chunkNo }, 'submitting', 'split', atMs, { reason: split.reason });
  const rows = split.children.reduce((sum, child) => sum + child.rowCount, 0);
  invariant(rows + (split.refused ? 1 : 0) === parent.row_count, 'a split keeps every row');
  for (const child of split.children) {
    insertChunk(db, { runId, chunk: child, atMs, state: 'sealed' });
    db.run('UPDATE chunks SET root_no = ? WHERE run_id = ? AND chunk_no = ?', rootNo, runId, child.chunkNo);
  }
  moveRows(db, runId, 'in_batch', 'waiting', rows);
  if (split.refused) {
    insertChunk(db, { runId, chunk: split.refused, atMs, state: 'refused' });
    failWholeChunk(db, { runId, chunkNo: split.refused.chunkNo, atMs, errorType: split.refused.errorType });
  }
}

/** The single row of a refused chunk fails: it gets a record of its own, whichever kind of chunk it was in. */
function failWholeChunk(db: Db, step: { runId: string; chunkNo: number; atMs: number; errorType: string }): void {
  const { runId, chunkNo, errorType } = step;
  const chunk = db.get<{ row_count: number; first_seq: number; kind: string }>(
    'SELECT row_count, first_seq, kind FROM chunks WHERE run_id = ? AND chunk_no = ?',
    runId,
    chunkNo,
  );
  invariant(chunk?.row_count === 1, 'only a chunk of one row is refused');
  moveRows(db, runId, 'in_batch', 'failed', 1);
  if (chunk.kind === 'input') {
    db.run(
      `INSERT INTO rows (run_id, seq, state, home_chunk_no, home_index, attempts, error_type) VALUES (?, ?, 'failed', ?, 0, 1, ?)`,
      runId,
      chunk.first_seq,
      chunkNo,
      errorType,
    );
  } else {
    db.run(
      `UPDATE rows SET state = 'failed', attempts = attempts + 1, error_type = ?,
         result_chunk_no = NULL, result_offset = NULL, result_length = NULL WHERE run_id = ? AND seq = ?`,
      errorType,
      runId,
      chunk.first_seq,
    );
  }
  addEvent(db, { ...step, kind: 'row.failed', seq: chunk.first_seq, data: { error: errorType } });
}
