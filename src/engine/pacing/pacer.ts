/**
 * Decides when a realtime call may leave, and with which key: each is paid from the buckets of its organization and class
 * of models before it is sent, by what calls of its run took so far, and put right when its answer is there. What answers
 * and refusals say about the limits is taken in at once.
 *
 * Nothing here waits: who asks is told how long it would take. The lane waits, so that a stop never waits for a limit.
 */
import type { ApiFailure } from '../../domain/failure-router.ts';
import type { TokenUsage } from '../../domain/model.ts';
import { countedInput, Forecast, type CallSize } from '../../domain/pacing/forecast.ts';
import type { Amounts, BucketName, CreateLease, Marks } from '../../domain/pacing/limiter.ts';
import type { RateSeen } from '../../domain/pacing/rate-seen.ts';
import type { PoolSnapshot } from '../../domain/pacing/snapshot.ts';
import type { UseCounts } from '../../domain/pacing/use-ring.ts';
import type { Pool } from './pool.ts';
import { BATCH_CLASS } from './batch-limits.ts';
import { OwnLeases } from './own-leases.ts';
import { PoolBook, type BookParts } from './pool-book.ts';

/** A key that calls may go out with. */
export interface PacedKey {
  /** What the API calls its organization; where that is not known, what stands for it. */
  readonly organization: string;
  /** As people see it. */
  readonly label: string;
}

export interface PacerParts extends BookParts {
  /** Told of every call, for the metrics. */
  readonly onCall?: (call: CallCount) => void;
}

export interface CallCount {
  readonly pool: string;
  readonly key: string;
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly refused: boolean;
  readonly retried: boolean;
}

/** A call that has been paid for and is under way. */
export interface Ticket<K extends PacedKey> {
  readonly key: K;
  readonly pool: string;
  readonly size: CallSize;
  readonly paid: Amounts;
  readonly marks: Marks;
  readonly sentAtMs: number;
}

export type Go<K extends PacedKey> =
  | { readonly kind: 'go'; readonly ticket: Ticket<K> }
  /** `everyone`: no call of this class can go earlier, however small. */
  | {
      readonly kind: 'wait';
      readonly waitMs: number;
      readonly everyone: boolean;
      readonly bucket: BucketName | 'paused';
      readonly pool: string;
    };

export interface Answered {
  readonly usage: TokenUsage | null;
  readonly rates: RateSeen | null;
}

/** Calls under way that explain any difference: a level is lowered by what the API says, and never raised. */
const NEVER_MORE = Number.MAX_SAFE_INTEGER;
/** Token counts in headers are rounded to the nearest thousand (facts, section 3.4). */
const ROUNDED_TOKENS = 500;

export class Pacer {
  readonly #parts: PacerParts;
  readonly #book: PoolBook;
  readonly #forecast = new Forecast();
  readonly #leases: OwnLeases;

  constructor(parts: PacerParts) {
    this.#parts = parts;
    this.#book = new PoolBook(parts);
    this.#leases = new OwnLeases(parts.clock);
  }

  /** What an earlier process knew of the account. */
  restore(snapshots: readonly PoolSnapshot[]): void {
    this.#book.restore(snapshots);
  }

  get pools(): PoolBook {
    return this.#book;
  }

  get forecast(): Forecast {
    return this.#forecast;
  }

  /** Pays for a call with the first of these keys whose organization has room; or says how long until one has. */
  async take<K extends PacedKey>(size: CallSize, keys: readonly K[], waiter: string | null): Promise<Go<K>> {
    const { limiter, clock } = this.#parts;
    let least: Extract<Go<K>, { kind: 'wait' }> | null = null;
    const asked = new Set<string>();
    for (const key of keys) {
      const pool = await this.#book.of(key.organization, size.model);
      // Keys of one organization share its buckets: asking again would not help.
      if (asked.has(pool.name)) continue;
      asked.add(pool.name);
      const paid = this.#amountsOf(size);
      const taken = await limiter.take({ pool: pool.name, amounts: paid, waiter });
      if (taken.kind === 'taken') {
        pool.underWay++;
        for (const other of asked) if (other !== pool.name && waiter !== null) await limiter.forget(other, waiter);
        const ticket = { key, pool: pool.name, size, paid, marks: taken.marks, sentAtMs: clock.monotonicMs() };
        return { kind: 'go', ticket };
      }
      const everyone = taken.bucket === 'requests' || taken.bucket === 'paused';
      if (least && least.waitMs <= taken.waitMs) continue;
      least = { kind: 'wait', waitMs: taken.waitMs, everyone, bucket: taken.bucket, pool: pool.name };
    }
    return least ?? { kind: 'wait', waitMs: NO_KEY_WAIT_MS, everyone: true, bucket: 'paused', pool: '' };
  }

