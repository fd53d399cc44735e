/**
 * How often each name occurs. Names come from files that others wrote: beyond so many different ones they are counted
 * together, so that memory stays flat.
 */

const NAMES_MAX = 1_000;
export const OTHERS = '(others)';

export class Tally {
  readonly #counts = new Map<string, number>();

  add(name: string, count = 1): void {
    const known = this.#counts.get(name);
    if (known !== undefined) this.#counts.set(name, known + count);
    else if (this.#counts.size < NAMES_MAX) this.#counts.set(name, count);
    else this.#counts.set(OTHERS, (this.#counts.get(OTHERS) ?? 0) + count);
  }

  /** The most frequent first. */
  entries(): readonly (readonly [string, number])[] {
    return [...this.#counts].sort(([one, many], [other, more]) => more - many || (one < other ? -1 : 1));
  }

  toObject(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.entries());
  }
}
