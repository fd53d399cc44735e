/**
 * Shows what the engine does, on stderr: a live line on a terminal, a line every so often when not. It only listens; the
 * engine never waits for it.
 *
 * The API tells nothing about a batch before it has ended, so progress counts finished rows, and the estimate says where
 * it comes from.
 */
import type { Clock } from '../../base/clock.ts';
import { formatBytes, formatCount, formatDuration, plural } from '../../base/units.ts';
import type { RowCounts, RunRecord } from '../../domain/model.ts';
import type { EngineEvent } from '../../engine/events.ts';
import { outageText } from '../../engine/outage/outage-text.ts';
import { finishedRows } from '../../engine/views/status.ts';
import type { Store } from '../../domain/store.ts';
import type { Terminal } from './terminal.ts';
import { cacheEventText } from '../render/cache-text.ts';
import { deadlineText } from '../render/deadline-text.ts';
import { fitted, plain, shortCount, type LinePart } from './fitted-line.ts';
import { bar, createPaint, type Paint } from './ui.ts';

export interface ProgressOptions {
  readonly terminal: Terminal;
  readonly clock: Clock;
  readonly quiet: boolean;
  /** For how long an API that cannot be reached is tried. */
  readonly giveUpMs?: number;
}

/** Between two lines where nobody looks: enough for a log, little enough for a mail. */
const LINE_INTERVAL_MS = 30_000;
const LIVE_INTERVAL_MS = 100;
const RETRIES_TOLD_MAX = 20; // told one by one; the log has them all

/** How many rows of these runs are where; what is nowhere is not said. */
export function rowParts(runs: readonly Pick<RunRecord, 'rows'>[], { green, yellow, red }: Paint): LinePart[] {
  const of = (...states: (keyof RowCounts)[]): number =>
    runs.reduce((sum, { rows }) => sum + states.reduce((all, state) => all + rows[state], 0), 0);
  const part = (count: number, text: string, rank: number, paint = plain): LinePart => {
    return { text: count === 0 ? '' : `${formatCount(count)} ${text}`, rank, paint };
  };
  return [
    part(of('succeeded'), 'ok', 5, green),
    part(of('failed', 'invalid'), 'failed', 2, red),
    part(of('expired'), 'expired', 2, red),
    part(of('canceled'), 'canceled', 2, yellow),
    part(of('retry', 'in_realtime'), 'retry', 3, yellow),
    part(of('in_batch'), 'in batches', 6),
    part(of('waiting'), 'waiting', 7),
  ];
}

export class Progress {
  readonly #options: ProgressOptions;
  readonly #paint: Paint;
  readonly #startMs: number;
  #store: Store | undefined;
  #runIds: readonly string[] = [];
  #doneBefore = 0;
  #tokensBefore = 0;
  #lastShownMs = -Infinity;
  #retriesTold = 0;
  #showing = false;

  constructor(options: ProgressOptions) {
    this.#options = options;
    this.#paint = createPaint(options.terminal.color);
    this.#startMs = options.clock.monotonicMs();
  }

  /** From now on the state of these runs is shown. */
  async follow(store: Store, runIds: readonly string[]): Promise<void> {
    this.#store = store;
    this.#runIds = runIds;
    const { done, tokens } = await this.#sums();
    this.#doneBefore = done;
    this.#tokensBefore = tokens;
  }

