/**
 * What the steps of the ledger take and give: a new run, a sealed chunk, a collected chunk, settled realtime calls, …
 * The steps themselves are in store.ts.
 */
import type { PoolSnapshot } from './pacing/snapshot.ts';
import type {
  AnswerSource,
  BatchInfo,
  ChunkKind,
  ChunkRecord,
  ChunkState,
  ModelMix,
  ResultLocation,
  RunRecord,
  UsageEntry,
} from './model.ts';

/** What a run is when its reading begins. */
export type NewRun = Pick<
  RunRecord,
  | 'id'
  | 'name'
  | 'origin'
  | 'workspace'
  | 'createdAtMs'
  | 'inputs'
  | 'settings'
  | 'settingHashes'
  | 'output'
  | 'format'
  | 'errors'
  | 'overwrite'
>;

/** A sealed chunk with the packed index of its requests. */
export interface NewChunk extends Pick<
  ChunkRecord,
  'chunkNo' | 'kind' | 'betas' | 'priority' | 'rowCount' | 'bytes' | 'sha256' | 'firstSeq' | 'mix' | 'parentNo' | 'wire'
> {
  readonly requestIndex: Uint8Array;
  /** `api` where it is left out. */
  readonly answers?: AnswerSource;
  /** Of a chunk whose answers are those of other rows: which (leaders.ts). */
  readonly leaders?: Uint8Array;
  /** Its answers, which are those of earlier runs and lie in its result file already. */
  readonly answered?: AnsweredPart;
}

export interface AnsweredPart {
  readonly outcomes: Uint8Array;
  readonly resultIndex: Uint8Array;
  /** What they would have cost; null where a model has no known price. */
  readonly savedUsd: number | null;
}

export interface IngestEnd {
  readonly runId: string;
  readonly atMs: number;
  readonly fingerprint: string;
  /** Make a run although the same exists. */
  readonly again: boolean;
  readonly totalRows: number;
  readonly invalidRows: number;
  readonly mix: ModelMix;
  /** Kept with the settings of the run. */
  readonly pilotChunks?: readonly number[];
  /** The batch that holds the rows of the run's only chunk already: it is followed from here on, and nothing is sent. */
  readonly adopted?: { readonly batch: BatchInfo; readonly workspace: string };
}

/** A run writes to another file than it was to: the one that it had named is another run's. */
export interface MovedOutput {
  readonly runId: string;
  readonly from: string;
  readonly to: string;
}

/** What became of the end of ingest: the run is ready, or the same run is there already. */
export type IngestVerdict =
  /** `moved`: there only where files of outputs have changed hands. */
  | { readonly kind: 'ready'; readonly moved?: readonly MovedOutput[] }
  | { readonly kind: 'exists'; readonly runId: string }
  | { readonly kind: 'pruned'; readonly tombstone: Tombstone };

/** What is left of a pruned run, so that a nightly job never pays again for what it had. */
export interface Tombstone {
  readonly fingerprint: string;
  readonly runId: string;
  readonly name: string | null;
  readonly rows: number;
  readonly doneAtMs: number | null;
  readonly prunedAtMs: number;
  readonly output: string | null;
}

export interface DriverRecord {
  readonly epoch: number;
  readonly pid: number;
  readonly host: string;
  readonly command: string;
  readonly sinceMs: number;
  /** Null while it drives. */
  readonly letGoAtMs: number | null;
}

export interface EventRecord {
  readonly id: number;
  readonly runId: string;
  readonly atMs: number;
  /** `chunk.submitted`, `run.done`, `row.retried`, … */
  readonly kind: string;
  readonly chunkNo: number | null;
  readonly seq: number | null;
  readonly data: Readonly<Record<string, unknown>>;
}

export interface EventQuery {
  readonly afterId?: number;
  readonly beforeId?: number;
  readonly limit: number;
  readonly newest?: boolean;
  /** Only events of these kinds. */
  readonly kinds?: readonly string[];
}

export interface Notes {
  /** Writes an event that is not a move: a wait, a retry, a warning, a notice that was sent. */
  note(
    runId: string,
    kind: string,
    atMs: number,
    data: Readonly<Record<string, unknown>>,
    chunkNo?: number,
  ): Promise<void>;
}

