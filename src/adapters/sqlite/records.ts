/**
 * Between the columns of state.db and the records of the domain. Nothing else knows the column names of a whole row.
 */
import type {
  AnswerSource,
  AttemptRecord,
  AttemptState,
  BatchInfo,
  BatchRecord,
  ChunkKind,
  ChunkRecord,
  ChunkState,
  Lane,
  ModelMix,
  ProcessingStatus,
  RequestCounts,
  RowRecord,
  RowState,
  UsageEntry,
  WireIds,
} from '../../domain/model.ts';
import type { Priority } from '../../domain/priority.ts';
import { requestCount } from '../../domain/model.ts';
import type { EventRecord, Tombstone } from '../../domain/store-steps.ts';
import type { Params } from './db.ts';

export interface ChunkColumns {
  run_id: string;
  chunk_no: number;
  kind: ChunkKind;
  state: ChunkState;
  betas: string;
  row_count: number;
  bytes: number;
  sha256: string;
  first_seq: number;
  mix: string;
  parent_no: number | null;
  root_no: number | null;
  refusals: number;
  fetches: number;
  sealed_at_ms: number;
  batch_id: string | null;
  wire: WireIds;
  priority: Priority | null;
  hurried_at_ms: number | null;
  copies_of: Exclude<AnswerSource, 'api'> | null;
  saved_usd: number | null;
}

export function toChunk(columns: ChunkColumns): ChunkRecord {
  return {
    runId: columns.run_id,
    chunkNo: columns.chunk_no,
    kind: columns.kind,
    state: columns.state,
    betas: JSON.parse(columns.betas) as string[],
    rowCount: columns.row_count,
    bytes: columns.bytes,
    sha256: columns.sha256,
    firstSeq: columns.first_seq,
    mix: JSON.parse(columns.mix) as ModelMix,
    parentNo: columns.parent_no,
    rootNo: columns.root_no ?? columns.chunk_no,
    refusals: columns.refusals,
    fetches: columns.fetches,
    sealedAtMs: columns.sealed_at_ms,
    batchId: columns.batch_id,
    wire: columns.wire,
    priority: columns.priority,
    hurriedAtMs: columns.hurried_at_ms,
    answers: columns.copies_of ?? 'api',
    savedUsd: columns.saved_usd,
  };
}

export interface AttemptColumns {
  id: number;
  run_id: string;
  chunk_no: number;
  workspace: string;
  row_count: number;
  bytes: number;
  baseline_batch_id: string | null;
  started_at_ms: number;
  ended_at_ms: number | null;
  body_complete: number;
  state: AttemptState;
  batch_id: string | null;
  doubt_since_ms: number | null;
  by_hand: number;
}

export function toAttempt(columns: AttemptColumns): AttemptRecord {
  return {
    id: columns.id,
    runId: columns.run_id,
    chunkNo: columns.chunk_no,
    workspace: columns.workspace,
    rowCount: columns.row_count,
    bytes: columns.bytes,
    baselineBatchId: columns.baseline_batch_id,
    startedAtMs: columns.started_at_ms,
    endedAtMs: columns.ended_at_ms,
    bodyComplete: columns.body_complete === 1,
    state: columns.state,
    batchId: columns.batch_id,
    doubtSinceMs: columns.doubt_since_ms,
    byHand: columns.by_hand === 1,
  };
}

export interface BatchColumns {
  id: string;
  workspace: string;
  run_id: string | null;
  chunk_no: number | null;
  attempt_id: number | null;
  proven: number;
  status: ProcessingStatus;
  counts: string;
  created_at_ms: number;
  expires_at_ms: number;
  ended_at_ms: number | null;
  archived_at_ms: number | null;
  results_url: string | null;
  missing_since_ms: number | null;
}

