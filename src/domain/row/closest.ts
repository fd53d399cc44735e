/**
 * "Did you mean …?": the known name nearest to one that is not known, or none where nothing is near.
 */

/** Up to two slips of the finger, and never more than a third of the name. */
export function closest(name: string, known: readonly string[]): string | undefined {
  const wanted = name.toLowerCase();
  let best: string | undefined;
  let bestSlips = Math.min(2, Math.floor(wanted.length / 3)) + 1;
  for (const candidate of known) {
    if (Math.abs(candidate.length - wanted.length) >= bestSlips) continue;
    const slips = distance(wanted, candidate.toLowerCase());
    if (slips < bestSlips) {
      best = candidate;
      bestSlips = slips;
    }
  }
  return best;
}

/** Letters to put in, take out, change or swap with the next to make one word of the other (Levenshtein, Damerau). */
function distance(from: string, to: string): number {
  let before: number[] = [];
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let at = 1; at <= from.length; at++) {
    const next = [at];
    for (let other = 1; other <= to.length; other++) {
      const change = (row[other - 1] ?? 0) + (from[at - 1] === to[other - 1] ? 0 : 1);
      const swaps = from[at - 1] === to[other - 2] && from[at - 2] === to[other - 1];
      const swap = swaps ? (before[other - 2] ?? Infinity) + 1 : Infinity;
      next.push(Math.min(change, swap, (row[other] ?? 0) + 1, (next[other - 1] ?? 0) + 1));
    }
    before = row;
    row = next;
  }
  return row[to.length] ?? 0;
}
