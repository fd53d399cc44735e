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
  /** `at_least`: less would not have let through what went through; it is not known to have stopped anything. */
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
const SECOND_MS = 1_000;
/** More are not looked at: a minute tells by itself. */
const SECONDS_MAX = 60;

type Sums = Record<SeenBucketName, number>;

/** What became of the requests of one second. */
interface Second {
  passed: boolean;
  refused: boolean;
}

/** The limit that a mix of requests meets first. */
export interface FirstMet {
  /** Requests of all models. */
  readonly perSecond: number;
  readonly name: LimitName;
}

export class RateWatch {
  readonly #model: string;
  readonly #headers: Partial<Record<SeenBucketName, number>> = {};
  readonly #told: Partial<Record<SeenBucketName, number>> = {};
  readonly #blamed = new Map<SeenBucketName, number>();
  #sent = 0;
  #succeeded = 0;
  #firstRefusedMs: number | null = null;
  #isRefusedEver = false;
  #firstSentMs = Infinity;
  #lastSentMs = -Infinity;
  #retryAfterMs: number | null = null;
  /** Of the whole test, and since the first refusal. */
  readonly #all: Sums = { requests: 0, input: 0, output: 0, tokens: 0 };
  readonly #since: Sums = { requests: 0, input: 0, output: 0, tokens: 0 };
  /** Since the first refusal, by the second. */
  readonly #seconds = new Map<number, Second>();

  constructor(model: string) {
    this.#model = model;
  }

  get firstRefusedMs(): number | null {
    return this.#firstRefusedMs;
  }

  note(answer: LoadAnswer): void {
    const { sentAtMs, rates, failure, status, usage } = answer;
    this.#sent++;
    if (failure === null) this.#succeeded++;
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
      this.#noteSecond(sentAtMs, 'refused');
      if (failure.retryAfterMs !== null) this.#retryAfterMs = Math.max(this.#retryAfterMs ?? 0, failure.retryAfterMs);
      if (refusal.kind !== 'rate' || !isSeen(refusal.bucket)) return;
      this.#blamed.set(refusal.bucket, (this.#blamed.get(refusal.bucket) ?? 0) + 1);
      if (refusal.limit !== null) this.#told[refusal.bucket] = refusal.limit;
      return;
    }
    if (status === null) return;
    const input = usage.inputTokens + usage.cacheWrite5mTokens + usage.cacheWrite1hTokens;
    add(this.#all, input, usage.outputTokens);
    if (this.#firstRefusedMs === null || sentAtMs < this.#firstRefusedMs) return;
    add(this.#since, input, usage.outputTokens);
    this.#noteSecond(sentAtMs, 'passed');
  }

  #noteSecond(sentAtMs: number, what: keyof Second): void {
    const at = Math.floor(sentAtMs / SECOND_MS);
    const second = this.#seconds.get(at) ?? { passed: false, refused: false };
    if (this.#seconds.size < SECONDS_MAX) this.#seconds.set(at, second);
    second[what] = true;
  }

  /** What was refused so far was chance: what goes through beside refusals is counted from the next one on. */
  calm(): void {
    this.#firstRefusedMs = null;
    this.#seconds.clear();
    Object.assign(this.#since, { requests: 0, input: 0, output: 0, tokens: 0 } satisfies Sums);
  }

  /** Requests of this model in the whole test, refused ones too: what its share of the mix is. */
  get sent(): number {
    return this.#sent;
  }

  /** Which share of them was answered. */
  get answeredShare(): number {
    return this.#sent === 0 ? 0 : this.#succeeded / this.#sent;
  }

  /**
   * At how many requests a second of all models (`sent`: of all of them) the first of the limits is met that the headers
   * tell of. `isWhole`: they tell of all that there are.
   */
  firstMet(sent: number): { readonly first: FirstMet | null; readonly isWhole: boolean } {
    let first: FirstMet | null = null;
    let isWhole = true;
    for (const name of ['requests', 'input', 'output'] as const) {
      const used = this.#usedByOne(name);
      const limit = this.#headers[name];
      if (limit === undefined || used === null) isWhole = false;
      if (limit === undefined || used === null || used === 0) continue;
      const perSecond = (limit / 60 / used) * (sent / this.#sent);
      if (first === null || perSecond < first.perSecond) first = { perSecond, name: NAMES[name] };
    }
    return { first, isWhole };
  }

  /** What a request that is let through uses of a limit; null where none was. */
  #usedByOne(name: SeenBucketName): number | null {
    if (name === 'requests') return 1;
    return this.#all.requests === 0 ? null : this.#all[name] / this.#all.requests;
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
    if (this.boundBy === name) {
      return refusing === null ? null : { per_minute: perMinute(this.#since[name], refusing), source: 'observed' };
    }
    // Only where something was refused is there a limit to speak of.
    if (!this.#isRefusedEver || this.#all.requests === 0) return null;
    const surely = Math.floor(this.#all[name] / minutesTouched(this.#lastSentMs - this.#firstSentMs));
    return { per_minute: surely, source: 'at_least' };
  }

  /** As long as refusals tell what a minute lets through; null where they do not. */
  get #refusingMs(): number | null {
    if (this.#firstRefusedMs === null) return null;
    const ms = this.#lastSentMs - this.#firstRefusedMs;
    return ms < WINDOW_MS_MIN || (ms < MINUTE_MS && !this.#isSteady) ? null : ms;
  }

  /** Does a bucket fill all the time? What counts by the clock's minute refuses everything until the next one, or nothing. */
  get #isSteady(): boolean {
    const seconds = [...this.#seconds.values()];
    return seconds.filter(({ passed, refused }) => passed && refused).length * 2 >= seconds.length;
  }
}

/**
 * So many minutes' worth of a limit can pass in such a time at most: a full bucket and what fills it up meanwhile, or the
 * minutes of the clock that it touches.
 */
export function minutesTouched(ms: number): number {
  return Math.floor(ms / MINUTE_MS) + 2;
}

function perMinute(sum: number, ms: number): number {
  return Math.round((sum / ms) * MINUTE_MS);
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
