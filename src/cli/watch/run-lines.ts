/**
 * A run on the screen of `status --watch`, at three sizes: all of it, its head with the bar, and a line. Pure: a view in,
 * lines out.
 */
import { formatCount, formatDuration, formatUsd, plural } from '../../base/units.ts';
import { RESULTS_WARN_MS } from '../../domain/limits.ts';
import type { BlockView, RunView } from '../../engine/views/status.ts';
import type { PaceView } from '../../tools/progress/view.ts';
import { shortCount } from '../terminal/fitted-line.ts';
import type { Symbols } from '../terminal/symbols.ts';
import { bar } from '../terminal/ui.ts';
import { fit, part, type Line, type Part, type Span } from './line.ts';
import { wrapped } from './width.ts';

export type Size = 'all' | 'head' | 'line';

export interface RunLinesOptions {
  readonly columns: number;
  readonly nowMs: number;
  readonly symbols: Symbols;
  /** A time as people of this place read it. */
  readonly timeText: (ms: number) => string;
}

interface Shown {
  readonly run: RunView;
  readonly pace: PaceView | undefined;
  readonly options: RunLinesOptions;
}

/** Rows by what has become of them, as the bar and the counters show them. */
interface Outcome {
  readonly count: number;
  readonly text: string;
  readonly sign: keyof Symbols['outcomes'];
  readonly style: NonNullable<Span['style']>;
}

const INDENT = '  ';
/** A message of a block may take so many lines of the screen. */
const BLOCK_LINES_MAX = 3;

export function runLines(
  run: RunView,
  pace: PaceView | undefined,
  options: RunLinesOptions & { readonly size: Size },
): Line[] {
  const shown = { run, pace, options };
  if (options.size === 'line') return [oneLine(shown)];
  const head = [titleLine(shown), barLine(shown), countersLine(shown)];
  const blocks = run.blocked.flatMap((block) => blockLines(block, options));
  if (options.size === 'head') return [...head, ...blocks.slice(0, 2)];
  return [
    ...head,
    paceLine(shown),
    moneyLine(shown),
    batchesLine(shown),
    warningLine(shown),
    outageLine(shown),
    ...blocks,
  ].filter((line) => line.some(({ text }) => text.trim() !== ''));
}

function outcomesOf({ rows }: RunView): Outcome[] {
  const of = (...states: readonly string[]): number => states.reduce((sum, state) => sum + (rows[state] ?? 0), 0);
  const all: Outcome[] = [
    { count: of('succeeded'), text: 'succeeded', sign: 'good', style: 'green' },
    { count: of('failed'), text: 'failed', sign: 'bad', style: 'red' },
    { count: of('expired'), text: 'expired', sign: 'bad', style: 'red' },
    { count: of('canceled'), text: 'canceled', sign: 'bad', style: 'yellow' },
    { count: of('invalid'), text: 'invalid', sign: 'bad', style: 'red' },
    { count: of('in_batch'), text: 'in batches', sign: 'busy', style: 'cyan' },
    { count: of('in_realtime'), text: 'being called', sign: 'busy', style: 'cyan' },
    { count: of('retry'), text: 'tried again', sign: 'open', style: 'yellow' },
    { count: of('waiting'), text: 'waiting', sign: 'open', style: 'dim' },
  ];
  return all.filter(({ count }) => count > 0);
}

function titleLine({ run, options }: Shown): Line {
  const nowMs = run.done_at === null ? options.nowMs : Date.parse(run.done_at);
  const took = formatDuration(Math.max(0, nowMs - Date.parse(run.created_at)));
  const wishes = [run.priority === 'normal' ? '' : `priority ${run.priority}`, LANES[run.lane] ?? ''];
  return fit(
    [
      part(0, run.name ?? run.id, 'bold'),
      part(0, stateWord(run), stateStyle(run)),
      part(1, run.state === 'done' ? `after ${took}` : `for ${took}`, 'dim'),
      part(3, run.name === null ? '' : run.id, 'dim'),
      part(2, wishes.filter((wish) => wish !== '').join(', '), 'dim'),
    ],
    options.columns,
  );
}

const LANES: Readonly<Record<string, string>> = { batch: 'batches only', realtime: 'realtime only' };

function barLine({ run, options }: Shown): Line {
  const { columns } = options;
  const text = `${percentText(run)}  ${formatCount(finished(run))} of ${plural(total(run), 'row')}`;
  const isNarrow = columns < text.length + 22;
  const behind = isNarrow ? percentText(run) : text;
  const width = Math.max(6, columns - INDENT.length - behind.length - 2);
  return [{ text: INDENT }, ...outcomeBar(run, width, options.symbols), { text: `  ${behind}` }];
}

