/**
 * Calls that wait: those that may go now by their turn, and those that wait for another try until their time.
 */
import type { Clock } from '../base/clock.ts';
import type { Rng } from '../base/random.ts';
import type { BackoffBounds } from '../domain/failure-router.ts';
import type { CallSize } from '../domain/pacing/forecast.ts';
import { REALTIME_AGEING_MS, turnOf, type Priority } from '../domain/priority.ts';
import type { Pacer } from '../engine/pacing/pacer.ts';
import { TurnHeap, type Turn } from '../engine/realtime/turn-heap.ts';
import type { CallNote } from './limiter-answer.ts';
import type { HeldKey } from './limiter-keys.ts';

/** What the line of calls works with. */
export interface LineParts {
  readonly pacer: Pacer;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly keys: readonly HeldKey[];
  readonly concurrency: number;
  readonly maxAttempts: number;
  /** A call whose next try would be later than this after it was asked for is given up. */
  readonly giveUpMs: number;
  readonly backoff: BackoffBounds;
}

/** What a call is given for one try. */
export interface CallGiven {
  /** The key to send it with; null where the limiter has none to give. */
  readonly apiKey: string | null;
  /** From 1. */
  readonly attempt: number;
  readonly signal: AbortSignal;
  /** Tells of an answer what cannot be seen in what the call gives: its headers, its usage. */
  readonly note: (note: CallNote) => void;
}

export interface LineCall {
  readonly call: (given: CallGiven) => unknown;
  readonly size: CallSize;
  readonly priority: Priority;
  readonly signal: AbortSignal | null;
}

export interface WaitingCall extends LineCall {
  readonly id: string;
  readonly sinceMs: number;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
  readonly onAbort: () => void;
  /** Tries that count, and all of them. */
  attempts: number;
  tries: number;
  notBeforeMs: number;
  /** Where it stands in the line of a pool. */
  pool: string | null;
  over: boolean;
}

/** How long a call has to wait: null for an answer of another call. `everyone`: as all others of its class of models. */
export interface CallWait {
  readonly everyone: boolean;
  readonly waitMs: number | null;
}

/** One that was taken, with its place: put back, it has that again. */
export interface TakenCall extends Turn {
  readonly item: WaitingCall;
}

export class WaitingCalls {
  readonly #ready = new TurnHeap<WaitingCall>();
  #later: WaitingCall[] = [];

  add(waiting: WaitingCall): void {
    this.#ready.push(waiting, turnOf(waiting.priority, waiting.sinceMs, REALTIME_AGEING_MS));
  }

  addLater(waiting: WaitingCall): void {
    this.#later.push(waiting);
  }

  /** The next whose turn it is; those that have left are passed over. */
  take(): TakenCall | undefined {
    let next = this.#ready.pop();
    while (next?.item.over === true) next = this.#ready.pop();
    return next;
  }

  putBack({ item, turn, order }: TakenCall): void {
    if (!item.over) this.#ready.push(item, turn, order);
  }

  /** Those whose time has come get their turn. Gives when the next one's comes; null where none waits for it. */
  ripen(nowMs: number): number | null {
    const later = this.#later.filter((waiting) => !waiting.over);
    this.#later = later.filter((waiting) => waiting.notBeforeMs > nowMs);
    for (const waiting of later) if (waiting.notBeforeMs <= nowMs) this.add(waiting);
    return this.#later.length === 0 ? null : Math.min(...this.#later.map((waiting) => waiting.notBeforeMs));
  }

  /** All of them, and none is left. */
  drain(): readonly WaitingCall[] {
    const all = this.#later;
    this.#later = [];
    for (let next = this.take(); next; next = this.take()) all.push(next.item);
    return all;
  }
}

/** One listener for each signal, however many calls share it: beyond ten Node would warn of a leak. */
export class AbortBook {
  readonly #books = new Map<AbortSignal, { readonly tell: Set<() => void>; readonly listener: () => void }>();

  on(signal: AbortSignal | null, tell: () => void): void {
    if (!signal) return;
    const known = this.#books.get(signal);
    if (known) {
      known.tell.add(tell);
      return;
    }
    const all = new Set([tell]);
    const listener = (): void => {
      this.#books.delete(signal);
      for (const one of all) one();
    };
    this.#books.set(signal, { tell: all, listener });
    signal.addEventListener('abort', listener, { once: true });
  }

  off(signal: AbortSignal | null, tell: () => void): void {
    const book = signal && this.#books.get(signal);
    if (!signal || !book) return;
    book.tell.delete(tell);
    if (book.tell.size > 0) return;
    this.#books.delete(signal);
    signal.removeEventListener('abort', book.listener);
  }
}
