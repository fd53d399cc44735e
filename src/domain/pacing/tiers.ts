/**
 * The limits of the tiers, as of 2026-11-20: what an account most probably has when only some of its limits are known.
 *
 * Source: facts/api.md sections 1.5 and 3.2: the rate-limits page in copies of July and of September or October 2026 for
 * today's tiers, and of November or December 2025 for tiers 1 to 4, which accounts may still have. Custom limits are in no
 * table. Opus 5.5 and Sonnet 5.5 are taken to have the limits of their lines.
 */
import { lineOfClass } from './rate-class.ts';

export const TIERS_AS_OF = '2026-11-20';

export interface ClassLimits {
  /** All in a minute. */
  readonly requests: number;
  readonly input: number;
  readonly output: number;
}

export interface Tier {
  /** When the table was read in which it stands. */
  readonly year: 2025 | 2026;
  /** Calls a minute over all batch endpoints. */
  readonly batchRequests: number;
  /** Requests in batches that are not processed yet. */
  readonly queue: number;
  readonly models: ClassLimits;
  /** Where a line has others. */
  readonly lines: Readonly<Record<string, ClassLimits>>;
}

export type TierName = 'start' | 'build' | 'scale' | 'tier_1' | 'tier_2' | 'tier_3' | 'tier_4';

export const TIERS: Readonly<Record<TierName, Tier>> = {
  start: tier(2026, [1_000, 200_000], limits(1_000, 2_000_000, 400_000), fableLike(1_000, 500_000, 100_000)),
  build: tier(2026, [2_000, 300_000], limits(5_000, 5_000_000, 1_000_000), fableLike(2_000, 1_500_000, 300_000)),
  scale: tier(2026, [4_000, 500_000], limits(10_000, 10_000_000, 2_000_000), fableLike(4_000, 4_000_000, 800_000)),
  tier_1: tier(2025, [50, 100_000], limits(50, 30_000, 8_000), { haiku: limits(50, 50_000, 10_000) }),
  tier_2: tier(2025, [1_000, 200_000], limits(1_000, 450_000, 90_000)),
  tier_3: tier(2025, [2_000, 300_000], limits(2_000, 800_000, 160_000), { haiku: limits(2_000, 1_000_000, 200_000) }),
  tier_4: tier(2025, [4_000, 500_000], limits(4_000, 2_000_000, 400_000), { haiku: limits(4_000, 4_000_000, 800_000) }),
};

export const TIER_NAMES = Object.keys(TIERS) as readonly TierName[];

export function limitsOfTier(name: TierName, rateClass: string): ClassLimits {
  const { models, lines } = TIERS[name];
  return lines[lineOfClass(rateClass) ?? ''] ?? models;
}

export function queueOfTier(name: TierName): number {
  return TIERS[name].queue;
}

export function batchRequestsOfTier(name: TierName): number {
  return TIERS[name].batchRequests;
}

/** The tier whose three limits of this class are exactly these; null where none is, or where they are not all known. */
export function tierOf(
  rateClass: string,
  seen: { readonly [Name in keyof ClassLimits]: number | null },
): TierName | null {
  const matches = TIER_NAMES.filter((name) => {
    const { requests, input, output } = limitsOfTier(name, rateClass);
    return seen.requests === requests && seen.input === input && seen.output === output;
  });
  return matches[0] ?? null;
}

function limits(requests: number, input: number, output: number): ClassLimits {
  return { requests, input, output };
}

function fableLike(requests: number, input: number, output: number): Tier['lines'] {
  const both = limits(requests, input, output);
  return { fable: both, mythos: both };
}

function tier(
  year: Tier['year'],
  [batchRequests, queue]: readonly [number, number],
  models: ClassLimits,
  lines: Tier['lines'] = {},
): Tier {
  return { year, batchRequests, queue, models, lines };
}
