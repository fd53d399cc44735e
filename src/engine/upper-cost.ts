/**
 * The most that rows are shown to cost, before and while they are sent.
 */
import { tokensFromBytes } from '../domain/estimate/tokenizer.ts';
import { splitByLane } from '../domain/lane-mix.ts';
import type { RunRecord } from '../domain/model.ts';
import { estimateCostUsd } from '../domain/pricing.ts';

/**
 * What all rows of a mix cost at most in the batch lane, and in the realtime lane where a route has chosen it: input by its
 * size, every answer as long as max_tokens.
 */
export function upperCostUsd(mix: RunRecord['mix']): number | null {
  let total = 0;
  const parts = splitByLane(mix, 'auto');
  for (const lane of ['batch', 'realtime'] as const) {
    for (const [model, part] of Object.entries(parts[lane])) {
      const inputTokens = tokensFromBytes(model, part.bytes);
      const outputTokens = part.maxTokens;
      const cost = estimateCostUsd({ model, lane, requestCount: part.rows, inputTokens, outputTokens });
      if (cost === null) return null;
      total += cost;
    }
  }
  return total;
}
