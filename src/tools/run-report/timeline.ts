/**
 * The course of a run from its events, in memory that does not grow with them: how many rows were done by when, how many
 * were at the API, when nothing could move, and what went wrong on the way.
 */
import { plural } from '../../base/units.ts';
import type { RunRecord } from '../../domain/model.ts';
import type { EventRecord } from '../../domain/store-steps.ts';

export interface Timeline {
  readonly startMs: number;
  /** The end of the run; of one that goes on, the last that is known of it. */
  readonly endMs: number;
  /** Equal steps, each told at its end. */
  readonly points: readonly TimePoint[];
  readonly moments: readonly Moment[];
  /** More than these were left out. */
  readonly momentsLeftOut: number;
  readonly blocked: readonly BlockedSpan[];
  readonly blockedMs: number;
  readonly troubles: Troubles;
}

export interface TimePoint {
  readonly atMs: number;
  readonly succeeded: number;
  /** Came to an end other than success. */
  readonly others: number;
  /** In batches that had not ended. */
  readonly inBatches: number;
}

export interface Moment {
  readonly atMs: number;
  readonly text: string;
}

export interface BlockedSpan {
  readonly fromMs: number;
  /** Null where it still is. */
  readonly toMs: number | null;
  readonly reasons: readonly string[];
}

/** What went wrong on the way: most of it was mended, some of it only cost time. */
export interface Troubles {
  /** Rows that were tried again, by what came before. */
  readonly retries: Readonly<Record<string, number>>;
  /** Downloads of results that were thrown away and made again. */
  readonly refetches: number;
  /** Creates without a clear answer. */
  readonly doubts: number;
  readonly splits: number;
  /** Batches that turned up beside the one of their chunk. */
  readonly secondBatches: number;
  /** Batches that were stopped for the deadline. */
  readonly hurried: number;
  /** Batches that were sent without the prompt cache, because it could not be warmed. */
  readonly cold: number;
}

const POINTS = 240;
const MOMENTS_MAX = 40;
const SPANS_MAX = 200;
const CAUSES_MAX = 30;
const OTHER_CAUSES = 'others';

type Deltas = Record<'succeeded' | 'others' | 'inBatches', Float64Array>;

/** Takes the events of a run in their order. `endMs`: as `Timeline` has it. */
export class TimelineBuilder {
  readonly #startMs: number;
  readonly #endMs: number;
  readonly #stepMs: number;
  readonly #deltas: Deltas;
  readonly #moments: Moment[] = [];
  #momentsLeftOut = 0;
  /** Rows of the chunks whose batch is under way. */
  readonly #open = new Map<number, number>();
  #sent = 0;
  readonly #spans: BlockedSpan[] = [];
  #blockedMs = 0;
  #blockedSince: { readonly fromMs: number; readonly reasons: readonly string[] } | null = null;
  readonly #retries: Record<string, number> = Object.create(null) as Record<string, number>;
  readonly #counts = { refetches: 0, doubts: 0, splits: 0, secondBatches: 0, hurried: 0, cold: 0 };

