/**
 * Rows that wait for the realtime lane: those whose time has come in the order of their priority and of their waiting,
 * the others until their time. A run may have a hundred thousand of them, so nothing here looks at all of them for one
 * call.
 *
 * Rows that were looked at and could not go wait in the line of their run and model: who finds that a line cannot go on
 * takes the next row of the others, however many stand in that line.
 */
import type { RowRecord, RunRecord } from '../../domain/model.ts';
import { REALTIME_AGEING_MS, turnOf, type Priority } from '../../domain/priority.ts';
import { isDue, ROW_WAIT_MS_MAX } from '../../domain/row-wait.ts';
import { isBefore, TurnHeap, type Turn } from './turn-heap.ts';

export interface WaitingRow {
  readonly run: RunRecord;
  readonly row: RowRecord;
  readonly priority: Priority;
}

/** A row whose turn it is. */
export interface TakenRow extends Turn {
  readonly waiting: WaitingRow;
  /** Null until its request was looked at. */
  readonly line: Line | null;
}

export interface Line {
  readonly runId: string;
  readonly model: string;
}

/** One round of taking rows. They wait no longer; who could not go is put back. */
export interface Taking {
  /** The next whose turn it is, but for lines that are closed; null where there is none. */
  next(isClosed: (line: Line) => boolean): TakenRow | null;
  /** Rows that may not go have their places again. */
  end(): void;
}

interface OpenLine {
  readonly line: Line | null;
  readonly heap: TurnHeap<WaitingRow>;
}

export class WaitingRows {
  readonly #keys = new Set<string>();
  readonly #byRun = new Map<string, number>();
  /** Those that nobody has looked at yet, and each line that has rows. */
  readonly #fresh: OpenLine = { line: null, heap: new TurnHeap() };
  readonly #lines = new Map<string, OpenLine>();
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
  putBack({ waiting, turn, order, line }: TakenRow): void {
    this.#remember(waiting);
    this.#heapOf(line).push(waiting, turn, order);
  }

  /** Takes rows whose time has come and that `may` go, in their turns; the others keep their place. */
  begin(nowMs: number, may: (waiting: WaitingRow) => boolean): Taking {
    this.#ripen(nowMs);
    const kept: TakenRow[] = [];
    return {
      next: (isClosed) => {
        for (;;) {
          const first = this.#first(isClosed);
          const entry = first?.heap.pop();
          if (!first || !entry) return null;
          const { item: waiting, turn, order } = entry;
          const row: TakenRow = { waiting, turn, order, line: first.line };
          if (may(waiting)) {
            this.#forget(waiting.row);
            return row;
          }
          kept.push(row);
        }
      },
      end: () => {
        for (const { waiting, turn, order, line } of kept.splice(0)) this.#heapOf(line).push(waiting, turn, order);
        for (const [key, { heap }] of this.#lines) if (heap.size === 0) this.#lines.delete(key);
      },
    };
  }

  /** When the next row's time comes; 0 where it has come for some; null when none waits. */
  nextAtMs(): number | null {
    if (this.#first(() => false)) return 0;
    return this.#laterMinMs === Infinity ? null : this.#laterMinMs;
  }

  /** Of the lines that are not closed the one whose first row has the earliest turn. There are as many as runs and models. */
  #first(isClosed: (line: Line) => boolean): OpenLine | null {
    let first = this.#fresh.heap.first ? this.#fresh : null;
    for (const open of this.#lines.values()) {
      const turn = open.heap.first;
      if (!turn || (open.line && isClosed(open.line))) continue;
      if (!first?.heap.first || isBefore(turn, first.heap.first)) first = open;
    }
    return first;
  }

  #heapOf(line: Line | null): TurnHeap<WaitingRow> {
    if (!line) return this.#fresh.heap;
    const key = `${line.runId}:${line.model}`;
    let open = this.#lines.get(key);
    if (!open) this.#lines.set(key, (open = { line, heap: new TurnHeap() }));
    return open.heap;
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
        this.#fresh.heap.push(waiting, turnOf(waiting.priority, sinceMs, REALTIME_AGEING_MS));
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
