/**
 * Percentiles against the exact ones of the sorted values, and the correction for coordinated omission.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import { seededRng } from '../../../../src/base/random.ts';
import { loadHistogram, type Histogram } from '../../../../src/engine/pacing/latency.ts';
import { loadTimes, Times, type NewTimes } from '../../../../src/tools/loadtest/histogram.ts';
import type { LatencyView } from '../../../../src/tools/loadtest/live.ts';

/** With the correction of its own, which takes a step for each that was left out. */
interface HdrHistogram extends Histogram {
  copyCorrectedForCoordinatedOmission(interval: number): Histogram;
}

let newTimes: NewTimes;
beforeAll(async () => {
  newTimes = await loadTimes();
});

function viewOf(values: readonly number[]): LatencyView {
  const times = newTimes();
  for (const value of values) times.record(value);
  const view = times.view();
  if (!view) throw new Error('nothing was recorded');
  return view;
}

function exact(values: readonly number[], percentile: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil((percentile / 100) * sorted.length - 1e-9) - 1)] ?? 0;
}

describe('percentiles', () => {
  const rng = seededRng(11);
  const drawn: readonly (readonly [string, number[]])[] = [
    ['even', Array.from({ length: 20_000 }, () => 300 + 1_200 * rng.next())],
    ['exponential', Array.from({ length: 20_000 }, () => -Math.log(1 - rng.next()) * 800)],
    ['of local connections', Array.from({ length: 5_000 }, () => 0.05 + rng.next())],
    ['few', [5, 1, 3]],
    ['one', [1_234.567]],
  ];

  it.each(drawn)('are within a tenth of a percent of the sorted values: %s', (_name, values) => {
    const view = viewOf(values);
    const seen: [number, number][] = [
      [50, view.p50_ms],
      [75, view.p75_ms],
      [90, view.p90_ms],
      [95, view.p95_ms],
      [99, view.p99_ms],
      [99.9, view.p99_9_ms],
      [100, view.max_ms],
    ];
    for (const [percentile, ms] of seen) {
      const wanted = exact(values, percentile);
      expect(Math.abs(ms - wanted), `p${percentile}`).toBeLessThanOrEqual(Math.max(0.011, wanted * 0.001));
      expect(ms).toBeLessThanOrEqual(view.max_ms);
    }
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    expect(view.mean_ms).toBeCloseTo(mean, 1);
    expect(view.count).toBe(values.length);
  });

  it('are none before the first value, and none again when it is cleared', () => {
    const times = newTimes();
    expect([times.view(), times.percentileMs(50), times.meanMs]).toEqual([null, null, null]);
    times.record(5);
    times.clear();
    expect([times.view(), times.count]).toEqual([null, 0]);
  });

  it('hold values that are longer than an hour or shorter than nothing at their ends', () => {
    expect(viewOf([9e9]).max_ms).toBeCloseTo(3_600_000, -4);
    expect(viewOf([-5]).max_ms).toBeCloseTo(0.01, 5);
  });
});

describe('the correction for coordinated omission', () => {
  it('leaves times alone that are near the interval: there was nothing to omit', () => {
    const times = newTimes();
    for (let ms = 300; ms < 1_500; ms++) times.record(ms);
    expect(times.corrected([{ times, intervalMs: 900 }])).toEqual(times.view());
  });

  it('puts back who would have asked during a stall: of 1 s each 10 ms these are 99', () => {
    const times = newTimes();
    for (let count = 0; count < 9_900; count++) times.record(1);
    times.record(1_000);
    expect(times.view()?.p99_9_ms).toBeLessThan(2);
    const corrected = times.corrected([{ times, intervalMs: 10 }]);
    expect(corrected?.count).toBe(9_900 + 100);
    // The rests of the stall are spread evenly over it: 990, 980, … 10.
    expect(corrected?.p99_ms).toBeLessThan(10.1);
    expect(corrected?.p99_9_ms).toBeGreaterThan(895);
    expect(corrected?.p99_9_ms).toBeLessThan(915);
  });

  it('is that of HdrHistogram to half a percent, where the stalls are long and many too', async () => {
    const Made = await loadHistogram();
    const measured = new Made(1, 360_000_000, 3) as HdrHistogram;
    const times = newTimes();
    const rng = seededRng(4);
    const record = (ms: number): void => {
      times.record(ms);
      measured.recordValue(Math.round(ms * 100));
    };
    for (let count = 0; count < 20_000; count++) record(2 + rng.next());
    for (let count = 0; count < 50; count++) record(10_000 * rng.next());
    const wanted = measured.copyCorrectedForCoordinatedOmission(300);
    const seen = times.corrected([{ times, intervalMs: 3 }]);
    expect(Math.abs((seen?.count ?? 0) - wanted.totalCount)).toBeLessThanOrEqual(1);
    for (const [percentile, ms] of [
      [50, seen?.p50_ms],
      [75, seen?.p75_ms],
      [90, seen?.p90_ms],
      [99, seen?.p99_ms],
      [99.9, seen?.p99_9_ms],
    ] as const) {
      const exactly = wanted.getValueAtPercentile(percentile) / 100;
      expect(Math.abs((ms ?? 0) - exactly), `p${percentile}`).toBeLessThanOrEqual(exactly * 0.005);
    }
    expect(Math.abs((seen?.mean_ms ?? 0) * 100 - wanted.mean)).toBeLessThanOrEqual(wanted.mean * 0.005);
  });

  it('takes no step for each that was left out: a minute of standstill of a quick server is millions of them', async () => {
    const Made = await loadHistogram();
    let steps = 0;
    class Counting extends (Made as new (...of: number[]) => HdrHistogram) {
      override recordValueWithCount(value: number, count: number): void {
        steps++;
        super.recordValueWithCount(value, count);
      }
    }
    const times = new Times(() => new Counting(1, 360_000_000, 3));
    for (let count = 0; count < 1_000; count++) times.record(0.3);
    for (let slow = 0; slow < 500; slow++) times.record(1_000 + slow * 100);
    expect(times.corrected([{ times, intervalMs: 0.5 }])?.count).toBeGreaterThan(20_000_000);
    expect(steps).toBeLessThan(100_000);
  });

  it('does nothing without an interval', () => {
    const times = newTimes();
    times.record(500);
    expect(times.corrected([{ times, intervalMs: 0 }])).toEqual(times.view());
  });
});
