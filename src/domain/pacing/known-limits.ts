/**
 * The limits of one pool as far as they are known, and from where. What a person says caps everything else; of the rest
 * the newest word wins, but an assumption never stands against knowledge.
 */
import type { BucketLimit, BucketName, PoolLimits } from './limiter.ts';
import { BUCKET_NAMES } from './limiter.ts';
import type { KnownLimit, LimitSource } from './snapshot.ts';
import { TIERS } from './tiers.ts';

export type Caps = Readonly<Partial<Record<BucketName, number>>>;

/**
 * Before anything is known: the lowest limits that were ever published for a paying account (facts, section 3.2, tier 1 of
 * 2025). The first answer says more.
 */
export const ASSUMED: Readonly<Record<'requests' | 'input' | 'output', number>> = TIERS.tier_1.models;

const TRUST: Readonly<Record<LimitSource, number>> = { assumed: 0, tier: 1, refusal: 2, headers: 3, admin: 3, flag: 4 };
/** A refusal that contradicts what headers or the Admin API said longer ago than this is believed. */
const STALE_MS = 60_000;
/** Without headers an assumed limit grows by so many calls a minute with each answer: it doubles about every minute. */
const GROWTH_BY_ANSWER = 1;
/**
 * Near to where a 429 without a number came it grows by so many: from nine tenths of a limit to the limit takes five
 * minutes of it in full, so that one call in some thousand is refused. Far below it was somebody else who used it up.
 */
const GROWTH_NEAR_REFUSAL = 0.02;
const NEAR_REFUSAL_SHARE = 0.5;
/** After a 429 that names no number: what went through in the last minute, less a tenth. */
const AFTER_REFUSAL_SHARE = 0.9;
const AFTER_REFUSAL_SHARE_MIN = 0.5;
/** No guess falls below a tenth of what is assumed at first: nothing would move any more, and nothing be learnt. */
const FLOOR: Caps = { requests: ASSUMED.requests / 10, input: ASSUMED.input / 10, output: ASSUMED.output / 10 };
/** With each answer a bucket is taken to hold a little more again, up to its whole window. */
const CAPACITY_GROWTH = 1.02;
/** A limit of nothing (`--rpm 0` is refused, but an account may have none) must not be divided by. */
const PER_WINDOW_MIN = 1e-9;
/** "60 requests a minute may be enforced as 1 a second" (facts, section 3.3): no less than a second's worth. */
const CAPACITY_SHARE_MIN = 1 / 60;
/** After `ramp_limit_exceeded` a little less than what went through, and from there a fifth more every half minute. */
const AFTER_RAMP_SHARE = 0.8;
const RAMP_SHARE_MIN = 0.01;
const RAMP_GROWTH = 1.2;
const RAMP_STEP_MS = 30_000;

export class KnownLimits {
  readonly #caps: Caps;
  readonly #headroom: number;
  readonly #known = new Map<BucketName, KnownLimit>();
  /** Limits after a 429 without a number: what was taken for the limit before it. */
  readonly #guesses = new Map<BucketName, { readonly refusedAt: number; readonly atMs: number }>();
  #capacityShare = 1;
  /** Stands for the calls a minute of an assumption where only other limits are assumed. */
  #calls: number = ASSUMED.requests;
  #ramp: { readonly share: number; readonly atMs: number } | null = null;

  /** `headroom`: the share of each limit that is left to others, from 0 to 1. */
  constructor(caps: Caps, headroom: number, nowMs: number, assumed: Caps = ASSUMED) {
    this.#caps = caps;
    this.#headroom = headroom;
    for (const [name, value] of Object.entries(assumed) as [BucketName, number][]) {
      this.#known.set(name, { name, value, source: 'assumed', atMs: nowMs });
    }
  }

  /** What the API has said of the three buckets that every class has; null where it has not. */
  heard(): { readonly requests: number | null; readonly input: number | null; readonly output: number | null } {
    const of = (name: BucketName): number | null => {
      const known = this.#known.get(name);
      return known && known.source !== 'assumed' ? known.value : null;
    };
    return { requests: of('requests'), input: of('input'), output: of('output') };
  }

  /** True when something changed. */
  hear(name: BucketName, value: number, source: LimitSource, nowMs: number): boolean {
    if (!(value >= 0) || !Number.isFinite(value)) return false;
    const before = this.#known.get(name);
    const isOld = before !== undefined && nowMs - before.atMs > STALE_MS;
    if (before && TRUST[source] < TRUST[before.source] && !(source === 'refusal' && isOld)) return false;
    this.#known.set(name, { name, value, source, atMs: nowMs });
    this.#guesses.delete(name);
    // Where there is one limit of all tokens, nobody has to assume two others.
    if (name === 'tokens' && TRUST[source] > TRUST.refusal) this.#forgetAssumed(['input', 'output']);
    return before?.value !== value;
  }

  /** What an earlier process knew. It does not say which 429 had named its number: such a limit may grow. */
  recall(name: BucketName, { value, source, atMs }: Omit<KnownLimit, 'name'>): void {
    if (!this.hear(name, value, source, atMs) || source !== 'refusal') return;
    const most = Math.max(value, (ASSUMED as Caps)[name] ?? value);
    this.#guesses.set(name, { refusedAt: most, atMs });
  }

