/**
 * The limits of the tiers, as of 2026-11-20: what an account most probably has when only some of its limits are known.
 *
 * Source: facts/api.md sections 1.5, 2, 3.1 and 3.2: the rate-limits page in copies of July and of September or October
 * 2026 for today's tiers, and of November or December 2025 for tiers 1 to 4, which accounts may still have. Custom limits
 * are in no table, and the numbers of the evaluation tier below `start` are not published. Opus 5.5 and Sonnet 5.5 are
 * taken to have the limits of their lines. How one gets a tier: see `qualifies`.
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
  /** Calls of count_tokens a minute; they take nothing of the others. */
  readonly countTokens: number;
  /** What may be spent in a calendar month. */
  readonly monthlyCapUsd: number;
  /** How an account gets it. */
  readonly qualifies: string;
  readonly source: string;
  readonly date: string;
}

/** The tiers of accounts: those of today, and the numbered ones of before. */
export type TierName = 'start' | 'build' | 'scale' | 'tier_1' | 'tier_2' | 'tier_3' | 'tier_4';

const TODAY = {
  year: 2026,
  source: 'Anthropic rate-limits page, copies of Jul and Sep-Oct 2026; count_tokens: token-counting page 2026-09-26',
  date: '2026-10',
} as const;
const OLD = {
  year: 2025,
  source: 'Anthropic rate-limits page, copy of Nov-Dec 2025; count_tokens: token-counting page, copy of Nov 2025',
  date: '2025-12',
} as const;

/** Since 2026-06-26 tiers go by no deposit: "placed on a tier automatically", and higher "over time as you use the API". */
const AUTOMATIC =
  'given automatically, and raised over time as the API is used; ask for more on the Limits page of the Console';
const deposit = (usd: number): string => `credit purchases of $${usd} in total (2025)`;

export const TIERS: Readonly<Record<TierName, Tier>> = {
  start: {
    ...TODAY,
    ...{ batchRequests: 1_000, queue: 200_000, models: limits(1_000, 2_000_000, 400_000) },
    ...{ lines: fableLike(1_000, 500_000, 100_000), countTokens: 5_000, monthlyCapUsd: 500 },
    qualifies: 'where a new paying account begins',
  },
  build: {
    ...TODAY,
    ...{ batchRequests: 2_000, queue: 300_000, models: limits(5_000, 5_000_000, 1_000_000) },
    ...{ lines: fableLike(2_000, 1_500_000, 300_000), countTokens: 10_000, monthlyCapUsd: 1_000 },
    qualifies: AUTOMATIC,
  },
  scale: {
    ...TODAY,
    ...{ batchRequests: 4_000, queue: 500_000, models: limits(10_000, 10_000_000, 2_000_000) },
    ...{ lines: fableLike(4_000, 4_000_000, 800_000), countTokens: 20_000, monthlyCapUsd: 200_000 },
    qualifies: AUTOMATIC,
  },
  tier_1: {
    ...OLD,
    ...{ batchRequests: 50, queue: 100_000, models: limits(50, 30_000, 8_000) },
    ...{ lines: { haiku: limits(50, 50_000, 10_000) }, countTokens: 100, monthlyCapUsd: 100 },
    qualifies: deposit(5),
  },
  tier_2: {
    ...OLD,
    ...{ batchRequests: 1_000, queue: 200_000, models: limits(1_000, 450_000, 90_000), lines: {} },
    ...{ countTokens: 2_000, monthlyCapUsd: 500, qualifies: deposit(40) },
  },
  tier_3: {
    ...OLD,
    ...{ batchRequests: 2_000, queue: 300_000, models: limits(2_000, 800_000, 160_000) },
    ...{ lines: { haiku: limits(2_000, 1_000_000, 200_000) }, countTokens: 4_000, monthlyCapUsd: 1_000 },
    qualifies: deposit(200),
  },
  tier_4: {
    ...OLD,
    ...{ batchRequests: 4_000, queue: 500_000, models: limits(4_000, 2_000_000, 400_000) },
    ...{ lines: { haiku: limits(4_000, 4_000_000, 800_000) }, countTokens: 8_000, monthlyCapUsd: 5_000 },
    qualifies: deposit(400),
  },
};

/** What there is above the highest tier. */
export const CUSTOM_TIER = {
  qualifies: 'limits and no monthly cap by agreement with Anthropic sales (https://claude.com/contact-sales)',
  source: TODAY.source,
  date: TODAY.date,
} as const;

export const TIER_NAMES = Object.keys(TIERS) as readonly TierName[];
/** Those that an account can be put into today, the lowest first. */
export const TODAY_TIERS = TIER_NAMES.filter((name) => TIERS[name].year === 2026);

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
