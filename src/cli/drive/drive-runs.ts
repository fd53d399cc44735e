/**
 * What `collect`, `run`, `submit --wait`, `cancel` and `retry` share: drive runs, show how it goes, say at the end what
 * came of it, and give the exit code.
 */
import { systemClock } from '../../base/clock.ts';
import { BatchrunError, isBatchrunError } from '../../base/errors.ts';
import { formatDuration, plural } from '../../base/units.ts';
import type { RunRecord } from '../../domain/model.ts';
import { OUTAGE_TOLD_AFTER_MS } from '../../domain/notices.ts';
import type { Store } from '../../domain/store.ts';
import { AsCompleted } from '../../engine/output/as-completed.ts';
import type { ApiEngine } from '../../engine/engine.ts';
import type { EngineEvent } from '../../engine/events.ts';
import type { OutageWords } from '../../engine/outage/outage-text.ts';
import { drive, type DriveEnd, type DriveRequest } from '../../engine/runner.ts';
import { viewRun, type RunView } from '../../engine/views/status.ts';
import { openAccount } from './account.ts';
import { connectApi, createEngine, holderOf, withApi, type ApiLink, type Context } from '../context.ts';
import { leftRunText } from './left-runs.ts';
import { NO_METRICS, startMetrics } from './metrics.ts';
import { startNotify } from './notify.ts';
import { EXIT, exitOfRun, gravest } from './outcome.ts';
import { stoppedText } from './stopped-text.ts';
import { tellEnd } from './tell-end.ts';
import { shellQuote } from '../../base/shell.ts';
import { createTelling } from '../terminal/telling.ts';
import { ThreadProver } from './prove-results.ts';
import { batchLines, batchText } from '../render/run-text.ts';
import { jsonText } from '../terminal/ui.ts';

export interface DriveOptions {
  readonly command: string;
  /** Null: every unfinished run. */
  readonly runIds: readonly string[] | null;
  readonly once: boolean;
  readonly link?: ApiLink;
}

/** Drives to the end (or one pass) and reports. Gives the exit code. */
export async function driveAndReport(context: Context, store: Store, options: DriveOptions): Promise<number> {
  const { flags, terminal } = context;
  const progress = createTelling(context);
  const link = options.link ?? (await connectApi(context));
  const account = await openAccount(context, link);
  const notify = await startNotify(context, store, options.command);
  let metrics = NO_METRICS;
  const limited = withTimeLimit(context, flags.maxWait);
  let outage: OutageWords | null = null;
  const fetched = new Set<string>();
  const emit = (event: EngineEvent): void => {
    if (event.kind === 'api.unreachable') outage = { ...event, kind: 'silent' };
    if (event.kind === 'api.errors') outage = { ...event, kind: 'errors' };
    if (event.kind === 'api.answers') outage = null;
    if (event.kind === 'chunk.collected') fetched.add(event.runId);
    metrics.observe(event);
    notify.observe(event);
    progress.emit(event);
  };
  const prover = new ThreadProver();
  const engine = {
    ...withApi(await createEngine({ ...context, signal: limited.signal }, { store, emit }), link, flags, account),
    prover,
  };
  let driven: readonly string[] = options.runIds ?? [];
  try {
    const end = await drive(engine, {
      ...driveRequest(context, engine, options),
      onDriving: async (runIds) => {
        driven = runIds;
        notify.begin(runIds);
        // Not before it is the driver: the one that drives may have the port.
        metrics = await startMetrics(context, store, link.api.origin);
        await opening(context, store, runIds);
        await progress.follow(store, runIds);
      },
    });
    progress.stop();
    notify.ended(end, EXIT.notFinished);
    return await report(context, { store, engine, end, runIds: driven, outage, fetched, command: options.command });
  } catch (error) {
    progress.stop();
    if (!isBatchrunError(error, 'E_API_UNREACHABLE')) notify.failed(error);
    if (flags.skipIfLocked === true && isBatchrunError(error, 'E_LOCKED')) {
      if (flags.quiet !== true) terminal.talk(`${error.message}: ${await leftText(store, options)}`);
      if (flags.json === true) await terminal.data(jsonText({ runs: [] }));
      return EXIT.ok;
    }
    throw isBatchrunError(error, 'E_LOCKED') ? await lockedOut(error, store, options) : error;
  } finally {
    limited.clear();
    await account.close();
    await prover.rest();
    await metrics.stop();
    await notify.finish();
  }
}

