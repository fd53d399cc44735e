/**
 * Questions to the API whose answers nothing depends on: a few tries each, no earlier than a `retry-after` says, all of
 * them within one bounded time. Whatever the API does, whoever asks goes on.
 */
import type { Clock } from '../../base/clock.ts';
import type { Rng } from '../../base/random.ts';
import { backoffMs, routeRealtime, type ApiFailure } from '../../domain/failure-router.ts';
import { apiFailureOrThrow } from '../session.ts';

export interface AskPorts {
  readonly clock: Clock;
  readonly rng: Rng;
  readonly signal: AbortSignal;
}

/** Why nothing more is asked. */
export type AskStop =
  | { readonly kind: 'time' }
  /** Somebody wants to stop. */
  | { readonly kind: 'aborted' }
  /** The API cannot be reached, is in trouble, or refuses the key. */
  | { readonly kind: 'failed'; readonly failure: ApiFailure };

export type Asked<T> =
  | { readonly kind: 'answered'; readonly value: T }
  /** The API refuses what was sent. */
  | { readonly kind: 'refused'; readonly failure: ApiFailure }
  /** The server does not know the question: a proxy without it. */
  | { readonly kind: 'absent'; readonly failure: ApiFailure }
  | { readonly kind: 'over' };

/** Tries of one question before the API counts as in trouble; an API that is not there is not asked as often. */
const TRIES_MAX = 3;
const UNREACHED_TRIES_MAX = 2;
/** Refusals of what was sent. Any other error of the API may be gone at the next try. */
const REFUSALS: ReadonlySet<number> = new Set([400, 404, 413, 422]);

export class Asking {
  readonly #ports: AskPorts;
  readonly #over = new AbortController();
  readonly #signal: AbortSignal;
  readonly #untilMs: number;
  #stopped: AskStop | null = null;
  /** A 429 is about all questions: none goes before this time. */
  #notBeforeMs = 0;

  constructor(ports: AskPorts, maxMs: number) {
    this.#ports = ports;
    const { clock, signal } = ports;
    this.#untilMs = clock.monotonicMs() + maxMs;
    this.#signal = AbortSignal.any([signal, this.#over.signal]);
    // It never rejects; what comes of it is looked at by whoever asks next.
    void clock.sleep(maxMs, this.#signal).then(() => {
      if (signal.aborted) this.stop({ kind: 'aborted' });
      else this.stop({ kind: 'time' });
    });
  }

  /** Null as long as more may be asked, and after an end where all was. */
  get stopped(): AskStop | null {
    return this.#stopped;
  }

  isOver(): boolean {
    return this.#signal.aborted;
  }

  async ask<T>(call: (signal: AbortSignal) => Promise<T>): Promise<Asked<T>> {
    const { clock, rng } = this.#ports;
    for (let tries = 1; !this.isOver(); tries++) {
      await clock.sleep(this.#notBeforeMs - clock.monotonicMs(), this.#signal);
      if (this.isOver()) break;
      try {
        return { kind: 'answered', value: await call(this.#signal) };
      } catch (error) {
        const failure = apiFailureOrThrow(error);
        if (this.isOver()) break;
        const verdict = routeRealtime(failure, tries, TRIES_MAX);
        if (verdict.kind === 'blocked' && verdict.reason === 'endpoint') return { kind: 'absent', failure };
        if (verdict.kind === 'failed' && REFUSALS.has(failure.status ?? 0)) return { kind: 'refused', failure };
        const triesMax = failure.status === null ? UNREACHED_TRIES_MAX : TRIES_MAX;
        const waitMs = Math.max(failure.retryAfterMs ?? 0, backoffMs(tries, rng));
        const untilMs = clock.monotonicMs() + waitMs;
        if (verdict.kind !== 'retry' || tries >= triesMax || untilMs >= this.#untilMs) {
          this.stop({ kind: 'failed', failure });
          break;
        }
        this.#notBeforeMs = Math.max(this.#notBeforeMs, untilMs);
      }
    }
    return { kind: 'over' };
  }

  /** Nothing more is asked; calls under way are broken off. The first reason stays. */
  stop(why: AskStop): void {
    if (this.#over.signal.aborted) return;
    this.#stopped = why;
    this.#over.abort();
  }

  /** To be called at the end in any case: nobody waits for the time any more. */
  end(): void {
    if (this.#ports.signal.aborted) this.stop({ kind: 'aborted' });
    this.#over.abort();
  }
}
