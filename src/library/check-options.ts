/**
 * What the options of programs may be: the ranges and choices that the flags of the same names have. What no flag would
 * take is refused here, before anything is read.
 */
import { BatchrunError } from '../base/errors.ts';
import { LOG_LEVELS } from '../base/log.ts';
import { BATCH_BYTES_MAX, BATCH_ROWS_MAX } from '../domain/limits.ts';
import { PILOT_ROWS_MAX } from '../domain/pilot.ts';
import { ROW_STATES } from '../domain/model.ts';
import { PRIORITIES } from '../domain/priority.ts';
import { RETRYABLE_ROW_STATES } from '../domain/transitions.ts';
import {
  callable,
  choice,
  count,
  date,
  flag,
  isObject,
  isString,
  areStrings,
  ms,
  object,
  parts,
  refuseWrong,
  share,
  signal,
  text,
  texts,
  usd,
  when,
  type Check,
  type Checks,
} from './checks.ts';
import type { ResultsOptions, Run } from './run.ts';
import type { Backoff, BatchrunOptions, LimitCaps, RunChanges, SubmitOptions } from './options.ts';

export const CONCURRENCY_MAX = 1_000;
export const MAX_ATTEMPTS_MAX = 100;
const RETRY_TRUNCATED_MAX = 20;

const CHANGES: Checks<RunChanges> = {
  priority: choice(PRIORITIES),
  lane: choice(['auto', 'batch', 'realtime']),
  deadline: orNone(date),
  maxCostUsd: orNone(usd),
  budgetMode: choice(['worst', 'expected']),
  pilot: count(0, PILOT_ROWS_MAX),
  retryTruncated: count(0, RETRY_TRUNCATED_MAX),
  onSchemaError: choice(['fail', 'retry']),
};

function orNone(check: Check): Check {
  return (value) => {
    const wanted = value === 'none' ? null : check(value);
    return wanted === null ? null : `${wanted}, or 'none'`;
  };
}

function positive(check: Check, wanted: string): Check {
  return (value) => (value === 0 || check(value) !== null ? wanted : null);
}

function isCuts(value: unknown): boolean {
  return isObject(value) && Object.values(value as object).every((chars) => count(1)(chars) === null);
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
  ...{ sample: positive(share, 'a share from above 0 to below 1'), shuffle: flag, seed: count(0) },
  ...{ routes: object, cache: choice(['auto', '5m', '1h', 'off']) },
  truncate: when(isCuts, 'an object with a whole number from 1 for each column'),
  ...CHANGES,
  ...{ dedupe: flag, reuse: flag, signal, onProgress: callable },
};

export const LIMITS: Checks<LimitCaps> = {
  ...{ requests: count(1), inputTokens: count(1), outputTokens: count(1), tokens: count(1), tokensPerDay: count(1) },
};
export const BACKOFF: Checks<Backoff> = { baseMs: ms, maxMs: ms };

export const redisUrl = when(
  (value) => isString(value) && /^rediss?:\/\/./.test(value),
  'a URL with redis:// or rediss://',
);

const BATCHRUN: Checks<BatchrunOptions> = {
  state: text,
  // Whether there is a key in it is said where it is needed: `check` needs none.
  apiKey: when((value) => isString(value) || areStrings(value), 'a string or a list of strings'),
  ...{ baseUrl: text, fetch: callable, adminKey: text, signal, log: callable, logLevel: choice(LOG_LEVELS) },
  limiter: redisUrl,
  maxBatches: count(1),
  concurrency: count(1, CONCURRENCY_MAX),
  ...{ pollIntervalMs: ms, reconcileGraceMs: ms, giveUpMs: ms, retryLockMs: ms },
  ...{ backoff: parts(BACKOFF), limits: parts(LIMITS), headroom: share },
  ...{ maxQueued: count(1), batchRpm: count(1) },
};

/** Throws E_USAGE where an option is none that the engine can keep to, or the input nothing that has rows. */
export function checkSubmitOptions(input: unknown, options: SubmitOptions): void {
  refuseWrong(options, SUBMIT, NOTHING);
  if (isString(input) || isIterable(input)) return;
  throw new BatchrunError('E_USAGE', 'the input must be a path, a list of paths, or an iterable of rows', {
    hint: `${NOTHING} A promise of rows must be awaited first.`,
    details: { option: 'input' },
  });
}

function isIterable(value: unknown): boolean {
  return typeof value === 'object' && value !== null && (Symbol.iterator in value || Symbol.asyncIterator in value);
}

const RESULTS: Checks<ResultsOptions> = { only: listOf(ROW_STATES), id: text, messages: flag };
const RETRY: Checks<NonNullable<Parameters<Run['retry']>[0]>> = { only: listOf(RETRYABLE_ROW_STATES) };
const WAIT: Checks<NonNullable<Parameters<Run['wait']>[0]>> = { signal };

function listOf(words: readonly string[]): Check {
  return when(
    (value) => Array.isArray(value) && value.every((one: unknown) => words.some((word) => word === one)),
    `a list of ${words.join(', ')}`,
  );
}

/** The same for those of `run.results`, `run.retry` and `run.wait`. */
export const checkRun = {
  results: (options: unknown): void => refuseWrong(options, RESULTS, 'Nothing was read.'),
  retry: (options: unknown): void => refuseWrong(options, RETRY, 'No row is tried again.'),
  wait: (options: unknown): void => refuseWrong(options, WAIT, 'It was not waited for.'),
};

/** The same for what names a run. */
export function checkRunName(wanted: unknown): void {
  if (isString(wanted)) return;
  throw new BatchrunError('E_USAGE', 'a run is named by a string: its id, the beginning of it, its name, or `latest`', {
    hint: 'Nothing was opened.',
    details: { option: 'run' },
  });
}

/** The same for those of `run.change`. */
export function checkChanges(changes: RunChanges): void {
  refuseWrong(changes, CHANGES, 'Nothing was changed.');
}

/** The same for those of `createBatchrun`. */
export function checkBatchrunOptions(options: BatchrunOptions): void {
  refuseWrong(options, BATCHRUN, NOTHING);
}

const NOTHING = 'Nothing was read or sent.';