  readonly emit = (event: EngineEvent): void => {
    if (this.#options.quiet) return;
    const line = this.#lineOf(event);
    if (line !== null) this.#options.terminal.talk(line);
    this.#state(event);
  };

  /** Takes the live line away. */
  stop(): void {
    this.#store = undefined;
    this.#options.terminal.line('');
  }

  /** Is it time for another line? */
  #due(): boolean {
    const nowMs = this.#options.clock.monotonicMs();
    const interval = this.#options.terminal.live ? LIVE_INTERVAL_MS : LINE_INTERVAL_MS;
    if (this.#lastShownMs === -Infinity && !this.#options.terminal.live) this.#lastShownMs = this.#startMs;
    if (nowMs - this.#lastShownMs < interval) return false;
    this.#lastShownMs = nowMs;
    return true;
  }

  #state(event: EngineEvent): void {
    if (event.kind === 'ingest.progress') {
      if (!this.#due()) return;
      const share = event.totalBytes ? ` ${Math.floor((event.readBytes / event.totalBytes) * 100)} %` : '';
      this.#show(`reading${share}  ${plural(event.rows, 'row')}  ${formatBytes(event.readBytes)}`);
    } else if (event.kind === 'collect.progress') {
      if (this.#options.terminal.live) {
        this.#show(
          `fetching chunk ${event.chunkNo}: ${formatCount(event.lines)} of ${formatCount(event.rows)} results`,
        );
      }
    } else if (event.kind === 'output.progress') {
      if (this.#options.terminal.live)
        this.#show(`writing: ${formatCount(event.lines)} of ${formatCount(event.rows)} lines`);
    } else if (['changed', 'waiting', 'rows.settled', 'chunk.collected', 'upload.done'].includes(event.kind)) {
      if (this.#store && !this.#showing && this.#due()) void this.#showRuns();
    }
  }

  #show(text: string): void {
    const { terminal } = this.#options;
    if (terminal.live) terminal.line(text);
    else terminal.talk(text);
  }

  /** Reads the ledger for the line. What goes wrong here must not stop the work: the next line tries again. */
  async #showRuns(): Promise<void> {
    this.#showing = true;
    try {
      const text = await this.#runsLine();
      if (this.#store) this.#show(text);
    } catch {
      // The engine meets the same ledger and reports what is wrong with it.
    } finally {
      this.#showing = false;
    }
  }

  async #runsLine(): Promise<string> {
    const { runs, done, tokens } = await this.#sums();
    const total = runs.reduce((sum, run) => sum + run.totalRows, 0);
    const elapsedMs = this.#options.clock.monotonicMs() - this.#startMs;
    const minutes = Math.max(elapsedMs / 60_000, 1 / 60);
    const line: LinePart[] = [
      { text: `${this.#bar(done, total)} ${formatCount(done)}/${formatCount(total)}`, rank: 0 },
      ...rowParts(runs, this.#paint),
      { text: `${shortCount((done - this.#doneBefore) / minutes)} rows/min`, rank: 4 },
      { text: `${shortCount((tokens - this.#tokensBefore) / minutes)} tokens/min`, rank: 8 },
      { text: formatDuration(elapsedMs), rank: 1 },
      { text: await this.#eta(runs), rank: 1 },
    ];
    return fitted(line, this.#options.terminal.live ? this.#options.terminal.columns - 1 : Infinity);
  }

  async #sums(): Promise<{ runs: readonly RunRecord[]; done: number; tokens: number }> {
    const runs: RunRecord[] = [];
    let tokens = 0;
    for (const runId of this.#runIds) {
      const run = await this.#store?.run(runId);
      if (!run) continue;
      runs.push(run);
      for (const entry of (await this.#store?.usage(runId)) ?? []) tokens += entry.inputTokens + entry.outputTokens;
    }
    return { runs, done: runs.reduce((sum, run) => sum + finishedRows(run), 0), tokens };
  }

  #bar(done: number, total: number): string {
    const share = total === 0 ? 1 : done / total;
    const percent = `${Math.floor(share * 100)}%`.padStart(4);
    if (!this.#options.terminal.live) return percent;
    return `${bar(share, 12, this.#options.terminal.symbols)}${percent}`;
  }

  /** From how long earlier batches took; the API itself says nothing before the end. */
  async #eta(runs: readonly RunRecord[]): Promise<string> {
    const first = runs.find((run) => run.state !== 'done');
    if (!first || !this.#store) return '';
    const history = await this.#store.batchHistory(first.origin, 20);
    if (history.length === 0) return 'ETA unknown until a batch ends';
    const typical = [...history].sort((a, b) => a.tookMs - b.tookMs)[Math.floor(history.length / 2)]?.tookMs ?? 0;
    const open = runs.flatMap((run) => (run.rows.in_batch > 0 ? [run] : []));
    if (open.length === 0) return '';
    const batches = await this.#store.batches(first.id);
    const oldest = Math.min(...batches.filter((batch) => batch.status !== 'ended').map((batch) => batch.createdAtMs));
    if (!Number.isFinite(oldest)) return '';
    const leftMs = oldest + typical - this.#options.clock.now();
    if (leftMs <= 0) return 'ETA any moment';
    const source = this.#options.terminal.live ? '' : ` (earlier batches took ${formatDuration(typical)})`;
    return `ETA ~${formatDuration(leftMs)}${source}`;
  }

  #lineOf(event: EngineEvent): string | null {
    const { yellow, dim } = this.#paint;
    switch (event.kind) {
      case 'upload.done':
        return dim(`chunk ${event.chunkNo}: batch ${event.batchId} with ${plural(event.rows, 'row')}`);
      case 'upload.waits':
        return yellow(
          `chunk ${event.chunkNo} was not accepted (${event.cause}): again in ${formatDuration(event.waitMs)} at the earliest`,
        );
      case 'upload.uncertain':
        return yellow(
          `chunk ${event.chunkNo}: no clear answer (${event.cause}). A batch may have been made: it is looked for, nothing is sent twice`,
        );
      case 'chunk.split':
        return yellow(`chunk ${event.chunkNo} was refused (${event.cause}): it is cut into smaller ones`);
      case 'reconcile.found':
        return `chunk ${event.chunkNo}: batch ${event.batchId} was made after all and is used`;
      case 'reconcile.not_made':
        return `chunk ${event.chunkNo}: surely no batch was made`;
      case 'chunk.lost':
        return yellow(`the results of chunk ${event.chunkNo} are gone: ${plural(event.rows, 'row')} failed`);
      case 'batch.disproved':
        return yellow(`batch ${event.batchId} is not the one of chunk ${event.chunkNo}: it is in doubt again`);
      case 'batch.ended':
        return dim(
          `batch ${event.batchId} ended${event.tookMs === null ? '' : ` after ${formatDuration(event.tookMs)}`}`,
        );
      case 'batch.canceled':
        return `batch ${event.batchId} is being canceled; what it has finished is collected`;
      case 'batch.hurried':
        return `batch ${event.batchId} would be late: it is stopped, and of its ${plural(event.rows, 'row')} those that it has not answered are called one by one`;
      case 'chunk.released':
        return dim(`chunk ${event.chunkNo}: ${plural(event.rows, 'row')} are called one by one`);
      case 'pilot.passed':
        return `the pilot (${plural(event.rows, 'row')} at most) is answered and nothing of it was refused: the rest goes`;
      case 'deadline.late':
        return event.lateRows === 0 && !event.missed ? deadlineText(event) : yellow(deadlineText(event));
      case 'collect.refetch':
        return yellow(
          `results of chunk ${event.chunkNo} were not usable (${event.cause}): fetched again in ${formatDuration(event.waitMs)} at the earliest`,
        );
      case 'retry.chunk':
        return `chunk ${event.chunkNo}: another try for ${plural(event.rows, 'row')}`;
      case 'retry.scheduled':
        return this.#retryLine(event);
      case 'lane.limited':
        return yellow(limitedText(event));
      case 'lane.paused':
        return yellow(`the realtime lane waits until ${new Date(event.untilMs).toISOString()} (${event.cause})`);
      case 'api.unreachable':
      case 'api.errors': {
        const kind = event.kind === 'api.errors' ? 'errors' : 'silent';
        const { giveUpMs } = this.#options;
        const how = kind === 'silent' && giveUpMs !== undefined ? ` for up to ${formatDuration(giveUpMs)}` : '';
        return yellow(`${outageText({ ...event, kind })}; it is tried again${how}`);
      }
      case 'api.answers':
        return 'the API answers again';
      case 'key.aside':
        return yellow(`set aside: ${event.message}\n  ${event.hint}`);
      case 'blocked':
        return yellow(`blocked: ${event.message}\n  ${event.hint}`);
      default:
        return cacheEventText(event, this.#paint);
    }
  }

  #retryLine(event: Extract<EngineEvent, { kind: 'retry.scheduled' }>): string | null {
    this.#retriesTold++;
    if (this.#retriesTold === RETRIES_TOLD_MAX + 1)
      return this.#paint.dim('further retries are counted only; `batchrun log` has them');
    if (this.#retriesTold > RETRIES_TOLD_MAX) return null;
    const text = `row ${event.seq}: attempt ${event.attempt} of ${event.maxAttempts} failed (${event.cause}); again in ${formatDuration(event.waitMs)} at the earliest`;
    return this.#paint.dim(text);
  }
}

/** Which limit holds the realtime lane up; `<organization>|<class>` is for machines. */
function limitedText({ untilMs, pool, bucket }: Extract<EngineEvent, { kind: 'lane.limited' }>): string {
  const rateClass = pool.slice(pool.lastIndexOf('|') + 1);
  const what =
    bucket === 'paused' ? 'the API asks to wait' : `its limit of ${BUCKET_WORDS[bucket] ?? bucket} is used up`;
  return `the realtime lane waits for ${rateClass} until ${new Date(untilMs).toISOString()}: ${what} (\`batchrun limits\`)`;
}

const BUCKET_WORDS: Readonly<Record<string, string>> = {
  requests: 'requests a minute',
  input: 'input tokens a minute',
  output: 'output tokens a minute',
  tokens: 'tokens a minute',
  day: 'tokens a day',
};
