/**
 * Token buckets: the rate limits of facts section 3, refilled continuously from the clock.
 *
 * One set per organization and model class for messages, one bucket per organization for all batch endpoints and
 * one for count_tokens. A bucket may go below zero where the true cost is known only afterwards (output tokens).
 */
import type { MessageLimits, SimModel } from './catalogue.ts';
import { Refusal } from './http.ts';
import type { SimLimits } from './options.ts';

interface Bucket {
  readonly perMinute: number;
  level: number;
  updatedAtMs: number;
}

type Headers = Readonly<Record<string, string>>;

export interface RateLimiter {
  /** Throws 429 when the calls of a minute are used up; else the headers that tell what is left. */
  takeBatchCall(organization: string, nowMs: number): Headers;
  takeCountCall(organization: string, nowMs: number): Headers;
  takeMessage(organization: string, model: SimModel, inputTokens: number, nowMs: number): Headers;
  /** Output is counted as it is produced: max_tokens plays no part [D 2026]. */
  spendOutput(organization: string, model: SimModel, outputTokens: number, nowMs: number): void;
}

const MINUTE_MS = 60_000;

export function createRateLimiter(limits: SimLimits): RateLimiter {
  const buckets = new Map<string, Bucket>();

  const bucketOf = (name: string, perMinute: number, nowMs: number): Bucket => {
    const bucket = buckets.get(name) ?? { perMinute, level: perMinute, updatedAtMs: nowMs };
    buckets.set(name, bucket);
    const refill = (Math.max(0, nowMs - bucket.updatedAtMs) / MINUTE_MS) * perMinute;
    bucket.level = Math.min(perMinute, bucket.level + refill);
    bucket.updatedAtMs = nowMs;
    return bucket;
  };
  const setOf = (organization: string, model: SimModel, nowMs: number) => {
    const limit: MessageLimits =
      model.line === 'fable' || model.line === 'mythos' ? limits.messagesFable : limits.messages;
    const name = `${organization}|${model.rateClass}`;
    return {
      requests: bucketOf(`${name}|requests`, limit.rpm, nowMs),
      input: bucketOf(`${name}|input`, limit.itpm, nowMs),
      output: bucketOf(`${name}|output`, limit.otpm, nowMs),
    };
  };
  const takeCall = (name: string, perMinute: number, nowMs: number): Headers => {
    const bucket = bucketOf(name, perMinute, nowMs);
    if (bucket.level < 1) throw exceeded(`${perMinute} requests per minute`, waitMs(bucket, 1));
    bucket.level -= 1;
    return headersOf('requests', bucket, nowMs);
  };

  return {
    takeBatchCall: (organization, nowMs) => takeCall(`${organization}|batches`, limits.batchRpm, nowMs),
    takeCountCall: (organization, nowMs) => takeCall(`${organization}|count`, limits.countTokensRpm, nowMs),
    takeMessage(organization, model, inputTokens, nowMs) {
      const { requests, input, output } = setOf(organization, model, nowMs);
      // A prompt larger than a whole minute's tokens is let through by a full bucket: else it could never run.
      const neededInput = Math.min(inputTokens, input.perMinute);
      const wait = Math.max(waitMs(requests, 1), waitMs(input, neededInput), waitMs(output, 1));
      if (wait > 0) throw exceeded(shortOf(requests, input, neededInput, model), wait);
      requests.level -= 1;
      input.level -= inputTokens;
      return {
        ...headersOf('requests', requests, nowMs),
        ...headersOf('input-tokens', input, nowMs),
        ...headersOf('output-tokens', output, nowMs),
        ...headersOf('tokens', tightest(input, output), nowMs),
      };
    },
    spendOutput(organization, model, outputTokens, nowMs) {
      setOf(organization, model, nowMs).output.level -= outputTokens;
    },
  };
}

function waitMs(bucket: Bucket, needed: number): number {
  return bucket.level >= needed ? 0 : ((needed - bucket.level) / bucket.perMinute) * MINUTE_MS;
}

function tightest(one: Bucket, other: Bucket): Bucket {
  return one.level / one.perMinute <= other.level / other.perMinute ? one : other;
}

function shortOf(requests: Bucket, input: Bucket, neededInput: number, model: SimModel): string {
  const forModel = `(model: ${model.id})`;
  if (requests.level < 1) return `${requests.perMinute} requests per minute ${forModel}`;
  if (input.level < neededInput) return `${input.perMinute} input tokens per minute ${forModel}`;
  return `output tokens per minute ${forModel}`;
}

function exceeded(limit: string, wait: number): Refusal {
  const seconds = Math.max(1, Math.ceil(wait / 1_000));
  const message = `This request would exceed your organization's rate limit of ${limit}. For details, refer to: https://docs.claude.com/en/api/rate-limits.`;
  return new Refusal(429, 'rate_limit_error', message, { headers: { 'retry-after': String(seconds) } });
}

function headersOf(kind: string, bucket: Bucket, nowMs: number): Headers {
  const left = Math.max(0, Math.floor(bucket.level));
  // Tokens are told to the nearest thousand [D].
  const remaining = kind === 'requests' ? left : Math.round(left / 1_000) * 1_000;
  const resetAt = new Date(nowMs + waitMs(bucket, bucket.perMinute)).toISOString();
  return {
    [`anthropic-ratelimit-${kind}-limit`]: String(bucket.perMinute),
    [`anthropic-ratelimit-${kind}-remaining`]: String(remaining),
    [`anthropic-ratelimit-${kind}-reset`]: resetAt,
  };
}
