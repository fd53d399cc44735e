/**
 * The simulator's own copy of what the API knows: models, tiers and sizes.
 *
 * It is deliberately not shared with the rest of batchrun, so that a wrong number there is caught here.
 * Numbers are those of facts/api.md sections 1.4, 1.5, 2, 3.2 and 5 (compiled 2026-11-20); dates of release
 * are round and only give the list its order.
 */

export type SimLine = 'haiku' | 'sonnet' | 'opus' | 'fable' | 'mythos';
export type SimLifecycle = 'active' | 'deprecated' | 'retired';
export type SimTier = 'start' | 'build' | 'scale';

export interface SimModel {
  readonly id: string;
  /** The undated name, where the id carries a date. */
  readonly alias?: string;
  readonly displayName: string;
  readonly line: SimLine;
  /** 4.5, 5.1, …: most rules about what a model accepts go by it (facts section 2). */
  readonly generation: number;
  readonly createdAt: string;
  readonly contextTokens: number;
  readonly outputTokensMax: number;
  /** Takes max_tokens up to 300,000 in a batch with the beta header output-300k-2026-03-24. */
  readonly longOutput: boolean;
  readonly lifecycle: SimLifecycle;
  readonly deprecatedAt: string | null;
  readonly retiresAt: string | null;
  /** Models of one class share their token buckets (facts 3.2). */
  readonly rateClass: string;
  readonly cacheTokensMin: number;
  /** Answers 400 to tool_choice any and tool. */
  readonly refusesForcedTools: boolean;
  /** Answers 400 to thinking {type: disabled}. */
  readonly refusesThinkingOff: boolean;
}

export const LONG_OUTPUT_BETA = 'output-300k-2026-03-24';
export const LONG_OUTPUT_TOKENS_MAX = 300_000;
export const API_VERSIONS: readonly string[] = ['2023-06-01', '2026-10-21'];
/** Removed with this version: temperature, top_p, top_k; see facts section 0. */
export const STRICT_VERSION = '2026-10-21';

const HOUR_MS = 3_600_000;
export const EXPIRES_AFTER_MS = 24 * HOUR_MS;
export const ARCHIVED_AFTER_MS = 29 * 24 * HOUR_MS;

/** Messages limits per minute of one model class. */
export interface MessageLimits {
  readonly rpm: number;
  readonly itpm: number;
  readonly otpm: number;
  /** Both together in a minute, and in a day: only some accounts have such limits. */
  readonly tpm?: number;
  readonly tpd?: number;
}

export interface TierLimits {
  /** Calls per minute over all batch endpoints. */
  readonly batchRpm: number;
  /** Requests of all batches that are not processed yet. */
  readonly batchQueueMax: number;
  readonly countTokensRpm: number;
  readonly messages: MessageLimits;
  /** Fable and Mythos have less. */
  readonly messagesFable: MessageLimits;
}

export const TIERS: Readonly<Record<SimTier, TierLimits>> = {
  start: {
    batchRpm: 1_000,
    batchQueueMax: 200_000,
    countTokensRpm: 5_000,
    messages: { rpm: 1_000, itpm: 2_000_000, otpm: 400_000 },
    messagesFable: { rpm: 1_000, itpm: 500_000, otpm: 100_000 },
  },
  build: {
    batchRpm: 2_000,
    batchQueueMax: 300_000,
    countTokensRpm: 10_000,
    messages: { rpm: 5_000, itpm: 5_000_000, otpm: 1_000_000 },
    messagesFable: { rpm: 2_000, itpm: 1_500_000, otpm: 300_000 },
  },
  scale: {
    batchRpm: 4_000,
    batchQueueMax: 500_000,
    countTokensRpm: 20_000,
    messages: { rpm: 10_000, itpm: 10_000_000, otpm: 2_000_000 },
    messagesFable: { rpm: 4_000, itpm: 4_000_000, otpm: 800_000 },
  },
};

/** The same in every tier. MB is read as 10^6, the stricter of the two readings (facts 1.4). */
export const SIZES = {
  batchRowsMax: 100_000,
  batchBytesMax: 256_000_000,
  messageBytesMax: 32_000_000,
  messagesMax: 100_000,
} as const;

type ModelSeed = Pick<SimModel, 'id' | 'line' | 'generation' | 'createdAt'> & Partial<SimModel>;

function model(seed: ModelSeed): SimModel {
  const fableLike = seed.line === 'fable' || seed.line === 'mythos';
  const era = seed.generation >= 5 ? 5 : 4;
  const rateClass = seed.line === 'haiku' ? `haiku_${seed.generation}` : `${seed.line}_${era}`;
  return {
    displayName: displayName(seed),
    contextTokens: seed.generation <= 4.5 ? 200_000 : 1_000_000,
    outputTokensMax: seed.generation <= 4.5 ? 64_000 : 128_000,
    longOutput: seed.generation >= 4.6 && !fableLike,
    lifecycle: 'active',
    deprecatedAt: null,
    retiresAt: null,
    rateClass,
    cacheTokensMin: seed.generation >= 5 ? 512 : 1_024,
    refusesForcedTools: false,
    refusesThinkingOff: fableLike && seed.generation >= 5,
    ...seed,
  };
}

function displayName(seed: ModelSeed): string {
  return `Claude ${seed.line.charAt(0).toUpperCase()}${seed.line.slice(1)} ${seed.generation}`;
}

/** Sonnet 4.5 is the one model with an announced end [V in the SDK]. */
const SONNET_4_5 = {
  lifecycle: 'deprecated',
  deprecatedAt: '2026-05-29T00:00:00Z',
  retiresAt: '2026-11-30T00:00:00Z',
} as const;

