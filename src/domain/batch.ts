/**
 * A Message Batch as the API describes it, and as this state keeps it.
 */

export type ProcessingStatus = 'in_progress' | 'canceling' | 'ended';

export interface RequestCounts {
  readonly processing: number;
  readonly succeeded: number;
  readonly errored: number;
  readonly canceled: number;
  readonly expired: number;
}

/** A Message Batch as the API describes it. */
export interface BatchInfo {
  readonly id: string;
  readonly status: ProcessingStatus;
  readonly counts: RequestCounts;
  readonly createdAtMs: number;
  readonly expiresAtMs: number;
  readonly endedAtMs: number | null;
  readonly archivedAtMs: number | null;
  readonly resultsUrl: string | null;
}

/** A batch that this state knows: one of ours, or one that was read and found to be somebody else's. */
export interface BatchRecord extends BatchInfo {
  readonly workspace: string;
  readonly runId: string | null;
  readonly chunkNo: number | null;
  readonly attemptId: number | null;
  /** Its id came from our own create answer, or its results carry our wire ids. Others are never canceled by us. */
  readonly proven: boolean;
  /** Since when the API has answered 404 for it; null while it is seen. */
  readonly missingSinceMs: number | null;
}

/** Sum of the five counts. */
export function requestCount(counts: RequestCounts): number {
  return counts.processing + counts.succeeded + counts.errored + counts.canceled + counts.expired;
}
