/**
 * The account that is rehearsed on: its limits, how long its batches and calls take and how long answers are. Of each the
 * best source is taken, and named: a tier that was asked for, what drivers of this state learnt, the Admin API, the table
 * of tiers.
 */
import type { Rng } from '../../base/random.ts';
import { formatCount, formatDuration, plural } from '../../base/units.ts';
import { limitsOfModel, inputLimitOf, type AdminLimits } from '../../domain/pacing/admin-limits.ts';
import { rateClassOf } from '../../domain/pacing/rate-class.ts';
import type { KnownLimit, LatencyView, LimitName, PoolSnapshot } from '../../domain/pacing/snapshot.ts';
import {
  batchRequestsOfTier,
  limitsOfTier,
  queueOfTier,
  tierOf,
  TIERS_AS_OF,
  type TierName,
} from '../../domain/pacing/tiers.ts';
import type { UsageEntry } from '../../domain/model.ts';
import { OUTPUT_SHARE_FIRST, OUTPUT_TOKENS_FIRST } from '../../domain/estimate/output.ts';
import type { MessageLimits } from '../sim/catalogue.ts';
import type { SimLimitsPart } from '../sim/options.ts';
import * as assumed from './assumptions.ts';

/** What is known before: from this state, from the Admin API, from the flags. */
export interface KnownAccount {
  /** Of the base URL, each with what it is known from. */
  readonly pools: readonly PoolSnapshot[];
  readonly admin: AdminLimits | null;
  /** `--tier`: then only that counts. */
  readonly tier: TierName | null;
  /** How long earlier batches took, newest first. */
  readonly history: readonly { readonly rows: number; readonly tookMs: number }[];
  /** Of earlier runs. */
  readonly usage: readonly UsageEntry[];
  /** `--output-tokens`. */
  readonly outputTokens: number | null;
  /** `--batch-duration`, from and to. */
  readonly batchDurationMs: readonly [number, number] | null;
  /** `--message-latency`, from and to. */
  readonly messageLatencyMs: readonly [number, number] | null;
}

/** One line for the report: what was taken, and from where. */
export interface Ground {
  readonly what: string;
  readonly text: string;
  readonly source: string;
}

export interface Account {
  readonly limits: SimLimitsPart;
  readonly queueMax: number;
  readonly batchDurationMs: (rng: Rng) => number;
  readonly messageLatencyMs: (rng: Rng, outputTokens: number) => number;
  readonly outputTokens: (model: string, maxTokens: number) => number;
  /** What the engine knows of the limits when it begins, for these workspaces' name. */
  readonly snapshots: (organization: string) => readonly PoolSnapshot[];
  readonly admin: AdminLimits | null;
  readonly grounds: readonly Ground[];
}

/** Where nothing is known of an account: the lowest tier of today, as the engine takes it. */
const LOWEST: TierName = 'start';
const BATCH_CLASS = 'batches';
/** Fewer earlier batches say too little of how long they take. */
const HISTORY_MIN = 5;
/** So many calls make a latency worth more than an assumption. */
const LATENCY_CALLS_MIN = 20;
/** Rows of earlier runs from which an average answer is taken. */
const LEARNT_ROWS_MIN = 20;

export function accountOf(known: KnownAccount, models: readonly string[], slowness: number): Account {
  const limits = limitsOf(known, models);
  const durations = durationsOf(known, slowness);
  const latency = latencyOf(known, models);
  const output = outputOf(known, models);
  return {
    limits: limits.part,
    queueMax: limits.part.batchQueueMax ?? queueOfTier(LOWEST),
    batchDurationMs: durations.draw,
    messageLatencyMs: latency.draw,
    outputTokens: output.tokens,
    snapshots: (organization) =>
      known.tier === null ? known.pools.map((pool) => ofOrganization(pool, organization)) : [],
    admin: known.tier === null ? known.admin : null,
    grounds: [...limits.grounds, ...durations.grounds, ...latency.grounds, ...output.grounds],
  };
}

function ofOrganization(pool: PoolSnapshot, organization: string): PoolSnapshot {
  return {
    ...{ ...pool, pool: `${organization}|${pool.rateClass}`, organization },
    // Of now nothing is known: the night begins with full buckets and nothing open.
    ...{ levels: {}, open: null, pausedUntilMs: null, use: [] },
  };
}

