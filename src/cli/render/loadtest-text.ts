/**
 * What a load test came to, as text. The same figures as `--json`, in lines of 80 columns.
 */
import { formatCount, formatDuration, formatUsd, plural } from '../../base/units.ts';
import type { LatenciesView } from '../../tools/loadtest/live.ts';
import { verdictValue } from '../../tools/loadtest/thresholds.ts';
import type { LoadView, PartView } from '../../tools/loadtest/view.ts';
import { limitsRows, loadLine, milliseconds, settingsLine, timeCells } from '../../tools/loadtest/words.ts';
import { table, type Paint } from '../terminal/ui.ts';

const WIDTH = 80;

export function loadtestText(view: LoadView, paint: Paint): string {
  const blocks = [
    headline(view),
    counts(view, paint),
    times(view.latency),
    speed(view),
    stages(view),
    requests(view),
    limits(view),
    findings(view),
    thresholds(view, paint),
  ];
  return blocks.filter((block) => block !== '').join('\n\n');
}

function headline(view: LoadView): string {
  const { settings, elapsed_seconds: elapsed, ended_by: by } = view;
  const where = settings.target === 'sim' ? 'the simulator' : settings.target;
  const why = by === 'duration' ? '' : `, ended by ${by.replaceAll('_', ' ')}`;
  return wrapped(
    `${capital(loadLine(settings))} on ${where} for ${formatDuration(elapsed * 1_000)}${why}: ${settingsLine(settings)}.`,
  );
}

function counts(view: LoadView, paint: Paint): string {
  const { requests, tokens, throughput } = view;
  const { sent, succeeded, rate_limited: limited, failed, failures, canceled } = requests;
  const kinds = Object.entries(failures).map(([kind, count]) => `${kind} ${formatCount(count)}`);
  const bad = (count: number, text: string): string => (count > 0 ? paint.red(text) : text);
  const more = canceled > 0 ? `, ${formatCount(canceled)} broken off at the stop` : '';
  return [
    `${plural(sent, 'request')}: ${formatCount(succeeded)} succeeded, ${bad(limited, `${formatCount(limited)} rate limited (429)`)}, ${bad(failed, `${formatCount(failed)} failed`)}${more}`,
    ...(kinds.length > 0 ? [wrapped(`failed: ${kinds.join(', ')}`, '  ')] : []),
    `${formatCount(tokens.input)} tokens of input, ${formatCount(tokens.output)} of output`,
    `a minute: ${formatCount(throughput.requests_per_minute)} requests, ${formatCount(throughput.input_tokens_per_minute)} tokens of input, ${formatCount(throughput.output_tokens_per_minute)} of output`,
    costText(view.cost_usd),
  ].join('\n');
}

function costText({ total, uncertain, charged }: LoadView['cost_usd']): string {
  if (!charged) return total === null ? 'cost: nothing' : `cost: nothing; at the API it would be ${formatUsd(total)}`;
  const open = uncertain > 0 ? `, and up to ${formatUsd(uncertain)} for what had no answer` : '';
  return total === null ? `cost: unknown${open}` : `cost: ${formatUsd(total)} at list prices${open}`;
}

const PARTS: readonly (readonly [keyof LatenciesView, string])[] = [
  ['total', 'total'],
  ['service', 'service'],
  ['connect', 'connect'],
  ['first_byte', 'first byte'],
  ['first_token', 'first token'],
  ['stream', 'stream'],
];

function times(latency: LatenciesView): string {
  const rows = PARTS.flatMap(([part, name]) => {
    const view = latency[part];
    return view === null ? [] : [[name, ...timeCells(view)]];
  });
  if (rows.length === 0) return '';
  const { total, service } = latency;
  const note = 'total: from when a request should have begun; service: from when it was sent';
  const differs = total !== null && service !== null && total.p99_ms > service.p99_ms * 1.05;
  return [
    table([['', 'mean', 'p50', 'p75', 'p90', 'p95', 'p99', 'p99.9', 'max'], ...rows]),
    ...(differs ? [note] : []),
  ].join('\n');
}

function speed({ tokens_per_second: one }: LoadView): string {
  if (one === null) return '';
  return `tokens a second of an answer: p10 ${Math.round(one.p10)}, p50 ${Math.round(one.p50)}, p90 ${Math.round(one.p90)}`;
}

const PART_HEAD = ['sent', 'ok', '429', 'failed', 'p50', 'p95', 'p99'];

function stages({ by_stage: list }: LoadView): string {
  if (list.length === 0) return '';
  const rows = list.map((stage) => [`${Number(stage.rate_per_second.toPrecision(3))}/s`, ...partCells(stage)]);
  return `By rate\n${table([['', ...PART_HEAD], ...rows])}`;
}

function requests({ by_request: list }: LoadView): string {
  if (list.length < 2) return '';
  return `By kind of request\n${table([['', ...PART_HEAD], ...list.map((part) => [part.name, ...partCells(part)])])}`;
}

function partCells({ sent, succeeded, rate_limited: limited, failed, total }: Omit<PartView, 'name'>): string[] {
  const time = (ms: number | undefined): string => (ms === undefined ? '' : milliseconds(ms));
  return [
    ...[sent, succeeded, limited, failed].map(formatCount),
    ...[total?.p50_ms, total?.p95_ms, total?.p99_ms].map(time),
  ];
}

function limits(view: LoadView): string {
  const rows = limitsRows(view.limits);
  return rows.length === 0
    ? ''
    : `Limits a minute that this implies\n${table([['', 'of', '', 'known from', ''], ...rows])}`;
}

function findings({ findings: list }: LoadView): string {
  return list.length === 0
    ? ''
    : `Findings\n${list.map((finding) => wrapped(`- ${finding}`, '  ', '    ')).join('\n')}`;
}

function thresholds({ thresholds: list }: LoadView, paint: Paint): string {
  if (list.length === 0) return '';
  const rows = list.map((one) => [one.failed ? 'FAILED' : 'ok', one.condition, verdictValue(one)]);
  const text = table(rows);
  return `Thresholds (--fail-if)\n${list.some(({ failed }) => failed) ? paint.red(text) : text}`;
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** In lines of at most 80 columns, broken between words. */
function wrapped(text: string, first = '', rest = first): string {
  const lines: string[] = [];
  let line = first;
  for (const word of text.split(' ')) {
    if (line.trim() !== '' && line.length + word.length + 1 > WIDTH) {
      lines.push(line);
      line = rest + word;
    } else {
      line += line === first || line === rest ? word : ` ${word}`;
    }
  }
  return [...lines, line].join('\n');
}
