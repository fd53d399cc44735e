/**
 * What the options of a limiter and of its calls may be. A NaN would stand in the buckets that all calls share; it is
 * refused before anything is opened or asked for.
 */
import { BatchrunError } from '../base/errors.ts';
import { TIER_NAMES } from '../domain/pacing/tiers.ts';
import { PRIORITIES } from '../domain/priority.ts';
import { BACKOFF, CONCURRENCY_MAX, LIMITS, MAX_ATTEMPTS_MAX, redisUrl } from './check-options.ts';
import {
  callable,
  choice,
  count,
  isFrom,
  isObject,
  isString,
  ms,
  parts,
  refuseWrong,
  share,
  signal,
  text,
  when,
  type Checks,
} from './checks.ts';
import type { LimiterOptions, RunOptions } from './limiter-options.ts';

const isName = (value: unknown): boolean => isString(value) && value !== '';
const field = (value: unknown, name: string): unknown => (value as Record<string, unknown>)[name];

const isKey = (value: unknown): boolean => {
  if (!isObject(value)) return isName(value);
  const organization = field(value, 'organization');
  return isName(field(value, 'apiKey')) && (organization === undefined || isName(organization));
};

/** As `snapshot()` gave it, perhaps through a file. */
const isPool = (value: unknown): boolean =>
  isObject(value) &&
  isString(field(value, 'organization')) &&
  isString(field(value, 'rateClass')) &&
  isFrom(field(value, 'atMs'), 0) &&
  areObjects(field(value, 'limits')) &&
  areObjects(field(value, 'use')) &&
  isObject(field(value, 'levels'));
const areObjects = (value: unknown): boolean => Array.isArray(value) && value.every(isObject);

const LIMITER: Checks<LimiterOptions> = {
  tier: choice(TIER_NAMES),
  limits: parts(LIMITS),
  headroom: share,
  concurrency: count(1, CONCURRENCY_MAX),
  keys: when(
    (value) => Array.isArray(value) && value.every(isKey),
    'a list of keys, each a string or { apiKey, organization }, none of them empty',
  ),
  redis: redisUrl,
  maxAttempts: count(1, MAX_ATTEMPTS_MAX),
  giveUpMs: ms,
  backoff: parts(BACKOFF),
  known: when((value) => Array.isArray(value) && value.every(isPool), 'the `pools` of an earlier snapshot'),
  log: callable,
};

const RUN: Checks<RunOptions> = {
  model: when(isName, 'the name of a model'),
  estimate: when(isEstimate, '{ maxTokens } with either inputTokens or requestBytes, all of them numbers from 0'),
  priority: choice(PRIORITIES),
  group: text,
  signal,
};

function isEstimate(value: unknown): boolean {
  if (!isObject(value) || !isFrom(field(value, 'maxTokens'), 0)) return false;
  const sizes = [field(value, 'inputTokens'), field(value, 'requestBytes')].filter((size) => size !== undefined);
  return sizes.length > 0 && sizes.every((size) => isFrom(size, 0));
}

/** Throws E_USAGE. */
export function checkLimiterOptions(options: LimiterOptions): void {
  refuseWrong(options, LIMITER, 'Nothing was opened.');
}

/** Throws E_USAGE. */
export function checkCall(call: unknown, options: RunOptions): void {
  const hint = 'The call was not made.';
  if (typeof call !== 'function') {
    throw new BatchrunError('E_USAGE', 'what `run` is given must be a function: it is called for each try', { hint });
  }
  refuseWrong(options, RUN, hint);
  for (const name of ['model', 'estimate']) {
    if (field(options, name) !== undefined) continue;
    throw new BatchrunError('E_USAGE', `\`${name}\` is missing`, { hint, details: { option: name } });
  }
}
