/**
 * The driver's steps around following batches: what the list shows, what has ended, which attempts are in doubt.
 */
import type { BatchInfo } from '../../domain/model.ts';
import type { PoolSnapshot } from '../../domain/pacing/snapshot.ts';
import type { DriverStore } from '../../domain/store.ts';
import type { Db, Params } from './db.ts';
import { addEvent, moveChunk } from './moves.ts';
import { batchInfoParams, toAttempt, type AttemptColumns } from './records.ts';

type BatchSteps = Pick<
  DriverStore,
  | 'recordForeign'
  | 'openAttempts'
  | 'attemptsToWatch'
  | 'knownBatchIds'
  | 'recordEnded'
  | 'recordBatchSeen'
  | 'recordBatchMissing'
  | 'recordFetchFailed'
  | 'recordWait'
  | 'recordPools'
>;

/** Runs a step as the driver: in one transaction, after the proof that this process still is the driver. */
export type DriverTransaction = <T>(work: () => T) => Promise<T>;

export function createBatchSteps(db: Db, step: DriverTransaction): BatchSteps {
  return {
    recordForeign: (batch, workspace) =>
      step(() => {
        // Somebody may have adopted it since it was read: then it is the run's, and stays so.
        const owner = { workspace, runId: null, chunkNo: null, attemptId: null };
        db.run(`${INSERT_BATCH} ON CONFLICT (id) DO NOTHING`, ...batchParams(batch, owner));
      }),
    openAttempts: () =>
      step(() => db.all<AttemptColumns>("SELECT * FROM attempts WHERE state = 'open' ORDER BY id").map(toAttempt)),
    attemptsToWatch: (sinceMs) =>
      step(() =>
        db
          .all<AttemptColumns>(
            `SELECT * FROM attempts WHERE state = 'uncertain'
               OR (state = 'not_created' AND doubted = 1 AND ended_at_ms >= ?) ORDER BY id`,
            sinceMs,
          )
          .map(toAttempt),
      ),
    knownBatchIds: (ids) =>
      step(() => {
        const known = `SELECT 1 FROM batches b LEFT JOIN chunks c ON c.run_id = b.run_id AND c.chunk_no = b.chunk_no
          WHERE b.id = ? AND (b.proven = 1 OR b.run_id IS NULL OR c.wire = 'own')`;
        return new Set(ids.filter((id) => db.get(known, id) !== undefined));
      }),
    recordEnded: ({ runId, chunkNo, batch, atMs }) =>
      step(() => {
        updateBatch(db, batch);
        moveChunk(db, { runId, chunkNo }, 'submitted', 'ended', atMs, { batch: batch.id, counts: batch.counts });
        db.run('UPDATE chunks SET batch_id = ? WHERE run_id = ? AND chunk_no = ?', batch.id, runId, chunkNo);
      }),
    recordBatchSeen: (batch) => step(() => updateBatch(db, batch)),
    recordBatchMissing: (batchId, sinceMs) =>
      step(() => {
        db.run('UPDATE batches SET missing_since_ms = coalesce(missing_since_ms, ?) WHERE id = ?', sinceMs, batchId);
      }),
    recordWait: (wait) =>
      step(() => {
        db.run(
          `INSERT INTO waits (origin, workspace, kind, until_ms, asked_ms) VALUES (?, ?, ?, ?, ?)
           ON CONFLICT (origin, workspace, kind) DO UPDATE SET until_ms = excluded.until_ms, asked_ms = excluded.asked_ms`,
          wait.origin,
          wait.workspace,
          wait.kind,
          wait.untilMs,
          wait.askedMs,
        );
      }),
    recordPools: (origin, pools, atMs) =>
      step(() => {
        for (const one of pools) upsertPool(db, origin, one, atMs);
      }),
    recordFetchFailed: ({ runId, chunkNo, atMs, reason }) =>
      step(() => {
        db.run('UPDATE chunks SET fetches = fetches + 1 WHERE run_id = ? AND chunk_no = ?', runId, chunkNo);
        addEvent(db, { runId, chunkNo, atMs, kind: 'results.refetch', data: { reason } });
        return (
          db.get<{ fetches: number }>('SELECT fetches FROM chunks WHERE run_id = ? AND chunk_no = ?', runId, chunkNo)
            ?.fetches ?? 0
        );
      }),
  };
}

function upsertPool(db: Db, origin: string, pool: PoolSnapshot, atMs: number): void {
  db.run(
    `INSERT INTO pools (origin, pool, data, at_ms) VALUES (?, ?, ?, ?)
     ON CONFLICT (origin, pool) DO UPDATE SET data = excluded.data, at_ms = excluded.at_ms`,
    origin,
    pool.pool,
    JSON.stringify(pool),
    atMs,
  );
}

interface BatchOwner {
  readonly workspace: string;
  readonly runId: string | null;
  readonly chunkNo: number | null;
  readonly attemptId: number | null;
  readonly proven?: boolean;
}

const INSERT_BATCH = `INSERT INTO batches (id, status, counts, row_count, created_at_ms, expires_at_ms, ended_at_ms,
   archived_at_ms, results_url, workspace, run_id, chunk_no, attempt_id, proven)
   VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`;

function batchParams(batch: BatchInfo, owner: BatchOwner): Params {
  const proven = owner.proven === false ? 0 : 1;
  return [...batchInfoParams(batch), owner.workspace, owner.runId, owner.chunkNo, owner.attemptId, proven];
}

/** Remembers a batch, or gives a known one to its owner. */
export function upsertBatch(db: Db, batch: BatchInfo, owner: BatchOwner): void {
  db.run(
    `${INSERT_BATCH} ON CONFLICT (id) DO UPDATE SET run_id = excluded.run_id, chunk_no = excluded.chunk_no,
       attempt_id = excluded.attempt_id, proven = excluded.proven`,
    ...batchParams(batch, owner),
  );
}

function updateBatch(db: Db, batch: BatchInfo): void {
  const [id, ...rest] = batchInfoParams(batch);
  db.run(
    `UPDATE batches SET status = ?, counts = ?, row_count = ?, created_at_ms = ?, expires_at_ms = ?, ended_at_ms = ?,
       archived_at_ms = ?, results_url = ?, missing_since_ms = NULL WHERE id = ?`,
    ...rest,
    id ?? null,
  );
}
