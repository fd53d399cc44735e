/**
 * Chance, as something that is passed in: the same seed gives the same run.
 */

export interface Rng {
  /** A number in [0, 1). */
  next(): number;
}

/**
 * A small, fast, well-distributed generator (sfc32) for simulation, jitter and tests; not for secrets.
 * The seed may be any string or number; equal seeds give equal sequences.
 */
export function seededRng(seed: string | number): Rng {
  let [a, b, c, d] = hash128(String(seed));
  const next = (): number => {
    const t = (((a + b) | 0) + d) | 0;
    d = (d + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (c << 21) | (c >>> 11);
    c = (c + t) | 0;
    return (t >>> 0) / 2 ** 32;
  };
  for (let warmUp = 0; warmUp < 12; warmUp++) next();
  return { next };
}

/** Real chance, from the machine. */
export const systemRng: Rng = { next: () => Math.random() };

/** A whole number in [min, max], both included. */
export function integerBetween(rng: Rng, min: number, max: number): number {
  return min + Math.floor(rng.next() * (max - min + 1));
}

/** True with the given probability. */
export function chance(rng: Rng, probability: number): boolean {
  return rng.next() < probability;
}

/** One of the items; the list must not be empty. */
export function pick<T>(rng: Rng, items: readonly T[]): T {
  const item = items[Math.floor(rng.next() * items.length)];
  if (item === undefined) throw new Error('pick needs at least one item');
  return item;
}

/** The same items in a new order. */
export function shuffled<T>(rng: Rng, items: readonly T[]): T[] {
  const result = [...items];
  for (let last = result.length - 1; last > 0; last--) {
    const other = Math.floor(rng.next() * (last + 1));
    const held = result[last] as T;
    result[last] = result[other] as T;
    result[other] = held;
  }
  return result;
}

function hash128(text: string): [number, number, number, number] {
  let a = 1779033703;
  let b = 3144134277;
  let c = 1013904242;
  let d = 2773480762;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    a = b ^ Math.imul(a ^ code, 597399067);
    b = c ^ Math.imul(b ^ code, 2869860233);
    c = d ^ Math.imul(c ^ code, 951274213);
    d = a ^ Math.imul(d ^ code, 2716044179);
  }
  return [a | 0, b | 0, c | 0, d | 0];
}
