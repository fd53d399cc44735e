/**
 * `status --watch`: the whole screen where there is one, else a line each time something has changed; with --json an
 * object a line. It ends when all runs are done, with their status as it is without --watch.
 */
import { systemClock } from '../../base/clock.ts';
import { BatchrunError } from '../../base/errors.ts';
import { formatCount, formatUsd, plural } from '../../base/units.ts';
import type { RunRecord } from '../../domain/model.ts';
import type { DriverRecord } from '../../domain/store-steps.ts';
import type { RunView } from '../../engine/views/status.ts';
import { rebuildPast } from '../../tools/progress/past.ts';
import { Progress } from '../../tools/progress/progress.ts';
import type { ProgressView } from '../../tools/progress/view.ts';
import type { Context, LedgerReading } from '../context.ts';
import { EXIT } from '../drive/outcome.ts';
import { selectRun } from '../drive/select-run.ts';
import { withState } from '../help/state-hints.ts';
import { clean } from './width.ts';
import { watchOnScreen, type ScreenHost } from './watch-screen.ts';

export interface WatchParts {
  readonly context: Context;
  readonly store: LedgerReading;
  readonly wanted: string | undefined;
  /** Which runs are shown where none is named. */
  readonly relevant: (runs: readonly RunRecord[]) => readonly RunRecord[];
  readonly isDriving: (driver: DriverRecord) => boolean;
  /** The status as it is without --watch. */
  readonly rendered: () => Promise<string>;
}

const LOOK_INTERVAL_MS = 1_000;
const INTERRUPTED = 130;
/** Those of single rows follow close on each other, and are put together. */
const EVENTS_READ = 200;

export async function watch(parts: WatchParts): Promise<number> {
  const { context, store, wanted, rendered } = parts;
  const { flags, terminal } = context;
  if (flags.json === true) return watchAsJson(parts);
  const one = wanted === undefined ? null : await selectRun(store, wanted, context.stateFolder);
  const look = async (): Promise<ProgressView> => {
    refuseGone(parts);
    return completed(await progress.read(), flags.state);
  };
  const progress = new Progress(store, {
    clock: systemClock,
    isDriving: parts.isDriving,
    select: (runs) => (one === null ? parts.relevant(runs) : runs.filter((run) => run.id === one.id)),
    events: EVENTS_READ,
  });
  const isScreen = process.stdout.isTTY && process.env['TERM'] !== 'dumb' && flags.quiet !== true;
  if (!isScreen) return watchAsLines(parts, look);
  await recall(store, progress);
  const end = await watchOnScreen({
    read: look,
    input: process.stdin,
    output: process.stdout,
    host: HOST,
    clock: systemClock,
    signal: context.signal,
    color: terminal.dataColor,
    symbols: terminal.symbols,
    frame: { stateFolder: flags.state, driveCommand: driveCommand(flags.state), timeText: localTime },
  });
  if (end === 'over') await terminal.text(await rendered());
  return end === 'interrupted' ? INTERRUPTED : EXIT.ok;
}

/** The pace of late is known at once, from the events before anybody looked. */
async function recall(store: LedgerReading, progress: Progress): Promise<void> {
  const { runs } = await progress.read();
  for (const run of runs) {
    if (run.state !== 'done') progress.history(run.id).prepend(await rebuildPast(store, run));
  }
}

/** The screen is written past what completes all other texts. */
function completed(view: ProgressView, state: string): ProgressView {
  const runs = view.runs.map((run) => {
    const blocked = run.blocked.map((block) => ({ ...block, hint: withState(block.hint, state) }));
    return blocked.length === 0 ? run : { ...run, blocked };
  });
  return { ...view, runs };
}

/** A state that was deleted is still open here: it would be shown as it was, for ever. */
function refuseGone({ store, context: { stateFolder } }: WatchParts): void {
  if (store.isThere()) return;
  throw new BatchrunError('E_RUN_UNKNOWN', `the state in ${stateFolder} was deleted while it was looked at`);
}

