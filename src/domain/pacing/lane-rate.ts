/**
 * How many rows a minute the realtime lane does: the narrowest of the buckets that they are paid from, and of the calls
 * that may be under way at once.
 */

/** What one bucket lets through in a minute, and what a row takes of it on average. */
export interface RowShare {
  readonly perMinute: number;
  readonly eachRow: number;
}

/** Of a thousandth of a row nobody knows when it ends; but nothing is divided by zero. */
const ROWS_PER_MINUTE_MIN = 1e-3;

export function rowsPerMinute(
  shares: readonly RowShare[],
  { concurrency, latencyMs }: { readonly concurrency: number; readonly latencyMs: number },
): number {
  let rows = (concurrency * 60_000) / Math.max(1, latencyMs);
  for (const { perMinute, eachRow } of shares) if (eachRow > 0) rows = Math.min(rows, perMinute / eachRow);
  return Math.max(ROWS_PER_MINUTE_MIN, rows);
}
