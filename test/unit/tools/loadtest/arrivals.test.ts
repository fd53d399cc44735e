/**
 * Arrival plans: how many there are, when, and that the same seed gives the same ones.
 */
import { describe, expect, it } from 'vitest';
import { seededRng } from '../../../../src/base/random.ts';
import {
  arrivalPlan,
  Arrivals,
  countArrivals,
  type ArrivalPlan,
  type ArrivalShape,
} from '../../../../src/tools/loadtest/arrivals.ts';

const SHAPES: readonly ArrivalShape[] = ['constant', 'poisson', 'ramp', 'spike', 'steps'];

function plan(shape: ArrivalShape, rate: readonly [number, number], durationMs: number): ArrivalPlan {
  return arrivalPlan({ shape, rate, durationMs });
}

function times(of: ArrivalPlan, seed: string | number = 1): number[] {
  const arrivals = new Arrivals(of, seededRng(seed));
  const found: number[] = [];
  for (let next = arrivals.next(); next; next = arrivals.next()) found.push(next.atMs);
  return found;
}

function rateOf(shape: ArrivalShape): readonly [number, number] {
  return shape === 'constant' || shape === 'poisson' ? [20, 20] : [5, 50];
}

/** Arrivals that the rates come to on average. */
function expected({ pieces }: ArrivalPlan): number {
  return pieces.reduce((sum, { fromMs, toMs, fromRate, toRate }) => {
    return sum + (((fromRate + toRate) / 2) * (toMs - fromMs)) / 1_000;
  }, 0);
}

describe.each(SHAPES)('%s arrivals', (shape) => {
  const one = plan(shape, rateOf(shape), 600_000);

  it('come in order, within the time', () => {
    const all = times(one);
    expect(all).toEqual([...all].sort((a, b) => a - b));
    expect(all[0]).toBeGreaterThan(0);
    expect(all.at(-1)).toBeLessThanOrEqual(600_000);
  });

  it('are as many as the rate says: exactly where they are even, within chance where they are drawn', () => {
    const count = times(one).length;
    const wanted = expected(one);
    // Four standard deviations of a Poisson count.
    if (one.random) expect(Math.abs(count - wanted)).toBeLessThan(4 * Math.sqrt(wanted));
    else expect(count).toBe(Math.floor(wanted + 1e-6));
  });

  it('are the same for the same seed, and others for another where they are drawn', () => {
    expect(times(one, 7)).toEqual(times(one, 7));
    if (one.random) expect(times(one, 7)).not.toEqual(times(one, 8));
  });

  it('can be counted before they come', () => {
    expect(countArrivals(one, seededRng(3), Infinity)).toBe(times(one, 3).length);
    expect(countArrivals(one, seededRng(3), 10)).toBe(10);
  });
});

describe('the rate over time', () => {
  const inTime = (all: readonly number[], fromMs: number, toMs: number): number =>
    all.filter((at) => at >= fromMs && at < toMs).length;

  it('is even and exact where it is constant', () => {
    expect(times(plan('constant', [4, 4], 2_000))).toEqual([250, 500, 750, 1_000, 1_250, 1_500, 1_750, 2_000]);
  });

  it('has waits of an exponential distribution where it is drawn', () => {
    const all = times(plan('poisson', [100, 100], 600_000));
    const waits = all.map((at, index) => at - (all[index - 1] ?? 0)).sort((a, b) => a - b);
    const quantile = (share: number): number => waits[Math.floor(share * waits.length)] ?? 0;
    for (const share of [0.25, 0.5, 0.9, 0.99]) {
      const exact = -Math.log(1 - share) * 10;
      expect(Math.abs(quantile(share) / exact - 1)).toBeLessThan(0.05);
    }
  });

  it('rises evenly in a ramp: the second half has three times the first where it begins at nothing', () => {
    const all = times(plan('ramp', [0.001, 100], 600_000));
    const share = inTime(all, 300_000, 600_001) / inTime(all, 0, 300_000);
    expect(share).toBeGreaterThan(2.8);
    expect(share).toBeLessThan(3.2);
  });

  it('has a burst in the middle fifth of a spike', () => {
    const all = times(plan('spike', [5, 50], 1_000_000));
    expect(inTime(all, 400_000, 600_000) / 200).toBeCloseTo(50, -1);
    expect(inTime(all, 0, 400_000) / 400).toBeCloseTo(5, 0);
    expect(inTime(all, 600_000, 1_000_000) / 400).toBeCloseTo(5, 0);
  });

  it('goes up by equal factors in steps, each of at least three seconds', () => {
    const { stages } = plan('steps', [1, 512], 30_000);
    expect(stages.map(({ ratePerSecond }) => Math.round(ratePerSecond))).toEqual([
      1, 2, 4, 8, 16, 32, 64, 128, 256, 512,
    ]);
    expect(plan('steps', [1, 4], 9_500).stages.map(({ ratePerSecond }) => ratePerSecond)).toEqual([1, 2, 4]);
    expect(plan('steps', [1, 4], 1_000).stages).toHaveLength(2);
  });

  it('names the stage of each arrival', () => {
    const arrivals = new Arrivals(plan('steps', [1, 4], 9_000), seededRng(1));
    const stages: (number | null)[] = [];
    for (let next = arrivals.next(); next; next = arrivals.next()) stages.push(next.stage);
    expect(stages.filter((stage) => stage === 0).length).toBeLessThanOrEqual(3);
    expect(stages.at(-1)).toBe(2);
    expect([...stages].sort()).toEqual(stages);
  });

  it('is held from now on when somebody sets it', () => {
    const arrivals = new Arrivals(plan('constant', [1, 1], 10_000), seededRng(1));
    expect(arrivals.next()?.atMs).toBe(1_000);
    arrivals.hold(10, 1_500);
    expect(arrivals.rateAt(1_600)).toBe(10);
    expect([arrivals.next()?.atMs, arrivals.next()?.atMs]).toEqual([1_600, 1_700]);
    let last = 0;
    for (let next = arrivals.next(); next; next = arrivals.next()) last = next.atMs;
    expect(last).toBe(10_000);
  });
});
