/**
 * Looks at a state folder again and again: the one model behind `status --watch` and the page of `serve`. It only reads.
 * A look costs a question where nothing was written since the last one, and milliseconds where something was, whatever
 * the size of the runs: counters are kept by the ledger, and only runs that have changed are viewed anew.
 */
import type { Clock } from '../../base/clock.ts';
import type { RunRecord } from '../../domain/model.ts';
import type { DriverRecord, PoolRecord } from '../../domain/store-steps.ts';
import type { Store } from '../../domain/store.ts';
import { viewLimits, type LimitsView } from '../../engine/views/limits-view.ts';
import { viewRun, type RunView } from '../../engine/views/status.ts';
import { History } from './history.ts';
import { paceOf } from './pace.ts';
import { totalsOf } from './past.ts';
import { viewEvent, type EventView, type PaceView, type ProgressView } from './view.ts';

/** What of the ledger a look needs. */
export type ProgressLedger = Parameters<typeof viewRun>[0] &
  Pick<Store, 'runs' | 'driver' | 'pools'> & {
    /** Changes whenever another process writes; where it is missing, every look reads. */
    readonly version?: () => Promise<number>;
  };

export interface ProgressOptions {
  readonly clock: Clock;
  /** Is this process still there? Where it was killed it could not let go. */
  readonly isDriving: (driver: DriverRecord) => boolean;
  /** Which runs are shown; all unless told. */
  readonly select?: (runs: readonly RunRecord[]) => readonly RunRecord[];
  /** So many of the last events. */
  readonly events?: number;
}

interface Seen {
  readonly signature: string;
  readonly view: RunView;
  /** Not viewed again before this (monotonic). */
  readonly restsUntilMs: number;
}

interface Read {
  readonly version: number | null;
  readonly runs: readonly RunView[];
  readonly hidden: number;
  readonly driver: DriverRecord | null;
  readonly pools: readonly PoolRecord[];
  readonly events: readonly EventView[];
  /** A run rests: what is shown of it is a little old. */
  readonly isStale: boolean;
}

const EVENTS_SHOWN = 20;
/** What a view takes is at most this share of the time: one with a million failures takes longer than a moment. */
const REST_FACTOR = 20;
const REST_FROM_MS = 25;
/** Without a write, everything is read again after so long: batches are seen without an event. */
const REREAD_MS = 30_000;

export class Progress {
  readonly #ledger: ProgressLedger;
  readonly #options: ProgressOptions;
  readonly #seen = new Map<string, Seen>();
  readonly #histories = new Map<string, History>();
  #last: Read | undefined;
  #lastAtMs = -Infinity;

  constructor(ledger: ProgressLedger, options: ProgressOptions) {
    this.#ledger = ledger;
    this.#options = options;
  }

  async read(): Promise<ProgressView> {
    const { clock, isDriving } = this.#options;
    const nowMs = clock.now();
    const { runs, hidden, driver, pools, events } = await this.#current();
    const limits = viewLimits(pools, nowMs);
    const driving = driver !== null && isDriving(driver) ? driver : null;
    return {
      at: new Date(nowMs).toISOString(),
      runs,
      hidden_runs: hidden,
      driver: driving && {
        pid: driving.pid,
        host: driving.host,
        command: driving.command,
        since: new Date(driving.sinceMs).toISOString(),
      },
      limits,
      events,
      pace: this.#paces(runs, limits, nowMs),
    };
  }

  /** What was seen of a run since the first look. */
  history(runId: string): History {
    let history = this.#histories.get(runId);
    if (!history) {
      history = new History();
      this.#histories.set(runId, history);
    }
    return history;
  }

  async #current(): Promise<Read> {
    const { clock } = this.#options;
    const version = this.#ledger.version ? await this.#ledger.version() : null;
    const last = this.#last;
    const isSame = last !== undefined && version !== null && last.version === version && !last.isStale;
    if (isSame && clock.monotonicMs() - this.#lastAtMs < REREAD_MS) return last;
    // Read after the version: what is written meanwhile is met by the next look.
    const read = await this.#readAll(version);
    this.#last = read;
    this.#lastAtMs = clock.monotonicMs();
    return read;
  }

