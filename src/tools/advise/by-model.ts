/**
 * Bytes of requests by the model that they go to, and what they are as tokens and dollars. Tokens are estimated from bytes
 * as everywhere before something is sent; every figure of `advise` is made here.
 */
import type { Lane } from '../../domain/model.ts';
import { tokensFromBytes } from '../../domain/estimate/tokenizer.ts';
import { PRICE_RULES } from '../../domain/prices.ts';
import { priceOf, pricesOfPrompt } from '../../domain/pricing.ts';

const LANES: readonly Lane[] = ['batch', 'realtime'];

/** Dollars by lane; null where a model has no known price. */
export type LaneUsd = Readonly<Record<Lane, number | null>>;

export class BytesByModel {
  readonly #bytes = new Map<string, number>();
  rows = 0;

  /** Of one row. */
  add(model: string, bytes: number): void {
    if (bytes <= 0) return;
    this.rows++;
    this.#bytes.set(model, (this.#bytes.get(model) ?? 0) + bytes);
  }

  /** Of so many rows. */
  addRows(model: string, bytesEach: number, rows: number): void {
    this.add(model, bytesEach * rows);
    this.rows += rows - 1;
  }

  get bytes(): number {
    let sum = 0;
    for (const bytes of this.#bytes.values()) sum += bytes;
    return sum;
  }

  get tokens(): number {
    let sum = 0;
    for (const [model, bytes] of this.#bytes) sum += tokensFromBytes(model, bytes);
    return sum;
  }

  /** As plain input. `promptTokens`: of a whole request, for prices that rise with its length. */
  usd(promptTokens: number): LaneUsd {
    return laneUsd((lane) =>
      this.#sum((model, bytes) => {
        const prices = pricesOf(model, promptTokens);
        const price = (lane === 'batch' ? prices?.batchInput : prices?.input) ?? null;
        return price === null ? null : (tokensFromBytes(model, bytes) * price) / PRICE_RULES.tokensPerPrice;
      }),
    );
  }

  /**
   * What it saves when all but one of so many rows find these bytes in the cache: plain input less one write and the
   * reads. Below zero where it does not pay.
   */
  usdCached(promptTokens: number): LaneUsd {
    const share = this.rows <= 1 ? 0 : (this.rows - 1) / this.rows;
    return laneUsd((lane) =>
      this.#sum((model, bytes) => {
        const prices = pricesOf(model, promptTokens);
        if (!prices) return null;
        const { input, cacheRead: read, cacheWrite5m: write } = prices;
        if (input === null || read === null || write === null) return null;
        const each = input - read * share - write * (1 - share);
        const factor = lane === 'batch' ? PRICE_RULES.batchFactor : 1;
        return (tokensFromBytes(model, bytes) * each * factor) / PRICE_RULES.tokensPerPrice;
      }),
    );
  }

  models(): readonly string[] {
    return [...this.#bytes.keys()];
  }

  #sum(usdOf: (model: string, bytes: number) => number | null): number | null {
    let sum = 0;
    for (const [model, bytes] of this.#bytes) {
      const usd = usdOf(model, bytes);
      if (usd === null) return null;
      sum += usd;
    }
    return sum;
  }
}

function laneUsd(of: (lane: Lane) => number | null): LaneUsd {
  const [batch, realtime] = LANES.map(of);
  return { batch: batch ?? null, realtime: realtime ?? null };
}

function pricesOf(model: string, promptTokens: number) {
  const price = priceOf(model);
  return price && pricesOfPrompt(price, promptTokens);
}
