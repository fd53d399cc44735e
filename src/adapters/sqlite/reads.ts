/**
 * Everything that is read from state.db. No writes, so any process may do it at any time, beside a driver too.
 */
import { CHUNK_STATES, type ChunkCounts, type ChunkState, type RowState } from '../../domain/model.ts';
import { OPEN_ROW_STATES } from '../../domain/transitions.ts';
import type { Ledger } from '../../domain/ledger.ts';
import type { PoolSnapshot } from '../../domain/pacing/snapshot.ts';
import type {
  ChunkIndex,
  CopyCount,
  DriverRecord,
  EventQuery,
  PoolRecord,
  WaitRecord,
} from '../../domain/store-steps.ts';
import { invariant } from '../../base/errors.ts';
import { settled, type Db } from './db.ts';
import {
  toAttempt,
  toBatch,
  toChunk,
  toEvent,
  toRow,
  toTombstone,
  toUsage,
  type AttemptColumns,
  type BatchColumns,
  type ChunkColumns,
  type EventColumns,
  type RowColumns,
  type TombstoneColumns,
  type UsageColumns,
} from './records.ts';
import { toRun } from './run-record.ts';

/** The values of a list that comes from our own types, for an IN clause. */
function quoted(values: readonly string[]): string {
  return values.map((value) => `'${value}'`).join(',');
}

export function createReads(db: Db): Ledger {
  const read = <T>(work: () => T): Promise<T> => settled(() => db.read(work));
  return {
    runs: (options = {}) =>
      read(() =>
        db
          .all<Parameters<typeof toRun>[0]>(
            `SELECT * FROM runs ${options.ingesting === true ? '' : "WHERE state <> 'ingesting'"} ORDER BY id`,
          )
          .map(toRun),
      ),
    run: (runId) =>
      read(() => maybe(db.get<Parameters<typeof toRun>[0]>('SELECT * FROM runs WHERE id = ?', runId), toRun)),
    chunkCounts: (runId) => read(() => chunkCounts(db, runId)),
    chunks: (runId, filter = {}) => read(() => chunks(db, runId, filter).map(toChunk)),
    chunk: (runId, chunkNo) =>
      read(() =>
        maybe(db.get<ChunkColumns>('SELECT * FROM chunks WHERE run_id = ? AND chunk_no = ?', runId, chunkNo), toChunk),
      ),
    chunkIndex: (runId, chunkNo) => read(() => chunkIndex(db, runId, chunkNo)),
    copyCounts: (runId) => read(() => copyCounts(db, runId)),
    rowRecords: (runId, filter) => read(() => rowRecords(db, runId, filter).map(toRow)),
    rowRecord: (runId, seq) =>
      read(() => maybe(db.get<RowColumns>('SELECT * FROM rows WHERE run_id = ? AND seq = ?', runId, seq), toRow)),
    failureCounts: (runId) => read(() => failureCounts(db, runId)),
    nextRetryAtMs: (runId) =>
      read(
        () =>
          db.get<{ at: number | null }>(
            "SELECT min(not_before_ms) AS at FROM rows WHERE run_id = ? AND state = 'retry'",
            runId,
          )?.at ?? null,
      ),
    usage: (runId) =>
      read(() => db.all<UsageColumns>('SELECT * FROM usage WHERE run_id = ? ORDER BY model, lane', runId).map(toUsage)),
    batches: (runId, filter = {}) => read(() => batches(db, runId, filter.chunkStates).map(toBatch)),
    batch: (batchId) => read(() => maybe(db.get<BatchColumns>('SELECT * FROM batches WHERE id = ?', batchId), toBatch)),
    secondBatches: (runId, only) =>
      read(() =>
        db
          .all<BatchColumns>(
            `SELECT b.* FROM batches b JOIN chunks c ON c.run_id = b.run_id AND c.chunk_no = b.chunk_no
             WHERE b.run_id = ? AND b.status ${only === 'ended' ? '=' : '<>'} 'ended' AND c.batch_id IS NOT b.id ${only === 'spare' ? "AND c.state = 'collected'" : ''}`,
            runId,
          )
          .map(toBatch),
      ),
    batchHistory: (origin, limit) =>
      read(() =>
        db
          .all<{ rows: number; took_ms: number }>(
            `SELECT b.row_count AS rows, b.ended_at_ms - b.created_at_ms AS took_ms FROM batches b JOIN runs r ON r.id = b.run_id
             WHERE r.origin = ? AND b.ended_at_ms IS NOT NULL
               AND coalesce(json_extract(b.counts, '$.canceled'), 0) = 0 ORDER BY b.ended_at_ms DESC LIMIT ?`,
            origin,
            limit,
          )
          .map((row) => ({ rows: row.rows, tookMs: row.took_ms })),
      ),
    events: (runId, options) => read(() => events(db, runId, options).map(toEvent)),
    driver: () => read(() => driver(db)),
    waits: (origin, workspace) => read(() => waits(db, origin, workspace)),
    pools: (origin) => read(() => pools(db, origin)),
    attempts: (runId, filter) => read(() => attempts(db, runId, filter).map(toAttempt)),
    check: () => read(() => check(db)),
    tombstones: () =>
      read(() => db.all<TombstoneColumns>('SELECT * FROM tombstones ORDER BY pruned_at_ms').map(toTombstone)),
  };
}

