/**
 * A rehearsal as text: what it comes to, what it was made of, and the night slice by slice. Fits 80 columns, and uses
 * what there is up to 100.
 */
import { formatBytes, formatCount, formatDuration, formatUsd, plural } from '../../base/units.ts';
import type { NightView, Range, RehearsalView, SliceView } from '../../tools/rehearse/view.ts';

const COLUMNS_MIN = 80;
const COLUMNS_MAX = 100;
const BAR_COLUMNS = 10;

export function rehearsalText(
  view: RehearsalView,
  { nowMs, columns }: { readonly nowMs: number; readonly columns: number },
): string {
  const width = Math.min(COLUMNS_MAX, Math.max(COLUMNS_MIN, columns));
  const { night } = view;
  const lines = [
    headline(view, nowMs),
    '',
    ...facts(view).flatMap(([label, text]) => labelled(label, text, width)),
    '',
    ...timeline(night, view.rows - view.invalid, width),
  ];
  if (night.remarks.length > 0) lines.push('', ...remarks(night, width));
  lines.push('', 'What the night was made of:');
  for (const { what, text, source } of view.grounds)
    lines.push(...wrapped(`${what}: ${text} (${source})`, width, '  '));
  for (const note of view.notes) lines.push(...wrapped(note, width, ''));
  return lines.join('\n');
}

function headline({ night, range }: RehearsalView, nowMs: number): string {
  const ms = night.ends_after_seconds * 1_000;
  const at = `+${formatDuration(ms)}, i.e. ${clockText(nowMs + ms, nowMs)}`;
  if (night.finishes && range.finishes === range.seeds) return `It would end at ${at}.`;
  if (night.finishes) {
    return `It would end at ${at}; in ${range.seeds - range.finishes} of ${range.seeds} nights it would not end by itself.`;
  }
  const why = night.blocked.map(({ message }) => message).join('; ');
  return `It would NOT end by itself: it stops at ${at}${why === '' ? '' : `, because ${why}`}.`;
}

function facts(view: RehearsalView): [string, string][] {
  const { night, range } = view;
  const { batches, queue, retries, realtime } = night;
  const rows: [string, string][] = [
    [
      'input',
      `${plural(view.rows, 'row')}, ${plural(view.chunks, 'chunk')}, ${formatBytes(view.bytes)}, about ${formatCount(view.input_tokens)} tokens`,
    ],
    ['rows', rowsText(night)],
    [
      'batches',
      `${formatCount(batches.made)} made, at most ${formatCount(batches.peak_open)} open at once${more(batches.answers_lost, 'answer of a create lost', 'answers of creates lost')}${more(batches.expired, 'expired')}`,
    ],
    ['queue', `at most ${formatCount(queue.peak)} of ${formatCount(queue.limit)} requests`],
    ['retries', retries.rows === 0 ? 'none' : `${plural(retries.rows, 'row')}: ${countsText(retries.by_reason)}`],
    ['429', plural(night.refused_429, 'answer')],
    ['failed calls', Object.keys(night.failed_calls).length === 0 ? 'none' : countsText(night.failed_calls)],
    ['realtime', `${plural(realtime.calls, 'call')} for ${plural(realtime.rows, 'row')}`],
    ['cost', costText(night)],
  ];
  if (night.deadline) rows.push(['deadline', deadlineText(night, range.deadline_met, range.seeds)]);
  if (night.budget)
    rows.push(['budget', `${formatUsd(night.budget.spent_usd)} of ${formatUsd(night.budget.max_usd)} spent`]);
  if (range.seeds > 1) {
    const ends = rangeText(range.ends_after_seconds, (seconds) => `+${formatDuration(seconds * 1_000)}`);
    rows.push(['chance', `${range.seeds} nights: end ${ends}; cost ${rangeText(range.cost_usd, formatUsd)}`]);
  }
  return rows;
}

function rowsText({ rows, failures }: NightView): string {
  const names = [
    'succeeded',
    'failed',
    'expired',
    'canceled',
    'invalid',
    'waiting',
    'in_batch',
    'retry',
    'in_realtime',
  ];
  const parts = names.flatMap((name) => {
    const count = rows[name] ?? 0;
    return count === 0 ? [] : [`${formatCount(count)} ${name.replace('_', ' ')}`];
  });
  const why = Object.keys(failures).length === 0 ? '' : ` (${countsText(failures)})`;
  return `${parts.join(', ')}${why}`;
}

function more(count: number, one: string, many = one): string {
  return count === 0 ? '' : `, ${formatCount(count)} ${count === 1 ? one : many}`;
}

function countsText(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts)
    .map(([name, count]) => `${formatCount(count)} ${name}`)
    .join(', ');
}

function costText({ cost_usd: cost }: NightView): string {
  if (cost.total === null) return 'unknown (a model without a known price; see --prices)';
  const lanes = `batch ${formatUsd(cost.batch)}, realtime ${formatUsd(cost.realtime)}`;
  return `${formatUsd(cost.total)} (${lanes})`;
}

