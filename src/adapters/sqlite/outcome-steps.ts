/**
 * The driver's steps around outcomes: a collected chunk, lost results, and the end of a run.
 */
import { BatchrunError, invariant } from '../../base/errors.ts';
import type { DriverStore } from '../../domain/store.ts';
import type { CollectedStep } from '../../domain/store-steps.ts';
import { decodeRequestIndex } from '../../domain/packed-index.ts';
import { publicErrorType } from '../../domain/schema-error.ts';
import { OPEN_CHUNK_STATES } from '../../domain/transitions.ts';
import type { DriverTransaction } from './batch-steps.ts';
import { counted, keepCutOffRetries, keepCutOffRow, keepDeviantRetries, keepDeviantRow } from './cut-offs.ts';
import type { Db } from './db.ts';
import { countBy, writeRows } from './outcome-rows.ts';
import {
  addEvent,
  addStopReasons,
  addUsage,
  moveAttempt,
  moveChunk,
  moveRowRecord,
  moveRows,
  moveRun,
} from './moves.ts';
import { reclaimOutputs } from './output-claims.ts';

type OutcomeSteps = Pick<
  DriverStore,
  'checkpointCollected' | 'recordLost' | 'setBlocks' | 'cancelUnsent' | 'finishRun' | 'reopen' | 'note'
>;

export function createOutcomeSteps(db: Db, step: DriverTransaction): OutcomeSteps {
  return {
    checkpointCollected: (collected) => step(() => checkpointCollected(db, collected)),
    recordLost: ({ runId, chunkNo, atMs, rows }) =>
      step(() => {
        const from = db.get<{ state: 'submitted' | 'ended' | 'uncertain' }>(
          'SELECT state FROM chunks WHERE run_id = ? AND chunk_no = ?',
          runId,
          chunkNo,
        );
        invariant(from, `chunk ${chunkNo} of ${runId} exists`);
        const rowCount = moveChunk(db, { runId, chunkNo }, from.state, 'lost', atMs);
        invariant(rows.length === rowCount, 'every row of a lost chunk has an outcome');
        writeRows(db, { runId, chunkNo, rows, from: 'in_batch' });
        counted(db, runId, rows.filter((row) => row.to === 'succeeded').length);
        if (from.state === 'uncertain') giveUpAttempts(db, { runId, chunkNo, atMs });
      }),
    setBlocks: (runId, blocks, atMs) =>
      step(() => {
        const text = JSON.stringify(blocks);
        const changed = db.run('UPDATE runs SET blocked = ? WHERE id = ? AND blocked <> ?', text, runId, text);
        if (changed === 0) return;
        const reasons = blocks.map((block) => block.reason);
        addEvent(db, { runId, atMs, kind: blocks.length > 0 ? 'run.blocked' : 'run.unblocked', data: { reasons } });
      }),
    cancelUnsent: (runId, atMs) => step(() => cancelUnsent(db, runId, atMs)),
    finishRun: (runId, atMs, written) => step(() => finishRun(db, runId, atMs, written)),
    reopen: (runId, states, atMs) => step(() => reopen(db, runId, states, atMs)),
    note: (runId, kind, atMs, data, chunkNo) =>
      step(() => addEvent(db, { runId, atMs, kind, data, chunkNo: chunkNo ?? null })),
  };
}

function checkpointCollected(db: Db, step: CollectedStep): void {
  const { runId, chunkNo } = step;
  const rowCount = moveChunk(db, { runId, chunkNo }, 'ended', 'collected', step.atMs, {
    batch: step.batchId,
    succeeded: step.succeeded,
    rest: countBy(step.rows.map((row) => row.to)),
  });
  const fromRows = step.rows.filter((row) => row.to === 'succeeded').length;
  // Rows of a retry chunk all have records; of an input chunk, all but the succeeded ones.
  const plain = step.succeeded - fromRows;
  invariant(plain + step.rows.length === rowCount, 'every row of a collected chunk has one outcome');
  db.run(
    'UPDATE chunk_index SET outcomes = ?, results = ? WHERE run_id = ? AND chunk_no = ?',
    step.outcomes,
    step.resultIndex,
    runId,
    chunkNo,
  );
  // A batch whose lines carry our wire ids is ours, whoever said so before.
  db.run(
    "UPDATE batches SET proven = 1 WHERE id = ? AND (SELECT wire FROM chunks WHERE run_id = ? AND chunk_no = ?) = 'tag'",
    step.batchId,
    runId,
    chunkNo,
  );
  moveRows(db, runId, 'in_batch', 'succeeded', plain);
  writeRows(db, { ...step, from: 'in_batch' });
  tellRetries(db, step);
  addUsage(db, runId, step.usage);
  addStopReasons(db, runId, step.stopReasons);
}

