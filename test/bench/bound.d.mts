/** Types of bound.mjs, for its test. */

export interface BoundBatch {
  readonly rows: number;
  readonly durationMs: number;
}

export interface BoundQueue {
  readonly queueMax: number;
  readonly counts: 'until_batch_ends' | 'until_row_done';
}

export function boundMs(batches: readonly BoundBatch[], queue: BoundQueue): number;
export function inTurnMs(batches: readonly BoundBatch[], queue: BoundQueue): number;
