/**
 * The clock of one machine over the shared virtual time: it shows a wrong time, and somebody sets it while programs run.
 * How fast time passes is not touched by that: sleeps and the monotonic time are those of the world.
 */
import type { Clock } from '../../src/base/clock.ts';
import { CLOCK_WRONG_MS_MAX } from './troubles.ts';

export class SkewedClock implements Clock {
  readonly #world: Clock;
  #wrongMs: number;

  constructor(world: Clock, wrongMs: number) {
    this.#world = world;
    this.#wrongMs = wrongMs;
  }

  /** How far it is ahead of the true time. */
  get wrongMs(): number {
    return this.#wrongMs;
  }

  now(): number {
    return this.#world.now() + this.#wrongMs;
  }

  /** Never whole milliseconds, as on a real machine: a time that ends up in the ledger unrounded is noticed. */
  monotonicMs(): number {
    return this.#world.monotonicMs() + 0.25;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return this.#world.sleep(ms, signal);
  }

  /** Somebody sets it. It never gets further from the true time than the bound. */
  step(byMs: number): void {
    this.#wrongMs = Math.min(CLOCK_WRONG_MS_MAX, Math.max(-CLOCK_WRONG_MS_MAX, this.#wrongMs + byMs));
  }
}
