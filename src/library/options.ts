/**
 * What programs that import batchrun may set. Names are those of the command line's flags in camelCase, times are in
 * milliseconds, and whatever is left out is as it is there.
 */
import type { LogLevel } from '../base/log.ts';
import type { Priority } from '../domain/priority.ts';

/** One line of the log. Keys are taken out of it; prompts and answers are never in it. */
export interface LogEntry {
  readonly time: string;
  readonly level: Exclude<LogLevel, 'silent'>;
  readonly event: string;
  readonly [field: string]: unknown;
}

/** Limits below those of the account. Requests and tokens are a minute's, `tokensPerDay` a day's. */
export interface LimitCaps {
  readonly requests?: number;
  readonly inputTokens?: number;
  readonly outputTokens?: number;
  /** Of both kinds together. */
  readonly tokens?: number;
  readonly tokensPerDay?: number;
}

/** Waits of our own before a call is made again: anything from 0 to `baseMs`, doubled with each try, up to `maxMs`. */
export interface Backoff {
  readonly baseMs?: number;
  readonly maxMs?: number;
}

/** Where the state is, how the API is reached, and how fast and how patient the engine is. */
export interface BatchrunOptions {
  /** The state folder: `.batchrun` in the working directory unless given. It holds prompts and answers. */
  readonly state?: string;
  /** A key, or the keys of a pool. Without one the official SDK looks for credentials (ANTHROPIC_API_KEY and so on). */
  readonly apiKey?: string | readonly string[];
  /** Without one as the SDK finds it (ANTHROPIC_BASE_URL), else the API's own. */
  readonly baseUrl?: string;
  /** In place of batchrun's own HTTP client: for tests, such as the `fetch` of `createSim`. */
  readonly fetch?: typeof fetch;
  /** A key of the Admin API: tells the limits of the account. */
  readonly adminKey?: string;
  /** `redis://…`: limits are shared with all processes that name the same server. */
  readonly limiter?: string;
  /** Stops everything safely when it is aborted: what is not finished goes on with the next process. */
  readonly signal?: AbortSignal;
  /** Takes the lines of the log, those of `--log-format json`; without it there is none. What it throws ends no work. */
  readonly log?: (entry: LogEntry) => void;
  /** The least that is logged: `warn` unless given. */
  readonly logLevel?: LogLevel;
  /** Batches open at once: 100 unless given. */
  readonly maxBatches?: number;
  /** Realtime calls under way at once: 50 unless given. */
  readonly concurrency?: number;
  /** How often the API is asked about batches at first: 30,000 ms unless given. */
  readonly pollIntervalMs?: number;
  /** How long a batch that may or may not have been made is looked for: 600,000 ms unless given. */
  readonly reconcileGraceMs?: number;
  /** How long an API that cannot be reached is tried: 3,600,000 ms unless given. */
  readonly giveUpMs?: number;
  readonly backoff?: Backoff;
  readonly limits?: LimitCaps;
  /** The share of each limit that is left to other users of the account, from 0 to 1: 0 unless given. */
  readonly headroom?: number;
  /** Requests in batches that are not processed yet, over all programs. */
  readonly maxQueued?: number;
  /** Calls of the batch endpoints a minute. */
  readonly batchRpm?: number;
  /** How long a state that another process drives is waited for: 0 unless given. */
  readonly retryLockMs?: number;
}

/** A row as it stands in a JSONL file: `params` (or their fields), or columns for a prompt; what else it has is carried along. */
export type Row = Readonly<Record<string, unknown>>;

/**
 * Paths of files (JSONL, CSV, a JSON array; plain or gzip), or the rows themselves, each a `Row`. Rows are read as they are
 * needed. `object`: TypeScript takes no `interface` for a record.
 */
export type RowsInput = string | readonly string[] | Iterable<object> | AsyncIterable<object>;

/** What is wanted of a run: given to its submit, and changed later by `run.change`. What is left out stays as it is. */
export interface RunChanges {
  /** Which run goes first where there is not room for all: `normal` unless given. */
  readonly priority?: Priority;
  /** `batch`: half the price, up to a day. `realtime`: now, at full price. `auto`: batches, and realtime for few retries. */
  readonly lane?: 'auto' | 'batch' | 'realtime';
  /** When the results are needed; `none` takes an earlier one away. */
  readonly deadline?: Date | 'none';
  /** Nothing is sent that could bring the run above it; `none` takes an earlier cap away. */
  readonly maxCostUsd?: number | 'none';
  /** What `maxCostUsd` sets aside: the most that something can cost, or what answers cost so far. */
  readonly budgetMode?: 'worst' | 'expected';
  /** So many rows are called first, and must not be refused. 0 later: the rest is sent all the same. */
  readonly pilot?: number;
  /** How often an answer that was cut by `max_tokens` is asked for again with twice as many. */
  readonly retryTruncated?: number;
  /** Rows whose answer does not follow the schema: failed, or asked again as often as `maxAttempts` allows. */
  readonly onSchemaError?: 'fail' | 'retry';
}

