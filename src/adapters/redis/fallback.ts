/**
 * The shared limiter, and what a process does without it. While Redis answers, every step runs there. When it does not
 * (it cannot be reached, breaks off, is slow, refuses), the step and those after it run on a safe share of the limits in
 * this process, which is said, and Redis is tried again in the background, with growing pauses. When it is back its
 * levels count again, less what was spent alone.
 *
 * No step waits for Redis longer than a connection allows, and none throws because of it. A step of which nobody knows
 * whether it ran counts where it costs: it is paid once more alone, and what it would give back is not given back.
 */
import type { Clock } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import type { Rng } from '../../base/random.ts';
import {
  BUCKET_NAMES,
  type Amounts,
  type BucketName,
  type CreateLease,
  type Limiter,
  type PoolLimits,
  type PoolView,
  type Sighting,
  type Taken,
  type TakeRequest,
} from '../../domain/pacing/limiter.ts';
import { Alone, shareOf } from './alone.ts';
import { HeldCreates } from './held-creates.ts';
import { NOTHING, type SharedSteps } from './shared-steps.ts';

/** The first pause before Redis is tried again: a server that is started anew is back in about this time. */
const REJOIN_FIRST_MS = 500;
/** Every pause is twice as long as the one before, up to this: half of it is the mean time lost when Redis is back. */
const REJOIN_PAUSE_MS_MAX = 15_000;
/** Redis that goes away again earlier than this was not really back, and the pauses go on growing. */
const STABLE_MS = 30_000;

export interface FallbackOptions {
  readonly clock: Clock;
  readonly rng: Rng;
  /** A new connection; rejects where there is none. */
  readonly open: () => Promise<SharedSteps>;
  /** Called when the mode changes, and once at the start. `cause` says why Redis is not used; null where it is. */
  readonly onMode: (mode: 'shared' | 'alone', cause: string | null) => void;
}

interface KnownLimits {
  readonly limits: PoolLimits;
  /** What a bucket begins with that is not in Redis. */
  readonly levels: Amounts;
  /** Redis has had limits of this pool from here. Buckets that it does not have are lost: nobody knows how full they were. */
  readonly wasTold: boolean;
  /** It has not had these. */
  readonly isNews: boolean;
}

export class FallbackLimiter implements Limiter {
  readonly #options: FallbackOptions;
  readonly #closing = new AbortController();
  readonly #limits = new Map<string, KnownLimits>();
  readonly #creates: HeldCreates;
  /** Creates given back of which Redis does not know. */
  readonly #released = new Map<string, CreateLease>();
  #shared: SharedSteps | null = null;
  #alone: Alone;
  #aloneCount = 0;
  #members: number | null = null;
  #sharedSinceMs = 0;
  #pauses = 0;
  #rejoining: Promise<void> = Promise.resolve();

  /** `first` is the connection, or why there is none. */
  constructor(options: FallbackOptions, first: SharedSteps | { readonly cause: string }) {
    this.#options = options;
    this.#creates = new HeldCreates(options.clock);
    this.#alone = this.#newAlone();
    if ('cause' in first) this.#beginAlone(first.cause);
    else this.#join(first);
  }

  get mode(): 'shared' | 'alone' {
    return this.#shared ? 'shared' : 'alone';
  }

