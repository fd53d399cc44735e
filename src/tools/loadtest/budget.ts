/**
 * What a load test may cost: the most that each request can is set aside before it is sent, and settled with what its
 * answer counted. So `--max-cost` is never passed, whatever comes back.
 */
import { costUsd } from '../../domain/pricing.ts';
import { worstCostUsd } from '../../domain/reserve.ts';
import type { LoadAnswer } from '../../domain/load.ts';
import type { MixEntry } from './mix.ts';
import { outcomeOf } from './tally.ts';

export class Budget {
  readonly #maxUsd: number | null;
  #reservedUsd = 0;
  #spentUsd = 0;
  #uncertainUsd = 0;

  constructor(maxUsd: number | null) {
    this.#maxUsd = maxUsd;
  }

  /** What requests without a whole answer may have cost: the API may have written it. */
  get uncertainUsd(): number {
    return this.#uncertainUsd;
  }

  /** False where the cap has no room for it. */
  reserve(usd: number): boolean {
    const total = this.#spentUsd + this.#uncertainUsd + this.#reservedUsd + usd;
    if (this.#maxUsd !== null && total > this.#maxUsd) return false;
    this.#reservedUsd += usd;
    return true;
  }

  settle(reservedUsd: number, answer: LoadAnswer, usd: number | null): void {
    this.#reservedUsd -= reservedUsd;
    const outcome = outcomeOf(answer);
    const unpaid = isRefusal(answer) || neverSent(answer);
    if (outcome === 'succeeded') this.#spentUsd += usd ?? reservedUsd;
    else if (!unpaid) this.#uncertainUsd += reservedUsd;
  }
}

/**
 * Nothing was written, so nothing is paid. A 5xx is none: a gateway may give up on an answer (502, 504, 524) that the API
 * writes to its end. 503 and 529 say that there was no room to begin.
 */
function isRefusal({ status }: LoadAnswer): boolean {
  if (status === null || status === 200) return false;
  return status < 500 || status === 503 || status === 529;
}

function neverSent({ failure }: LoadAnswer): boolean {
  return failure?.kind === 'connection_econnrefused' || failure?.kind === 'connection_enotfound';
}

/** The most that one request can cost; null where its model has no known price. */
export function worstRequestUsd(
  { model, maxTokens, addedTokens }: Pick<MixEntry, 'model' | 'maxTokens' | 'addedTokens'>,
  bytes: number,
): number | null {
  return worstCostUsd({ [model]: { rows: 1, bytes, maxTokens, addedTokens } }, 'realtime');
}

/** What an answer cost at list prices; null where the price is not known. */
export function answerUsd({ model, usage }: LoadAnswer, asked: string): number | null {
  const used = { lane: 'realtime', usage } as const;
  return costUsd({ model: model ?? asked, ...used }) ?? costUsd({ model: asked, ...used });
}

/** Half a byte more than nothing for each token that an answer adds to the conversation (reserve.ts counts by bytes). */
const BYTES_PER_ANSWER_TOKEN = 2;

/** The most that so many requests can cost, if each is the dearest that can come; null where a price is not known. */
export function worstTestUsd(
  entries: readonly MixEntry[],
  bytesOf: (entry: MixEntry) => number,
  requests: number,
): number | null {
  let dearest = 0;
  for (const entry of entries) {
    const bytes = bytesOf(entry);
    let sum = 0;
    for (let turn = 1; turn <= entry.turns; turn++) {
      const said = (turn - 1) * entry.maxTokens * BYTES_PER_ANSWER_TOKEN;
      const usd = worstRequestUsd(entry, bytes * turn + said);
      if (usd === null) return null;
      sum += usd;
    }
    // Of a conversation each message costs more than the one before: on average what all of them do.
    dearest = Math.max(dearest, sum / entry.turns);
  }
  return dearest * requests;
}
