/**
 * The ledger's door. A `Store` is what any process may do; a `DriverStore` is what only the process that drives
 * this state may do, and every one of its writes proves in its own transaction that it still is the driver.
 *
 * Each method is one whole domain step and one transaction. A step that meets a state it does not expect throws
 * (E_TRANSITION, E_FENCED) and changes nothing.
 */
import type { AttemptRecord, BatchInfo, Block, OutputFormat, RowRecord, RunWishes } from './model.ts';
import type { Ledger } from './ledger.ts';
import type { WarmUpEnd } from './cache/settings.ts';
import type { PoolSnapshot } from './pacing/snapshot.ts';
import type {
  AttemptStart,
  CollectedRow,
  CollectedStep,
  CopiedStep,
  DisprovedStep,
  IngestEnd,
  IngestVerdict,
  MovedOutput,
  NewChunk,
  NewRun,
  Notes,
  RealtimeStep,
  SplitStep,
  WaitRecord,
} from './store-steps.ts';

export interface Store extends Ledger, Notes {
  /** The ledger as it is now, whatever is written meanwhile. It must be closed. */
  snapshot(): Promise<Snapshot>;

  beginRun(run: NewRun): Promise<void>;
  sealChunk(runId: string, chunk: NewChunk, atMs: number): Promise<void>;
  /** Puts another content in place of a sealed chunk of a run that is still being read; without rows it is gone. */
  resealChunk(runId: string, chunk: NewChunk): Promise<void>;
  finishIngest(end: IngestEnd): Promise<IngestVerdict>;
  /** Deletes a run that was never ready. */
  deleteIngesting(runId: string): Promise<void>;
  /** ready|active -> canceling. The driver does the rest. */
  requestCancel(runId: string, atMs: number): Promise<void>;
  /** Takes the files from every other unfinished run that names them: what it writes goes beside. Gives what was moved. */
  setOutput(
    runId: string,
    output: {
      readonly output: string | null;
      readonly format: OutputFormat;
      readonly errors: string | null;
      readonly overwrite: boolean;
    },
    atMs: number,
  ): Promise<readonly MovedOutput[]>;
  /** Changes what the user wants of a run; what is not named stays. */
  changeWishes(runId: string, wishes: Partial<RunWishes>): Promise<void>;
  /** Deletes a finished run and leaves a tombstone. */
  pruneRun(runId: string, atMs: number): Promise<void>;
  /** Gives back the room of what was pruned, where it is most of what there is and nobody else is at work. */
  compact(): Promise<void>;

  /** Becomes the driver: a new epoch, and everyone with an older one is fenced. Needs the lock. */
  takeOver(holder: {
    readonly pid: number;
    readonly host: string;
    readonly command: string;
    readonly atMs: number;
  }): Promise<DriverStore>;
  close(): Promise<void>;
}

/** Reads of one instant: counts that are taken from it agree with each other. */
export interface Snapshot extends Ledger {
  close(): Promise<void>;
}

export interface DriverStore extends Notes {
  readonly epoch: number;
  /** Throws E_FENCED where another process drives by now. Asked before a file is put where the other may have its own. */
  readonly assertDriving: () => Promise<void>;
  /** Ends the driving unless there are ready runs that are not in `known`: then these, and it goes on. */
  letGo(known: ReadonlySet<string>, atMs: number): Promise<readonly string[]>;

  /** Its id; null where the run was canceled meanwhile: then nothing may be sent. */
  recordAttempt(start: AttemptStart): Promise<number | null>;
  recordBodyComplete(attemptId: number): Promise<void>;
  /** `proven` is false where only a person says that the batch is this chunk's. */
  recordCreated(step: {
    readonly attemptId: number;
    readonly batch: BatchInfo;
    readonly atMs: number;
    readonly proven?: boolean;
  }): Promise<void>;
  /** A proven batch of an attempt whose chunk is already with another batch: remembered, for `audit` and canceling. */
  recordDuplicate(step: {
    readonly attemptId: number;
    readonly batch: BatchInfo;
    readonly atMs: number;
  }): Promise<void>;
  /** `byHand`: a person says so, and nothing waits any more for a batch of this attempt. */
  recordNotCreated(step: {
    readonly attemptId: number;
    readonly atMs: number;
    readonly reason: string;
    readonly byHand?: boolean;
  }): Promise<void>;
  /** The lines of a batch that only a person named say the same: from here on it is surely its chunk's. */
  recordProven(step: { readonly batchId: string; readonly atMs: number }): Promise<void>;
  /**
   * A batch is not its chunk's, and is forgotten. The chunk goes on with another batch that surely is its own; where
   * there is none, it and its attempt are in doubt again.
   */
  recordDisproved(step: DisprovedStep): Promise<void>;
  /** The API's time when its list was first looked at for these attempts; times that are known already stay. */
  recordDoubtSeen(attemptIds: readonly number[], serverMs: number): Promise<void>;
  recordWait(wait: WaitRecord): Promise<void>;
  /** Puts these in the place of what was known of them; pools that are not named stay. */
  recordPools(origin: string, pools: readonly PoolSnapshot[], atMs: number): Promise<void>;
  recordUncertain(step: { readonly attemptId: number; readonly atMs: number; readonly reason: string }): Promise<void>;
  recordSplit(step: SplitStep): Promise<void>;
  /** A one-row chunk whose row the API refuses. */
  recordRefused(step: {
    readonly runId: string;
    readonly chunkNo: number;
    readonly attemptId: number;
    readonly atMs: number;
    readonly errorType: string;
  }): Promise<void>;
  /** Remembers somebody else's batch, so that it is not read again. One that the ledger has by now stays as it is. */
  recordForeign(batch: BatchInfo, workspace: string): Promise<void>;

