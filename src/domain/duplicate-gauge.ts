/**
 * How many rows ask what another row asks, found out beside the reading of the input at next to no cost: exact for small
 * inputs, an unbiased estimate for large ones, in bounded memory.
 *
 * Equal rows have equal hashes. Only rows whose hash falls into a part of all hashes are looked at, and the part is halved
 * whenever enough of them were. A hash of a few bytes chooses first, which costs some hundredths of a microsecond; only for
 * what it lets through all bytes are hashed. Params are taken as they are written: other spellings of the same request
 * (keys in another order) are not seen as such, so the truth may be a little more.
 */
import { crc32 } from 'node:zlib';
import { FIRST_BITS, FIRST_END, KeptRows } from './kept-rows.ts';
import type { ModelMix } from './model.ts';

/** Rows that are looked at before the part is halved for the first time: up to so many rows all of them. */
const LOOKS_MAX = 16_384;
/**
 * From then on it is an estimate, and so many looks are enough for it: with four times as many the gauge took 1 us a row
 * of a large input, more than a twentieth of a submit. Twice as many are kept at most.
 */
const LOOKS_LATER_MAX = 4_096;
/** Bytes of a row that the first hash looks at: some spread over all of it, some where most questions end. */
const SPREAD_BYTES = 8;
const TAIL_BYTES = 8;
/** What stands behind the text of the last message: quotes and brackets. */
const TAIL_FRAME_BYTES = 4;
const HASH_END = 2 ** 32;

export interface GaugedKind {
  readonly model: string;
  readonly maxTokens: number;
  readonly betas: readonly string[];
}

/** The part of all hashes that is looked at: below these shares, of the first hash and of the second. */
export interface GaugePart {
  readonly first: number;
  readonly second: number;
}

export interface DuplicateEstimate {
  readonly rows: number;
  readonly exact: boolean;
  /** What these rows would be if they were sent. */
  readonly mix: ModelMix;
}

export class DuplicateGauge {
  #looksMax: number;
  readonly #models: string[] = [];
  readonly #seeds = new Map<readonly string[], number>();
  #kept: KeptRows;
  #part: GaugePart = { first: 1, second: 1 };
  /** The same as numbers below which a hash has to be. */
  #firstEnd = HASH_END;
  #secondEnd = HASH_END;
  #looks = 0;
  #lastKind: GaugedKind | null = null;
  #lastModelNo = 0;
  /** Of all rows, by model. */
  readonly #totals: { rows: number; bytes: number; maxTokens: number }[] = [];

  constructor(looksMax = LOOKS_MAX) {
    this.#looksMax = looksMax;
    this.#kept = new KeptRows(looksMax);
  }

