/**
 * What to expect of the prompt cache, for the price of a plan. Hits are never promised: batches run their requests at once
 * and in any order.
 *
 * Source: documentation of batches, 2026-09-26 ("hit rates typically 30-98 %", advice to use the 1-hour lifetime); field
 * report bike4mind#2741 (0 % in cold batches, 100 % after one request that warmed the cache).
 */
import { ASSUMED_HITS } from '../cache/pays.ts';
import type { Lane } from '../model.ts';
import type { Band } from './band.ts';
import type { CacheLife } from './load-cost.ts';

export const CACHE_FACTS_AS_OF = '2026-11-20';

/** Batches often outlast five minutes; calls that follow one another keep a prefix alive by reading it. */
export const CACHE_LIFE: Readonly<Record<Lane, CacheLife>> = { batch: '1h', realtime: '5m' };

/**
 * The share of rows that find the prefix, once a request has warmed the cache: what `--cache auto` decides by. `high` is
 * the best that was seen, not the best that is documented.
 */
export const CACHE_HITS: Readonly<Record<Lane, Band>> = {
  batch: { ...ASSUMED_HITS.batch[CACHE_LIFE.batch], high: 1 },
  realtime: { ...ASSUMED_HITS.realtime[CACHE_LIFE.realtime], high: 1 },
};
