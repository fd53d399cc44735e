/**
 * The flags of a command on commander, and what they come to: flag > environment > configuration file > default. The
 * table of all flags is option-table.ts.
 */
import { Option, type Command } from 'commander';
import type { LogLevel } from '../../base/log.ts';
import type { NoticeEvent } from '../../domain/notice-events.ts';
import type { BudgetMode, OutputFormat, RetryLaneMode } from '../../domain/model.ts';
import type { TierName } from '../../domain/pacing/tiers.ts';
import type { Priority } from '../../domain/priority.ts';
import { headingOf, inGroups } from './flag-groups.ts';
import { COMMAND_FLAGS, FLAG_SPECS, type FlagName, type FlagSpec } from './option-table.ts';

/** What the flags come to after flag > environment > configuration file > default. */
export interface Flags {
  readonly state: string;
  readonly config?: string;
  readonly apiKeysEnv?: readonly string[];
  readonly json?: boolean;
  readonly jsonSchema?: boolean;
  readonly quiet?: boolean;
  readonly logLevel?: LogLevel;
  readonly logFormat: 'text' | 'json';
  readonly color: boolean;
  readonly output?: string;
  readonly format?: OutputFormat;
  readonly errors?: string;
  readonly overwrite?: boolean;
  readonly defuseFormulas: boolean;
  readonly name?: string;
  readonly again?: boolean;
  readonly limit?: number;
  /** From 0 to 1. */
  readonly sample?: number;
  readonly shuffle?: boolean;
  readonly seed?: number;
  /** Characters by column. */
  readonly truncate?: Readonly<Record<string, number>>;
  readonly routes?: string;
  readonly explainRouting?: string;
  readonly cache?: 'auto' | '5m' | '1h' | 'off';
  readonly dedupe?: boolean;
  readonly reuse?: boolean;
  readonly schema?: string;
  readonly onSchemaError?: 'fail' | 'retry';
  readonly preflight?: boolean;
  readonly pilot?: number;
  readonly profile?: string;
  readonly tier?: TierName;
  readonly models?: readonly string[];
  readonly rows?: number;
  readonly inputTokens?: number;
  readonly outputTokens?: number;
  readonly html?: string;
  readonly batchDuration?: readonly [number, number];
  readonly messageLatency?: readonly [number, number];
  readonly nights?: number;
  readonly faults?: 'none' | 'light' | 'heavy';
  readonly dryRun?: boolean;
  readonly model?: string;
  readonly maxTokens?: number;
  readonly system?: string;
  readonly systemFile?: string;
  readonly prompt?: string;
  readonly promptFile?: string;
  readonly params?: string;
  readonly betas?: readonly string[];
  readonly inputFormat?: 'jsonl' | 'csv' | 'json';
  readonly idColumn?: string;
  readonly dropUnsupported?: boolean;
  readonly onInvalid: 'fail' | 'skip';
  readonly chunkSize: number;
  readonly chunkBytes: number;
  readonly maxBatches: number;
  readonly batchRpm?: number;
  readonly maxQueued?: number;
  readonly concurrency: number;
  readonly rpm?: number;
  readonly itpm?: number;
  readonly otpm?: number;
  readonly tpm?: number;
  readonly tpd?: number;
  /** From 0 to 1. */
  readonly headroom?: number;
  readonly priority?: Priority;
  readonly deadline?: number | 'none';
  readonly realtime?: boolean;
  readonly batchOnly?: boolean;
  readonly maxCost?: number | 'none';
  readonly budgetMode?: BudgetMode;
  readonly retryTruncated?: number;
  readonly prices?: string;
  readonly maxAttempts: number;
  readonly retryLane: RetryLaneMode;
  readonly pollInterval: number;
  readonly reconcileGrace: number;
  readonly wait?: boolean;
  readonly once?: boolean;
  readonly maxWait?: number;
  readonly giveUp: number;
  readonly backoffBase: number;
  readonly backoffMax: number;
  readonly limiter?: string;
  readonly retryLock: number;
  readonly skipIfLocked?: boolean;
  readonly metricsPort?: number;
  readonly metricsFile?: string;
  readonly failIf?: string;
  readonly asCompleted?: boolean;
  readonly yes?: boolean;
  readonly confirmOver: number;
  readonly watch?: boolean;
  readonly only?: readonly string[];
  readonly row?: string;
  readonly keepLast?: number;
  readonly keepWithin?: number;
  readonly remote?: boolean;
  readonly stateOnly?: boolean;
  readonly tail?: number;
  readonly chunk?: number;
  readonly batch?: string;
  readonly notCreated?: boolean;
  readonly lost?: boolean;
  readonly input?: string;
  readonly users?: number;
  /** Users a second. */
  readonly spawnRate?: number;
  readonly thinkTime?: readonly [number, number];
  /** Arrivals a second, from and to. */
  readonly rate?: readonly [number, number];
  readonly arrivals?: 'constant' | 'poisson' | 'ramp' | 'spike' | 'steps';
  readonly turns?: number;
  readonly mix?: string;
  readonly stream?: boolean;
  readonly duration?: number;
  readonly maxRequests?: number;
  readonly timeout?: number;
  readonly target?: string;
  readonly csv?: string;
  readonly web?: boolean;
  readonly host: string;
  readonly port?: number;
  readonly notify?: string;
  readonly notifyCmd?: string;
  readonly notifyOn?: readonly NoticeEvent[];
  readonly texts?: boolean;
}

/** Puts the flags of a command on it. Their environment variables are read by settings.ts. */
export function addFlags(command: Command, name: string): void {
  for (const flag of inGroups(COMMAND_FLAGS[name] ?? [])) command.addOption(toOption(flag).helpGroup(headingOf(flag)));
}

/** Every flag of every command, for those who explain them. */
export function addAllFlags(command: Command): void {
  for (const flag of FLAG_NAMES) command.addOption(toOption(flag));
}

/** The environment variable of a flag: BATCHRUN_CHUNK_SIZE. */
export function envName(flag: FlagName): string {
  const long = /--([a-z-]+)/.exec(FLAG_SPECS[flag].flags)?.[1] ?? flag;
  return `BATCHRUN_${long.replaceAll('-', '_').toUpperCase()}`;
}

/** The long name of a flag as it is typed, without its dashes. */
export function longName(flag: FlagName): string {
  return /--([a-z-]+)/.exec(FLAG_SPECS[flag].flags)?.[1] ?? flag;
}

export const FLAG_NAMES = Object.keys(FLAG_SPECS) as readonly FlagName[];

function toOption(flag: FlagName): Option {
  const one: FlagSpec = FLAG_SPECS[flag];
  const option = new Option(one.flags, one.text);
  if (one.choices) option.choices(one.choices);
  if (one.read) option.argParser(one.read);
  if (one.default !== undefined) option.default(one.default, one.defaultText);
  return option;
}
