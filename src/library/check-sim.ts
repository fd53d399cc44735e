/**
 * What may be set about a simulated API. A fault that is mistyped would never fire, and the test that was to see it would
 * pass: so names that there are not, and rates that are none, are refused.
 */
import {
  DEFAULT_RATES,
  DEFAULT_SWITCHES,
  type SimKey,
  type SimLimitsPart,
  type SimRates,
} from '../tools/sim/options.ts';
import { MODELS, type MessageLimits } from '../tools/sim/catalogue.ts';
import { FAULT_NAMES, type FaultRates } from '../tools/sim/faults.ts';
import {
  callable,
  choice,
  count,
  flag,
  isFrom,
  isObject,
  isString,
  object,
  parts,
  refuseWrong,
  text,
  texts,
  when,
  type Check,
  type Checks,
} from './checks.ts';
import type { SimServerOptions } from './sim-options.ts';

const DATED_MS_MAX = 1e15;

const isRate = (value: unknown): boolean => isFrom(value, 0) && Number(value) <= 1;
/** Infinity is what never comes: an answer, the end of a batch, a limit. */
const isLong = (value: unknown): boolean => isFrom(value, 0) || value === Infinity;
const isPair = (isGood: (value: unknown) => boolean, value: unknown): boolean =>
  Array.isArray(value) && value.length === 2 && value.every(isGood) && value[0] <= value[1];
const areAll = (isGood: (value: unknown) => boolean) => (value: unknown) =>
  isObject(value) && Object.values(value as object).every(isGood);

const rate = when(isRate, 'a probability from 0 to 1');
const seconds = when((value) => isFrom(value, 0), 'a number of seconds from 0');
const most = when(isLong, 'a number from 0');
const long = when(isLong, 'a number of milliseconds from 0, or Infinity');
/** The simulator tells the date at which it ends: Infinity gives none. */
const dated = when(
  (value) => isFrom(value, 0) && Number(value) <= DATED_MS_MAX,
  'a number of milliseconds from 0 to 1e15',
);
const secondsPair = when(
  (value) => isPair((one) => isFrom(one, 0), value),
  'a pair of numbers from 0, the smaller one first',
);
const pair = when((value) => isPair(isLong, value), 'a pair of numbers from 0, the smaller one first');
const spread = when(
  (value) => isPair(isLong, value) || typeof value === 'function',
  'a pair of numbers from 0, or a function',
);

function orNull(check: Check): Check {
  return (value) => (value === null ? null : check(value));
}

/** The same check for each of these names. */
function each<T>(names: readonly string[], check: Check): Checks<T> {
  return Object.fromEntries(names.map((name) => [name, check])) as Checks<T>;
}

/** An object of any names, which are not repeated: keys are among them. */
function allOf(check: Check): Check {
  return (value) => {
    if (!isObject(value)) return 'an object';
    const wanted = Object.values(value as object)
      .map(check)
      .find((one) => one !== null);
    return wanted === undefined ? null : `an object of which each value is ${wanted}`;
  };
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

const messages = parts<MessageLimits>({ rpm: most, itpm: most, otpm: most, tpm: most, tpd: most });
const byClass = parts(each([...new Set(MODELS.map(({ rateClass }) => rateClass))], messages));
const LIMITS: Checks<SimLimitsPart> = {
  ...{ batchRpm: most, batchQueueMax: most, batchRowsMax: most, batchBytesMax: most, batchesMax: orNull(most) },
  ...{ messageBytesMax: most, countTokensRpm: most, messages, messagesFable: messages, byClass },
};

const PROBLEMS = ['credit_too_low', 'spend_limit', 'usage_limit', 'on_hold', 'billing', 'permission'] as const;

const KEY: Checks<SimKey> = {
  ...{ workspace: text, organization: text, workspaces: texts },
  ...{ limits: parts(LIMITS), accountProblem: choice(PROBLEMS) },
};

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
  ...{ keys: allOf(parts(KEY)), strictKeys: flag, adminKeys: allOf(text), workspaceLimits: allOf(byClass) },
  ...{ batchDurationMs: spread, messageLatencyMs: spread, latencyMs: pair },
  ...{ cancelDurationMs: long, expiresAfterMs: dated, archivedAfterMs: long, listLagMs: long },
  firstTokenShare: orNull(rate),
  ...{ pollRetryAfterSeconds: orNull(seconds), retryAfterSeconds: orNull(secondsPair) },
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
