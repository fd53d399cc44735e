/**
 * What a run keeps of its prompt caching: which prefixes its rows are marked with, by a hash and never by their text, and
 * when each was last written. Part of the settings of a run.
 */
import type { CacheTtl } from './ttl.ts';

export type CacheMode = 'auto' | CacheTtl;

export interface CacheSettings {
  readonly mode: CacheMode;
  readonly prefixes: readonly KeptPrefix[];
  /** Keys of prefixes that were decided against: a later submit of the same comes to the same. */
  readonly refused: readonly string[];
  /** Why no row is marked; null where some are. */
  readonly declined: string | null;
  /** What warm-ups used so far, by model. */
  readonly warmUps?: readonly WarmUpSum[];
}

export interface KeptPrefix {
  readonly key: string;
  readonly model: string;
  readonly ttl: CacheTtl;
  /** As counted, or estimated, when it was decided. */
  readonly tokens: number;
  /** When a warm-up last wrote or read it, by workspace: each has a cache of its own. */
  readonly warmAtMs?: Readonly<Record<string, number>>;
  /** The API has answered a warm-up and kept nothing: it is too short. */
  readonly useless?: boolean;
}

/** What warm-ups of one model used. They are no rows: in the usage of the run their tokens and their cost are in. */
export interface WarmUpSum {
  readonly model: string;
  readonly calls: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly cacheWrite5mTokens: number;
  readonly cacheWrite1hTokens: number;
  readonly cacheReadTokens: number;
  readonly costUsd: number;
  /** Calls to a model without a known price. */
  readonly unpricedCalls: number;
}

/** A warm-up has come to its end. */
export interface WarmUpEnd {
  readonly key: string;
  readonly workspace: string;
  /** Null where there was no answer, or none that says anything. */
  readonly used: WarmUpSum | null;
  readonly atMs: number;
  readonly useless: boolean;
}

export function cacheOf(run: { readonly settings: { readonly cache?: CacheSettings } }): CacheSettings | null {
  return run.settings.cache ?? null;
}

/** The settings after a warm-up. */
export function withWarmUp(cache: CacheSettings, { key, workspace, used, atMs, useless }: WarmUpEnd): CacheSettings {
  if (!used) return cache;
  const prefixes = cache.prefixes.map((prefix): KeptPrefix => {
    if (prefix.key !== key) return prefix;
    return useless ? { ...prefix, useless } : { ...prefix, warmAtMs: { ...prefix.warmAtMs, [workspace]: atMs } };
  });
  const others = (cache.warmUps ?? []).filter(({ model }) => model !== used.model);
  const before = cache.warmUps?.find(({ model }) => model === used.model);
  return { ...cache, prefixes, warmUps: [...others, before ? added(before, used) : used] };
}

function added(one: WarmUpSum, other: WarmUpSum): WarmUpSum {
  return {
    model: one.model,
    calls: one.calls + other.calls,
    inputTokens: one.inputTokens + other.inputTokens,
    outputTokens: one.outputTokens + other.outputTokens,
    cacheWrite5mTokens: one.cacheWrite5mTokens + other.cacheWrite5mTokens,
    cacheWrite1hTokens: one.cacheWrite1hTokens + other.cacheWrite1hTokens,
    cacheReadTokens: one.cacheReadTokens + other.cacheReadTokens,
    costUsd: one.costUsd + other.costUsd,
    unpricedCalls: one.unpricedCalls + other.unpricedCalls,
  };
}

interface CachedTokens {
  readonly cacheWrite5mTokens: number;
  readonly cacheWrite1hTokens: number;
  readonly cacheReadTokens: number;
}

/** The share of the cached tokens that were read and not written; null where nothing was cached. */
export function hitShare(usage: readonly CachedTokens[]): number | null {
  let read = 0;
  let written = 0;
  for (const entry of usage) {
    read += entry.cacheReadTokens;
    written += entry.cacheWrite5mTokens + entry.cacheWrite1hTokens;
  }
  return read + written === 0 ? null : read / (read + written);
}