  add(params: Buffer, kind: GaugedKind): void {
    const modelNo = kind === this.#lastKind ? this.#lastModelNo : this.#take(kind);
    const total = this.#totals[modelNo];
    if (total) {
      total.rows++;
      total.bytes += params.length;
      total.maxTokens += kind.maxTokens;
    }
    const first = sampledHash(params);
    if (first >= this.#firstEnd) return;
    const second = crc32(params, kind.betas.length === 0 ? 0 : this.#seedOf(kind.betas));
    if (second >= this.#secondEnd) return;
    if (++this.#looks > this.#looksMax) this.#halve();
    if (first >= this.#firstEnd || second >= this.#secondEnd) return;
    const slot = this.#kept.count(keyOf(first, second));
    if (this.#kept.counts[slot] === 1) this.#kept.describe(slot, params.length, kind.maxTokens, modelNo);
  }

  /**
   * Rows beyond the first of each kind. Two ways to tell it: by the rows that were seen again among those looked at,
   * which is exact where there are none; and by how many different ones there are, which also knows of a row that
   * comes a million times and was not looked at. The one with less noise is taken, unless they cannot both be right.
   */
  estimate(): DuplicateEstimate {
    const again = this.#sum((_key, count) => count - 1, this.#part);
    if (again.exact) return again;
    const share = this.#part.first * this.#part.second;
    const { different, noise } = this.#counted();
    const rows = this.#totals.reduce((sum, total) => sum + total.rows, 0);
    const others = rows - different / share;
    const noiseOfOthers = Math.sqrt(different) / share;
    const agree = Math.abs(others - again.rows) < CANNOT_BE * noiseOfOthers;
    return agree && noise <= different ? again : this.#beyondDifferent(share);
  }

  /** Rows whose key is among these, which another gauge has kept of this part. */
  estimateOf(keys: ReadonlySet<number>, part: GaugePart): DuplicateEstimate {
    const both = smaller(part, this.#part);
    return this.#sum((key, count) => (keys.has(key) && isWithin(key, both) ? count : 0), both);
  }

  /** At most so many of the keys of different rows, in order, and the part that they are all of. */
  sketch(keysMax: number): { readonly keys: readonly number[]; readonly part: GaugePart } {
    let part = this.#part;
    let keys = this.#kept.keys();
    while (keys.length > keysMax) {
      part = halved(part, keys);
      keys = within(keys, part);
    }
    return { keys: [...keys.sort()], part };
  }

  #sum(countOf: (key: number, count: number) => number, { first, second }: GaugePart): DuplicateEstimate {
    const factor = 1 / (first * second);
    const mix: Record<string, { rows: number; bytes: number; maxTokens: number }> = {};
    let rows = 0;
    for (const [key, slot] of this.#kept.entries()) {
      const count = countOf(key, this.#kept.counts[slot] ?? 0) * factor;
      if (count === 0) continue;
      const part = (mix[this.#models[this.#kept.modelNos[slot] ?? 0] ?? ''] ??= { rows: 0, bytes: 0, maxTokens: 0 });
      part.rows += count;
      part.bytes += count * (this.#kept.bytes[slot] ?? 0);
      part.maxTokens += count * (this.#kept.maxTokens[slot] ?? 0);
      rows += count;
    }
    return { rows, exact: factor === 1, mix };
  }

  /** Different rows that are kept, and the noise of how often they came again. */
  #counted(): { readonly different: number; readonly noise: number } {
    let [different, noise] = [0, 0];
    for (const [, slot] of this.#kept.entries()) {
      different++;
      noise += ((this.#kept.counts[slot] ?? 0) - 1) ** 2;
    }
    return { different, noise };
  }

  /** All rows less the different ones. */
  #beyondDifferent(share: number): DuplicateEstimate {
    const first = this.#sum(() => 1, this.#part);
    const mix: Record<string, { rows: number; bytes: number; maxTokens: number }> = {};
    let rows = 0;
    for (const [modelNo, total] of this.#totals.entries()) {
      const model = this.#models[modelNo] ?? '';
      const one = first.mix[model] ?? { rows: 0, bytes: 0, maxTokens: 0 };
      if (one.rows >= total.rows) continue;
      rows += total.rows - one.rows;
      mix[model] = {
        rows: total.rows - one.rows,
        bytes: Math.max(0, total.bytes - one.bytes),
        maxTokens: Math.max(0, total.maxTokens - one.maxTokens),
      };
    }
    return { rows, exact: share === 1, mix };
  }

  #halve(): void {
    this.#looksMax = Math.min(this.#looksMax, LOOKS_LATER_MAX);
    this.#looks = 0;
    let keys = this.#kept.keys();
    let part = this.#part;
    do {
      part = halved(part, keys);
      keys = within(keys, part);
    } while (keys.length > this.#looksMax);
    this.#part = part;
    this.#firstEnd = part.first * HASH_END;
    this.#secondEnd = part.second * HASH_END;
    // What is left of them, and what comes until the next time.
    this.#kept = this.#kept.only((key) => isWithin(key, part), this.#looksMax * 2);
  }

  /** Rows with other betas ask something else. Kinds are few, and share their lists. */
  #seedOf(betas: readonly string[]): number {
    let seed = this.#seeds.get(betas);
    if (seed === undefined) {
      if (this.#seeds.size >= SEEDS_MAX) this.#seeds.clear();
      this.#seeds.set(betas, (seed = crc32(betas.join(','))));
    }
    return seed;
  }

  /** Names can come from the data: what is beyond the bound counts as the last one. */
  #take(kind: GaugedKind): number {
    let no = this.#models.indexOf(kind.model);
    if (no === -1 && this.#models.length < MODELS_MAX) {
      no = this.#models.push(kind.model) - 1;
      this.#totals.push({ rows: 0, bytes: 0, maxTokens: 0 });
    }
    this.#lastKind = kind;
    this.#lastModelNo = no === -1 ? MODELS_MAX - 1 : no;
    return this.#lastModelNo;
  }
}

const SEEDS_MAX = 1_000;
const MODELS_MAX = 100;
/** So many times its noise no estimate is off. */
const CANNOT_BE = 4;

/**
 * Half of the part, by the first hash; where that gives the same for many rows that differ, by the second: whole groups of
 * rows would come or go together.
 */
function halved({ first, second }: GaugePart, keys: Float64Array): GaugePart {
  const byFirst = { first: first / 2, second };
  // A bit for each first hash that there can be: less work than a set of numbers.
  const seen = new Uint8Array(FIRST_END / 8);
  let [different, left] = [0, 0];
  for (const key of keys) {
    const low = firstOf(key);
    const bit = 1 << (low & 7);
    if (((seen[low >>> 3] ?? 0) & bit) === 0) {
      seen[low >>> 3] = (seen[low >>> 3] ?? 0) | bit;
      different++;
    }
    if (isWithin(key, byFirst)) left++;
  }
  const isUseful = different > keys.length * DIFFERENT_MIN && left > keys.length / 4 && left < (keys.length * 3) / 4;
  return isUseful ? byFirst : { first, second: second / 2 };
}

/** Of the rows that differ so many have a first hash of their own, or it is not fit to choose. */
const DIFFERENT_MIN = 0.75;

function within(keys: Float64Array, part: GaugePart): Float64Array {
  return keys.filter((key) => isWithin(key, part));
}

export function smaller(one: GaugePart, other: GaugePart): GaugePart {
  return { first: Math.min(one.first, other.first), second: Math.min(one.second, other.second) };
}

function keyOf(first: number, second: number): number {
  return second * FIRST_END + (first >>> (32 - FIRST_BITS));
}

function isWithin(key: number, { first, second }: GaugePart): boolean {
  return firstOf(key) < first * FIRST_END && Math.floor(key / FIRST_END) < second * HASH_END;
}

/** The remainder, in half the time that `%` takes for numbers of this size. */
function firstOf(key: number): number {
  return key - Math.floor(key / FIRST_END) * FIRST_END;
}

/** Of the length and of some bytes. */
function sampledHash(bytes: Buffer): number {
  const { length } = bytes;
  const step = Math.max(1, Math.floor(length / SPREAD_BYTES));
  const tail = Math.max(0, length - TAIL_FRAME_BYTES - TAIL_BYTES);
  let hash = length;
  for (let at = step >> 1; at < tail; at += step) hash = Math.imul(hash ^ (bytes[at] ?? 0), 0x01000193);
  for (let at = tail; at < length; at++) hash = Math.imul(hash ^ (bytes[at] ?? 0), 0x01000193);
  // Mixed to the upper bits, which choose.
  hash = Math.imul(hash ^ (hash >>> 15), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