  /**
   * Takes calls of the batch endpoints, for which each organization has one limit. Gives how long until they may be
   * made; 0 where they are taken.
   */
  async takeBatchCalls(organization: string, key: string, calls: number): Promise<number> {
    const pool = await this.#book.ofClass(organization, BATCH_CLASS, null);
    const { limiter } = this.#parts;
    const taken = await limiter.take({ pool: pool.name, amounts: { requests: calls }, waiter: null });
    if (taken.kind === 'wait') return taken.waitMs;
    this.#count(pool, key, { requests: calls });
    return 0;
  }

  /** Calls of the batch endpoints that nobody waits for: looks at the list, results. */
  async noteBatchCalls(organization: string, key: string, calls: number): Promise<void> {
    const pool = await this.#book.ofClass(organization, BATCH_CLASS, null);
    await this.#parts.limiter.correct(pool.name, { requests: calls });
    this.#count(pool, key, { requests: calls });
  }

  /**
   * Room for a create that is about to be sent, against other processes that share the limiter. Gives what ends it: after
   * a create that made a batch it stays for `shownMs`, until everybody's list shows the batch.
   */
  async lease(lease: CreateLease, shownMs: number): Promise<((made: boolean) => Promise<void>) | null> {
    const { limiter } = this.#parts;
    if (!(await this.#leaseCreate(this.#leases.without(lease)))) return null;
    return async (made) => {
      this.#leases.remove(lease.organization, lease.id);
      await limiter.releaseCreate(lease.organization, lease.id);
      // Only others need it: here the ledger knows of the batch.
      if (made && limiter.mode !== 'local') await this.#leaseCreate(shown(lease, shownMs));
    };
  }

  async #leaseCreate(lease: CreateLease): Promise<boolean> {
    const { limiter, clock } = this.#parts;
    const atMs = clock.monotonicMs();
    const isHeld = await limiter.leaseCreate(lease);
    if (isHeld) this.#leases.add(lease, atMs);
    return isHeld;
  }

  /** A call that stood in the line of this pool waits no longer. */
  async forget(pool: string, waiter: string): Promise<void> {
    await this.#parts.limiter.forget(pool, waiter);
  }

  /** A call that was paid for and never left. */
  async refund(ticket: Ticket<PacedKey>): Promise<void> {
    const pool = this.#close(ticket);
    await this.#parts.limiter.correct(pool.name, differences(ticket.paid, {}));
  }

  /** How many calls may be under way so that the limits are used in full: rate times latency (Little's law), and some. */
  concurrency(max: number): number {
    return this.#book.concurrency(max);
  }

  async answered(ticket: Ticket<PacedKey>, { usage, rates }: Answered): Promise<void> {
    const pool = this.#close(ticket);
    const { clock, limiter } = this.#parts;
    const tookMs = clock.monotonicMs() - ticket.sentAtMs;
    pool.noteLatency(tookMs);
    if (usage) {
      this.#forecast.learn(ticket.size, usage);
      const input = countedInput(usage);
      const output = usage.outputTokens;
      this.#count(pool, ticket.key.label, { requests: 1, inputTokens: input, outputTokens: output });
      const more = differences(ticket.paid, amountsFor(input, output));
      if (Object.keys(more).length > 0) await limiter.correct(pool.name, more);
    } else this.#count(pool, ticket.key.label, { requests: 1 });
    await this.#hear(pool, ticket, rates);
    if (pool.known.answered(clock.now())) await this.#book.apply(pool);
  }

  /** A call that went out before anybody knew whose its key is: this is where it took from. */
  async took(organization: string, model: string, { usage, rates }: Answered): Promise<void> {
    const pool = await this.#book.of(organization, model);
    if (rates && this.#book.learn(pool, rates)) await this.#book.apply(pool);
    const amounts = usage ? amountsFor(countedInput(usage), usage.outputTokens) : { requests: 1 };
    await this.#parts.limiter.correct(pool.name, amounts);
  }

  /** `retried`: it will be called again. */
  async failed(ticket: Ticket<PacedKey>, failure: ApiFailure, retried: boolean): Promise<void> {
    const pool = this.#close(ticket);
    const { limiter } = this.#parts;
    const refused = failure.status === 429;
    const counts = { requests: refused ? 0 : 1, refused: refused ? 1 : 0, retried: retried ? 1 : 0 };
    this.#count(pool, ticket.key.label, counts);
    // What is refused or breaks down takes no tokens; a call, it may have been.
    const back = differences(ticket.paid, { requests: 1 });
    if (Object.keys(back).length > 0) await limiter.correct(pool.name, back);
    await this.#hear(pool, ticket, failure.rates ?? null);
    if (refused) await this.#book.refused(pool, failure);
  }

  #count(pool: Pool, key: string, counts: Partial<UseCounts>): void {
    pool.use(key).add(this.#parts.clock.now(), counts);
    const { inputTokens = 0, outputTokens = 0, refused = 0, retried = 0 } = counts;
    const call = { pool: pool.name, key, inputTokens, outputTokens, refused: refused > 0, retried: retried > 0 };
    for (let calls = Math.max(1, counts.requests ?? 0); calls > 0; calls--) this.#parts.onCall?.(call);
  }

  #close(ticket: Ticket<PacedKey>): Pool {
    const pool = this.#book.named(ticket.pool);
    pool.underWay--;
    return pool;
  }

  #amountsOf(size: CallSize): Amounts {
    const { inputTokens, outputTokens } = this.#forecast.expect(size);
    return amountsFor(inputTokens, outputTokens);
  }

