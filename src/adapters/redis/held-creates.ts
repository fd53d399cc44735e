/** Creates that this process has leased, for as long as Redis counts them: what it has to be told when it comes back. */
import type { Clock } from '../../base/clock.ts';
import type { CreateLease } from '../../domain/pacing/limiter.ts';

export class HeldCreates {
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  readonly #held = new Map<string, { readonly lease: CreateLease; readonly untilMs: number }>();

  constructor(clock: Pick<Clock, 'monotonicMs'>) {
    this.#clock = clock;
  }

  add(name: string, lease: CreateLease): void {
    this.#forgetOver();
    this.#held.set(name, { lease, untilMs: this.#clock.monotonicMs() + lease.ttlMs });
  }

  take(name: string): CreateLease | undefined {
    const held = this.#held.get(name);
    this.#held.delete(name);
    return held?.lease;
  }

  /** With the time that is left to each. */
  all(): readonly CreateLease[] {
    this.#forgetOver();
    const nowMs = this.#clock.monotonicMs();
    return [...this.#held.values()].map(({ lease, untilMs }) => ({ ...lease, ttlMs: untilMs - nowMs }));
  }

  /** One that made a batch is never given back: it ends by itself. */
  #forgetOver(): void {
    const nowMs = this.#clock.monotonicMs();
    for (const [name, { untilMs }] of this.#held) if (untilMs <= nowMs) this.#held.delete(name);
  }
}
