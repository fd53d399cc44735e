/**
 * What a preflight makes of what the API says: of a model, and of a row against its model. Pure; who asks is
 * engine/preflight/preflight.ts.
 */
import { formatCount } from '../base/units.ts';
import { LONG_OUTPUT_BETA } from './limits.ts';
import { knownModels, modelFacts } from './models.ts';
import type { ModelInfo } from './ports.ts';
import { closest } from './row/closest.ts';
import type { UsedFeature } from './row/features.ts';

/** `missing`: the API has no such model. `untold`: it does not say, as proxies that pass only messages on. */
export type ModelState = 'active' | 'deprecated' | 'retired' | 'missing' | 'untold';

export interface ModelLook {
  readonly id: string;
  readonly state: ModelState;
  /** Null where the API does not say. */
  readonly takesBatches: boolean | null;
  /** Its last day, `2026-11-30`. */
  readonly retires: string | null;
  /** One to use instead, or, of one that does not exist, one that may have been meant. */
  readonly instead: string | null;
  readonly info: ModelInfo | null;
}

/** `exists`: what a question without rows came to, where the API says nothing of the model. */
export function lookOf(
  id: string,
  info: ModelInfo | null,
  { exists, nowMs }: { readonly exists: boolean | null; readonly nowMs: number },
): ModelLook {
  const { successor, retires } = modelFacts(id, nowMs);
  if (info === null) {
    const instead = successor ?? closest(id, knownModels(nowMs)) ?? null;
    const none = { id, takesBatches: null, retires: null, info: null };
    return exists === false ? { ...none, state: 'missing', instead } : { ...none, state: 'untold', instead: null };
  }
  // The API sets the day early; the model is gone from that instant on.
  const isOver = info.retiresAtMs !== null && info.retiresAtMs <= nowMs;
  const state = info.lifecycle === 'retired' || isOver ? 'retired' : (info.lifecycle ?? 'active');
  return {
    ...{ id, state, info, takesBatches: info.batchSupported, instead: successor ?? null },
    retires: info.retiresAtMs === null ? (retires ?? null) : new Date(info.retiresAtMs).toISOString().slice(0, 10),
  };
}

/** Why nothing can be sent to this model; null where something can. A run that is called needs no batches. */
export function modelProblem(
  { id, state, takesBatches, retires, instead }: ModelLook,
  needsBatches = true,
): string | null {
  if (state === 'missing') return `there is no model ${id}${instead === null ? '' : ` (did you mean ${instead}?)`}`;
  if (state === 'retired') {
    const when = retires === null ? '' : ` (it ended on ${retires})`;
    return `${id} is no longer served${when}${instead === null ? '' : `; use ${instead}`}`;
  }
  return takesBatches === false && needsBatches ? `${id} takes no batches` : null;
}

/** A word about a model that still works. */
export function modelWarning({ id, state, retires, instead }: ModelLook): string | null {
  if (state !== 'deprecated') return null;
  const when = retires === null ? '' : ` and ends on ${retires}: what is sent or tried again after that fails`;
  return `${id} is deprecated${when}${instead === null ? '' : `; its successor is ${instead}`}`;
}

export interface RowUse {
  readonly model: string;
  readonly maxTokens: number;
  readonly betas: readonly string[];
  readonly features: readonly UsedFeature[];
}

/** What this row asks of its model that the API says it does not have; null where there is nothing. */
export function rowProblem({ model, maxTokens, betas, features }: RowUse, info: ModelInfo): string | null {
  const lacking = features.find(({ capability }) => info.capabilities[capability] === false);
  if (lacking) return `${model} does not support ${lacking.text}`;
  const most = info.maxTokens;
  // With the beta a batch may have more than the model's own number says.
  if (most === null || maxTokens <= most || betas.includes(LONG_OUTPUT_BETA)) return null;
  return `max_tokens is ${formatCount(maxTokens)}, and ${model} writes ${formatCount(most)} at most`;
}

/**
 * A prompt and the longest answer that do not fit into the context window together: the answer then stops early, with
 * model_context_window_exceeded. A prompt that does not fit by itself is refused by the count already.
 */
export function isBeyondWindow(
  { tokens, maxTokens }: { readonly tokens: number; readonly maxTokens: number },
  info: ModelInfo,
): boolean {
  return info.contextTokens !== null && tokens + maxTokens > info.contextTokens;
}
