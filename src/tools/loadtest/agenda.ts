/**
 * What is due when: arrivals, users who have thought, the tick of each second. One heap and one sleeper for all of them,
 * so that ten thousand users cost ten thousand entries and not as many timers. Equal times go in the order in which they
 * were put in.
 */
import type { Clock } from '../../base/clock.ts';

interface Entry {
  readonly atMs: number;
  readonly order: number;
  readonly work: () => void;
}

export class Agenda {
  readonly #clock: Clock;
  readonly #heap: Entry[] = [];
  #order = 0;
  #sleep: AbortController | null = null;
  #wakesAtMs = Infinity;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** `atMs` is of the monotonic clock. */
  at(atMs: number, work: () => void): void {
    const entry = { atMs, order: this.#order++, work };
    this.#heap.push(entry);
    rise(this.#heap, this.#heap.length - 1);
    if (atMs < this.#wakesAtMs) this.wake();
  }

  /** Nothing that stands in it will happen. */
  clear(): void {
    this.#heap.length = 0;
    this.wake();
  }

  /** The sleeper looks again whether it is to go on. */
  wake(): void {
    this.#sleep?.abort();
  }

  /** Does what is due, in its order, until `over` says that there is an end. */
  async run(over: () => boolean): Promise<void> {
    let inARow = 0;
    while (!over()) {
      const [first] = this.#heap;
      const nowMs = this.#clock.monotonicMs();
      if (first && first.atMs <= nowMs) {
        takeFirst(this.#heap);
        first.work();
        // Whoever is behind with sending must not keep the answers from being read.
        if (++inARow % WORKS_IN_A_ROW === 0) await this.#clock.sleep(SHORTEST_MS);
        continue;
      }
      this.#sleep = new AbortController();
      this.#wakesAtMs = first?.atMs ?? Infinity;
      await this.#clock.sleep(first ? first.atMs - nowMs : IDLE_MS, this.#sleep.signal);
      this.#sleep = null;
      this.#wakesAtMs = Infinity;
    }
  }
}

/** Whoever ends the run wakes the sleeper; this is only so that a sleep has an end. */
const IDLE_MS = 60_000;
const WORKS_IN_A_ROW = 64;
const SHORTEST_MS = 0.001;

function before(one: Entry, other: Entry): boolean {
  return one.atMs < other.atMs || (one.atMs === other.atMs && one.order < other.order);
}

function rise(heap: Entry[], from: number): void {
  const entry = heap[from];
  if (!entry) return;
  let at = from;
  while (at > 0) {
    const parent = (at - 1) >> 1;
    const above = heap[parent];
    if (!above || !before(entry, above)) break;
    heap[at] = above;
    at = parent;
  }
  heap[at] = entry;
}

function takeFirst(heap: Entry[]): void {
  const last = heap.pop();
  if (!last || heap.length === 0) return;
  let at = 0;
  for (;;) {
    let child = 2 * at + 1;
    let below = heap[child];
    const right = heap[child + 1];
    if (below && right && before(right, below)) {
      child++;
      below = right;
    }
    if (!below || !before(below, last)) break;
    heap[at] = below;
    at = child;
  }
  heap[at] = last;
}
