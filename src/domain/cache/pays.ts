/**
 * Does it pay to keep a prefix in the prompt cache? By the table's prices, by how many rows share it, and by how many of
 * them are likely to find it there.
 *
 * The rule of `auto`: the lifetime that is expected to save more is taken, and only where it saves even if as few rows
 * find the prefix as ever were reported, or where a fifth of what the prefix costs is expected to be saved.
 */
import type { Lane } from '../model.ts';
import { PRICE_RULES } from '../prices.ts';
import { priceOf, pricesOfPrompt } from '../pricing.ts';
import type { CacheTtl } from './ttl.ts';

/** The share of the cached tokens that are read and not written: what is expected, and how bad it may come. */
export interface HitRates {
  readonly expected: number;
  readonly low: number;
}

/**
 * In a batch 30 to 98 % without any warm-up (facts, section 1.9); with one before it all rows of a batch were hits (facts,
 * section 10, bike4mind#2741). Entries of 5 minutes are lost wherever a batch pauses for longer. Assumptions, not
 * measurements: they count until this state has seen results of its own.
 */
export const ASSUMED_HITS: Readonly<Record<Lane, Readonly<Record<CacheTtl, HitRates>>>> = {
  batch: { '1h': { expected: 0.85, low: 0.3 }, '5m': { expected: 0.6, low: 0.2 } },
  realtime: { '1h': { expected: 0.95, low: 0.8 }, '5m': { expected: 0.95, low: 0.8 } },
};

/** What was measured may turn out a little worse the next time. */
const MEASURED_SLACK = 0.1;
const CLEAR_SHARE = 0.2;
/** Not worth a call of its own. */
const USD_MIN = 0.01;

export interface PrefixUse {
  readonly model: string;
  readonly lane: Lane;
  readonly prefixTokens: number;
  /** Of a whole request: long prompts have other prices. */
  readonly promptTokens: number;
  readonly rows: number;
}

export interface Saving {
  readonly ttl: CacheTtl;
  readonly expectedUsd: number;
  readonly lowUsd: number;
  /** What the prefix costs without caching. */
  readonly plainUsd: number;
}

export type Verdict =
  | ({ readonly use: true } & Saving)
  | { readonly use: false; readonly why: 'no_price' | 'does_not_pay'; readonly best: Saving | null };

/** What this account has seen so far, where it has. */
export type MeasuredHits = (ttl: CacheTtl) => number | null;

/** What caching saves in USD, or costs where it is below zero; null where a price is not known. */
export function savingOf(use: PrefixUse, ttl: CacheTtl, measured: number | null = null): Saving | null {
  const prices = prefixPrices(use, ttl);
  if (prices === null) return null;
  const { plain, write, read, warm } = prices;
  const rates = measured === null ? ASSUMED_HITS[use.lane][ttl] : ratesOf(measured);
  const at = (hits: number): number => use.rows * (plain - (1 - hits) * write - hits * read) - warm;
  return { ttl, expectedUsd: at(rates.expected), lowUsd: at(rates.low), plainUsd: use.rows * plain };
}

export function decide(use: PrefixUse, mode: 'auto' | CacheTtl, measured: MeasuredHits = () => null): Verdict {
  const ttls: readonly CacheTtl[] = mode === 'auto' ? ['1h', '5m'] : [mode];
  const savings = ttls.map((ttl) => savingOf(use, ttl, measured(ttl))).filter((saving) => saving !== null);
  const [best] = savings.toSorted((one, other) => other.expectedUsd - one.expectedUsd);
  // Who forces it has decided; without prices nothing can be said about it.
  const [ttl] = ttls;
  if (mode !== 'auto' && ttl) return { use: true, ...(best ?? { ttl, expectedUsd: NaN, lowUsd: NaN, plainUsd: NaN }) };
  if (!best) return { use: false, why: 'no_price', best: null };
  const isClear = best.expectedUsd >= best.plainUsd * CLEAR_SHARE;
  if (best.expectedUsd >= USD_MIN && (best.lowUsd >= 0 || isClear)) return { use: true, ...best };
  return { use: false, why: 'does_not_pay', best };
}

/**
 * Is a warm-up worth its price before so many rows of a batch? `coldChance`: how likely it is that the prefix is not
 * there any more. Without prices it is taken to be: a batch has more rows than one.
 */
export function warmUpPays(use: PrefixUse, ttl: CacheTtl, coldChance: number): boolean {
  const prices = prefixPrices(use, ttl);
  if (prices === null) return use.rows > 2;
  const { write, read, warm, warmRead } = prices;
  const lossUsd = use.rows * (write - read) * coldChance;
  return lossUsd > coldChance * warm + (1 - coldChance) * warmRead;
}

interface PrefixPrices {
  /** For one row, in its lane. */
  readonly plain: number;
  readonly write: number;
  readonly read: number;
  /** For the call before it, at the full price. */
  readonly warm: number;
  readonly warmRead: number;
}

function prefixPrices({ model, lane, prefixTokens, promptTokens }: PrefixUse, ttl: CacheTtl): PrefixPrices | null {
  const price = priceOf(model);
  if (!price) return null;
  const row = pricesOfPrompt(price, promptTokens);
  const call = pricesOfPrompt(price, prefixTokens);
  const [write, warm] = ttl === '1h' ? [row.cacheWrite1h, call.cacheWrite1h] : [row.cacheWrite5m, call.cacheWrite5m];
  const plain = lane === 'batch' ? row.batchInput : row.input;
  const { cacheRead: read } = row;
  if (plain === null || write === null || warm === null || read === null || call.cacheRead === null) return null;
  const factor = lane === 'batch' ? PRICE_RULES.batchFactor : 1;
  const usd = (perMillion: number): number => (perMillion * prefixTokens) / PRICE_RULES.tokensPerPrice;
  return {
    ...{ plain: usd(plain), write: usd(write) * factor, read: usd(read) * factor },
    ...{ warm: usd(warm), warmRead: usd(call.cacheRead) },
  };
}

function ratesOf(measured: number): HitRates {
  return { expected: measured, low: Math.max(0, measured - MEASURED_SLACK) };
}
