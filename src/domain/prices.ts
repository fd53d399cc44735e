/**
 * What Claude models cost, as far as it could be found out, in USD per million tokens.
 *
 * A dated copy: prices change between releases, so each entry says where its numbers are from and from when. What no
 * source gives is null, never a guess: pricing.ts then answers "unknown". The batch prices are the documented 50 % of
 * the standard price; for claude-mythos-preview no source says that it may be used in batches at all.
 * Nothing but pricing.ts reads this table (test/unit/domain/pricing.test.ts checks its arithmetic).
 */

/** The day on which the whole table was last compared with its sources. */
export const PRICES_AS_OF = '2026-11-20';

/** USD per million tokens; null where no source gives a price. */
export interface TokenPrices {
  readonly input: number | null;
  readonly output: number | null;
  readonly cacheWrite5m: number | null;
  readonly cacheWrite1h: number | null;
  readonly cacheRead: number | null;
  readonly batchInput: number | null;
  readonly batchOutput: number | null;
}

export interface ModelPrice extends TokenPrices {
  /** Prices of a request whose whole prompt (input, cache reads and cache writes) is longer than the threshold. */
  readonly longPrompt?: TokenPrices & { readonly thresholdTokens: number };
  readonly source: string;
  /** How far the source can be trusted. */
  readonly confidence: string;
  /** Year and month, or day, of the copy that the prices were read from. */
  readonly date: string;
  readonly notes?: string;
}

/** What holds for all models: facts/api.md sections 1.9 and 5, from the documentation of 2026-09-26 and the pricing page. */
export const PRICE_RULES = {
  /** Prices are per so many tokens. */
  tokensPerPrice: 1_000_000,
  /** Of the standard price, in batches: on all usage, cache writes and reads too. */
  batchFactor: 0.5,
  /** usage.inference_geo "us". */
  usInferenceFactor: 1.1,
  /** Of the input price, to write to the cache for five minutes and for an hour. */
  cacheWrite5mFactor: 1.25,
  cacheWrite1hFactor: 2,
  source: 'Anthropic documentation of batches 2026-09-26 and pricing page, copy ~Sep 2026',
  date: '2026-09-26',
} as const;

const PRICING_PAGE = 'Anthropic pricing page (platform.claude.com/docs/en/about-claude/pricing), copy ~Sep 2026';