  /** An answer: what nobody has told a number of grows. */
  answered(nowMs: number): boolean {
    let grew = this.#capacityShare < 1;
    this.#capacityShare = Math.min(1, this.#capacityShare * CAPACITY_GROWTH);
    const requests = this.#known.get('requests');
    const calls = requests && this.#isGuess(requests) ? Math.max(1, requests.value) : this.#calls;
    this.#calls += GROWTH_BY_ANSWER;
    for (const [name, limit] of this.#known) {
      if (!this.#isGuess(limit)) continue;
      const refusedAt = this.#guesses.get(name)?.refusedAt ?? Infinity;
      const isNear = limit.value >= refusedAt * NEAR_REFUSAL_SHARE;
      const more = (isNear ? GROWTH_NEAR_REFUSAL : GROWTH_BY_ANSWER) / calls;
      this.#known.set(name, { ...limit, value: limit.value * (1 + more), atMs: nowMs });
      grew = true;
    }
    return grew;
  }

  /** Did nobody tell this number? */
  #isGuess({ name, source }: KnownLimit): boolean {
    return source === 'assumed' || (source === 'refusal' && this.#guesses.has(name as BucketName));
  }

  /** A 429 for this bucket, with its number where it names one; else by what went through in the last minute. */
  refused(name: BucketName, { limit, used, nowMs }: { limit: number | null; used: number; nowMs: number }): boolean {
    if (limit !== null) return this.hear(name, limit, 'refusal', nowMs);
    const before = this.#known.get(name);
    const exact = before && TRUST[before.source] > TRUST.refusal;
    if (exact) {
      // The limit is right and the bucket was not empty: it is enforced in smaller steps than a minute.
      const smaller = Math.max(CAPACITY_SHARE_MIN, this.#capacityShare / 2);
      const changed = smaller !== this.#capacityShare;
      this.#capacityShare = smaller;
      return changed;
    }
    // One refusal may have passed by itself: no more than half is given up for it.
    const least = Math.max(FLOOR[name] ?? 0, (before?.value ?? 0) * AFTER_REFUSAL_SHARE_MIN);
    const value = Math.max(least, Math.min(before?.value ?? Infinity, used * AFTER_REFUSAL_SHARE));
    const earlier = this.#guesses.get(name);
    // Calls that were under way together are refused together: the first of them says where the limit was.
    const isSame = earlier !== undefined && nowMs - earlier.atMs <= STALE_MS;
    const changed = this.hear(name, value, 'refusal', nowMs);
    this.#guesses.set(name, isSame ? earlier : { refusedAt: before?.value ?? used, atMs: nowMs });
    return changed;
  }

  #forgetAssumed(names: readonly BucketName[]): void {
    for (const name of names) if (this.isAssumed(name)) this.#known.delete(name);
  }

  /** `ramp_limit_exceeded`: the account may not speed up so fast. `used`: requests of the last minute. */
  ramped(used: number, nowMs: number): void {
    const limit = this.#known.get('requests')?.value ?? used;
    const now = Math.min(this.#rampShare(nowMs), (used / Math.max(1, limit)) * AFTER_RAMP_SHARE);
    this.#ramp = { share: Math.max(RAMP_SHARE_MIN, now), atMs: nowMs };
  }

  /** Do limits change with time alone? */
  get ramping(): boolean {
    return this.#ramp !== null;
  }

  #rampShare(nowMs: number): number {
    if (!this.#ramp) return 1;
    const share = this.#ramp.share * RAMP_GROWTH ** (Math.max(0, nowMs - this.#ramp.atMs) / RAMP_STEP_MS);
    if (share >= 1) this.#ramp = null;
    return Math.min(1, share);
  }

  /** A better guess in the place of an assumption; what is known stays. */
  assume(name: BucketName, value: number, nowMs: number): void {
    const before = this.#known.get(name);
    if (before && before.source !== 'assumed') return;
    this.#known.set(name, { name, value, source: 'assumed', atMs: nowMs });
  }

  isAssumed(name: BucketName): boolean {
    return this.#known.get(name)?.source === 'assumed';
  }

  /** What may be used of a bucket: the cap, or what is known less the headroom. Null: there is no such limit. */
  usable(name: BucketName): number | null {
    const known = this.#known.get(name);
    const cap = this.#caps[name];
    if (!known && cap === undefined) return null;
    const open = known ? known.value * (1 - this.#headroom) : Infinity;
    return Math.min(open, cap ?? Infinity);
  }

  /** Does a person allow less than there is? Then more left at the API is not more left of this. */
  isCapped(name: BucketName): boolean {
    const known = this.#known.get(name);
    return known !== undefined && (this.#caps[name] ?? Infinity) < known.value * (1 - this.#headroom);
  }

  /** The share of what the API shows as left that is ours to use. */
  leftToOthers(name: BucketName): number {
    return (this.#known.get(name)?.value ?? 0) * this.#headroom;
  }

  toLimits(nowMs: number): PoolLimits {
    const ramp = this.#rampShare(nowMs);
    const limits: Partial<Record<BucketName, BucketLimit>> = {};
    for (const name of BUCKET_NAMES) {
      const usable = this.usable(name);
      if (usable === null) continue;
      const perWindow = Math.max(usable * (name === 'day' ? 1 : ramp), PER_WINDOW_MIN);
      const share = name === 'requests' ? this.#capacityShare * ramp : 1;
      limits[name] = { perWindow, capacity: Math.max(1, perWindow * share) };
    }
    return limits;
  }

  /** As they are shown and kept: where a flag caps, the flag. */
  list(nowMs: number): readonly KnownLimit[] {
    const list: KnownLimit[] = [];
    for (const name of BUCKET_NAMES) {
      const known = this.#known.get(name);
      const cap = this.#caps[name];
      if (cap !== undefined && cap <= (known?.value ?? Infinity)) {
        list.push({ name, value: cap, source: 'flag', atMs: nowMs });
      } else if (known) list.push(known);
    }
    return list;
  }
}
