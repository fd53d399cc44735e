/**
 * Chance that does not depend on the order of calls: every draw is a function of the seed, a purpose and a key.
 *
 * So a row has the same fate however many calls came before it, and two runs of one seed differ only where the
 * client itself behaved differently.
 */
import { createHash } from 'node:crypto';
import { seededRng, type Rng } from '../../base/random.ts';

export type Draws = (purpose: string, key: string | number) => Rng;

export function createDraws(seed: string | number): Draws {
  return (purpose, key) => seededRng(`${seed}|${purpose}|${key}`);
}

/** How long something takes: between two bounds, or as a function of chance draws it; `size` is of what takes so long. */
export type Spread = readonly [number, number] | ((rng: Rng, size: number) => number);

export function drawFrom(rng: Rng, spread: Spread, size: number): number {
  return typeof spread === 'function' ? spread(rng, size) : drawBetween(rng, spread);
}

export function drawBetween(rng: Rng, range: readonly [number, number]): number {
  // What is never over: the sum below would be no number.
  if (range[1] === Infinity) return Infinity;
  return range[0] + rng.next() * (range[1] - range[0]);
}

/** One name of a weighted table; weights need not add up to one. */
export function drawWeighted<T extends string>(rng: Rng, weights: Readonly<Partial<Record<T, number>>>, other: T): T {
  const entries = Object.entries(weights) as [T, number][];
  let left = rng.next() * entries.reduce((sum, [, weight]) => sum + weight, 0);
  for (const [name, weight] of entries) {
    left -= weight;
    if (left < 0) return name;
  }
  return entries.at(-1)?.[0] ?? other;
}

const BASE58 = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz';

/** `msgbatch_01…`: looks like the API's ids, and is the same for the same seed and key. */
export function makeId(prefix: string, seed: string | number, key: string | number): string {
  const bytes = createHash('sha256').update(`${seed}|${prefix}|${key}`).digest();
  let text = '';
  for (let at = 0; at < 22; at++) text += BASE58.charAt((bytes[at] ?? 0) % BASE58.length);
  return `${prefix}_01${text}`;
}

export function sha256Hex(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