function retired(id: string, line: SimLine, createdAt: string, retiresAt: string): SimModel {
  const deprecatedAt = createdAt;
  return model({ id, line, generation: 4, createdAt, lifecycle: 'retired', deprecatedAt, retiresAt });
}

/** Newest first, as the list answers. */
export const MODELS: readonly SimModel[] = [
  model({ id: 'claude-fable-5-2', line: 'fable', generation: 5.2, createdAt: '2026-11-09T00:00:00Z' }),
  model({ id: 'claude-mythos-5-2', line: 'mythos', generation: 5.2, createdAt: '2026-11-09T00:00:00Z' }),
  model({ id: 'claude-haiku-5-5', line: 'haiku', generation: 5.5, createdAt: '2026-10-07T00:00:00Z' }),
  model({
    id: 'claude-sonnet-5-5',
    line: 'sonnet',
    generation: 5.5,
    createdAt: '2026-09-28T00:00:00Z',
    rateClass: 'sonnet_5.5',
    refusesForcedTools: true,
  }),
  model({
    id: 'claude-fable-5-1',
    line: 'fable',
    generation: 5.1,
    createdAt: '2026-09-01T00:00:00Z',
    refusesForcedTools: true,
  }),
  model({
    id: 'claude-opus-5-5',
    line: 'opus',
    generation: 5.5,
    createdAt: '2026-09-01T00:00:00Z',
    rateClass: 'opus_5.5',
    refusesForcedTools: true,
    refusesThinkingOff: true,
  }),
  model({ id: 'claude-mythos-5-1', line: 'mythos', generation: 5.1, createdAt: '2026-09-01T00:00:00Z' }),
  model({
    id: 'claude-sonnet-5',
    line: 'sonnet',
    generation: 5,
    createdAt: '2026-07-01T00:00:00Z',
    cacheTokensMin: 1_024,
  }),
  model({ id: 'claude-fable-5', line: 'fable', generation: 5, createdAt: '2026-06-15T00:00:00Z' }),
  model({ id: 'claude-mythos-5', line: 'mythos', generation: 5, createdAt: '2026-06-15T00:00:00Z' }),
  model({ id: 'claude-opus-5', line: 'opus', generation: 5, createdAt: '2026-06-01T00:00:00Z' }),
  model({ id: 'claude-opus-4-8', line: 'opus', generation: 4.8, createdAt: '2026-05-01T00:00:00Z' }),
  model({
    id: 'claude-opus-4-7',
    line: 'opus',
    generation: 4.7,
    createdAt: '2026-04-16T00:00:00Z',
    cacheTokensMin: 2_048,
  }),
  model({
    id: 'claude-mythos-preview',
    line: 'mythos',
    generation: 4.6,
    displayName: 'Claude Mythos Preview',
    createdAt: '2026-04-07T00:00:00Z',
    cacheTokensMin: 2_048,
  }),
  model({ id: 'claude-sonnet-4-6', line: 'sonnet', generation: 4.6, createdAt: '2026-02-17T00:00:00Z' }),
  model({
    id: 'claude-opus-4-6',
    line: 'opus',
    generation: 4.6,
    createdAt: '2026-02-05T00:00:00Z',
    cacheTokensMin: 4_096,
  }),
  model({
    id: 'claude-opus-4-5-20251101',
    alias: 'claude-opus-4-5',
    line: 'opus',
    generation: 4.5,
    createdAt: '2025-11-01T00:00:00Z',
    cacheTokensMin: 4_096,
  }),
  model({
    id: 'claude-haiku-4-5-20251001',
    alias: 'claude-haiku-4-5',
    line: 'haiku',
    generation: 4.5,
    createdAt: '2025-10-01T00:00:00Z',
    cacheTokensMin: 4_096,
  }),
  model({
    id: 'claude-sonnet-4-5-20250929',
    alias: 'claude-sonnet-4-5',
    line: 'sonnet',
    generation: 4.5,
    createdAt: '2025-09-29T00:00:00Z',
    ...SONNET_4_5,
  }),
  // Gone (facts section 8): inference answers 404, the catalogue remembers them.
  retired('claude-opus-4-20250514', 'opus', '2025-05-14T00:00:00Z', '2026-06-15T00:00:00Z'),
  retired('claude-sonnet-4-20250514', 'sonnet', '2025-05-14T00:00:00Z', '2026-06-15T00:00:00Z'),
  retired('claude-3-5-sonnet-20241022', 'sonnet', '2024-10-22T00:00:00Z', '2025-10-28T00:00:00Z'),
  retired('claude-3-haiku-20240307', 'haiku', '2024-03-07T00:00:00Z', '2026-04-20T00:00:00Z'),
  retired('claude-3-opus-20240229', 'opus', '2024-02-29T00:00:00Z', '2026-01-05T00:00:00Z'),
];

const BY_NAME: ReadonlyMap<string, SimModel> = new Map(
  MODELS.flatMap((entry): [string, SimModel][] => [
    [entry.id, entry],
    ...(entry.alias === undefined ? [] : [[entry.alias, entry] as [string, SimModel]]),
  ]),
);

/** By id or alias. */
export function findModel(name: string): SimModel | undefined {
  return BY_NAME.get(name);
}

/** A deprecated model is retired from its date on: the simulator keeps the schedule to the day. */
export function lifecycleAt(entry: SimModel, nowMs: number): SimLifecycle {
  if (entry.retiresAt !== null && nowMs >= Date.parse(entry.retiresAt)) return 'retired';
  return entry.lifecycle;
}