/** Nothing waits any more for a batch of a chunk whose rows were given up; one that turns up is remembered. */
function giveUpAttempts(db: Db, { runId, chunkNo, atMs }: { runId: string; chunkNo: number; atMs: number }): void {
  const open = db.all<{ id: number }>(
    "SELECT id FROM attempts WHERE run_id = ? AND chunk_no = ? AND state = 'uncertain'",
    runId,
    chunkNo,
  );
  for (const { id } of open) {
    moveAttempt(db, id, 'uncertain', 'not_created', atMs);
    db.run("UPDATE attempts SET by_hand = 1, reason = 'given up' WHERE id = ?", id);
  }
}

/** One event for the rows of a chunk that are tried again: how many, which try it was, and why. */
function tellRetries(db: Db, { runId, chunkNo, atMs, rows }: CollectedStep): void {
  const retries = rows.filter((row) => row.to === 'retry');
  if (retries.length === 0) return;
  const causes = countBy(retries.map((row) => publicErrorType(row.errorType ?? 'unknown')));
  const attempt = Math.max(...retries.slice(0, 1_000).map((row) => row.attempts));
  addEvent(db, { runId, chunkNo, atMs, kind: 'rows.retried', data: { rows: retries.length, attempt, causes } });
}

/** What an earlier try came to is no longer what became of the row. */
const CANCELED = "error_type = 'batchrun_canceled', result_chunk_no = NULL, result_offset = NULL, result_length = NULL";

function cancelUnsent(db: Db, runId: string, atMs: number): void {
  const run = db.get<{ state: string }>('SELECT state FROM runs WHERE id = ?', runId);
  if (run?.state !== 'canceling') {
    throw new BatchrunError('E_TRANSITION', `run ${runId} is ${run?.state ?? 'gone'}: nothing of it is canceled`);
  }
  const sealed = db.all<{ chunk_no: number; row_count: number; kind: string; requests: Uint8Array }>(
    `SELECT c.chunk_no, c.row_count, c.kind, i.requests FROM chunks c JOIN chunk_index i USING (run_id, chunk_no)
     WHERE c.run_id = ? AND c.state = 'sealed' AND c.copies_of IS NULL`,
    runId,
  );
  // Copy chunks stay: what their leaders were answered is paid, and the rest of their rows ends with them.
  for (const chunk of sealed) {
    moveChunk(db, { runId, chunkNo: chunk.chunk_no }, 'sealed', 'canceled', atMs);
    // The rows of a retry chunk have records of their own; those of an input chunk follow from the chunk.
    const seqs = chunk.kind === 'retry' ? decodeRequestIndex(chunk.requests).seqs : [];
    const kept = cancelRetryRows(db, runId, seqs);
    moveRows(db, runId, 'waiting', 'succeeded', kept.cutOffs);
    moveRows(db, runId, 'waiting', 'failed', kept.deviants);
    moveRows(db, runId, 'waiting', 'canceled', chunk.row_count - kept.cutOffs - kept.deviants);
  }
  moveRows(db, runId, 'retry', 'succeeded', keepCutOffRetries(db, runId));
  moveRows(db, runId, 'retry', 'failed', keepDeviantRetries(db, runId));
  const waiting = db.run(`UPDATE rows SET state = 'canceled', ${CANCELED} WHERE run_id = ? AND state = 'retry'`, runId);
  moveRows(db, runId, 'retry', 'canceled', waiting);
  if (waiting > 0) addEvent(db, { runId, atMs, kind: 'rows.canceled', data: { rows: waiting } });
}

