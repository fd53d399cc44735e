/**
 * How long answers will be, before there are any. Nobody can know; so it is said what is assumed: what the user says, else
 * what answers of the same model in earlier runs of this state were, else a share of max_tokens between a word and all.
 */
import type { UsageEntry } from '../model.ts';
import { mapBand, within, type Band } from './band.ts';

/** Before the first answers: people leave room, and answers take a quarter of max_tokens. */
export const OUTPUT_SHARE_FIRST = 0.25;
/** Where it is better to expect too much (limits, budgets): no less than a paragraph. */
export const OUTPUT_TOKENS_FIRST = 256;
/** A label, a yes or a no. */
const SHORTEST_TOKENS = 4;
/** What a user says of the answers is an average; this run may be a little different. */
const TOLD_ERROR = 0.2;
/** Another input of the same kind, asked the same: by half more or less. Wider where earlier runs differ by more. */
const SEEN_ERROR = 0.5;
/** Of fewer answers the average says little. */
const SEEN_ROWS_MIN = 20;

export interface OutputAsked {
  readonly rows: number;
  /** Sum of max_tokens over all rows. */
  readonly maxTokens: number;
  /** `--output-tokens`. */
  readonly told?: number | undefined;
  /** Average output tokens of an answer, of each earlier run. */
  readonly seen: readonly SeenOutput[];
}

export interface SeenOutput {
  readonly rows: number;
  readonly tokensPerRow: number;
}

export interface OutputEstimate {
  /** Of all rows; never above the sum of max_tokens, which is the worst case. */
  readonly tokens: Band;
  readonly basis: 'told' | 'earlier_runs' | 'assumed';
}

export function estimateOutput({ rows, maxTokens, told, seen }: OutputAsked): OutputEstimate {
  const capped = (band: Band): Band => mapBand(band, (tokens) => Math.min(maxTokens, tokens));
  if (told !== undefined) return { tokens: capped(within(told * rows, TOLD_ERROR)), basis: 'told' };
  const enough = seen.filter((run) => run.rows >= SEEN_ROWS_MIN);
  if (enough.length > 0) return { tokens: capped(seenBand(rows, enough)), basis: 'earlier_runs' };
  const expected = Math.max(maxTokens * OUTPUT_SHARE_FIRST, SHORTEST_TOKENS * rows);
  return { tokens: capped({ low: SHORTEST_TOKENS * rows, expected, high: maxTokens }), basis: 'assumed' };
}

function seenBand(rows: number, seen: readonly SeenOutput[]): Band {
  const answers = seen.reduce((sum, run) => sum + run.rows, 0);
  const average = seen.reduce((sum, run) => sum + run.rows * run.tokensPerRow, 0) / answers;
  const each = seen.map((run) => run.tokensPerRow);
  const { low, expected, high } = within(average, SEEN_ERROR);
  return mapBand({ low: Math.min(low, ...each), expected, high: Math.max(high, ...each) }, (tokens) => tokens * rows);
}

/** What one run says of the answers of a model; the API answers with a dated id where the request had an alias. */
export function seenOutput(model: string, usage: readonly UsageEntry[]): SeenOutput | null {
  const entries = usage.filter((entry) => entry.model === model || entry.model.startsWith(`${model}-20`));
  const rows = entries.reduce((sum, entry) => sum + entry.rows, 0);
  if (rows === 0) return null;
  return { rows, tokensPerRow: entries.reduce((sum, entry) => sum + entry.outputTokens, 0) / rows };
}