/** What becomes of the rows where another process drives. */
async function leftText(store: Store, { runIds }: DriveOptions): Promise<string> {
  const texts: string[] = [];
  for (const runId of runIds ?? []) {
    const run = await store.run(runId);
    if (run) texts.push(await leftRunText(store, run));
  }
  return texts.length === 0 ? 'nothing to do here' : texts.join('; ');
}

/**
 * `run` and `submit --wait` have made their run before they were turned away: nobody must believe that nothing was made,
 * and submit the rows once more under another name.
 */
async function lockedOut(error: BatchrunError, store: Store, options: DriveOptions): Promise<BatchrunError> {
  if ((options.command !== 'run' && options.command !== 'submit') || options.runIds === null) return error;
  return new BatchrunError('E_LOCKED', `${error.message}; ${await leftText(store, options)}`, {
    cause: error,
    details: error.details,
    hint: 'Run the same command again later: it goes on with that run. With --retry-lock 10m it waits here, with --skip-if-locked it ends with 0.',
  });
}

function driveRequest(context: Context, engine: ApiEngine, options: DriveOptions): DriveRequest {
  const { flags, terminal } = context;
  return {
    runIds: options.runIds,
    // A job of every night: what an earlier one has paid for must not be deleted because it was cut short.
    beside: options.command === 'run',
    goal: 'finish',
    once: options.once,
    holder: holderOf(options.command),
    retryLockMs: flags.retryLock,
    asCompleted: flags.asCompleted === true ? new AsCompleted(engine, (text) => terminal.data(text)) : null,
  };
}

/** A run belongs to the base URL that it was submitted to: at another one its batches are not there. */
export function assertOrigin(run: RunRecord, link: ApiLink): void {
  if (run.origin === link.api.origin) return;
  throw originError(run, link);
}

export function originError(run: RunRecord, { api }: ApiLink): BatchrunError {
  const giveUp = `ANTHROPIC_BASE_URL=${shellQuote(run.origin)} batchrun cancel ${run.id}`;
  return new BatchrunError('E_ORIGIN', `${run.id} was submitted to ${run.origin}; the base URL is ${api.origin} now`, {
    hint: `Set ANTHROPIC_BASE_URL to what it was when the run was submitted, or use another --state folder. Where the old address was a mistake, this gives the run up: \`${giveUp}\``,
  });
}

/** A signal that also comes when --max-wait is over. */
function withTimeLimit(context: Context, maxWaitMs: number | undefined): { signal: AbortSignal; clear: () => void } {
  if (maxWaitMs === undefined) return { signal: context.signal, clear: () => undefined };
  const limit = new AbortController();
  const over = new AbortController();
  void systemClock.sleep(maxWaitMs, over.signal).then(() => {
    if (!over.signal.aborted) limit.abort();
  });
  return { signal: AbortSignal.any([context.signal, limit.signal]), clear: () => over.abort() };
}

/** Before the wait: what is waited for, and that it is safe to go. */
async function opening(context: Context, store: Store, runIds: readonly string[]): Promise<void> {
  if (context.flags.quiet === true) return;
  for (const runId of runIds) {
    const run = await store.run(runId);
    if (!run || run.state === 'done') continue;
    const view = await viewRun(store, run);
    const name = view.name === null ? '' : ` "${view.name}"`;
    context.terminal.talk(
      `${run.id}${name}: ${plural(run.totalRows, 'row')}, ${plural(view.chunks['total'] ?? 0, 'chunk')}`,
    );
    const waiting = batchText(view, { nowMs: systemClock.now() });
    if (waiting !== '') context.terminal.talk(waiting);
    for (const line of batchLines(view, systemClock.now())) context.terminal.talk(line);
  }
  if (runIds.length > 0) context.terminal.talk('Safe to stop with Ctrl-C at any time: `batchrun collect` goes on.');
}

