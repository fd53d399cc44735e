/**
 * What the options of programs may be: the ranges and choices that the flags of the same names have. TypeScript does not
 * see a NaN, a word from a configuration or a number in quotes; they are refused here, before anything is read.
 */
import { BatchrunError } from '../base/errors.ts';
import { LOG_LEVELS } from '../base/log.ts';
import { BATCH_BYTES_MAX, BATCH_ROWS_MAX } from '../domain/limits.ts';
import { PILOT_ROWS_MAX } from '../domain/pilot.ts';
import { PRIORITIES } from '../domain/priority.ts';
import type { Backoff, BatchrunOptions, LimitCaps, SubmitOptions } from './options.ts';

/** Null, or what it must be. */
type Check = (value: unknown) => string | null;
/** A check for each of the options; one that is forgotten does not compile. */
type Checks<T> = { readonly [K in keyof Required<T>]: Check };

const CONCURRENCY_MAX = 1_000;
const MAX_ATTEMPTS_MAX = 100;
const RETRY_TRUNCATED_MAX = 20;

const when = (isGood: (value: unknown) => boolean, wanted: string): Check => {
  return (value) => (isGood(value) ? null : wanted);
};
const isString = (value: unknown): value is string => typeof value === 'string';
const areStrings = (value: unknown): boolean => Array.isArray(value) && value.every(isString);
const isObject = (value: unknown): boolean => typeof value === 'object' && value !== null && !Array.isArray(value);
/** NaN is in no range. */
const isFrom = (value: unknown, min: number): boolean =>
  typeof value === 'number' && value >= min && value <= Number.MAX_SAFE_INTEGER;

const text = when(isString, 'a string');
const texts = when(areStrings, 'a list of strings');
const flag = when((value) => typeof value === 'boolean', 'true or false');
const object = when(isObject, 'an object');
const callable = when((value) => typeof value === 'function', 'a function');
const signal = when((value) => value instanceof AbortSignal, 'an AbortSignal');
const ms = when((value) => isFrom(value, 0), 'a number of milliseconds from 0');
const share = when((value) => isFrom(value, 0) && Number(value) < 1, 'a share from 0 to below 1');
const usd = when((value) => isFrom(value, 0) && value !== 0, 'an amount in USD above 0');
const date = when((value) => value instanceof Date && isFrom(value.getTime(), 0), 'a Date that is valid');

function count(min: number, max = Number.MAX_SAFE_INTEGER): Check {
  const upTo = max === Number.MAX_SAFE_INTEGER ? '' : ` to ${max}`;
  return when(
    (value) => Number.isSafeInteger(value) && isFrom(value, min) && Number(value) <= max,
    `a whole number from ${min}${upTo}`,
  );
}

function choice(words: readonly string[]): Check {
  return when((value) => isString(value) && words.includes(value), `one of ${words.join(', ')}`);
}

/** An object with these. */
function parts<T>(checks: Checks<T>): Check {
  return (value) => {
    if (!isObject(value)) return 'an object';
    const [wrong] = wrongOf(value as Partial<T>, checks);
    return wrong ? `an object in which \`${wrong.name}\` is ${wrong.wanted}` : null;
  };
}

const SUBMIT: Checks<SubmitOptions> = {
  ...{ model: text, maxTokens: count(1), prompt: text, system: text, params: object, betas: texts, schema: object },
  ...{ idColumn: text, inputFormat: choice(['jsonl', 'csv', 'json']), limit: count(1) },
  ...{ onInvalid: choice(['fail', 'skip']), dropUnsupported: flag, preflight: flag },
  ...{ name: text, again: flag, start: flag },
  ...{ output: text, format: choice(['jsonl', 'flat', 'csv']), errors: text, overwrite: flag, defuseFormulas: flag },
  chunkRows: count(1, BATCH_ROWS_MAX),
  chunkBytes: count(1, BATCH_BYTES_MAX),
  maxAttempts: count(1, MAX_ATTEMPTS_MAX),
  retryLane: choice(['auto', 'batch', 'realtime', 'none']),
  priority: choice(PRIORITIES),
  lane: choice(['auto', 'batch', 'realtime']),
  deadline: date,
  maxCostUsd: usd,
  budgetMode: choice(['worst', 'expected']),
  pilot: count(0, PILOT_ROWS_MAX),
  retryTruncated: count(0, RETRY_TRUNCATED_MAX),
  onSchemaError: choice(['fail', 'retry']),
  ...{ dedupe: flag, reuse: flag, signal, onProgress: callable },
};

const LIMITS: Checks<LimitCaps> = {
  ...{ requests: count(1), inputTokens: count(1), outputTokens: count(1), tokens: count(1), tokensPerDay: count(1) },
};
const BACKOFF: Checks<Backoff> = { baseMs: ms, maxMs: ms };

const BATCHRUN: Checks<BatchrunOptions> = {
  state: text,
  // Whether there is a key in it is said where it is needed: `check` needs none.
  apiKey: when((value) => isString(value) || areStrings(value), 'a string or a list of strings'),
  ...{ baseUrl: text, fetch: callable, adminKey: text, signal, log: callable, logLevel: choice(LOG_LEVELS) },
  limiter: when((value) => isString(value) && /^rediss?:\/\/./.test(value), 'a URL with redis:// or rediss://'),
  maxBatches: count(1),
  concurrency: count(1, CONCURRENCY_MAX),
  ...{ pollIntervalMs: ms, reconcileGraceMs: ms, giveUpMs: ms, retryLockMs: ms },
  ...{ backoff: parts(BACKOFF), limits: parts(LIMITS), headroom: share },
  ...{ maxQueued: count(1), batchRpm: count(1) },
};

/** Throws E_USAGE where an option is none that the engine can keep to. */
export function checkSubmitOptions(options: SubmitOptions): void {
  refuseWrong(options, SUBMIT);
}

/** The same for those of `createBatchrun`. */
export function checkBatchrunOptions(options: BatchrunOptions): void {
  refuseWrong(options, BATCHRUN);
}

function refuseWrong<T extends object>(options: T, checks: Checks<T>): void {
  const [wrong] = wrongOf(options, checks);
  if (!wrong) return;
  // Its value is not repeated: it may be a key or a prompt.
  throw new BatchrunError('E_USAGE', `\`${wrong.name}\` must be ${wrong.wanted}`, {
    hint: 'Nothing was read or sent. Leave it out, or pass what it takes.',
    details: { option: wrong.name },
  });
}

function* wrongOf<T>(
  options: Partial<T>,
  checks: Checks<T>,
): Generator<{ readonly name: string; readonly wanted: string }, undefined> {
  for (const [name, check] of Object.entries<Check>(checks)) {
    const value = options[name as keyof T];
    const wanted = value === undefined ? null : check(value);
    if (wanted !== null) yield { name, wanted };
  }
}