/** The packed blobs of a chunk (packed-index.ts). */
export interface ChunkIndex {
  readonly requests: Uint8Array;
  readonly outcomes: Uint8Array | null;
  readonly results: Uint8Array | null;
  /** Only of a chunk whose answers are those of other rows. */
  readonly leaders: Uint8Array | null;
}

export interface AttemptStart {
  readonly runId: string;
  readonly chunkNo: number;
  readonly workspace: string;
  readonly baselineBatchId: string | null;
  readonly atMs: number;
}

/** The API knows a batch, and it is not (or no longer) the one of this chunk: back to being in doubt. */
export interface DisprovedStep {
  readonly runId: string;
  readonly chunkNo: number;
  readonly batchId: string;
  readonly atMs: number;
  readonly reason: string;
}

/** Until when the API wants no calls of a kind. Kept, so that a job that starts every minute honours it too. */
export interface WaitRecord {
  readonly origin: string;
  readonly workspace: string;
  readonly kind: 'batches' | 'messages';
  readonly untilMs: number;
  /** How long the wait was when it was asked for: no clock can make it longer than that. */
  readonly askedMs: number;
}

/** A pool as it was last seen at one base URL: of another one the same name is another account's. */
export interface PoolRecord extends PoolSnapshot {
  readonly origin: string;
}

export interface SplitStep {
  readonly runId: string;
  readonly chunkNo: number;
  readonly attemptId: number;
  readonly atMs: number;
  readonly reason: string;
  /** The new chunks. Their rows together are the rows of the old one, less the refused row. */
  readonly children: readonly NewChunk[];
  /** A one-row chunk for the row that the API named, refused at once; or null. */
  readonly refused: (NewChunk & { readonly errorType: string }) | null;
}

export interface CollectedRow {
  readonly seq: number;
  readonly index: number;
  readonly to: 'failed' | 'expired' | 'canceled' | 'retry' | 'succeeded';
  readonly attempts: number;
  readonly errorType: string | null;
  readonly notBeforeMs: number;
  readonly result: ResultLocation | null;
  /** Where they are not as before: the number of truncations, and max_tokens of the next try. */
  readonly truncated?: Truncated;
}

export interface Truncated {
  readonly truncations: number;
  readonly maxTokens: number;
}

export interface CollectedStep {
  readonly runId: string;
  readonly chunkNo: number;
  readonly batchId: string;
  readonly atMs: number;
  readonly outcomes: Uint8Array;
  readonly resultIndex: Uint8Array;
  readonly succeeded: number;
  /** For an input chunk every row that did not succeed; for a retry chunk every row. */
  readonly rows: readonly CollectedRow[];
  readonly usage: readonly UsageEntry[];
  readonly stopReasons: Readonly<Record<string, number>>;
}

/** A copy chunk whose leaders have all come to an end: its rows end alike, at no cost. */
export interface CopiedStep extends AnsweredPart {
  readonly runId: string;
  readonly chunkNo: number;
  readonly atMs: number;
  readonly succeeded: number;
  /** As in `CollectedStep`. Where all rows of an input chunk are canceled, the chunk is. */
  readonly rows: readonly CollectedRow[];
  readonly stopReasons: Readonly<Record<string, number>>;
}

/** Copy chunks of a run, by where their answers come from and by what became of them. */
export interface CopyCount {
  readonly answers: AnswerSource;
  readonly state: ChunkState;
  readonly kind: ChunkKind;
  readonly chunks: number;
  readonly rows: number;
  /** Of the chunks of which it is known. */
  readonly savedUsd: number;
}

export interface RealtimeSettled {
  readonly seq: number;
  readonly to: 'succeeded' | 'failed' | 'retry';
  readonly errorType: string | null;
  readonly notBeforeMs: number;
  readonly result: ResultLocation | null;
  /** Was this try the row's fault or the API's? A held row (no credit) does not burn an attempt. */
  readonly burnt: boolean;
  readonly truncated?: Truncated;
  /** For the event: which try it was, of how many, how long it waits and why. */
  readonly told?: { readonly attempt: number; readonly of: number; readonly waitMs: number; readonly cause: string };
}

export interface RealtimeStep {
  readonly runId: string;
  readonly atMs: number;
  readonly logBytes: number;
  /** Reserved for these calls and free again: what they cost is known, or that they cost nothing. */
  readonly releasedUsd?: number;
  readonly rows: readonly RealtimeSettled[];
  readonly usage: readonly UsageEntry[];
  readonly stopReasons: Readonly<Record<string, number>>;
}
