/**
 * The composition root of the library: puts the engine together from what a program passes in. Nothing here reads the
 * environment or writes to the terminal; where no key is passed the official SDK looks for credentials by itself.
 */
import { hostname } from 'node:os';
import { Writable } from 'node:stream';
import { readAdminLimits } from '../adapters/anthropic/admin.ts';
import { connectAnthropic } from '../adapters/anthropic/api.ts';
import { createDiskFiles } from '../adapters/disk-files.ts';
import { schemaCompiler } from '../adapters/schema/compiler.ts';
import { createFormatter, errorsLine } from '../adapters/sinks/formatter.ts';
import { createLocks } from '../adapters/sqlite/locks.ts';
import { systemClock } from '../base/clock.ts';
import { BatchrunError, messageOf } from '../base/errors.ts';
import { createLogger, maskKey, silentLogger, type Logger } from '../base/log.ts';
import { systemRng } from '../base/random.ts';
import {
  CONCURRENCY_DEFAULT,
  GIVE_UP_MS_DEFAULT,
  MAX_BATCHES_DEFAULT,
  POLL_INTERVAL_MS_DEFAULT,
  RECONCILE_GRACE_MS_DEFAULT,
} from '../domain/limits.ts';
import type { AdminLimits } from '../domain/pacing/admin-limits.ts';
import type { Limiter } from '../domain/pacing/limiter.ts';
import type { BatchApi, Files } from '../domain/ports.ts';
import type { Store } from '../domain/store.ts';
import type { DriveHolder } from '../engine/driver.ts';
import type { Engine, KeyLink, Pacing } from '../engine/engine.ts';
import { identifyKey } from '../engine/keys/identify-key.ts';
import type { EventHub } from './events.ts';
import { tell } from './guarded.ts';
import type { BatchrunOptions, LogEntry } from './options.ts';

export { hasState, openStore } from '../host/state-folder.ts';

export function createLog({ log, logLevel = 'warn' }: Pick<BatchrunOptions, 'log' | 'logLevel'>): Logger {
  if (!log) return silentLogger;
  return createLogger({
    level: logLevel,
    format: 'json',
    now: () => systemClock.now(),
    // Written and read again: what is not a value of JSON must not reach a program's log in one case and not in another.
    write: (line) => tell(log, JSON.parse(line) as LogEntry),
  });
}

export interface EngineOf {
  readonly stateFolder: string;
  readonly store: Store;
  readonly log: Logger;
  readonly hub: EventHub;
  readonly signal: AbortSignal;
  /** Nothing that is written is to stay. */
  readonly passing?: boolean;
}

export function createEngine({ stateFolder, store, log, hub, signal, passing = false }: EngineOf): Engine {
  const files = createDiskFiles(stateFolder, { passing });
  return {
    store,
    files,
    locks: createLocks(stateFolder),
    clock: systemClock,
    rng: systemRng,
    log,
    formats: { formatter: createFormatter, errorsLine },
    schemas: schemaCompiler,
    openOutput: (path) => files.create(path),
    emit: hub.emit,
    signal,
  };
}

/** The way to the API and what is known of the account. */
export interface Account {
  readonly api: BatchApi;
  readonly baseUrl: string;
  readonly keys: readonly KeyLink[] | null;
  /** Of the first key, where the API was asked for it. */
  readonly admin: AdminLimits | null;
}