  async #readAll(version: number | null): Promise<Read> {
    const { select, events: count = EVENTS_SHOWN } = this.#options;
    const all = await this.#ledger.runs();
    const records = select ? select(all) : all;
    const runs: RunView[] = [];
    let isStale = false;
    for (const record of records) {
      const seen = await this.#view(record);
      isStale ||= seen.isStale;
      runs.push(seen.view);
    }
    this.#forget(new Set(records.map((run) => run.id)));
    const events = await this.#ledger.events(null, { limit: count, newest: true });
    return {
      version,
      runs: this.#last && isSameList(this.#last.runs, runs) ? this.#last.runs : runs,
      hidden: all.length - records.length,
      driver: await this.#ledger.driver(),
      pools: await this.#ledger.pools(),
      events: events.map(viewEvent),
      isStale,
    };
  }

  async #view(record: RunRecord): Promise<{ readonly view: RunView; readonly isStale: boolean }> {
    const { clock } = this.#options;
    const known = this.#seen.get(record.id);
    const signature = JSON.stringify([record, await this.#lastEvent(record), await this.#openBatches(record)]);
    if (known?.signature === signature) return { view: known.view, isStale: false };
    const startMs = clock.monotonicMs();
    if (known && startMs < known.restsUntilMs && record.state === known.view.state)
      return { view: known.view, isStale: true };
    const view = await viewRun(this.#ledger, record);
    const tookMs = clock.monotonicMs() - startMs;
    const restsUntilMs = tookMs > REST_FROM_MS ? startMs + tookMs * REST_FACTOR : 0;
    this.#seen.set(record.id, { signature, view, restsUntilMs });
    return { view, isStale: false };
  }

  /** Every move of a run leaves an event; of one that is done nothing moves. */
  async #lastEvent({ id, state }: RunRecord): Promise<number> {
    if (state === 'done') return 0;
    const [last] = await this.#ledger.events(id, { limit: 1, newest: true });
    return last?.id ?? 0;
  }

  /** How batches stand is seen without an event. */
  async #openBatches({ id, state }: RunRecord): Promise<readonly string[]> {
    if (state === 'done') return [];
    const batches = await this.#ledger.batches(id, { chunkStates: ['submitted', 'ended'] });
    return batches.map((batch) => `${batch.id}:${batch.status}`);
  }

  #forget(kept: ReadonlySet<string>): void {
    for (const id of this.#seen.keys()) if (!kept.has(id)) this.#seen.delete(id);
    for (const id of this.#histories.keys()) if (!kept.has(id)) this.#histories.delete(id);
  }

  #paces(runs: readonly RunView[], limits: readonly LimitsView[], nowMs: number): Record<string, PaceView> {
    const refused = limits.reduce((sum, pool) => sum + pool.use.last_minute.refused, 0);
    const shares = limits.flatMap((pool) => pool.limits.flatMap(({ share }) => share ?? []));
    const limitShare = shares.length === 0 ? null : Math.max(...shares);
    const paces: Record<string, PaceView> = {};
    for (const run of runs) {
      const totals = totalsOf(run);
      const isDone = run.state === 'done';
      // Of a run that is done only its end is news.
      if (isDone && this.#histories.get(run.id)?.isBehind(totals) !== true) continue;
      const history = this.history(run.id);
      history.add({ atMs: nowMs, ...totals, refused, limitShare, rebuilt: false });
      if (!isDone) paces[run.id] = paceOf(run, history, nowMs);
    }
    return paces;
  }
}

function isSameList(a: readonly RunView[], b: readonly RunView[]): boolean {
  return a.length === b.length && a.every((run, at) => run === b[at]);
}
