/**
 * How long the values of a column are, in a few hundred numbers however many there are: percentiles to within five percent,
 * and what cuts of some lengths would save.
 */
import { TokensByModel } from './by-model.ts';

/** Each step is five percent longer than the one before. */
const STEP = Math.log(1.05);
export const CUTS: readonly number[] = [250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000];

export class Lengths {
  readonly #counts: number[] = [];
  readonly #cuts = CUTS.map(() => new TokensByModel());
  count = 0;
  max = 0;

  add(model: string, chars: number, tokens: number): void {
    const step = Math.ceil(Math.log(chars + 1) / STEP);
    this.#counts[step] = (this.#counts[step] ?? 0) + 1;
    this.count++;
    if (chars > this.max) this.max = chars;
    for (let at = 0; at < CUTS.length; at++) {
      const cut = CUTS[at] ?? 0;
      if (chars <= cut) break;
      // The end of a text is taken to be like the whole of it.
      this.#cuts[at]?.add(model, (tokens * (chars - cut)) / chars);
    }
  }

  /** The length that this share of the values is not longer than. */
  percentile(share: number): number {
    let left = Math.ceil(this.count * share);
    for (let step = 0; step < this.#counts.length; step++) {
      left -= this.#counts[step] ?? 0;
      if (left <= 0) return Math.min(this.max, Math.floor(Math.exp(step * STEP) - 1));
    }
    return this.max;
  }

  cuts(): readonly { readonly chars: number; readonly saved: TokensByModel }[] {
    return CUTS.flatMap((chars, at) => {
      const saved = this.#cuts[at];
      return saved && saved.rows > 0 ? [{ chars, saved }] : [];
    });
  }
}
