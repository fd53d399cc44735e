/**
 * How long realtime calls take: an HDR histogram from a millisecond to an hour with three digits, 54 kB however many
 * calls there are.
 *
 * Of hdr-histogram-js only the one histogram is loaded, and on demand: its entry takes 31 ms and 17 MB (WebAssembly in
 * base64, zlib in JavaScript), the histogram alone 3 ms and 1 MB.
 */
import type { LatencyView } from '../../domain/pacing/snapshot.ts';

const LOWEST_MS = 1;
const HIGHEST_MS = 3_600_000;
const DIGITS = 3;

export interface Latencies {
  /** Shorter or longer calls than the histogram holds count as its shortest or longest. */
  record(tookMs: number): void;
  /** Null before the first call. */
  view(): LatencyView | null;
}

/** What is used of it. */
export interface Histogram {
  readonly totalCount: number;
  recordValue(value: number): void;
  recordValueWithCount(value: number, count: number): void;
  getValueAtPercentile(percentile: number): number;
  /** Of the bucket that holds the value. */
  getCountAtValue(value: number): number;
  /** Where the bucket after that of the value begins. */
  nextNonEquivalentValue(value: number): number;
  add(other: Histogram): void;
  readonly mean: number;
  readonly maxValue: number;
  reset(): void;
}

type HistogramClass = new (lowest: number, highest: number, digits: number) => Histogram;

export async function loadHistogram(): Promise<HistogramClass> {
  // eslint-disable-next-line no-restricted-syntax -- its types call private what reads a bucket
  return classOf((await import('hdr-histogram-js/dist/Int32Histogram.js')).default) as unknown as HistogramClass;
}

export async function createLatencies(): Promise<Latencies> {
  const Histogram = await loadHistogram();
  const histogram = new Histogram(LOWEST_MS, HIGHEST_MS, DIGITS);
  return {
    record: (tookMs) => {
      histogram.recordValue(Math.min(HIGHEST_MS, Math.max(LOWEST_MS, Math.round(tookMs))));
    },
    view: () => {
      if (histogram.totalCount === 0) return null;
      return {
        calls: histogram.totalCount,
        p50Ms: histogram.getValueAtPercentile(50),
        p95Ms: histogram.getValueAtPercentile(95),
        p99Ms: histogram.getValueAtPercentile(99),
      };
    },
  };
}

/** A CommonJS module under its own `default`, which loaders that know of it have unwrapped already. */
function classOf<C>(loaded: { readonly default: C } | C): C {
  return typeof loaded === 'object' && loaded !== null && 'default' in loaded ? loaded.default : loaded;
}
