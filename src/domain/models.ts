/**
 * What is known about models as of 2026-11-20: which are gone, which end soon, how much they can write, and what of a
 * request each of them refuses.
 *
 * Source: facts/api.md sections 2 (what is refused, with the marks "documentation mid/late 2026, third-party summaries for
 * part"), 5 (sizes) and 8 (models that are gone, system turns), and the deprecation table of SDK 1.10.0.
 * A model that is not listed here is `unknown`, never refused: new ones appear between two releases of batchrun,
 * and the preflight and `batchrun doctor` ask the API itself.
 */

export const MODEL_FACTS_AS_OF = '2026-11-20';

/** A model that ends within this time is worth a word: a batch may take a day, and a retry another. */
const MODEL_ENDING_MS = 60 * 86_400_000;

export type ModelStatus = 'active' | 'ending' | 'retired' | 'unknown';

/**
 * What a model is known to answer with 400, so that a batch would say so only at its end: a last turn of the assistant
 * that it shall go on with, a type of thinking, a tool_choice that forces a tool, a system turn among the messages.
 */
export type ModelRefusal =
  'prefill' | 'thinking_enabled' | 'thinking_adaptive' | 'thinking_disabled' | 'forced_tools' | 'system_turns';

export interface ModelFacts {
  readonly status: ModelStatus;
  /** Its last day as `2026-11-30`, or only the month where no more is known. */
  readonly retires?: string;
  readonly retiresAtMs?: number;
  /** A model to move to. */
  readonly successor?: string;
  /** Output tokens of one answer at most. */
  readonly maxTokens?: number;
  /** The same in a batch with the 300k beta, where the model takes it. */
  readonly longMaxTokens?: number;
  readonly contextTokens?: number;
  /** A prefix shorter than this is not kept by the prompt cache. */
  readonly cacheTokensMin?: number;
  /** Missing where nothing is known. */
  readonly refuses?: readonly ModelRefusal[];
}

type ModelEntry = Omit<ModelFacts, 'status' | 'retiresAtMs'>;

/** Of a model that is not in the table: what the largest of today's write at most. */
export const MAX_TOKENS_UNKNOWN = 128_000;

const NOW: ModelEntry = { contextTokens: 1_000_000, maxTokens: 128_000 };
const NOW_LONG: ModelEntry = { ...NOW, longMaxTokens: 300_000 };
const OLDER: ModelEntry = { contextTokens: 200_000, maxTokens: 64_000 };

/** Facts section 2, by generation: 4.5 and before, 4.6, 4.7 and later; then those that refuse more. */
const AT_4_5 = { refuses: ['thinking_adaptive'] } as const;
const AT_4_6 = { refuses: ['prefill'] } as const;
const FROM_4_7 = { refuses: ['prefill', 'thinking_enabled'] } as const;
const ALWAYS_THINKS = { refuses: ['prefill', 'thinking_enabled', 'thinking_disabled'] } as const;
const SONNET_5_5 = { refuses: ['prefill', 'thinking_enabled', 'forced_tools'] } as const;
const REFUSES_MOST = { refuses: ['prefill', 'thinking_enabled', 'thinking_disabled', 'forced_tools'] } as const;
/** Section 8: "Haiku 4.5 refuses it anywhere"; of other older models nothing is said. */
const HAIKU_4_5 = { refuses: ['thinking_adaptive', 'system_turns'] } as const;

/**
 * By alias; an id with a date (`claude-haiku-4-5-20251001`) is found by its alias. What Mythos refuses beyond its generation
 * is not said anywhere, and of the preview nothing: the API is asked. The shortest prefixes that are cached are
 * those of facts section 2; Sonnet 5.5 and Haiku 5.5 are not in it and are taken to have those of their lines.
 */
