/**
 * All pools of the accounts that are used: learns their limits from answers, refusals, the Admin API and what an earlier
 * process kept, tells the limiter, and says how many calls and batches they allow.
 */
import type { Clock } from '../../base/clock.ts';
import { invariant } from '../../base/errors.ts';
import type { ApiFailure } from '../../domain/failure-router.ts';
import { inputLimitOf, limitsOfModel, type AdminLimits } from '../../domain/pacing/admin-limits.ts';
import { KnownLimits, type Caps } from '../../domain/pacing/known-limits.ts';
import { BUCKET_NAMES, MINUTE_MS, type Amounts, type BucketName, type Limiter } from '../../domain/pacing/limiter.ts';
import { rateClassOf } from '../../domain/pacing/rate-class.ts';
import type { RateSeen } from '../../domain/pacing/rate-seen.ts';
import { refusalOf } from '../../domain/pacing/refusal.ts';
import { batchRequestsOfTier } from '../../domain/pacing/tiers.ts';
import type { PoolSnapshot } from '../../domain/pacing/snapshot.ts';
import { BATCH_CLASS, BatchLimitsBook, LOWEST_TIER, type BatchLimits } from './batch-limits.ts';
import { Pool } from './pool.ts';

export interface BookParts {
  readonly limiter: Limiter;
  readonly clock: Clock;
  readonly caps: Caps;
  readonly headroom: number;
  /** `--max-queued` and `--batch-rpm`. */
  readonly maxQueued?: number | undefined;
  readonly batchRpm?: number | undefined;
  /** What somebody says of the limits of a class of models: counts until an answer says otherwise. */
  readonly told?: ((rateClass: string) => Caps) | undefined;
}

/** Of the calls of the batch endpoints. */
const LOOKS_SHARE_MAX = 0.5;
/** Calls that may be under way before the first answer says how long one takes and what the limits are. */
const CONCURRENCY_FIRST = 8;
/** More than rate times latency: latencies vary, and a slot too few is a limit not used. */
const CONCURRENCY_SLACK = 2;
const CONCURRENCY_MIN = 8;
/** While the account may not speed up, the limits are set anew as often as this. */
const RAMP_REFRESH_MS = 5_000;
/** What was known longer ago than this is known no more: the account may have moved to another tier. */
const KNOWN_MS_MAX = 7 * 86_400_000;

export class PoolBook {
  readonly #parts: BookParts;
  readonly #pools = new Map<string, Pool>();
  readonly #levels = new Map<string, Amounts>();
  readonly #admin = new Map<string, AdminLimits>();
  readonly #batches: BatchLimitsBook;

  constructor(parts: BookParts) {
    this.#parts = parts;
    this.#batches = new BatchLimitsBook(parts);
  }

  restore(snapshots: readonly PoolSnapshot[]): void {
    const nowMs = this.#parts.clock.now();
    for (const snapshot of snapshots) {
      const pool = this.#open(snapshot.organization, snapshot.rateClass);
      for (const { name, value, source, atMs } of snapshot.limits) {
        if (source === 'flag' || source === 'assumed' || nowMs - atMs > KNOWN_MS_MAX) continue;
        if (name === 'queue' || name === 'batches') {
          if (source === 'refusal') this.#batches.hear(snapshot.organization, name, { value, isTold: true, atMs });
        } else pool.known.recall(name, { value, source, atMs });
      }
      for (const { key, minutes } of snapshot.use) pool.load(key, minutes);
      this.#levels.set(pool.name, refilled(snapshot, nowMs));
      // A clock that was set back makes no pause longer than it was asked for.
      pool.pausedUntilMs = (snapshot.pausedUntilMs ?? 0) - Math.max(0, snapshot.atMs - nowMs);
    }
  }

  /** Limits by the Admin API: they hold until it or an answer says otherwise. */
  administer(organization: string, limits: AdminLimits): void {
    this.#admin.set(organization, limits);
    this.#batches.administer(organization, limits);
  }

  /** The pool that a call of this model is paid from; the limiter knows its limits from here on. */
  async of(organization: string, model: string): Promise<Pool> {
    return this.ofClass(organization, rateClassOf(model), model);
  }