  constructor(startMs: number, endMs: number) {
    this.#startMs = startMs;
    this.#endMs = Math.max(endMs, startMs + 1);
    const points = Math.max(1, Math.min(POINTS, this.#endMs - startMs));
    this.#stepMs = (this.#endMs - startMs) / points;
    const zeros = (): Float64Array => new Float64Array(points);
    this.#deltas = { succeeded: zeros(), others: zeros(), inBatches: zeros() };
  }

  add(event: EventRecord): void {
    const [what = '', to = ''] = event.kind.split('.');
    if (what === 'run') this.#run(event, to);
    else if (what === 'chunk') this.#chunk(event, to);
    else this.#other(event);
  }

  /** The counters of the ledger are the last word: what events of an older batchrun do not tell is in the last step. */
  end(run: RunRecord): Timeline {
    const { rows } = run;
    const others = rows.failed + rows.expired + rows.canceled;
    const points: TimePoint[] = [];
    const sums = { succeeded: 0, others: 0, inBatches: 0 };
    const length = this.#deltas.succeeded.length;
    for (let at = 0; at < length; at++) {
      for (const name of ['succeeded', 'others', 'inBatches'] as const) sums[name] += this.#deltas[name][at] ?? 0;
      if (at === length - 1) Object.assign(sums, { succeeded: rows.succeeded, others });
      points.push({ atMs: Math.round(this.#startMs + this.#stepMs * (at + 1)), ...sums });
    }
    if (this.#blockedSince) this.#closeSpan(null);
    return {
      ...{ startMs: this.#startMs, endMs: this.#endMs, points },
      ...{ moments: this.#moments, momentsLeftOut: this.#momentsLeftOut },
      ...{ blocked: this.#spans, blockedMs: this.#blockedMs },
      troubles: { retries: onlyPositive(this.#retries), ...this.#counts },
    };
  }

  #run({ atMs, data }: EventRecord, to: string): void {
    const rows = numberOf(data['rows']);
    if (to === 'ingesting') this.#moment(atMs, 'submitted: the reading of the input began');
    else if (to === 'ready') this.#moment(atMs, `the input was read: ${plural(rows, 'row')}`);
    else if (to === 'canceling') this.#moment(atMs, 'somebody canceled it');
    else if (to === 'done') this.#moment(atMs, 'the run was done');
    else if (to === 'active' && numberOf(data['retry']) > 0) {
      this.#count('others', atMs, -numberOf(data['retry']));
      this.#moment(atMs, `somebody sent ${plural(numberOf(data['retry']), 'row')} again`);
    } else if (to === 'blocked' || to === 'unblocked') this.#block(atMs, to === 'blocked' ? stringsOf(data) : []);
    else if (to === 'deadline' && data['missed'] === true) this.#moment(atMs, 'the deadline was over');
    else if (to === 'deadline' && numberOf(data['late_rows']) > 0) {
      this.#moment(atMs, `${plural(numberOf(data['late_rows']), 'row')} would be late, as it looked then`);
    }
  }

  #block(atMs: number, reasons: readonly string[]): void {
    if (this.#blockedSince) this.#closeSpan(atMs);
    else if (reasons.length > 0) this.#moment(atMs, `blocked: ${reasons.join(', ')}`);
    if (reasons.length > 0) this.#blockedSince = { fromMs: atMs, reasons };
    else this.#moment(atMs, 'no longer blocked');
  }

  #closeSpan(toMs: number | null): void {
    const since = this.#blockedSince;
    this.#blockedSince = null;
    if (!since) return;
    this.#blockedMs += Math.max(0, (toMs ?? this.#endMs) - since.fromMs);
    if (this.#spans.length < SPANS_MAX) this.#spans.push({ ...since, toMs });
  }

  #chunk({ atMs, chunkNo, data }: EventRecord, to: string): void {
    const no = chunkNo ?? 0;
    const rows = numberOf(data['rows']);
    if (to === 'submitted') {
      if (this.#sent++ === 0) this.#moment(atMs, 'the first batch was made');
      this.#left(no, atMs);
      this.#open.set(no, rows);
      this.#count('inBatches', atMs, rows);
      return;
    }
    this.#left(no, atMs);
    if (to === 'collected') {
      // A chunk that took answers of an earlier run tells only its rows.
      const succeeded = data['succeeded'] === undefined ? rows : numberOf(data['succeeded']);
      this.#count('succeeded', atMs, succeeded);
      const rest = data['rest'] as Readonly<Record<string, unknown>> | undefined;
      for (const state of ['failed', 'expired', 'canceled']) this.#count('others', atMs, numberOf(rest?.[state]));
    } else if (to === 'lost' || (to === 'canceled' && data['released'] !== true)) this.#count('others', atMs, rows);
    else if (to === 'uncertain') this.#counts.doubts++;
    else if (to === 'split') this.#counts.splits++;
    else if (to === 'hurried') this.#counts.hurried++;
  }

  #left(chunkNo: number, atMs: number): void {
    const rows = this.#open.get(chunkNo);
    if (rows === undefined) return;
    this.#open.delete(chunkNo);
    this.#count('inBatches', atMs, -rows);
  }

  #other({ kind, atMs, data }: EventRecord): void {
    if (kind === 'rows.settled') this.#count('succeeded', atMs, numberOf(data['succeeded']));
    else if (kind === 'row.failed') this.#count('others', atMs, 1);
    else if (kind === 'rows.given_up' || kind === 'rows.canceled') {
      this.#count('others', atMs, numberOf(data['rows']));
      // They were to be tried again, and were not.
      if (kind === 'rows.given_up') {
        for (const [cause, rows] of Object.entries(data['causes'] ?? {})) this.#retry(cause, -numberOf(rows));
      }
    } else if (kind === 'row.retried') this.#retry(data['error'], 1);
    else if (kind === 'rows.retried') {
      for (const [cause, rows] of Object.entries(data['causes'] ?? {})) this.#retry(cause, numberOf(rows));
    } else if (kind === 'results.refetch') this.#counts.refetches++;
    else if (kind === 'batch.duplicate') this.#counts.secondBatches++;
    else if (kind === 'cache.cold') this.#counts.cold++;
  }

  #retry(cause: unknown, rows: number): void {
    const name = typeof cause === 'string' ? (cause.split(':')[0] ?? cause) : 'unknown';
    const known = name in this.#retries || Object.keys(this.#retries).length < CAUSES_MAX;
    const key = known ? name : OTHER_CAUSES;
    this.#retries[key] = (this.#retries[key] ?? 0) + rows;
  }

  #count(what: keyof Deltas, atMs: number, count: number): void {
    const deltas = this.#deltas[what];
    const step = Math.ceil((atMs - this.#startMs) / this.#stepMs) - 1;
    const at = Math.min(deltas.length - 1, Math.max(0, step));
    deltas[at] = (deltas[at] ?? 0) + count;
  }

  #moment(atMs: number, text: string): void {
    if (this.#moments.length < MOMENTS_MAX) this.#moments.push({ atMs, text });
    else this.#momentsLeftOut++;
  }
}

function onlyPositive(counts: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(counts).filter(([, count]) => count > 0));
}

function numberOf(value: unknown): number {
  return typeof value === 'number' && Number.isFinite(value) ? value : 0;
}

function stringsOf({ reasons }: Readonly<Record<string, unknown>>): string[] {
  return Array.isArray(reasons) ? [...new Set(reasons.filter((one) => typeof one === 'string'))] : [];
}
