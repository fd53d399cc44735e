/**
 * Times of any number of requests in a fixed 80 kB: an HDR histogram from ten microseconds to an hour, each value within
 * a tenth of a percent.
 */
import { loadHistogram, type Histogram } from '../../engine/pacing/latency.ts';
import type { LatencyView } from './live.ts';

/** Units of a millisecond: local connections are made in less than one. */
const UNITS_PER_MS = 100;
const HIGHEST_UNITS = 3_600_000 * UNITS_PER_MS;
const DIGITS = 3;

export type NewTimes = () => Times;

/** The package is loaded once; from then on histograms are made at will. */
export async function loadTimes(): Promise<NewTimes> {
  const Made = await loadHistogram();
  return () => new Times(new Made(1, HIGHEST_UNITS, DIGITS));
}

export class Times {
  readonly #histogram: Histogram;
  #sumMs = 0;

  constructor(histogram: Histogram) {
    this.#histogram = histogram;
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
   * As `view`, with what coordinated omission has hidden put back: whoever would have asked every `intervalMs`, and had
   * to wait for a slow answer instead, would have seen its rest. HdrHistogram's own correction.
   */
  corrected(intervalMs: number): LatencyView | null {
    const interval = Math.round(intervalMs * UNITS_PER_MS);
    if (this.count === 0 || interval < 1) return this.view();
    const copy = this.#histogram.copyCorrectedForCoordinatedOmission(interval);
    if (copy.totalCount === this.count) return this.view();
    return viewOf(copy, copy.mean / UNITS_PER_MS);
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
