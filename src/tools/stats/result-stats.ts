/**
 * What is in a results file, row by row and in flat memory: outcomes, stop reasons, tokens, lengths, cost. Its report is
 * what `batchrun stats --json` prints.
 */
import { OUTCOMES, type Outcome, type ResultView } from '../results/result-view.ts';
import { Tally } from '../results/tally.ts';
import type { Spread, SpreadView } from './spread.ts';

export interface StatsReport {
  readonly rows: number;
  readonly outcomes: Readonly<Record<Outcome, number>>;
  readonly error_types: Readonly<Record<string, number>>;
  readonly stop_reasons: Readonly<Record<string, number>>;
  /** Of the rows with an answer; null where there are none. */
  readonly tokens: Readonly<Record<TokenClass, SpreadView | null>>;
  readonly answer_chars: SpreadView | null;
  readonly cost_usd: CostReport;
  readonly cache: CacheReport;
}

export interface CostReport {
  /** Null where an answer has no known price. */
  readonly total: number | null;
  readonly by_model: readonly ModelCost[];
  /** Answers that do not say in which lane they were, counted as those of a batch. */
  readonly lane_assumed: number;
  readonly unpriced: number;
}

export interface ModelCost {
  readonly model: string;
  readonly lane: string;
  readonly rows: number;
  readonly cost_usd: number | null;
}

export interface CacheReport {
  /** Answers that found a part of their prompt in the cache. */
  readonly hit_rows: number;
  readonly write_rows: number;
  /** The share of all prompt tokens that were read from it; null without a prompt. */
  readonly read_share: number | null;
}

export type TokenClass = 'input' | 'output' | 'cache_write' | 'cache_read';

interface MutableCost {
  readonly model: string;
  readonly lane: string;
  rows: number;
  costUsd: number;
  unpriced: number;
}

const MODELS_MAX = 1_000;

export class ResultStats {
  readonly #outcomes: Record<Outcome, number>;
  readonly #errors = new Tally();
  readonly #stops = new Tally();
  readonly #tokens: Readonly<Record<TokenClass, Spread>>;
  readonly #chars: Spread;
  readonly #costs = new Map<string, MutableCost>();
  #rows = 0;
  #laneAssumed = 0;
  #hitRows = 0;
  #writeRows = 0;
  #promptTokens = 0;
  #readTokens = 0;

  constructor(newSpread: () => Spread) {
    this.#outcomes = Object.fromEntries(OUTCOMES.map((outcome) => [outcome, 0])) as Record<Outcome, number>;
    this.#tokens = { input: newSpread(), output: newSpread(), cache_write: newSpread(), cache_read: newSpread() };
    this.#chars = newSpread();
  }

  add(row: ResultView): void {
    this.#rows++;
    this.#outcomes[row.outcome]++;
    if (row.outcome === 'failed' || row.outcome === 'unfinished') this.#errors.add(row.errorType ?? '(none)');
    if (row.outcome !== 'succeeded') return;
    this.#stops.add(row.stopReason ?? '(none)');
    if (row.text !== null) this.#chars.add(characters(row.text));
    if (row.isLaneAssumed) this.#laneAssumed++;
    this.#addUsage(row);
    this.#addCost(row);
  }

  #addUsage({ usage }: ResultView): void {
    if (!usage) return;
    const { inputTokens, outputTokens, cacheWrite5mTokens, cacheWrite1hTokens, cacheReadTokens } = usage;
    const written = cacheWrite5mTokens + cacheWrite1hTokens;
    this.#tokens.input.add(inputTokens);
    this.#tokens.output.add(outputTokens);
    this.#tokens.cache_write.add(written);
    this.#tokens.cache_read.add(cacheReadTokens);
    if (cacheReadTokens > 0) this.#hitRows++;
    if (written > 0) this.#writeRows++;
    this.#promptTokens += inputTokens + written + cacheReadTokens;
    this.#readTokens += cacheReadTokens;
  }

  #addCost({ model, lane, costUsd }: ResultView): void {
    const known = { model: model ?? '(none)', lane: lane ?? '(none)' };
    const full = this.#costs.size >= MODELS_MAX;
    const key = JSON.stringify(known);
    const kind = !full || this.#costs.has(key) ? known : { model: '(others)', lane: '' };
    const kindKey = JSON.stringify(kind);
    const sums = this.#costs.get(kindKey) ?? { ...kind, rows: 0, costUsd: 0, unpriced: 0 };
    sums.rows++;
    if (costUsd === null) sums.unpriced++;
    else sums.costUsd += costUsd;
    this.#costs.set(kindKey, sums);
  }

  report(): StatsReport {
    const costs = [...this.#costs.values()].sort((one, other) => other.costUsd - one.costUsd || other.rows - one.rows);
    const unpriced = costs.reduce((sum, cost) => sum + cost.unpriced, 0);
    const total = costs.reduce((sum, cost) => sum + cost.costUsd, 0);
    const { input, output, cache_write, cache_read } = this.#tokens;
    return {
      rows: this.#rows,
      outcomes: { ...this.#outcomes },
      error_types: this.#errors.toObject(),
      stop_reasons: this.#stops.toObject(),
      tokens: {
        input: input.view(),
        output: output.view(),
        cache_write: cache_write.view(),
        cache_read: cache_read.view(),
      },
      answer_chars: this.#chars.view(),
      cost_usd: {
        total: unpriced > 0 ? null : rounded(total),
        by_model: costs.map(({ model, lane, rows, costUsd, unpriced: unknown }) => ({
          ...{ model, lane, rows },
          cost_usd: unknown > 0 ? null : rounded(costUsd),
        })),
        lane_assumed: this.#laneAssumed,
        unpriced,
      },
      cache: {
        hit_rows: this.#hitRows,
        write_rows: this.#writeRows,
        read_share: this.#promptTokens === 0 ? null : this.#readTokens / this.#promptTokens,
      },
    };
  }
}

/** Characters as people count them, nearly: a pair of surrogates is one. */
export function characters(text: string): number {
  let pairs = 0;
  if (HAS_SURROGATE.test(text)) {
    for (let at = 0; at < text.length; at++) {
      const code = text.charCodeAt(at);
      if (code >= 0xd800 && code < 0xdc00 && (text.charCodeAt(at + 1) & 0xfc00) === 0xdc00) pairs++;
    }
  }
  return text.length - pairs;
}

const HAS_SURROGATE = /[\ud800-\udbff]/;

/** Twelve digits: no noise of binary fractions. */
function rounded(usd: number): number {
  return Number(usd.toPrecision(12));
}
