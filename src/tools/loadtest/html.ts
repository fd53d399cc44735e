/**
 * A load test as one page: what it found, charts over its time, percentiles, tables by request and by stage.
 */
import { formatBytes, formatCount, formatUsd, plural } from '../../base/units.ts';
import { bullets, dataTable, figures, paragraph, type Figure } from '../report/blocks.ts';
import { lineChart, type LineChart } from '../report/line-chart.ts';
import type { Markup } from '../report/markup.ts';
import type { Report, ReportSection } from '../report/page.ts';
import type { LatenciesView, LoadPoint } from './live.ts';
import { thinned } from './snapshot.ts';
import { verdictText } from './thresholds.ts';
import type { LoadView, PartView } from './view.ts';
import { limitsRows, loadLine, milliseconds, settingsLine, timeCells } from './words.ts';

export function loadReport(view: LoadView, points: readonly LoadPoint[]): Omit<Report, 'assets'> {
  const at = view.started_at.slice(0, 16).replace('T', ' ');
  return {
    title: `Load test of ${view.settings.target === 'sim' ? 'the simulator' : view.settings.target}`,
    subtitle: `${loadLine(view.settings)}; ${settingsLine(view.settings)}; begun ${at} UTC`,
    sections: [
      { title: 'What it found', body: [verdicts(view), bullets(view.findings), figures(figuresOf(view))] },
      { title: 'Over time', body: charts(view, points) },
      { title: 'Times', body: times(view.latency) },
      ...stages(view),
      { title: 'By kind of request', body: byRequest(view.by_request) },
      ...failures(view),
      ...limits(view),
    ],
    footer: `Made by batchrun loadtest. Total counts from when a request should have begun, service from when it was sent.`,
  };
}

function verdicts({ thresholds }: LoadView): Markup[] {
  return thresholds.map((one) => (one.failed ? paragraph(verdictText(one), 'bad') : paragraph(verdictText(one))));
}

function costNote({ charged, uncertain }: LoadView['cost_usd']): string {
  if (!charged) return 'the simulator costs nothing';
  return uncertain > 0 ? `at list prices, and up to ${formatUsd(uncertain)} for what had no answer` : 'at list prices';
}

function figuresOf(view: LoadView): Figure[] {
  const { requests, throughput, tokens, cost_usd: cost, latency, tokens_per_second: speed } = view;
  const p95 = latency.total === null ? '-' : milliseconds(latency.total.p95_ms);
  const p50 = latency.total === null ? '-' : milliseconds(latency.total.p50_ms);
  return [
    { label: 'Succeeded', value: formatCount(requests.succeeded), note: `of ${plural(requests.sent, 'request')} sent` },
    { label: 'Failed', value: formatCount(requests.failed), note: `${formatCount(requests.canceled)} broken off` },
    { label: 'Rate limited', value: formatCount(requests.rate_limited), note: 'answers with 429' },
    { label: 'Median', value: p50, note: `p95 ${p95}` },
    { label: 'Requests a minute', value: formatCount(throughput.requests_per_minute) },
    {
      label: 'Output tokens a minute',
      value: formatCount(throughput.output_tokens_per_minute),
      note: `${formatCount(throughput.input_tokens_per_minute)} of input`,
    },
    ...(speed === null
      ? []
      : [
          {
            label: 'Tokens a second of an answer',
            value: formatCount(speed.p50),
            note: `p10 ${formatCount(speed.p10)}, p90 ${formatCount(speed.p90)}`,
          },
        ]),
    {
      label: 'Tokens',
      value: formatCount(tokens.input + tokens.output),
      note: `${formatCount(tokens.output)} of output; ${formatBytes(view.bytes)} received`,
    },
    {
      label: cost.charged ? 'Cost' : 'Cost at the API',
      value: cost.total === null ? 'unknown' : formatUsd(cost.total),
      note: costNote(cost),
    },
  ];
}

