/**
 * The doors of the engine: what it needs from the outside world, in its own words. Adapters stand behind them
 * (SQLite, a folder, the SDK); the tests put others there. Everything is asynchronous and speaks in whole domain
 * steps, one transaction each, so that PostgreSQL or object storage can stand beside SQLite and a folder.
 */
import type { BatchInfo } from './model.ts';
import type { RateSeen } from './pacing/rate-seen.ts';

/** A file that is being written under a temporary name. It exists for others only after `commit`. */
export interface FileWriter {
  /** Bytes written so far. */
  readonly bytes: number;
  write(data: Uint8Array): Promise<void>;
  /**
   * fsync, rename to its name, fsync of the folder. After this it survives a power cut. `permit` is asked between the
   * first two: where it throws, the name is not taken.
   */
  commit(permit?: () => Promise<void>): Promise<void>;
  /** Throws it away. Safe after a failed write or commit. */
  abort(): Promise<void>;
}

/** A log that only grows. What lies beyond its committed length is cut when it is opened. */
export interface AppendLog {
  /** Bytes in the log, synced or not. */
  readonly bytes: number;
  append(data: Uint8Array): Promise<void>;
  sync(): Promise<void>;
  close(): Promise<void>;
}

export interface FileReader {
  readonly bytes: number;
  /**
   * Exactly `length` bytes from `offset`; E_STATE_CORRUPT when the file is shorter. They may be read into `memory`, which
   * is as large as they are or larger.
   */
  read(offset: number, length: number, memory?: Buffer): Promise<Buffer>;
  close(): Promise<void>;
}

/** Files below a root folder, by path with `/`; an absolute path names itself. */
export interface Files {
  create(path: string): Promise<FileWriter>;
  openAppend(path: string, committedBytes: number): Promise<AppendLog>;
  open(path: string): Promise<FileReader>;
  /**
   * The bytes [start, end) in pieces. With `reuse` a piece is good only until the next but one is asked for: then its
   * memory may be used again.
   */
  stream(path: string, start?: number, end?: number, reuse?: boolean): AsyncIterable<Buffer>;
  /** Size in bytes, or null where there is no such file. */
  size(path: string): Promise<number | null>;
  /** Names of the entries of a folder; none where there is no such folder. */
  list(path: string): Promise<readonly string[]>;
  /** Removes a file; nothing to do where there is none. */
  remove(path: string): Promise<void>;
  /** Removes a folder and all in it; nothing to do where there is none. */
  removeFolder(path: string): Promise<void>;
  /** Bytes of all files below a folder. */
  folderBytes(path: string): Promise<number>;
  /** The path as a person can open it. */
  locate(path: string): string;
}

/** A lock that the system frees when its holder dies. */
export interface Lock {
  release(): Promise<void>;
}

export interface Locks {
  /** The lock, or null where another living process holds it. `path` is below the state folder. */
  tryAcquire(path: string): Promise<Lock | null>;
}

/** One create: the body without its tail, and what must be durable before the tail goes out. */
export interface BatchUpload {
  readonly bodyPath: string;
  readonly bytes: number;
  /** Of the body as it was sealed. A file that has changed since breaks the request off before its tail. */
  readonly sha256: string;
  readonly betas: readonly string[];
  /** Awaited before the last bytes of the body are sent. If it fails, the request is broken off. */
  readonly beforeTail: () => Promise<void>;
  readonly signal: AbortSignal;
}

export interface BatchPage {
  readonly batches: readonly BatchInfo[];
  readonly hasMore: boolean;
  readonly lastId: string | null;
  /** What the API asks to wait before the next look, or null. */
  readonly retryAfterMs: number | null;
  /** The API's clock when it answered (the `date` header, whole seconds), or null where it does not say. */
  readonly serverTimeMs: number | null;
}

export interface MessageCall {
  /** The params as JSON text. */
  readonly paramsJson: string;
  readonly betas: readonly string[];
  /** Larger answers than a plain call can carry are streamed and put together. */
  readonly stream: boolean;
  readonly signal: AbortSignal;
  /** Called once, when the headers of a 2xx answer are there; a refusal has them in its `ApiFailure`. Must not throw. */
  readonly onRates?: (seen: RateSeen) => void;
}

/** Who is behind the key, as the API says; null where it does not. */
export interface KeyOwner {
  readonly organization: string | null;
  readonly workspace: string | null;
}

/** What the API says of a model; null where it does not say. */
export interface ModelInfo {
  readonly id: string;
  readonly lifecycle: 'active' | 'deprecated' | 'retired' | null;
  readonly deprecatedAtMs: number | null;
  readonly retiresAtMs: number | null;
  readonly contextTokens: number | null;
  /** Output tokens of one answer at most. */
  readonly maxTokens: number | null;
  readonly batchSupported: boolean | null;
  /** Which of the further capabilities it has, by their path: `structured_outputs`, `thinking.types.enabled`. */
  readonly capabilities: Readonly<Record<string, boolean>>;
}

export interface CountCall {
  /** The params of a row as JSON text. What count_tokens does not take of them is left out. */
  readonly paramsJson: string;
  readonly betas: readonly string[];
  readonly signal: AbortSignal;
}

/**
 * The API, for one key and base URL. Refusals and broken connections are BatchrunErrors with code E_API whose
 * `details.failure` is an `ApiFailure` (failure-router.ts). Nothing here retries: the engine decides.
 */
export interface BatchApi {
  /** The base URL without a slash at its end, its path included: runs belong to it. */
  readonly origin: string;
  /** Where its batches live: the workspace header, or a fingerprint of organization and key. */
  readonly workspace: string;
  createBatch(upload: BatchUpload): Promise<BatchInfo>;
  listBatches(options: { afterId: string | null; limit: number; signal: AbortSignal }): Promise<BatchPage>;
  retrieveBatch(id: string, signal: AbortSignal): Promise<BatchInfo & { readonly retryAfterMs: number | null }>;
  cancelBatch(id: string, signal: AbortSignal): Promise<BatchInfo>;
  deleteBatch(id: string, signal: AbortSignal): Promise<void>;
  /** The result file as it comes. Ends early without an error when the server says so: count the lines. */
  streamResults(batch: BatchInfo, signal: AbortSignal): AsyncIterable<Buffer>;
  /** The answer as JSON text. */
  createMessage(call: MessageCall): Promise<string>;
  /** Input tokens of a request as the API counts them: free, and checks its shape. */
  countTokens(call: CountCall): Promise<number>;
  /** Null where there is no such model. */
  retrieveModel(id: string, signal: AbortSignal): Promise<ModelInfo | null>;
  /** The server's clock from the `date` header of a cheap call, in ms; null where it sends none. */
  serverTimeMs(signal: AbortSignal): Promise<number | null>;
  /** Whose limits the key draws on, by a cheap call. */
  identify(signal: AbortSignal): Promise<KeyOwner>;
}
