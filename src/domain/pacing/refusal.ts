/**
 * What a 429 is about: which bucket is empty, that the account grew too fast, or that money is missing. Decided by the
 * error code where the API gives one, else by what its message names, else by the headers. Pure.
 */
import { routeRealtime, type ApiFailure } from '../failure-router.ts';
import type { RateSeen, SeenBucketName } from './rate-seen.ts';

/** `day`: tokens of both kinds in a day. `queue`: requests in batches; `batches`: batches open at once. */
export type RefusedBucket = SeenBucketName | 'day' | 'queue' | 'batches';

export type Refusal =
  | {
      readonly kind: 'rate';
      /** Null: it does not say which. */
      readonly bucket: RefusedBucket | null;
      /** What the bucket takes in its window, where it says. */
      readonly limit: number | null;
    }
  /** Too fast a growth: the limit itself is not reached. */
  | { readonly kind: 'ramp' }
  /** No waiting helps. */
  | { readonly kind: 'money' };

const RAMP_CODE = 'ramp_limit_exceeded';

/** Null where it is no 429. */
export function refusalOf(failure: ApiFailure): Refusal | null {
  if (failure.status !== 429 || failure.unreadable) return null;
  if (failure.errorCode === RAMP_CODE) return { kind: 'ramp' };
  if (routeRealtime(failure, 1, 1).kind === 'blocked') return { kind: 'money' };
  const named = failure.errorCode === null ? namedIn(failure.message) : null;
  const bucket = named?.bucket ?? emptyIn(failure.rates);
  const seen = isSeen(bucket) ? failure.rates?.buckets[bucket] : undefined;
  return { kind: 'rate', bucket, limit: named?.limit ?? seen?.limit ?? null };
}

interface Named {
  readonly bucket: RefusedBucket;
  readonly limit: number | null;
}

/** `… rate limit of 30,000 input tokens per minute (org: …)` (facts 3.4); older ones have the organization before `of`. */
const RATE_TEXT = /\bof ([\d,]+) (requests|input tokens|output tokens|tokens) per (second|minute|day)\b/i;
const BUCKETS: Readonly<Record<string, SeenBucketName>> = {
  requests: 'requests',
  'input tokens': 'input',
  'output tokens': 'output',
  tokens: 'tokens',
};
const QUEUE_TEXT = /\bbatch requests? in the processing queue\b|\bprocessing queue\b/i;
const BATCHES_TEXT = /\b(?:concurrent|open|active) (?:message )?batches\b/i;
const LIMIT_TEXT = /\blimit of ([\d,]+)/i;

function namedIn(message: string): Named | null {
  const [, digits = '', what = '', window = ''] = RATE_TEXT.exec(message) ?? [];
  const bucket = BUCKETS[what.toLowerCase()];
  if (bucket !== undefined) {
    const limit = countOf(digits);
    if (window.toLowerCase() === 'day') return bucket === 'tokens' ? { bucket: 'day', limit } : null;
    return { bucket, limit: window.toLowerCase() === 'second' && limit !== null ? limit * 60 : limit };
  }
  const limit = countOf(LIMIT_TEXT.exec(message)?.[1] ?? '');
  if (QUEUE_TEXT.test(message)) return { bucket: 'queue', limit };
  return BATCHES_TEXT.test(message) ? { bucket: 'batches', limit } : null;
}

function countOf(digits: string): number | null {
  const count = Number(digits.replaceAll(',', ''));
  return digits !== '' && Number.isSafeInteger(count) ? count : null;
}

/** The bucket of which nothing is left; of several the one that takes longest to fill. `tokens` repeats another one. */
function emptyIn(rates: RateSeen | undefined): SeenBucketName | null {
  const empty = SEEN.filter((name) => rates?.buckets[name]?.remaining === 0);
  const [first] = empty.toSorted((one, other) => resetOf(rates, other) - resetOf(rates, one));
  return first ?? (rates?.buckets.tokens?.remaining === 0 ? 'tokens' : null);
}

const SEEN: readonly SeenBucketName[] = ['requests', 'input', 'output'];

function resetOf(rates: RateSeen | undefined, name: SeenBucketName): number {
  return rates?.buckets[name]?.resetMs ?? 0;
}

function isSeen(bucket: RefusedBucket | null): bucket is SeenBucketName {
  return bucket === 'tokens' || SEEN.some((name) => name === bucket);
}