const MODELS: ReadonlyMap<string, ModelEntry> = new Map<string, ModelEntry>([
  ['claude-fable-5-2', { ...NOW, ...ALWAYS_THINKS, cacheTokensMin: 512 }],
  ['claude-mythos-5-2', { ...NOW, ...FROM_4_7, cacheTokensMin: 512 }],
  ['claude-fable-5-1', { ...NOW, ...REFUSES_MOST, cacheTokensMin: 512 }],
  ['claude-mythos-5-1', { ...NOW, ...FROM_4_7, cacheTokensMin: 512 }],
  ['claude-fable-5', { ...NOW, ...ALWAYS_THINKS, cacheTokensMin: 512 }],
  ['claude-mythos-5', { ...NOW, ...FROM_4_7, cacheTokensMin: 512 }],
  ['claude-mythos-preview', { cacheTokensMin: 2_048 }],
  ['claude-opus-5-5', { ...NOW_LONG, ...REFUSES_MOST, cacheTokensMin: 512 }],
  ['claude-opus-5', { ...NOW_LONG, ...FROM_4_7, cacheTokensMin: 512 }],
  ['claude-opus-4-8', { ...NOW_LONG, ...FROM_4_7, cacheTokensMin: 1_024 }],
  ['claude-opus-4-7', { ...NOW_LONG, ...FROM_4_7, cacheTokensMin: 2_048 }],
  ['claude-opus-4-6', { ...NOW_LONG, ...AT_4_6, cacheTokensMin: 4_096 }],
  ['claude-opus-4-5', { ...OLDER, ...AT_4_5, cacheTokensMin: 4_096 }],
  ['claude-sonnet-5-5', { ...NOW_LONG, ...SONNET_5_5, cacheTokensMin: 1_024 }],
  ['claude-sonnet-5', { ...NOW_LONG, ...FROM_4_7, cacheTokensMin: 1_024 }],
  ['claude-sonnet-4-6', { ...NOW_LONG, ...AT_4_6, cacheTokensMin: 1_024 }],
  [
    'claude-sonnet-4-5',
    { ...OLDER, ...AT_4_5, cacheTokensMin: 1_024, retires: '2026-11-30', successor: 'claude-sonnet-5-5' },
  ],
  ['claude-haiku-5-5', { ...NOW_LONG, ...FROM_4_7, cacheTokensMin: 4_096 }],
  ['claude-haiku-4-5', { ...OLDER, ...HAIKU_4_5, cacheTokensMin: 4_096 }],
  ['claude-sonnet-4', { retires: '2026-06-15', successor: 'claude-sonnet-5-5' }],
  ['claude-sonnet-4-0', { retires: '2026-06-15', successor: 'claude-sonnet-5-5' }],
  ['claude-opus-4', { retires: '2026-06-15', successor: 'claude-opus-5-5' }],
  ['claude-opus-4-0', { retires: '2026-06-15', successor: 'claude-opus-5-5' }],
  ['claude-3-haiku', { retires: '2026-04-20', successor: 'claude-haiku-5-5' }],
  ['claude-3-opus', { retires: '2026-01-05', successor: 'claude-opus-5-5' }],
  ['claude-3-5-sonnet', { retires: '2025-10', successor: 'claude-sonnet-5-5' }],
]);

const UNKNOWN: ModelFacts = { status: 'unknown' };
const DAY_MS = 86_400_000;

/** The facts about a model at a time; `unknown` where there are none. */
export function modelFacts(id: string, nowMs: number): ModelFacts {
  const entry = MODELS.get(id) ?? MODELS.get(id.replace(/-(20\d{6}|latest)$/, ''));
  if (!entry) return UNKNOWN;
  if (entry.retires === undefined) return { status: 'active', ...entry };
  const retiresAtMs = endOf(entry.retires);
  const left = retiresAtMs - nowMs;
  const status = left <= 0 ? 'retired' : left <= MODEL_ENDING_MS ? 'ending' : 'active';
  return { status, ...entry, retiresAtMs };
}

/** Models that can be asked for, as far as is known: for "did you mean …?". */
export function knownModels(nowMs: number): readonly string[] {
  return [...MODELS.keys()].filter((id) => modelFacts(id, nowMs).status !== 'retired');
}

/** All that are in the table, by alias. */
export function listedModels(): readonly string[] {
  return [...MODELS.keys()];
}

/** The end of the day, or of the month, in UTC. */
function endOf(date: string): number {
  const [year = 1970, month = 1, day] = date.split('-').map(Number);
  return day === undefined ? Date.UTC(year, month, 1) : Date.UTC(year, month - 1, day) + DAY_MS;
}
