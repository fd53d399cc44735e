/**
 * `--fail-if 'failed>0.5%'`: when a finished run counts as failed (exit 3). Without it any row that did not succeed does.
 *
 * `failed` means every row that did not succeed, for whatever reason; `expired`, `canceled` and `invalid` those alone.
 */
import { BatchrunError } from '../base/errors.ts';
import type { RowCounts } from './model.ts';

const METRICS = ['failed', 'expired', 'canceled', 'invalid'] as const;
type Metric = (typeof METRICS)[number];

interface Condition {
  readonly metric: Metric;
  readonly orEqual: boolean;
  readonly limit: number;
  readonly percent: boolean;
}

/** One or more conditions joined with commas; throws E_USAGE naming what is not one. */
export function parseFailIf(text: string): readonly Condition[] {
  return text.split(',').map((part) => {
    const match = /^\s*([a-z]+)\s*(>=|>)\s*(\d+(?:\.\d+)?)\s*(%?)\s*$/.exec(part);
    const metric = METRICS.find((name) => name === match?.[1]);
    if (!match || !metric) {
      throw new BatchrunError('E_USAGE', `--fail-if does not understand "${part.trim()}"`, {
        hint: `Write for example --fail-if 'failed>0.5%' or 'failed>10,expired>0'; there are ${METRICS.join(', ')}.`,
      });
    }
    return { metric, orEqual: match[2] === '>=', limit: Number(match[3]), percent: match[4] === '%' };
  });
}

/** Does a finished run with these rows count as failed? */
export function countsAsFailed(rows: RowCounts, total: number, failIf: string | null): boolean {
  if (failIf === null) return rowsNotSucceeded(rows) > 0;
  return parseFailIf(failIf).some(({ metric, orEqual, limit, percent }) => {
    const count = metric === 'failed' ? rowsNotSucceeded(rows) : rows[metric];
    const value = percent ? (count / Math.max(1, total)) * 100 : count;
    return orEqual ? value >= limit : value > limit;
  });
}

/** Rows that reached an end other than success. */
export function rowsNotSucceeded(rows: RowCounts): number {
  return rows.failed + rows.expired + rows.canceled + rows.invalid;
}

/** The states that such rows are in, as `--only` takes them. */
function statesNotSucceeded(rows: Readonly<Record<string, number>>): readonly string[] {
  return METRICS.filter((state) => (rows[state] ?? 0) > 0);
}

/** What to do about such rows: one command shows them, another sends those again that can be sent. */
export function nextCommands(runId: string, rows: Readonly<Record<string, number>>): readonly string[] {
  const states = statesNotSucceeded(rows);
  const again = states.filter((state) => state !== 'invalid');
  if (states.length === 0) return [];
  const whom = again.length === states.length ? 'them' : 'all but the invalid ones';
  const show = `\`batchrun results ${runId} --only ${states.join(',')}\` shows the rows`;
  return again.length === 0 ? [show] : [show, `\`batchrun retry ${runId}\` sends ${whom} again`];
}
