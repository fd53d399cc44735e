/**
 * Tokens of requests, or of parts of them, by the model that they go to, and what they are in dollars. Tokens are estimated
 * by kinds of text as `plan` does it (domain/estimate); every figure of `advise` is made here.
 */
import type { Lane } from '../../domain/model.ts';
import { addText, noBytes } from '../../domain/estimate/request-text.ts';
import { textTokens } from '../../domain/estimate/request-tokens.ts';
import { PRICE_RULES } from '../../domain/prices.ts';
import { priceOf, pricesOfPrompt } from '../../domain/pricing.ts';

const LANES: readonly Lane[] = ['batch', 'realtime'];

/** Dollars by lane; null where a model has no known price. */
export type LaneUsd = Readonly<Record<Lane, number | null>>;

export class TokensByModel {
  readonly #tokens = new Map<string, number>();
  rows = 0;

  /** Of one row. */
  add(model: string, tokens: number): void {
    if (tokens <= 0) return;
    this.rows++;
    this.#tokens.set(model, (this.#tokens.get(model) ?? 0) + tokens);
  }

  /** Of so many rows. */
  addRows(model: string, tokensEach: number, rows: number): void {
    this.add(model, tokensEach * rows);
    this.rows += rows - 1;
  }

  get tokens(): number {
    let sum = 0;
    for (const tokens of this.#tokens.values()) sum += tokens;
    return Math.round(sum);
  }

  /** As plain input. `promptTokens`: of a whole request, for prices that rise with its length. */
  usd(promptTokens: number): LaneUsd {
    return laneUsd((lane) =>
      this.#sum((model, tokens) => {
        const prices = pricesOf(model, promptTokens);
        const price = (lane === 'batch' ? prices?.batchInput : prices?.input) ?? null;
        return price === null ? null : (tokens * price) / PRICE_RULES.tokensPerPrice;
      }),
    );
  }

  /**
   * What it saves when all but one of so many rows find these tokens in the cache: plain input less one write and the
   * reads. Below zero where it does not pay.
   */
  usdCached(promptTokens: number): LaneUsd {
    const share = this.rows <= 1 ? 0 : (this.rows - 1) / this.rows;
    return laneUsd((lane) =>
      this.#sum((model, tokens) => {
        const prices = pricesOf(model, promptTokens);
        if (!prices) return null;
        const { input, cacheRead: read, cacheWrite5m: write } = prices;
        if (input === null || read === null || write === null) return null;
        const each = input - read * share - write * (1 - share);
        const factor = lane === 'batch' ? PRICE_RULES.batchFactor : 1;
        return (tokens * each * factor) / PRICE_RULES.tokensPerPrice;
      }),
    );
  }

  models(): readonly string[] {
    return [...this.#tokens.keys()];
  }

  #sum(usdOf: (model: string, tokens: number) => number | null): number | null {
    let sum = 0;
    for (const [model, tokens] of this.#tokens) {
      const usd = usdOf(model, tokens);
      if (usd === null) return null;
      sum += usd;
    }
    return sum;
  }
}

/** Of a text, without anything around it. */
export function tokensOfText(model: string, text: string): number {
  const bytes = noBytes();
  addText(bytes, text);
  return textTokens(model, bytes).expected;
}

function laneUsd(of: (lane: Lane) => number | null): LaneUsd {
  const [batch, realtime] = LANES.map(of);
  return { batch: batch ?? null, realtime: realtime ?? null };
}

function pricesOf(model: string, promptTokens: number) {
  const price = priceOf(model);
  return price && pricesOfPrompt(price, promptTokens);
}
