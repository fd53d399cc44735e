/**
 * The seconds of a load test as CSV, a line each: for spreadsheets and for whoever draws charts of his own.
 */
import type { LoadPoint } from './live.ts';

const COLUMNS = [
  'second',
  'users',
  'in_flight',
  'wanted_per_second',
  'sent',
  'succeeded',
  'rate_limited',
  'failed',
  'input_tokens',
  'output_tokens',
  'p50_ms',
  'p95_ms',
  'p99_ms',
  'first_token_p95_ms',
] as const satisfies readonly (keyof LoadPoint)[];

export const CSV_HEADER = `${COLUMNS.join(',')}\n`;

export function csvLine(point: LoadPoint): string {
  return `${COLUMNS.map((column) => cell(point[column])).join(',')}\n`;
}

/** Nothing where nothing was measured. */
function cell(value: number | null): string {
  return value === null ? '' : String(Math.round(value * 1_000) / 1_000);
}
