/**
 * The knee: at which rate refusals begin, between the last stage without any and the first with some.
 */
import type { Stage } from './arrivals.ts';
import type { KneeView } from './live.ts';
import { limitNameOf, type RateWatch } from './rate-watch.ts';
import type { Part } from './tally.ts';

export interface KneeParts {
  readonly stages: readonly Stage[];
  readonly parts: readonly Pick<Part, 'counts'>[];
  readonly watches: Iterable<RateWatch>;
}

/** Null where the load has no stages. */
export function kneeOf({ stages, parts, watches }: KneeParts): KneeView | null {
  if (stages.length === 0) return null;
  const refused = parts.findIndex(({ counts }) => counts.rateLimited > 0);
  const tried = refused < 0 ? parts.length : refused;
  let clean: number | null = null;
  for (let at = 0; at < tried; at++)
    if ((parts[at]?.counts.succeeded ?? 0) > 0) clean = stages[at]?.ratePerSecond ?? clean;
  const [first] = [...watches]
    .filter(({ firstRefusedMs }) => firstRefusedMs !== null)
    .sort((one, other) => (one.firstRefusedMs ?? 0) - (other.firstRefusedMs ?? 0));
  return {
    last_clean_per_second: rounded(clean),
    first_refused_per_second: rounded(refused < 0 ? null : (stages[refused]?.ratePerSecond ?? null)),
    sustained_per_second: rounded(first?.sustainedPerSecond ?? null),
    bound_by: first ? limitNameOf(first.boundBy) : null,
  };
}

function rounded(rate: number | null): number | null {
  return rate === null ? null : Number(rate.toPrecision(4));
}
