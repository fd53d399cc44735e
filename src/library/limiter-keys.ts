/**
 * The keys that a limiter hands out. Keys of one organization share its limits; whose a key is, is passed in or learnt
 * from its first answer. Until then only one call at a time goes out with it.
 */
import { maskKey } from '../base/log.ts';
import type { BlockedVerdict } from '../domain/failure-router.ts';
import { rateClassOf } from '../domain/pacing/rate-class.ts';
import type { RateSeen } from '../domain/pacing/rate-seen.ts';
import type { PacedKey } from '../engine/pacing/pacer.ts';

/** A key of a pool. */
export interface LimiterKey {
  readonly apiKey: string;
  /** The id of its organization, where it is known. */
  readonly organization?: string;
}

/** How the account is called as long as nobody has said. */
const UNNAMED = 'account';
/** Money can be added, and a permission given, while the program runs: then the key is asked again. */
const ASIDE_MS = 60_000;

/** Why the API refuses a key, until when, and for which models. */
interface Aside {
  readonly verdict: BlockedVerdict;
  readonly untilMs: number;
  /** Null: for all of them. */
  readonly rateClass: string | null;
}

export class HeldKey implements PacedKey {
  readonly apiKey: string | null;
  readonly label: string;
  organization: string;
  /** Nobody has said yet whose it is. */
  isUnknown: boolean;
  running = 0;
  #asides: readonly Aside[] = [];

  constructor(key: LimiterKey | null, asks: boolean) {
    this.apiKey = key?.apiKey ?? null;
    this.label = key ? maskKey(key.apiKey) : 'the key';
    this.organization = key?.organization ?? UNNAMED;
    this.isUnknown = asks && key?.organization === undefined;
  }

  /**
   * The API refuses it. A key that is not accepted stays aside; one without money or permission is asked again after a
   * while. What it may not do is the matter of a model: other classes of models go on with it.
   */
  setAside(verdict: BlockedVerdict, model: string, nowMs: number): void {
    const isForGood = verdict.reason === 'credentials';
    const rateClass = verdict.reason === 'permission' ? rateClassOf(model) : null;
    const others = this.#asides.filter((aside) => aside.untilMs > nowMs && aside.rateClass !== rateClass);
    this.#asides = [...others, { verdict, rateClass, untilMs: isForGood ? Infinity : nowMs + ASIDE_MS }];
  }

  /** Why it cannot be used now, for this model or for any; null where it can. */
  aside(nowMs: number, model: string | null = null): BlockedVerdict | null {
    const rateClass = model === null ? null : rateClassOf(model);
    const found = this.#asides.find(
      (aside) =>
        aside.untilMs > nowMs && (rateClass === null || aside.rateClass === null || aside.rateClass === rateClass),
    );
    return found?.verdict ?? null;
  }

  /** Its answer says whose it is; where it does not, it is taken to share the limits of all others of which nothing is known. True where it is another one now. */
  learn(rates: RateSeen | null): boolean {
    if (!this.isUnknown) return false;
    this.isUnknown = false;
    const before = this.organization;
    this.organization = rates?.organization ?? before;
    return this.organization !== before;
  }
}

/** `asks`: does it matter whose they are? Of one key that shares its limits with nobody it does not. */
export function holdKeys(keys: readonly (string | LimiterKey)[], isShared: boolean): readonly HeldKey[] {
  const given = keys.map((key) => (typeof key === 'string' ? { apiKey: key } : key));
  if (given.length === 0) return [new HeldKey(null, isShared)];
  return given.map((key) => new HeldKey(key, isShared || given.length > 1));
}

/** Those that a call of this model may go out with now, the least busy first; or why no key is left to wait for. */
export function readyKeys(keys: readonly HeldKey[], model: string, nowMs: number): readonly HeldKey[] | BlockedVerdict {
  const usable = keys.filter((key) => key.aside(nowMs, model) === null);
  const [first] = keys;
  if (usable.length === 0 && first) return first.aside(nowMs, model) ?? [];
  const ready = usable.filter((key) => !(key.isUnknown && key.running > 0));
  return ready.toSorted((one, other) => one.running - other.running);
}
