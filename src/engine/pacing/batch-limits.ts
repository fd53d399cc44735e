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

export interface BatchLimits {
  /** Requests that are not processed yet, over all batches. */
  readonly rowsMax: number;
  readonly batchesMax: number;
}

type Name = 'queue' | 'batches';

/**
 * A refusal says that what is open is too much, not how much may be: batches that no list of ours shows may have been the
 * reason. After this it is tried again.
 */
const REFUSAL_MS_MAX = 3_600_000;

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

  /** A refusal said so. */
  hear(organization: string, name: Name, value: number, atMs = this.#parts.clock.now()): void {
    const heard = this.#heard.get(organization) ?? new Map<Name, KnownLimit>();
    heard.set(name, { name, value, source: 'refusal', atMs });
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
    const heard = this.#heard.get(organization);
    const fresh = (limit: KnownLimit | undefined): KnownLimit | undefined =>
      limit && this.#parts.clock.now() - limit.atMs < REFUSAL_MS_MAX ? limit : undefined;
    const refused = fresh(heard?.get('queue'));
    const batches = fresh(heard?.get('batches'));
    const admin = this.#admin.get(organization);
    const atMs = this.#parts.clock.now();
    const told: KnownLimit | null = admin === undefined ? null : { name: 'queue', value: admin, source: 'admin', atMs };
    const lower = refused && (!told || refused.value < told.value) ? refused : told;
    const queue = lower ?? this.#ofTier(organization, pools);
    return batches ? [queue, batches] : [queue];
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
