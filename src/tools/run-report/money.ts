/**
 * What a run cost and what it saved, from the ledger alone. What the ledger cannot know is null, or said to be about so
 * much.
 */
import type { CacheView } from '../../engine/cache/cache-view.ts';
import type { RunView } from '../../engine/views/status.ts';
import { wishesOf, type RunRecord, type TokenUsage, type UsageEntry } from '../../domain/model.ts';
import { costUsd } from '../../domain/pricing.ts';
import { worstRunCostUsd } from '../../domain/reserve.ts';
import type { SpareBatches } from './spare-batches.ts';

export interface Money {
  /** Null where an answer came from a model without a known price; then `knownUsd` is a part of it. */
  readonly spentUsd: number | null;
  readonly knownUsd: number;
  readonly usdPerRow: number | null;
  readonly parts: readonly UsageEntry[];
  /** What the rows of the batch lane would have cost as calls; null where it is not known or there are none. */
  readonly batchSavedUsd: number | null;
  readonly cache: CacheView | null;
  readonly coalescedUsd: number | null;
  readonly budget: RunView['budget'];
  /** The most that was said before anything was sent; null without a known price. */
  readonly estimatedMostUsd: number | null;
  /** What it will come to, as it looks; null for a run that is done. */
  readonly expectedUsd: number | null;
  /** Answers that were paid beyond one for each row that succeeded; null where rows share answers. */
  readonly extraAnswers: { readonly count: number; readonly usd: number | null } | null;
  /** What rows called by themselves cost beyond the price of a batch. */
  readonly realtimeExtraUsd: number | null;
  readonly spare: SpareBatches;
  /** What calls whose answer never came may have cost. */
  readonly unansweredUsd: number;
}

export function moneyOf(
  run: RunRecord,
  parts: readonly UsageEntry[],
  known: { view: RunView; spare: SpareBatches },
): Money {
  const { view, spare } = known;
  const knownUsd = parts.reduce((sum, entry) => sum + entry.costUsd, 0);
  const answers = parts.reduce((sum, entry) => sum + entry.rows, 0);
  const extra = Math.max(0, answers - run.rows.succeeded);
  const spentUsd = view.cost_usd.spent;
  return {
    ...{ spentUsd, knownUsd, parts, spare, budget: view.budget, cache: view.cache },
    usdPerRow: spentUsd === null || run.rows.succeeded === 0 ? null : spentUsd / run.rows.succeeded,
    batchSavedUsd: differenceUsd(parts, 'batch', 'realtime'),
    coalescedUsd: view.coalesced?.saved_usd ?? null,
    estimatedMostUsd: worstRunCostUsd(run.mix, wishesOf(run).lane),
    expectedUsd: run.state === 'done' ? null : view.cost_usd.estimated_total,
    extraAnswers:
      (view.coalesced?.rows ?? 0) > 0
        ? null
        : { count: extra, usd: answers === 0 || spentUsd === null ? null : (spentUsd / answers) * extra },
    realtimeExtraUsd: differenceUsd(parts, 'realtime', 'batch'),
    unansweredUsd: run.realtimeReservedUsd,
  };
}

/** By how much the price of the other lane differs, for what was paid in this one; by the average answer of each model. */
function differenceUsd(
  parts: readonly UsageEntry[],
  lane: UsageEntry['lane'],
  other: UsageEntry['lane'],
): number | null {
  const entries = parts.filter((entry) => entry.lane === lane && entry.rows > 0);
  if (entries.length === 0) return null;
  let sum = 0;
  for (const entry of entries) {
    const { model, rows } = entry;
    const usage = each(entry, rows);
    const [here, there] = [costUsd({ model, lane, usage }), costUsd({ model, lane: other, usage })];
    if (here === null || there === null || here === 0) return null;
    sum += Math.abs(entry.costUsd * (there / here - 1));
  }
  return sum;
}

function each(usage: TokenUsage, rows: number): TokenUsage {
  return {
    inputTokens: usage.inputTokens / rows,
    outputTokens: usage.outputTokens / rows,
    cacheWrite5mTokens: usage.cacheWrite5mTokens / rows,
    cacheWrite1hTokens: usage.cacheWrite1hTokens / rows,
    cacheReadTokens: usage.cacheReadTokens / rows,
  };
}
