/**
 * How fast the realtime lane is for the rows of one run, by what is known of the limits, of what answers of the run took
 * so far, and of how long calls take.
 */
import type { ModelPart, RunRecord, UsageEntry } from '../../domain/model.ts';
import { rowsPerMinute, type RowShare } from '../../domain/pacing/lane-rate.ts';
import type { BucketName } from '../../domain/pacing/limiter.ts';
import { rateClassOf } from '../../domain/pacing/rate-class.ts';
import { limitsOfTier } from '../../domain/pacing/tiers.ts';
import { callKeys } from './call-keys.ts';
import type { Pool } from '../pacing/pool.ts';
import type { Session } from '../session.ts';

/** Before the first answer: a second to the first token, then 30 a second (the same as PLAIN_MAX_TOKENS_MAX goes by). */
const FIRST_TOKEN_MS = 1_000;
const TOKEN_MS = 33;

interface RowNeeds {
  readonly model: string;
  /** Of the run's rows. */
  readonly share: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
}

export async function laneRateOf(session: Session, run: RunRecord): Promise<number> {
  const usage = await session.engine.store.usage(run.id);
  const parts = Object.entries(run.mix).filter(([, part]) => part.rows > 0);
  const rows = parts.reduce((sum, [, part]) => sum + part.rows, 0);
  const needs = parts.map(([model, part]) => needsOf(session, run, { model, part, share: part.rows / rows, usage }));
  const organizations = [...new Set(callKeys(session).map((key) => key.organization))];
  const shares = [...new Set(needs.map(({ model }) => rateClassOf(model)))].flatMap((rateClass) =>
    sharesOf(session, {
      rateClass,
      organizations,
      needs: needs.filter(({ model }) => rateClassOf(model) === rateClass),
    }),
  );
  const latencyMs = needs.reduce((sum, need) => sum + need.share * latencyOf(session, need, organizations), 0);
  return rowsPerMinute(shares, { concurrency: session.engine.pacing.concurrency, latencyMs });
}

function needsOf(
  { pacer }: Session,
  run: RunRecord,
  of: { model: string; part: ModelPart; share: number; usage: readonly UsageEntry[] },
): RowNeeds {
  const { model, part, share } = of;
  // The API answers with a dated id where the request had an alias.
  const seen = of.usage.filter((entry) => entry.model === model || entry.model.startsWith(`${model}-20`));
  const rows = seen.reduce((sum, entry) => sum + entry.rows, 0);
  if (rows > 0) {
    const mean = (tokens: (entry: UsageEntry) => number): number =>
      seen.reduce((sum, entry) => sum + tokens(entry), 0) / rows;
    // Cache reads take nothing of the input limit (facts, section 3.3).
    const inputTokens = mean((entry) => entry.inputTokens + entry.cacheWrite5mTokens + entry.cacheWrite1hTokens);
    return { model, share, inputTokens, outputTokens: mean((entry) => entry.outputTokens) };
  }
  const requestBytes = part.bytes / part.rows;
  return {
    model,
    share,
    ...pacer.forecast.expect({ runId: run.id, model, requestBytes, maxTokens: part.maxTokens / part.rows }),
  };
}

/** What rows of one class take of its buckets, summed over all organizations that calls may go out with. */
function sharesOf(
  session: Session,
  of: { rateClass: string; organizations: readonly string[]; needs: readonly RowNeeds[] },
): RowShare[] {
  const each = (tokens: (need: RowNeeds) => number): number =>
    of.needs.reduce((sum, need) => sum + need.share * tokens(need), 0);
  const input = each((need) => need.inputTokens);
  const output = each((need) => need.outputTokens);
  const takes = { requests: each(() => 1), input, output, tokens: input + output } as const;
  return (['requests', 'input', 'output', 'tokens'] as const).flatMap((bucket) => {
    const limits = of.organizations.map((name) =>
      limitOf(session, poolOf(session, name, of.rateClass), bucket, of.rateClass),
    );
    const perMinute = limits.reduce<number>((sum, limit) => sum + (limit ?? Infinity), 0);
    return Number.isFinite(perMinute) && limits.length > 0 ? [{ perMinute, eachRow: takes[bucket] }] : [];
  });
}

/** What may be used of a bucket in a minute; null where there is no such limit. Before it is known: that of most new accounts. */
function limitOf(
  { engine }: Session,
  pool: Pool | undefined,
  bucket: Exclude<BucketName, 'day'>,
  rateClass: string,
): number | null {
  if (pool && !pool.known.isAssumed(bucket)) return pool.known.usable(bucket);
  const { caps = {}, headroom = 0 } = engine.pacing;
  const cap = caps[bucket] ?? Infinity;
  if (bucket === 'tokens') return Number.isFinite(cap) ? cap : null;
  return Math.min(cap, limitsOfTier('start', rateClass)[bucket] * (1 - headroom));
}

function latencyOf(session: Session, need: RowNeeds, organizations: readonly string[]): number {
  for (const name of organizations) {
    const latencyMs = poolOf(session, name, rateClassOf(need.model))?.latencyMs ?? null;
    if (latencyMs !== null) return latencyMs;
  }
  return FIRST_TOKEN_MS + need.outputTokens * TOKEN_MS;
}

function poolOf({ pacer }: Session, organization: string, rateClass: string): Pool | undefined {
  return pacer.pools.all().find((pool) => pool.organization === organization && pool.rateClass === rateClass);
}