async function watchAsJson(parts: WatchParts): Promise<number> {
  const { context, store, wanted, rendered } = parts;
  const { terminal, signal, stateFolder } = context;
  for (let shown = ''; !signal.aborted && !terminal.unread;) {
    refuseGone(parts);
    const text = await rendered();
    if (text !== shown) await terminal.data(text);
    shown = text;
    const runs = wanted === undefined ? await store.runs() : [await selectRun(store, wanted, stateFolder)];
    if (runs.every((run) => run.state === 'done')) break;
    await systemClock.sleep(LOOK_INTERVAL_MS, signal);
  }
  return EXIT.ok;
}

/** The status, then a line for each change of a run, then the status again. */
async function watchAsLines({ context, rendered }: WatchParts, look: () => Promise<ProgressView>): Promise<number> {
  const { terminal, signal, flags } = context;
  const told = new Map<string, string>();
  let isFirst = true;
  while (!signal.aborted && !terminal.unread) {
    const view = await look();
    const isOver = view.runs.every((run) => run.state === 'done');
    const lines = view.runs.flatMap((run) => {
      const line = changeLine(run);
      const isNews = told.get(run.id) !== line;
      told.set(run.id, line);
      return isNews && !isFirst ? [`${view.at.slice(0, 19)}Z  ${line}\n`] : [];
    });
    if (flags.quiet !== true) await terminal.text(lines.join(''));
    if (isOver || (isFirst && flags.quiet !== true)) await terminal.text(await rendered());
    if (isOver) break;
    isFirst = false;
    await systemClock.sleep(LOOK_INTERVAL_MS, signal);
  }
  return EXIT.ok;
}

/** Nothing that changes by itself with time. */
function changeLine(run: RunView): string {
  const rows = (state: string): number => run.rows[state] ?? 0;
  const rest = rows('failed') + rows('expired') + rows('canceled') + rows('invalid');
  const open = run.batches.filter(({ status }) => status !== 'ended').length;
  const { spent } = run.cost_usd;
  const parts = [
    `${formatCount(rows('succeeded'))} of ${plural(rows('total'), 'row')} succeeded`,
    rest > 0 ? `${formatCount(rest)} did not` : '',
    rows('in_batch') > 0 ? `${formatCount(rows('in_batch'))} in ${plural(open, 'batch', 'batches')}` : '',
    rows('retry') + rows('in_realtime') > 0 ? `${formatCount(rows('retry') + rows('in_realtime'))} tried again` : '',
    rows('waiting') > 0 ? `${formatCount(rows('waiting'))} waiting` : '',
    spent === null || spent === 0 ? '' : formatUsd(spent),
    ...run.blocked.map((block) => `blocked: ${clean(block.message)}`),
  ];
  return `${clean(run.name ?? run.id)}  ${run.state}: ${parts.filter((part) => part !== '').join(', ')}`;
}

function driveCommand(state: string): string {
  return withState('`batchrun collect`', state).replaceAll('`', '');
}

/** `14:05`, with the day where it is another one than today; with seconds for what is over. */
function localTime(ms: number, seconds = false): string {
  const date = new Date(ms);
  const two = (value: number): string => String(value).padStart(2, '0');
  const time = `${two(date.getHours())}:${two(date.getMinutes())}`;
  if (seconds) return `${time}:${two(date.getSeconds())}`;
  const isToday = date.toDateString() === new Date(systemClock.now()).toDateString();
  return isToday ? time : `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${time}`;
}

const HOST: ScreenHost = {
  onExit: (listener) => {
    process.on('exit', listener);
    return () => process.off('exit', listener);
  },
  onContinue: (listener) => {
    process.on('SIGCONT', listener);
    return () => process.off('SIGCONT', listener);
  },
  stop: () => {
    // The signal of Ctrl-Z: in raw mode the terminal does not send it.
    // eslint-disable-next-line no-restricted-properties
    process.kill(process.pid, 'SIGTSTP');
  },
};
