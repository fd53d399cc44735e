/**
 * The keys that a limiter hands out. Keys of one organization share its limits; whose a key is, is passed in or learnt
 * from its first answer. Until then only one call at a time goes out with it.
 */
import { maskKey } from '../base/log.ts';
import type { BlockedVerdict } from '../domain/failure-router.ts';
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

export class HeldKey implements PacedKey {
  readonly apiKey: string | null;
  readonly label: string;
  organization: string;
  /** Nobody has said yet whose it is. */
  isUnknown: boolean;
  running = 0;
  aside: BlockedVerdict | null = null;

  constructor(key: LimiterKey | null, asks: boolean) {
    this.apiKey = key?.apiKey ?? null;
    this.label = key ? maskKey(key.apiKey) : 'the key';
    this.organization = key?.organization ?? UNNAMED;
    this.isUnknown = asks && key?.organization === undefined;
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

/** Those that a call may go out with now, the least busy first. */
export function readyKeys(keys: readonly HeldKey[]): readonly HeldKey[] {
  const ready = keys.filter((key) => key.aside === null && !(key.isUnknown && key.running > 0));
  return ready.toSorted((one, other) => one.running - other.running);
}
