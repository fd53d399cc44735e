/**
 * How numbers are spread: their sum, their largest, and percentiles to three digits, in 90 kB however many there are.
 */
import { loadHistogram, type Histogram } from '../../engine/pacing/latency.ts';

const HIGHEST = 1_000_000_000;
const DIGITS = 3;

export interface SpreadView {
  readonly count: number;
  readonly sum: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
}

export class Spread {
  readonly #histogram: Histogram;
  #sum = 0;
  #max = 0;

  constructor(histogram: Histogram) {
    this.#histogram = histogram;
  }

  add(value: number): void {
    this.#sum += value;
    if (value > this.#max) this.#max = value;
    this.#histogram.recordValue(Math.min(HIGHEST, Math.max(0, Math.round(value))));
  }

  /** Null where there was nothing. */
  view(): SpreadView | null {
    const { totalCount: count } = this.#histogram;
    if (count === 0) return null;
    // A percentile is the end of its step, which may lie beyond the largest value of all.
    const at = (percentile: number): number => Math.min(this.#max, this.#histogram.getValueAtPercentile(percentile));
    return { count, sum: this.#sum, p50: at(50), p90: at(90), p99: at(99), max: this.#max };
  }
}

/** Gives new spreads. */
export async function loadSpreads(): Promise<() => Spread> {
  const HistogramClass = await loadHistogram();
  return () => new Spread(new HistogramClass(1, HIGHEST, DIGITS));
}