function charts(view: LoadView, all: readonly LoadPoint[]): Markup[] {
  const points = thinned(all, 1_500);
  const x = points.map(({ second }) => second * 1_000);
  const chart = (id: string, title: string, of: Pick<LineChart, 'yLabel' | 'series'> & Partial<LineChart>): Markup =>
    lineChart({ id, title, x, xLabel: 'since the start', xKind: 'duration_ms', ...of });
  const series = (label: string, of: (point: LoadPoint) => number | null): LineChart['series'][number] => {
    return { label, values: points.map(of) };
  };
  const open = view.settings.load === 'open';
  const wanted = view.settings.turns > 1 ? 'conversations wanted' : 'wanted';
  const charts = [
    chart('rates', 'Requests in each second', {
      yLabel: 'requests',
      series: [
        ...(open ? [{ ...series(wanted, (point) => point.wanted_per_second), dashed: true, tone: 1 } as const] : []),
        { ...series('succeeded', (point) => point.succeeded), tone: 3 },
        { ...series('429', (point) => point.rate_limited), tone: 2 },
        { ...series('failed', (point) => point.failed), tone: 5 },
      ],
    }),
    chart('times', 'Total time of what ended in each second', {
      yLabel: 'time',
      yKind: 'duration_ms',
      series: [
        series('p50', (point) => point.p50_ms),
        series('p95', (point) => point.p95_ms),
        series('p99', (point) => point.p99_ms),
      ],
    }),
    chart('load', open ? 'Requests under way' : 'Users, and requests under way', {
      yLabel: 'at once',
      series: [
        ...(open ? [] : [{ ...series('users', (point) => point.users), step: true }]),
        { ...series('under way', (point) => point.in_flight), step: true, area: true },
      ],
    }),
    chart('tokens', 'Tokens in each second', {
      yLabel: 'tokens',
      series: [series('input', (point) => point.input_tokens), series('output', (point) => point.output_tokens)],
    }),
  ];
  if (view.latency.first_token === null) return charts;
  const firstToken = chart('first-token', 'Time to the first token, p95', {
    yLabel: 'time',
    yKind: 'duration_ms',
    series: [series('p95', (point) => point.first_token_p95_ms)],
  });
  return [...charts, firstToken];
}

const PARTS: readonly (readonly [keyof LatenciesView, string])[] = [
  ['total', 'total, corrected'],
  ['service', 'service'],
  ['connect', 'connect'],
  ['first_byte', 'first byte'],
  ['first_token', 'first token'],
  ['stream', 'stream'],
];

function times(latency: LatenciesView): Markup {
  const rows = PARTS.flatMap(([part, name]) => {
    const view = latency[part];
    if (view === null) return [];
    // The corrected times hold those that were put back too: measured were as many as were sent and answered.
    const measured = part === 'total' ? (latency.service?.count ?? view.count) : view.count;
    return [[name, formatCount(measured), ...timeCells(view)]];
  });
  return dataTable({
    head: ['', 'measured', 'mean', 'p50', 'p75', 'p90', 'p95', 'p99', 'p99.9', 'max'],
    numbers: [1, 2, 3, 4, 5, 6, 7, 8, 9],
    rows,
  });
}

function stages({ by_stage: list }: LoadView): ReportSection[] {
  if (list.length === 0) return [];
  const rows = list.map((stage) => [`${Number(stage.rate_per_second.toPrecision(3))}/s`, ...partCells(stage)]);
  return [{ title: 'By rate', body: dataTable({ head: ['rate', ...PART_HEAD], numbers: PART_NUMBERS, rows }) }];
}

function byRequest(list: readonly PartView[]): Markup {
  const rows = list.map((part) => [part.name, ...partCells(part)]);
  return dataTable({ head: ['request', ...PART_HEAD], numbers: PART_NUMBERS, rows });
}

const PART_HEAD = ['sent', 'succeeded', '429', 'failed', 'input tokens', 'output tokens', 'p50', 'p95', 'p99'];
const PART_NUMBERS = [1, 2, 3, 4, 5, 6, 7, 8, 9];

function partCells(part: Omit<PartView, 'name'>): string[] {
  const { sent, succeeded, rate_limited: limited, failed, input_tokens: input, output_tokens: output, total } = part;
  const time = (ms: number | undefined): string => (ms === undefined ? '' : milliseconds(ms));
  return [
    ...[sent, succeeded, limited, failed, input, output].map(formatCount),
    ...[total?.p50_ms, total?.p95_ms, total?.p99_ms].map(time),
  ];
}

function failures({ requests: { failures: kinds } }: LoadView): ReportSection[] {
  const rows = Object.entries(kinds).map(([kind, count]) => [kind, formatCount(count)]);
  if (rows.length === 0) return [];
  return [{ title: 'Failures', body: dataTable({ head: ['kind', 'requests'], numbers: [1], rows }) }];
}

function limits(view: LoadView): ReportSection[] {
  const rows = limitsRows(view.limits);
  if (rows.length === 0) return [];
  return [
    {
      title: 'Limits that this implies',
      body: dataTable({ head: ['model', 'limit', 'a minute', 'known from', ''], numbers: [2], rows }),
    },
  ];
}