function limitsOf(known: KnownAccount, models: readonly string[]): { part: SimLimitsPart; grounds: readonly Ground[] } {
  const classes = [...new Set(models.map(rateClassOf))];
  const tier = known.tier ?? tierSeen(known, classes) ?? LOWEST;
  const table = `table of tiers, ${TIERS_AS_OF}`;
  const told = new Set<string>();
  const say = <T>(source: string, value: T): T => {
    told.add(source);
    return value;
  };
  const pick = (learnt: number | null, admin: number | null, ofTier: number): number => {
    if (known.tier === null && learnt !== null) return say('learnt by earlier commands of this state', learnt);
    if (known.tier === null && admin !== null) return say('the Admin API', admin);
    return say(tierText(known, tier, table), ofTier);
  };
  const byClass: Record<string, MessageLimits> = {};
  for (const rateClass of classes) {
    const model = models.find((one) => rateClassOf(one) === rateClass) ?? '';
    const admin = known.admin === null ? null : limitsOfModel(known.admin, model);
    const ofTier = limitsOfTier(tier, rateClass);
    const learnt = (name: LimitName): number | null => valueOf(known.pools, rateClass, name);
    const both = learnt('tokens') ?? (learnt('requests') === null ? (admin?.tokensPerMinute ?? null) : null);
    const day = learnt('day') ?? (learnt('requests') === null ? (admin?.tokensPerDay ?? null) : null);
    byClass[rateClass] = {
      rpm: pick(learnt('requests'), admin?.requestsPerMinute ?? null, ofTier.requests),
      itpm: pick(learnt('input'), admin && inputLimitOf(admin), ofTier.input),
      otpm: pick(learnt('output'), admin?.outputTokensPerMinute ?? null, ofTier.output),
      ...(both === null || known.tier !== null ? {} : { tpm: both }),
      ...(day === null || known.tier !== null ? {} : { tpd: day }),
    };
  }
  const batchesMax = known.tier === null ? valueOf(known.pools, BATCH_CLASS, 'batches') : null;
  const part = {
    batchRpm: pick(
      valueOf(known.pools, BATCH_CLASS, 'requests'),
      known.admin?.batch.requestsPerMinute ?? null,
      batchRequestsOfTier(tier),
    ),
    batchQueueMax: pick(
      valueOf(known.pools, BATCH_CLASS, 'queue'),
      known.admin?.batch.queuedRequests ?? null,
      queueOfTier(tier),
    ),
    byClass,
    ...(batchesMax === null ? {} : { batchesMax }),
  };
  return { part, grounds: [{ what: 'limits', text: limitsText(part), source: [...told].join('; ') }] };
}

function tierText({ tier: asked }: KnownAccount, tier: TierName, table: string): string {
  if (asked !== null) return `--tier ${tier} (${table})`;
  return tier === LOWEST
    ? `nothing is known of this account: its lowest tier, ${tier}, is taken (${table}); say --tier`
    : `tier ${tier}, whose limits were seen (${table})`;
}

function limitsText({ batchRpm, batchQueueMax, byClass }: SimLimitsPart): string {
  const classes = Object.entries(byClass ?? {}).map(
    ([name, { rpm = 0, itpm = 0, otpm = 0 }]) =>
      `${name}: ${formatCount(rpm)} calls, ${formatCount(itpm)} tokens in, ${formatCount(otpm)} out a minute`,
  );
  const queue = `${formatCount(batchQueueMax ?? 0)} requests in the batch queue, ${formatCount(batchRpm ?? 0)} batch calls a minute`;
  return [queue, ...classes].join('; ');
}

/** A limit that somebody said; a guess is none. */
function valueOf(pools: readonly PoolSnapshot[], rateClass: string, name: LimitName): number | null {
  const pool = pools.find((one) => one.rateClass === rateClass);
  const limit = pool?.limits.find((one: KnownLimit) => one.name === name);
  return limit === undefined || limit.source === 'assumed' || limit.source === 'flag' ? null : limit.value;
}

function tierSeen({ pools }: KnownAccount, classes: readonly string[]): TierName | null {
  for (const rateClass of [...classes, ...pools.map((pool) => pool.rateClass)]) {
    const [requests, input, output] = (['requests', 'input', 'output'] as const).map((name) =>
      valueOf(pools, rateClass, name),
    );
    const tier = tierOf(rateClass, { requests: requests ?? null, input: input ?? null, output: output ?? null });
    if (tier) return tier;
  }
  return null;
}

interface Drawn<Draw> {
  readonly draw: Draw;
  readonly grounds: readonly Ground[];
}

