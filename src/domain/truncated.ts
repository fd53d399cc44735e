/** `--retry-truncated`: an answer that max_tokens cut off is asked for again with more. */
import { wishesOf, type RunRecord } from './model.ts';
import { MAX_TOKENS_UNKNOWN, modelFacts } from './models.ts';

/** The same question with the same max_tokens is cut off again (facts, section 10: hindsight#2668). */
const FACTOR = 2;

export interface CutOff {
  readonly stopReason: string | undefined;
  readonly model: string;
  /** As it was asked. */
  readonly maxTokens: number;
  /** How often it was asked again already, and how often it may be. */
  readonly truncations: number;
  readonly truncationsMax: number;
  readonly nowMs: number;
}

/** How often an answer of this run may be asked for again, after so many tries of its row. */
export function truncationsMax({ settings }: Pick<RunRecord, 'settings'>, attempts: number): number {
  if (settings.retryLane === 'none' || attempts >= settings.maxAttempts) return 0;
  return wishesOf({ settings }).retryTruncated;
}

/** max_tokens of the next try; null where the answer stays as it is. */
export function longerMaxTokens(answer: CutOff): number | null {
  if (answer.stopReason !== 'max_tokens' || answer.truncations >= answer.truncationsMax) return null;
  const most = modelFacts(answer.model, answer.nowMs).maxTokens ?? MAX_TOKENS_UNKNOWN;
  const next = Math.min(most, answer.maxTokens * FACTOR);
  return next > answer.maxTokens ? next : null;
}
