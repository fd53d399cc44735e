/**
 * What `batchrun stats` shows of a results file.
 */
import { formatCount, formatUsd, plural } from '../../base/units.ts';
import type { SpreadView } from '../../tools/stats/spread.ts';
import type { BrokenLines } from '../../tools/results/read-results.ts';
import type { StatsReport } from '../../tools/stats/result-stats.ts';
import { createPaint, table } from '../terminal/ui.ts';

export interface StatsView extends StatsReport {
  readonly file: string;
  readonly duplicate_ids: {
    readonly count: number;
    readonly shown: readonly { readonly id: string; readonly lines: readonly number[] }[];
  };
  readonly broken: { readonly count: number; readonly shown: BrokenLines['shown'] };
}

const CLASSES = [
  ['input', 'input'],
  ['output', 'output'],
  ['cache_write', 'cache writes'],
  ['cache_read', 'cache reads'],
] as const;

export function statsText(view: StatsView, { color }: { readonly color: boolean }): string {
  const paint = createPaint(color);
  const block = (title: string, rows: readonly (readonly string[])[], more: readonly string[] = []): string =>
    rows.length + more.length === 0
      ? ''
      : [paint.bold(title), ...(rows.length === 0 ? [] : [table(rows)]), ...more.map((line) => `  ${line}`)].join('\n');
  const outcomes = Object.entries(view.outcomes).filter(([, count]) => count > 0);
  const blocks = [
    `${paint.bold(view.file)}  ${plural(view.rows, 'row')}`,
    block(
      'outcomes',
      outcomes.map(([outcome, count]) => [outcome, formatCount(count), percent(count / view.rows)]),
    ),
    block('errors', counts(view.error_types)),
    block('stop reasons', counts(view.stop_reasons)),
    block('tokens and characters of an answer', spreads(view)),
    block('cost', costRows(view), costLines(view)),
    block('prompt cache', [], cacheLines(view)),
    block('ids that are there more than once', [], duplicateLines(view)),
    block('lines that cannot be read', [], brokenLines(view)),
  ];
  return blocks.filter((text) => text !== '').join('\n\n');
}

function counts(names: Readonly<Record<string, number>>): string[][] {
  return Object.entries(names).map(([name, count]) => [name, formatCount(count)]);
}

function spreads({ tokens, answer_chars: chars }: StatsView): string[][] {
  const rows = CLASSES.flatMap(([key, name]) => {
    const spread = tokens[key];
    return spread === null || (spread.max === 0 && key.startsWith('cache')) ? [] : [spreadRow(name, spread)];
  });
  if (chars !== null) rows.push(spreadRow('characters', chars));
  return rows.length === 0 ? [] : rightAligned([['', 'sum', 'p50', 'p90', 'p99', 'max'], ...rows]);
}

/** Names of columns stand over the ends of their numbers. */
function rightAligned(rows: readonly (readonly string[])[]): string[][] {
  const widths: number[] = [];
  for (const row of rows) row.forEach((cell, at) => (widths[at] = Math.max(widths[at] ?? 0, cell.length)));
  return rows.map((row) => row.map((cell, at) => (at === 0 ? cell : cell.padStart(widths[at] ?? 0))));
}

function spreadRow(name: string, { sum, p50, p90, p99, max }: SpreadView): string[] {
  return [name, ...[sum, p50, p90, p99, max].map(formatCount)];
}

function costRows({ cost_usd: cost }: StatsView): string[][] {
  const rows = cost.by_model.map((one) => [one.model, one.lane, plural(one.rows, 'row'), usd(one.cost_usd)]);
  return rows.length < 2 ? rows : [...rows, ['in all', '', '', usd(cost.total)]];
}

function costLines({ cost_usd: cost }: StatsView): string[] {
  const lines: string[] = [];
  if (cost.lane_assumed > 0) {
    lines.push(`${plural(cost.lane_assumed, 'answer')} without a word about the lane: taken for those of a batch`);
  }
  if (cost.unpriced > 0) lines.push(`${plural(cost.unpriced, 'answer')} without a known price (see --prices)`);
  return lines;
}

function cacheLines({ cache, stop_reasons: stops }: StatsView): string[] {
  if (cache.hit_rows + cache.write_rows === 0 || cache.read_share === null) return [];
  const answers = Object.values(stops).reduce((sum, count) => sum + count, 0);
  return [
    `${formatCount(cache.hit_rows)} of ${plural(answers, 'answer')} read from it, ${formatCount(cache.write_rows)} wrote to it; ${percent(cache.read_share)} of the prompt tokens came from it`,
  ];
}

function duplicateLines({ duplicate_ids: ids }: StatsView): string[] {
  if (ids.count === 0) return [];
  const shown = ids.shown.map(({ id, lines }) => `${shortened(id)}: lines ${lines.join(', ')}`);
  return [plural(ids.count, 'id'), ...shown, ...more(ids.count - ids.shown.length, shown.length)];
}

function brokenLines({ file, broken }: StatsView): string[] {
  const shown = broken.shown.map(({ line, message }) => `${file}:${line}: ${message}`);
  return [...shown, ...more(broken.count - shown.length, shown.length)];
}

function more(left: number, shown: number): string[] {
  return left > 0 && shown > 0 ? [`… and ${formatCount(left)} more`] : [];
}

function shortened(id: string): string {
  return id.length > 40 ? `${id.slice(0, 40)}…` : id;
}

function usd(amount: number | null): string {
  return amount === null ? 'unknown' : formatUsd(amount);
}

/** 99.97 % is not 100 %, and 0.004 % is not nothing. */
function percent(share: number): string {
  const value = share * 100;
  if (value === 0 || value === 100) return `${value} %`;
  return `${Math.min(99.99, Math.max(0.01, value)).toFixed(2)} %`;
}
