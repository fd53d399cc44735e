/**
 * The flags of `batchrun sim`, apart from its work: every help needs them, and nobody else needs the simulator.
 */
import { InvalidArgumentError, Option, type Command } from 'commander';
import { parseDurationMs } from '../../base/units.ts';
import { FAULTS, type FaultName, type FaultRates } from '../../tools/sim/faults.ts';
import type { AccountProblem } from '../../tools/sim/options.ts';

export interface SimFlags {
  readonly port: number;
  readonly host: string;
  readonly seed: string;
  readonly tier: 'start' | 'build' | 'scale';
  readonly batchDuration: readonly [number, number];
  readonly messageLatency: readonly [number, number];
  readonly errorRate: number;
  readonly expireRate: number;
  readonly schemaErrorRate: number;
  readonly maxBatches?: number;
  readonly queue?: number;
  readonly rpm?: number;
  readonly itpm?: number;
  readonly otpm?: number;
  readonly tpm?: number;
  readonly tpd?: number;
  readonly batchRpm?: number;
  readonly burst?: number;
  readonly ramp?: number;
  readonly rateHeaders: 'anthropic' | 'proxy' | 'none';
  readonly batchRateHeaders: boolean;
  readonly key: Readonly<Record<string, KeyOwner>>;
  readonly adminKey: Readonly<Record<string, KeyOwner>>;
  readonly strictKeys: boolean;
  readonly accountProblem?: AccountProblem;
  readonly listLag: number;
  readonly faults: FaultRates;
  readonly retryAfter: number;
}

/** Whose a key is, as far as it was said. */
export interface KeyOwner {
  readonly organization?: string;
  readonly workspace?: string;
}

export function addSimFlags(command: Command): void {
  command
    .addOption(new Option('--port <n>', 'the port; 0 takes a free one').argParser(whole).default(8787))
    .addOption(new Option('--host <address>', 'the address to listen on').default('127.0.0.1'))
    .addOption(new Option('--seed <seed>', 'the same seed gives the same fates').default('1'))
    .addOption(new Option('--tier <tier>', 'whose limits').choices(['start', 'build', 'scale']).default('start'))
    .addOption(
      new Option('--batch-duration <range>', 'how long a batch takes, for example 5s-20s')
        .argParser(range)
        .default([10_000, 30_000], '10s-30s'),
    )
    .addOption(
      new Option('--message-latency <range>', 'how long a message takes')
        .argParser(range)
        .default([300, 1_500], '300ms-1500ms'),
    )
    .addOption(new Option('--error-rate <share>', 'share of rows that end errored, 0 to 1').argParser(share).default(0))
    .addOption(new Option('--expire-rate <share>', 'share of rows that expire, 0 to 1').argParser(share).default(0))
    .addOption(
      new Option('--schema-error-rate <share>', 'share of answers that do not follow the schema asked for, 0 to 1')
        .argParser(share)
        .default(0),
    )
    .addOption(
      new Option('--retry-after <duration>', 'what a look at a batch under way asks to wait')
        .argParser(durationMs)
        .default(10_000, '10s'),
    )
    .addOption(new Option('--max-batches <n>', 'batches that may be open at once').argParser(whole))
    .addOption(new Option('--queue <n>', 'requests that may be queued').argParser(whole))
    .addOption(
      new Option('--list-lag <duration>', 'how late a new batch shows in the list under the fault list.lag')
        .argParser(durationMs)
        .default(30_000, '30s'),
    )
    .addOption(
      new Option(
        '--faults <list>',
        'faults with their rates: create.reset_after=0.1,results.cut_line=0.2; or some, many',
      )
        .argParser(faults)
        .default({}, 'none'),
    );
  addLimitFlags(command);
}

