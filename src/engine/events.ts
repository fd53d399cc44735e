/**
 * What the engine tells while it works. The command line turns these into a bar, lines or nothing; nothing in the
 * engine depends on anyone listening.
 */

export type EngineEvent =
  | {
      readonly kind: 'ingest.progress';
      readonly rows: number;
      readonly readBytes: number;
      readonly totalBytes: number | null;
    }
  | {
      readonly kind: 'upload.started';
      readonly runId: string;
      readonly chunkNo: number;
      readonly rows: number;
      readonly bytes: number;
    }
  | {
      readonly kind: 'upload.done';
      readonly runId: string;
      readonly chunkNo: number;
      readonly batchId: string;
      readonly rows: number;
    }
  | {
      readonly kind: 'upload.waits';
      readonly runId: string;
      readonly chunkNo: number;
      readonly waitMs: number;
      readonly cause: string;
    }
  | { readonly kind: 'upload.uncertain'; readonly runId: string; readonly chunkNo: number; readonly cause: string }
  | { readonly kind: 'chunk.split'; readonly runId: string; readonly chunkNo: number; readonly cause: string }
  | { readonly kind: 'reconcile.found'; readonly runId: string; readonly chunkNo: number; readonly batchId: string }
  | { readonly kind: 'reconcile.not_made'; readonly runId: string; readonly chunkNo: number }
  | {
      readonly kind: 'batch.ended';
      readonly runId: string;
      readonly chunkNo: number;
      readonly batchId: string;
      readonly tookMs: number | null;
    }
  | { readonly kind: 'chunk.lost'; readonly runId: string; readonly chunkNo: number; readonly rows: number }
  | { readonly kind: 'batch.disproved'; readonly runId: string; readonly chunkNo: number; readonly batchId: string }
  /** Its rows are called instead of being uploaded. */
  | { readonly kind: 'chunk.released'; readonly runId: string; readonly chunkNo: number; readonly rows: number }
  /** So many rows at most were called first, and none was refused: the rest may go. */
  | { readonly kind: 'pilot.passed'; readonly runId: string; readonly rows: number }
  /** It is stopped so that its rows make the deadline in the realtime lane. */
  | {
      readonly kind: 'batch.hurried';
      readonly runId: string;
      readonly chunkNo: number;
      readonly batchId: string;
      readonly rows: number;
    }
  | {
      readonly kind: 'deadline.late';
      readonly runId: string;
      readonly deadlineMs: number;
      /** 0 where it was said before that rows would be late, and now all of them make it. */
      readonly lateRows: number;
      /** The deadline is over. */
      readonly missed: boolean;
      readonly doneAtMs: number;
      readonly rowsPerMinute: number;
    }
  | { readonly kind: 'batch.canceled'; readonly runId: string; readonly batchId: string }
  | {
      readonly kind: 'collect.progress';
      readonly runId: string;
      readonly chunkNo: number;
      readonly lines: number;
      readonly rows: number;
    }
  | {
      readonly kind: 'collect.refetch';
      readonly runId: string;
      readonly chunkNo: number;
      readonly cause: string;
      readonly waitMs: number;
    }
  | {
      readonly kind: 'chunk.collected';
      readonly runId: string;
      readonly chunkNo: number;
      readonly succeeded: number;
      readonly rest: number;
    }
  | {
      readonly kind: 'retry.scheduled';
      readonly runId: string;
      readonly seq: number;
      readonly attempt: number;
      readonly maxAttempts: number;
      readonly waitMs: number;
      readonly cause: string;
    }
  | { readonly kind: 'retry.chunk'; readonly runId: string; readonly chunkNo: number; readonly rows: number }
  | { readonly kind: 'rows.settled'; readonly runId: string; readonly succeeded: number; readonly rest: number }
  /** A call has been answered, or has failed. Tokens only where it is a message. */
  | {
      readonly kind: 'call.ended';
      readonly pool: string;
      /** As people see it, masked. */
      readonly key: string;
      readonly inputTokens: number;
      readonly outputTokens: number;
      /** With a 429. */
      readonly refused: boolean;
      /** It failed in passing and is made again. */
      readonly retried: boolean;
    }
  /** What rows share is in the prompt cache now; written and read nothing: it is too short to be kept. */
  | {
      readonly kind: 'cache.warm';
      readonly runId: string;
      readonly model: string;
      readonly ttl: '5m' | '1h';
      readonly writtenTokens: number;
      readonly readTokens: number;
    }
  /** It could not be brought there: the batch of this chunk goes without. */
  | {
      readonly kind: 'cache.cold';
      readonly runId: string;
      readonly chunkNo: number;
      readonly model: string;
      readonly cause: string;
    }
  /** No key has room for the next call before that time: whose limit it is, and which bucket is empty. */
  | { readonly kind: 'lane.limited'; readonly untilMs: number; readonly pool: string; readonly bucket: string }
  | { readonly kind: 'lane.paused'; readonly untilMs: number; readonly cause: string }
  /** Calls have got no answer for a while, or got none when the driving ended. */
  | { readonly kind: 'api.unreachable'; readonly sinceMs: number; readonly cause: string }
  /** Calls of one kind have been answered with errors of the API alone (5xx) for a while, or when the driving ended. */
  | { readonly kind: 'api.errors'; readonly sinceMs: number; readonly cause: string }
  /** The end of both. */
  | { readonly kind: 'api.answers' }
  | {
      readonly kind: 'blocked';
      readonly runId: string;
      readonly reason: string;
      readonly message: string;
      readonly hint: string;
    }
  /** A key of a pool is used no more by this process; the others go on. */
  | {
      readonly kind: 'key.aside';
      /** The masked key. */
      readonly key: string;
      readonly reason: string;
      readonly message: string;
      readonly hint: string;
    }
  | { readonly kind: 'output.progress'; readonly runId: string; readonly lines: number; readonly rows: number }
  | { readonly kind: 'output.written'; readonly runId: string; readonly path: string; readonly lines: number }
  | { readonly kind: 'run.done'; readonly runId: string }
  | { readonly kind: 'waiting'; readonly untilMs: number }
  | { readonly kind: 'changed' };