export function driver(db: Db): DriverRecord | null {
  const row = db.get<{
    epoch: number;
    pid: number;
    host: string;
    command: string;
    since_ms: number;
    let_go_at_ms: number | null;
  }>('SELECT * FROM driver WHERE id = 1');
  if (!row) return null;
  const { epoch, pid, host, command, since_ms: sinceMs, let_go_at_ms: letGoAtMs } = row;
  return { epoch, pid, host, command, sinceMs, letGoAtMs };
}

function maybe<C, R>(columns: C | undefined, convert: (columns: C) => R): R | null {
  return columns === undefined ? null : convert(columns);
}

function chunkCounts(db: Db, runId: string): ChunkCounts {
  const counts = Object.fromEntries(CHUNK_STATES.map((state) => [state, 0])) as Record<ChunkState, number>;
  const rows = db.all<{ state: ChunkState; count: number }>(
    'SELECT state, count(*) AS count FROM chunks WHERE run_id = ? GROUP BY state',
    runId,
  );
  for (const row of rows) counts[row.state] = row.count;
  return counts;
}

function chunks(db: Db, runId: string, filter: NonNullable<Parameters<Ledger['chunks']>[1]>): ChunkColumns[] {
  const conditions = ['run_id = ? AND chunk_no > ?'];
  if (filter.states) conditions.push(`state IN (${quoted(filter.states)})`);
  if (filter.kind) conditions.push(`kind = '${filter.kind}'`);
  const limit = filter.limit ?? -1;
  // Left to itself SQLite reads every chunk of the run in its order, for the few that are in a state: 1.5 ms of every
  // round at 10,000 chunks, and 0.04 ms by the index. Pages, which need the order, are not sorted anew each time.
  const by = filter.states && filter.limit === undefined ? 'INDEXED BY chunks_state' : '';
  return db.all<ChunkColumns>(
    `SELECT * FROM chunks ${by} WHERE ${conditions.join(' AND ')} ORDER BY chunk_no LIMIT ?`,
    runId,
    filter.afterNo ?? 0,
    limit,
  );
}

function batches(db: Db, runId: string, chunkStates: readonly ChunkState[] | undefined): BatchColumns[] {
  if (!chunkStates) return db.all<BatchColumns>('SELECT * FROM batches WHERE run_id = ? ORDER BY chunk_no', runId);
  // From the chunks on: of a large run a few batches are under way, and to read all takes longer than a whole `status`.
  return db.all<BatchColumns>(
    `SELECT b.* FROM chunks c INDEXED BY chunks_state JOIN batches b ON b.id = c.batch_id AND b.run_id = c.run_id
     WHERE c.run_id = ? AND c.state IN (${quoted(chunkStates)}) ORDER BY c.chunk_no`,
    runId,
  );
}

