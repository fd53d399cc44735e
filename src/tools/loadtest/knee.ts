/**
 * The knee: at which rate refusals begin, between the last stage without and the first with a share of them that counts.
 */
import type { Stage } from './arrivals.ts';
import type { KneeView } from './live.ts';
import { limitNameOf, minutesTouched, type FirstMet, type RateWatch } from './rate-watch.ts';
import type { Counts, Part } from './tally.ts';

/** A single refusal among many is chance, two requests that came too close to each other: no limit of the rate. */
const REFUSED_SHARE_MIN = 0.05;

/** Did the rate of this stage meet a limit? Of those that were sent: refusals are there at once, answers later. */
export function isRefused({ sent, rateLimited }: Counts): boolean {
  return rateLimited > 0 && rateLimited >= sent * REFUSED_SHARE_MIN;
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
export function kneeOf(given: KneeParts): KneeView | null {
  const { stages, parts, load } = given;
  if (stages.length === 0) return null;
  const watches = [...given.watches];
  const refused = parts.findIndex(({ counts }) => isRefused(counts));
  const rateAt = (at: number): number | null => {
    const [stage, part] = [stages[at], parts[at]];
    return stage && part ? stageRate(stage, part.counts, load) : null;
  };
  const tried = refused < 0 ? parts.length : refused;
  let clean: number | null = null;
  for (let at = 0; at < tried; at++) if ((parts[at]?.counts.succeeded ?? 0) > 0) clean = rateAt(at) ?? clean;
  const [first] = watches
    .filter(({ firstRefusedMs }) => firstRefusedMs !== null)
    .sort((one, other) => (one.firstRefusedMs ?? 0) - (other.firstRefusedMs ?? 0));
  const isFound = refused >= 0 && first !== undefined;
  const told = firstTold(watches, clean ?? 0);
  return {
    last_clean_per_second: rounded(clean),
    first_refused_per_second: rounded(refused < 0 ? null : rateAt(refused)),
    sustained_per_second: rounded(isFound ? first.sustainedPerSecond : null),
    bound_by: isFound ? limitNameOf(first.boundBy) : null,
    told_per_second: rounded(told?.perSecond ?? null),
    told_by: told?.name ?? null,
    sure_per_second: rounded(surely(given, watches)),
  };
}

/** The limit of the headers that the mix meets first. Those that are not told may be lower than one above all that was tried. */
function firstTold(watches: readonly RateWatch[], triedPerSecond: number): FirstMet | null {
  const met = watches.map((watch) => watch.firstMet(sentBy(watches)));
  const [first] = met.flatMap(({ first: one }) => one ?? []).toSorted((one, other) => one.perSecond - other.perSecond);
  const isWhole = met.every((one) => one.isWhole);
  return first !== undefined && (isWhole || first.perSecond < triedPerSecond) ? first : null;
}

/**
 * Whatever limit holds by the minute, it lets so many a second through: fewer would not have let pass what passed. Where
 * one model of a mix was refused the others may have passed in its place: then the mix has passed only as far as the
 * model did of which the least was answered.
 */
function surely({ stages, parts, load }: KneeParts, watches: readonly RateWatch[]): number {
  const all = sentBy(watches) * Math.min(1, ...watches.map(({ answeredShare }) => answeredShare));
  const overall = all / minutesTouched(load.sendingMs) / 60;
  return parts.reduce((most, { counts }, at) => {
    const stage = stages[at];
    const ms = stage ? Math.min(stage.toMs, load.sendingMs) - stage.fromMs : 0;
    // Which of the models passed is known of the whole test alone.
    if (ms <= 0 || (watches.length > 1 && counts.rateLimited > 0)) return most;
    // An even rate: of a minute of the clock it has filled half at least, and all of it when it lasts for two.
    return Math.max(most, counts.succeeded / Math.max(2, ms / 60_000 + 1) / 60);
  }, overall);
}

/** Requests of all models. */
function sentBy(watches: readonly RateWatch[]): number {
  return watches.reduce((sum, { sent }) => sum + sent, 0);
}

function rounded(rate: number | null): number | null {
  return rate === null ? null : Number(rate.toPrecision(4));
}
