/**
 * Prices per million tokens in USD, by model, as people write them. A name or a number that cannot be meant is refused
 * with its place: a price that is silently left out would make every sum and every budget wrong.
 */
import { BatchrunError } from '../base/errors.ts';
import { PRICE_RULES, type ModelPrice, type TokenPrices } from '../domain/prices.ts';
import type { PriceOverrides } from '../domain/pricing.ts';
import { isObject, type JsonObject } from '../domain/row/shape.ts';

const NEEDED = ['input', 'output'] as const;
/** What is null or not there has no known price: answers that use it have an unknown cost. */
const MORE = ['cache_write_5m', 'cache_write_1h', 'cache_read', 'batch_input', 'batch_output'] as const;
/** Words of people about where a price is from; they are not read. */
const WORDS = ['source', 'confidence', 'batch_basis', 'date', 'notes', 'tier'];
const LONG = 'long_prompt';
const THRESHOLD = 'threshold_tokens';

/** `where`: how the table is called in messages. */
export function readPriceTable(value: unknown, where: string): PriceOverrides {
  if (!isObject(value)) throw refused(where, 'must hold one JSON object, with an entry for each model');
  const prices = Object.entries(value).map(([model, entry]) => [model, priceFrom(entry, `${where}: ${model}`)]);
  return Object.fromEntries(prices) as PriceOverrides;
}

function priceFrom(entry: unknown, where: string): ModelPrice {
  if (!isObject(entry)) throw refused(where, 'must be an object');
  for (const name of Object.keys(entry)) {
    if ([...NEEDED, ...MORE, ...WORDS, LONG].includes(name)) continue;
    throw refused(where, `"${name}" is not known (there are ${[...NEEDED, ...MORE, LONG].join(', ')})`);
  }
  const long = entry[LONG];
  const about = { source: where, confidence: 'given by the user', date: '' };
  if (long === undefined || long === null) return { ...tokenPrices(entry, where), ...about };
  return { ...tokenPrices(entry, where), ...about, longPrompt: longPrompt(long, `${where}.${LONG}`) };
}

function longPrompt(entry: unknown, where: string): NonNullable<ModelPrice['longPrompt']> {
  if (!isObject(entry)) throw refused(where, 'must be an object');
  for (const name of Object.keys(entry)) {
    if ([...NEEDED, ...MORE, ...WORDS, THRESHOLD].includes(name)) continue;
    throw refused(where, `"${name}" is not known (there are ${[...NEEDED, ...MORE, THRESHOLD].join(', ')})`);
  }
  const thresholdTokens = amountOf(entry[THRESHOLD], `${where}.${THRESHOLD}`);
  if (thresholdTokens === null) throw refused(`${where}.${THRESHOLD}`, 'is missing');
  return { ...tokenPrices(entry, where), thresholdTokens };
}

function tokenPrices(entry: JsonObject, where: string): TokenPrices {
  const of = (name: string): number | null => amountOf(entry[name], `${where}.${name}`);
  const halfOf = (price: number | null): number | null => (price === null ? null : price * PRICE_RULES.batchFactor);
  for (const name of NEEDED) if (of(name) === null) throw refused(`${where}.${name}`, 'is missing');
  return {
    input: of('input'),
    output: of('output'),
    cacheWrite5m: of('cache_write_5m'),
    cacheWrite1h: of('cache_write_1h'),
    cacheRead: of('cache_read'),
    batchInput: entry['batch_input'] === undefined ? halfOf(of('input')) : of('batch_input'),
    batchOutput: entry['batch_output'] === undefined ? halfOf(of('output')) : of('batch_output'),
  };
}

/** Null where there is none. */
function amountOf(value: unknown, where: string): number | null {
  if (value === undefined || value === null) return null;
  if (typeof value !== 'number') throw refused(where, 'must be a number');
  // JSON.parse makes 1e999 of what is too large: infinity.
  if (!Number.isFinite(value) || value < 0) throw refused(where, 'must be a number from 0');
  return value;
}

function refused(where: string, what: string): BatchrunError {
  return new BatchrunError('E_CONFIG', `${where} ${what}`, {
    hint: 'Prices are USD per million tokens, for example {"claude-haiku-5-5": {"input": 1, "output": 5, "cache_write_5m": 1.25, "cache_write_1h": 2, "cache_read": 0.1}}.',
  });
}
