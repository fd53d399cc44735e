/**
 * From a sample of rows, each with its bytes and its tokens, to the tokens of all rows, whose bytes are known exactly.
 *
 * Tokens are taken to be a line over bytes: every request has some that do not depend on its length (a shared system
 * prompt, tools, the frame of JSON), and the rest goes with it. The error of the total follows from how far the sample is
 * from its own line (the regression estimator, and its standard error). Where the sample says nothing of a
 * slope (few rows, or all of one size) it is the ratio of the sums. On top comes what each count may be off by itself, the
 * same for all rows: more rows do not make that smaller.
 */
import { within, type Band } from './band.ts';

export interface SamplePoint {
  readonly bytes: number;
  readonly tokens: number;
}

export interface Population {
  readonly rows: number;
  readonly bytes: number;
}

/** What count_tokens may be off: "an estimate", "may differ by a small amount" (documentation 2026-09-26). */
export const COUNT_ERROR = 0.02;

/**
 * So many standard errors hold the truth in 19 of 20 samples: two, and a half for longer rows being farther from the line
 * than shorter ones (estimate.test.ts draws 300 samples). With few rows the spread is not well known itself.
 */
const ERRORS_95 = 2.5;
const ERRORS_95_FEW = 3;
const FEW = 10;
/** Fewer rows than this show no line. */
const LINE_ROWS_MIN = 8;
/** Sizes that differ by less than this (standard deviation over mean) show no slope. */
const LINE_SPREAD_MIN = 0.02;
/** One row shows no spread at all. */
const ONE_ROW_ERROR = 0.5;

export interface TotalEstimate {
  readonly tokens: Band;
  readonly method: 'line' | 'ratio';
  /** Sampling error of the total as a share of it, at 95 %; what each count may be off is not in it. */
  readonly samplingError: number;
}

/** `countError`: what each of the counts may be off, as a share. Null without a sample. */
export function estimateTotal(
  all: Population,
  sample: readonly SamplePoint[],
  countError: number,
): TotalEstimate | null {
  if (sample.length === 0 || all.rows === 0) return null;
  const line = lineOf(sample);
  const fitted = line && isInside(all, sample) ? lineTotal(all, sample, line) : ratioTotal(all, sample);
  const expected = Math.max(0, fitted.total);
  const errors = sample.length < FEW ? ERRORS_95_FEW : ERRORS_95;
  // Where all rows were looked at there is nothing left to guess.
  const unseen = Math.sqrt(Math.max(0, 1 - sample.length / all.rows));
  const one = sample.length === 1 && all.rows > 1 ? ONE_ROW_ERROR : 0;
  const samplingError = expected === 0 ? 0 : Math.max(one, (errors * fitted.standardError * unseen) / expected);
  return { tokens: within(expected, samplingError + countError), method: fitted.method, samplingError };
}

interface Line {
  readonly slope: number;
  readonly meanBytes: number;
  readonly meanTokens: number;
}

function lineOf(sample: readonly SamplePoint[]): Line | null {
  if (sample.length < LINE_ROWS_MIN) return null;
  const meanBytes = mean(sample, ({ bytes }) => bytes);
  const meanTokens = mean(sample, ({ tokens }) => tokens);
  const spread = sum(sample, ({ bytes }) => (bytes - meanBytes) ** 2);
  if (Math.sqrt(spread / sample.length) < meanBytes * LINE_SPREAD_MIN) return null;
  const slope = sum(sample, ({ bytes, tokens }) => (bytes - meanBytes) * (tokens - meanTokens)) / spread;
  return { slope, meanBytes, meanTokens };
}

/** A line is only good where the sample is: the average of all rows must lie among its rows. */
function isInside({ rows, bytes }: Population, sample: readonly SamplePoint[]): boolean {
  const average = bytes / rows;
  let [least, most] = [Infinity, 0];
  for (const point of sample) {
    least = Math.min(least, point.bytes);
    most = Math.max(most, point.bytes);
  }
  return average >= least && average <= most;
}

interface Fitted {
  readonly total: number;
  readonly standardError: number;
  readonly method: TotalEstimate['method'];
}

function lineTotal({ rows, bytes }: Population, sample: readonly SamplePoint[], line: Line): Fitted {
  const { slope, meanBytes, meanTokens } = line;
  const at = (size: number): number => meanTokens + slope * (size - meanBytes);
  const residuals = sum(sample, (point) => (point.tokens - at(point.bytes)) ** 2) / (sample.length - 2);
  return { total: rows * at(bytes / rows), standardError: rows * Math.sqrt(residuals / sample.length), method: 'line' };
}

function ratioTotal({ rows, bytes }: Population, sample: readonly SamplePoint[]): Fitted {
  const ratio =
    sum(sample, ({ tokens }) => tokens) /
    Math.max(
      1,
      sum(sample, (point) => point.bytes),
    );
  const residuals = sum(sample, (point) => (point.tokens - ratio * point.bytes) ** 2) / Math.max(1, sample.length - 1);
  return { total: ratio * bytes, standardError: rows * Math.sqrt(residuals / sample.length), method: 'ratio' };
}

function sum(points: readonly SamplePoint[], of: (point: SamplePoint) => number): number {
  return points.reduce((total, point) => total + of(point), 0);
}

function mean(points: readonly SamplePoint[], of: (point: SamplePoint) => number): number {
  return sum(points, of) / points.length;
}
