/**
 * The pacing of batchrun for calls of somebody else's: a call leaves when the limits of its model have room for it, by
 * priority; what fails in passing is tried again; limits are learnt from every answer.
 */
import type { Clock } from '../base/clock.ts';
import type { Rng } from '../base/random.ts';
import { CONCURRENCY_DEFAULT, MAX_ATTEMPTS_DEFAULT } from '../domain/limits.ts';
import type { CallSize } from '../domain/pacing/forecast.ts';
import type { Caps } from '../domain/pacing/known-limits.ts';
import type { Limiter as Buckets } from '../domain/pacing/limiter.ts';
import { createLocalLimiter } from '../domain/pacing/local-limiter.ts';
import type { PoolSnapshot } from '../domain/pacing/snapshot.ts';
import { limitsOfTier } from '../domain/pacing/tiers.ts';
import { Pacer } from '../engine/pacing/pacer.ts';
import { checkCall, checkLimiterOptions } from './check-limiter.ts';
import { tell } from './guarded.ts';
import { inLibraryWords } from './words.ts';
import { closedError } from './limiter-errors.ts';
import { CallLine } from './limiter-line.ts';
import type { CallGiven } from './limiter-waiting.ts';
import { holdKeys, type HeldKey } from './limiter-keys.ts';
import type { LimiterOptions, RunOptions } from './limiter-options.ts';

/** How the limiter stands. */
export interface LimiterSnapshot {
  readonly waiting: number;
  readonly running: number;
  /** `shared`: through Redis; `alone`: Redis is away, and a safe share is used. */
  readonly mode: 'local' | 'shared' | 'alone';
  /** Limits, what is left of them and what was used, by organization and class of models. */
  readonly pools: readonly PoolSnapshot[];
  readonly keys: readonly KeySnapshot[];
}

/** A key of the pool as it stands. */
export interface KeySnapshot {
  /** Masked. */
  readonly key: string;
  /** `account` where nobody has said. */
  readonly organization: string;
  readonly running: number;
  /** Why the API refuses it, for some models or for all; null where it is in use. */
  readonly aside: string | null;
}

/** Paces calls. Made by `createLimiter`. */
export interface Limiter {
  /**
   * Makes the call when there is room for it, and gives what it gives. The call is made anew for each try. What it must
   * not do is retry by itself: `maxRetries: 0` with the official SDK. At the end a failure is what the call threw, or the
   * `Response` that it gave.
   *
   * Headers are read from the promise of the SDK, from `{ data, response }` and from a `Response`; usage from the message.
   * For anything else there is `note`.
   */
  run<T>(call: (given: CallGiven) => T, options: RunOptions): Promise<Awaited<T>>;
  snapshot(): Promise<LimiterSnapshot>;
  /** Calls that wait are refused with `E_NOT_FINISHED`; those under way are waited for. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

export interface LimiterParts {
  readonly clock: Clock;
  readonly rng: Rng;
}

const GIVE_UP_MS = 600_000;

/** On a clock, and with chance, that are passed in. */
export function limiterOn(options: LimiterOptions, parts: LimiterParts): Limiter {
  return new PacedCalls(options, parts);
}

interface Opened {
  readonly buckets: Buckets;
  readonly pacer: Pacer;
  readonly line: CallLine;
}

class PacedCalls implements Limiter {
  readonly #options: LimiterOptions;
  readonly #parts: LimiterParts;
  readonly #keys: readonly HeldKey[];
  #opened: Promise<Opened> | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: LimiterOptions, parts: LimiterParts) {
    checkLimiterOptions(options);
    this.#options = options;
    this.#parts = parts;
    this.#keys = holdKeys(options.keys ?? [], options.redis !== undefined);
  }

  async run<T>(call: (given: CallGiven) => T, options: RunOptions): Promise<Awaited<T>> {
    checkCall(call, options);
    if (this.#closing) throw closedError();
    const { line } = await this.#open();
    const { priority = 'normal', signal = null } = options;
    return (await line.run({ call, size: sizeOf(options), priority, signal })) as Awaited<T>;
  }

  async snapshot(): Promise<LimiterSnapshot> {
    // Of one that was closed before its first call there is nothing to see, and nothing may be opened any more.
    if (this.#closing && !this.#opened) throw closedError('was closed');
    const { line, pacer, buckets } = await this.#open();
    const nowMs = this.#parts.clock.monotonicMs();
    return {
      ...line.counts,
      mode: buckets.mode,
      pools: await pacer.pools.snapshots(),
      keys: this.#keys.map((key) => {
        const { label, organization, running } = key;
        return { key: label, organization, running, aside: key.aside(nowMs)?.message ?? null };
      }),
    };
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const opened = await this.#opened?.catch(() => null);
    await opened?.line.close();
    await opened?.buckets.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #open(): Promise<Opened> {
    this.#opened ??= this.#openAll().catch((error: unknown) => {
      this.#opened = undefined;
      throw error;
    });
    return this.#opened;
  }

  async #openAll(): Promise<Opened> {
    const { clock, rng } = this.#parts;
    const { redis, headroom = 0, concurrency = CONCURRENCY_DEFAULT, known = [], backoff = {} } = this.#options;
    const buckets = redis === undefined ? createLocalLimiter(clock) : await this.#connect(redis);
    const told = (rateClass: string): Caps => toldOf(this.#options, rateClass);
    const pacer = new Pacer({ limiter: buckets, clock, caps: capsOf(this.#options), headroom, told });
    pacer.restore(known);
    const line = new CallLine({
      ...{ pacer, clock, rng, concurrency, backoff, keys: this.#keys },
      maxAttempts: this.#options.maxAttempts ?? MAX_ATTEMPTS_DEFAULT,
      giveUpMs: this.#options.giveUpMs ?? GIVE_UP_MS,
    });
    return { buckets, pacer, line };
  }

  async #connect(url: string): Promise<Buckets> {
    const { connectRedisLimiter } = await import('../adapters/redis/limiter.ts');
    const options = {
      ...this.#parts,
      onMode: (mode: 'shared' | 'alone', cause: string | null): void => {
        const { log } = this.#options;
        const time = new Date(this.#parts.clock.now()).toISOString();
        if (!log) return;
        if (mode === 'shared') tell(log, { time, level: 'info', event: 'limiter.shared' });
        else tell(log, { time, level: 'warn', event: 'limiter.alone', cause: cause ?? 'Redis cannot be used' });
      },
    };
    return inLibraryWords(() => connectRedisLimiter(url, options), { limiter: 'redis' });
  }
}

/** What the options say of a class of models counts until an answer says better. */
function toldOf(options: LimiterOptions, rateClass: string): Caps {
  const { tier } = options;
  return { ...capsOf(options), ...(tier === undefined ? {} : limitsOfTier(tier, rateClass)) };
}

function sizeOf({ model, estimate, group = '' }: RunOptions): CallSize {
  const { maxTokens } = estimate;
  if ('inputTokens' in estimate) {
    return { runId: group, model, maxTokens, requestBytes: 0, inputTokens: estimate.inputTokens };
  }
  return { runId: group, model, maxTokens, requestBytes: estimate.requestBytes };
}

function capsOf({ limits = {} }: LimiterOptions): Caps {
  const { requests, inputTokens: input, outputTokens: output, tokens, tokensPerDay: day } = limits;
  const caps = Object.entries({ requests, input, output, tokens, day }).filter(([, cap]) => cap !== undefined);
  return Object.fromEntries(caps);
}
