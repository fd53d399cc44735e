/**
 * What a load of rows costs, by its tokens: the arithmetic of pricing.ts on an average row, with and without a shared
 * prefix in the prompt cache. Nothing here knows a price of its own.
 */
import { NO_USAGE, type Lane, type TokenUsage } from '../model.ts';
import { costUsd } from '../pricing.ts';
import type { Band } from './band.ts';

/** Rows of about one size; sums over all of them. */
export interface LoadPart {
  readonly rows: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
}

export type CacheLife = '5m' | '1h';

export interface CacheUse {
  /** Tokens that every row begins with. */
  readonly prefixTokens: number;
  readonly life: CacheLife;
  /** The share of rows that find the prefix in the cache; the others write it. */
  readonly hitShare: number;
}

/** Null where a token of it has no known price. Parts of different sizes are kept apart: long prompts may cost more. */
export function loadCostUsd(
  model: string,
  lane: Lane,
  parts: readonly LoadPart[],
  cache: CacheUse | null = null,
): number | null {
  let total = 0;
  for (const part of parts) {
    if (part.rows <= 0) continue;
    const usd = partUsd({ model, lane }, part, cache);
    if (usd === null) return null;
    total += usd;
  }
  return total;
}

function partUsd(
  of: { readonly model: string; readonly lane: Lane },
  { rows, inputTokens, outputTokens }: LoadPart,
  cache: CacheUse | null,
): number | null {
  const each: TokenUsage = { ...NO_USAGE, inputTokens: inputTokens / rows, outputTokens: outputTokens / rows };
  if (cache === null) return times(costUsd({ ...of, usage: each }), rows);
  const prefix = Math.min(cache.prefixTokens, each.inputTokens);
  const rest = { ...each, inputTokens: each.inputTokens - prefix };
  const written: TokenUsage =
    cache.life === '1h' ? { ...rest, cacheWrite1hTokens: prefix } : { ...rest, cacheWrite5mTokens: prefix };
  const hits = times(costUsd({ ...of, usage: { ...rest, cacheReadTokens: prefix } }), rows * cache.hitShare);
  const misses = times(costUsd({ ...of, usage: written }), rows * (1 - cache.hitShare));
  return hits === null || misses === null ? null : hits + misses;
}

function times(usd: number | null, rows: number): number | null {
  // Rows that are not there cost nothing, whatever their price.
  return rows === 0 ? 0 : usd === null ? null : usd * rows;
}

/** The same at the low, the expected and the high end; null where there is no price. */
export function costBand(of: (end: keyof Band) => number | null): Band | null {
  const low = of('low');
  const expected = of('expected');
  const high = of('high');
  return low === null || expected === null || high === null ? null : { low, expected, high };
}