  take(request: TakeRequest): Promise<Taken> {
    return this.#step(
      (steps) => this.#takeShared(steps, request),
      (alone) => alone.take(request),
    );
  }

  forget(pool: string, waiter: string): Promise<void> {
    return this.#step(
      (steps) => steps.forget(pool, waiter),
      (alone) => alone.forget(pool, waiter),
    );
  }

  correct(pool: string, amounts: Amounts): Promise<void> {
    return this.#step(
      (steps) => steps.correct(pool, amounts),
      // What came back may have been given back in Redis already.
      (alone, wasSent) => alone.correct(pool, wasSent ? onlyCosts(amounts) : amounts),
    );
  }

  async setLimits(pool: string, limits: PoolLimits, levels: Amounts = {}): Promise<void> {
    const before = this.#limits.get(pool);
    const known = { limits, levels: levelsOf(before, levels), wasTold: before?.wasTold ?? false, isNews: true };
    this.#limits.set(pool, known);
    await this.#step(
      (steps) => this.#tellLimits(steps, pool, known),
      (alone) => alone.setLimits(pool, limits, levels),
    );
  }

  observe(pool: string, sightings: readonly Sighting[]): Promise<void> {
    return this.#step(
      (steps) => steps.observe(pool, sightings),
      (alone) => alone.observe(pool, sightings),
    );
  }

  drain(pool: string, buckets: readonly BucketName[]): Promise<void> {
    return this.#step(
      (steps) => steps.drain(pool, buckets),
      (alone) => alone.drain(pool, buckets),
    );
  }

  pause(pool: string, forMs: number): Promise<void> {
    return this.#step(
      (steps) => steps.pause(pool, forMs),
      (alone) => alone.pause(pool, forMs),
    );
  }

  view(pool: string): Promise<PoolView | null> {
    return this.#step(
      (steps) => steps.view(pool),
      (alone) => alone.view(pool),
    );
  }

  async leaseCreate(lease: CreateLease): Promise<boolean> {
    const fits = await this.#step(
      (steps) => steps.leaseCreate(lease),
      (alone) => alone.leaseCreate(lease),
    );
    const name = leaseName(lease.organization, lease.id);
    if (fits) this.#creates.add(name, lease);
    this.#released.delete(name);
    return fits;
  }

  async releaseCreate(organization: string, id: string): Promise<void> {
    const name = leaseName(organization, id);
    const lease = this.#creates.take(name);
    await this.#step(
      (steps) => steps.releaseCreate(organization, id),
      async (alone) => {
        if (lease) this.#released.set(name, lease);
        await alone.releaseCreate(organization, id);
      },
    );
  }

  async close(): Promise<void> {
    this.#closing.abort();
    const steps = this.#shared;
    this.#shared = null;
    steps?.close();
    await this.#rejoining;
  }

  async #step<T>(
    shared: (steps: SharedSteps) => Promise<T>,
    alone: (alone: Alone, wasSent: boolean) => Promise<T>,
  ): Promise<T> {
    const steps = this.#shared;
    if (steps) {
      try {
        return await shared(steps);
      } catch (error) {
        this.#leave(steps, messageOf(error));
      }
    }
    const result = await alone(this.#alone, steps !== null);
    // Redis may have come back while this step was waiting for what was lost.
    if (this.#shared) this.#tell(this.#shared);
    return result;
  }

  async #takeShared(steps: SharedSteps, request: TakeRequest): Promise<Taken> {
    const { pool } = request;
    const known = this.#limits.get(pool);
    let { taken, members } = await steps.take(request, known !== undefined);
    if (taken === 'unknown' && known) {
      await steps.setLimits({ pool, limits: known.limits, levels: NOTHING, onlyIfLost: true });
      ({ taken, members } = await steps.take(request, false));
    }
    if (taken === 'unknown') throw new Error('Redis lost the limits twice');
    this.#members = members ?? this.#members;
    return taken;
  }

  #leave(steps: SharedSteps, cause: string): void {
    if (this.#shared !== steps) return;
    this.#shared = null;
    steps.close();
    if (this.#options.clock.monotonicMs() - this.#sharedSinceMs > STABLE_MS) this.#pauses = 0;
    const alone = this.#newAlone();
    for (const [pool, owed] of this.#alone.settle()) alone.owe(pool, owed);
    this.#alone = alone;
    // How full they were is Redis's secret; from nothing they fill at the rate of the share.
    for (const [pool, { limits }] of this.#limits) void alone.setLimits(pool, limits, NOTHING);
    for (const lease of this.#creates.all()) void alone.holdCreate(lease);
    this.#beginAlone(cause);
  }

  #newAlone(): Alone {
    return new Alone(this.#options.clock, { share: shareOf(this.#members), life: `alone-${++this.#aloneCount}` });
  }

  #beginAlone(cause: string): void {
    this.#options.onMode('alone', cause);
    this.#rejoining = this.#rejoin();
  }

  async #rejoin(): Promise<void> {
    const { clock, rng, open } = this.#options;
    for (;;) {
      const pauseMs = Math.min(REJOIN_PAUSE_MS_MAX, REJOIN_FIRST_MS * 2 ** this.#pauses++);
      // Machines that lost it together do not come back all at once.
      await clock.sleep(pauseMs * (0.5 + rng.next() / 2), this.#closing.signal);
      if (this.#isClosed()) return;
      const steps = await open().catch(() => null);
      if (!steps) continue;
      if (this.#isClosed()) steps.close();
      else this.#join(steps);
      return;
    }
  }

  #isClosed(): boolean {
    return this.#closing.signal.aborted;
  }

  #join(steps: SharedSteps): void {
    // All in one go, without a wait: what is paid from now on comes behind it, on the same connection.
    this.#shared = steps;
    this.#sharedSinceMs = this.#options.clock.monotonicMs();
    this.#tell(steps);
    void steps.lost.then((cause) => this.#leave(steps, cause));
    this.#options.onMode('shared', null);
  }

  /** Tells Redis what it does not know: limits, what was spent alone, pauses, creates under way and given back. */
  #tell(steps: SharedSteps): void {
    const send = (work: Promise<unknown>, failed: () => void = () => undefined): void => {
      work.catch((error: unknown) => {
        this.#leave(steps, messageOf(error));
        failed();
      });
    };
    for (const [pool, known] of this.#limits) {
      if (known.wasTold) send(steps.setLimits({ pool, limits: known.limits, levels: NOTHING, onlyIfLost: true }));
      if (known.isNews) send(this.#tellLimits(steps, pool, known));
    }
    const alone = this.#alone;
    for (const [pool, owed] of alone.settle()) send(steps.correct(pool, owed), () => this.#alone.owe(pool, owed));
    for (const [pool, leftMs] of alone.pauses()) send(steps.pause(pool, leftMs));
    for (const { organization, id } of this.#released.values()) send(steps.releaseCreate(organization, id));
    this.#released.clear();
    // They are under way, whatever room there is.
    for (const lease of this.#creates.all()) {
      send(steps.leaseCreate({ ...lease, batchesMax: Infinity, rowsMax: Infinity }));
    }
  }

  async #tellLimits(steps: SharedSteps, pool: string, known: KnownLimits): Promise<void> {
    await steps.setLimits({ pool, limits: known.limits, levels: known.levels, onlyIfLost: false });
    if (this.#limits.get(pool) === known)
      this.#limits.set(pool, { ...known, levels: NOTHING, wasTold: true, isNews: false });
  }
}

/** What buckets began with stays; those that are new begin as is said now. */
function levelsOf(before: KnownLimits | undefined, levels: Amounts): Amounts {
  const begin: Record<string, number | undefined> = { ...levels };
  for (const name of BUCKET_NAMES) if (before?.limits[name]) begin[name] = before.levels[name];
  return Object.fromEntries(Object.entries(begin).filter(([, level]) => level !== undefined));
}

function leaseName(organization: string, id: string): string {
  return `${organization}|${id}`;
}

function onlyCosts(amounts: Amounts): Amounts {
  return Object.fromEntries(Object.entries(amounts).filter(([, amount]) => amount > 0));
}
