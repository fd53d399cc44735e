/**
 * The most that sending something can cost, before it is sent. Money is reserved by this, and settled with the usage that
 * the API reports; and it is the one worst case that every command shows. What is expected is in expected-cost.ts.
 *
 * Not in it: what tools of the API's own cost a use (web search), and documents that are named by URL or id beyond their
 * first page, whose tokens no one can tell from the request. Where the API counts more than is reckoned, in a preflight or
 * in answers, the mix of the run says so (input-raise.ts).
 */
import { splitByLane } from './lane-mix.ts';
import type { InputRaise, Lane, LaneMode, ModelMix, ModelPart } from './model.ts';
import { PRICE_RULES, type TokenPrices } from './prices.ts';
import { priceOf, pricesOfPrompt } from './pricing.ts';

/**
 * Nearly no text that people send has more tokens than half its UTF-8 bytes: English has 4 bytes a token, code and numbers
 * 2.5 to 3, Chinese and Japanese 2 to 3 (3 bytes a character). The frame of JSON around it counts as text here, too. What
 * may have more: single digits with signs between them, a few scripts, random ids.
 */
const BYTES_PER_TOKEN_LEAST = 2;
/** What the API puts before one request is less (estimate/added-tokens.ts; a test holds it to that). */
const ADDED_TOKENS_MOST = 900;
/** Inference in the US costs more; what a row asks for is not looked at. */
const SURCHARGE_MOST = PRICE_RULES.usInferenceFactor;

/** The most that these rows can cost; null where a model has no known price. */
export function worstCostUsd(mix: ModelMix, lane: Lane): number | null {
  return sumOfParts(mix, (model, part) => {
    const inputTokens = inputTokensMost(part);
    const largestTokens = largestTokensMost(part);
    const outputTokens = part.maxTokens;
    const caches = (part.cachingRows ?? part.rows) > 0;
    return partUsd({ model, lane, inputTokens, outputTokens, largestTokens, caches }, SURCHARGE_MOST);
  });
}

/** Input tokens that are reckoned for these rows. */
export function inputTokensMost(part: Omit<ModelPart, 'maxTokens' | 'lanes'>): number {
  const { rows, bytes, addedTokens = 0, media, raise = NO_RAISE } = part;
  const tokens = (bytes - (media?.bytes ?? 0)) / BYTES_PER_TOKEN_LEAST + (media?.tokens ?? 0) + addedTokens;
  return tokens * raise.factor + raise.rowTokens * rows;
}

/** Of the largest of them. */
export function largestTokensMost({
  bytes,
  largestBytes = bytes,
  addedTokens = 0,
  media,
  raise = NO_RAISE,
}: Omit<ModelPart, 'maxTokens' | 'lanes'>): number {
  const textTokens = (media?.largestTextBytes ?? largestBytes) / BYTES_PER_TOKEN_LEAST;
  const tokens = textTokens + (media?.largestTokens ?? 0) + Math.min(addedTokens, ADDED_TOKENS_MOST);
  return tokens * raise.factor + raise.rowTokens;
}

const NO_RAISE: InputRaise = { factor: 1, rowTokens: 0 };

/** The same of a run, each part at the price of its lane. `mode`: where the whole run is wanted. */
export function worstRunCostUsd(mix: ModelMix, mode: LaneMode): number | null {
  const parts = splitByLane(mix, mode);
  const batch = worstCostUsd(parts.batch, 'batch');
  const realtime = worstCostUsd(parts.realtime, 'realtime');
  return batch === null || realtime === null ? null : batch + realtime;
}

/** Requests of one model, as the prices need to know them. */
export interface PricedPart {
  readonly model: string;
  readonly lane: Lane;
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly largestTokens: number;
  /** All of it may be written to the prompt cache. */
  readonly caches: boolean;
  /** Of the input, as answers so far had it. */
  readonly cached?: CachedShares;
}

/** Shares of the input tokens that went another way than plain. */
export interface CachedShares {
  readonly write5m: number;
  readonly write1h: number;
  readonly read: number;
}

/** Null where a price of it is not known. `factor`: on top of the list price. */
export function partUsd(part: PricedPart, factor: number): number | null {
  const price = priceOf(part.model);
  if (!price) return null;
  const prices = pricesOfPrompt(price, part.largestTokens);
  const batch = part.lane === 'batch';
  const plain = batch ? prices.batchInput : prices.input;
  const output = batch ? prices.batchOutput : prices.output;
  if (plain === null || output === null) return null;
  const inLane = (price: number): number => price * (batch ? PRICE_RULES.batchFactor : 1);
  const written = inLane(prices.cacheWrite1h ?? 0);
  const input = part.caches
    ? Math.max(written, plain * PRICE_RULES.cacheWrite1hFactor)
    : mixedPrice(plain, prices, part, inLane);
  return ((part.inputTokens * input + part.outputTokens * output) / PRICE_RULES.tokensPerPrice) * factor;
}

/** Of a token of the input on average; what has no price of its own counts as plain. */
function mixedPrice(
  plain: number,
  prices: TokenPrices,
  { cached }: PricedPart,
  inLane: (price: number) => number,
): number {
  if (!cached) return plain;
  const of = (share: number, price: number | null): number => share * (price === null ? plain : inLane(price));
  const { write5m, write1h, read } = cached;
  const rest = Math.max(0, 1 - write5m - write1h - read) * plain;
  return rest + of(write5m, prices.cacheWrite5m) + of(write1h, prices.cacheWrite1h) + of(read, prices.cacheRead);
}

/** Over all models; null where one of them has no price. */
export function sumOfParts(mix: ModelMix, usdOf: (model: string, part: ModelPart) => number | null): number | null {
  let total = 0;
  for (const [model, part] of Object.entries(mix)) {
    const usd = usdOf(model, part);
    if (usd === null) return null;
    total += usd;
  }
  return total;
}
