/**
 * The flags of a load test as its settings. What contradicts itself is refused, and so is what nothing bounds.
 */
import { BatchrunError } from '../../base/errors.ts';
import { SEED_DEFAULT } from '../../domain/row/draw.ts';
import { arrivalPlan, countArrivals } from '../../tools/loadtest/arrivals.ts';
import type { MixEntry } from '../../tools/loadtest/mix.ts';
import { arrivalRng } from '../../tools/loadtest/session.ts';
import { IN_FLIGHT_MAX, type ClosedLoad, type LoadSettings, type OpenLoad } from '../../tools/loadtest/settings.ts';
import { needsStream, parseThresholds, type Condition } from '../../tools/loadtest/thresholds.ts';
import type { Flags } from '../flags/options.ts';

const USERS_DEFAULT = 10;
const DURATION_MS_DEFAULT = 60_000;
const DURATION_MS_MAX = 86_400_000;
const TIMEOUT_MS_DEFAULT = 120_000;
/** No longer than the histograms (tools/loadtest/histogram.ts): what took longer could not be told from it. */
const TIMEOUT_MS_MAX = 3_600_000;
/** Nothing is sent without a bound, not even to the simulator. */
const REQUESTS_MAX = 1_000_000;

export type Where =
  | { readonly kind: 'sim' }
  /** Null: where the environment says. */
  | { readonly kind: 'api'; readonly baseUrl: string | null };

export function whereOf({ target = 'sim', tier, messageLatency }: Flags): Where {
  if (target === 'sim') return { kind: 'sim' };
  const of = tier !== undefined ? '--tier' : messageLatency === undefined ? null : '--message-latency';
  if (of !== null)
    throw usage(`${of} is about the simulator, and --target is ${target === 'api' ? 'the API' : 'a URL'}`);
  if (target === 'api') return { kind: 'api', baseUrl: null };
  if (/^https?:\/\/[^/?#]/.test(target) && URL.canParse(target)) {
    refuseUser(new URL(target), '--target');
    return { kind: 'api', baseUrl: target.replace(/\/+$/, '') };
  }
  throw usage('--target is none of sim, api, or a URL that begins with http:// or https://');
}

/** It would not be sent, and stand in the report and on the page. Not quoted: it is a password. */
export function refuseUser({ username, password }: URL, of: string): void {
  if (username === '' && password === '') return;
  throw usage(
    `${of} has a name or a password in its address, which is not sent`,
    'Leave out what stands before the @. A header is sent with ANTHROPIC_CUSTOM_HEADERS, a key with ANTHROPIC_API_KEY.',
  );
}

/** Throws E_USAGE before anything is sent. */
export function conditionsOf({ failIf, stream }: Flags): readonly Condition[] {
  if (failIf === undefined) return [];
  const conditions = parseThresholds(failIf);
  const streamed = conditions.find(needsStream);
  if (streamed && stream !== true) {
    throw usage(`"${streamed.text}" of --fail-if needs answers that are streamed`, 'Add --stream.');
  }
  return conditions;
}

export interface SettingParts {
  readonly where: Where;
  readonly entries: readonly MixEntry[];
  /** The base URL, or `sim`. */
  readonly target: string;
}

export function settingsOf(flags: Flags, { where, entries, target }: SettingParts): LoadSettings {
  const durationMs = flags.duration ?? DURATION_MS_DEFAULT;
  if (!(durationMs > 0 && durationMs <= DURATION_MS_MAX))
    throw usage('--duration must be more than nothing and at most a day');
  const timeoutMs = flags.timeout ?? TIMEOUT_MS_DEFAULT;
  if (!(timeoutMs > 0 && timeoutMs <= TIMEOUT_MS_MAX))
    throw usage('--timeout must be more than nothing and at most an hour');
  const load = flags.rate === undefined ? closedLoad(flags) : openLoad(flags, flags.rate, durationMs);
  const seed = flags.seed ?? SEED_DEFAULT;
  const maxCostUsd = flags.maxCost === undefined || flags.maxCost === 'none' ? null : flags.maxCost;
  return {
    ...{ target, entries, load, durationMs, timeoutMs, seed, maxCostUsd },
    thinkMs: flags.thinkTime ?? [0, 0],
    stream: flags.stream === true,
    maxRequests: requestsMax(flags, { load, seed, entries, charged: where.kind === 'api' }),
    failIf: flags.failIf ?? null,
  };
}

function closedLoad({ users = USERS_DEFAULT, spawnRate, arrivals }: Flags): ClosedLoad {
  if (arrivals !== undefined) throw usage('--arrivals says how --rate arrives, and there is no --rate');
  return { kind: 'closed', users: Math.min(users, IN_FLIGHT_MAX), spawnPerSecond: spawnRate ?? null };
}

function openLoad(flags: Flags, rate: readonly [number, number], durationMs: number): OpenLoad {
  const shape = flags.arrivals ?? 'poisson';
  const [from, to] = rate;
  if (flags.users !== undefined || flags.spawnRate !== undefined) {
    throw usage(
      '--users and --rate cannot both be given: users wait for their answers, arrivals do not',
      'Leave one of them out.',
    );
  }
  const changes = shape === 'ramp' || shape === 'spike' || shape === 'steps';
  if (changes && from === to) {
    throw usage(`--arrivals ${shape} needs two rates`, 'Write for example --rate 1/s-50/s.');
  }
  if (!changes && from !== to) {
    throw usage(
      `--rate has two rates, and arrivals that are ${shape} have one`,
      'Add --arrivals ramp, spike or steps.',
    );
  }
  if (shape === 'steps' && from > to) throw usage('--arrivals steps goes up: the first of two rates is the lower one');
  return { kind: 'open', shape, rate, plan: arrivalPlan({ shape, rate, durationMs }) };
}

interface Bounded {
  readonly load: ClosedLoad | OpenLoad;
  readonly seed: number;
  readonly entries: readonly MixEntry[];
  readonly charged: boolean;
}

function requestsMax({ maxRequests, maxCost }: Flags, { load, seed, entries, charged }: Bounded): number {
  const given = Math.min(maxRequests ?? REQUESTS_MAX, REQUESTS_MAX);
  if (load.kind === 'open') {
    const turns = Math.max(...entries.map((entry) => entry.turns));
    const planned = countArrivals(load.plan, arrivalRng(seed), REQUESTS_MAX + 1) * turns;
    if (planned > REQUESTS_MAX && maxRequests === undefined) {
      throw usage(
        `this rate comes to more than ${REQUESTS_MAX} requests`,
        'Give less --rate or --duration, or bound it with --max-requests.',
      );
    }
    // On the simulator the live page may raise the rate; where it costs money the plan is what was agreed to.
    return charged ? Math.min(given, planned) : given;
  }
  const bounded = maxRequests !== undefined || (maxCost !== undefined && maxCost !== 'none');
  if (charged && !bounded) {
    throw usage(
      'users ask as often as they are answered: nothing bounds what this may cost',
      'Add --max-requests or --max-cost.',
    );
  }
  return given;
}

function usage(message: string, hint?: string): BatchrunError {
  return new BatchrunError('E_USAGE', message, hint === undefined ? {} : { hint });
}
