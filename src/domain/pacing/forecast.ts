/**
 * How many tokens a call will take: by what came back from earlier calls of the same run and model, and before there are
 * any by the size of the request. max_tokens plays no part in the output limit (facts, section 3.3), so reserving it
 * would leave most of the limit unused.
 */
import type { TokenUsage } from '../model.ts';
import { OUTPUT_TOKENS_FIRST } from '../estimate/output.ts';
import { tokensFromBytes } from '../estimate/tokenizer.ts';

/** How much of what was learnt the newest answer replaces, once there are enough of them. */
const NEW_SHARE_MIN = 0.02;

export interface CallSize {
  readonly runId: string;
  readonly model: string;
  readonly requestBytes: number;
  readonly maxTokens: number;
  /** Where whoever calls has counted them: then nothing about the input is guessed. */
  readonly inputTokens?: number;
}

export interface ExpectedTokens {
  readonly inputTokens: number;
  readonly outputTokens: number;
}

interface Learnt {
  answers: number;
  inputPerByte: number;
  output: number;
}

export class Forecast {
  readonly #learnt = new Map<string, Learnt>();

  expect({ runId, model, requestBytes, maxTokens, inputTokens: counted }: CallSize): ExpectedTokens {
    const learnt = this.#learnt.get(keyOf(runId, model));
    if (!learnt) {
      const inputTokens = counted ?? tokensFromBytes(model, requestBytes);
      return { inputTokens, outputTokens: Math.min(maxTokens, OUTPUT_TOKENS_FIRST) };
    }
    return {
      inputTokens: counted ?? Math.ceil(requestBytes * learnt.inputPerByte),
      outputTokens: Math.min(maxTokens, Math.ceil(learnt.output)),
    };
  }

  learn(call: CallSize, usage: TokenUsage): void {
    const key = keyOf(call.runId, call.model);
    const inputPerByte = countedInput(usage) / Math.max(1, call.requestBytes);
    const learnt = this.#learnt.get(key);
    if (!learnt) {
      this.#learnt.set(key, { answers: 1, inputPerByte, output: usage.outputTokens });
      return;
    }
    learnt.answers++;
    const share = Math.max(NEW_SHARE_MIN, 1 / learnt.answers);
    learnt.inputPerByte += (inputPerByte - learnt.inputPerByte) * share;
    learnt.output += (usage.outputTokens - learnt.output) * share;
  }
}

/** What counts against the input limit: cache reads are free for all current models (facts, section 3.3). */
export function countedInput(usage: TokenUsage): number {
  return usage.inputTokens + usage.cacheWrite5mTokens + usage.cacheWrite1hTokens;
}

function keyOf(runId: string, model: string): string {
  return `${runId}|${model}`;
}
