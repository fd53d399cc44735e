/**
 * The account's limits in text: for `limits`, and a few lines in `status`. The JSON twin is the LimitsView itself.
 */
import { formatCount, formatDuration, plural } from '../../base/units.ts';
import { usedLately, type LimitsView, type LimitView, type UseView } from '../../engine/views/limits-view.ts';
import { createPaint, table, type Paint } from '../terminal/ui.ts';
import type { TextOptions } from './run-text.ts';

const NAMES: Readonly<Record<string, string>> = {
  requests: 'requests a minute',
  input: 'input tokens a minute',
  output: 'output tokens a minute',
  tokens: 'tokens a minute',
  day: 'tokens a day',
  queue: 'requests in open batches',
  batches: 'open batches',
};

const SOURCES: Readonly<Record<string, string>> = {
  flag: 'from a flag',
  admin: 'from the Admin API',
  headers: 'from headers',
  refusal: 'from a 429',
  tier: 'from the tier of another limit',
  assumed: 'assumed, nothing is known yet',
};

const MODES: Readonly<Record<string, string>> = {
  shared: ', shared with other processes',
  alone: ', the shared limiter is away: a safe share is used',
};

const BAR_WIDTH = 12;

/** `limits`: a block for each pool. */
export function limitsText(views: readonly LimitsView[], options: TextOptions): string {
  const paint = createPaint(options.color);
  const places = new Set(views.map((view) => view.base_url)).size;
  return views.map((view) => poolText(view, { ...options, paint, manyPlaces: places > 1 })).join('\n\n');
}

/** For `status`: of each pool that was used in the last hour a line, and what is nearly used up. */
export function limitsParagraph(views: readonly LimitsView[], options: TextOptions): string {
  const used = usedLately(views);
  if (used.length === 0) return '';
  const paint = createPaint(options.color);
  const lines = used.map((view) => [view.rate_class, view.limits.map(shortLimit).join(', ')]);
  const warnings = used.flatMap((view) => warningLines(view, ` of ${view.rate_class}`));
  return [paint.bold('limits'), table(lines), ...warnings.map((line) => paint.yellow(line))].join('\n');
}

function poolText(view: LimitsView, options: TextOptions & { paint: Paint; manyPlaces: boolean }): string {
  const { paint } = options;
  const where = options.manyPlaces ? `  ${view.base_url}` : '';
  const seen = `seen ${ago(view.as_of, options)}${MODES[view.mode] ?? ''}`;
  const latency = view.latency_ms;
  const blocks = [
    `${paint.bold(view.rate_class)}  ${view.organization}${where}  ${paint.dim(seen)}`,
    table(view.limits.map((limit) => limitCells(limit, options))),
    table(useLines(view)),
    latency === null
      ? ''
      : `  latency of ${plural(latency.calls, 'call')}: p50 ${seconds(latency.p50)}, p95 ${seconds(latency.p95)}, p99 ${seconds(latency.p99)}`,
    ...warningLines(view, '').map((line) => paint.yellow(line)),
  ];
  return blocks.filter((block) => block !== '').join('\n');
}

function limitCells(limit: LimitView, options: TextOptions): string[] {
  const age = limit.source === 'assumed' || limit.source === 'flag' ? '' : `, ${ago(limit.known_at, options)}`;
  const from = `${SOURCES[limit.source] ?? limit.source}${age}`;
  if (limit.used === null || limit.share === null) return [nameOf(limit), formatCount(limit.value), '', '', '', from];
  const percent = `${percentOf(limit.share)} %`;
  return [nameOf(limit), formatCount(limit.value), bar(limit.share), percent, formatCount(limit.used), from];
}

function useLines(view: LimitsView): string[][] {
  if (view.use.last_hour.requests === 0) return [];
  const lines = [
    ['last minute', ...useCells(view.use.last_minute)],
    ['last hour', ...useCells(view.use.last_hour)],
  ];
  if (view.keys.length < 2) return lines;
  for (const { key, last_minute: minute, last_hour: hour } of view.keys) {
    lines.push([`${key}, minute`, ...useCells(minute)], [`${key}, hour`, ...useCells(hour)]);
  }
  return lines;
}

function useCells(use: UseView): string[] {
  return [
    plural(use.requests, 'call'),
    `${formatCount(use.input_tokens)} in`,
    `${formatCount(use.output_tokens)} out`,
    `${formatCount(use.refused)} refused (429)`,
    `${formatCount(use.retried)} tried again`,
  ];
}

function warningLines(view: LimitsView, of: string): string[] {
  const near = view.limits
    .filter((limit) => limit.warning && limit.share !== null)
    .map((limit) => `  ! ${warningText(limit, of)}`);
  if (view.paused_until === null) return near;
  // A time, not how long: what --watch shows must not change with every second.
  return [...near, `  ! calls${of} wait until ${view.paused_until}: the API asks for it`];
}

function warningText(limit: LimitView, of: string): string {
  const at = `${percentOf(limit.share ?? 0)} %`;
  const name = nameOf(limit).replace(/ a (minute|day)$/, '');
  if (limit.per === 'at_once') return `${name}${of} at ${at} of the limit`;
  return `${name}${of} at ${at} of the ${limit.per}`;
}

/** `412 of 1,000 requests a minute`. */
function shortLimit(limit: LimitView): string {
  const used = limit.used === null ? '' : `${formatCount(limit.used)} of `;
  return `${used}${formatCount(limit.value)} ${nameOf(limit)}`;
}

function nameOf(limit: LimitView): string {
  return NAMES[limit.name] ?? limit.name;
}

/** Rounded down, so that 100 % is a limit that is used up. */
function percentOf(share: number): number {
  return Math.floor(share * 100 + 1e-9);
}

function bar(share: number): string {
  const full = Math.min(BAR_WIDTH, Math.floor(share * BAR_WIDTH));
  return `[${'='.repeat(full)}${' '.repeat(BAR_WIDTH - full)}]`;
}

/** Never in the future: the clock may have been set back since. */
function ago(iso: string, { nowMs }: TextOptions): string {
  return `${formatDuration(Math.max(0, nowMs - Date.parse(iso)))} ago`;
}

/** Latencies matter to a tenth of a second. */
function seconds(ms: number): string {
  return ms < 1_000 ? `${ms}ms` : `${(ms / 1_000).toFixed(1)}s`;
}
