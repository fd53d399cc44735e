/** What waits, by its turn: the smallest first, and of equal turns the one that came first. A binary heap. */

/** One that is pushed again with its turn and order has its old place. */
export interface Turn {
  readonly turn: number;
  readonly order: number;
}

interface Entry<T> extends Turn {
  readonly item: T;
}

export class TurnHeap<T> {
  readonly #entries: Entry<T>[] = [];
  #order = 0;

  get size(): number {
    return this.#entries.length;
  }

  /** The one whose turn is next. */
  get first(): Entry<T> | undefined {
    return this.#entries[0];
  }

  clear(): void {
    this.#entries.length = 0;
  }

  push(item: T, turn: number, order = this.#order++): void {
    const entries = this.#entries;
    const entry = { item, turn, order };
    let at = entries.length;
    entries.push(entry);
    while (at > 0) {
      const above = (at - 1) >> 1;
      const parent = entries[above];
      if (!parent || !isBefore(entry, parent)) break;
      entries[at] = parent;
      at = above;
    }
    entries[at] = entry;
  }

  pop(): Entry<T> | undefined {
    const entries = this.#entries;
    const first = entries[0];
    const last = entries.pop();
    if (!first || !last || first === last) return first;
    let at = 0;
    for (;;) {
      const left = 2 * at + 1;
      const [one, other] = [entries[left], entries[left + 1]];
      const child = one && other && isBefore(other, one) ? left + 1 : left;
      const below = entries[child];
      if (!below || !isBefore(below, last)) break;
      entries[at] = below;
      at = child;
    }
    entries[at] = last;
    return first;
  }
}

/** Whose turn is earlier. */
export function isBefore(one: Turn, other: Turn): boolean {
  return one.turn < other.turn || (one.turn === other.turn && one.order < other.order);
}
