/**
 * Rows that wait for the realtime lane: those whose time has come in the order of their priority and of their waiting,
 * the others until their time. A run may have a hundred thousand of them, so nothing here looks at all of them for one
 * call.
 */
import type { RowRecord, RunRecord } from '../../domain/model.ts';
import { REALTIME_AGEING_MS, turnOf, type Priority } from '../../domain/priority.ts';
import { isDue, ROW_WAIT_MS_MAX } from '../../domain/row-wait.ts';
import { TurnHeap, type Turn } from './turn-heap.ts';

export interface WaitingRow {
  readonly run: RunRecord;
  readonly row: RowRecord;
  readonly priority: Priority;
}

/** A row whose turn it is. */
export interface TakenRow extends Turn {
  readonly waiting: WaitingRow;
}

export class WaitingRows {
  readonly #keys = new Set<string>();
  readonly #byRun = new Map<string, number>();
  readonly #ready = new TurnHeap<WaitingRow>();
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
    this.#remember(waiting);
    this.#later.push(waiting);
    this.#noteLater(waiting.row.notBeforeMs);
  }

  /** One that was taken and could not go after all keeps its turn, also among those that came with it. */
  putBack({ waiting, turn, order }: TakenRow): void {
    this.#remember(waiting);
    this.#ready.push(waiting, turn, order);
  }

  /** Takes up to `max` rows whose time has come and that `may` go, in their turns; the others keep their place. */
  take(nowMs: number, max: number, may: (waiting: WaitingRow) => boolean): TakenRow[] {
    this.#ripen(nowMs);
    const taken: TakenRow[] = [];
    const left: TakenRow[] = [];
    while (taken.length < max) {
      const next = this.#ready.pop();
      if (!next) break;
      const { item: waiting, turn, order } = next;
      (may(waiting) ? taken : left).push({ waiting, turn, order });
    }
    for (const { waiting, turn, order } of left) this.#ready.push(waiting, turn, order);
    for (const { waiting } of taken) this.#forget(waiting.row);
    return taken;
  }

  /** When the next row's time comes; 0 where it has come for some; null when none waits. */
  nextAtMs(): number | null {
    if (this.#ready.size > 0) return 0;
    return this.#laterMinMs === Infinity ? null : this.#laterMinMs;
  }

  #ripen(nowMs: number): void {
    if (this.#laterMinMs > nowMs && this.#laterMaxMs <= nowMs + ROW_WAIT_MS_MAX) return;
    const later: WaitingRow[] = [];
    this.#laterMinMs = Infinity;
    this.#laterMaxMs = 0;
    for (const waiting of this.#later) {
      const { notBeforeMs } = waiting.row;
      if (isDue(notBeforeMs, nowMs)) {
        // It has waited since its time came; one that was never tried, since now.
        const sinceMs = notBeforeMs > 0 && notBeforeMs <= nowMs ? notBeforeMs : nowMs;
        this.#ready.push(waiting, turnOf(waiting.priority, sinceMs, REALTIME_AGEING_MS));
      } else {
        later.push(waiting);
        this.#noteLater(notBeforeMs);
      }
    }
    this.#later = later;
  }

  #noteLater(notBeforeMs: number): void {
    this.#laterMinMs = Math.min(this.#laterMinMs, notBeforeMs);
    this.#laterMaxMs = Math.max(this.#laterMaxMs, notBeforeMs);
  }

  #remember({ row }: WaitingRow): void {
    this.#keys.add(rowKey(row));
    this.#byRun.set(row.runId, this.count(row.runId) + 1);
  }

  #forget(row: RowRecord): void {
    this.#keys.delete(rowKey(row));
    this.#byRun.set(row.runId, this.count(row.runId) - 1);
  }
}

export function rowKey(row: { readonly runId: string; readonly seq: number }): string {
  return `${row.runId}:${row.seq}`;
}