/** How rows become requests, and what is wanted of the run. */
export interface SubmitOptions extends RunChanges {
  /** For rows that name no model. */
  readonly model?: string;
  /** For rows without `max_tokens`. */
  readonly maxTokens?: number;
  /** The message of rows without messages; `{{column}}` is filled in. */
  readonly prompt?: string;
  /** The system prompt; `{{column}}` is filled in. */
  readonly system?: string;
  /** Other params of the Messages API, for all rows. */
  readonly params?: Readonly<Record<string, unknown>>;
  readonly betas?: readonly string[];
  /** A JSON Schema that answers must follow; they are checked against all of it. */
  readonly schema?: Readonly<Record<string, unknown>>;
  /** The column or field with the ids of rows: `custom_id` unless given. */
  readonly idColumn?: string;
  /** Of files whose names do not say it. */
  readonly inputFormat?: 'jsonl' | 'csv' | 'json';
  /** Only the first so many rows. */
  readonly limit?: number;
  /** Only this share of the rows, from above 0 to below 1, chosen by `seed`. */
  readonly sample?: number;
  /** The rows in an order that is drawn by `seed`; with `limit` a random sample. */
  readonly shuffle?: boolean;
  /** What `sample` and `shuffle` draw by: 1 unless given. */
  readonly seed?: number;
  /** Columns are cut to so many characters before `prompt` and `system` are filled in. */
  readonly truncate?: Readonly<Record<string, number>>;
  /** Rules that choose model, max_tokens, priority and lane of a row: the object of a `--routes` file. */
  readonly routes?: Readonly<Record<string, unknown>>;
  /** Prompt caching of what rows begin with: `auto` only where it pays, `5m` and `1h` for so long. */
  readonly cache?: 'auto' | '5m' | '1h' | 'off';
  /** A row that cannot be sent refuses the whole run, or is left out and counted: `fail` unless given. */
  readonly onInvalid?: 'fail' | 'skip';
  /** Takes out params that the model does not know, instead of refusing the row. */
  readonly dropUnsupported?: boolean;
  /** False: neither the API nor what is known of models is asked before rows are sent. */
  readonly preflight?: boolean;
  /** A label, and the scope of "submitted before": the same rows under another name are another run. */
  readonly name?: string;
  /** A new run, and a new bill, although the same rows were submitted before. */
  readonly again?: boolean;
  /** False: the run is kept, and nothing is sent before `wait`, `events` or `start` is called. */
  readonly start?: boolean;
  /** A file for the results, written when the run is done; `{run}` and `{date}` are filled in. Without one there is none. */
  readonly output?: string;
  /** Of that file: `csv` where its name ends so, else `jsonl`. */
  readonly format?: 'jsonl' | 'flat' | 'csv';
  /** A file for rows that did not succeed, with their requests. */
  readonly errors?: string;
  /** May files of somebody else be written over? */
  readonly overwrite?: boolean;
  /** False: formulas of spreadsheets are left as they are in CSV. */
  readonly defuseFormulas?: boolean;
  /** Rows of one batch: 10,000 unless given. */
  readonly chunkRows?: number;
  readonly chunkBytes?: number;
  /** Tries of one row, in both lanes: 4 unless given. */
  readonly maxAttempts?: number;
  /** Where rows are tried again: `auto` unless given. */
  readonly retryLane?: 'auto' | 'batch' | 'realtime' | 'none';
  /** Rows that are the same are asked once. */
  readonly dedupe?: boolean;
  /** Answers of earlier runs of this state are taken where a row is the same. */
  readonly reuse?: boolean;
  /** Stops the reading; nothing is left behind. */
  readonly signal?: AbortSignal;
  /** Told while rows are read, at most once for each megabyte. What it throws ends no work. */
  readonly onProgress?: (progress: ReadingProgress) => void;
}

/** How far the reading of an input is. */
export interface ReadingProgress {
  readonly rows: number;
  readonly readBytes: number;
  /** Null where the input does not say how large it is. */
  readonly totalBytes: number | null;
}
