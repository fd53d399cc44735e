/**
 * What every step of the engine is given: the doors to the outside world, and a way to tell what happens. Nothing in
 * the engine reaches for anything else.
 */
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import type { Rng } from '../base/random.ts';
import type { SchemaCompiler } from '../domain/answer-check.ts';
import type { BackoffBounds, BlockedVerdict } from '../domain/failure-router.ts';
import type { Formats } from '../domain/output-record.ts';
import type { AdminLimits } from '../domain/pacing/admin-limits.ts';
import type { Caps } from '../domain/pacing/known-limits.ts';
import type { Limiter } from '../domain/pacing/limiter.ts';
import type { BatchApi, Files, FileWriter, Locks } from '../domain/ports.ts';
import type { Store } from '../domain/store.ts';
import type { EngineEvent } from './events.ts';
import type { Prover } from './collect/result-proof.ts';

export interface Engine {
  readonly store: Store;
  readonly files: Files;
  readonly locks: Locks;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly log: Logger;
  readonly formats: Formats;
  /** For runs whose answers must follow a schema. */
  readonly schemas: SchemaCompiler;
  /** Where an output goes: a file by its absolute path, or stdout for `-`. It counts only when it is committed. */
  readonly openOutput: (path: string) => Promise<FileWriter>;
  readonly emit: (event: EngineEvent) => void;
  /** Aborted by Ctrl-C and by --max-wait: finish the transaction in hand and come back. */
  readonly signal: AbortSignal;
  /** Another thread that proves results, for when there are many. */
  readonly prover?: Prover;
}

/** One key of a pool, and what the API says of it. */
export interface KeyLink {
  readonly api: BatchApi;
  /** Keys of one organization share its limits. Null where the API does not tell it. */
  readonly organization: string | null;
  /** Its workspace as the API names it: two keys of one see each other's batches. Null where it does not tell. */
  readonly reported: string | null;
  /** The masked key, for people. */
  readonly label: string;
  /** The API has refused it before anything was done with it. */
  readonly refused?: BlockedVerdict;
}

/** The engine with an API to talk to. */
export interface ApiEngine extends Engine {
  /** The first key: the one whose base URL all share. */
  readonly api: BatchApi;
  /** All keys, the first one among them; absent where there is only that. Who may do what is in key-book.ts. */
  readonly keys?: readonly KeyLink[];
  readonly pacing: Pacing;
  /** Buckets shared with other processes; without, this process keeps its own. */
  readonly limiter?: Limiter;
  /** The limits of the account, where an admin key told them. */
  readonly admin?: AdminLimits;
}

/** The user's choices about speed and patience. */
export interface Pacing {
  /** Batches of this origin that may be open at once. */
  readonly maxBatches: number;
  /** Realtime calls under way at once. */
  readonly concurrency: number;
  readonly pollIntervalMs: number;
  /** How often the ledger is looked at for what other processes did; 5 s unless said. */
  readonly idleLookMs?: number;
  readonly reconcileGraceMs: number;
  /** How long an API that cannot be reached is retried before the command ends with exit 4. */
  readonly giveUpMs: number;
  /** Waits of our own before a call is made again; 1 s to 1 min unless said. */
  readonly backoff?: BackoffBounds;
  /** Limits that the user sets below those of the account. */
  readonly caps?: Caps;
  /** The share of each limit that is left to other users of the account, from 0 to 1. */
  readonly headroom?: number;
  /** Requests in batches that are not processed yet, over all programs. */
  readonly maxQueued?: number;
  /** Calls of the batch endpoints a minute. */
  readonly batchRpm?: number;
}
