/**
 * What sending something may cost, before it is sent: the most that it can, or what it is expected to, by what answers of
 * the same run cost so far. Money is reserved by this, and settled with the usage that the API reports.
 *
 * Not in it: what tools of the API's own cost a use (web search), and images or files that are named by URL or id, whose
 * tokens no one can tell from the request.
 */
import { OUTPUT_SHARE_FIRST, OUTPUT_TOKENS_FIRST } from './estimate/output.ts';
import { tokensFromBytes } from './estimate/tokenizer.ts';
import { splitByLane } from './lane-mix.ts';
import type { Lane, LaneMode, ModelMix, ModelPart, UsageEntry } from './model.ts';
import { PRICE_RULES, type TokenPrices } from './prices.ts';
import { priceOf, pricesOfPrompt } from './pricing.ts';

/**
 * No text that people send has more tokens than half its UTF-8 bytes: English has 4 bytes a token, code and digits 2.5
 * to 3, Chinese and Japanese 2 to 3 (3 bytes a character). The frame of JSON around it counts as text here, too.
 */
const BYTES_PER_TOKEN_LEAST = 2;
/** Inference in the US costs more; what a row asks for is not looked at. */
const SURCHARGE_MOST = PRICE_RULES.usInferenceFactor;
/** What was seen so far may not be what comes: a tenth more. */
const EXPECTED_SLACK = 1.1;

/** The most that these rows can cost; null where a model has no known price. */
export function worstCostUsd(mix: ModelMix, lane: Lane): number | null {
  return sumOf(mix, (model, part) => {
    const inputTokens = part.bytes / BYTES_PER_TOKEN_LEAST;
    const largestTokens = (part.largestBytes ?? part.bytes) / BYTES_PER_TOKEN_LEAST;
    const outputTokens = part.maxTokens;
    const caches = (part.cachingRows ?? part.rows) > 0;
    return partUsd({ model, lane, inputTokens, outputTokens, largestTokens, caches }, SURCHARGE_MOST);
  });
}

/** The same of a run, each part at the price of its lane. `mode`: where the whole run is wanted. */
export function worstRunCostUsd(mix: ModelMix, mode: LaneMode): number | null {
  const parts = splitByLane(mix, mode);
  const batch = worstCostUsd(parts.batch, 'batch');
  const realtime = worstCostUsd(parts.realtime, 'realtime');
  return batch === null || realtime === null ? null : batch + realtime;
}

/** What these rows will cost if they are like those before. `usage` and `whole` are those of their run. */
export function expectedCostUsd(
  mix: ModelMix,
  lane: Lane,
  { usage, whole }: { readonly usage: readonly UsageEntry[]; readonly whole: ModelMix },
): number | null {
  return sumOf(mix, (model, part) => {
    const seen = seenOf(model, usage, whole[model]);
    const inputTokens = seen ? part.bytes * seen.inputPerByte : tokensFromBytes(model, part.bytes);
    const first = Math.max(part.maxTokens * OUTPUT_SHARE_FIRST, OUTPUT_TOKENS_FIRST * part.rows);
    const outputTokens = Math.min(part.maxTokens, seen ? part.rows * seen.outputPerRow : first);
    const largestTokens = inputTokens / Math.max(1, part.rows);
    const expected = { model, lane, inputTokens, outputTokens, largestTokens, caches: false };
    return partUsd(seen ? { ...expected, cached: seen.cached } : expected, EXPECTED_SLACK);
  });
}

interface Part {
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
interface CachedShares {
  readonly write5m: number;
  readonly write1h: number;
  readonly read: number;
}

function partUsd(part: Part, factor: number): number | null {
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
function mixedPrice(plain: number, prices: TokenPrices, { cached }: Part, inLane: (price: number) => number): number {
  if (!cached) return plain;
  const of = (share: number, price: number | null): number => share * (price === null ? plain : inLane(price));
  const { write5m, write1h, read } = cached;
  const rest = Math.max(0, 1 - write5m - write1h - read) * plain;
  return rest + of(write5m, prices.cacheWrite5m) + of(write1h, prices.cacheWrite1h) + of(read, prices.cacheRead);
}

function sumOf(mix: ModelMix, usdOf: (model: string, part: ModelPart) => number | null): number | null {
  let total = 0;
  for (const [model, part] of Object.entries(mix)) {
    const usd = usdOf(model, part);
    if (usd === null) return null;
    total += usd;
  }
  return total;
}

/** The API answers with a dated id where the request had an alias. */
function seenOf(
  model: string,
  usage: readonly UsageEntry[],
  whole: ModelPart | undefined,
): { readonly inputPerByte: number; readonly outputPerRow: number; readonly cached: CachedShares } | null {
  const entries = usage.filter((entry) => entry.model === model || entry.model.startsWith(`${model}-20`));
  const rows = entries.reduce((sum, entry) => sum + entry.rows, 0);
  if (rows === 0 || !whole || whole.rows === 0) return null;
  const sum = (of: (entry: UsageEntry) => number): number => entries.reduce((total, entry) => total + of(entry), 0);
  const write5m = sum((entry) => entry.cacheWrite5mTokens);
  const write1h = sum((entry) => entry.cacheWrite1hTokens);
  const read = sum((entry) => entry.cacheReadTokens);
  const input = sum((entry) => entry.inputTokens) + write5m + write1h + read;
  const all = Math.max(1, input);
  return {
    inputPerByte: input / rows / (whole.bytes / whole.rows),
    outputPerRow: sum((entry) => entry.outputTokens) / rows,
    cached: { write5m: write5m / all, write1h: write1h / all, read: read / all },
  };
}
