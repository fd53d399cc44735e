/**
 * `--prices FILE`: prices of models as JSON (host/prices.ts).
 */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { BatchrunError, messageOf } from '../base/errors.ts';
import { overridePrices, type PriceOverrides } from '../domain/pricing.ts';
import { readPriceTable } from '../host/prices.ts';

/** From here on these are the prices of this process. */
export function usePrices(file: string): void {
  overridePrices(readPrices(resolve(file)));
}

export function readPrices(file: string): PriceOverrides {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new BatchrunError('E_CONFIG', `the prices cannot be read: ${messageOf(error)}`);
  }
  let parsed: unknown;
  try {
    parsed = JSON.parse(text.replace(/^\uFEFF/, ''));
  } catch (error) {
    throw new BatchrunError('E_CONFIG', `${file} is not JSON: ${messageOf(error)}`);
  }
  return readPriceTable(parsed, file);
}
