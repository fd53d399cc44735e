/**
 * The composition root of the command line: names adapters and puts an engine together, with the machine's clock and
 * chance, and with the API where a command needs it (the SDK is loaded only then). The state folder is opened by
 * host/state-folder.ts, for the library as well.
 */
import { isBatchrunError } from '../base/errors.ts';
import { hostname } from 'node:os';
import { resolve } from 'node:path';
import { systemClock } from '../base/clock.ts';
import { createLogger, type Logger, type LogLevel } from '../base/log.ts';
import type { writeMetrics } from '../adapters/metrics/file.ts';
import type { toPrometheus } from '../adapters/metrics/prometheus.ts';
import type { serveMetrics } from '../adapters/metrics/server.ts';
import { schemaCompiler } from '../adapters/schema/compiler.ts';
import type { RehearsalParts } from '../adapters/rehearsal.ts';
import type { AdminLimits } from '../domain/pacing/admin-limits.ts';
import type { Limiter } from '../domain/pacing/limiter.ts';
import type { RowSource } from '../domain/source.ts';
import type { FileWriter } from '../domain/ports.ts';
import type { RunRecord } from '../domain/model.ts';
import type { Store } from '../domain/store.ts';
import type { DriveHolder } from '../engine/driver.ts';
import type { ApiEngine, Engine, KeyLink } from '../engine/engine.ts';
import type { EngineEvent } from '../engine/events.ts';
import { native } from '../host/state-folder.ts';
import type { ApiLink } from './drive/api-link.ts';
import type { Flags } from './flags/options.ts';
import { pacingOf } from './flags/pacing.ts';
import type { Terminal } from './terminal/terminal.ts';

export { schemaCompiler };
export { hasState, openReading, openStore, probeSqlite, type LedgerReading } from '../host/state-folder.ts';
export type { ApiLink };

export interface Context {
  readonly flags: Flags;
  readonly terminal: Terminal;
  readonly signal: AbortSignal;
  readonly stateFolder: string;
  readonly log: Logger;
}

export function stateFolderOf(flags: Pick<Flags, 'state'>): string {
  return resolve(flags.state);
}

/** JSON lines are for machines, and hold the progress too: from info on. */
function levelOf({ quiet, logLevel, logFormat }: Flags): LogLevel {
  if (quiet === true) return 'error';
  return logLevel ?? (logFormat === 'json' ? 'info' : 'warn');
}

export function createLog(flags: Flags, terminal: Terminal): Logger {
  return createLogger({
    level: levelOf(flags),
    format: flags.logFormat,
    now: () => systemClock.now(),
    write: (line) => terminal.log(line),
  });
}

export interface EngineParts {
  readonly store: Store;
  readonly emit: (event: EngineEvent) => void;
  /** Nothing that is written is to stay: a plan reads the input as submit does and throws it away. */
  readonly passing?: boolean;
}

export async function createEngine(context: Context, parts: EngineParts): Promise<Engine> {
  const { createLocks } = await import('../adapters/sqlite/locks.ts');
  const { systemRng } = await import('../base/random.ts');
  const { createFormatter, errorsLine } = await import('../adapters/sinks/formatter.ts');
  const { createDiskFiles } = await import('../adapters/disk-files.ts');
  const files = createDiskFiles(context.stateFolder, { passing: parts.passing === true });
  return {
    store: parts.store,
    files,
    locks: createLocks(context.stateFolder),
    clock: systemClock,
    rng: systemRng,
    log: context.log,
    formats: { formatter: createFormatter, errorsLine },
    schemas: schemaCompiler,
    openOutput: (path) => (path === '-' ? Promise.resolve(stdoutWriter(context.terminal)) : files.create(path)),
    emit: parts.emit,
    signal: context.signal,
  };
}

export interface MetricsParts {
  readonly toPrometheus: typeof toPrometheus;
  readonly serveMetrics: typeof serveMetrics;
  readonly writeMetrics: typeof writeMetrics;
}

/** Prometheus text and its ways out. prom-client takes 27 ms to load: only where it is asked for. */
export async function loadMetrics(): Promise<MetricsParts> {
  const [text, server, file] = await Promise.all([
    import('../adapters/metrics/prometheus.ts'),
    import('../adapters/metrics/server.ts'),
    import('../adapters/metrics/file.ts'),
  ]);
  return { ...text, ...server, ...file };
}

/**
 * Credentials and base URL as the SDK finds them, or the keys of a pool. Nothing is sent for one key; of several each is
 * asked whose it is, and what they come to is said. `runs`: an address that they were made at is taken as it is.
 */