function chunkIndex(db: Db, runId: string, chunkNo: number): ChunkIndex {
  const row = db.get<ChunkIndex>(
    'SELECT requests, outcomes, results, leaders FROM chunk_index WHERE run_id = ? AND chunk_no = ?',
    runId,
    chunkNo,
  );
  invariant(row, `chunk ${chunkNo} of ${runId} has an index`);
  return row;
}

function copyCounts(db: Db, runId: string): CopyCount[] {
  return db.all<CopyCount>(
    `SELECT copies_of AS answers, state, kind, count(*) AS chunks, sum(row_count) AS "rows", total(saved_usd) AS savedUsd FROM chunks
     WHERE run_id = ? AND copies_of IS NOT NULL GROUP BY copies_of, state, kind ORDER BY copies_of, kind, state`,
    runId,
  );
}

function rowRecords(
  db: Db,
  runId: string,
  filter: { readonly states?: readonly RowState[]; readonly afterSeq?: number; readonly limit: number },
): RowColumns[] {
  const states = filter.states ? `AND state IN (${quoted(filter.states)})` : '';
  return db.all<RowColumns>(
    `SELECT * FROM rows WHERE run_id = ? AND seq > ? ${states} ORDER BY seq LIMIT ?`,
    runId,
    filter.afterSeq ?? -1,
    filter.limit,
  );
}

function waits(db: Db, origin: string, workspace: string): WaitRecord[] {
  return db
    .all<{ kind: WaitRecord['kind']; until_ms: number; asked_ms: number }>(
      'SELECT kind, until_ms, asked_ms FROM waits WHERE origin = ? AND workspace = ?',
      origin,
      workspace,
    )
    .map((row) => ({ origin, workspace, kind: row.kind, untilMs: row.until_ms, askedMs: row.asked_ms }));
}

function pools(db: Db, origin: string | undefined): PoolRecord[] {
  return db
    .all<{ origin: string; data: string }>(
      'SELECT origin, data FROM pools WHERE origin = coalesce(?, origin) ORDER BY origin, pool',
      origin ?? null,
    )
    .map((row) => ({ ...(JSON.parse(row.data) as PoolSnapshot), origin: row.origin }));
}

/** What SQLite finds wrong with its own pages; it says `ok` where that is nothing. */
function check(db: Db): string[] {
  const problems = db.all<{ quick_check: string }>('PRAGMA quick_check').map((row) => row.quick_check);
  return problems.length === 1 && problems[0] === 'ok' ? [] : problems;
}

function attempts(db: Db, runId: string, filter: Parameters<Ledger['attempts']>[1]): AttemptColumns[] {
  const states = filter.states ? `AND state IN (${quoted(filter.states)})` : '';
  return db.all<AttemptColumns>(
    `SELECT * FROM attempts WHERE run_id = ? AND id > ? ${states} ORDER BY id LIMIT ?`,
    runId,
    filter.afterId ?? 0,
    filter.limit,
  );
}

function failureCounts(db: Db, runId: string): Readonly<Record<string, number>> {
  const rows = db.all<{ type: string | null; count: number }>(
    `SELECT error_type AS type, count(*) AS count FROM rows
     WHERE run_id = ? AND state NOT IN ('succeeded', ${quoted(OPEN_ROW_STATES)}) GROUP BY error_type ORDER BY count DESC`,
    runId,
  );
  return Object.fromEntries(rows.map((row) => [row.type ?? 'unknown', row.count]));
}

function events(db: Db, runId: string | null, query: EventQuery): EventColumns[] {
  const { afterId = 0, beforeId = Number.MAX_SAFE_INTEGER, limit, newest = false, kinds } = query;
  const where = [
    'id > ? AND id < ?',
    ...(runId === null ? [] : ['run_id = ?']),
    ...(kinds ? [`kind IN (${quoted(kinds)})`] : []),
  ];
  const rows = db.all<EventColumns>(
    `SELECT * FROM events WHERE ${where.join(' AND ')} ORDER BY id ${newest ? 'DESC' : 'ASC'} LIMIT ?`,
    ...[afterId, beforeId, ...(runId === null ? [] : [runId]), limit],
  );
  return newest ? rows.reverse() : rows;
}
