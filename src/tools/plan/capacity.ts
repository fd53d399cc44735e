/**
 * What a load needs that is described in numbers alone: so many rows at once, or so many requests a minute for good. As
 * capacity planners ask: limits, cost by request, day and month in both lanes, the tier that gives it, and when to ask.
 */
import { formatUsd } from '../../base/units.ts';
import { exactly } from '../../domain/estimate/band.ts';
import { batchTime, realtimeTime, type RealtimeBinding } from '../../domain/estimate/lane-time.ts';
import { loadCostUsd } from '../../domain/estimate/load-cost.ts';
import { BATCH_TYPICAL_MS, CHUNK_ROWS_DEFAULT } from '../../domain/limits.ts';
import type { Lane } from '../../domain/model.ts';
import { modelFacts } from '../../domain/models.ts';
import { rateClassOf } from '../../domain/pacing/rate-class.ts';
import {
  CUSTOM_TIER,
  limitsOfTier,
  TIERS,
  TODAY_TIERS,
  TIERS_AS_OF,
  type TierName,
} from '../../domain/pacing/tiers.ts';
import { PRICES_AS_OF } from '../../domain/prices.ts';
import { answerMs, speedOf, SPEEDS_AS_OF } from '../../domain/speeds.ts';

export interface CapacityQuestion {
  readonly load: { readonly kind: 'rows'; readonly rows: number } | { readonly kind: 'rate'; readonly rpm: number };
  /** Of a request. */
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly models: readonly string[];
  /** When the rows are needed, from now; null: nobody says. */
  readonly withinMs: number | null;
  /** Batches at once, of our own. */
  readonly batchesMax: number;
  /** The tier of the account; null: not known. */
  readonly tier: TierName | null;
  /** How long a batch takes. */
  readonly batchMs: number | null;
  readonly nowMs: number;
}

export interface Need {
  /** In which time the rows are done; null for a rate. */
  readonly within_seconds: number | null;
  readonly rpm: number;
  readonly itpm: number;
  readonly otpm: number;
  /** Calls under way together, by how long an answer takes: what --concurrency must be. */
  readonly calls_at_once: number;
  /** The smallest tier of today whose limits allow it; null: none does. */
  readonly tier: TierName | null;
}

export interface CapacityCost {
  readonly request_usd: number | null;
  /** Of the rows; null for a rate. */
  readonly job_usd: number | null;
  /** Of a rate, or of the rows if they come every day. */
  readonly day_usd: number | null;
  readonly month_usd: number | null;
}

export interface TierTime {
  readonly tier: TierName;
  readonly batch_seconds: number | null;
  readonly realtime_seconds: number | null;
  readonly binding: RealtimeBinding | null;
  readonly monthly_cap_usd: number;
  readonly qualifies: string;
}

export interface CapacityModel {
  readonly model: string;
  readonly cost: Readonly<Record<Lane, CapacityCost>>;
  readonly needs: readonly Need[];
  readonly tiers: readonly TierTime[];
  readonly fits: boolean;
  readonly problems: readonly string[];
  readonly recommendation: CapacityAdvice;
}

export interface CapacityAdvice {
  readonly lane: Lane;
  /** `custom`: more than any tier gives. */
  readonly tier: TierName | 'custom';
  readonly qualifies: string;
  readonly ask_sales: boolean;
  readonly reasons: readonly string[];
}

export interface CapacityView {
  readonly load: { readonly rows: number | null; readonly rpm: number | null };
  readonly input_tokens: number;
  readonly output_tokens: number;
  readonly models: readonly CapacityModel[];
  readonly account_tier: TierName | null;
  readonly as_of: { readonly prices: string; readonly tiers: string; readonly speeds: string };
}

const DAY_MINUTES = 1_440;
/** An average month: a twelfth of 365.25 days. */
const MONTH_DAYS = 30.4375;
/** Where nobody says when rows are needed: an hour, a working day, and as long as a batch may take. */
const WINDOWS_MS = [1, 8, 24].map((hours) => hours * 3_600_000);

