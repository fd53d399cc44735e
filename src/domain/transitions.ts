/**
 * The state machines: one table each, and the one function that says whether a move is legal.
 *
 * The store is the only writer; it asks `assertMove` before every change and writes it as a compare-and-set, so
 * that a state pair which is not in these tables can never reach the disk (test/unit/domain/transitions.test.ts).
 */
import { BatchrunError } from '../base/errors.ts';
import type { AttemptState, ChunkState, RowState, RunState } from './model.ts';

export const RUN_MOVES: Readonly<Record<RunState, readonly RunState[]>> = {
  ingesting: ['ready'],
  ready: ['active', 'canceling'],
  active: ['done', 'canceling'],
  canceling: ['done'],
  // Only by `batchrun retry`.
  done: ['active'],
};

export const CHUNK_MOVES: Readonly<Record<ChunkState, readonly ChunkState[]>> = {
  // To collected where its answers are those of other rows (engine/copies/copy-answers.ts).
  sealed: ['submitting', 'split', 'canceled', 'collected'],
  submitting: ['submitted', 'sealed', 'uncertain', 'split', 'refused'],
  // Lost only by a person who gives its rows up (`batchrun resolve --lost`).
  uncertain: ['submitted', 'sealed', 'canceled', 'lost'],
  // Back to uncertain only when the batch is disproved: its results are not ours.
  submitted: ['ended', 'uncertain', 'lost'],
  ended: ['collected', 'uncertain', 'lost'],
  collected: [],
  split: [],
  refused: [],
  canceled: [],
  lost: [],
};

export const ROW_MOVES: Readonly<Record<RowState, readonly RowState[]>> = {
  // To retry where its chunk goes row by row, into the realtime lane; to succeeded with an answer that was cut off, and to
  // failed with one that does not follow the schema, where the run is canceled before a better one could come; to any end
  // where it is that of the row that asks the same.
  waiting: ['in_batch', 'canceled', 'retry', 'succeeded', 'failed', 'expired'],
  in_batch: ['waiting', 'succeeded', 'failed', 'expired', 'canceled', 'retry'],
  // To succeeded in the same case.
  retry: ['waiting', 'in_realtime', 'failed', 'expired', 'canceled', 'succeeded'],
  in_realtime: ['succeeded', 'failed', 'retry'],
  succeeded: [],
  // Only by `batchrun retry`.
  failed: ['retry'],
  expired: ['retry'],
  canceled: ['retry'],
  invalid: [],
};

export const ATTEMPT_MOVES: Readonly<Record<AttemptState, readonly AttemptState[]>> = {
  open: ['created', 'not_created', 'uncertain'],
  uncertain: ['created', 'not_created'],
  // Back to uncertain only when the batch is disproved.
  created: ['uncertain'],
  // A batch that turns up late, after the attempt was judged "not made".
  not_created: ['created'],
};

interface Machines {
  readonly run: RunState;
  readonly chunk: ChunkState;
  readonly row: RowState;
  readonly attempt: AttemptState;
}

const TABLES: { readonly [M in keyof Machines]: Readonly<Record<Machines[M], readonly Machines[M][]>> } = {
  run: RUN_MOVES,
  chunk: CHUNK_MOVES,
  row: ROW_MOVES,
  attempt: ATTEMPT_MOVES,
};

/** May this machine move so? */
export function isMove<M extends keyof Machines>(machine: M, from: Machines[M], to: Machines[M]): boolean {
  return TABLES[machine][from].includes(to);
}

/** Throws E_BUG when the move is not in the table. */
export function assertMove<M extends keyof Machines>(machine: M, from: Machines[M], to: Machines[M]): void {
  if (!isMove(machine, from, to)) {
    throw new BatchrunError('E_BUG', `this must not happen: a ${machine} cannot go from ${from} to ${to}`);
  }
}

/** Where the rows of a chunk are while the chunk is in this state; null where each row has an outcome of its own. */
export function rowStateOfChunk(state: ChunkState): 'waiting' | 'in_batch' | null {
  switch (state) {
    case 'sealed':
      return 'waiting';
    case 'submitting':
    case 'uncertain':
    case 'submitted':
    case 'ended':
      return 'in_batch';
    default:
      return null;
  }
}

/** Chunks in these states still have something ahead of them. */
export const OPEN_CHUNK_STATES: readonly ChunkState[] = ['sealed', 'submitting', 'uncertain', 'submitted', 'ended'];

/** Rows in these states still have something ahead of them. */
export const OPEN_ROW_STATES: readonly RowState[] = ['waiting', 'in_batch', 'retry', 'in_realtime'];

/** What `batchrun retry` sends again. */
export const RETRYABLE_ROW_STATES = ['failed', 'expired', 'canceled'] as const;
