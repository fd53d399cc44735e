/**
 * The driver's steps around creating batches: attempts and what they came to, splits, refusals (design, section 3.1).
 */
import { invariant } from '../../base/errors.ts';
import { requestCount, type BatchInfo, type ChunkState } from '../../domain/model.ts';
import type { DriverStore } from '../../domain/store.ts';
import type { AttemptStart, DisprovedStep, SplitStep } from '../../domain/store-steps.ts';
import { upsertBatch, type DriverTransaction } from './batch-steps.ts';
import { insertChunk } from './chunk-insert.ts';
import { keepCutOffRow, keepDeviantRow } from './cut-offs.ts';
import type { Db } from './db.ts';
import { addEvent, moveAttempt, moveChunk, moveRows, moveRun, type ChunkKey } from './moves.ts';
import type { AttemptColumns } from './records.ts';

type AttemptSteps = Pick<
  DriverStore,
  | 'recordAttempt'
  | 'recordBodyComplete'
  | 'recordCreated'
  | 'recordDuplicate'
  | 'recordNotCreated'
  | 'recordUncertain'
  | 'recordProven'
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
    recordProven: ({ batchId, atMs }) =>
      step(() => {
        const batch = db.get<BatchPlace>('SELECT run_id, chunk_no FROM batches WHERE id = ? AND proven = 0', batchId);
        invariant(batch?.run_id, `batch ${batchId} is one that a person named`);
        db.run('UPDATE batches SET proven = 1 WHERE id = ?', batchId);
        const { run_id: runId, chunk_no: chunkNo } = batch;
        addEvent(db, { runId, chunkNo, atMs, kind: 'batch.proven', data: { batch: batchId } });
      }),
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

interface BatchPlace {
  readonly run_id: string | null;
  readonly chunk_no: number;
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
 * it may be the batch of another chunk. Where the chunk has another batch that is surely its own, it goes on with that
 * one: in doubt it could be sent again beside it.
 */
function recordDisproved(db: Db, { runId, chunkNo, batchId, atMs, reason }: DisprovedStep): void {
  const key = { runId, chunkNo };
  const batch = db.get<{ attempt_id: number | null }>('SELECT attempt_id FROM batches WHERE id = ?', batchId);
  invariant(batch?.attempt_id, `batch ${batchId} came from an attempt`);
  db.run('DELETE FROM batches WHERE id = ?', batchId);
  const chunk = db.get<{ state: ChunkState; batch_id: string | null }>(
    'SELECT state, batch_id FROM chunks WHERE run_id = ? AND chunk_no = ?',
    runId,
    chunkNo,
  );
  invariant(chunk, `chunk ${chunkNo} of ${runId} exists`);
  const followed = chunk.state === 'submitted' || chunk.state === 'ended';
  doubtAttempt(db, { attemptId: batch.attempt_id, atMs, reason, settled: !followed });
  if (!followed || chunk.batch_id !== batchId) {
    addEvent(db, { ...key, atMs, kind: 'batch.disproved', data: { batch: batchId, reason } });
  }
  if (chunk.batch_id !== batchId) return;
  if (followed) moveChunk(db, key, chunk.state, 'uncertain', atMs, { batch: batchId, reason });
  const [left] = provenBatches(db, key);
  if (followed && left) moveChunk(db, key, 'uncertain', 'submitted', atMs, { batch: left.id });
  const now = left?.id ?? null;
  db.run('UPDATE chunks SET batch_id = ?, fetches = 0 WHERE run_id = ? AND chunk_no = ?', now, runId, chunkNo);
}

/** The batches that surely hold this chunk; first those that have ended, because their results may be there. */
function provenBatches(db: Db, { runId, chunkNo }: ChunkKey): readonly { id: string; attempt_id: number }[] {
  return db.all<{ id: string; attempt_id: number }>(
    `SELECT id, attempt_id FROM batches WHERE run_id = ? AND chunk_no = ? AND proven = 1
     ORDER BY status <> 'ended', created_at_ms, id`,
    runId,
    chunkNo,
  );
}

/**
 * The attempt of a batch that was disproved: it stays with another one that it surely made, else it is in doubt again.
 * `settled`: its chunk is past all doubt, and nothing waits for it.
 */
function doubtAttempt(db: Db, doubt: { attemptId: number; atMs: number; reason: string; settled: boolean }): void {
  const { attemptId, atMs, reason, settled } = doubt;
  const attempt = attemptOf(db, attemptId);
  const other = provenBatches(db, { runId: attempt.run_id, chunkNo: attempt.chunk_no }).find(
    (one) => one.attempt_id === attemptId,
  );
  if (other) {
    db.run('UPDATE attempts SET batch_id = ? WHERE id = ?', other.id, attemptId);
    return;
  }
  moveAttempt(db, attemptId, 'created', 'uncertain', atMs);
  if (settled) moveAttempt(db, attemptId, 'uncertain', 'not_created', atMs);
  db.run(
    'UPDATE attempts SET batch_id = NULL, doubted = 1, doubt_since_ms = NULL, by_hand = ?, reason = ? WHERE id = ?',
    settled ? 1 : 0,
    reason,
    attemptId,
  );
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
  // How long a late batch is looked for counts from here, where it is a judgement: the doubt may have lasted for days.
  db.run(
    'UPDATE attempts SET reason = ?, doubted = max(doubted, ?), by_hand = ?, ended_at_ms = ? WHERE id = ?',
    end.reason,
    doubted,
    end.byHand === true ? 1 : 0,
    end.atMs,
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
  const kept = chunk.kind === 'retry' && keepCutOffRow(db, runId, chunk.first_seq);
  moveRows(db, runId, 'in_batch', kept ? 'succeeded' : 'failed', 1);
  if (kept) return;
  if (chunk.kind === 'input') {
    db.run(
      `INSERT INTO rows (run_id, seq, state, home_chunk_no, home_index, attempts, error_type) VALUES (?, ?, 'failed', ?, 0, 1, ?)`,
      runId,
      chunk.first_seq,
      chunkNo,
      errorType,
    );
  } else if (!keepDeviantRow(db, runId, chunk.first_seq, 1)) {
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
