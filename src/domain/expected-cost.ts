/**
 * What sending something is expected to cost, by what answers of the same run cost so far: what `--budget-mode expected`
 * sets aside. The most that it can cost is in reserve.ts.
 */
import { OUTPUT_SHARE_FIRST, OUTPUT_TOKENS_FIRST } from './estimate/output.ts';
import { tokensFromBytes } from './estimate/tokenizer.ts';
import type { Lane, ModelMix, ModelPart, UsageEntry } from './model.ts';
import { partUsd, sumOfParts, type CachedShares } from './reserve.ts';

/** What was seen so far may not be what comes: a tenth more. */
const EXPECTED_SLACK = 1.1;

/** What these rows will cost if they are like those before. `usage` and `whole` are those of their run. */
export function expectedCostUsd(
  mix: ModelMix,
  lane: Lane,
  { usage, whole }: { readonly usage: readonly UsageEntry[]; readonly whole: ModelMix },
): number | null {
  return sumOfParts(mix, (model, part) => {
    const seen = seenOf(model, usage, whole[model]);
    const inputTokens = seen
      ? part.bytes * seen.inputPerByte
      : tokensFromBytes(model, part.bytes - (part.media?.bytes ?? 0)) +
        (part.media?.tokens ?? 0) +
        (part.addedTokens ?? 0);
    const first = Math.max(part.maxTokens * OUTPUT_SHARE_FIRST, OUTPUT_TOKENS_FIRST * part.rows);
    const outputTokens = Math.min(part.maxTokens, seen ? part.rows * seen.outputPerRow : first);
    const largestTokens = inputTokens / Math.max(1, part.rows);
    const expected = { model, lane, inputTokens, outputTokens, largestTokens, caches: false };
    return partUsd(seen ? { ...expected, cached: seen.cached } : expected, EXPECTED_SLACK);
  });
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
