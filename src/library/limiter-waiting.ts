/**
 * Calls that wait: those that may go now by their turn, and those that wait for another try until their time.
 */
import type { Clock } from '../base/clock.ts';
import type { Rng } from '../base/random.ts';
import type { BackoffBounds } from '../domain/failure-router.ts';
import type { CallSize } from '../domain/pacing/forecast.ts';
import { REALTIME_AGEING_MS, turnOf, type Priority } from '../domain/priority.ts';
import type { Pacer } from '../engine/pacing/pacer.ts';
import { isBefore, TurnHeap, type Turn } from '../engine/realtime/turn-heap.ts';
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
  /** Of its model: all of a class share their limits. */
  readonly rateClass: string;
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

/** Calls at the front of each class that what flows in is put aside for. */
export class Waiters {
  readonly #counts = new Map<string, number>();

  /** Does what flows in count for this one, or may it from now on? */
  mayStand({ pool, rateClass }: WaitingCall): boolean {
    return pool !== null || (this.#counts.get(rateClass) ?? 0) < WAITERS_MAX;
  }

  stand(waiting: WaitingCall, pool: string): void {
    if (waiting.pool === null) this.#add(waiting.rateClass, 1);
    waiting.pool = pool;
  }

  /** Gives where it stood. */
  leave(waiting: WaitingCall): string | null {
    const { pool } = waiting;
    if (pool !== null) this.#add(waiting.rateClass, -1);
    waiting.pool = null;
    return pool;
  }

  #add(rateClass: string, more: number): void {
    this.#counts.set(rateClass, (this.#counts.get(rateClass) ?? 0) + more);
  }
}

/** Calls of a class at its front that what flows in is put aside for. */
const WAITERS_MAX = 2;

/** How long a call has to wait: null for an answer of another call. `everyone`: as all others of its class of models. */
export interface CallWait {
  readonly everyone: boolean;
  readonly waitMs: number | null;
}

/** One that was taken, with its place: put back, it has that again. */
export interface TakenCall extends Turn {
  readonly item: WaitingCall;
}

/** A line for each class of models: one whose limits are used up holds up no other. */
export class WaitingCalls {
  readonly #ready = new Map<string, TurnHeap<WaitingCall>>();
  #later: WaitingCall[] = [];
  #order = 0;

  add(waiting: WaitingCall): void {
    const turn = turnOf(waiting.priority, waiting.sinceMs, REALTIME_AGEING_MS);
    this.putBack({ item: waiting, turn, order: this.#order++ });
  }

  addLater(waiting: WaitingCall): void {
    this.#later.push(waiting);
  }

  /** The next whose turn it is, of all classes but these; those that have left are passed over. */
  take(closed: ReadonlySet<string> = NONE): TakenCall | undefined {
    let line: TurnHeap<WaitingCall> | undefined;
    for (const [rateClass, one] of this.#ready) {
      if (closed.has(rateClass)) continue;
      while (one.first?.item.over === true) one.pop();
      if (!one.first) this.#ready.delete(rateClass);
      else if (!line?.first || isBefore(one.first, line.first)) line = one;
    }
    return line?.pop();
  }

  putBack({ item, turn, order }: TakenCall): void {
    if (item.over) return;
    const line = this.#ready.get(item.rateClass) ?? new TurnHeap<WaitingCall>();
    this.#ready.set(item.rateClass, line);
    line.push(item, turn, order);
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

const NONE: ReadonlySet<string> = new Set();

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