export function toBatch(columns: BatchColumns): BatchRecord {
  return {
    id: columns.id,
    workspace: columns.workspace,
    runId: columns.run_id,
    chunkNo: columns.chunk_no,
    attemptId: columns.attempt_id,
    proven: columns.proven === 1,
    status: columns.status,
    counts: JSON.parse(columns.counts) as RequestCounts,
    createdAtMs: columns.created_at_ms,
    expiresAtMs: columns.expires_at_ms,
    endedAtMs: columns.ended_at_ms,
    archivedAtMs: columns.archived_at_ms,
    resultsUrl: columns.results_url,
    missingSinceMs: columns.missing_since_ms,
  };
}

/** `(id, status, counts, row_count, created, expires, ended, archived, results_url)`: what the API says of a batch. */
export function batchInfoParams(batch: BatchInfo): Params {
  return [
    batch.id,
    batch.status,
    JSON.stringify(batch.counts),
    requestCount(batch.counts),
    batch.createdAtMs,
    batch.expiresAtMs,
    batch.endedAtMs,
    batch.archivedAtMs,
    batch.resultsUrl,
  ];
}

export interface RowColumns {
  run_id: string;
  seq: number;
  state: RowState;
  home_chunk_no: number;
  home_index: number;
  attempts: number;
  error_type: string | null;
  not_before_ms: number;
  result_chunk_no: number | null;
  result_offset: number | null;
  result_length: number | null;
  truncations: number;
  max_tokens: number | null;
}

export function toRow(columns: RowColumns): RowRecord {
  const { result_chunk_no: chunkNo, result_offset: offset, result_length: length } = columns;
  return {
    runId: columns.run_id,
    seq: columns.seq,
    state: columns.state,
    homeChunkNo: columns.home_chunk_no,
    homeIndex: columns.home_index,
    attempts: columns.attempts,
    errorType: columns.error_type,
    notBeforeMs: columns.not_before_ms,
    result: chunkNo === null || offset === null || length === null ? null : { chunkNo, offset, length },
    truncations: columns.truncations,
    maxTokens: columns.max_tokens,
  };
}

export interface UsageColumns {
  model: string;
  lane: Lane;
  rows: number;
  input_tokens: number;
  output_tokens: number;
  cache_write_5m_tokens: number;
  cache_write_1h_tokens: number;
  cache_read_tokens: number;
  cost_usd: number;
  unpriced_rows: number;
}

export function toUsage(columns: UsageColumns): UsageEntry {
  return {
    model: columns.model,
    lane: columns.lane,
    rows: columns.rows,
    inputTokens: columns.input_tokens,
    outputTokens: columns.output_tokens,
    cacheWrite5mTokens: columns.cache_write_5m_tokens,
    cacheWrite1hTokens: columns.cache_write_1h_tokens,
    cacheReadTokens: columns.cache_read_tokens,
    costUsd: columns.cost_usd,
    unpricedRows: columns.unpriced_rows,
  };
}

export interface EventColumns {
  id: number;
  run_id: string;
  at_ms: number;
  kind: string;
  chunk_no: number | null;
  seq: number | null;
  data: string;
}

export function toEvent(columns: EventColumns): EventRecord {
  return {
    id: columns.id,
    runId: columns.run_id,
    atMs: columns.at_ms,
    kind: columns.kind,
    chunkNo: columns.chunk_no,
    seq: columns.seq,
    data: JSON.parse(columns.data) as Record<string, unknown>,
  };
}

export interface TombstoneColumns {
  fingerprint: string;
  run_id: string;
  name: string | null;
  rows: number;
  done_at_ms: number | null;
  pruned_at_ms: number;
  output: string | null;
}

export function toTombstone(columns: TombstoneColumns): Tombstone {
  return {
    fingerprint: columns.fingerprint,
    runId: columns.run_id,
    name: columns.name,
    rows: columns.rows,
    doneAtMs: columns.done_at_ms,
    prunedAtMs: columns.pruned_at_ms,
    output: columns.output,
  };
}
