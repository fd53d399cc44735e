/**
 * Calls that wait for their turn: by priority and by how long they have waited, as soon as the pacer has room for them and
 * a slot is free. What fails in passing waits for another try, with full jitter and never before the API says.
 */
import { backoffMs, routeRealtime, type ApiFailure } from '../domain/failure-router.ts';
import { rateClassOf } from '../domain/pacing/rate-class.ts';
import type { Answered, Ticket } from '../engine/pacing/pacer.ts';
import { letGo, readAnswer, type CallNote, type ReadAnswer } from './limiter-answer.ts';
import { closedError, noKeyError } from './limiter-errors.ts';
import { failureOf } from './limiter-failure.ts';
import { readyKeys, type HeldKey } from './limiter-keys.ts';
import {
  AbortBook,
  Waiters,
  WaitingCalls,
  type CallWait,
  type LineCall,
  type LineParts,
  type TakenCall,
  type WaitingCall,
} from './limiter-waiting.ts';

/** Calls of one class of models that are looked at beyond the free slots: smaller ones may go at once. */
const LOOKAHEAD = 32;

export class CallLine {
  readonly #parts: LineParts;
  readonly #calls = new WaitingCalls();
  readonly #aborts = new AbortBook();
  readonly #waiters = new Waiters();
  #running = 0;
  #waiting = 0;
  #ids = 0;
  #pumping: Promise<void> | null = null;
  #pumpAgain = false;
  #closed = false;
  #timer: { readonly stop: AbortController; readonly atMs: number } | undefined;
  #idle: (() => void)[] = [];

  constructor(parts: LineParts) {
    this.#parts = parts;
  }

  get counts(): { readonly waiting: number; readonly running: number } {
    return { waiting: this.#waiting, running: this.#running };
  }

  run(call: LineCall): Promise<unknown> {
    if (this.#closed) return Promise.reject(closedError());
    if (call.signal?.aborted === true) return Promise.reject(call.signal.reason as Error);
    return new Promise((resolve, reject) => {
      const nowMs = this.#parts.clock.monotonicMs();
      const waiting: WaitingCall = {
        ...call,
        ...{ id: `call-${++this.#ids}`, rateClass: rateClassOf(call.size.model), sinceMs: nowMs, resolve, reject },
        onAbort: () => this.#leave(waiting, call.signal?.reason),
        ...{ attempts: 0, tries: 0, notBeforeMs: nowMs, pool: null, over: false },
      };
      this.#aborts.on(call.signal, waiting.onAbort);
      this.#waiting++;
      this.#calls.add(waiting);
      this.#pump();
    });
  }

  /** Calls that wait are refused; those under way are waited for. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#timer?.stop.abort();
    // What a pump has in its hands comes back first.
    await this.#pumping;
    for (const waiting of this.#calls.drain()) this.#leave(waiting, closedError());
    while (this.#running > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  #postpone(waiting: WaitingCall, waitMs: number): void {
    this.#waiting++;
    waiting.notBeforeMs = this.#parts.clock.monotonicMs() + waitMs;
    this.#calls.addLater(waiting);
    this.#setTimer(waitMs);
  }

  /** One that waits goes, with this; what is left of it is passed over. */
  #leave(waiting: WaitingCall, error: unknown): void {
    if (waiting.over) return;
    this.#settle(waiting);
    this.#waiting--;
    this.#rest();
    this.#forget(waiting).catch(() => undefined);
    waiting.reject(error);
  }

  /** Nothing is to become of it any more. */
  #settle(waiting: WaitingCall): void {
    waiting.over = true;
    this.#aborts.off(waiting.signal, waiting.onAbort);
  }

