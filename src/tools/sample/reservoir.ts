/**
 * So many items of a stream of unknown length, each as likely as every other (Vitter's algorithm R). Memory holds those
 * that are in it at the moment.
 */
import type { Rng } from '../../base/random.ts';

interface Held<T> {
  readonly place: number;
  readonly item: T;
}

export class Reservoir<T> {
  readonly #size: number;
  readonly #rng: Rng;
  readonly #held: Held<T>[] = [];
  #offered = 0;

  constructor(size: number, rng: Rng) {
    this.#size = size;
    this.#rng = rng;
  }

  /** `make` is called only for an item that is taken: most are not, and cost one number of chance. */
  offer(make: () => T): void {
    const place = this.#offered++;
    const slot = place < this.#size ? place : Math.floor(this.#rng.next() * (place + 1));
    if (slot < this.#size) this.#held[slot] = { place, item: make() };
  }

  /** In the order in which they were offered. */
  items(): readonly T[] {
    return [...this.#held].sort((one, other) => one.place - other.place).map(({ item }) => item);
  }
}