/** Gives how many keep an answer that was cut off, or one that does not follow the schema. */
function cancelRetryRows(db: Db, runId: string, seqs: Iterable<number>): { cutOffs: number; deviants: number } {
  const kept = { cutOffs: 0, deviants: 0 };
  for (const seq of seqs) {
    if (keepCutOffRow(db, runId, seq)) {
      kept.cutOffs++;
      continue;
    }
    if (keepDeviantRow(db, runId, seq, 0)) {
      kept.deviants++;
      continue;
    }
    moveRowRecord(db, { runId, seq, from: 'waiting', to: 'canceled' });
    db.run(`UPDATE rows SET ${CANCELED} WHERE run_id = ? AND seq = ?`, runId, seq);
  }
  return kept;
}

interface Finishing {
  state: 'ready' | 'active' | 'canceling';
  open: number;
  output: string | null;
  errors: string | null;
}

function finishRun(
  db: Db,
  runId: string,
  atMs: number,
  written?: { readonly output: string | null; readonly errors: string | null },
): boolean {
  const run = db.get<Finishing>(
    'SELECT state, row_waiting + row_in_batch + row_retry + row_in_realtime AS open, output, errors FROM runs WHERE id = ?',
    runId,
  );
  invariant(run, `run ${runId} exists`);
  invariant(run.open === 0, `run ${runId} has no row left to wait for`);
  if (written && (written.output !== run.output || written.errors !== run.errors)) return false;
  // Every answer was there before it began.
  if (run.state === 'ready') moveRun(db, runId, 'ready', 'active', atMs);
  moveRun(db, runId, run.state === 'ready' ? 'active' : run.state, 'done', atMs);
  db.run("UPDATE runs SET done_at_ms = ?, blocked = '[]' WHERE id = ?", atMs, runId);
  return true;
}

function reopen(db: Db, runId: string, states: readonly ('failed' | 'expired' | 'canceled')[], atMs: number): number {
  let total = 0;
  if (states.includes('canceled')) recordCanceledChunks(db, runId);
  for (const state of states) {
    const changed = db.run(
      `UPDATE rows SET state = 'retry', attempts = 0, not_before_ms = 0, truncations = 0, max_tokens = NULL WHERE run_id = ? AND state = ?`,
      runId,
      state,
    );
    moveRows(db, runId, state, 'retry', changed);
    total += changed;
  }
  if (total > 0) {
    reclaimOutputs(db, runId, atMs);
    moveRun(db, runId, 'done', 'active', atMs, { retry: total });
    db.run('UPDATE runs SET done_at_ms = NULL, canceled = 0 WHERE id = ?', runId);
  }
  return total;
}

/** Gives the rows of canceled input chunks, which follow from their chunk so far, records of their own. */
function recordCanceledChunks(db: Db, runId: string): void {
  const open = db.get<{ count: number }>(
    `SELECT count(*) AS count FROM chunks WHERE run_id = ? AND state IN (${OPEN_CHUNK_STATES.map((s) => `'${s}'`).join(',')})`,
    runId,
  );
  invariant(open?.count === 0, 'a finished run has no open chunk');
  const chunks = db.all<{ chunk_no: number; requests: Uint8Array }>(
    `SELECT c.chunk_no, i.requests FROM chunks c JOIN chunk_index i USING (run_id, chunk_no)
     WHERE c.run_id = ? AND c.state = 'canceled' AND c.kind = 'input'`,
    runId,
  );
  for (const chunk of chunks) {
    for (const [index, seq] of decodeRequestIndex(chunk.requests).seqs.entries()) {
      db.run(
        `INSERT INTO rows (run_id, seq, state, home_chunk_no, home_index, attempts, error_type)
         VALUES (?, ?, 'canceled', ?, ?, 0, 'batchrun_canceled') ON CONFLICT DO NOTHING`,
        runId,
        seq,
        chunk.chunk_no,
        index,
      );
    }
  }
}
