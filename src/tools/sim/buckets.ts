/**
 * The rate limits of facts section 3, on buckets that refill continuously (bucket.ts).
 *
 * One set per organization and class of models for messages, and one more for a workspace that was set lower; one bucket
 * per organization for all batch endpoints and one for count_tokens. A call is paid from all its buckets or from none.
 */
import { formatCount } from '../../base/units.ts';
import { adopt, change, newBucket, refill, waitMs, type Bucket, type BucketKind } from './bucket.ts';
import type { MessageLimits, SimModel } from './catalogue.ts';
import { Refusal } from './http.ts';
import { messageLimits, type LimitsBook } from './limits-book.ts';
import type { SimSwitches } from './options.ts';
import { createRamp } from './ramp.ts';
import { rateHeaders, type Headers } from './rate-headers.ts';
import type { RateBook } from './rate-ledger.ts';

/** Whose buckets. */
export interface Payer {
  readonly organization: string;
  readonly workspace: string;
}

export interface RateLimiter {
  /** Throws 429 when the calls of a minute are used up; else the headers that tell what is left. */
  takeBatchCall(payer: Payer, nowMs: number): Headers;
  takeCountCall(payer: Payer, nowMs: number): Headers;
  /** `inputTokens`: without what is read from a cache, which is free for all current models. */
  takeMessage(payer: Payer, model: SimModel, inputTokens: number, nowMs: number): Headers;
  /** Output is counted as it is produced: max_tokens plays no part [D 2026]. */
  spendOutput(payer: Payer, model: SimModel, outputTokens: number, nowMs: number): void;
  /** All buckets are brought to this time: the limits are about to change. */
  settle(nowMs: number): void;
}

export interface RateLimiterParts {
  readonly limits: LimitsBook;
  readonly switches: Pick<SimSwitches, 'rateHeaders' | 'burstMs' | 'rampPerMinute' | 'rateHeadersOnBatches'>;
  readonly book: RateBook;
}

type Amounts = Readonly<Partial<Record<BucketKind, number>>>;

export const BATCHES_CLASS = 'batches';
const COUNT_CLASS = 'count_tokens';

export function createRateLimiter(parts: RateLimiterParts): RateLimiter {
  const { limits, switches, book } = parts;
  const { rateHeaders: style } = switches;
  const pools = createPools(parts);
  const ramp = createRamp(switches.rampPerMinute);

  const takeCall = (organization: string, rateClass: string, perMinute: number, nowMs: number): Headers => {
    const bucket = pools.bucketOf(`${organization}|${rateClass}`, 'requests', perMinute, nowMs);
    const wait = waitMs(bucket, 1);
    if (wait > 0) {
      book.noteLimited(organization, rateClass, 'requests');
      const isTold = rateClass === COUNT_CLASS || switches.rateHeadersOnBatches;
      throw exceeded(bucket, wait, `(org: ${organization})`, isTold ? rateHeaders(style, [bucket], nowMs) : {});
    }
    change(bucket, -1);
    book.noteTaken(organization, rateClass, {});
    return rateHeaders(style, [bucket], nowMs);
  };
  const charge = (payer: Payer, model: SimModel, amounts: Amounts, nowMs: number): Bucket[] => {
    const buckets = pools.ofMessages(payer, model, nowMs);
    for (const bucket of buckets) {
      change(bucket, -(amounts[bucket.kind] ?? 0));
      book.noteLevel(payer.organization, model.rateClass, bucket.kind, bucket.level);
    }
    return buckets;
  };
  const checkRoom = (payer: Payer, model: SimModel, needed: Amounts, nowMs: number): void => {
    const { organization } = payer;
    const buckets = pools.ofMessages(payer, model, nowMs);
    const waits = buckets.map((bucket) => waitMs(bucket, needed[bucket.kind] ?? 0));
    const longest = Math.max(...waits);
    const binding = buckets[waits.indexOf(longest)];
    if (binding !== undefined && longest > 0) {
      book.noteLimited(organization, model.rateClass, binding.kind);
      const who = `(org: ${organization}, model: ${model.id})`;
      throw exceeded(binding, longest, who, rateHeaders(style, buckets, nowMs));
    }
    const rampWait = ramp.waitMs(`${organization}|${model.rateClass}`, nowMs);
    if (rampWait <= 0) return;
    book.noteLimited(organization, model.rateClass, 'ramp');
    throw rampExceeded(rampWait, rateHeaders(style, buckets, nowMs));
  };

  return {
    takeBatchCall: ({ organization }, nowMs) =>
      takeCall(organization, BATCHES_CLASS, limits.of(organization).batchRpm, nowMs),
    takeCountCall: ({ organization }, nowMs) =>
      takeCall(organization, COUNT_CLASS, limits.of(organization).countTokensRpm, nowMs),
    takeMessage(payer, model, input, nowMs) {
      const cost: Amounts = { requests: 1, input, tokens: input, day: input };
      // Some output must be left too, although how much it will be nobody knows.
      checkRoom(payer, model, { ...cost, output: 1 }, nowMs);
      ramp.note(`${payer.organization}|${model.rateClass}`, nowMs);
      book.noteTaken(payer.organization, model.rateClass, { input });
      return rateHeaders(style, charge(payer, model, cost, nowMs), nowMs);
    },
    spendOutput(payer, model, output, nowMs) {
      book.noteOutput(payer.organization, model.rateClass, output);
      charge(payer, model, { output, tokens: output, day: output }, nowMs);
    },
    settle: (nowMs) => pools.settle(nowMs),
  };
}

