/**
 * Counts the input tokens of some rows by the API's own count (count_tokens): free, and it checks their shape. A few calls
 * at a time, and within a bounded time, whatever the API does.
 *
 * It knows nothing of runs: rows come in, one after the other, and pairs of bytes and tokens come out. A row is in memory
 * only while it is counted.
 */
import type { ApiFailure } from '../../domain/failure-router.ts';
import { REALTIME_BYTES_MAX } from '../../domain/limits.ts';
import type { BatchApi } from '../../domain/ports.ts';
import { Asking, type AskPorts, type AskStop } from './asking.ts';
import type { SampledRow } from './row-sample.ts';

export interface CountPorts extends AskPorts {
  readonly api: Pick<BatchApi, 'countTokens'>;
}

export interface CountOptions {
  /** Calls under way at once; COUNTS_AT_ONCE unless said. */
  readonly atOnce?: number;
  /** Then it ends with what it has; COUNT_MS_MAX unless said. */
  readonly maxMs?: number;
}

/** A row of the sample without its text. */
export type SampleMark = Omit<SampledRow, 'paramsJson'>;

export interface CountedRow extends SampleMark {
  readonly tokens: number;
}

export interface RefusedRow extends SampleMark {
  readonly failure: ApiFailure;
}

/** In the order of the input. */
export interface SampleCount {
  readonly counted: readonly CountedRow[];
  /** Rows that the API refuses for what they are. */
  readonly refused: readonly RefusedRow[];
  /** Rows that count_tokens does not take for their size: larger than one Messages request. */
  readonly tooLarge: number;
  /** Why not all rows were asked about; null where all were. */
  readonly stopped: AskStop | null;
}

/** The limit is 5,000 calls a minute and more (facts, section 2): so many of 200 ms each are half of it. */
const COUNTS_AT_ONCE = 8;
/** Rows from this size on go one after the other: one fills the line, and memory holds a few times its size. */
const ALONE_BYTES_MIN = 1_000_000;
/** A hundred counts take a few seconds. Whoever submits shall not wait longer than this for an API in trouble. */
export const COUNT_MS_MAX = 20_000;

export async function countSample(
  ports: CountPorts,
  rows: Iterable<SampledRow> | AsyncIterable<SampledRow>,
  { atOnce = COUNTS_AT_ONCE, maxMs = COUNT_MS_MAX }: CountOptions = {},
): Promise<SampleCount> {
  const asking = new Asking(ports, maxMs);
  try {
    return await countWith(asking, ports.api, rows, atOnce);
  } finally {
    asking.end();
  }
}

/** The same as a part of what is asked in a bounded time. */
export async function countWith(
  asking: Asking,
  api: CountPorts['api'],
  rows: Iterable<SampledRow> | AsyncIterable<SampledRow>,
  atOnce = COUNTS_AT_ONCE,
): Promise<SampleCount> {
  const counted: CountedRow[] = [];
  const refused: RefusedRow[] = [];
  let tooLarge = 0;
  const waiting = Symbol.asyncIterator in rows ? rows[Symbol.asyncIterator]() : rows[Symbol.iterator]();
  const count = async ({ paramsJson, ...row }: SampledRow): Promise<void> => {
    if (row.bytes > REALTIME_BYTES_MAX) {
      tooLarge++;
      return;
    }
    const asked = await asking.ask((signal) => api.countTokens({ paramsJson, betas: row.betas, signal }));
    if (asked.kind === 'answered') counted.push({ ...row, tokens: asked.value });
    else if (asked.kind === 'refused') refused.push({ ...row, failure: asked.failure });
    else if (asked.kind === 'absent') asking.stop({ kind: 'failed', failure: asked.failure });
  };
  /** The next row; none where it was large and has been counted: until then nobody takes another one. */
  const take = async (): Promise<{ readonly row: SampledRow | null } | null> => {
    const next = asking.isOver() ? null : await waiting.next();
    if (next === null || next.done === true) return null;
    if (next.value.bytes < ALONE_BYTES_MIN) return { row: next.value };
    await count(next.value);
    return { row: null };
  };
  let turn: Promise<unknown> = Promise.resolve();
  const lane = async (): Promise<void> => {
    for (;;) {
      const mine = turn.then(take);
      turn = mine;
      const taken = await mine;
      if (!taken) return;
      if (taken.row) await count(taken.row);
    }
  };
  try {
    // All of them are waited for: no call may be under way when this is over.
    const lanes = Array.from({ length: atOnce }, lane);
    for (const end of await Promise.allSettled(lanes)) if (end.status === 'rejected') throw end.reason;
  } finally {
    await waiting.return?.(undefined);
  }
  const bySeq = (one: SampleMark, other: SampleMark): number => one.seq - other.seq;
  return { counted: counted.sort(bySeq), refused: refused.sort(bySeq), tooLarge, stopped: stopOf(asking) };
}

/** The signal may be ahead of the reason. */
function stopOf(asking: Asking): AskStop | null {
  return asking.stopped ?? (asking.isOver() ? { kind: 'aborted' } : null);
}
