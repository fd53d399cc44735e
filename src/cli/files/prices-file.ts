/**
 * `--prices FILE`: prices of models (host/prices.ts).
 */
import { resolve } from 'node:path';
import { overridePrices, type PriceOverrides } from '../../domain/pricing.ts';
import { readPriceTable } from '../../host/prices.ts';
import { readDataValue } from './data-file.ts';

/** From here on these are the prices of this process. */
export function usePrices(file: string): void {
  overridePrices(readPrices(resolve(file)));
}

export function readPrices(file: string): PriceOverrides {
  return readPriceTable(readDataValue(file, { what: 'the prices of --prices' }), file);
}
