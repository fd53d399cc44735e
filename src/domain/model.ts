/**
 * The nouns of batchrun: runs, chunks, attempts, batches and rows, as the store keeps them and the engine
 * moves them. The words are those of src/README.md; which state may follow which is in transitions.ts.
 */

import type { CacheSettings } from './cache/settings.ts';
import type { AnswerSource, Coalescing } from './coalescing.ts';
import type { Lane } from './lane.ts';
import type { MediaSums } from './media.ts';
import type { Priority } from './priority.ts';
import type { AnswerSchema } from './schema/answer-schema.ts';
import type { RunWishes } from './wishes.ts';

export { requestCount, type BatchInfo, type BatchRecord, type ProcessingStatus, type RequestCounts } from './batch.ts';
export type { Lane } from './lane.ts';
export type { MediaSums, RowMedia } from './media.ts';
export type { AnswerSource, Coalescing } from './coalescing.ts';
export { wishesOf, type BudgetMode, type LaneMode, type RunWishes } from './wishes.ts';

export type RunState = 'ingesting' | 'ready' | 'active' | 'canceling' | 'done';

export type ChunkState =
  | 'sealed'
  | 'submitting'
  | 'uncertain'
  | 'submitted'
  | 'ended'
  | 'collected'
  | 'split'
  | 'refused'
  | 'canceled'
  | 'lost';

/** Where a row is. The last five are ends. */
export type RowState =
  'waiting' | 'in_batch' | 'retry' | 'in_realtime' | 'succeeded' | 'failed' | 'expired' | 'canceled' | 'invalid';

/** What an attempt to create a batch came to. `open` is in flight; `uncertain` may or may not have made one. */
export type AttemptState = 'open' | 'created' | 'not_created' | 'uncertain';

export const CHUNK_STATES: readonly ChunkState[] = [
  'sealed',
  'submitting',
  'uncertain',
  'submitted',
  'ended',
  'collected',
  'split',
  'refused',
  'canceled',
  'lost',
];

export const ROW_STATES: readonly RowState[] = [
  'waiting',
  'in_batch',
  'retry',
  'in_realtime',
  'succeeded',
  'failed',
  'expired',
  'canceled',
  'invalid',
];

/** How many rows of a run are in each state. The sum is the number of input rows. */
export type RowCounts = Readonly<Record<RowState, number>>;

export type ChunkCounts = Readonly<Record<ChunkState, number>>;

/** Tokens as the API reported them, summed. */
export interface TokenUsage {
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly cacheWrite5mTokens: number;
  readonly cacheWrite1hTokens: number;
  readonly cacheReadTokens: number;
}

export const NO_USAGE: TokenUsage = {
  inputTokens: 0,
  outputTokens: 0,
  cacheWrite5mTokens: 0,
  cacheWrite1hTokens: 0,
  cacheReadTokens: 0,
};

/** Usage of one model in one lane, with what it cost. `unpricedRows` counts answers of a model without a price. */
export interface UsageEntry extends TokenUsage {
  readonly model: string;
  readonly lane: Lane;
  readonly rows: number;
  readonly costUsd: number;
  readonly unpricedRows: number;
}

/** Why something cannot move, and what a person must do. Everything outside its scope goes on. */
export interface Block {
  /** Stable name: `credentials`, `billing`, `permission`, `batch_missing`, `creates_exhausted`, `results_unreadable`, … */
  readonly reason: string;
  /** `key`, `workspace`, `run`, or `chunk:<n>`. */
  readonly scope: string;
  readonly message: string;
  readonly hint: string;
  readonly sinceMs: number;
  /** Ids of batches that may be the ones in question. */
  readonly candidates?: readonly string[];
}

/** Numbers that an estimate of a chunk or a run is made from, for each model. */
export type ModelMix = Readonly<Record<string, ModelPart>>;

export interface ModelPart extends PartSums {
  /** Of a whole run: what is reckoned for a request beyond its bytes, because the API has counted more (reserve.ts). */
  readonly raise?: InputRaise;
  /** Those of them whose route keeps them in one lane (lane-mix.ts); missing where there are none. */
  readonly lanes?: Readonly<Partial<Record<Lane, PartSums>>>;
}

export interface PartSums {
  readonly rows: number;
  readonly bytes: number;
  readonly maxTokens: number;
  /** Of one request; missing in states of batchrun 0.1, as is the next. */
  readonly largestBytes?: number;
  /** Rows that write to the prompt cache. */
  readonly cachingRows?: number;
  /** Tokens that the API puts before them at most, for tools and schemas; missing where there are none. */
  readonly addedTokens?: number;
  /** Their images and PDFs; missing where there are none, and in states of before. */
  readonly media?: MediaSums;
}

/** How much more input is reckoned for than otherwise: so many times, and so many tokens for each row. */
export interface InputRaise {
  readonly factor: number;
  readonly rowTokens: number;
}

/** What `submit` was asked for and later commands need to know. No prompts, no keys. */
export interface RunSettings {
  readonly chunkRows: number;
  readonly chunkBytes: number;
  readonly maxAttempts: number;
  readonly retryLane: RetryLaneMode;
  readonly failIf: string | null;
  /** Does a spreadsheet formula in a CSV cell get a quote in front of it? */
  readonly defuseFormulas: boolean;
  /** Input columns in their order, where the input has columns: the header of a CSV output. */
  readonly columns: readonly string[];
  /** What answers must follow (`--schema`). */
  readonly schema?: AnswerSchema;
  /** What follows is missing in states of batchrun 0.1; `wishesOf` fills it in. */
  readonly wishes?: Partial<RunWishes>;
  /** Prompt caching, where it was asked for. */
  readonly cache?: CacheSettings;
  /** The chunks that hold its pilot (pilot.ts), by number. */
  readonly pilotChunks?: readonly number[];
  /** Missing where neither was asked for: then nothing of the run has to be looked at for it. */
  readonly coalesce?: Coalescing;
}