export const PRICES = {
  'claude-fable-5-2': {
    input: 8,
    output: 40,
    cacheWrite5m: 10,
    cacheWrite1h: 16,
    cacheRead: 0.2,
    batchInput: 4,
    batchOutput: 20,
    source:
      'Input/output: Anthropic platform release notes 2026-11-09 (translated copies). Cache prices: third-party archid21/rightsize v0.10.2 (Nov 2026)',
    confidence: 'in/out docs-copy 2026-11-09; cache third-party',
    date: '2026-11-09',
  },
  'claude-mythos-5-2': {
    input: 8,
    output: 40,
    cacheWrite5m: null,
    cacheWrite1h: null,
    cacheRead: null,
    batchInput: 4,
    batchOutput: 20,
    source: 'Anthropic platform release notes 2026-11-09 (translated copies)',
    confidence: 'in/out docs-copy 2026-11-09; cache prices unsourced (likely equal to claude-fable-5-2)',
    date: '2026-11-09',
  },
  'claude-fable-5-1': {
    input: 10,
    output: 50,
    cacheWrite5m: 12.5,
    cacheWrite1h: 20,
    cacheRead: 0.25,
    batchInput: 5,
    batchOutput: 25,
    source: PRICING_PAGE,
    confidence: 'docs-copy ~2026-09',
    date: '2026-09',
  },
  'claude-mythos-5-1': {
    input: 10,
    output: 50,
    cacheWrite5m: 12.5,
    cacheWrite1h: 20,
    cacheRead: 0.25,
    batchInput: 5,
    batchOutput: 25,
    source: PRICING_PAGE,
    confidence: 'docs-copy ~2026-09',
    date: '2026-09',
  },
  'claude-fable-5': {
    input: 10,
    output: 50,
    cacheWrite5m: 12.5,
    cacheWrite1h: 20,
    cacheRead: 1,
    batchInput: 5,
    batchOutput: 25,
    source: PRICING_PAGE,
    confidence: 'docs-copy ~2026-09',
    date: '2026-09',
  },
  'claude-mythos-5': {
    input: 10,
    output: 50,
    cacheWrite5m: 12.5,
    cacheWrite1h: 20,
    cacheRead: 1,
    batchInput: 5,
    batchOutput: 25,
    source: PRICING_PAGE,
    confidence: 'docs-copy ~2026-09',
    date: '2026-09',
  },
  'claude-opus-5-5': {
    input: 4,
    output: 20,
    cacheWrite5m: 5,
    cacheWrite1h: 8,
    cacheRead: 0.2,
    batchInput: 2,
    batchOutput: 10,
    source: 'Anthropic model overview page (Sep-Oct 2026 copies) and release trackers of 2026-09-23/10-01',
    confidence: 'docs-copy ~2026-10',
    date: '2026-10',
  },
  'claude-opus-5': {
    input: 5,
    output: 25,
    cacheWrite5m: 6.25,
    cacheWrite1h: 10,
    cacheRead: 0.5,
    batchInput: 2.5,
    batchOutput: 12.5,
    source: PRICING_PAGE,
    confidence: 'docs-copy ~2026-09',
    date: '2026-09',
  },
  'claude-opus-4-8': {
    input: 5,
    output: 25,
    cacheWrite5m: 6.25,
    cacheWrite1h: 10,
    cacheRead: 0.5,
    batchInput: 2.5,
    batchOutput: 12.5,
    source: PRICING_PAGE,
    confidence: 'docs-copy ~2026-09',
    date: '2026-09',
  },
  'claude-opus-4-7': {
    input: 5,
    output: 25,
    cacheWrite5m: 6.25,
    cacheWrite1h: 10,
    cacheRead: 0.5,
    batchInput: 2.5,
    batchOutput: 12.5,
    source: PRICING_PAGE,
    confidence: 'docs-copy ~2026-09',
    date: '2026-09',
  },
  'claude-opus-4-6': {
    input: 5,
    output: 25,
    cacheWrite5m: 6.25,
    cacheWrite1h: 10,
    cacheRead: 0.5,
    batchInput: 2.5,
    batchOutput: 12.5,
    source: PRICING_PAGE,
    confidence: 'docs-copy ~2026-09',
    date: '2026-09',
  },
  'claude-opus-4-5': {
    input: 5,
    output: 25,
    cacheWrite5m: 6.25,
    cacheWrite1h: 10,
    cacheRead: 0.5,
    batchInput: 2.5,
    batchOutput: 12.5,
    source: PRICING_PAGE,
    confidence: 'docs-copy ~2026-09',
    date: '2026-09',
  },
  'claude-opus-4-5-20251101': {
    input: 5,
    output: 25,
    cacheWrite5m: 6.25,
    cacheWrite1h: 10,
    cacheRead: 0.5,
    batchInput: 2.5,
    batchOutput: 12.5,
    source: PRICING_PAGE,
    confidence: 'docs-copy ~2026-09',
    date: '2026-09',
  },
  'claude-sonnet-5-5': {
    input: 2,
    output: 10,
    cacheWrite5m: 2.5,
    cacheWrite1h: 4,
    cacheRead: 0.1,
    batchInput: 1,
    batchOutput: 5,
    source: 'Anthropic pricing page quoted by several repos 2026-10-08; model page',
    confidence: 'docs-copy 2026-10-08',
    date: '2026-10-08',
    notes: 'cache_read was 0.20 before 2026-10-07',
  },
  'claude-sonnet-5': {
    input: 2,
    output: 10,
    cacheWrite5m: 2.5,
    cacheWrite1h: 4,
    cacheRead: 0.2,
    batchInput: 1,
    batchOutput: 5,
    source: PRICING_PAGE,
    confidence: 'docs-copy ~2026-09',
    date: '2026-09',
  },
  'claude-sonnet-4-6': {
    input: 3,
    output: 15,
    cacheWrite5m: 3.75,
    cacheWrite1h: 6,
    cacheRead: 0.3,
    batchInput: 1.5,
    batchOutput: 7.5,
    source: PRICING_PAGE,
    confidence: 'docs-copy ~2026-09',
    date: '2026-09',
  },
  'claude-sonnet-4-5': {
    input: 3,
    output: 15,
    cacheWrite5m: 3.75,
    cacheWrite1h: 6,
    cacheRead: 0.3,
    batchInput: 1.5,
    batchOutput: 7.5,
    source: PRICING_PAGE,
    confidence: 'docs-copy ~2026-09',
    date: '2026-09',
    notes:
      'deprecated; end of life 2026-11-30 (SDK 1.10.0). 2025 docs: prompts >200K tokens (1M-context beta) were billed 6 in / 22.5 out',
  },
  'claude-sonnet-4-5-20250929': {
    input: 3,
    output: 15,
    cacheWrite5m: 3.75,
    cacheWrite1h: 6,
    cacheRead: 0.3,
    batchInput: 1.5,
    batchOutput: 7.5,
    source: PRICING_PAGE,
    confidence: 'docs-copy ~2026-09',
    date: '2026-09',
    notes:
      'deprecated; end of life 2026-11-30 (SDK 1.10.0). 2025 docs: prompts >200K tokens (1M-context beta) were billed 6 in / 22.5 out',
  },
  'claude-haiku-5-5': {
    input: 0.1,
    output: 0.5,
    cacheWrite5m: 0.125,
    cacheWrite1h: 0.2,
    cacheRead: 0.01,
    batchInput: 0.05,
    batchOutput: 0.25,
    longPrompt: {
      thresholdTokens: 100_000,
      input: 0.5,
      output: 2.5,
      cacheWrite5m: 0.625,
      cacheWrite1h: 1,
      cacheRead: 0.05,
      batchInput: 0.25,
      batchOutput: 1.25,
    },
    source: 'Anthropic pricing page quoted by several repos 2026-10-08',
    confidence: 'docs-copy 2026-10-08',
    date: '2026-10-08',
  },
  'claude-haiku-4-5': {
    input: 1,
    output: 5,
    cacheWrite5m: 1.25,
    cacheWrite1h: 2,
    cacheRead: 0.1,
    batchInput: 0.5,
    batchOutput: 2.5,
    source: PRICING_PAGE,
    confidence: 'docs-copy ~2026-09',
    date: '2026-09',
  },
  'claude-haiku-4-5-20251001': {
    input: 1,
    output: 5,
    cacheWrite5m: 1.25,
    cacheWrite1h: 2,
    cacheRead: 0.1,
    batchInput: 0.5,
    batchOutput: 2.5,
    source: PRICING_PAGE,
    confidence: 'docs-copy ~2026-09',
    date: '2026-09',
  },
  'claude-mythos-preview': {
    input: 25,
    output: 125,
    cacheWrite5m: null,
    cacheWrite1h: null,
    cacheRead: null,
    batchInput: null,
    batchOutput: null,
    source: 'three third-party repositories only; no Anthropic page found',
    confidence: 'third-party, weak',
    date: '2026-11',
  },
} as const satisfies Record<string, ModelPrice>;