  async #hear(pool: Pool, ticket: Ticket<PacedKey>, rates: RateSeen | null): Promise<void> {
    if (!rates) return;
    if (this.#book.learn(pool, rates)) await this.#book.apply(pool);
    const sightings = (['requests', 'input', 'output'] as const).flatMap((bucket) => {
      const remaining = rates.buckets[bucket]?.remaining ?? null;
      const mark = ticket.marks[bucket];
      if (remaining === null || !mark) return [];
      // Its own output is counted while it is produced, and was paid here before.
      const each = ticket.paid[bucket] ?? 0;
      return {
        bucket,
        remaining: remaining - pool.known.leftToOthers(bucket),
        mark,
        underWay: pool.known.isCapped(bucket) ? NEVER_MORE : pool.underWay * Math.max(1, each),
        roundedTo: bucket === 'requests' ? 1 : ROUNDED_TOKENS,
      };
    });
    await this.#parts.limiter.observe(pool.name, sightings);
  }
}

/** It fits always: the batch is there. */
function shown(lease: CreateLease, ttlMs: number): CreateLease {
  return {
    ...lease,
    id: `${lease.id}:made`,
    openBatches: 0,
    openRows: 0,
    batchesMax: Infinity,
    rowsMax: Infinity,
    ttlMs,
  };
}

/** Without a key that may be used, somebody has to act; it is looked at again after this. */
const NO_KEY_WAIT_MS = 1_000;

function amountsFor(input: number, output: number): Amounts {
  return { requests: 1, input, output, tokens: input + output, day: input + output };
}

function differences(paid: Amounts, actual: Amounts): Amounts {
  const more: Partial<Record<BucketName, number>> = {};
  for (const name of ['requests', 'input', 'output', 'tokens', 'day'] as const) {
    const difference = (actual[name] ?? 0) - (paid[name] ?? 0);
    if (difference !== 0) more[name] = difference;
  }
  return more;
}
