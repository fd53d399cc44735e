/**
 * The ledger of a run as JSON lines, for inspection: everything that the ledger keeps but the packed indexes, of which
 * the outcomes are counted. Prompts, answers and keys are not in the ledger, and what a column is called may be a row
 * of a file without a header: only how many there are is told.
 *
 * The order is fixed (run, chunks, attempts, batches, rows, usage, events, each by its number), and all lines are of one
 * instant. Rows without a record of their own follow from their chunk and have no line.
 */
import { redactText } from '../../base/log.ts';
import {
  wishesOf,
  type AttemptRecord,
  type BatchRecord,
  type ChunkRecord,
  type RowRecord,
  type RunRecord,
  type UsageEntry,
} from '../../domain/model.ts';
import { countOutcomes, decodeOutcomes } from '../../domain/packed-index.ts';
import type { Snapshot } from '../../domain/store.ts';
import type { EventRecord } from '../../domain/store-steps.ts';
import { isoOrNull } from '../audit/report.ts';

const PAGE = 1_000;

/** Lines with their line ends. The snapshot stays the caller's to close. */
export async function* exportState(snapshot: Snapshot, run: RunRecord): AsyncGenerator<string> {
  yield line('run', runFields(run));
  const chunks = pages((last: ChunkRecord | null) =>
    snapshot.chunks(run.id, { afterNo: last?.chunkNo ?? 0, limit: PAGE }),
  );
  for await (const chunk of chunks) yield line('chunk', await chunkFields(snapshot, chunk));
  const attempts = pages((last: AttemptRecord | null) =>
    snapshot.attempts(run.id, { afterId: last?.id ?? 0, limit: PAGE }),
  );
  for await (const attempt of attempts) yield line('attempt', attemptFields(attempt));
  for (const batch of await snapshot.batches(run.id)) yield line('batch', batchFields(batch));
  const rows = pages((last: RowRecord | null) =>
    snapshot.rowRecords(run.id, { afterSeq: last?.seq ?? -1, limit: PAGE }),
  );
  for await (const row of rows) yield line('row', rowFields(row));
  for (const usage of await snapshot.usage(run.id)) yield line('usage', { run: run.id, ...usageFields(usage) });
  const events = pages((last: EventRecord | null) => snapshot.events(run.id, { afterId: last?.id ?? 0, limit: PAGE }));
  for await (const event of events) yield line('event', eventFields(event));
}

/** One after the other, a page at a time. */
async function* pages<T>(next: (last: T | null) => Promise<readonly T[]>): AsyncGenerator<T> {
  for (let last: T | null = null; ;) {
    const page: readonly T[] = await next(last);
    yield* page;
    if (page.length < PAGE) return;
    last = page.at(-1) ?? null;
  }
}

type Fields = Readonly<Record<string, unknown>>;

/** Nothing in the ledger should be a key; should one ever be there, it stays there. */
function line(type: string, fields: Fields): string {
  return `${JSON.stringify({ type, ...fields }, redactText)}\n`;
}

function runFields(run: RunRecord): Fields {
  const { settings } = run;
  return {
    ...{ id: run.id, name: run.name, state: run.state, canceled: run.canceled },
    ...{ fingerprint: run.fingerprint, again_no: run.againNo, base_url: run.origin, workspace: run.workspace },
    created_at: isoOrNull(run.createdAtMs),
    ready_at: isoOrNull(run.readyAtMs),
    done_at: isoOrNull(run.doneAtMs),
    inputs: run.inputs,
    settings: {
      ...{ chunk_rows: settings.chunkRows, chunk_bytes: settings.chunkBytes, max_attempts: settings.maxAttempts },
      ...{ retry_lane: settings.retryLane, fail_if: settings.failIf, defuse_formulas: settings.defuseFormulas },
      columns: settings.columns.length,
      coalesce: settings.coalesce ?? null,
      wishes: wishFields(run),
    },
    setting_hashes: run.settingHashes,
    ...{ output: run.output, format: run.format, errors: run.errors, overwrite: run.overwrite },
    rows: { total: run.totalRows, ...run.rows },
    mix: mixFields(run.mix),
    blocked: run.blocked.map(({ sinceMs, ...block }) => ({ ...block, since: isoOrNull(sinceMs) })),
    stop_reasons: run.stopReasons,
    realtime_log_bytes: run.realtimeLogBytes,
    realtime_reserved_usd: run.realtimeReservedUsd,
  };
}

