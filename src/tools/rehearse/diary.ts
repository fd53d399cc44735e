/**
 * What happens in a rehearsal, and when: gathered from the events of the engine, from what it writes down and from the
 * wire, without any of them knowing. Counts are kept by the second, so that a night with a million calls stays small.
 */
import type { Clock } from '../../base/clock.ts';
import type { CollectedRow, RealtimeSettled } from '../../domain/store-steps.ts';
import type { DriverStore, Store } from '../../domain/store.ts';
import type { EngineEvent } from '../../engine/events.ts';
import type { Endpoint } from './wire.ts';

/** What is counted over time. */
export type Happening =
  /** Rows that reached their end. */
  | 'succeeded'
  | 'not_succeeded'
  /** Rows that are sent again. */
  | 'retried'
  /** Answers with 429. */
  | 'limited'
  /** Other answers that were none, and broken connections. */
  | 'failed_calls'
  /** Creates whose answer was lost, and what they were found to be. */
  | 'uncertain'
  | 'found'
  | 'not_made'
  | 'refetched'
  | 'split'
  | 'lost'
  | 'released_rows'
  | 'hurried'
  | 'realtime_calls'
  | 'paused'
  | 'unreachable';

/** Something worth a line of its own. */
export interface Remark {
  readonly atMs: number;
  readonly text: string;
}

const REMARKS_MAX = 200;
const SECOND_MS = 1_000;

export class Diary {
  readonly #clock: Clock;
  readonly #startMs: number;
  /** By happening: second from the start -> count. */
  readonly #counts = new Map<Happening, Map<number, number>>();
  /** Rows that are sent again, by reason. */
  readonly retries = new Map<string, number>();
  /** Calls that did not go through, by endpoint and status. */
  readonly failures = new Map<string, number>();
  /** Rows that did not succeed, by reason. */
  readonly ends = new Map<string, number>();
  readonly remarks: Remark[] = [];
  lateRows: number | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#startMs = clock.now();
  }

  get startMs(): number {
    return this.#startMs;
  }

  count(what: Happening, times = 1): void {
    if (times === 0) return;
    const second = Math.floor((this.#clock.now() - this.#startMs) / SECOND_MS);
    const counts = this.#counts.get(what) ?? new Map<number, number>();
    counts.set(second, (counts.get(second) ?? 0) + times);
    this.#counts.set(what, counts);
  }

  total(what: Happening): number {
    let sum = 0;
    for (const count of this.#counts.get(what)?.values() ?? []) sum += count;
    return sum;
  }

  /** Counts in order, by milliseconds from the start. */
  *of(what: Happening): Iterable<{ readonly atMs: number; readonly count: number }> {
    for (const [second, count] of this.#counts.get(what) ?? []) yield { atMs: second * SECOND_MS, count };
  }

  noteFailure(endpoint: Endpoint, status: number): void {
    const name = `${endpoint} ${status === 0 ? 'connection' : status}`;
    this.failures.set(name, (this.failures.get(name) ?? 0) + 1);
    this.count(status === 429 ? 'limited' : 'failed_calls');
  }

  /** For `emit` of the engine. */
  readonly hear = (event: EngineEvent): void => {
    switch (event.kind) {
      case 'upload.uncertain':
        return this.count('uncertain');
      case 'reconcile.found':
        return this.count('found');
      case 'reconcile.not_made':
        return this.count('not_made');
      case 'collect.refetch':
        return this.count('refetched');
      case 'chunk.split':
        return this.count('split');
      case 'chunk.lost':
        return this.count('lost');
      case 'chunk.released':
        this.#remark(`${event.rows} rows go realtime instead of waiting for a batch`);
        return this.count('released_rows', event.rows);
      case 'batch.hurried':
        this.#remark(`a batch of ${event.rows} rows is stopped so that they make the deadline in realtime`);
        return this.count('hurried');
      case 'retry.chunk':
        return this.#remark(`${event.rows} rows for another try become a new batch`);
      case 'lane.paused':
        return this.count('paused');
      case 'api.unreachable':
      case 'api.errors':
        return this.count('unreachable');
      case 'deadline.late':
        this.lateRows = event.lateRows;
        return this.#remark(
          event.lateRows === 0 ? 'the deadline can be met again' : `${event.lateRows} rows will miss the deadline`,
        );
      case 'blocked':
        return this.#remark(`blocked: ${event.message}`);
      case 'call.ended':
        return event.inputTokens > 0 || event.outputTokens > 0 ? this.count('realtime_calls') : undefined;
      default:
        return undefined;
    }
  };

  /** The same store, of which every row that reaches an end or another try is seen. */
  seenThrough(store: Store): Store {
    return { ...store, takeOver: async (holder) => this.#driver(await store.takeOver(holder)) };
  }

  #driver(driver: DriverStore): DriverStore {
    return {
      ...driver,
      checkpointCollected: async (step) => {
        await driver.checkpointCollected(step);
        this.count('succeeded', step.succeeded);
        for (const row of step.rows) this.#ended(row);
      },
      settleRealtime: async (step) => {
        await driver.settleRealtime(step);
        for (const row of step.rows) {
          if (row.to === 'succeeded') this.count('succeeded');
          else this.#ended(row);
        }
      },
      giveUpRows: async (runId, rows, atMs) => {
        await driver.giveUpRows(runId, rows, atMs);
        for (const row of rows) if (row.to !== 'succeeded') this.#ended(row);
      },
      recordLost: async (step) => {
        await driver.recordLost(step);
        for (const row of step.rows) this.#ended(row);
      },
    };
  }

  #ended(row: Pick<CollectedRow, 'to' | 'errorType'> & Pick<RealtimeSettled, 'told'>): void {
    const { to } = row;
    if (to === 'succeeded') return;
    const reason = row.errorType ?? row.told?.cause ?? to;
    const book = to === 'retry' ? this.retries : this.ends;
    book.set(reason, (book.get(reason) ?? 0) + 1);
    this.count(to === 'retry' ? 'retried' : 'not_succeeded');
  }

  #remark(text: string): void {
    if (this.remarks.length >= REMARKS_MAX || this.remarks.at(-1)?.text === text) return;
    this.remarks.push({ atMs: this.#clock.now() - this.#startMs, text });
  }
}