  async #forget(waiting: WaitingCall): Promise<void> {
    const pool = this.#waiters.leave(waiting);
    if (pool !== null) await this.#parts.pacer.forget(pool, waiting.id);
  }

  #pump(): void {
    this.#pumpAgain = true;
    if (!this.#closed) this.#pumping ??= this.#pumpAll();
  }

  /** One pump at a time: who asks meanwhile gets another one after it. Its end and its being over are one step. */
  async #pumpAll(): Promise<void> {
    try {
      while (this.#pumpAgain && !this.#closed) {
        this.#pumpAgain = false;
        await this.#pumpOnce();
      }
    } finally {
      this.#pumping = null;
    }
  }

  async #pumpOnce(): Promise<void> {
    const { pacer, concurrency, clock } = this.#parts;
    const nowMs = clock.monotonicMs();
    const ripeMs = this.#calls.ripen(nowMs);
    if (ripeMs !== null) this.#setTimer(ripeMs - nowMs);
    let slots = Math.min(concurrency, pacer.concurrency(concurrency)) - this.#running;
    const left: TakenCall[] = [];
    const closed = new Set<string>();
    let waitMs: number | null = null;
    while (slots > 0) {
      const next = this.#calls.take(closed);
      if (!next) break;
      const { rateClass } = next.item;
      const asked = await this.#ask(next.item);
      if (asked === 'started') slots--;
      if (typeof asked === 'string') continue;
      left.push(next);
      const looks = left.filter(({ item }) => item.rateClass === rateClass).length;
      if (asked.everyone || looks >= LOOKAHEAD) closed.add(rateClass);
      if (asked.waitMs !== null) waitMs = Math.min(waitMs ?? Infinity, asked.waitMs);
    }
    // They keep their turns, also among those that came meanwhile.
    for (const one of left) this.#calls.putBack(one);
    if (waitMs !== null && slots > 0) this.#setTimer(waitMs);
  }

  /** Starts the call, or says how long it has to wait. `left`: it does not wait any more. */
  async #ask(waiting: WaitingCall): Promise<'started' | 'left' | CallWait> {
    const { pacer, keys, clock } = this.#parts;
    try {
      const ready = readyKeys(keys, waiting.size.model, clock.monotonicMs());
      if ('reason' in ready) throw noKeyError(ready);
      if (ready.length === 0) return { everyone: true, waitMs: null };
      const name = this.#waiters.mayStand(waiting) ? waiting.id : null;
      const go = await pacer.take(waiting.size, ready, name);
      if (go.kind === 'go') {
        this.#waiters.leave(waiting);
        if (!waiting.over) this.#start(waiting, go.ticket);
        // It was left while the limiter was asked.
        else await pacer.refund(go.ticket);
        return waiting.over ? 'left' : 'started';
      }
      if (name !== null && go.pool !== '') this.#waiters.stand(waiting, go.pool);
      if (waiting.over) await this.#forget(waiting);
      return go;
    } catch (error) {
      // No key is left, or the limiter itself is broken: the caller is told, and the others go on.
      this.#leave(waiting, error);
      return 'left';
    }
  }

  #start(waiting: WaitingCall, ticket: Ticket<HeldKey>): void {
    this.#waiting--;
    this.#rest();
    this.#running++;
    ticket.key.running++;
    waiting.tries++;
    waiting.attempts++;
    // From here on an abort is the affair of the call.
    this.#aborts.off(waiting.signal, waiting.onAbort);
    void this.#call(waiting, ticket).finally(() => {
      ticket.key.running--;
      this.#running--;
      if (this.#running === 0) for (const resolve of this.#idle.splice(0)) resolve();
      this.#pump();
    });
  }

  async #call(waiting: WaitingCall, ticket: Ticket<HeldKey>): Promise<void> {
    const { pacer, clock } = this.#parts;
    try {
      const answer = await this.#answerOf(waiting, ticket);
      await this.#learn(ticket, answer);
      if (answer.failure) {
        await this.#failed(waiting, ticket, answer.failure, { kind: 'value', value: answer.value });
        return;
      }
      await pacer.answered(ticket, answer);
      this.#settle(waiting);
      waiting.resolve(answer.value);
    } catch (error) {
      const failure = failureOf(error, clock.now());
      if (failure) {
        if (failure.status !== null) await this.#learn(ticket, { usage: null, rates: failure.rates ?? null });
        await this.#failed(waiting, ticket, failure, { kind: 'error', error });
        return;
      }
      await pacer.refund(ticket).catch(() => undefined);
      this.#settle(waiting);
      waiting.reject(error);
    }
  }

  /** Whose the key is, where that was not known: its limits are those of others then. */
  async #learn({ key, size }: Ticket<HeldKey>, answer: Answered): Promise<void> {
    if (key.learn(answer.rates)) await this.#parts.pacer.took(key.organization, size.model, answer);
  }

  #answerOf(waiting: WaitingCall, { key }: Ticket<HeldKey>): Promise<ReadAnswer> {
    let noted: CallNote = {};
    const note = (told: CallNote): void => {
      noted = { ...noted, ...told };
    };
    const given = {
      apiKey: key.apiKey,
      attempt: waiting.tries,
      signal: waiting.signal ?? new AbortController().signal,
      note,
    };
    return readAnswer(
      () => waiting.call(given),
      () => noted,
      () => this.#parts.clock.now(),
    );
  }

  async #failed(
    waiting: WaitingCall,
    ticket: Ticket<HeldKey>,
    failure: ApiFailure,
    outcome: { readonly kind: 'value'; readonly value: unknown } | { readonly kind: 'error'; readonly error: unknown },
  ): Promise<void> {
    const waitMs = this.#nextTry(waiting, ticket.key, failure);
    await this.#parts.pacer.failed(ticket, failure, waitMs !== null);
    if (waitMs !== null && waiting.signal?.aborted !== true && !this.#closed) {
      if (outcome.kind === 'value') letGo(outcome.value);
      this.#aborts.on(waiting.signal, waiting.onAbort);
      this.#postpone(waiting, waitMs);
      return;
    }
    this.#settle(waiting);
    if (outcome.kind === 'value') waiting.resolve(outcome.value);
    else waiting.reject(outcome.error);
  }

  /** How long until it is tried again; null: not at all. */
  #nextTry(waiting: WaitingCall, key: HeldKey, failure: ApiFailure): number | null {
    if (failure.connection === 'aborted') return null;
    const { keys, maxAttempts, giveUpMs, rng, backoff, clock } = this.#parts;
    const { model } = waiting.size;
    const nowMs = clock.monotonicMs();
    const verdict = routeRealtime(failure, waiting.attempts, maxAttempts);
    if (verdict.kind === 'failed') return null;
    if (verdict.kind === 'blocked') {
      if (verdict.reason === 'endpoint' || keys.length === 1) return null;
      // It is not the call's fault: another key may do it.
      key.setAside(verdict, model, nowMs);
      waiting.attempts--;
      const isHopeless = keys.every((one) => one.aside(nowMs, model) !== null);
      return isHopeless || nowMs - waiting.sinceMs > giveUpMs ? null : 0;
    }
    if (!verdict.countsAsAttempt) waiting.attempts--;
    const waitMs = Math.ceil(Math.max(verdict.waitMs, backoffMs(waiting.tries, rng, backoff)));
    return nowMs + waitMs - waiting.sinceMs > giveUpMs ? null : waitMs;
  }

  /** Nobody waits any more: a timer that is left would keep the program alive. */
  #rest(): void {
    if (this.#waiting > 0) return;
    this.#timer?.stop.abort();
    this.#timer = undefined;
  }

  #setTimer(waitMs: number): void {
    if (this.#closed || this.#waiting === 0) return;
    const { clock } = this.#parts;
    const ms = Math.max(1, Math.ceil(waitMs));
    const atMs = clock.monotonicMs() + ms;
    if (this.#timer && this.#timer.atMs <= atMs) return;
    this.#timer?.stop.abort();
    const timer = { stop: new AbortController(), atMs };
    this.#timer = timer;
    void clock.sleep(ms, timer.stop.signal).then(() => {
      if (this.#timer !== timer) return;
      this.#timer = undefined;
      this.#pump();
    });
  }
}