export function planCapacity(question: CapacityQuestion): CapacityView {
  const { load, inputTokens, outputTokens, models, tier } = question;
  return {
    load: { rows: load.kind === 'rows' ? load.rows : null, rpm: load.kind === 'rate' ? load.rpm : null },
    input_tokens: inputTokens,
    output_tokens: outputTokens,
    models: models.map((model) => capacityOf(question, model)),
    account_tier: tier,
    as_of: { prices: PRICES_AS_OF, tiers: TIERS_AS_OF, speeds: SPEEDS_AS_OF },
  };
}

function capacityOf(question: CapacityQuestion, model: string): CapacityModel {
  const cost = { batch: costOf(question, model, 'batch'), realtime: costOf(question, model, 'realtime') };
  const needs = needsOf(question, model);
  const problems = problemsOf(question, model, cost);
  const tiers = TODAY_TIERS.map((tier) => tierTime(question, model, tier));
  return {
    ...{ model, cost, needs, tiers, problems, fits: problems.length === 0 },
    recommendation: adviceOf(question, { cost, needs }),
  };
}

function costOf({ load, inputTokens, outputTokens }: CapacityQuestion, model: string, lane: Lane): CapacityCost {
  const one = loadCostUsd(model, lane, [{ rows: 1, inputTokens, outputTokens }]);
  const times = (count: number): number | null => (one === null ? null : one * count);
  const daily = load.kind === 'rows' ? load.rows : load.rpm * DAY_MINUTES;
  return {
    request_usd: one,
    job_usd: load.kind === 'rows' ? times(load.rows) : null,
    day_usd: times(daily),
    month_usd: times(daily * MONTH_DAYS),
  };
}

function needsOf({ load, withinMs, inputTokens, outputTokens }: CapacityQuestion, model: string): Need[] {
  const need = (rpm: number, seconds: number | null): Need => {
    const wants = { rpm: Math.ceil(rpm), itpm: Math.ceil(rpm * inputTokens), otpm: Math.ceil(rpm * outputTokens) };
    const callsAtOnce = Math.ceil((rpm * answerMs(speedOf(model), outputTokens)) / 60_000);
    return { within_seconds: seconds, ...wants, calls_at_once: callsAtOnce, tier: tierFor(model, wants) };
  };
  if (load.kind === 'rate') return [need(load.rpm, null)];
  const windows = withinMs === null ? WINDOWS_MS : [withinMs];
  return windows.map((ms) => need(load.rows / Math.max(1, ms / 60_000), ms / 1_000));
}

function tierFor(model: string, { rpm, itpm, otpm }: Pick<Need, 'rpm' | 'itpm' | 'otpm'>): TierName | null {
  const rateClass = rateClassOf(model);
  const fits = (name: TierName): boolean => {
    const limits = limitsOfTier(name, rateClass);
    return limits.requests >= rpm && limits.input >= itpm && limits.output >= otpm;
  };
  return TODAY_TIERS.find(fits) ?? null;
}

/** More than these calls at once batchrun does not make (--concurrency): tiers are compared by their limits. */
const CALLS_MAX = 1_000;

/** How long the rows take with the limits of a tier; of a rate there is no end. */
function tierTime(question: CapacityQuestion, model: string, tier: TierName): TierTime {
  const { load, inputTokens, outputTokens, batchesMax } = question;
  const about = { tier, monthly_cap_usd: TIERS[tier].monthlyCapUsd, qualifies: TIERS[tier].qualifies };
  if (load.kind === 'rate') return { ...about, batch_seconds: null, realtime_seconds: null, binding: null };
  const rateClass = rateClassOf(model);
  const { requests, input, output } = limitsOfTier(tier, rateClass);
  const realtime = realtimeTime({
    ...{ rows: load.rows, concurrency: CALLS_MAX, latencyMs: answerMs(speedOf(model), outputTokens) },
    shares: [
      { binding: 'rpm', rateClass, perMinute: requests, eachRow: 1 },
      { binding: 'itpm', rateClass, perMinute: input, eachRow: inputTokens },
      { binding: 'otpm', rateClass, perMinute: output, eachRow: outputTokens },
    ],
  });
  const batch = batchTime({
    ...{ rows: load.rows, chunks: Math.ceil(load.rows / CHUNK_ROWS_DEFAULT), batchesMax },
    ...{ queue: TIERS[tier].queue, callsPerMinute: TIERS[tier].batchRequests },
    batchMs: exactly(question.batchMs ?? BATCH_TYPICAL_MS),
  });
  return {
    ...about,
    batch_seconds: batch.ms.expected / 1_000,
    realtime_seconds: realtime.ms / 1_000,
    binding: realtime.bounds[0].binding,
  };
}