  async ofClass(organization: string, rateClass: string, model: string | null): Promise<Pool> {
    const known = this.#pools.get(`${organization}|${rateClass}`);
    const nowMs = this.#parts.clock.now();
    if (known && known.refreshedAtMs > 0) {
      if (known.known.ramping && nowMs - known.refreshedAtMs > RAMP_REFRESH_MS) await this.apply(known);
      return known;
    }
    const pool = known ?? this.#open(organization, rateClass);
    if (model !== null) this.#fromAdmin(pool, model);
    if (this.#parts.limiter.mode === 'shared') await this.#fromOthers(pool);
    await this.apply(pool);
    const pauseMs = pool.pausedUntilMs - nowMs;
    if (pauseMs > 0) await this.#parts.limiter.pause(pool.name, pauseMs);
    return pool;
  }

  named(name: string): Pool {
    const pool = this.#pools.get(name);
    invariant(pool, `pool ${name} was asked for before`);
    return pool;
  }

  all(): readonly Pool[] {
    return [...this.#pools.values()];
  }

  /** Tells the limiter what is known now. */
  async apply(pool: Pool): Promise<void> {
    const nowMs = this.#parts.clock.now();
    pool.refreshedAtMs = nowMs;
    await this.#parts.limiter.setLimits(pool.name, pool.known.toLimits(nowMs), this.#levels.get(pool.name) ?? {});
  }

  /** What an answer says about limits. True when something is new. */
  learn(pool: Pool, rates: RateSeen): boolean {
    const nowMs = this.#parts.clock.now();
    let news = false;
    for (const bucket of ['requests', 'input', 'output'] as const) {
      const limit = rates.buckets[bucket]?.limit ?? null;
      if (limit !== null && pool.known.hear(bucket, limit, 'headers', nowMs)) news = true;
    }
    // The API's own `tokens` shows one of the others, the tightest; a proxy's is the only one that it has.
    const both = rates.by === 'proxy' ? (rates.buckets.tokens?.limit ?? null) : null;
    if (both !== null && pool.known.hear('tokens', both, 'headers', nowMs)) news = true;
    return news;
  }

  /** A 429: whose limit it was, and what follows. */
  async refused(pool: Pool, failure: ApiFailure): Promise<void> {
    const { limiter, clock } = this.#parts;
    const refusal = refusalOf(failure);
    const nowMs = clock.now();
    if (refusal?.kind === 'ramp') pool.known.ramped(pool.requestsOfLastMinute(nowMs), nowMs);
    if (refusal?.kind === 'rate') {
      const bucket = bucketOf(refusal.bucket);
      const left = failure.rates?.buckets[bucket === 'day' ? 'tokens' : bucket]?.remaining ?? null;
      // Headers that show an empty bucket have explained it already.
      if (left === null || left > 0) {
        const used = pool.usedOfLastMinute(bucket, nowMs);
        pool.known.refused(bucket, { limit: refusal.limit, used, nowMs });
      }
      await limiter.drain(pool.name, [bucket]);
    }
    const waitMs = failure.retryAfterMs ?? 0;
    if (waitMs > 0) {
      pool.pausedUntilMs = Math.max(pool.pausedUntilMs, nowMs + waitMs);
      await limiter.pause(pool.name, waitMs);
    }
    await this.apply(pool);
  }

  batchLimits(organization: string): BatchLimits {
    return this.#batches.of(organization, this.all());
  }

  /** Looks at the lists are not asked about, so they must leave the other half of these calls to creates and results. */
  get lookIntervalMs(): number {
    const limits = this.all().map(({ rateClass, known }) =>
      rateClass === BATCH_CLASS ? known.usable('requests') : null,
    );
    return Math.max(0, ...limits.map((limit) => (limit === null ? 0 : MINUTE_MS / (limit * LOOKS_SHARE_MAX))));
  }

  /** The API has refused a batch for this. */
  hearBatchLimit(organization: string, name: 'queue' | 'batches', limit: { value: number; isTold: boolean }): void {
    this.#batches.hear(organization, name, { ...limit, atMs: this.#parts.clock.now() });
  }

  /** So many calls under way use all pools in full. */
  concurrency(max: number): number {
    let wanted = 0;
    for (const pool of this.#pools.values()) {
      const { latencyMs } = pool;
      if (latencyMs === null) continue;
      const perMs = this.#callsPerMs(pool);
      wanted += Math.ceil(perMs * latencyMs * CONCURRENCY_SLACK) + CONCURRENCY_MIN;
    }
    return Math.min(max, wanted === 0 ? CONCURRENCY_FIRST : wanted);
  }

  /** Calls that the limits of a pool let through, by what calls of it take. */
  #callsPerMs(pool: Pool): number {
    const nowMs = this.#parts.clock.now();
    const requests = pool.known.usable('requests') ?? Infinity;
    const calls = Math.max(1, pool.requestsOfLastMinute(nowMs));
    let perMinute = requests;
    for (const bucket of BUCKET_NAMES) {
      const limit = pool.known.usable(bucket);
      const each = pool.usedOfLastMinute(bucket, nowMs) / calls;
      if (limit !== null && bucket !== 'day' && each > 0) perMinute = Math.min(perMinute, limit / each);
    }
    return perMinute / MINUTE_MS;
  }

  async snapshots(): Promise<PoolSnapshot[]> {
    const { limiter, clock } = this.#parts;
    const nowMs = clock.now();
    const snapshots: PoolSnapshot[] = [];
    for (const pool of this.#pools.values()) {
      // What an earlier process noted and this one never used stays as that one left it.
      if (pool.refreshedAtMs === 0) continue;
      const view = await limiter.view(pool.name);
      const levels: Partial<Record<BucketName, number>> = {};
      for (const name of BUCKET_NAMES) {
        const level = view?.buckets[name]?.level;
        if (level !== undefined) levels[name] = Math.round(level * 1_000) / 1_000;
      }
      snapshots.push({
        pool: pool.name,
        organization: pool.organization,
        rateClass: pool.rateClass,
        atMs: nowMs,
        limits:
          pool.rateClass === BATCH_CLASS
            ? [...pool.known.list(nowMs), ...this.#batches.list(pool.organization, this.all())]
            : pool.known.list(nowMs),
        levels,
        open: null,
        pausedUntilMs: pool.pausedUntilMs > nowMs ? pool.pausedUntilMs : null,
        use: [...pool.uses()].map(([key, ring]) => ({ key, minutes: ring.toJson() })),
        latency: pool.latency,
        mode: limiter.mode,
      });
    }
    return snapshots;
  }

  #open(organization: string, rateClass: string): Pool {
    const { caps, headroom, clock, batchRpm, told } = this.#parts;
    const known =
      rateClass === BATCH_CLASS
        ? new KnownLimits(batchRpm === undefined ? {} : { requests: batchRpm }, headroom, clock.now(), {
            requests: batchRequestsOfTier(LOWEST_TIER),
          })
        : new KnownLimits(caps, headroom, clock.now());
    if (rateClass !== BATCH_CLASS) hearAll(known, told?.(rateClass) ?? {}, clock.now());
    const pool = new Pool(organization, rateClass, known);
    const before = this.#pools.get(pool.name);
    if (before) return before;
    this.#pools.set(pool.name, pool);
    return pool;
  }

  /** What others who share the limiter know by now: an assumption of this process must not be put in its place. */
  async #fromOthers({ name, known }: Pool): Promise<void> {
    const view = await this.#parts.limiter.view(name);
    for (const bucket of BUCKET_NAMES) {
      const limit = view?.buckets[bucket]?.limit.perWindow;
      if (limit !== undefined) known.assume(bucket, limit / (1 - this.#parts.headroom), this.#parts.clock.now());
    }
  }

  #fromAdmin(pool: Pool, model: string): void {
    const nowMs = this.#parts.clock.now();
    const admin = this.#admin.get(pool.organization);
    const limits = admin ? limitsOfModel(admin, model) : null;
    if (!limits) return;
    const values: Readonly<Record<BucketName, number | null>> = {
      requests: limits.requestsPerMinute,
      input: inputLimitOf(limits),
      output: limits.outputTokensPerMinute,
      tokens: limits.tokensPerMinute,
      day: limits.tokensPerDay,
    };
    for (const bucket of BUCKET_NAMES) {
      const value = values[bucket];
      if (value !== null) pool.known.hear(bucket, value, 'admin', nowMs);
    }
  }
}

function hearAll(known: KnownLimits, limits: Caps, nowMs: number): void {
  for (const name of BUCKET_NAMES) {
    const limit = limits[name];
    if (limit !== undefined) known.hear(name, limit, 'tier', nowMs);
  }
}

function bucketOf(named: string | null): BucketName {
  return BUCKET_NAMES.find((name) => name === named) ?? 'requests';
}

/** What the buckets hold by now, if nobody else used the account meanwhile. */
function refilled({ levels, limits, atMs }: PoolSnapshot, nowMs: number): Amounts {
  const now: Partial<Record<BucketName, number>> = {};
  const elapsed = Math.max(0, nowMs - atMs) / MINUTE_MS;
  for (const { name, value } of limits) {
    if (name === 'queue' || name === 'batches') continue;
    const level = levels[name];
    const perMinute = name === 'day' ? value / 1_440 : value;
    if (level !== undefined) now[name] = Math.min(value, level + elapsed * perMinute);
  }
  return now;
}