  openAttempts(): Promise<readonly AttemptRecord[]>;
  /** Attempts that are undecided, or were judged "not made" after `sinceMs` and whose batch may still turn up. */
  attemptsToWatch(sinceMs: number): Promise<readonly AttemptRecord[]>;
  /**
   * Those among these that need no look: proven to be ours, adopted, or somebody else's. A batch that only a person gave
   * to a chunk may be that of another one, so it is not among them.
   */
  knownBatchIds(ids: readonly string[]): Promise<ReadonlySet<string>>;

  recordEnded(step: {
    readonly runId: string;
    readonly chunkNo: number;
    readonly batch: BatchInfo;
    readonly atMs: number;
  }): Promise<void>;
  recordBatchSeen(batch: BatchInfo): Promise<void>;
  recordBatchMissing(batchId: string, sinceMs: number): Promise<void>;
  recordFetchFailed(step: {
    readonly runId: string;
    readonly chunkNo: number;
    readonly atMs: number;
    readonly reason: string;
  }): Promise<number>;
  checkpointCollected(step: CollectedStep): Promise<void>;
  recordCopied(step: CopiedStep): Promise<void>;
  /**
   * The results can no longer be had: the rows fail with `batchrun_results_lost`. From `submitted` and `ended`; and
   * from `uncertain` where a person gives the rows up.
   */
  recordLost(step: {
    readonly runId: string;
    readonly chunkNo: number;
    readonly atMs: number;
    readonly rows: readonly CollectedRow[];
  }): Promise<void>;

  sealRetryChunk(runId: string, chunk: NewChunk, seqs: readonly number[], atMs: number): Promise<void>;
  /**
   * The rows among these that may be called now, as they are after the claim. `reserveUsd`: by row, what its call may
   * cost; it stays reserved until the call is settled, whatever becomes of this process.
   */
  claimRealtime(
    runId: string,
    seqs: readonly number[],
    atMs: number,
    reserveUsd?: ReadonlyMap<number, number>,
  ): Promise<readonly RowRecord[]>;
  settleRealtime(step: RealtimeStep): Promise<void>;
  /** A sealed chunk goes row by row instead: its rows wait in `retry`, not tried yet. Gives how many. */
  releaseChunk(runId: string, chunkNo: number, atMs: number): Promise<number>;
  /** The batch of this chunk is to be stopped: what comes back canceled goes on in the realtime lane. */
  recordHurried(runId: string, chunkNo: number, atMs: number): Promise<void>;
  /** Calls that were under way when a process died: back to `retry`. Gives their number. */
  releaseRealtime(runId: string, atMs: number): Promise<number>;
  /**
   * A call that writes a shared prefix to the prompt cache is about to be made for this chunk; what it may cost is
   * reserved. False where the run was canceled meanwhile: then it may not be made.
   */
  claimWarmUp(step: {
    readonly runId: string;
    readonly chunkNo: number;
    readonly key: string;
    readonly atMs: number;
    readonly reserveUsd: number;
  }): Promise<boolean>;
  /** What came of it. Its usage is the run's; `cause`: why there was no answer. */
  settleWarmUp(step: {
    readonly runId: string;
    readonly chunkNo: number;
    readonly end: WarmUpEnd;
    readonly releasedUsd: number;
    readonly cause: string | null;
  }): Promise<void>;
  giveUpRows(
    runId: string,
    rows: readonly {
      readonly seq: number;
      readonly to: 'failed' | 'expired' | 'canceled' | 'succeeded';
      readonly errorType: string | null;
    }[],
    atMs: number,
  ): Promise<void>;

  setBlocks(runId: string, blocks: readonly Block[], atMs: number): Promise<void>;
  /** Everything of a canceling run that was not sent yet: its sealed chunks and the rows that wait for a retry. */
  cancelUnsent(runId: string, atMs: number): Promise<void>;
  /** False where what was written is not where its outputs are to be any more: then it is not done, and nothing changes. */
  finishRun(
    runId: string,
    atMs: number,
    written?: { readonly output: string | null; readonly errors: string | null },
  ): Promise<boolean>;
  /** done -> active: the rows in these states go to `retry` with fresh attempts. Gives how many. */
  reopen(runId: string, states: readonly ('failed' | 'expired' | 'canceled')[], atMs: number): Promise<number>;
}
