/**
 * When requests of the open model begin: a rate over time, and the arrivals that it gives. Whether answers come plays no
 * part. The same seed gives the same arrivals.
 *
 * Arrivals are found by the area below the rate: the next one is where one more (even shapes), or an exponential draw
 * more (random shapes), has come together. So a rate that changes is followed exactly.
 */
import type { Rng } from '../../base/random.ts';

export type ArrivalShape = 'constant' | 'poisson' | 'ramp' | 'spike' | 'steps';

/** A piece of time in which the rate goes evenly from one value to another. */
export interface RatePiece {
  readonly fromMs: number;
  readonly toMs: number;
  /** Arrivals a second. */
  readonly fromRate: number;
  readonly toRate: number;
}

export interface ArrivalPlan {
  readonly pieces: readonly RatePiece[];
  /** Are arrivals drawn at random, or do they come evenly? */
  readonly random: boolean;
  /** The test in slices, each with one rate to speak of: for steps and ramps, where it matters at which rate something
   *  begins. Empty for the others. */
  readonly stages: readonly Stage[];
}

export interface Stage {
  readonly fromMs: number;
  readonly toMs: number;
  /** On average. */
  readonly ratePerSecond: number;
}

export interface Arrival {
  /** Since the start of the test. */
  readonly atMs: number;
  /** Which of the plan's stages; null where it has none. */
  readonly stage: number | null;
}

const STAGES = 10;
/** A step must be long enough to show something. */
const STAGE_MS_MIN = 3_000;
/** The part of a spike's time that is the burst, in the middle. */
const SPIKE_FROM = 0.4;
const SPIKE_TO = 0.6;

export interface PlanRequest {
  readonly shape: ArrivalShape;
  /** A second, from and to. */
  readonly rate: readonly [number, number];
  readonly durationMs: number;
}

export function arrivalPlan({ shape, rate: [from, to], durationMs }: PlanRequest): ArrivalPlan {
  const piece = (fromMs: number, toMs: number, fromRate: number, toRate = fromRate): RatePiece => {
    return { fromMs, toMs, fromRate, toRate };
  };
  switch (shape) {
    case 'constant':
    case 'poisson':
      return { pieces: [piece(0, durationMs, from)], random: shape === 'poisson', stages: [] };
    case 'spike': {
      const [begin, end] = [durationMs * SPIKE_FROM, durationMs * SPIKE_TO];
      const pieces = [piece(0, begin, from), piece(begin, end, to), piece(end, durationMs, from)];
      return { pieces, random: true, stages: [] };
    }
    case 'ramp': {
      const stages = slices(durationMs, STAGES).map(([fromMs, toMs], at) => {
        return { fromMs, toMs, ratePerSecond: from + ((to - from) * (at + 0.5)) / STAGES };
      });
      return { pieces: [piece(0, durationMs, from, to)], random: true, stages };
    }
    case 'steps': {
      const count = Math.max(2, Math.min(STAGES, Math.floor(durationMs / STAGE_MS_MIN)));
      // By equal factors: the knee is then known to the same share wherever it is.
      const stages = slices(durationMs, count).map(([fromMs, toMs], at) => {
        return { fromMs, toMs, ratePerSecond: from * (to / from) ** (at / (count - 1)) };
      });
      const pieces = stages.map(({ fromMs, toMs, ratePerSecond }) => piece(fromMs, toMs, ratePerSecond));
      return { pieces, random: false, stages };
    }
  }
}

/** Hands the arrivals out one by one. */
export class Arrivals {
  readonly #plan: ArrivalPlan;
  readonly #rng: Rng;
  #pieces: readonly RatePiece[];
  #atMs = 0;
  #piece = 0;

  constructor(plan: ArrivalPlan, rng: Rng) {
    this.#plan = plan;
    this.#rng = rng;
    this.#pieces = plan.pieces;
  }

  /** Null when there are no more. */
  next(): Arrival | null {
    // From (0, 1], so that its logarithm is a number.
    let missing = this.#plan.random ? -Math.log(1 - this.#rng.next()) : 1;
    for (let piece = this.#pieces[this.#piece]; piece; piece = this.#pieces[this.#piece]) {
      const fromMs = Math.max(this.#atMs, piece.fromMs);
      const left = areaBetween(piece, fromMs, piece.toMs);
      if (missing <= left) {
        this.#atMs = whereArea(piece, fromMs, missing);
        return { atMs: this.#atMs, stage: this.#stageAt(this.#atMs) };
      }
      missing -= left;
      this.#piece++;
    }
    return null;
  }

  /** From `nowMs` to the end of the plan this rate holds. */
  hold(ratePerSecond: number, nowMs: number): void {
    const endMs = this.#pieces.at(-1)?.toMs ?? nowMs;
    this.#pieces = [{ fromMs: nowMs, toMs: endMs, fromRate: ratePerSecond, toRate: ratePerSecond }];
    this.#piece = 0;
    this.#atMs = nowMs;
  }

  /** The rate that is wanted at this time, a second. */
  rateAt(nowMs: number): number {
    const piece = this.#pieces.find(({ fromMs, toMs }) => nowMs >= fromMs && nowMs < toMs);
    return piece ? rateIn(piece, nowMs) : 0;
  }

  #stageAt(atMs: number): number | null {
    const { stages } = this.#plan;
    const at = stages.findIndex(({ toMs }) => atMs < toMs);
    // The very end belongs to the last one.
    return stages.length === 0 ? null : at < 0 ? stages.length - 1 : at;
  }
}

/** How many arrivals a plan has: those that the same draws will give. */
export function countArrivals(plan: ArrivalPlan, rng: Rng, most: number): number {
  const arrivals = new Arrivals(plan, rng);
  let count = 0;
  while (count < most && arrivals.next() !== null) count++;
  return count;
}

function slices(durationMs: number, count: number): [number, number][] {
  const each = durationMs / count;
  return Array.from({ length: count }, (_, at) => [at * each, (at + 1) * each]);
}

function rateIn({ fromMs, toMs, fromRate, toRate }: RatePiece, atMs: number): number {
  return fromRate + ((toRate - fromRate) * (atMs - fromMs)) / (toMs - fromMs);
}

/** Arrivals that come between two times of a piece. */
function areaBetween(piece: RatePiece, fromMs: number, toMs: number): number {
  return (((rateIn(piece, fromMs) + rateIn(piece, toMs)) / 2) * (toMs - fromMs)) / 1_000;
}

/** When so many have come since `fromMs`. */
function whereArea(piece: RatePiece, fromMs: number, area: number): number {
  const rate = rateIn(piece, fromMs) / 1_000;
  const slope = (piece.toRate - piece.fromRate) / (piece.toMs - piece.fromMs) / 1_000;
  // The solution of rate·t + slope/2·t² = area, in the form that is exact for small slopes too.
  return fromMs + (2 * area) / (rate + Math.sqrt(Math.max(0, rate * rate + 2 * slope * area)));
}
