/**
 * Creates of this process that the limiter counts already: under way, or made a moment ago. What is open here by the
 * ledger has them, too, and must not say so twice.
 */
import type { Clock } from '../../base/clock.ts';
import type { CreateLease } from '../../domain/pacing/limiter.ts';

export class OwnLeases {
  readonly #clock: Clock;
  readonly #held = new Map<
    string,
    { readonly organization: string; readonly rows: number; readonly untilMs: number }
  >();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** `atMs`: before the limiter was asked, so that here a lease is over no later than there. */
  add({ organization, id, rows, ttlMs }: CreateLease, atMs: number): void {
    this.#held.set(keyOf(organization, id), { organization, rows, untilMs: atMs + ttlMs });
  }

  remove(organization: string, id: string): void {
    this.#held.delete(keyOf(organization, id));
  }

  /** The same lease beside what only others, or the ledger alone, know as open. */
  without(lease: CreateLease): CreateLease {
    const nowMs = this.#clock.monotonicMs();
    let { openBatches, openRows } = lease;
    for (const [key, { organization, rows, untilMs }] of this.#held) {
      if (untilMs <= nowMs) this.#held.delete(key);
      else if (organization === lease.organization && key !== keyOf(organization, lease.id)) {
        openBatches--;
        openRows -= rows;
      }
    }
    return { ...lease, openBatches: Math.max(0, openBatches), openRows: Math.max(0, openRows) };
  }
}

function keyOf(organization: string, id: string): string {
  return `${organization}|${id}`;
}