export interface AccountOf {
  readonly options: BatchrunOptions;
  readonly files: Files;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** Throws E_CREDENTIALS where there is no key. Of several keys each is asked whose it is; for one nothing is sent. */
export async function openAccount({ options, files, log, signal }: AccountOf): Promise<Account> {
  const { apiKey, baseUrl, adminKey, limiter } = options;
  const given = typeof apiKey === 'string' ? [apiKey] : [...new Set(apiKey ?? [])];
  if (given.some((key) => key === '') || (apiKey !== undefined && given.length === 0)) {
    throw new BatchrunError('E_CREDENTIALS', '`apiKey` holds no key', {
      hint: 'Pass a key or several, or leave `apiKey` out: then the official SDK looks for credentials.',
    });
  }
  const parts = {
    ...{ files, clock: systemClock, stderr: toLog(log) },
    ...(baseUrl === undefined ? {} : { baseURL: baseUrl }),
    ...(options.fetch === undefined ? {} : { fetch: options.fetch }),
  };
  const links = [];
  for (const key of given) links.push(await connectAnthropic({ ...parts, apiKey: key }));
  const first = links[0] ?? (await connectAnthropic(parts));
  const all = links.length === 0 ? [first] : links;
  const isAsked = all.length > 1 || limiter !== undefined || adminKey !== undefined;
  const asked = all.map(({ api, credential }) => identifyKey({ api, label: maskKey(credential) }, signal));
  const keys = isAsked ? await Promise.all(asked) : null;
  for (const key of keys ?? []) {
    if (key.refused) log.warn('key.aside', { key: key.label, cause: key.refused.message });
  }
  const admin =
    adminKey === undefined
      ? null
      : await adminLimits({ adminKey, baseUrl: first.baseUrl, workspace: first.api.workspace, log, signal });
  return { api: first.api, baseUrl: first.baseUrl, keys, admin };
}

/** None of it stops the work: what the Admin API does not tell is learnt from answers. */
async function adminLimits(of: {
  readonly adminKey: string;
  readonly baseUrl: string;
  readonly workspace: string;
  readonly log: Logger;
  readonly signal: AbortSignal;
}): Promise<AdminLimits | null> {
  const { adminKey, baseUrl: baseURL, workspace, signal } = of;
  try {
    return await readAdminLimits({ adminKey, baseURL, workspace, clock: systemClock, signal });
  } catch (error) {
    of.log.warn('limits.not_told', { cause: messageOf(error) });
    return null;
  }
}

/** Its client takes a while to load: only where it is asked for. */
export async function connectLimiter(url: string, log: Logger): Promise<Limiter> {
  const { connectRedisLimiter } = await import('../adapters/redis/limiter.ts');
  return connectRedisLimiter(url, {
    clock: systemClock,
    rng: systemRng,
    onMode: (mode, cause) => {
      if (mode === 'shared') log.info('limiter.shared');
      else log.warn('limiter.alone', { cause: cause ?? 'Redis cannot be used' });
    },
  });
}

export function pacingOf(options: BatchrunOptions): Pacing {
  const { limits = {}, backoff, headroom, maxQueued, batchRpm } = options;
  const { requests, inputTokens: input, outputTokens: output, tokens, tokensPerDay: day } = limits;
  const caps = Object.entries({ requests, input, output, tokens, day }).filter(([, cap]) => cap !== undefined);
  return {
    maxBatches: options.maxBatches ?? MAX_BATCHES_DEFAULT,
    concurrency: options.concurrency ?? CONCURRENCY_DEFAULT,
    pollIntervalMs: options.pollIntervalMs ?? POLL_INTERVAL_MS_DEFAULT,
    // A run that another call of this process has made ready is taken up as fast as this.
    idleLookMs: 1_000,
    reconcileGraceMs: options.reconcileGraceMs ?? RECONCILE_GRACE_MS_DEFAULT,
    giveUpMs: options.giveUpMs ?? GIVE_UP_MS_DEFAULT,
    caps: Object.fromEntries(caps),
    ...(backoff === undefined ? {} : { backoff }),
    ...(headroom === undefined ? {} : { headroom }),
    ...(maxQueued === undefined ? {} : { maxQueued }),
    ...(batchRpm === undefined ? {} : { batchRpm }),
  };
}

/** The workspace as a header names it, or null where the key alone decides. */
export function workspaceHeader({ workspace }: BatchApi): string | null {
  return workspace.startsWith('key_') ? null : workspace;
}

export function thisProcess(): DriveHolder {
  return { pid: process.pid, host: hostname(), command: 'a program with the batchrun library' };
}

/** The SDK's own warnings. */
function toLog(log: Logger): Writable {
  return new Writable({
    decodeStrings: false,
    write: (text: string, _encoding, done) => {
      log.warn('sdk.said', { text: text.trimEnd() });
      done();
    },
  });
}
