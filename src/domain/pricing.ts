/**
 * What an answer cost: the one function that everything in batchrun uses.
 *
 * It knows four classes of tokens (input, output, cache writes, cache reads), two cache lifetimes (5 minutes, 1 hour),
 * two lanes, the price step of long prompts and the surcharge for inference in the US. A model or a price that no
 * source gives has no invented price: the answer is null, and the screens say "unknown". Computing those in one place
 * is on purpose: elsewhere they were the usual cost bugs (facts, section 10: litellm#27944, #38341).
 */
import type { Lane, TokenUsage } from './model.ts';
import { NO_USAGE } from './model.ts';
import type { ModelPrice, TokenPrices } from './prices.ts';
import { PRICES } from './prices.ts';

export { PRICES_AS_OF } from './prices.ts';

/** One answer, as the API reported it. `inferenceGeo` is usage.inference_geo. */
export interface PricedAnswer {
  readonly model: string;
  readonly lane: Lane;
  readonly usage: TokenUsage;
  readonly inferenceGeo?: string | null | undefined;
}

export interface CostEstimate {
  readonly model: string;
  readonly lane: Lane;
  /** Requests that the tokens are the sum of; 1 unless said. The long-prompt step is decided per request. */
  readonly requestCount?: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
}

/** Batches: half of the standard price on all usage, cache writes and reads too (documentation 2026-09-26). */
const BATCH_FACTOR = 0.5;
/** usage.inference_geo "us" (documentation, pricing page). */
const US_INFERENCE_FACTOR = 1.1;
const TOKENS_PER_PRICE = 1_000_000;
/** English prose and JSON are about 4 bytes a token with the older tokenizer: a rule of thumb, not a measurement. */
const BYTES_PER_TOKEN = 4;
/** The tokenizer of the 4.7 generation and later gives about 30 % more tokens (facts, section 2). */
const NEW_TOKENIZER_FACTOR = 1.3;

const PRICE_BY_MODEL: ReadonlyMap<string, ModelPrice> = new Map<string, ModelPrice>(Object.entries(PRICES));

export type PriceOverrides = Readonly<Record<string, ModelPrice>>;

let overrides: ReadonlyMap<string, ModelPrice> = new Map();

/** `--prices`: from here on these stand in the place of the table's. Each thread has a table of its own. */
export function overridePrices(prices: PriceOverrides): void {
  overrides = new Map(Object.entries(prices));
}

/** What another thread has to be told. */
export function overriddenPrices(): PriceOverrides {
  return Object.fromEntries(overrides);
}

/** What one answer cost in USD; null where its model or a class of its tokens has no known price. */
export function costUsd(answer: PricedAnswer): number | null {
  const price = priceOf(answer.model);
  if (price === null) return null;
  const { usage } = answer;
  const prices = pricesOfPrompt(price, promptTokens(usage));
  const batch = answer.lane === 'batch';
  // Added up without a list: this is asked for every row.
  const total =
    partCost(usage.inputTokens, batch ? prices.batchInput : prices.input) +
    partCost(usage.outputTokens, batch ? prices.batchOutput : prices.output) +
    partCost(usage.cacheWrite5mTokens, inLane(prices.cacheWrite5m, batch)) +
    partCost(usage.cacheWrite1hTokens, inLane(prices.cacheWrite1h, batch)) +
    partCost(usage.cacheReadTokens, inLane(prices.cacheRead, batch));
  if (Number.isNaN(total)) return null;
  return (total / TOKENS_PER_PRICE) * (answer.inferenceGeo === 'us' ? US_INFERENCE_FACTOR : 1);
}

/** NaN where tokens have no known price. */
function partCost(tokens: number, perMillion: number | null): number {
  if (tokens === 0) return 0;
  return perMillion === null ? NaN : tokens * perMillion;
}

/**
 * What so many tokens would cost, before anything was sent. With max_tokens for the output it is an upper estimate,
 * except that cache writes cost more than plain input. The long-prompt step goes by the average prompt.
 */
export function estimateCostUsd(estimate: CostEstimate): number | null {
  const requestCount = Math.max(1, estimate.requestCount ?? 1);
  const each: TokenUsage = {
    ...NO_USAGE,
    inputTokens: estimate.inputTokens / requestCount,
    outputTokens: estimate.outputTokens / requestCount,
  };
  const one = costUsd({ model: estimate.model, lane: estimate.lane, usage: each });
  return one === null ? null : one * requestCount;
}

/** Tokens of a text of so many UTF-8 bytes: rough, for estimates before sending; unknown models count as new. */
export function tokensFromBytes(model: string, bytes: number): number {
  const tokens = bytes / BYTES_PER_TOKEN;
  return Math.ceil(hasOlderTokenizer(model) ? tokens : tokens * NEW_TOKENIZER_FACTOR);
}

/**
 * The entry of a model, or null. The API may answer with a dated id that the table has only without its date
 * (`claude-haiku-5-5-20261001`); an exact entry always wins.
 */
export function priceOf(model: string): ModelPrice | null {
  const undated = model.replace(/-\d{8}$/, '');
  const given = overrides.get(model) ?? overrides.get(undated);
  return given ?? PRICE_BY_MODEL.get(model) ?? PRICE_BY_MODEL.get(undated) ?? null;
}

/** Every model of the built-in table, the newest of each line first. */
export function pricedModels(): readonly string[] {
  return [...PRICE_BY_MODEL.keys()];
}

/** The whole prompt: what the API read, wrote to the cache, or found there. */
function promptTokens(usage: TokenUsage): number {
  return usage.inputTokens + usage.cacheWrite5mTokens + usage.cacheWrite1hTokens + usage.cacheReadTokens;
}

/** The higher prices apply to the whole request, its output included (documentation 2026-10-08). */
export function pricesOfPrompt(price: ModelPrice, prompt: number): TokenPrices {
  const { longPrompt } = price;
  return longPrompt !== undefined && prompt > longPrompt.thresholdTokens ? longPrompt : price;
}

function inLane(price: number | null, batch: boolean): number | null {
  return price === null || !batch ? price : price * BATCH_FACTOR;
}

/** Claude 3 and 4.0 to 4.6. A name that does not show its version counts as new, so that estimates err upwards. */
function hasOlderTokenizer(model: string): boolean {
  if (/^claude-(\d|instant)/.test(model)) return true;
  const version = /^claude-[a-z]+-(\d{1,2})(?:-(\d{1,2}))?(?:-\d{8})?$/.exec(model);
  if (version === null) return false;
  const major = Number(version[1]);
  return major < 4 || (major === 4 && Number(version[2] ?? 0) < 7);
}
