/**
 * Prices that programs give.
 */
import { overridePrices } from '../domain/pricing.ts';
import { readPriceTable } from '../host/prices.ts';
import { libraryError } from './words.ts';

/** USD per million tokens. Batches cost half unless it says otherwise; null: no price is known. */
export interface PriceEntry {
  readonly input: number;
  readonly output: number;
  readonly cache_write_5m?: number | null;
  readonly cache_write_1h?: number | null;
  readonly cache_read?: number | null;
  readonly batch_input?: number | null;
  readonly batch_output?: number | null;
  /** Prices of requests with more input tokens than `threshold_tokens`. */
  readonly long_prompt?: (Omit<PriceEntry, 'long_prompt'> & { readonly threshold_tokens: number }) | null;
}

/**
 * From here on these are the prices of this process, for every batchrun in it, in place of those of the built-in table.
 * A table that is wrong in any place is refused with `E_CONFIG`, and nothing of it counts.
 */
export function usePrices(prices: Readonly<Record<string, PriceEntry>>): void {
  try {
    overridePrices(readPriceTable(prices, '`prices`'));
  } catch (error) {
    throw libraryError(error);
  }
}
