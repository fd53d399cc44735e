/**
 * How much more input is reckoned with than reserve.ts does by itself: where the API counts more tokens than that in rows
 * of a run, all of them are reckoned with more. Kept in the mix of the run, so that whatever is shown and reserved of it
 * knows: what a preflight has counted is written down with the run, what answers have shown is in their usage.
 */
import type { WarmUpSum } from './cache/settings.ts';
import { addRequest, noSums } from './chunk-text.ts';
import type { InputRaise, ModelMix, ModelPart, RowMedia, TokenUsage, UsageEntry } from './model.ts';
import { inputTokensMost, largestTokensMost } from './reserve.ts';

/** One request that the API has counted. */
export interface CountedRequest {
  readonly model: string;
  readonly bytes: number;
  readonly maxTokens: number;
  readonly addedTokens: number;
  readonly media?: RowMedia | null;
  /** As the API counts them. */
  readonly tokens: number;
}

/** A sample does not hold the row that has most, and a count may be off a little. */
const SAMPLE_MARGIN = 1.2;

/** So many times the tokens that are reckoned with for this request were counted; 1 where it is not more. */
export function timesReckoned(request: CountedRequest): number {
  return Math.max(1, request.tokens / reckoned(request));
}

/** The mix of a run, of which some requests were counted: none of them may have more than is reckoned with. */
export function raisedByCounts(mix: ModelMix, counted: readonly CountedRequest[]): ModelMix {
  return mapParts(mix, (model, part) => {
    const raise = raiseOf(
      part,
      counted.filter((request) => request.model === model),
    );
    return raise === null ? part : { ...part, raise };
  });
}

/**
 * Either way holds for all that were counted: so many times as much (texts of another kind), or so much more for each row
 * (documents that no bytes show). The one that comes to less for the whole run is the likelier.
 */
function raiseOf(part: ModelPart, counted: readonly CountedRequest[]): InputRaise | null {
  if (!counted.some((request) => timesReckoned(request) > 1)) return null;
  let [factor, rowTokens] = [1, 0];
  for (const request of counted) {
    const tokens = request.tokens * SAMPLE_MARGIN;
    factor = Math.max(factor, tokens / reckoned(request));
    rowTokens = Math.max(rowTokens, tokens - reckoned(request));
  }
  const byFactor = { factor, rowTokens: 0 };
  const byRow = { factor: 1, rowTokens: Math.ceil(rowTokens) };
  const totalOf = (raise: InputRaise): number => inputTokensMost({ ...part, raise });
  return totalOf(byFactor) <= totalOf(byRow) ? byFactor : byRow;
}

function reckoned(request: CountedRequest): number {
  const part = noSums();
  addRequest(part, request.bytes, request);
  return Math.max(1, inputTokensMost(part));
}

/** Rows of a run, raised as the run is. */
export function raisedLike(mix: ModelMix, run: ModelMix): ModelMix {
  return mapParts(mix, (model, part) => {
    const raise = run[model]?.raise;
    return raise === undefined ? part : { ...part, raise };
  });
}

export interface AnsweredPart {
  readonly usage: readonly UsageEntry[];
  /** The rows of batches whose answers are in the usage, added up. */
  readonly batches: ModelMix;
  /** Calls in the usage that belong to no row. */
  readonly warmUps: readonly WarmUpSum[];
}

/**
 * The mix of a run, raised as its answers show: if they had more input than was reckoned with for them, so will the others.
 * Rows of batches are held against their own sizes; of rows that were called only the number is known, so they may all be
 * as large as the largest.
 */
export function raisedByAnswers(run: ModelMix, { usage, batches, warmUps }: AnsweredPart): ModelMix {
  return mapParts(run, (model, part) => {
    let [used, reserved] = [0, 0];
    for (const entry of usage) {
      if (!isOf(entry.model, model)) continue;
      const like = entry.lane === 'batch' ? (batches[model] ?? part) : (part.lanes?.realtime ?? part);
      const raised = part.raise ? { ...like, raise: part.raise } : like;
      const average = (inputTokensMost(raised) / Math.max(1, like.rows)) * entry.rows;
      const input = inputOf(entry);
      used += input;
      // What was called may have been the largest rows of all: only more than that shows texts of another kind.
      reserved +=
        entry.lane === 'batch' ? average : Math.max(average, Math.min(input, largestTokensMost(raised) * entry.rows));
    }
    for (const warmUp of warmUps) if (isOf(warmUp.model, model)) used -= inputOf(warmUp);
    if (reserved === 0 || used <= reserved) return part;
    const { factor, rowTokens } = part.raise ?? { factor: 1, rowTokens: 0 };
    const times = used / reserved;
    return { ...part, raise: { factor: factor * times, rowTokens: rowTokens * times } };
  });
}

/** The API answers with a dated id where the request had an alias. */
function isOf(answered: string, model: string): boolean {
  return answered === model || answered.startsWith(`${model}-20`);
}

function inputOf(used: Omit<TokenUsage, 'outputTokens'>): number {
  return used.inputTokens + used.cacheWrite5mTokens + used.cacheWrite1hTokens + used.cacheReadTokens;
}

function mapParts(mix: ModelMix, map: (model: string, part: ModelPart) => ModelPart): ModelMix {
  return Object.fromEntries(Object.entries(mix).map(([model, part]) => [model, map(model, part)]));
}
