/**
 * How many requests are the same as one before, in bounded memory: exact up to half a million different ones, beyond that
 * from a part of them that their hashes choose, which is a fair sample of different requests.
 */
import { TokensByModel } from './by-model.ts';

const KEPT_MAX = 500_000;
const HASHES = 2 ** 53;

export class Repeats {
  readonly #keptMax: number;
  #seen = new Set<number>();
  /** Only hashes below this part of all are looked at. */
  #part = 1;
  readonly #saved = new TokensByModel();
  #rows = 0;

  constructor(keptMax = KEPT_MAX) {
    this.#keptMax = keptMax;
  }

  add(model: string, hash: number, tokens: number): void {
    if (hash >= HASHES * this.#part) return;
    if (this.#seen.has(hash)) {
      this.#saved.add(model, tokens / this.#part);
      this.#rows += 1 / this.#part;
      return;
    }
    this.#seen.add(hash);
    if (this.#seen.size < this.#keptMax) return;
    this.#part /= 2;
    this.#seen = new Set([...this.#seen].filter((one) => one < HASHES * this.#part));
  }

  /** Rows whose request is the same as that of a row before. */
  get rows(): number {
    return Math.round(this.#rows);
  }

  get isExact(): boolean {
    return this.#part === 1;
  }

  get saved(): TokensByModel {
    return this.#saved;
  }
}
