/** The buckets of one process: the arithmetic of bucket.ts on the clock that never jumps. */
import type { Clock } from '../../base/clock.ts';
import { correct, drain, forget, observe, pause, setLimits, take, view } from './bucket.ts';
import type { CreateLease, Limiter } from './limiter.ts';
import { newPool, type PoolState } from './pool.ts';

export function createLocalLimiter(clock: Pick<Clock, 'monotonicMs'>, life = 'local'): Limiter {
  const pools = new Map<string, PoolState>();
  const leases = new Map<string, { readonly lease: CreateLease; readonly untilMs: number }>();
  const now = (): number => clock.monotonicMs();
  const poolOf = (name: string): PoolState => {
    const pool = pools.get(name) ?? newPool(now(), life);
    pools.set(name, pool);
    return pool;
  };
  const step = (work: () => void): Promise<void> => {
    work();
    return Promise.resolve();
  };
  return {
    mode: 'local',
    take: (request) => Promise.resolve(take(poolOf(request.pool), request, now())),
    forget: (pool, waiter) => step(() => forget(poolOf(pool), waiter, now())),
    correct: (pool, amounts) => step(() => correct(poolOf(pool), amounts, now())),
    setLimits: (pool, limits, levels = {}) => step(() => setLimits(poolOf(pool), limits, levels, now())),
    observe: (pool, sightings) => step(() => observe(poolOf(pool), sightings, now())),
    drain: (pool, buckets) => step(() => drain(poolOf(pool), buckets, now())),
    pause: (pool, forMs) => step(() => pause(poolOf(pool), forMs, now())),
    view: (pool) => Promise.resolve(pools.has(pool) ? view(poolOf(pool), now()) : null),
    leaseCreate: (lease) => {
      for (const [key, { untilMs }] of leases) if (untilMs <= now()) leases.delete(key);
      const others = [...leases.values()].filter(
        ({ lease: other }) => other.organization === lease.organization && other.id !== lease.id,
      );
      const batches = lease.openBatches + others.length;
      const rows = lease.openRows + others.reduce((sum, one) => sum + one.lease.rows, 0);
      const fits = batches < lease.batchesMax && rows + lease.rows <= lease.rowsMax;
      if (fits) leases.set(leaseKey(lease.organization, lease.id), { lease, untilMs: now() + lease.ttlMs });
      return Promise.resolve(fits);
    },
    releaseCreate: (organization, id) => step(() => leases.delete(leaseKey(organization, id))),
    close: () => Promise.resolve(),
  };
}

function leaseKey(organization: string, id: string): string {
  return `${organization}|${id}`;
}
