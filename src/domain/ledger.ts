/**
 * What can be read from the ledger: by any process at any time, beside a driver too. The steps that write are in
 * store.ts.
 */
import type {
  AttemptRecord,
  AttemptState,
  BatchRecord,
  ChunkCounts,
  ChunkKind,
  ChunkRecord,
  ChunkState,
  RowRecord,
  RowState,
  RunRecord,
  UsageEntry,
} from './model.ts';
import type {
  ChunkIndex,
  CopyCount,
  DriverRecord,
  EventQuery,
  EventRecord,
  PoolRecord,
  Tombstone,
  WaitRecord,
} from './store-steps.ts';

export interface Ledger {
  /** Runs in the order in which they were made, the ones still being read last asked for by `ingesting`. */
  runs(options?: { readonly ingesting?: boolean }): Promise<readonly RunRecord[]>;
  run(runId: string): Promise<RunRecord | null>;
  chunkCounts(runId: string): Promise<ChunkCounts>;
  chunks(
    runId: string,
    filter?: {
      readonly states?: readonly ChunkState[];
      readonly kind?: ChunkKind;
      readonly afterNo?: number;
      readonly limit?: number;
    },
  ): Promise<readonly ChunkRecord[]>;
  chunk(runId: string, chunkNo: number): Promise<ChunkRecord | null>;
  chunkIndex(runId: string, chunkNo: number): Promise<ChunkIndex>;
  /** How many rows take the answers of others. Reads every chunk of the run: to be asked only where it may have some. */
  copyCounts(runId: string): Promise<readonly CopyCount[]>;
  rowRecords(
    runId: string,
    filter: { readonly states?: readonly RowState[]; readonly afterSeq?: number; readonly limit: number },
  ): Promise<readonly RowRecord[]>;
  rowRecord(runId: string, seq: number): Promise<RowRecord | null>;
  /** Counts of error types among the rows that failed. */
  failureCounts(runId: string): Promise<Readonly<Record<string, number>>>;
  /** When the earliest row that waits for a retry may go, or null. */
  nextRetryAtMs(runId: string): Promise<number | null>;
  usage(runId: string): Promise<readonly UsageEntry[]>;
  /** In the order in which they were made. */
  attempts(
    runId: string,
    filter: { readonly states?: readonly AttemptState[]; readonly afterId?: number; readonly limit: number },
  ): Promise<readonly AttemptRecord[]>;
  /** In the order of their chunks. `chunkStates`: only the batches that chunks in these states go on with. */
  batches(runId: string, filter?: { readonly chunkStates?: readonly ChunkState[] }): Promise<readonly BatchRecord[]>;
  batch(batchId: string): Promise<BatchRecord | null>;
  /**
   * Batches under way that are not the one of their chunk. `spare`: those whose chunk has the whole results of another
   * one, so that nobody needs them any more. `ended`: those that have ended instead; what they answered is billed.
   */
  secondBatches(runId: string, only?: 'spare' | 'ended'): Promise<readonly BatchRecord[]>;
  /** How long the last batches of this origin took that nobody stopped, newest first. */
  batchHistory(origin: string, limit: number): Promise<readonly { readonly rows: number; readonly tookMs: number }[]>;
  events(runId: string | null, options: EventQuery): Promise<readonly EventRecord[]>;
  driver(): Promise<DriverRecord | null>;
  waits(origin: string, workspace: string): Promise<readonly WaitRecord[]>;
  /** What was last known of limits and their use, at one base URL or at all of them, in the order of their names. */
  pools(origin?: string): Promise<readonly PoolRecord[]>;
  tombstones(): Promise<readonly Tombstone[]>;
  /** What the database itself finds wrong with what it keeps; nothing where it is whole. */
  check(): Promise<readonly string[]>;
}