function durationsOf({ history, batchDurationMs }: KnownAccount, slowness: number): Drawn<(rng: Rng) => number> {
  const what = 'batch duration';
  const slower = slowness === 1 ? '' : `, ${slowness} times as long (--faults)`;
  if (batchDurationMs !== null) {
    const [from, to] = batchDurationMs;
    const text = `${formatDuration(from)} to ${formatDuration(to)}`;
    return { draw: (rng) => from + rng.next() * (to - from), grounds: [{ what, text, source: '--batch-duration' }] };
  }
  if (history.length >= HISTORY_MIN) {
    const took = history.map(({ tookMs }) => tookMs).sort((one, other) => one - other);
    const at = (share: number): string => formatDuration(took[Math.floor(share * (took.length - 1))] ?? 0);
    return {
      // One of them as it was: no curve is laid through a few points.
      draw: (rng) => (took[Math.floor(rng.next() * took.length)] ?? 0) * slowness,
      grounds: [
        {
          ...{ what, text: `${at(0)} to ${at(1)}, half within ${at(0.5)}${slower}` },
          source: `the last ${plural(took.length, 'batch', 'batches')} of this state`,
        },
      ],
    };
  }
  return {
    draw: (rng) => assumed.drawDocumentedMs(rng) * slowness,
    grounds: [
      {
        ...{ what, text: `${assumed.BATCH_DURATIONS_TEXT}${slower}` },
        source: `documentation ("most within an hour"), read on ${assumed.ASSUMPTIONS_AS_OF}`,
      },
    ],
  };
}

function latencyOf(known: KnownAccount, models: readonly string[]): Drawn<(rng: Rng, outputTokens: number) => number> {
  const what = 'realtime call';
  const { messageLatencyMs: said } = known;
  if (said !== null) {
    const [from, to] = said;
    const text = `${formatDuration(from)} to ${formatDuration(to)}`;
    return { draw: (rng) => from + rng.next() * (to - from), grounds: [{ what, text, source: '--message-latency' }] };
  }
  const seen = latencySeen(known.pools, models);
  if (seen !== null) {
    return {
      draw: (rng) => assumed.drawMeasuredLatencyMs(rng, seen),
      grounds: [
        {
          ...{ what, text: `half within ${formatDuration(seen.p50Ms)}, 95 % within ${formatDuration(seen.p95Ms)}` },
          source: `${plural(seen.calls, 'call')} of this state`,
        },
      ],
    };
  }
  return {
    draw: assumed.drawAssumedLatencyMs,
    grounds: [{ what, text: assumed.MESSAGE_LATENCY_TEXT, source: `assumed, ${assumed.ASSUMPTIONS_AS_OF}` }],
  };
}

function latencySeen(pools: readonly PoolSnapshot[], models: readonly string[]): LatencyView | null {
  const classes = models.map(rateClassOf);
  const pool = pools.find(({ rateClass, latency }) => {
    return classes.includes(rateClass) && latency !== null && latency.calls >= LATENCY_CALLS_MIN;
  });
  return pool?.latency ?? null;
}

interface Output {
  readonly tokens: (model: string, maxTokens: number) => number;
  readonly grounds: readonly Ground[];
}

function outputOf({ usage, outputTokens }: KnownAccount, models: readonly string[]): Output {
  const what = 'answer';
  if (outputTokens !== null) {
    const source = '--output-tokens';
    return { tokens: () => outputTokens, grounds: [{ what, text: plural(outputTokens, 'token'), source }] };
  }
  const learnt = new Map(models.map((model) => [model, averageOf(model, usage)]));
  const first = (maxTokens: number): number =>
    Math.min(maxTokens, Math.max(Math.ceil(maxTokens * OUTPUT_SHARE_FIRST), OUTPUT_TOKENS_FIRST));
  const grounds = models.map((model): Ground => {
    const average = learnt.get(model) ?? null;
    return average === null
      ? {
          ...{
            what,
            text: `${model}: a quarter of max_tokens, but no less than ${OUTPUT_TOKENS_FIRST} tokens and no more than max_tokens`,
          },
          source: 'assumed; say --output-tokens',
        }
      : { what, text: `${model}: ${plural(average, 'token')}`, source: 'the average of earlier runs of this state' };
  });
  return { tokens: (model, maxTokens) => learnt.get(model) ?? first(maxTokens), grounds };
}

/** Answers bear the dated id where the request had an alias. */
function averageOf(model: string, usage: readonly UsageEntry[]): number | null {
  const entries = usage.filter((entry) => entry.model === model || entry.model.startsWith(`${model}-20`));
  const rows = entries.reduce((sum, entry) => sum + entry.rows, 0);
  if (rows < LEARNT_ROWS_MIN) return null;
  return Math.max(1, Math.round(entries.reduce((sum, entry) => sum + entry.outputTokens, 0) / rows));
}