export type RetryLaneMode = 'auto' | 'batch' | 'realtime' | 'none';

export type OutputFormat = 'jsonl' | 'flat' | 'csv';

export interface RunRecord {
  readonly id: string;
  readonly name: string | null;
  readonly state: RunState;
  readonly fingerprint: string | null;
  readonly againNo: number;
  readonly origin: string;
  readonly workspace: string;
  readonly createdAtMs: number;
  readonly readyAtMs: number | null;
  readonly doneAtMs: number | null;
  readonly inputs: readonly string[];
  readonly settings: RunSettings;
  /** A hash for each request-shaping flag, so that a message can name the flag that differs without its text. */
  readonly settingHashes: Readonly<Record<string, string>>;
  readonly output: string | null;
  readonly format: OutputFormat;
  readonly errors: string | null;
  readonly overwrite: boolean;
  readonly totalRows: number;
  readonly rows: RowCounts;
  readonly mix: ModelMix;
  readonly blocked: readonly Block[];
  /** Committed length of results/realtime.jsonl. */
  readonly realtimeLogBytes: number;
  /** What realtime calls may cost whose answers are not known: those under way, and those that were lost. */
  readonly realtimeReservedUsd: number;
  /** Counts of stop reasons among the answers that deserve a look: max_tokens, refusal, pause_turn, … */
  readonly stopReasons: Readonly<Record<string, number>>;
  readonly canceled: boolean;
}

export type ChunkKind = 'input' | 'retry';

export interface ChunkRecord {
  readonly runId: string;
  /** From 1. Also in the file names and in the wire ids. */
  readonly chunkNo: number;
  /** `input` chunks are what the output walks; `retry` chunks hold rows of input chunks once more. */
  readonly kind: ChunkKind;
  readonly state: ChunkState;
  readonly betas: readonly string[];
  /** That of its rows; null: that of the run. */
  readonly priority: Priority | null;
  readonly rowCount: number;
  readonly bytes: number;
  readonly sha256: string;
  readonly firstSeq: number;
  readonly mix: ModelMix;
  /** Creates of it and of the chunks cut from it that were refused for their rows: bounded by CREATES_PER_CHUNK_MAX. */
  readonly refusals: number;
  /** The chunk that it was first cut from; itself where it was not. */
  readonly rootNo: number;
  /** The chunk it was cut from, or null. */
  readonly parentNo: number | null;
  readonly sealedAtMs: number;
  readonly batchId: string | null;
  /** How often the results of its batch were fetched and thrown away because they were not whole. */
  readonly fetches: number;
  readonly wire: WireIds;
  /** Since when its batch is stopped, so that its rows make a deadline in the realtime lane; null where it is not. */
  readonly hurriedAtMs: number | null;
  readonly answers: AnswerSource;
  /** Of a copy chunk with its answers: what they would have cost. Null where that is not known. */
  readonly savedUsd: number | null;
}

/**
 * What the custom_ids of a chunk's requests are: `tag`, our wire ids; `own`, the user's ids, because a script of
 * theirs made the batch and it was adopted.
 */
export type WireIds = 'tag' | 'own';

export interface AttemptRecord {
  readonly id: number;
  readonly runId: string;
  readonly chunkNo: number;
  readonly workspace: string;
  readonly rowCount: number;
  readonly bytes: number;
  /** The newest batch that the list showed before the attempt; null when it showed none. */
  readonly baselineBatchId: string | null;
  readonly startedAtMs: number;
  /** When it came to an end; for an attempt that died with its process, when the next one found it. */
  readonly endedAtMs: number | null;
  readonly bodyComplete: boolean;
  readonly state: AttemptState;
  readonly batchId: string | null;
  /** The API's time at the first look at its list after the attempt ended; null before there was one. */
  readonly doubtSinceMs: number | null;
  /** A person has settled it: a batch that turns up all the same is remembered, but nothing waits for it. */
  readonly byHand: boolean;
}

/** Where a result line lies: in the result file of a chunk, or in the realtime log (chunkNo 0). */
export interface ResultLocation {
  readonly chunkNo: number;
  readonly offset: number;
  readonly length: number;
}

/** A row that needs another attempt, or did not succeed, or succeeded elsewhere than in its first chunk. */
export interface RowRecord {
  readonly runId: string;
  readonly seq: number;
  readonly state: RowState;
  /** The input chunk that holds its request, and its place in it. */
  readonly homeChunkNo: number;
  readonly homeIndex: number;
  /** Tries so far, in both lanes. */
  readonly attempts: number;
  /** `api_error`, `expired`, `batchrun_request_too_large`, …: a type, never a message (that may quote the prompt). */
  readonly errorType: string | null;
  /** Not before this time is it tried again. */
  readonly notBeforeMs: number;
  readonly result: ResultLocation | null;
  /** How often its answer was cut by max_tokens and asked for again; then `result` is the last such answer. */
  readonly truncations: number;
  /** Of its next try; null: as the request says. */
  readonly maxTokens: number | null;
}