function wishFields(run: RunRecord): Fields {
  const { priority, lane, deadlineMs, maxCostUsd, budgetMode, retryTruncated } = wishesOf(run);
  return {
    ...{ priority, lane, deadline: isoOrNull(deadlineMs), max_cost_usd: maxCostUsd, budget_mode: budgetMode },
    retry_truncated: retryTruncated,
  };
}

function mixFields(mix: RunRecord['mix']): Fields {
  const parts = Object.entries(mix).map(([model, { rows, bytes, maxTokens }]) => {
    return [model, { rows, bytes, max_tokens: maxTokens }] as const;
  });
  return Object.fromEntries(parts);
}

async function chunkFields(snapshot: Snapshot, chunk: ChunkRecord): Promise<Fields> {
  const { outcomes } = await snapshot.chunkIndex(chunk.runId, chunk.chunkNo);
  return {
    ...{ run: chunk.runId, chunk: chunk.chunkNo, kind: chunk.kind, state: chunk.state, rows: chunk.rowCount },
    ...{ first_row: chunk.firstSeq, bytes: chunk.bytes, sha256: chunk.sha256, betas: chunk.betas, wire: chunk.wire },
    mix: mixFields(chunk.mix),
    ...{ batch: chunk.batchId, parent: chunk.parentNo, root: chunk.rootNo, priority: chunk.priority },
    hurried_at: isoOrNull(chunk.hurriedAtMs),
    ...{ answers: chunk.answers, saved_usd: chunk.savedUsd },
    ...{ refusals: chunk.refusals, fetches: chunk.fetches, sealed_at: isoOrNull(chunk.sealedAtMs) },
    outcomes: outcomes === null ? null : outcomeCounts(outcomes, chunk.rowCount),
  };
}

/** An index that is damaged must not keep the rest from being looked at. */
function outcomeCounts(blob: Uint8Array, rowCount: number): Fields | null {
  try {
    return countOutcomes(decodeOutcomes(blob, rowCount));
  } catch {
    return null;
  }
}

function attemptFields(attempt: AttemptRecord): Fields {
  return {
    ...{ id: attempt.id, run: attempt.runId, chunk: attempt.chunkNo, state: attempt.state, batch: attempt.batchId },
    ...{ workspace: attempt.workspace, rows: attempt.rowCount, bytes: attempt.bytes },
    ...{ baseline_batch: attempt.baselineBatchId, body_complete: attempt.bodyComplete, by_hand: attempt.byHand },
    started_at: isoOrNull(attempt.startedAtMs),
    ended_at: isoOrNull(attempt.endedAtMs),
    doubt_since: isoOrNull(attempt.doubtSinceMs),
  };
}

function batchFields(batch: BatchRecord): Fields {
  return {
    ...{ id: batch.id, run: batch.runId, chunk: batch.chunkNo, attempt: batch.attemptId, workspace: batch.workspace },
    ...{ proven: batch.proven, status: batch.status, request_counts: batch.counts },
    created_at: isoOrNull(batch.createdAtMs),
    expires_at: isoOrNull(batch.expiresAtMs),
    ended_at: isoOrNull(batch.endedAtMs),
    archived_at: isoOrNull(batch.archivedAtMs),
    missing_since: isoOrNull(batch.missingSinceMs),
    results_url: batch.resultsUrl,
  };
}

function rowFields(row: RowRecord): Fields {
  const { result } = row;
  return {
    ...{ run: row.runId, row: row.seq, state: row.state, home_chunk: row.homeChunkNo, home_index: row.homeIndex },
    ...{ attempts: row.attempts, error_type: row.errorType },
    ...{ truncations: row.truncations, max_tokens: row.maxTokens },
    not_before: row.notBeforeMs === 0 ? null : isoOrNull(row.notBeforeMs),
    result: result && { chunk: result.chunkNo, offset: result.offset, length: result.length },
  };
}

function usageFields(usage: UsageEntry): Fields {
  return {
    ...{ model: usage.model, lane: usage.lane, rows: usage.rows },
    ...{ input_tokens: usage.inputTokens, output_tokens: usage.outputTokens },
    cache_creation_5m_input_tokens: usage.cacheWrite5mTokens,
    cache_creation_1h_input_tokens: usage.cacheWrite1hTokens,
    ...{ cache_read_input_tokens: usage.cacheReadTokens, cost_usd: usage.costUsd, unpriced_rows: usage.unpricedRows },
  };
}

function eventFields(event: EventRecord): Fields {
  const { id, runId, atMs, kind, chunkNo, seq, data } = event;
  return { id, run: runId, time: isoOrNull(atMs), event: kind, chunk: chunkNo, row: seq, data };
}
