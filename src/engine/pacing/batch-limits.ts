/**
 * What the batches of an organization may take at once: what the user sets, else what the Admin API or a refusal said,
 * else the queue of the tier that the limits of its messages show, else that of the lowest tier of today.
 */
import type { Clock } from '../../base/clock.ts';
import type { AdminLimits } from '../../domain/pacing/admin-limits.ts';
import type { KnownLimit } from '../../domain/pacing/snapshot.ts';
import { queueOfTier, tierOf, type TierName } from '../../domain/pacing/tiers.ts';
import type { Pool } from './pool.ts';

/** The batch endpoints of an organization, whose limits all models share (facts, section 1.5). */
export const BATCH_CLASS = 'batches';
/** Where nothing is known of an account, it is taken to be on the lowest tier of today. */
export const LOWEST_TIER: TierName = 'start';

/**
 * A refusal without a number says how much room there was then: batches of another workspace may have filled the rest,
 * which no list shows here. After this it is tried again, at the cost of one upload.
 */
const GUESS_MS_MAX = 30 * 60_000;

export interface BatchLimits {
  /** Requests that are not processed yet, over all batches. */
  readonly rowsMax: number;
  readonly batchesMax: number;
}

type Name = 'queue' | 'batches';

export interface BatchLimitParts {
  readonly clock: Clock;
  readonly headroom: number;
  /** `--max-queued`. */
  readonly maxQueued?: number | undefined;
}

export class BatchLimitsBook {
  readonly #parts: BatchLimitParts;
  readonly #heard = new Map<string, Map<Name, KnownLimit>>();
  readonly #admin = new Map<string, number>();

  constructor(parts: BatchLimitParts) {
    this.#parts = parts;
  }

  of(organization: string, pools: readonly Pool[]): BatchLimits {
    const known = this.#known(organization, pools);
    const share = 1 - this.#parts.headroom;
    const valueOf = (name: Name): number => known.find((limit) => limit.name === name)?.value ?? Infinity;
    const cap = this.#parts.maxQueued ?? Infinity;
    return { rowsMax: Math.min(cap, Math.floor(valueOf('queue') * share)), batchesMax: valueOf('batches') };
  }

  /** A refusal said so; where it `isTold`, with this number. */
  hear(
    organization: string,
    name: Name,
    { value, isTold, atMs }: { value: number; isTold: boolean; atMs: number },
  ): void {
    const heard = this.#heard.get(organization) ?? new Map<Name, KnownLimit>();
    heard.set(name, { name, value, source: isTold ? 'refusal' : 'assumed', atMs });
    this.#heard.set(organization, heard);
  }

  administer(organization: string, { batch }: AdminLimits): void {
    if (batch.queuedRequests !== null) this.#admin.set(organization, batch.queuedRequests);
  }

  /** As they are shown and kept. */
  list(organization: string, pools: readonly Pool[]): readonly KnownLimit[] {
    const { maxQueued, clock } = this.#parts;
    return this.#known(organization, pools).map((limit) =>
      limit.name === 'queue' && maxQueued !== undefined && maxQueued < limit.value
        ? ({ name: 'queue', value: maxQueued, source: 'flag', atMs: clock.now() } as const)
        : limit,
    );
  }

  #known(organization: string, pools: readonly Pool[]): readonly KnownLimit[] {
    const refused = this.#refused(organization, 'queue');
    const batches = this.#refused(organization, 'batches');
    const admin = this.#admin.get(organization);
    const atMs = this.#parts.clock.now();
    const told: KnownLimit | null = admin === undefined ? null : { name: 'queue', value: admin, source: 'admin', atMs };
    const lower = refused && (!told || refused.value < told.value) ? refused : told;
    const queue = lower ?? this.#ofTier(organization, pools);
    return batches ? [queue, batches] : [queue];
  }

  #refused(organization: string, name: Name): KnownLimit | undefined {
    const heard = this.#heard.get(organization)?.get(name);
    const isOver = heard?.source === 'assumed' && this.#parts.clock.now() - heard.atMs > GUESS_MS_MAX;
    return isOver ? undefined : heard;
  }

  #ofTier(organization: string, pools: readonly Pool[]): KnownLimit {
    const atMs = this.#parts.clock.now();
    for (const pool of pools) {
      if (pool.organization !== organization || pool.rateClass === BATCH_CLASS) continue;
      const tier = tierOf(pool.rateClass, pool.known.heard());
      if (tier) return { name: 'queue', value: queueOfTier(tier), source: 'tier', atMs };
    }
    return { name: 'queue', value: queueOfTier(LOWEST_TIER), source: 'assumed', atMs };
  }
}
