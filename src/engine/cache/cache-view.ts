/**
 * What the prompt cache did for a run, from the ledger alone: how much was read and written, what warm-ups cost, and what
 * all of it saved or lost against no caching. Part of the shape of `--json`.
 */
import { roundUsd } from '../../base/units.ts';
import { cacheOf, hitShare, type WarmUpSum } from '../../domain/cache/settings.ts';
import type { RunRecord, UsageEntry } from '../../domain/model.ts';
import { cacheSavingUsd } from '../../domain/pricing.ts';

export interface CacheView {
  /** `auto`, `5m`, `1h`; null where rows carry marks of their own and nothing was asked for. */
  readonly mode: string | null;
  /** Why no row was marked; null where some were. */
  readonly declined: string | null;
  readonly prefixes: readonly CachedPrefixView[];
  readonly read_tokens: number;
  readonly written_tokens: number;
  /** The part of the cached tokens of the rows that was read and not written; null before there are any. */
  readonly hit_share: number | null;
  readonly warm_ups: number;
  /** In the costs of the run already. Null where a model has no known price. */
  readonly warm_up_usd: number | null;
  /** Less than without caching, warm-ups counted; below zero, more. Null where a price is not known. */
  readonly saved_usd: number | null;
}

export interface CachedPrefixView {
  readonly model: string;
  readonly ttl: string;
  readonly tokens: number;
  /** The API keeps it not: it is too short. */
  readonly useless: boolean;
}

/** Null where nothing was asked for and nothing was cached. */
export function viewCache(run: RunRecord, usage: readonly UsageEntry[]): CacheView | null {
  const cache = cacheOf(run);
  const warmUps = cache?.warmUps ?? [];
  const rows = usage.map((entry) => withoutWarmUps(entry, warmUps));
  const read = rows.reduce((sum, entry) => sum + entry.cacheReadTokens, 0);
  const written = rows.reduce((sum, entry) => sum + entry.cacheWrite5mTokens + entry.cacheWrite1hTokens, 0);
  if (!cache && read + written === 0) return null;
  const warmUpUsd = sumOf(warmUps.map((sum) => (sum.unpricedCalls > 0 ? null : sum.costUsd)));
  const savings = rows.map((entry) => {
    const { model, lane, rows: requestCount } = entry;
    return cacheSavingUsd({ model, lane, usage: entry, requestCount });
  });
  const saved = sumOf([...savings, warmUpUsd === null ? null : -warmUpUsd]);
  return {
    mode: cache?.mode ?? null,
    declined: cache?.declined ?? null,
    prefixes: (cache?.prefixes ?? []).map(({ model, ttl, tokens, useless }) => {
      return { model, ttl, tokens, useless: useless === true };
    }),
    ...{ read_tokens: read, written_tokens: written, hit_share: hitShare(rows) },
    warm_ups: warmUps.reduce((sum, { calls }) => sum + calls, 0),
    ...{ warm_up_usd: warmUpUsd, saved_usd: saved === null ? null : roundUsd(saved) },
  };
}

/** Warm-ups are realtime calls of no row: what is left is what rows used. */
function withoutWarmUps(entry: UsageEntry, warmUps: readonly WarmUpSum[]): UsageEntry {
  const sum = entry.lane === 'realtime' ? warmUps.find(({ model }) => model === entry.model) : undefined;
  if (!sum) return entry;
  return {
    ...entry,
    inputTokens: entry.inputTokens - sum.inputTokens,
    outputTokens: entry.outputTokens - sum.outputTokens,
    cacheWrite5mTokens: entry.cacheWrite5mTokens - sum.cacheWrite5mTokens,
    cacheWrite1hTokens: entry.cacheWrite1hTokens - sum.cacheWrite1hTokens,
    cacheReadTokens: entry.cacheReadTokens - sum.cacheReadTokens,
    costUsd: entry.costUsd - sum.costUsd,
  };
}

function sumOf(parts: readonly (number | null)[]): number | null {
  return parts.reduce<number | null>((sum, part) => (sum === null || part === null ? null : sum + part), 0);
}
