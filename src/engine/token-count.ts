/**
 * Counts the input tokens of some rows by the API's own count (count_tokens): free, and it checks their shape. A few calls
 * at a time, no earlier than a `retry-after` says, and within a bounded time, whatever the API does.
 *
 * It knows nothing of runs: rows come in, one after the other, and pairs of bytes and tokens come out. A row is in memory
 * only while it is counted.
 */
import type { Clock } from '../base/clock.ts';
import type { Rng } from '../base/random.ts';
import { backoffMs, routeRealtime, type ApiFailure } from '../domain/failure-router.ts';
import { REALTIME_BYTES_MAX } from '../domain/limits.ts';
import type { BatchApi } from '../domain/ports.ts';
import type { SampledRow } from './row-sample.ts';
import { apiFailureOrThrow } from './session.ts';

export interface CountPorts {
  readonly api: Pick<BatchApi, 'countTokens'>;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly signal: AbortSignal;
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

/** Why not all rows were asked about. */
export type CountStop =
  | { readonly kind: 'time' }
  /** Somebody wants to stop. */
  | { readonly kind: 'aborted' }
  /** The API cannot be reached, is in trouble, or refuses the key: nothing about the rows. */
  | { readonly kind: 'failed'; readonly failure: ApiFailure };

/** In the order of the input. */
export interface SampleCount {
  readonly counted: readonly CountedRow[];
  /** Rows that the API refuses for what they are. */
  readonly refused: readonly RefusedRow[];
  /** Rows that count_tokens does not take for their size: larger than one Messages request. */
  readonly tooLarge: number;
  readonly stopped: CountStop | null;
}

/** The limit is 5,000 calls a minute and more (facts, section 2): a few at a time stay far below it. */
export const COUNTS_AT_ONCE = 4;
/** A hundred counts take a few seconds. Whoever submits shall not wait longer than this for an API in trouble. */
export const COUNT_MS_MAX = 20_000;
/** Tries of one row before the API counts as in trouble; an API that is not there is not asked as often. */
const TRIES_MAX = 3;
const UNREACHED_TRIES_MAX = 2;

export async function countSample(
  ports: CountPorts,
  rows: Iterable<SampledRow> | AsyncIterable<SampledRow>,
  { atOnce = COUNTS_AT_ONCE, maxMs = COUNT_MS_MAX }: CountOptions = {},
): Promise<SampleCount> {
  const count = new Counting(ports, maxMs);
  const waiting = Symbol.asyncIterator in rows ? rows[Symbol.asyncIterator]() : rows[Symbol.iterator]();
  const lane = async (): Promise<void> => {
    while (!count.isOver()) {
      const next = await waiting.next();
      if (next.done === true) return;
      await count.one(next.value);
    }
  };
  try {
    const lanes = Array.from({ length: atOnce }, lane);
    // All of them are waited for: no call may be under way when this is over.
    for (const end of await Promise.allSettled(lanes)) if (end.status === 'rejected') throw end.reason;
  } finally {
    count.end();
    await waiting.return?.(undefined);
  }
  return count.result();
}

class Counting {
  readonly #ports: CountPorts;
  readonly #counted: CountedRow[] = [];
  readonly #refused: RefusedRow[] = [];
  readonly #over = new AbortController();
  readonly #untilMs: number;
  #tooLarge = 0;
  #stopped: CountStop | null = null;
  /** A 429 is about all rows: none is asked about before this time. */
  #notBeforeMs = 0;

  constructor(ports: CountPorts, maxMs: number) {
    this.#ports = ports;
    const { clock, signal } = ports;
    this.#untilMs = clock.monotonicMs() + maxMs;
    const stop = AbortSignal.any([signal, this.#over.signal]);
    // It never rejects; what comes of it is looked at by whoever asks next.
    void clock.sleep(maxMs, stop).then(() => {
      if (signal.aborted) this.#stop({ kind: 'aborted' });
      else if (!stop.aborted) this.#stop({ kind: 'time' });
    });
  }

  isOver(): boolean {
    return this.#over.signal.aborted || this.#ports.signal.aborted;
  }

  /** Counts one row, or finds out that it is refused, or that nothing more can be asked. */
  async one({ paramsJson, ...row }: SampledRow): Promise<void> {
    if (row.bytes > REALTIME_BYTES_MAX) {
      this.#tooLarge++;
      return;
    }
    const { api, clock, rng, signal } = this.#ports;
    const call = { paramsJson, betas: row.betas, signal: AbortSignal.any([signal, this.#over.signal]) };
    for (let tries = 1; !this.isOver(); tries++) {
      await clock.sleep(this.#notBeforeMs - clock.monotonicMs(), call.signal);
      if (this.isOver()) return;
      try {
        this.#counted.push({ ...row, tokens: await api.countTokens(call) });
        return;
      } catch (error) {
        const failure = apiFailureOrThrow(error);
        if (this.isOver()) return;
        const verdict = routeRealtime(failure, tries, TRIES_MAX);
        if (verdict.kind === 'failed' && isAboutTheRow(failure)) {
          this.#refused.push({ ...row, failure });
          return;
        }
        const triesMax = failure.status === null ? UNREACHED_TRIES_MAX : TRIES_MAX;
        const waitMs = Math.max(failure.retryAfterMs ?? 0, backoffMs(tries, rng));
        const untilMs = clock.monotonicMs() + waitMs;
        if (verdict.kind !== 'retry' || tries >= triesMax || untilMs >= this.#untilMs) {
          this.#stop({ kind: 'failed', failure });
          return;
        }
        this.#notBeforeMs = Math.max(this.#notBeforeMs, untilMs);
      }
    }
  }

  /** Ends the wait for the end of the time. */
  end(): void {
    if (this.#ports.signal.aborted) this.#stop({ kind: 'aborted' });
    this.#over.abort();
  }

  result(): SampleCount {
    const bySeq = (one: SampleMark, other: SampleMark): number => one.seq - other.seq;
    return {
      counted: this.#counted.sort(bySeq),
      refused: this.#refused.sort(bySeq),
      tooLarge: this.#tooLarge,
      stopped: this.#stopped,
    };
  }

  #stop(why: CountStop): void {
    if (this.#over.signal.aborted) return;
    this.#stopped ??= why;
    this.#over.abort();
  }
}

/** Refusals of what was sent. Any other error of the API may be gone at the next try. */
const ROW_STATUSES: ReadonlySet<number> = new Set([400, 404, 413, 422]);

/** In the API's own shape: a proxy's "not found" says nothing about a row. */
function isAboutTheRow({ status, type, unreadable }: ApiFailure): boolean {
  return !unreadable && type !== null && status !== null && ROW_STATUSES.has(status);
}
