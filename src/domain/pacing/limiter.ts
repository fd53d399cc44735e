/**
 * The door to whoever keeps the buckets of an account: this process alone, or many through one Redis. Levels change only
 * in here, one step at a time: a call is paid from all its buckets or from none.
 *
 * A pool is an organization and a class of models (`<organization>|opus_5`), or an organization and its batch endpoints
 * (`<organization>|batches`). Its buckets refill continuously, as the API's do (facts, section 3.3).
 */

/** Of a pool: calls, tokens in, tokens out, both together (`--tpm`), and both together in a day (`--tpd`). */
export type BucketName = 'requests' | 'input' | 'output' | 'tokens' | 'day';

export const BUCKET_NAMES: readonly BucketName[] = ['requests', 'input', 'output', 'tokens', 'day'];

export const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;

/** The time in which a bucket fills from nothing. */
export function windowMs(bucket: BucketName): number {
  return bucket === 'day' ? DAY_MS : MINUTE_MS;
}

/** Calls or tokens by bucket; what is not named is nothing. */
export type Amounts = Readonly<Partial<Record<BucketName, number>>>;

/** What a bucket takes in its window (a minute, a day). One without a limit is not there, and calls do not pay for it. */
export interface BucketLimit {
  readonly perWindow: number;
  /** The most that it holds; a whole window's worth unless the API enforces it in smaller steps. */
  readonly capacity: number;
}

export type PoolLimits = Readonly<Partial<Record<BucketName, BucketLimit>>>;

export interface TakeRequest {
  readonly pool: string;
  readonly amounts: Amounts;
  /**
   * Names the call that waits when it cannot be paid. While it waits half of what flows in is put aside for it, so that
   * small calls go past it and it is still served in twice the time that it would wait alone. Null: it may wait for ever.
   */
  readonly waiter: string | null;
}

/**
 * How a bucket stood when a call had been paid: what the API says of it later is held against this. The sums are those of
 * its life so far; what was added since explains a part of the difference. Hand it back as it is.
 */
export interface BucketMark {
  /** Of the pool: a mark says nothing about one that was lost and made again, or is kept elsewhere. */
  readonly life: string;
  /** By the clock of the pool. */
  readonly atMs: number;
  readonly level: number;
  /** By what the API said. */
  readonly corrected: number;
  /** By calls, and by answers that took more than had been paid. */
  readonly paid: number;
  /** By answers that took less. */
  readonly returned: number;
}

export type Marks = Readonly<Partial<Record<BucketName, BucketMark>>>;

export type Taken =
  | { readonly kind: 'taken'; readonly marks: Marks }
  /** `bucket` is the one that takes longest; `paused`: the API has asked for the wait. */
  | { readonly kind: 'wait'; readonly waitMs: number; readonly bucket: BucketName | 'paused' };

/** What the API says is left in a bucket, and how the bucket stood here when the call was paid. */
export interface Sighting {
  readonly bucket: BucketName;
  readonly remaining: number;
  readonly mark: BucketMark;
  /** Paid here and perhaps not yet counted there: calls under way when the answer came. */
  readonly underWay: number;
  /** The API rounds: a difference up to this says nothing. */
  readonly roundedTo: number;
}

export interface BucketView {
  readonly limit: BucketLimit;
  readonly level: number;
  /** Put aside for calls that wait. */
  readonly aside: number;
}

export interface PoolView {
  readonly buckets: Readonly<Partial<Record<BucketName, BucketView>>>;
  /** How long nobody may call; 0 where nothing is paused. */
  readonly pausedMs: number;
}

/** A create that is about to be sent. What others have under way counts as if it had been made. */
export interface CreateLease {
  readonly organization: string;
  /** Names this create, so that it can be given back. */
  readonly id: string;
  readonly rows: number;
  /** Batches and rows that the workspace's list shows as open, foreign ones included, and those of ours it does not yet show. */
  readonly openBatches: number;
  readonly openRows: number;
  readonly batchesMax: number;
  readonly rowsMax: number;
  /** After this the lease is void: whoever held it has died. */
  readonly ttlMs: number;
}

export interface Limiter {
  /** `shared`: with others through a server. `alone`: that server is away, and a safe share is used. */
  readonly mode: 'local' | 'shared' | 'alone';
  /** Pays a call from all its buckets, or from none and says how long until it could. */
  take(request: TakeRequest): Promise<Taken>;
  /** This call waits no longer, for another reason than having been paid. */
  forget(pool: string, waiter: string): Promise<void>;
  /** After the answer: what it took more (positive) or less (negative) than was paid for it. */
  correct(pool: string, amounts: Amounts): Promise<void>;
  /**
   * New limits, all of them; levels stay, and never stand above what the bucket holds. A bucket that is new begins with
   * `levels`, or full.
   */
  setLimits(pool: string, limits: PoolLimits, levels?: Amounts): Promise<void>;
  /** The API has said what is left. Lowers the level where others use the account too, raises it where it was too low. */
  observe(pool: string, sightings: readonly Sighting[]): Promise<void>;
  /** These buckets are empty: the API has just said so with a 429. */
  drain(pool: string, buckets: readonly BucketName[]): Promise<void>;
  /** Nobody calls for so long. */
  pause(pool: string, forMs: number): Promise<void>;
  view(pool: string): Promise<PoolView | null>;
  /**
   * True where the create fits beside all others under way; it must be given back when its answer is known. Asked again
   * under the same id it is held for longer.
   */
  leaseCreate(lease: CreateLease): Promise<boolean>;
  releaseCreate(organization: string, id: string): Promise<void>;
  close(): Promise<void>;
}
