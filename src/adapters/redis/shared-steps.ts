/**
 * The steps of the port on a connection: what goes to the script, and what its answers mean. Names of keys are made of
 * the pool, which is an organization and a class of models: never of a key of the API.
 */
import {
  BUCKET_NAMES,
  type Amounts,
  type BucketName,
  type CreateLease,
  type Marks,
} from '../../domain/pacing/limiter.ts';
import type { BucketView, PoolLimits, PoolView, Sighting, Taken, TakeRequest } from '../../domain/pacing/limiter.ts';
import type { RedisConnection } from './connection.ts';

export interface SharedNames {
  /** Before the name of every key. */
  readonly prefix: string;
  /** This process among the others: two of them may call their waiters and creates the same. */
  readonly member: string;
  /** The time in place of the server's; only tests give one. */
  readonly nowMs?: () => number;
}

export interface TakenShared {
  /** `unknown`: its limits are not there, though this process knows some. */
  readonly taken: Taken | 'unknown';
  /** Processes that have paid from this pool lately; null where the answer does not say. */
  readonly members: number | null;
}

export interface SharedLimits {
  readonly pool: string;
  readonly limits: PoolLimits;
  readonly levels: Amounts;
  /** Does nothing where the pool has limits. */
  readonly onlyIfLost: boolean;
}

/** What a bucket holds that is not known: nothing, so that nobody pays what may have been paid before. */
export const NOTHING: Amounts = Object.fromEntries(BUCKET_NAMES.map((name) => [name, 0]));

export class SharedSteps {
  readonly #connection: RedisConnection;
  readonly #names: SharedNames;

  constructor(connection: RedisConnection, names: SharedNames) {
    this.#connection = connection;
    this.#names = names;
  }

  get lost(): Promise<string> {
    return this.#connection.lost;
  }

  close(): void {
    this.#connection.close();
  }

  async take({ pool, amounts, waiter }: TakeRequest, knowsLimits: boolean): Promise<TakenShared> {
    const member = this.#names.member;
    const said = { amounts, waiter: waiter === null ? null : this.#own(waiter), knowsLimits, member };
    const [kind, members, ...rest] = await this.#pool(pool, 'take', said);
    if (kind === 'unknown') return { taken: 'unknown', members: null };
    return { taken: kind === 'wait' ? waitOf(rest) : takenOf(rest), members: Number(members) };
  }

  async forget(pool: string, waiter: string): Promise<void> {
    await this.#pool(pool, 'forget', { waiter: this.#own(waiter) });
  }

  async correct(pool: string, amounts: Amounts): Promise<void> {
    await this.#pool(pool, 'correct', { amounts });
  }

  async setLimits({ pool, ...said }: SharedLimits): Promise<void> {
    await this.#pool(pool, 'setLimits', said);
  }

  async observe(pool: string, sightings: readonly Sighting[]): Promise<void> {
    await this.#pool(pool, 'observe', { sightings });
  }

  async drain(pool: string, buckets: readonly BucketName[]): Promise<void> {
    await this.#pool(pool, 'drain', { buckets });
  }

  async pause(pool: string, forMs: number): Promise<void> {
    await this.#pool(pool, 'pause', { forMs });
  }

  async view(pool: string): Promise<PoolView | null> {
    const [kind, pausedMs, ...rest] = await this.#pool(pool, 'view', {});
    if (kind === 'unknown') return null;
    const buckets: Record<string, BucketView> = {};
    for (const [name, perWindow, capacity, level, aside] of groupsOf(rest, 5)) {
      const limit = { perWindow: Number(perWindow), capacity: Number(capacity) };
      buckets[String(name)] = { limit, level: Number(level), aside: Number(aside) };
    }
    return { buckets, pausedMs: Number(pausedMs) };
  }

  async leaseCreate({ organization, id, ...said }: CreateLease): Promise<boolean> {
    const [, fits] = await this.#creates(organization, 'lease', { ...said, id: this.#own(id) });
    return Number(fits) === 1;
  }

  async releaseCreate(organization: string, id: string): Promise<void> {
    await this.#creates(organization, 'release', { id: this.#own(id) });
  }

  #own(name: string): string {
    return `${this.#names.member}:${name}`;
  }

  #pool(pool: string, step: string, said: object): Promise<readonly unknown[]> {
    const key = this.#keyOf(pool);
    return this.#run([key, `${key}:members`], step, said);
  }

  #creates(organization: string, step: string, said: object): Promise<readonly unknown[]> {
    return this.#run([`${this.#keyOf(organization)}:creates`], step, said);
  }

  /** In braces: in a cluster, the keys of one step must lie together. */
  #keyOf(name: string): string {
    return `${this.#names.prefix}{${name.replaceAll(/[{}]/g, '_')}}`;
  }

  #run(keys: readonly string[], step: string, said: object): Promise<readonly unknown[]> {
    return this.#connection.run(keys, [step, JSON.stringify(said, finite), String(this.#names.nowMs?.() ?? '')]);
  }
}

/** JSON has no number for "without end". */
function finite(_name: string, value: unknown): unknown {
  return value === Infinity ? Number.MAX_SAFE_INTEGER : value;
}

function waitOf([waitMs, bucket]: readonly unknown[]): Taken {
  return { kind: 'wait', waitMs: Number(waitMs), bucket: String(bucket) as BucketName | 'paused' };
}

function takenOf([life, at, ...rest]: readonly unknown[]): Taken {
  const marks: Record<string, Marks[BucketName]> = {};
  for (const [name, level, corrected, paid, returned] of groupsOf(rest, 5)) {
    marks[String(name)] = {
      life: String(life),
      atMs: Number(at),
      level: Number(level),
      corrected: Number(corrected),
      paid: Number(paid),
      returned: Number(returned),
    };
  }
  return { kind: 'taken', marks };
}

function groupsOf(values: readonly unknown[], size: number): readonly unknown[][] {
  const groups: unknown[][] = [];
  for (let at = 0; at < values.length; at += size) groups.push(values.slice(at, at + size));
  return groups;
}
