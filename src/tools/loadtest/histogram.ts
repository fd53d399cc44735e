/**
 * Times of any number of requests in a fixed 80 kB: an HDR histogram from ten microseconds to an hour, each value within
 * a tenth of a percent.
 */
import { loadHistogram, type Histogram } from '../../engine/pacing/latency.ts';
import type { LatencyView } from './live.ts';
import { putBack } from './omission.ts';

/** Units of a millisecond: local connections are made in less than one. */
const UNITS_PER_MS = 100;
const HIGHEST_UNITS = 3_600_000 * UNITS_PER_MS;
const DIGITS = 3;

export type NewTimes = () => Times;

/** The package is loaded once; from then on histograms are made at will. */
export async function loadTimes(): Promise<NewTimes> {
  const Made = await loadHistogram();
  return () => new Times(() => new Made(1, HIGHEST_UNITS, DIGITS));
}

/** Times among which some are of a stall: those far above how often one is usually asked for. */
export interface Usual {
  readonly times: Times;
  readonly intervalMs: number;
}

export class Times {
  readonly #make: () => Histogram;
  readonly #histogram: Histogram;
  #sumMs = 0;

  constructor(make: () => Histogram) {
    this.#make = make;
    this.#histogram = make();
  }

  get count(): number {
    return this.#histogram.totalCount;
  }

  record(ms: number): void {
    this.#sumMs += ms;
    this.#histogram.recordValue(Math.min(HIGHEST_UNITS, Math.max(1, Math.round(ms * UNITS_PER_MS))));
  }

  /** Null before the first. */
  percentileMs(percentile: number): number | null {
    if (this.count === 0) return null;
    return Math.min(this.#histogram.getValueAtPercentile(percentile), this.#histogram.maxValue) / UNITS_PER_MS;
  }

  get meanMs(): number | null {
    return this.count === 0 ? null : this.#sumMs / this.count;
  }

  view(): LatencyView | null {
    return this.count === 0 ? null : viewOf(this.#histogram, this.#sumMs / this.count);
  }

  /**
   * As `view`, with what coordinated omission has hidden put back (omission.ts). `kinds` are these same times, kind by
   * kind: what is usual for one may be a stall of another.
   */
  corrected(kinds: readonly Usual[]): LatencyView | null {
    if (this.count === 0) return null;
    const whole = this.#make();
    whole.add(this.#histogram);
    for (const { times, intervalMs } of kinds) {
      const interval = Math.round(intervalMs * UNITS_PER_MS);
      if (interval >= 1) putBack(whole, times.#histogram, interval);
    }
    // Of what was measured the mean is exact.
    return whole.totalCount === this.count ? this.view() : viewOf(whole, whole.mean / UNITS_PER_MS);
  }

  clear(): void {
    this.#sumMs = 0;
    this.#histogram.reset();
  }
}

function viewOf(histogram: Histogram, meanMs: number): LatencyView {
  // A bucket's upper end may lie above the largest value in it.
  const at = (percentile: number): number =>
    rounded(Math.min(histogram.getValueAtPercentile(percentile), histogram.maxValue) / UNITS_PER_MS);
  return {
    count: histogram.totalCount,
    mean_ms: rounded(meanMs),
    p50_ms: at(50),
    p75_ms: at(75),
    p90_ms: at(90),
    p95_ms: at(95),
    p99_ms: at(99),
    p99_9_ms: at(99.9),
    max_ms: rounded(histogram.maxValue / UNITS_PER_MS),
  };
}

function rounded(ms: number): number {
  return Math.round(ms * UNITS_PER_MS) / UNITS_PER_MS;
}
