/**
 * What sending something may cost, before it is sent: the most that it can, or what it is expected to, by what answers of
 * the same run cost so far. Money is reserved by this, and settled with the usage that the API reports.
 *
 * Not in it: what tools of the API's own cost a use (web search), and images or files that are named by URL or id, whose
 * tokens no one can tell from the request.
 */
import type { Lane, ModelMix, ModelPart, UsageEntry } from './model.ts';
import { priceOf, pricesOfPrompt, tokensFromBytes } from './pricing.ts';

/**
 * No text that people send has more tokens than half its UTF-8 bytes: English has 4 bytes a token, code and digits 2.5
 * to 3, Chinese and Japanese 2 to 3 (3 bytes a character). The frame of JSON around it counts as text here, too.
 */
const BYTES_PER_TOKEN_LEAST = 2;
/** Inference in the US costs a tenth more (facts, section 5); what a row asks for is not looked at. */
const SURCHARGE_MOST = 1.1;
/** A cache write with a lifetime of an hour costs twice the input (facts, section 5). */
const CACHE_WRITE_FACTOR = 2;
const BATCH_FACTOR = 0.5;
const PER_PRICE = 1_000_000;
/** Before the first answers: a quarter of max_tokens, and no less than a paragraph. */
export const OUTPUT_SHARE_FIRST = 0.25;
export const OUTPUT_TOKENS_FIRST = 256;
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
    return partUsd({ model, lane, inputTokens, outputTokens, largestTokens, caches: false }, EXPECTED_SLACK);
  });
}

interface Part {
  readonly model: string;
  readonly lane: Lane;
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly largestTokens: number;
  readonly caches: boolean;
}

function partUsd(part: Part, factor: number): number | null {
  const price = priceOf(part.model);
  if (!price) return null;
  const prices = pricesOfPrompt(price, part.largestTokens);
  const batch = part.lane === 'batch';
  const plain = batch ? prices.batchInput : prices.input;
  const output = batch ? prices.batchOutput : prices.output;
  if (plain === null || output === null) return null;
  const written = (prices.cacheWrite1h ?? 0) * (batch ? BATCH_FACTOR : 1);
  const input = part.caches ? Math.max(written, plain * CACHE_WRITE_FACTOR) : plain;
  return ((part.inputTokens * input + part.outputTokens * output) / PER_PRICE) * factor;
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
): { readonly inputPerByte: number; readonly outputPerRow: number } | null {
  const entries = usage.filter((entry) => entry.model === model || entry.model.startsWith(`${model}-20`));
  const rows = entries.reduce((sum, entry) => sum + entry.rows, 0);
  if (rows === 0 || !whole || whole.rows === 0) return null;
  const input = entries.reduce(
    (sum, entry) =>
      sum + entry.inputTokens + entry.cacheWrite5mTokens + entry.cacheWrite1hTokens + entry.cacheReadTokens,
    0,
  );
  const output = entries.reduce((sum, entry) => sum + entry.outputTokens, 0);
  return { inputPerByte: input / rows / (whole.bytes / whole.rows), outputPerRow: output / rows };
}
