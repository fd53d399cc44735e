/**
 * Rows that wait for the realtime lane: those whose time has come in the order in which they came, the others until
 * their time. A run may have a hundred thousand of them, so nothing here looks at all of them for one call.
 */
import type { RowRecord, RunRecord } from '../domain/model.ts';
import { isDue, ROW_WAIT_MS_MAX } from '../domain/row-wait.ts';

export interface WaitingRow {
  readonly run: RunRecord;
  readonly row: RowRecord;
}

/** The front of the list is cut off when so many of it are taken. */
const COMPACT_FROM = 10_000;

export class WaitingRows {
  readonly #keys = new Set<string>();
  readonly #byRun = new Map<string, number>();
  #ready: WaitingRow[] = [];
  /** Index of the first of `#ready`: taking from the front of a long array would move all of it. */
  #taken = 0;
  #later: WaitingRow[] = [];
  #laterMinMs = Infinity;
  #laterMaxMs = 0;

  has(row: { readonly runId: string; readonly seq: number }): boolean {
    return this.#keys.has(rowKey(row));
  }

  keys(): Iterable<string> {
    return this.#keys;
  }

  /** How many rows of this run wait here. */
  count(runId: string): number {
    return this.#byRun.get(runId) ?? 0;
  }

  add(waiting: WaitingRow): void {
    const { runId, notBeforeMs } = waiting.row;
    this.#keys.add(rowKey(waiting.row));
    this.#byRun.set(runId, this.count(runId) + 1);
    this.#later.push(waiting);
    this.#noteLater(notBeforeMs);
  }

  /** Takes up to `max` rows whose time has come and that `may` go; the others keep their place. */
  take(nowMs: number, max: number, may: (waiting: WaitingRow) => boolean): WaitingRow[] {
    this.#ripen(nowMs);
    const taken: WaitingRow[] = [];
    const left: WaitingRow[] = [];
    while (taken.length < max) {
      const next = this.#ready[this.#taken];
      if (!next) break;
      this.#taken++;
      if (may(next)) taken.push(next);
      else left.push(next);
    }
    if (left.length > 0 || this.#taken > COMPACT_FROM) {
      this.#ready = [...left, ...this.#ready.slice(this.#taken)];
      this.#taken = 0;
    }
    for (const { row } of taken) this.#forget(row);
    return taken;
  }

  /** When the next row's time comes; 0 where it has come for some; null when none waits. */
  nextAtMs(): number | null {
    if (this.#ready.length > this.#taken) return 0;
    return this.#laterMinMs === Infinity ? null : this.#laterMinMs;
  }

  #ripen(nowMs: number): void {
    if (this.#laterMinMs > nowMs && this.#laterMaxMs <= nowMs + ROW_WAIT_MS_MAX) return;
    const later: WaitingRow[] = [];
    this.#laterMinMs = Infinity;
    this.#laterMaxMs = 0;
    for (const waiting of this.#later) {
      if (isDue(waiting.row.notBeforeMs, nowMs)) {
        this.#ready.push(waiting);
      } else {
        later.push(waiting);
        this.#noteLater(waiting.row.notBeforeMs);
      }
    }
    this.#later = later;
  }

  #noteLater(notBeforeMs: number): void {
    this.#laterMinMs = Math.min(this.#laterMinMs, notBeforeMs);
    this.#laterMaxMs = Math.max(this.#laterMaxMs, notBeforeMs);
  }

  #forget(row: RowRecord): void {
    this.#keys.delete(rowKey(row));
    this.#byRun.set(row.runId, this.count(row.runId) - 1);
  }
}

export function rowKey(row: { readonly runId: string; readonly seq: number }): string {
  return `${row.runId}:${row.seq}`;
}