/** Every outcome that there is shows, in its own sign, and together they fill the width. */
export function outcomeBar(run: RunView, width: number, symbols: Symbols): Line {
  const outcomes = outcomesOf(run);
  const sum = outcomes.reduce((rows, { count }) => rows + count, 0);
  if (sum === 0) return [{ text: symbols.outcomes.open.repeat(width), style: 'dim' }];
  const widths = outcomes.map(({ count }) => Math.max(1, Math.floor((count / sum) * width)));
  let left = width - widths.reduce((all, one) => all + one, 0);
  // What rounding left over goes to the largest, and what the smallest were given beyond their share comes from it.
  while (left !== 0) {
    const largest = widths.indexOf(Math.max(...widths));
    const step = left > 0 ? left : -1;
    widths[largest] = Math.max(0, (widths[largest] ?? 0) + step);
    left -= step;
  }
  return outcomes.map(({ sign, style }, at) => ({ text: symbols.outcomes[sign].repeat(widths[at] ?? 0), style }));
}

/** In the order of the bar, each behind its sign. */
function countersLine({ run, options }: Shown): Line {
  const { columns, symbols } = options;
  const ranks: Readonly<Record<string, number>> = { failed: 1, succeeded: 2, 'in batches': 3, waiting: 4 };
  const parts = outcomesOf(run).map(({ count, text, sign, style }): Part => {
    const spans = [{ text: symbols.outcomes[sign], style }, { text: ` ${formatCount(count)} ${text}` }];
    return { rank: ranks[text] ?? 5, spans };
  });
  return fit(parts, columns, INDENT);
}

function paceLine({ run, pace, options }: Shown): Line {
  if (run.state === 'done' || !pace) return [];
  const { rows_per_minute: rows, tokens_per_minute: tokens } = pace;
  return fit(
    [
      part(1, rows === null ? '' : `${shortCount(rows)} rows/min`),
      part(2, tokens === null ? '' : `${shortCount(tokens)} tokens/min`),
      part(0, etaText(pace, options)),
      part(3, pace.basis === null ? '' : `(${BASES[pace.basis]})`, 'dim'),
    ],
    options.columns,
    INDENT,
  );
}

const BASES = {
  rate: 'at the pace of late',
  batches: 'if batches take as long as earlier ones',
  latest: 'no batch has ended yet: that is when the last one expires',
} as const;

function etaText({ done_at: done, basis }: PaceView, { nowMs, timeText }: RunLinesOptions): string {
  if (done === null) return 'nobody can tell yet when it is done';
  const leftMs = Date.parse(done) - nowMs;
  if (basis === 'latest') return `done by ${timeText(Date.parse(done))}, in ${formatDuration(leftMs)} at most`;
  return leftMs < 1_000
    ? 'done any moment'
    : `done at about ${timeText(Date.parse(done))}, in ${formatDuration(leftMs)}`;
}

/** What it has cost, of which budget, and what it comes to. */
function moneyLine({ run, options }: Shown): Line {
  const { spent, estimated_total: estimate } = run.cost_usd;
  const spentText = spent === null ? 'cost unknown' : formatUsd(spent);
  const about = estimate === null || run.state === 'done' ? '' : `about ${formatUsd(estimate)} in the end`;
  const parts: Part[] = [];
  if (run.budget === null) parts.push(part(0, spent === null ? spentText : `${spentText} spent`));
  else {
    const { max_usd: max, spent_usd: used, reserved_usd: reserved } = run.budget;
    const share = max > 0 ? (used + reserved) / max : 1;
    const style = share >= 0.8 ? 'yellow' : 'green';
    parts.push(
      { rank: 3, spans: [{ text: bar(share, 10, options.symbols), style }] },
      part(0, `${formatUsd(used)} of ${formatUsd(max)}`),
      part(2, reserved > 0 ? `${formatUsd(reserved)} set aside` : ''),
    );
  }
  parts.push(part(1, about));
  return fit(parts, options.columns, INDENT);
}

function batchesLine({ run, options }: Shown): Line {
  const open = run.batches.filter(({ status }) => status !== 'ended');
  const ended = run.batches.length - open.length;
  const sealed = (run.chunks['sealed'] ?? 0) - (run.coalesced?.waiting_chunks ?? 0);
  const ages = open.map((batch) => options.nowMs - Date.parse(batch.created_at));
  const typical = run.eta.typical_batch_seconds;
  const age = open.length === 0 ? '' : ` for ${formatDuration(Math.max(0, ...ages))}`;
  const ranked = [
    part(0, open.length === 0 ? '' : `${plural(open.length, 'batch', 'batches')} under way${age}`),
    part(4, open.length === 0 || typical === null ? '' : `earlier ones took about ${formatDuration(typical * 1_000)}`),
    part(3, ended === 0 ? '' : `${formatCount(ended)} to collect`),
    part(2, sealed > 0 && run.state !== 'done' ? `${plural(sealed, 'chunk')} to send` : ''),
    part(
      1,
      run.in_doubt.length > 0 && run.chunks['uncertain'] ? `${plural(run.in_doubt.length, 'chunk')} in doubt` : '',
      'yellow',
    ),
  ];
  return fit(ranked, options.columns, INDENT);
}