function addLimitFlags(command: Command): void {
  command
    .addOption(new Option('--rpm <n>', 'messages a minute, for each class of models').argParser(whole))
    .addOption(new Option('--itpm <n>', 'tokens of input a minute, for each class of models').argParser(whole))
    .addOption(new Option('--otpm <n>', 'tokens of output a minute, for each class of models').argParser(whole))
    .addOption(new Option('--tpm <n>', 'tokens of both a minute, for each class of models').argParser(whole))
    .addOption(new Option('--tpd <n>', 'tokens of both a day, for each class of models').argParser(whole))
    .addOption(new Option('--batch-rpm <n>', 'calls a minute, over all batch endpoints').argParser(whole))
    .addOption(
      new Option('--burst <duration>', 'limits hold in steps of so long, not of a minute').argParser(durationMs),
    )
    .addOption(new Option('--ramp <factor>', 'calls of a minute may grow by this factor at most').argParser(factor))
    .addOption(
      new Option('--rate-headers <style>', 'how answers tell of limits')
        .choices(['anthropic', 'proxy', 'none'])
        .default('anthropic'),
    )
    .addOption(new Option('--batch-rate-headers', 'batch endpoints tell of limits too').default(false))
    .addOption(
      new Option('--key <key=organization>', 'a key and whose it is, with /workspace if you like; repeatable')
        .argParser(keys)
        .default({}, 'every key, of one organization'),
    )
    .addOption(
      new Option('--admin-key <key=organization>', 'a key of the Admin API and whose limits it shows; repeatable')
        .argParser(keys)
        .default({}, 'none'),
    )
    .addOption(new Option('--strict-keys', 'refuse keys that are not given with --key').default(false))
    .addOption(
      new Option(
        '--account-problem <kind>',
        'what is wrong with the account: every create and message is refused',
      ).choices(ACCOUNT_PROBLEMS),
    );
}

const ACCOUNT_PROBLEMS: readonly AccountProblem[] = [
  'credit_too_low',
  'spend_limit',
  'usage_limit',
  'on_hold',
  'billing',
  'permission',
];

/** What goes wrong on an ordinary bad day, for --faults some; the demo uses it too. */
export const SOME_FAULTS: FaultRates = {
  'create.reset_after': 0.05,
  'create.500_before': 0.05,
  'list.503': 0.05,
  'retrieve.404': 0.05,
  'results.cut_line': 0.1,
  'results.404': 0.1,
  'message.529': 0.05,
};

const MANY_FAULTS: FaultRates = {
  ...SOME_FAULTS,
  'create.504_after': 0.1,
  'create.garbage_answer': 0.05,
  'create.429': 0.1,
  'list.lag': 0.2,
  'results.cut_inside': 0.1,
  'results.duplicate_line': 0.1,
  'results.reset': 0.1,
  'message.reset': 0.05,
  'message.429': 0.1,
  'message.500': 0.05,
};

function faults(text: string): FaultRates {
  if (text === 'none') return {};
  if (text === 'some') return SOME_FAULTS;
  if (text === 'many') return MANY_FAULTS;
  const rates: Partial<Record<FaultName, number>> = {};
  for (const part of text.split(',')) {
    const [name = '', rate = '1'] = part.split('=').map((piece) => piece.trim());
    if (!(name in FAULTS))
      throw new InvalidArgumentError(`There is no fault "${name}"; there are ${Object.keys(FAULTS).join(', ')}.`);
    rates[name as FaultName] = share(rate);
  }
  return rates;
}

function keys(text: string, before: Readonly<Record<string, KeyOwner>>): Readonly<Record<string, KeyOwner>> {
  const [, key, organization, workspace] = /^([^=/]+)(?:=([^=/]+)(?:\/([^=/]+))?)?$/.exec(text) ?? [];
  if (key === undefined) {
    throw new InvalidArgumentError('It must be a key and whose it is: sk-1=org-a or sk-1=org-a/wrkspc_1.');
  }
  const owner = organization === undefined ? {} : { organization };
  return { ...before, [key]: workspace === undefined ? owner : { ...owner, workspace } };
}

function factor(text: string): number {
  const value = Number(text);
  if (!(value > 1 && Number.isFinite(value))) throw new InvalidArgumentError('It must be a number over 1, such as 2.');
  return value;
}

function range(text: string): [number, number] {
  const [from = '', to = from] = text.split('-');
  return [durationMs(from), durationMs(to)];
}

function durationMs(text: string): number {
  const ms = parseDurationMs(text);
  if (ms === undefined) throw new InvalidArgumentError('It must be a duration such as 200ms, 30s or 10m.');
  return ms;
}

function share(text: string): number {
  const value = Number(text);
  if (!(value >= 0 && value <= 1)) throw new InvalidArgumentError('It must be a share from 0 to 1.');
  return value;
}

function whole(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError('It must be a whole number.');
  return value;
}
