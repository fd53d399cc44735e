/**
 * Can all rows be done by a deadline, and by which lanes? As many as possible by batches, at half the price; the rest by
 * realtime calls. Told twice: for batches as they usually are, and for batches that are slow.
 */
import { batchRowsWithin, realtimeRowsWithin, type BatchLane } from './lane-time.ts';

export interface SplitQuestion {
  readonly withinMs: number;
  readonly batch: BatchLane;
  readonly rowsPerMinute: number;
  readonly latencyMs: number;
}

export interface Split {
  readonly batchRows: number;
  readonly realtimeRows: number;
  /** Are the realtime rows done in time, too? */
  readonly feasible: boolean;
  /** Rows that would be late. */
  readonly lateRows: number;
}

/** `batchMs`: how long a batch is taken to take. */
export function splitFor({ withinMs, batch, rowsPerMinute, latencyMs }: SplitQuestion, batchMs: number): Split {
  const batchRows = batchRowsWithin(batch, withinMs, batchMs);
  const rest = batch.rows - batchRows;
  const lateRows = Math.max(0, rest - realtimeRowsWithin({ rowsPerMinute }, withinMs, latencyMs));
  return { batchRows, realtimeRows: rest, feasible: lateRows === 0, lateRows };
}

export type DeadlineVerdict = 'sure' | 'likely' | 'no';

export interface DeadlineAnswer {
  /** All rows in batches. */
  readonly batch: DeadlineVerdict;
  /** All rows as realtime calls. */
  readonly realtime: DeadlineVerdict;
  /** The cheapest that is expected to make it; null where nothing does. */
  readonly split: Split | null;
  /** The same if batches are slow; null where nothing makes it then. */
  readonly sureSplit: Split | null;
  /** What the best split cannot do in time, where nothing makes it. */
  readonly lateRows: number;
}

export function answerDeadline(question: SplitQuestion): DeadlineAnswer {
  const { batch, withinMs } = question;
  const expected = splitFor(question, batch.batchMs.expected);
  const sure = splitFor(question, batch.batchMs.high);
  const isAll = (split: Split): boolean => split.realtimeRows === 0 && split.feasible;
  const realtimeRows = realtimeRowsWithin(question, withinMs, question.latencyMs);
  return {
    batch: isAll(sure) ? 'sure' : isAll(expected) ? 'likely' : 'no',
    realtime: realtimeRows >= batch.rows ? 'likely' : 'no',
    split: expected.feasible ? expected : null,
    sureSplit: sure.feasible ? sure : null,
    lateRows: expected.lateRows,
  };
}
