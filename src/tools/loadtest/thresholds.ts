/**
 * `--fail-if 'p95>2s, error_rate>1%'` of a load test: when it counts as failed. A name or a unit that is not known is
 * refused before anything is sent; what could not be measured counts as failed, because nobody has seen that it is fine.
 */
import { BatchrunError } from '../../base/errors.ts';
import { formatCount, parseDurationMs } from '../../base/units.ts';
import { closest } from '../../domain/row/closest.ts';
import type { LatenciesView, LatencyView } from './live.ts';

/** What conditions look at. */
export interface Measures {
  readonly latency: LatenciesView;
  readonly sent: number;
  readonly succeeded: number;
  readonly failed: number;
  readonly rateLimited: number;
  /** Answers that came whole, a second. */
  readonly perSecond: number;
  readonly inputPerMinute: number;
  readonly outputPerMinute: number;
  /** Of single streamed answers, the median; null where nothing was streamed. */
  readonly tokensPerSecond: number | null;
  readonly costUsd: number | null;
}

export interface Condition {
  /** As it was typed. */
  readonly text: string;
  readonly metric: string;
  readonly operator: Operator;
  readonly limit: number;
  readonly kind: MetricKind;
}

export interface Verdict {
  readonly condition: string;
  readonly metric: string;
  /** Milliseconds, a share from 0 to 1, USD, or a number; null: not measured. */
  readonly value: number | null;
  readonly limit: number;
  readonly failed: boolean;
}

type Operator = '>' | '>=' | '<' | '<=';
type MetricKind = 'ms' | 'share' | 'number';

interface Metric {
  readonly kind: MetricKind;
  readonly of: (measures: Measures) => number | null;
}

const TIMES: readonly (readonly [string, keyof LatenciesView])[] = [
  ['', 'total'],
  ['service_', 'service'],
  ['connect_', 'connect'],
  ['ttfb_', 'first_byte'],
  ['ttft_', 'first_token'],
  ['stream_', 'stream'],
];
const FIGURES: readonly (readonly [string, keyof LatencyView])[] = [
  ['p50', 'p50_ms'],
  ['p75', 'p75_ms'],
  ['p90', 'p90_ms'],
  ['p95', 'p95_ms'],
  ['p99', 'p99_ms'],
  ['p99.9', 'p99_9_ms'],
  ['mean', 'mean_ms'],
  ['max', 'max_ms'],
];

const number = (of: Metric['of']): Metric => ({ kind: 'number', of });
const share = (of: (measures: Measures) => number): Metric => ({
  kind: 'share',
  of: (measures) => {
    const ended = measures.succeeded + measures.failed + measures.rateLimited;
    return ended === 0 ? null : of(measures) / ended;
  },
});

const METRICS: ReadonlyMap<string, Metric> = new Map<string, Metric>([
  ...TIMES.flatMap(([prefix, time]) =>
    FIGURES.map(([name, figure]): [string, Metric] => [
      `${prefix}${name}`,
      { kind: 'ms', of: ({ latency }) => latency[time]?.[figure] ?? null },
    ]),
  ),
  ['error_rate', share(({ failed }) => failed)],
  ['rate_limited', share(({ rateLimited }) => rateLimited)],
  ['requests', number(({ sent }) => sent)],
  ['succeeded', number(({ succeeded }) => succeeded)],
  ['failed', number(({ failed }) => failed)],
  ['rps', number(({ perSecond }) => perSecond)],
  ['rpm', number(({ perSecond }) => perSecond * 60)],
  ['input_tpm', number(({ inputPerMinute }) => inputPerMinute)],
  ['output_tpm', number(({ outputPerMinute }) => outputPerMinute)],
  ['tokens_per_second', number(({ tokensPerSecond }) => tokensPerSecond)],
  ['cost', number(({ costUsd }) => costUsd)],
]);

const NAMES = `p50, p75, p90, p95, p99, p99.9, mean and max (of the corrected total; with ${TIMES.slice(1)
  .map(([prefix]) => prefix)
  .join(', ')} before them of a part), ${[...METRICS.keys()].slice(TIMES.length * FIGURES.length).join(', ')}`;