/** The deadline, and results that the API deletes soon. */
function warningLine({ run, options }: Shown): Line {
  const parts: Part[] = [];
  if (run.deadline !== null && run.state !== 'done') {
    const atMs = Date.parse(run.deadline.at);
    const leftMs = atMs - options.nowMs;
    const late = run.deadline.late_rows ?? 0;
    const time = leftMs > 0 ? `in ${formatDuration(leftMs)}` : `over for ${formatDuration(-leftMs)}`;
    const style = late > 0 || leftMs <= 0 ? 'yellow' : undefined;
    parts.push(part(0, `deadline ${options.timeText(atMs)}, ${time}`, style));
    parts.push(part(1, late > 0 ? `${plural(late, 'row')} will be late as it looks` : '', 'yellow'));
  }
  const vanishMs = run.results_vanish_at === null ? Infinity : Date.parse(run.results_vanish_at) - options.nowMs;
  if (vanishMs < RESULTS_WARN_MS) {
    const when = vanishMs > 0 ? `in ${formatDuration(vanishMs)}` : 'any moment';
    parts.push(part(0, `results are deleted by the API ${when}: batchrun collect`, 'red'));
  }
  return fit(parts, options.columns, INDENT);
}

function outageLine({ run, options }: Shown): Line {
  const outage = run.api_outage;
  if (outage === null) return [];
  const since = options.timeText(Date.parse(outage.since));
  const what = outage.kind === 'errors' ? 'the API has answered with errors' : 'the API has not answered';
  const cause = part(1, outage.cause === '' ? '' : `(${outage.cause})`, 'yellow');
  return fit([part(0, `${what} since ${since}`, 'yellow'), cause], options.columns, INDENT);
}

function blockLines({ message, hint }: BlockView, { columns, symbols }: RunLinesOptions): Line[] {
  const width = Math.max(20, columns - 4);
  const said = wrapped(message.replaceAll(/\s+/g, ' '), width).slice(0, BLOCK_LINES_MAX);
  const toDo = wrapped(hint.replaceAll(/\s+/g, ' '), width).slice(0, BLOCK_LINES_MAX);
  return [
    ...said.map((text, at): Line => [
      { text: `${at === 0 ? `${INDENT}${symbols.warn} ` : '    '}${text}`, style: 'yellow' },
    ]),
    ...toDo.map((text): Line => [{ text: `    ${text}` }]),
  ];
}

function oneLine({ run, pace, options }: Shown): Line {
  const done = run.state === 'done' ? null : (pace?.done_at ?? null);
  const left = done === null ? '' : `${formatDuration(Math.max(0, Date.parse(done) - options.nowMs))} left`;
  const failed = outcomesOf(run)
    .filter(({ sign }) => sign === 'bad')
    .reduce((sum, { count }) => sum + count, 0);
  const { spent } = run.cost_usd;
  return fit(
    [
      { rank: 2, spans: outcomeBar(run, 12, options.symbols) },
      part(0, percentText(run)),
      part(0, run.name ?? run.id, 'bold'),
      part(1, stateWord(run), stateStyle(run)),
      part(3, failed > 0 ? `${formatCount(failed)} failed` : '', 'red'),
      part(4, left),
      part(5, spent === null ? '' : formatUsd(spent)),
    ],
    options.columns,
  );
}

function stateWord(run: RunView): string {
  if (run.blocked.length > 0) return 'blocked';
  if (run.state !== 'done') return run.state;
  if (run.canceled) return 'canceled';
  return isWhole(run) ? 'done' : 'done, not every row succeeded';
}

function stateStyle(run: RunView): Span['style'] {
  if (run.blocked.length > 0 || run.canceled || run.state === 'canceling') return 'yellow';
  if (run.state !== 'done') return 'cyan';
  return isWhole(run) ? 'green' : 'yellow';
}

function isWhole(run: RunView): boolean {
  return (run.rows['succeeded'] ?? 0) === total(run);
}

function total({ rows }: RunView): number {
  return rows['total'] ?? 0;
}

function finished(run: RunView): number {
  const open = ['waiting', 'in_batch', 'retry', 'in_realtime'];
  return total(run) - open.reduce((sum, state) => sum + (run.rows[state] ?? 0), 0);
}

/** Rounded down, so that 100 % is all of them. */
function percentText(run: RunView): string {
  const share = total(run) === 0 ? (run.state === 'done' ? 1 : 0) : finished(run) / total(run);
  return `${String(Math.floor(share * 100)).padStart(3)} %`;
}
