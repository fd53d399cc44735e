/**
 * The buckets of a process whose Redis is away: a safe share of each limit, and a note of what is spent from it, which
 * the others are told when Redis is back.
 */
import type { Clock } from '../../base/clock.ts';
import {
  BUCKET_NAMES,
  windowMs,
  type Amounts,
  type BucketLimit,
  type BucketName,
  type CreateLease,
  type Limiter,
  type PoolLimits,
  type PoolView,
  type Sighting,
  type Taken,
  type TakeRequest,
} from '../../domain/pacing/limiter.ts';
import { createLocalLimiter } from '../../domain/pacing/local-limiter.ts';

/** Where nobody has said how many there are: four machines on one account is what the figures are made with. */
const SHARE_UNKNOWN = 1 / 4;
/** One that saw nobody else leaves half: another may have come since, or be about to. */
const SHARE_MAX = 1 / 2;

/** Each of those that were there takes its part, so that together they come to the limit when all of them lose Redis. */
export function shareOf(members: number | null): number {
  return members === null ? SHARE_UNKNOWN : Math.min(SHARE_MAX, 1 / Math.max(1, members));
}

export class Alone {
  readonly share: number;
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  readonly #local: Limiter;
  readonly #sinceMs: number;
  readonly #limits = new Map<string, PoolLimits>();
  readonly #pausedUntilMs = new Map<string, number>();
  readonly #spent = new Map<string, Map<BucketName, number>>();

  constructor(clock: Pick<Clock, 'monotonicMs'>, { share, life }: { readonly share: number; readonly life: string }) {
    this.share = share;
    this.#clock = clock;
    this.#local = createLocalLimiter(clock, life);
    this.#sinceMs = clock.monotonicMs();
  }

  async take(request: TakeRequest): Promise<Taken> {
    const taken = await this.#local.take(request);
    if (taken.kind === 'taken') this.owe(request.pool, request.amounts);
    return taken;
  }

  forget(pool: string, waiter: string): Promise<void> {
    return this.#local.forget(pool, waiter);
  }

  async correct(pool: string, amounts: Amounts): Promise<void> {
    this.owe(pool, amounts);
    await this.#local.correct(pool, amounts);
  }

  async setLimits(pool: string, limits: PoolLimits, levels?: Amounts): Promise<void> {
    this.#limits.set(pool, limits);
    const share = this.share;
    const scaled = Object.entries(limits).map(([name, { perWindow, capacity }]): [string, BucketLimit] => {
      return [name, { perWindow: perWindow * share, capacity: capacity * share }];
    });
    const begin = Object.entries(levels ?? {}).map(([name, level]) => [name, level * share]);
    await this.#local.setLimits(pool, Object.fromEntries(scaled), Object.fromEntries(begin) as Amounts);
  }

  /** What is left of the whole may lower a share of it, but says nothing about how much more this share could be. */
  observe(pool: string, sightings: readonly Sighting[]): Promise<void> {
    return this.#local.observe(
      pool,
      sightings.map((sighting) => ({ ...sighting, underWay: Infinity })),
    );
  }

  drain(pool: string, buckets: readonly BucketName[]): Promise<void> {
    return this.#local.drain(pool, buckets);
  }

  pause(pool: string, forMs: number): Promise<void> {
    const untilMs = this.#clock.monotonicMs() + forMs;
    this.#pausedUntilMs.set(pool, Math.max(untilMs, this.#pausedUntilMs.get(pool) ?? 0));
    return this.#local.pause(pool, forMs);
  }

  /** Pools that are paused, and for how long. */
  pauses(): readonly (readonly [pool: string, leftMs: number])[] {
    const nowMs = this.#clock.monotonicMs();
    return [...this.#pausedUntilMs].flatMap(([pool, untilMs]) => (untilMs > nowMs ? [[pool, untilMs - nowMs]] : []));
  }

  view(pool: string): Promise<PoolView | null> {
    return this.#local.view(pool);
  }

  /**
   * Of the room that the workspace's list shows a share may be filled at once. One create at a time is always allowed
   * where there is room for it: where all do that, the API refuses one too many, and nothing is lost.
   */
  leaseCreate(lease: CreateLease): Promise<boolean> {
    const batches = lease.batchesMax - lease.openBatches;
    const rows = lease.rowsMax - lease.openRows;
    if (batches < 1 || rows < lease.rows) return Promise.resolve(false);
    return this.#local.leaseCreate({
      ...lease,
      batchesMax: lease.openBatches + Math.max(1, Math.floor(batches * this.share)),
      rowsMax: lease.openRows + Math.max(lease.rows, rows * this.share),
    });
  }

  /** A create that is under way already. */
  async holdCreate(lease: CreateLease): Promise<void> {
    await this.#local.leaseCreate({ ...lease, batchesMax: Infinity, rowsMax: Infinity });
  }

  releaseCreate(organization: string, id: string): Promise<void> {
    return this.#local.releaseCreate(organization, id);
  }

  /** Notes what was spent, or came back: of what others have paid nothing is given back to them. */
  owe(pool: string, amounts: Amounts): void {
    const spent = this.#spent.get(pool) ?? new Map<BucketName, number>();
    this.#spent.set(pool, spent);
    for (const name of BUCKET_NAMES) {
      const amount = amounts[name] ?? 0;
      if (amount !== 0) spent.set(name, Math.max(0, (spent.get(name) ?? 0) + amount));
    }
  }

  /**
   * What the others must be told, once. What was spent longer ago than its bucket takes to fill has flowed in again: of a
   * long time alone only the last filling counts, as if it had been spent evenly.
   */
  settle(): readonly (readonly [pool: string, owed: Amounts])[] {
    const aloneMs = this.#clock.monotonicMs() - this.#sinceMs;
    const owed = [...this.#spent].map(([pool, spent]): [string, Amounts] => {
      const amounts = [...spent].map(([name, amount]) => {
        const limit = this.#limits.get(pool)?.[name];
        if (!limit || limit.perWindow <= 0) return [name, amount];
        const fillMs = (limit.capacity / limit.perWindow) * windowMs(name);
        return [name, aloneMs > fillMs ? amount * (fillMs / aloneMs) : amount];
      });
      return [pool, Object.fromEntries(amounts) as Amounts];
    });
    this.#spent.clear();
    return owed;
  }
}