function problemsOf(
  { inputTokens, outputTokens, nowMs }: CapacityQuestion,
  model: string,
  cost: CapacityModel['cost'],
): string[] {
  const facts = modelFacts(model, nowMs);
  const problems: string[] = [];
  if (facts.status === 'retired') problems.push(`${model} is no longer served`);
  if (cost.realtime.request_usd === null) problems.push(`no price of ${model} is known`);
  if (facts.contextTokens !== undefined && inputTokens + outputTokens > facts.contextTokens) {
    problems.push(`a request does not fit into the ${facts.contextTokens} tokens of ${model}`);
  }
  if (facts.maxTokens !== undefined && outputTokens > (facts.longMaxTokens ?? facts.maxTokens)) {
    problems.push(`${model} does not write ${outputTokens} tokens at once`);
  }
  return problems;
}

/** Requests that are in batches together, if a batch is made of what comes in so many minutes. */
function queued({ load, batchMs }: CapacityQuestion): number {
  const minutes = (batchMs ?? BATCH_TYPICAL_MS) / 60_000;
  return load.kind === 'rows' ? 0 : Math.ceil(load.rpm * minutes * QUEUE_TURNS);
}

/** While one batch is worked on, the next one is gathered and uploaded. */
const QUEUE_TURNS = 2;

function adviceOf(question: CapacityQuestion, { cost, needs }: Pick<CapacityModel, 'cost' | 'needs'>): CapacityAdvice {
  const { load, withinMs } = question;
  const typicalMs = question.batchMs ?? BATCH_TYPICAL_MS;
  const hurried = withinMs !== null && withinMs < typicalMs;
  const lane: Lane = hurried || cost.batch.request_usd === null ? 'realtime' : 'batch';
  const need = needs.at(-1);
  const byLimits = lane === 'realtime' ? (need?.tier ?? null) : tierByQueue(queued(question));
  const monthUsd = load.kind === 'rate' ? cost[lane].month_usd : cost[lane].job_usd;
  const byMoney =
    monthUsd === null ? TODAY_TIERS[0] : TODAY_TIERS.find((name) => TIERS[name].monthlyCapUsd >= monthUsd);
  const tier = byLimits === null || byMoney === undefined ? 'custom' : higher(byLimits, byMoney);
  const laneWhy = hurried
    ? 'realtime: sooner than most batches end'
    : lane === 'realtime'
      ? 'realtime: no batch price of the model is known'
      : load.kind === 'rate'
        ? 'batch, where answers may come hours later: half the price, and it takes nothing of the limits a minute'
        : 'batch: half the price, and it takes nothing of the limits a minute';
  const tierWhy =
    tier === 'custom'
      ? byLimits === null
        ? 'more than the limits of any tier'
        : `more than the monthly cap of any tier`
      : byMoney !== undefined && higher(byLimits ?? tier, byMoney) === byMoney && byMoney !== byLimits
        ? `${tier}: its monthly cap of ${formatUsd(TIERS[tier].monthlyCapUsd)} is the lowest that reaches`
        : `${tier}: the lowest that allows it`;
  return {
    ...{ lane, tier, ask_sales: tier === 'custom' },
    qualifies: tier === 'custom' ? CUSTOM_TIER.qualifies : TIERS[tier].qualifies,
    reasons: [laneWhy, tierWhy],
  };
}

function tierByQueue(requests: number): TierName | null {
  return TODAY_TIERS.find((name) => TIERS[name].queue >= requests) ?? null;
}

function higher(one: TierName, other: TierName): TierName {
  return TODAY_TIERS.indexOf(one) >= TODAY_TIERS.indexOf(other) ? one : other;
}
