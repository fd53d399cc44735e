/**
 * What an answer says about limits, in the words of the API (facts 3.4) or of a proxy such as LiteLLM (facts 8).
 */
import { fullInMs, type Bucket, type BucketKind } from './bucket.ts';

export type Headers = Readonly<Record<string, string>>;

/** `proxy`: `x-ratelimit-*` with durations, and nothing of the API's own. */
export type RateHeaderStyle = 'anthropic' | 'proxy' | 'none';

/** The buckets of the organization first, then those of the workspace. */
export function rateHeaders(style: RateHeaderStyle, buckets: readonly Bucket[], nowMs: number): Headers {
  const first = (kind: BucketKind): Bucket | undefined => buckets.find((bucket) => bucket.kind === kind);
  // A day's limit has no header: its name would say the same as that of a minute's.
  const ofTokens = buckets.filter(({ kind }) => kind !== 'requests' && kind !== 'day');
  const tokens = ofTokens.length === 0 ? undefined : ofTokens.reduce(tighter);
  if (style === 'none') return {};
  if (style === 'proxy') return { ...proxyHeaders('requests', first('requests')), ...proxyHeaders('tokens', tokens) };
  return {
    ...apiHeaders('requests', first('requests'), nowMs),
    ...apiHeaders('input-tokens', first('input'), nowMs),
    ...apiHeaders('output-tokens', first('output'), nowMs),
    ...apiHeaders('tokens', tokens, nowMs),
  };
}

function tighter(one: Bucket, other: Bucket): Bucket {
  return one.level / one.perWindow <= other.level / other.perWindow ? one : other;
}

function apiHeaders(name: string, bucket: Bucket | undefined, nowMs: number): Headers {
  if (bucket === undefined) return {};
  return {
    [`anthropic-ratelimit-${name}-limit`]: String(bucket.perWindow),
    [`anthropic-ratelimit-${name}-remaining`]: String(remainingOf(bucket)),
    [`anthropic-ratelimit-${name}-reset`]: new Date(nowMs + fullInMs(bucket)).toISOString(),
  };
}

function proxyHeaders(name: string, bucket: Bucket | undefined): Headers {
  if (bucket === undefined) return {};
  return {
    [`x-ratelimit-limit-${name}`]: String(bucket.perWindow),
    [`x-ratelimit-remaining-${name}`]: String(remainingOf(bucket)),
    [`x-ratelimit-reset-${name}`]: duration(fullInMs(bucket)),
  };
}

function remainingOf(bucket: Bucket): number {
  const left = Math.max(0, Math.floor(bucket.level));
  // Tokens are told to the nearest thousand [D].
  return bucket.kind === 'requests' ? left : Math.round(left / 1_000) * 1_000;
}

/** `6m0s`, `12s`, `20ms`. */
function duration(ms: number): string {
  const whole = Math.ceil(ms);
  if (whole < 1_000) return `${whole}ms`;
  const seconds = Math.ceil(whole / 1_000);
  return seconds < 60 ? `${seconds}s` : `${Math.floor(seconds / 60)}m${seconds % 60}s`;
}
