/**
 * What is known of the account that the rows would go to: its limits, how long its batches took, how fast it is answered.
 * A tier that the user names stands for an account that is not asked; else the Admin API, else what earlier runs of this
 * state learnt, else the tier of today that new accounts begin with. What is only assumed is said.
 */
import { slowBatchMs } from '../../domain/deadline.ts';
import type { Band } from '../../domain/estimate/band.ts';
import { BATCH_EXPIRES_MS, BATCH_TYPICAL_MS } from '../../domain/limits.ts';
import { inputLimitOf, limitsOfModel, type AdminLimits } from '../../domain/pacing/admin-limits.ts';
import { rateClassOf } from '../../domain/pacing/rate-class.ts';
import type { KnownLimit, LimitName, LimitSource } from '../../domain/pacing/snapshot.ts';
import { limitsOfTier, TIERS, tierOf, type TierName } from '../../domain/pacing/tiers.ts';
import type { PoolRecord } from '../../domain/store-steps.ts';
import { BATCH_CLASS, LOWEST_TIER } from '../../engine/pacing/batch-limits.ts';

export interface KnownNumber {
  readonly value: number;
  readonly source: LimitSource;
}

export interface ClassKnown {
  readonly requests: KnownNumber | null;
  readonly input: KnownNumber | null;
  readonly output: KnownNumber | null;
  /** Both together: only some accounts have such a limit. */
  readonly tokens: KnownNumber | null;
}

export interface PlanAccount {
  /** The tier that was named, or that the limits show; null where they are nobody's. */
  readonly tier: TierName | null;
  /** Is everything below only assumed? */
  readonly assumed: boolean;
  readonly batch: { readonly queue: KnownNumber; readonly calls: KnownNumber; readonly open: number };
  limitsOf(model: string): ClassKnown;
  /** Of realtime calls of its class, as earlier runs saw it; null where there were none. */
  latencyMs(model: string): number | null;
  readonly batchMs: BatchDuration;
}

export interface BatchDuration {
  readonly ms: Band;
  /** How many batches of this account it is taken from; 0: from the documentation. */
  readonly batches: number;
}

export interface AccountParts {
  readonly tier: TierName | undefined;
  readonly admin: AdminLimits | null;
  /** Of one base URL. */
  readonly pools: readonly PoolRecord[];
  readonly history: readonly { readonly tookMs: number }[];
}

export function planAccount({ tier, admin, pools, history }: AccountParts): PlanAccount {
  // What was only assumed when it was kept is assumed again, and better.
  const known = tier === undefined ? pools.map((pool) => ({ ...pool, limits: pool.limits.filter(isKnown) })) : [];
  const seen = tier ?? tierSeen(known);
  const base = seen ?? LOWEST_TIER;
  const source: LimitSource = tier !== undefined || seen !== null ? 'tier' : 'assumed';
  const batches = known.filter((pool) => pool.rateClass === BATCH_CLASS);
  const fromTier = (value: number): KnownNumber => ({ value, source });
  const limitOf = (of: readonly PoolRecord[], name: LimitName): KnownNumber | null => largest(of, name);
  const batch = {
    queue: told(tier, admin?.batch.queuedRequests) ?? limitOf(batches, 'queue') ?? fromTier(TIERS[base].queue),
    calls:
      told(tier, admin?.batch.requestsPerMinute) ?? limitOf(batches, 'requests') ?? fromTier(TIERS[base].batchRequests),
    open: batches.reduce((sum, pool) => sum + (pool.open?.requests ?? 0), 0),
  };
  const limitsOf = (model: string): ClassKnown => {
    const rateClass = rateClassOf(model);
    const own = known.filter((pool) => pool.rateClass === rateClass);
    const named = tier === undefined && admin ? limitsOfModel(admin, model) : null;
    const table = limitsOfTier(base, rateClass);
    return {
      requests: told(tier, named?.requestsPerMinute) ?? limitOf(own, 'requests') ?? fromTier(table.requests),
      input: told(tier, named && inputLimitOf(named)) ?? limitOf(own, 'input') ?? fromTier(table.input),
      output: told(tier, named?.outputTokensPerMinute) ?? limitOf(own, 'output') ?? fromTier(table.output),
      tokens: told(tier, named?.tokensPerMinute) ?? limitOf(own, 'tokens'),
    };
  };
  const latencyMs = (model: string): number | null => {
    const own = pools.filter((pool) => pool.rateClass === rateClassOf(model) && pool.latency !== null);
    return own.length === 0 ? null : Math.max(...own.map((pool) => pool.latency?.p50Ms ?? 0));
  };
  const nothing = admin === null && known.every((pool) => pool.limits.length === 0);
  return {
    tier: seen,
    assumed: tier === undefined && nothing,
    batch,
    limitsOf,
    latencyMs,
    batchMs: batchDuration(history),
  };
}

function isKnown({ source }: KnownLimit): boolean {
  return source !== 'assumed' && source !== 'flag';
}

function told(tier: TierName | undefined, value: number | null | undefined): KnownNumber | null {
  return tier !== undefined || value === null || value === undefined ? null : { value, source: 'admin' };
}

/** Of several organizations whose keys were used: a plan is for one of them, and this is the most that one gives. */
function largest(pools: readonly PoolRecord[], name: LimitName): KnownNumber | null {
  let found: KnownNumber | null = null;
  for (const { limits } of pools) {
    const limit = limits.find((one) => one.name === name);
    if (limit && limit.value > (found?.value ?? 0)) found = { value: limit.value, source: limit.source };
  }
  return found;
}

/** The tier whose limits one of the classes shows exactly. */
function tierSeen(pools: readonly PoolRecord[]): TierName | null {
  for (const pool of pools) {
    const valueOf = (name: LimitName): number | null => pool.limits.find((limit) => limit.name === name)?.value ?? null;
    const seen = { requests: valueOf('requests'), input: valueOf('input'), output: valueOf('output') };
    const tier = pool.rateClass === BATCH_CLASS ? null : tierOf(pool.rateClass, seen);
    if (tier !== null) return tier;
  }
  return null;
}

/** The quickest that were seen of small batches (facts, section 9). */
const QUICK_BATCH_MS = 60_000;
function batchDuration(history: readonly { readonly tookMs: number }[]): BatchDuration {
  const took = history.map(({ tookMs }) => tookMs).sort((one, other) => one - other);
  const at = (share: number): number => took[Math.min(took.length - 1, Math.floor(took.length * share))] ?? 0;
  if (took.length === 0) {
    const ms = { low: QUICK_BATCH_MS, expected: BATCH_TYPICAL_MS, high: BATCH_EXPIRES_MS };
    return { ms, batches: 0 };
  }
  return { ms: { low: at(0), expected: at(0.5), high: slowBatchMs(history) }, batches: took.length };
}
