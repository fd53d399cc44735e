/**
 * What may be set about a simulated API. A fault that is mistyped would never fire, and the test that was to see it would
 * pass: so names that there are not, and rates that are none, are refused.
 */
import { DEFAULT_RATES, DEFAULT_SWITCHES, type SimLimitsPart, type SimRates } from '../tools/sim/options.ts';
import { FAULT_NAMES, type FaultRates } from '../tools/sim/faults.ts';
import {
  callable,
  choice,
  count,
  flag,
  isFrom,
  isObject,
  isString,
  ms,
  object,
  parts,
  refuseWrong,
  text,
  when,
  type Check,
  type Checks,
} from './checks.ts';
import type { SimServerOptions } from './sim-options.ts';

const isRate = (value: unknown): boolean => isFrom(value, 0) && Number(value) <= 1;
const isPair = (value: unknown): boolean =>
  Array.isArray(value) && value.length === 2 && value.every((one) => isFrom(one, 0)) && value[0] <= value[1];
const areAll = (isGood: (value: unknown) => boolean) => (value: unknown) =>
  isObject(value) && Object.values(value as object).every(isGood);

const rate = when(isRate, 'a probability from 0 to 1');
const seconds = when((value) => isFrom(value, 0), 'a number of seconds from 0');
const most = when((value) => isFrom(value, 0) || value === Infinity, 'a number from 0');
const pair = when(isPair, 'a pair of numbers from 0, the smaller one first');
const spread = when((value) => isPair(value) || typeof value === 'function', 'a pair of numbers from 0, or a function');

function orNull(check: Check): Check {
  return (value) => (value === null ? null : check(value));
}

/** The same check for each of these names. */
function each<T>(names: readonly string[], check: Check): Checks<T> {
  return Object.fromEntries(names.map((name) => [name, check])) as Checks<T>;
}

const FAULTS = each<FaultRates>(FAULT_NAMES, rate);

const RATES: Checks<SimRates> = {
  ...each<SimRates>(Object.keys(DEFAULT_RATES), rate),
  errorTypes: when(
    areAll((weight) => isFrom(weight, 0)),
    'an object with a weight for each type of error',
  ),
  messageErrorRates: when(areAll(isRate), 'an object with a probability from 0 to 1 for each status'),
};

const messages = when(
  areAll((value) => most(value) === null),
  'an object with limits a minute: rpm, itpm, otpm',
);
const LIMITS: Checks<SimLimitsPart> = {
  ...{ batchRpm: most, batchQueueMax: most, batchRowsMax: most, batchBytesMax: most, batchesMax: orNull(most) },
  ...{ messageBytesMax: most, countTokensRpm: most, messages, messagesFable: messages, byClass: object },
};

const PROBLEMS = ['credit_too_low', 'spend_limit', 'usage_limit', 'on_hold', 'billing', 'permission'] as const;

const OPTIONS: Checks<SimServerOptions> = {
  seed: when((value) => isString(value) || Number.isFinite(value), 'a text or a number'),
  tier: choice(['start', 'build', 'scale']),
  limits: parts(LIMITS),
  switches: parts(
    each(
      Object.keys(DEFAULT_SWITCHES),
      when(() => true, ''),
    ),
  ),
  ...{ rates: parts(RATES), faults: parts(FAULTS) },
  ...{ keys: object, strictKeys: flag, adminKeys: object, workspaceLimits: object },
  ...{ batchDurationMs: spread, messageLatencyMs: spread, latencyMs: pair },
  ...{ cancelDurationMs: ms, expiresAfterMs: ms, archivedAfterMs: ms, listLagMs: ms },
  firstTokenShare: orNull(rate),
  ...{ pollRetryAfterSeconds: orNull(seconds), retryAfterSeconds: orNull(pair) },
  resultsOrder: choice(['shuffled', 'input']),
  answer: when((value) => value === 'echo' || typeof value === 'function', "'echo' or a function"),
  textBytes: callable,
  accountProblem: choice(PROBLEMS),
  clock: object,
  port: count(0, 65_535),
  host: text,
};

const NOTHING = 'The simulator stays as it was.';

/** Throws E_USAGE. */
export function checkSimOptions(options: SimServerOptions): void {
  refuseWrong(options, OPTIONS, 'No simulator was made.');
}

/** Each throws E_USAGE. */
export const checkSim = {
  faults: (rates: unknown): void => refuseWrong(rates, FAULTS, NOTHING),
  fault: (name: unknown): void => refuseWrong({ [String(name)]: 0 }, FAULTS, NOTHING),
  rates: (rates: unknown): void => refuseWrong(rates, RATES, NOTHING),
  limits: (limits: unknown): void => refuseWrong(limits, LIMITS, NOTHING),
  problem: (accountProblem: unknown): void =>
    refuseWrong({ accountProblem }, { accountProblem: choice(PROBLEMS) }, NOTHING),
};
