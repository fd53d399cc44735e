/**
 * What the headers of an answer say about limits (facts 3.4), in the words of the domain. The API's own names count;
 * where there are none, those of a proxy such as LiteLLM. What cannot be read is not said: nothing here throws.
 */
import { parseDurationMs } from '../../base/units.ts';
import type { RateSeen, SeenBucket, SeenBucketName } from '../../domain/pacing/rate-seen.ts';

/** `tokens` shows the tightest limit in force, whichever it is. */
const API_NAMES: readonly (readonly [SeenBucketName, string])[] = [
  ['requests', 'requests'],
  ['input', 'input-tokens'],
  ['output', 'output-tokens'],
  ['tokens', 'tokens'],
];
const PROXY_NAMES: readonly (readonly [SeenBucketName, string])[] = [
  ['requests', 'requests'],
  ['tokens', 'tokens'],
];
const PARTS = ['limit', 'remaining', 'reset'] as const;
/** As a number, a reset from here on is a date in seconds since 1970, and from there on in milliseconds. */
const EPOCH_SECONDS_FROM = 1e9;
const EPOCH_MS_FROM = 1e12;

/** `nowMs` counts where the answer bears no date: resets are told as dates by the API's clock, not by ours. */
export function ratesOf(headers: Headers, nowMs: number): RateSeen {
  const date = Date.parse(headers.get('date') ?? '');
  const atMs = Number.isNaN(date) ? nowMs : date;
  const api = bucketsOf(API_NAMES, (name, part) => headers.get(`anthropic-ratelimit-${name}-${part}`), atMs);
  const isApi = Object.keys(api).length > 0;
  const proxy = isApi ? {} : bucketsOf(PROXY_NAMES, (name, part) => headers.get(`x-ratelimit-${part}-${name}`), atMs);
  return {
    organization: textOf(headers.get('anthropic-organization-id')),
    workspace: textOf(headers.get('anthropic-workspace-id')),
    buckets: isApi ? api : proxy,
    by: Object.keys(proxy).length > 0 ? 'proxy' : 'api',
  };
}

/** Headers of any realm or package, or a plain object of them. Those whose names or values are none are left out. */
export function toHeaders(given: unknown): Headers {
  const headers = new Headers();
  if (typeof given !== 'object' || given === null) return headers;
  const entries = Symbol.iterator in given ? given : Object.entries(given);
  for (const entry of entries as Iterable<unknown>) {
    if (!Array.isArray(entry) || entry[1] === undefined) continue;
    try {
      headers.append(String(entry[0]), String(entry[1]));
    } catch {
      // Such as `:status` of HTTP/2.
    }
  }
  return headers;
}

/** Is there anything about limits in it? */
export function hasRates(seen: RateSeen): boolean {
  return Object.keys(seen.buckets).length > 0;
}

type Header = (name: string, part: (typeof PARTS)[number]) => string | null;

function bucketsOf(
  names: readonly (readonly [SeenBucketName, string])[],
  header: Header,
  atMs: number,
): RateSeen['buckets'] {
  const buckets: Partial<Record<SeenBucketName, SeenBucket>> = {};
  for (const [bucket, name] of names) {
    const limit = countOf(header(name, 'limit'));
    const remaining = countOf(header(name, 'remaining'));
    const resetMs = resetOf(header(name, 'reset'), atMs);
    if (limit !== null || remaining !== null || resetMs !== null) buckets[bucket] = { limit, remaining, resetMs };
  }
  return buckets;
}

/** A whole number or a fraction, not negative and not without end. */
function countOf(text: string | null): number | null {
  const trimmed = text?.trim() ?? '';
  if (!/^\d{1,15}(\.\d{1,9})?$/.test(trimmed)) return null;
  return Number(trimmed);
}

/** Until the reset: from a date, from seconds, or from a duration as Go writes it (`6m0s`, `20ms`). */
function resetOf(text: string | null, atMs: number): number | null {
  const trimmed = text?.trim() ?? '';
  const seconds = countOf(trimmed);
  if (seconds !== null) {
    if (seconds >= EPOCH_MS_FROM) return Math.max(0, seconds - atMs);
    if (seconds >= EPOCH_SECONDS_FROM) return Math.max(0, seconds * 1_000 - atMs);
    return seconds * 1_000;
  }
  const duration = parseDurationMs(trimmed);
  if (duration !== undefined) return Number.isFinite(duration) ? duration : null;
  // Date.parse takes much for a date: `-5` is a month to it.
  const date = /^\d{4}-\d\d-\d\dT|^[A-Z][a-z]{2}, \d/.test(trimmed) ? Date.parse(trimmed) : Number.NaN;
  return Number.isNaN(date) ? null : Math.max(0, date - atMs);
}

function textOf(text: string | null): string | null {
  return text === null || text.trim() === '' ? null : text.trim();
}