interface Report {
  readonly store: Store;
  readonly engine: ApiEngine;
  readonly end: DriveEnd;
  readonly runIds: readonly string[];
  /** The API did not answer any more when the driving ended, or with errors only; null where it did. */
  readonly outage: OutageWords | null;
  /** Runs whose results have come, others than these among them. */
  readonly fetched: ReadonlySet<string>;
  readonly command: string;
}

async function report(
  context: Context,
  { store, engine, end, runIds, outage, fetched, command }: Report,
): Promise<number> {
  const { flags, terminal } = context;
  const runs: RunRecord[] = [];
  const views: RunView[] = [];
  for (const runId of runIds) {
    const run = await store.run(runId);
    if (!run) continue;
    runs.push(run);
    views.push(await viewRun(store, run));
  }
  const codes = runs.map((run) => {
    const code = exitOfRun(run, flags.failIf);
    // Canceled rows are what was asked for.
    return command === 'cancel' && code === EXIT.rowsFailed && flags.failIf === undefined ? EXIT.ok : code;
  });
  if (flags.json === true) await terminal.data(jsonText({ runs: views }));
  if (views.length === 0 && flags.quiet !== true && flags.json !== true) {
    terminal.talk('Nothing to do: there is no unfinished run.');
  }
  views.forEach((view, at) => tellEnd(context, view, codes[at] ?? EXIT.ok));
  if (end !== 'stopped') await tellLeft(context, store, { runIds, fetched });
  if (end === 'unreachable' && flags.json !== true) throw unreachableError(engine.pacing.giveUpMs, outage);
  // Cut short while nobody answered: exit 4 would look like work that goes on well.
  const isCut = end === 'once' || (end === 'stopped' && !context.signal.aborted);
  const isSlip = flags.quiet === true && outage !== null && isShort(outage);
  const code = gravest(codes);
  // What a person must do is graver than an API that is not there.
  const isGraver = code === EXIT.blocked || code === EXIT.unexpected;
  if (isCut && outage !== null && !isSlip && !isGraver && flags.json !== true) throw outageError(outage);
  if (end === 'stopped' && flags.quiet !== true) terminal.talk(stoppedText(views));
  return code;
}

/** Runs that this command was not asked for and nobody drives now: else a night that was cut short is never collected. */
async function tellLeft(
  { terminal }: Context,
  store: Store,
  { runIds, fetched }: Pick<Report, 'runIds' | 'fetched'>,
): Promise<void> {
  const left = (await store.runs()).filter((run) => run.state !== 'done' && !runIds.includes(run.id));
  if (left.length === 0) return;
  const names = left.slice(0, 3).map(({ id, name }) => (name === null ? id : `${id} "${name}"`));
  const more = left.length > names.length ? ', …' : '';
  const isFetched = left.some(({ id }) => fetched.has(id));
  const beside = isFetched ? ' Results that were ready were fetched, nothing was sent and no output is written.' : '';
  terminal.talk(
    `Left alone: ${plural(left.length, 'unfinished run')} (${names.join(', ')}${more}).${beside} To bring them to their end: batchrun collect`,
  );
}

/** E_API_UNREACHABLE: the work goes on with the next command. */
function unreachableError(giveUpMs: number, outage: OutageWords | null): BatchrunError {
  const forLong = formatDuration(giveUpMs);
  const isErrors = outage?.kind === 'errors';
  const what = isErrors
    ? `the API could not be used for ${forLong} (${outage.cause})`
    : `the API could not be reached for ${forLong}`;
  return new BatchrunError('E_API_UNREACHABLE', what);
}

/** One error of a busy API is no reason for a mail: the next job of the same minute finds it gone. */
function isShort({ kind, sinceMs }: OutageWords): boolean {
  return kind === 'errors' && systemClock.now() - sinceMs < OUTAGE_TOLD_AFTER_MS;
}

function outageError({ kind, cause, sinceMs }: OutageWords): BatchrunError {
  if (kind === 'silent') return new BatchrunError('E_API_UNREACHABLE', `the API did not answer (${cause})`);
  const since = new Date(sinceMs).toISOString();
  return new BatchrunError('E_API_UNREACHABLE', `the API answers with errors since ${since} (${cause})`, {
    hint: 'Nothing is lost, and what is under way goes on there. Run the command again later: the work goes on.',
  });
}
