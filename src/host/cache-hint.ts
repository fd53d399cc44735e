/**
 * What `--cache auto` would save of a run that is submitted without: said once, where it is worth a word.
 */
import { formatCount, formatUsd } from '../base/units.ts';
import { findPrefixes } from '../domain/cache/find-prefixes.ts';
import { decide } from '../domain/cache/pays.ts';
import { tokensFromBytes } from '../domain/estimate/tokenizer.ts';
import type { Lane, ModelMix } from '../domain/model.ts';
import type { JsonObject } from '../domain/row/shape.ts';
import { bytesMin, headsOf, meanBytes, tokensMin, type SharedTexts } from './prompt-cache.ts';

export interface HintOf {
  readonly mix: ModelMix;
  readonly texts: SharedTexts;
  readonly lane: Lane;
  readonly nowMs: number;
}

/** What `--cache auto` would save, of a run that was submitted without; null where that is not worth a word. */
export function cacheHint(sample: readonly JsonObject[], { mix, texts, lane, nowMs }: HintOf): string | null {
  let expectedUsd = 0;
  let tokens = 0;
  for (const prefix of findPrefixes(sample, { heads: headsOf(texts), bytesMin: (model) => bytesMin(model, nowMs) })) {
    const { model } = prefix;
    const prefixTokens = tokensFromBytes(model, prefix.bytes);
    const rows = Math.round(((mix[model]?.rows ?? 0) * prefix.rows) / sample.length);
    const use = { model, lane, prefixTokens, promptTokens: tokensFromBytes(model, meanBytes(sample)), rows };
    // Nothing is asked of the API for a hint: where the estimate is near the bound, nothing is said.
    if (prefixTokens < tokensMin(model, nowMs) * HINT_SURE_FACTOR) continue;
    const verdict = decide(use, 'auto');
    if (!verdict.use) continue;
    expectedUsd += verdict.expectedUsd;
    tokens = Math.max(tokens, prefixTokens);
  }
  if (expectedUsd < HINT_USD_MIN) return null;
  return `cache: off; rows share up to about ${formatCount(tokens)} tokens, and --cache auto would save about ${formatUsd(expectedUsd)}.`;
}

/** The estimate for newer tokenizers is a third above that for older ones. */
const HINT_SURE_FACTOR = 1.3;
const HINT_USD_MIN = 0.5;
