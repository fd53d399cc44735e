/**
 * A clock that only moves when it is told to: for tests, the simulator in process, and rehearsals.
 *
 * Sleepers wake in the order of their time, ties in the order in which they went to sleep, so two runs of
 * the same program see the same order of events.
 */
import type { Clock } from './clock.ts';

interface Sleeper {
  readonly wakesAtMs: number;
  readonly order: number;
  readonly wake: () => void;
}

export class VirtualClock implements Clock {
  #nowMs: number;
  readonly #startMs: number;
  #order = 0;
  #sleepers: Sleeper[] = [];

  constructor(startMs = Date.UTC(2026, 10, 20)) {
    this.#nowMs = startMs;
    this.#startMs = startMs;
  }

  now(): number {
    return this.#nowMs;
  }

  monotonicMs(): number {
    return this.#nowMs - this.#startMs;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    if (!(ms > 0) || signal?.aborted === true) return Promise.resolve();
    return new Promise((resolve) => {
      const sleeper: Sleeper = {
        // Whole milliseconds, as a machine tells them, and never too early.
        wakesAtMs: Math.ceil(this.#nowMs + ms),
        order: this.#order++,
        wake: () => {
          signal?.removeEventListener('abort', onAbort);
          resolve();
        },
      };
      const onAbort = (): void => {
        this.#sleepers = this.#sleepers.filter((other) => other !== sleeper);
        resolve();
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#sleepers.push(sleeper);
    });
  }

  /** How many are asleep. */
  get sleeping(): number {
    return this.#sleepers.length;
  }

  /** Moves on by `ms` and wakes, one after the other, everyone whose time has come. */
  advance(ms: number): void {
    const target = this.#nowMs + ms;
    for (let next = this.#earliest(); next && next.wakesAtMs <= target; next = this.#earliest()) this.#wake(next);
    this.#nowMs = target;
  }

  /** Jumps to the earliest sleeper and wakes it; false when nobody sleeps. */
  advanceToNext(): boolean {
    const next = this.#earliest();
    if (!next) return false;
    this.#wake(next);
    return true;
  }

  /**
   * Drives everything that hangs on this clock until `work` settles: let every ready callback run, and when
   * nothing is ready, jump to the next sleeper. Throws when the work waits for something that is not on this clock.
   * `restTurns`: turns of the event loop before each jump, for work that hands on through the loop.
   */
  async run<T>(work: Promise<T>, turnsMax = 1_000_000, restTurns = 1): Promise<T> {
    let settled = false;
    const done = work.finally(() => {
      settled = true;
    });
    // A rejection is delivered by `await done` below; this keeps it from being reported as unhandled before.
    done.catch(() => undefined);
    let idleTurns = 0;
    for (let turn = 0; turn < turnsMax; turn++) {
      for (let rest = 0; rest < restTurns; rest++) await new Promise((resolve) => setImmediate(resolve));
      // It changes in the callback above, which the rule cannot see.
      // eslint-disable-next-line @typescript-eslint/no-unnecessary-condition
      if (settled) return done;
      if (this.advanceToNext()) idleTurns = 0;
      else if (++idleTurns > 2_000) throw new Error('the work waits, but nobody sleeps on the virtual clock');
    }
    throw new Error(`the work did not finish within ${turnsMax} turns`);
  }

  #earliest(): Sleeper | undefined {
    let first: Sleeper | undefined;
    for (const sleeper of this.#sleepers) {
      if (!first || sleeper.wakesAtMs < first.wakesAtMs) first = sleeper;
    }
    return first;
  }

  #wake(sleeper: Sleeper): void {
    this.#sleepers = this.#sleepers.filter((other) => other !== sleeper);
    this.#nowMs = Math.max(this.#nowMs, sleeper.wakesAtMs);
    sleeper.wake();
  }
}