function deadlineText({ deadline, ends_after_seconds: end }: NightView, met: number | null, seeds: number): string {
  if (!deadline) return '';
  const spare = formatDuration(Math.abs(deadline.after_seconds - end) * 1_000);
  const late =
    deadline.late_rows === null || deadline.late_rows === 0 ? '' : `, ${plural(deadline.late_rows, 'row')} late`;
  const all = seeds > 1 ? `; met in ${met ?? 0} of ${seeds} nights` : '';
  return `${deadline.met ? `met, with ${spare} to spare` : `MISSED by ${spare}${late}`}${all}`;
}

function rangeText({ best, median, worst }: Range, text: (value: number) => string): string {
  if (best === null || median === null || worst === null) return 'unknown';
  return best === worst ? text(best) : `${text(best)} to ${text(worst)}, median ${text(median)}`;
}

const LABEL_COLUMNS = 14;

function labelled(label: string, text: string, width: number): string[] {
  const [first = '', ...rest] = wrapped(text, width - LABEL_COLUMNS, '');
  return [`${label.padEnd(LABEL_COLUMNS)}${first}`, ...rest.map((line) => `${' '.repeat(LABEL_COLUMNS)}${line}`)];
}

/** How the happenings of a slice are called in a line, the most telling first. */
const WORDS: Readonly<Record<string, (count: number) => string>> = {
  limited: (count) => `${count} x 429`,
  uncertain: (count) => `${plural(count, 'create')} in doubt`,
  found: (count) => `${count} found`,
  not_made: (count) => `${count} not made`,
  lost: (count) => `${count} lost`,
  split: (count) => `${count} split`,
  hurried: (count) => `${plural(count, 'batch', 'batches')} stopped`,
  released_rows: (count) => `${plural(count, 'row')} to realtime`,
  retried: (count) => plural(count, 'retry', 'retries'),
  not_succeeded: (count) => `${formatCount(count)} failed`,
  refetched: (count) => `${plural(count, 'download')} again`,
  realtime_calls: (count) => plural(count, 'call'),
  failed_calls: (count) => plural(count, 'error'),
  paused: (count) => plural(count, 'pause'),
  unreachable: () => 'API unreachable',
};

function timeline({ timeline: slices }: NightView, rows: number, width: number): string[] {
  const head = `${'time'.padStart(9)} ${'open'.padStart(5)} ${'queued'.padStart(9)} ${'done'.padStart(10)} ${' '.repeat(BAR_COLUMNS + 6)} events`;
  return [head, ...slices.map((slice) => sliceText(slice, rows, width))];
}

function sliceText(slice: SliceView, rows: number, width: number): string {
  const share = rows === 0 ? 0 : slice.done_rows / rows;
  const filled = Math.round(share * BAR_COLUMNS);
  const bar = `${'#'.repeat(filled)}${'.'.repeat(BAR_COLUMNS - filled)}`;
  const numbers = [
    `+${formatDuration(slice.from_seconds * 1_000).replace(' ', '')}`.padStart(9),
    formatCount(slice.open_batches).padStart(5),
    formatCount(slice.queued_rows).padStart(9),
    formatCount(slice.done_rows).padStart(10),
    bar,
    `${Math.floor(share * 100)}%`.padStart(5),
  ].join(' ');
  return `${numbers} ${eventsText(slice.events, width - numbers.length - 1)}`.trimEnd();
}

/** As many as there is room for. */
function eventsText(events: Readonly<Record<string, number>>, width: number): string {
  const told = Object.entries(WORDS).flatMap(([name, word]) => {
    const count = events[name] ?? 0;
    return count === 0 ? [] : [word(count)];
  });
  let text = '';
  for (const [index, part] of told.entries()) {
    const next = text === '' ? part : `${text}, ${part}`;
    if (next.length > width - (index === told.length - 1 ? 0 : 4)) return text === '' ? '...' : `${text} ...`;
    text = next;
  }
  return text;
}

const REMARKS_TOLD = 12;

function remarks({ remarks: all }: NightView, width: number): string[] {
  const shown = all.slice(0, REMARKS_TOLD).flatMap(({ after_seconds: after, text }) => {
    return wrapped(`+${formatDuration(after * 1_000)} ${text}`, width, '  ');
  });
  return all.length > REMARKS_TOLD ? [...shown, `  and ${all.length - REMARKS_TOLD} more (--json)`] : shown;
}

/** Words in lines of so many columns; all but the first begin with the indent. */
function wrapped(text: string, width: number, indent: string): string[] {
  const lines: string[] = [];
  let line = indent;
  for (const word of text.split(' ')) {
    if (line.trim() !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = `${indent}  `;
    }
    line = line.trim() === '' ? `${line}${word}` : `${line} ${word}`;
  }
  return [...lines, line];
}

/** The reader's own time; with the day where it is another one. */
function clockText(ms: number, nowMs: number): string {
  const at = new Date(ms);
  const two = (value: number): string => String(value).padStart(2, '0');
  const time = `${two(at.getHours())}:${two(at.getMinutes())}`;
  const days = Math.round((startOfDay(ms) - startOfDay(nowMs)) / 86_400_000);
  if (days === 0) return time;
  return days === 1
    ? `${time} tomorrow`
    : `${time} on ${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
}

function startOfDay(ms: number): number {
  return new Date(ms).setHours(0, 0, 0, 0);
}
