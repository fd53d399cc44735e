/**
 * What a load test learns of the limits behind a model: what headers and refusals say, and what was let through while
 * other requests were refused. A bucket that is full lets a burst through, so the rate at which refusals begin says less
 * than the rate that goes on beside them.
 */
import type { LoadAnswer } from '../../domain/load.ts';
import type { SeenBucketName } from '../../domain/pacing/rate-seen.ts';
import type { LimitName } from './live.ts';

export interface ImpliedLimit {
  readonly per_minute: number;
  /** `at_least`: so much was let through, and it was not what stopped the rest. */
  readonly source: 'headers' | 'refusal' | 'observed' | 'at_least';
}

export interface LimitsView {
  readonly model: string;
  readonly bound_by: LimitName | null;
  readonly requests: ImpliedLimit | null;
  readonly input_tokens: ImpliedLimit | null;
  readonly output_tokens: ImpliedLimit | null;
  /** Both together, where the account has such a limit. */
  readonly tokens: ImpliedLimit | null;
  /** The longest wait that a refusal asked for. */
  readonly retry_after_seconds: number | null;
}

const NAMES: Readonly<Record<SeenBucketName, LimitName>> = {
  requests: 'requests',
  input: 'input_tokens',
  output: 'output_tokens',
  tokens: 'tokens',
};
/** What was let through in less time says nothing about a minute. */
const WINDOW_MS_MIN = 2_000;
const MINUTE_MS = 60_000;

type Sums = Record<SeenBucketName, number>;

export class RateWatch {
  readonly #model: string;
  readonly #headers: Partial<Record<SeenBucketName, number>> = {};
  readonly #told: Partial<Record<SeenBucketName, number>> = {};
  readonly #blamed = new Map<SeenBucketName, number>();
  #firstRefusedMs: number | null = null;
  #isRefusedEver = false;
  #firstSentMs = Infinity;
  #lastSentMs = -Infinity;
  #retryAfterMs: number | null = null;
  /** Of the whole test, and since the first refusal. */
  readonly #all: Sums = { requests: 0, input: 0, output: 0, tokens: 0 };
  readonly #since: Sums = { requests: 0, input: 0, output: 0, tokens: 0 };

  constructor(model: string) {
    this.#model = model;
  }

  get firstRefusedMs(): number | null {
    return this.#firstRefusedMs;
  }

  note(answer: LoadAnswer): void {
    const { sentAtMs, rates, failure, status, usage } = answer;
    this.#firstSentMs = Math.min(this.#firstSentMs, sentAtMs);
    this.#lastSentMs = Math.max(this.#lastSentMs, sentAtMs);
    for (const name of SEEN) {
      const limit = rates?.buckets[name]?.limit ?? null;
      if (limit !== null) this.#headers[name] = limit;
    }
    const refusal = failure?.refusal;
    if (refusal && refusal.kind !== 'money') {
      this.#firstRefusedMs = Math.min(this.#firstRefusedMs ?? Infinity, sentAtMs);
      this.#isRefusedEver = true;
      if (failure.retryAfterMs !== null) this.#retryAfterMs = Math.max(this.#retryAfterMs ?? 0, failure.retryAfterMs);
      if (refusal.kind !== 'rate' || !isSeen(refusal.bucket)) return;
      this.#blamed.set(refusal.bucket, (this.#blamed.get(refusal.bucket) ?? 0) + 1);
      if (refusal.limit !== null) this.#told[refusal.bucket] = refusal.limit;
      return;
    }
    if (status === null) return;
    const input = usage.inputTokens + usage.cacheWrite5mTokens + usage.cacheWrite1hTokens;
    add(this.#all, input, usage.outputTokens);
    if (this.#firstRefusedMs !== null && sentAtMs >= this.#firstRefusedMs) add(this.#since, input, usage.outputTokens);
  }

  /** What was refused so far was chance: what goes through beside refusals is counted from the next one on. */
  calm(): void {
    this.#firstRefusedMs = null;
    Object.assign(this.#since, { requests: 0, input: 0, output: 0, tokens: 0 } satisfies Sums);
  }

  /** Requests a second that were let through while others were refused. */
  get sustainedPerSecond(): number | null {
    const ms = this.#refusingMs;
    return ms === null ? null : (this.#since.requests / ms) * 1_000;
  }

  /** The limit that most refusals were about; null where they do not say. */
  get boundBy(): SeenBucketName | null {
    let most: SeenBucketName | null = null;
    for (const [name, count] of this.#blamed) if (most === null || count > (this.#blamed.get(most) ?? 0)) most = name;
    return most;
  }

  view(): LimitsView {
    const bound = this.boundBy;
    const limits = Object.fromEntries(SEEN.map((name) => [NAMES[name], this.#limit(name)])) as Record<
      LimitName,
      ImpliedLimit | null
    >;
    return {
      model: this.#model,
      bound_by: bound === null ? null : NAMES[bound],
      ...limits,
      retry_after_seconds: this.#retryAfterMs === null ? null : this.#retryAfterMs / 1_000,
    };
  }

  #limit(name: SeenBucketName): ImpliedLimit | null {
    const told = this.#told[name];
    const header = this.#headers[name];
    // `tokens` of the headers repeats whichever limit is the tightest.
    if (name === 'tokens' && told === undefined && this.boundBy !== 'tokens') return null;
    if (header !== undefined) return { per_minute: header, source: 'headers' };
    if (told !== undefined) return { per_minute: told, source: 'refusal' };
    const refusing = this.#refusingMs;
    if (this.boundBy === name && refusing !== null) return this.#seen(this.#since[name], refusing, 'observed');
    // Only where something was refused is there a limit to speak of.
    if (!this.#isRefusedEver) return null;
    return this.#seen(this.#all[name], this.#lastSentMs - this.#firstSentMs, 'at_least');
  }

  #seen(sum: number, ms: number, source: ImpliedLimit['source']): ImpliedLimit | null {
    return ms < WINDOW_MS_MIN ? null : { per_minute: Math.round((sum / ms) * MINUTE_MS), source };
  }

  get #refusingMs(): number | null {
    if (this.#firstRefusedMs === null) return null;
    const ms = this.#lastSentMs - this.#firstRefusedMs;
    return ms < WINDOW_MS_MIN ? null : ms;
  }
}

export function limitNameOf(bucket: SeenBucketName | null): LimitName | null {
  return bucket === null ? null : NAMES[bucket];
}

const SEEN: readonly SeenBucketName[] = ['requests', 'input', 'output', 'tokens'];

function isSeen(bucket: string | null): bucket is SeenBucketName {
  return SEEN.some((name) => name === bucket);
}

function add(sums: Sums, input: number, output: number): void {
  sums.requests++;
  sums.input += input;
  sums.output += output;
  sums.tokens += input + output;
}
