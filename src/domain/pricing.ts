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
import { PRICE_RULES, PRICES } from './prices.ts';

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
  return (total / PRICE_RULES.tokensPerPrice) * (answer.inferenceGeo === 'us' ? PRICE_RULES.usInferenceFactor : 1);
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

/** Answers whose cached tokens are looked at together: those of one model and one lane. */
export interface CachedAnswers {
  readonly model: string;
  readonly lane: Lane;
  readonly usage: TokenUsage;
  /** Answers that the tokens are the sum of; 1 unless said. The long-prompt step goes by the average prompt. */
  readonly requestCount?: number;
}

/**
 * What the prompt cache saved, in USD, against the same tokens as plain input; below zero where writing cost more than
 * reading saved. Null where a class of the tokens has no known price.
 */
export function cacheSavingUsd({ model, lane, usage, requestCount = 1 }: CachedAnswers): number | null {
  const { cacheWrite5mTokens, cacheWrite1hTokens, cacheReadTokens } = usage;
  const cached = cacheWrite5mTokens + cacheWrite1hTokens + cacheReadTokens;
  if (cached === 0) return 0;
  const price = priceOf(model);
  if (price === null) return null;
  const prices = pricesOfPrompt(price, promptTokens(usage) / Math.max(1, requestCount));
  const batch = lane === 'batch';
  const plain = partCost(cached, batch ? prices.batchInput : prices.input);
  const paid =
    partCost(cacheWrite5mTokens, inLane(prices.cacheWrite5m, batch)) +
    partCost(cacheWrite1hTokens, inLane(prices.cacheWrite1h, batch)) +
    partCost(cacheReadTokens, inLane(prices.cacheRead, batch));
  const saved = (plain - paid) / PRICE_RULES.tokensPerPrice;
  return Number.isNaN(saved) ? null : saved;
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
  return price === null || !batch ? price : price * PRICE_RULES.batchFactor;
}