interface Pools {
  bucketOf(pool: string, kind: BucketKind, perWindow: number, nowMs: number): Bucket;
  /** All that a message is paid from. */
  ofMessages(payer: Payer, model: SimModel, nowMs: number): Bucket[];
  settle(nowMs: number): void;
}

/** The buckets themselves, made when they are first asked for and filled up to now. */
function createPools({ limits, switches: { burstMs } }: RateLimiterParts): Pools {
  const all = new Map<string, Bucket>();
  const bucketOf: Pools['bucketOf'] = (pool, kind, perWindow, nowMs) => {
    const name = `${pool}|${kind}`;
    const bucket = all.get(name) ?? newBucket(kind, perWindow, burstMs, nowMs);
    all.set(name, bucket);
    adopt(bucket, perWindow, burstMs);
    refill(bucket, nowMs);
    return bucket;
  };
  const bucketsOf = (pool: string, amounts: Amounts, nowMs: number): Bucket[] =>
    KINDS.flatMap((kind) => {
      const perWindow = amounts[kind];
      return perWindow === undefined ? [] : [bucketOf(pool, kind, perWindow, nowMs)];
    });
  return {
    bucketOf,
    ofMessages({ organization, workspace }, model, nowMs) {
      const { rateClass } = model;
      const own = amountsOf(messageLimits(limits.of(organization), model));
      const set = amountsOf(limits.ofWorkspace(workspace, rateClass));
      return [
        ...bucketsOf(`${organization}|${rateClass}`, own, nowMs),
        ...bucketsOf(`${organization}|${workspace}|${rateClass}`, set, nowMs),
      ];
    },
    settle(nowMs) {
      for (const bucket of all.values()) refill(bucket, nowMs);
    },
  };
}

const KINDS: readonly BucketKind[] = ['requests', 'input', 'output', 'tokens', 'day'];

function amountsOf({ rpm, itpm, otpm, tpm, tpd }: Partial<MessageLimits>): Amounts {
  const named: [BucketKind, number | undefined][] = [
    ['requests', rpm],
    ['input', itpm],
    ['output', otpm],
    ['tokens', tpm],
    ['day', tpd],
  ];
  // Without a limit there is no bucket, nor a header that tells of it.
  return Object.fromEntries(named.filter(([, value]) => value !== undefined && value !== Infinity));
}

/** What a refusal calls a bucket. */
const NAMES: Readonly<Record<BucketKind, string>> = {
  requests: 'requests per minute',
  input: 'input tokens per minute',
  output: 'output tokens per minute',
  tokens: 'tokens per minute',
  day: 'tokens per day',
};

function retryAfter(wait: number): Headers {
  return { 'retry-after': String(Math.max(1, Math.ceil(wait / 1_000))) };
}

/** The text as it was seen (facts 3.4): it speaks of tokens whatever the bucket is. */
function exceeded(bucket: Bucket, wait: number, who: string, headers: Headers): Refusal {
  const limit = `${formatCount(bucket.perWindow)} ${NAMES[bucket.kind]} ${who}`;
  const message =
    `This request would exceed your organization's rate limit of ${limit}. For details, refer to: ` +
    'https://docs.claude.com/en/api/rate-limits. You can see the response headers for current usage. Please reduce ' +
    'the prompt length or the maximum tokens requested, or try again later.';
  return new Refusal(429, 'rate_limit_error', message, { headers: { ...headers, ...retryAfter(wait) } });
}

function rampExceeded(wait: number, headers: Headers): Refusal {
  const message = 'Your usage is growing faster than your organization may. Increase it gradually and try again later.';
  return new Refusal(429, 'rate_limit_error', message, {
    headers: { ...headers, ...retryAfter(wait) },
    details: { error_code: 'ramp_limit_exceeded' },
  });
}