/** Conditions joined with commas, of which one that holds is enough. Throws E_USAGE naming what is not one. */
export function parseThresholds(text: string): readonly Condition[] {
  return text.split(',').map((part) => {
    const typed = part.trim();
    const [, name = '', operator = '>', value = ''] =
      /^([a-z_]+[\d.]*[a-z_]*)\s*(>=|<=|>|<)\s*(\S+)$/i.exec(typed) ?? [];
    const metric = METRICS.get(name.toLowerCase());
    if (name === '') throw refused(typed, 'is no condition');
    if (!metric) {
      const nearest = closest(name, [...METRICS.keys()]);
      throw refused(typed, `there is no ${name}${nearest === undefined ? '' : `; did you mean ${nearest}?`}`);
    }
    const limit = limitOf(metric.kind, value);
    if (limit === undefined) throw refused(typed, WANTED[metric.kind]);
    return { text: typed, metric: name.toLowerCase(), operator: operator as Operator, limit, kind: metric.kind };
  });
}

const WANTED: Readonly<Record<MetricKind, string>> = {
  ms: 'a time such as 800ms or 2s is wanted',
  share:
    'a share such as 1% or 0.01 is wanted (a bare 1 could be one percent or all of them; more than 100% there is not)',
  number: 'a number is wanted',
};

function limitOf(kind: MetricKind, text: string): number | undefined {
  // A bare 2 could be meant as seconds or as milliseconds.
  if (kind === 'ms') {
    const ms = /[a-z]$/.test(text) ? parseDurationMs(text) : undefined;
    // 1.005 s are 1,004.9999 ms of a computer.
    return ms === undefined ? undefined : Math.round(ms * 1_000) / 1_000;
  }
  if (kind === 'share') return shareOf(text);
  return numberOf(text.replace(/^\$/, ''), 1);
}

/** Of a bare 1 or 5 somebody meant percent, and a threshold that never holds would let everything pass. */
function shareOf(text: string): number | undefined {
  if (!text.endsWith('%')) {
    const bare = numberOf(text, 1);
    return bare !== undefined && bare < 1 ? bare : undefined;
  }
  const share = numberOf(text.slice(0, -1), 100);
  return share !== undefined && share <= 1 ? share : undefined;
}

function numberOf(text: string, over: number): number | undefined {
  return /^\d+(\.\d+)?$/.test(text) ? Number(text) / over : undefined;
}

function refused(condition: string, what: string): BatchrunError {
  return new BatchrunError('E_USAGE', `--fail-if does not understand "${condition}": ${what}`, {
    hint: `Write for example --fail-if 'p95>2s, error_rate>1%, rps<5'. There are ${NAMES}.`,
  });
}

export function judge(conditions: readonly Condition[], measures: Measures): readonly Verdict[] {
  return conditions.map(({ text, metric, operator, limit }) => {
    const value = METRICS.get(metric)?.of(measures) ?? null;
    return { condition: text, metric, value, limit, failed: value === null || holds(value, operator, limit) };
  });
}

/** Needs it answers that are streamed? */
export function needsStream({ metric }: Condition): boolean {
  return metric.startsWith('ttft_') || metric === 'tokens_per_second';
}

function holds(value: number, operator: Operator, limit: number): boolean {
  if (operator === '>') return value > limit;
  if (operator === '>=') return value >= limit;
  return operator === '<' ? value < limit : value <= limit;
}

export function verdictText(one: Verdict): string {
  const was = `it was ${verdictValue(one)}`;
  return one.failed ? `Failed: ${one.condition} (${was}).` : `Kept: ${one.condition} does not hold (${was}).`;
}

/** The value of a verdict for people. */
export function verdictValue({ metric, value }: Pick<Verdict, 'metric' | 'value'>): string {
  if (value === null) return 'not measured';
  const kind = METRICS.get(metric)?.kind ?? 'number';
  if (kind === 'ms' && value < 10) return `${Number(value.toPrecision(2))}ms`;
  if (kind === 'ms') return value < 10_000 ? `${formatCount(value)}ms` : `${(value / 1_000).toFixed(1)}s`;
  if (kind === 'share') return `${Number((value * 100).toPrecision(3))}%`;
  return value >= 1_000 ? formatCount(value) : String(Number(value.toPrecision(4)));
}