export async function connectApi(context: Context, runs: readonly RunRecord[] = []): Promise<ApiLink> {
  const link = await findCredentials(context, runs);
  if (!link.pool) return link;
  const { identifyKeys } = await import('./drive/key-pool.ts');
  const { keys, lines } = await identifyKeys(link.pool, context.signal);
  if (context.flags.quiet !== true) for (const line of lines) context.terminal.talk(line);
  return { ...link, keys };
}

/** The same without a call: nobody knows yet whose the keys are. */
export async function findCredentials(context: Context, runs: readonly RunRecord[] = []): Promise<ApiLink> {
  const { connectAnthropic } = await import('../adapters/anthropic/api.ts');
  const { createDiskFiles } = await import('../adapters/disk-files.ts');
  const { poolKeys } = await import('./drive/key-pool.ts');
  const knownOrigins = runs.map((run) => run.origin);
  const files = createDiskFiles(context.stateFolder);
  const parts = { files, clock: systemClock, stderr: process.stderr, knownOrigins };
  const pool: ApiLink[] = [];
  for (const apiKey of poolKeys(context.flags.apiKeysEnv, process.env))
    pool.push(await connectAnthropic({ ...parts, apiKey }));
  const [first, ...others] = pool;
  if (!first) return connectAnthropic(parts);
  return others.length === 0 ? first : { ...first, pool };
}

/** Null where there are none: what sends nothing can do without. */
export async function findCredentialsIfAny(context: Context): Promise<ApiLink | null> {
  try {
    return await findCredentials(context);
  } catch (error) {
    if (isBatchrunError(error, 'E_CREDENTIALS')) return null;
    throw error;
  }
}

/** Limits that are shared through a server. Its client takes a while to load: only where it is asked for. */
export async function connectLimiter(
  url: string,
  onMode: (mode: 'shared' | 'alone', cause: string | null) => void,
): Promise<Limiter> {
  const { connectRedisLimiter } = await import('../adapters/redis/limiter.ts');
  const { systemRng } = await import('../base/random.ts');
  return connectRedisLimiter(url, { clock: systemClock, rng: systemRng, onMode });
}

/** The limits of the account as the Admin API tells them. */
export async function readLimits(adminKey: string, link: ApiLink, signal: AbortSignal): Promise<AdminLimits> {
  const { readAdminLimits } = await import('../adapters/anthropic/admin.ts');
  const { baseUrl: baseURL, api } = link;
  return readAdminLimits({ adminKey, baseURL, workspace: api.workspace, clock: systemClock, signal });
}

/** A ledger, files and a client that live in memory only. */
export async function createRehearsal(): Promise<RehearsalParts> {
  return (await native(import('../adapters/rehearsal.ts'))).createRehearsalParts();
}

/** What an engine needs to know of the account; closed when the driving is over. */
export interface Account {
  readonly keys: readonly KeyLink[];
  readonly limiter: Limiter | null;
  readonly admin: AdminLimits | null;
  close(): Promise<void>;
}

export function withApi(engine: Engine, link: ApiLink, flags: Flags, account?: Account): ApiEngine {
  const keys = account?.keys ?? link.keys;
  return {
    ...engine,
    api: link.api,
    ...(keys ? { keys } : {}),
    ...(account?.limiter ? { limiter: account.limiter } : {}),
    ...(account?.admin ? { admin: account.admin } : {}),
    pacing: pacingOf(flags),
  };
}

/** The workspace as a header names it, or null where the key alone decides. */
export function workspaceHeader(link: ApiLink): string | null {
  return link.api.workspace.startsWith('key_') ? null : link.api.workspace;
}

export async function openInput(inputs: readonly string[], flags: Flags): Promise<RowSource> {
  const { openSource } = await import('../adapters/sources/open-source.ts');
  return openSource(inputs, {
    stdin: process.stdin,
    ...(flags.inputFormat === undefined ? {} : { format: flags.inputFormat }),
  });
}

export function holderOf(command: string): DriveHolder {
  return { pid: process.pid, host: hostname(), command: `batchrun ${command}` };
}

export function systemNow(): number {
  return systemClock.now();
}

/** For outputs: stdout as a file that is committed when everything has been taken. */
function stdoutWriter(terminal: Terminal): FileWriter {
  let bytes = 0;
  return {
    get bytes() {
      return bytes;
    },
    write: async (data) => {
      bytes += data.byteLength;
      await terminal.data(data);
    },
    commit: () => Promise.resolve(),
    abort: () => Promise.resolve(),
  };
}
