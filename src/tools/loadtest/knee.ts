/**
 * The knee: at which rate refusals begin, between the last stage without and the first with a share of them that counts.
 */
import type { Stage } from './arrivals.ts';
import type { KneeView } from './live.ts';
import { limitNameOf, type RateWatch } from './rate-watch.ts';
import type { Counts, Part } from './tally.ts';

/** A single refusal among many is chance, two requests that came too close to each other: no limit of the rate. */
const REFUSED_SHARE_MIN = 0.05;

/** Did the rate of this stage meet a limit? */
export function isRefused({ succeeded, failed, rateLimited }: Counts): boolean {
  return rateLimited > 0 && rateLimited >= (succeeded + failed + rateLimited) * REFUSED_SHARE_MIN;
}

/** How stages were really loaded. */
export interface StageLoad {
  /** Requests follow the plan one by one: no conversations, and nobody has changed the rate. */
  readonly isByPlan: boolean;
  /** As long as requests were sent. */
  readonly sendingMs: number;
}

/** Requests a second of a stage: by the plan, or those that were sent where they were others. */
export function stageRate({ fromMs, toMs, ratePerSecond }: Stage, { sent }: Counts, load: StageLoad): number {
  const ms = Math.min(toMs, load.sendingMs) - fromMs;
  return load.isByPlan || ms <= 0 ? ratePerSecond : (sent / ms) * 1_000;
}

export interface KneeParts {
  readonly stages: readonly Stage[];
  readonly parts: readonly Pick<Part, 'counts'>[];
  readonly load: StageLoad;
  readonly watches: Iterable<RateWatch>;
}

/** Null where the load has no stages. */
export function kneeOf({ stages, parts, load, watches }: KneeParts): KneeView | null {
  if (stages.length === 0) return null;
  const refused = parts.findIndex(({ counts }) => isRefused(counts));
  const rateAt = (at: number): number | null => {
    const [stage, part] = [stages[at], parts[at]];
    return stage && part ? stageRate(stage, part.counts, load) : null;
  };
  const tried = refused < 0 ? parts.length : refused;
  let clean: number | null = null;
  for (let at = 0; at < tried; at++) if ((parts[at]?.counts.succeeded ?? 0) > 0) clean = rateAt(at) ?? clean;
  const [first] = [...watches]
    .filter(({ firstRefusedMs }) => firstRefusedMs !== null)
    .sort((one, other) => (one.firstRefusedMs ?? 0) - (other.firstRefusedMs ?? 0));
  const isFound = refused >= 0 && first !== undefined;
  return {
    last_clean_per_second: rounded(clean),
    first_refused_per_second: rounded(refused < 0 ? null : rateAt(refused)),
    sustained_per_second: rounded(isFound ? first.sustainedPerSecond : null),
    bound_by: isFound ? limitNameOf(first.boundBy) : null,
  };
}

function rounded(rate: number | null): number | null {
  return rate === null ? null : Number(rate.toPrecision(4));
}
