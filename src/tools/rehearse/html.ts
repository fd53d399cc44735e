/**
 * A rehearsal as one page: what it comes to, charts of the night, and what it was made of.
 */
import { formatBytes, formatCount, formatDuration, formatUsd, plural } from '../../base/units.ts';
import { barTable, bullets, dataTable, figures, paragraph, type Figure } from '../report/blocks.ts';
import { lineChart, type LineChart } from '../report/line-chart.ts';
import type { Markup } from '../report/markup.ts';
import type { Report, ReportSection } from '../report/page.ts';
import { ASSUMPTIONS_AS_OF } from './assumptions.ts';
import type { Slice } from './timeline.ts';
import type { NightView, RehearsalView } from './view.ts';

export interface ReportParts {
  readonly slices: readonly Slice[];
  /** When the rehearsal was made: the charts begin there. */
  readonly nowMs: number;
  readonly input: string;
}

export function rehearsalReport(view: RehearsalView, parts: ReportParts): Omit<Report, 'assets'> {
  const { night } = view;
  const at = new Date(parts.nowMs).toISOString().slice(0, 16).replace('T', ' ');
  return {
    title: `Rehearsal of ${parts.input}`,
    subtitle: `${plural(view.rows, 'row')}, ${view.models.join(', ')}; faults ${view.faults}; begun ${at} UTC; seed ${night.seed}`,
    sections: [
      { title: 'What it comes to', body: [verdict(view), figures(figuresOf(view))] },
      { title: 'The night', body: charts(parts.slices, view.rows - view.invalid) },
      { title: 'What went wrong, and what became of it', body: troubles(night) },
      ...chance(view),
      { title: 'What the night was made of', body: grounds(view) },
    ],
    footer: `Made by batchrun rehearse: the real engine on a simulated API in virtual time. Assumptions as of ${ASSUMPTIONS_AS_OF}.`,
  };
}

function verdict({ night, range }: RehearsalView): Markup[] {
  const said: Markup[] = [];
  if (!night.finishes) {
    const why = night.blocked.map(({ message }) => message).join('; ');
    said.push(paragraph(`The run would not end by itself${why === '' ? '' : `: ${why}`}.`, 'bad'));
  } else if (range.finishes < range.seeds) {
    const stuck = range.seeds - range.finishes;
    said.push(paragraph(`In ${stuck} of ${range.seeds} nights the run would not end by itself.`, 'warn'));
  }
  if (night.deadline) {
    const apart = duration(Math.abs(night.deadline.after_seconds - night.ends_after_seconds));
    said.push(
      night.deadline.met
        ? paragraph(`The deadline is met, with ${apart} to spare.`)
        : paragraph(`The deadline is missed by ${apart}.`, 'bad'),
    );
  }
  return said;
}

function figuresOf(view: RehearsalView): Figure[] {
  const { night, range } = view;
  const { best, worst } = range.ends_after_seconds;
  const many = range.seeds > 1 && best !== null && worst !== null;
  const cost = night.cost_usd;
  return [
    {
      label: night.finishes ? 'Ends after' : 'Stops after',
      value: duration(night.ends_after_seconds),
      ...(many ? { note: `${duration(best)} to ${duration(worst)} in ${range.seeds} nights` } : {}),
    },
    {
      label: 'Cost',
      value: cost.total === null ? 'unknown' : formatUsd(cost.total),
      note: `batch ${formatUsd(cost.batch)}, realtime ${formatUsd(cost.realtime)}`,
    },
    {
      label: 'Batches',
      value: formatCount(night.batches.made),
      note: `at most ${formatCount(night.batches.peak_open)} open at once`,
    },
    {
      label: 'Queue at most',
      value: formatCount(night.queue.peak),
      note: `of ${formatCount(night.queue.limit)} requests`,
    },
    {
      label: 'Retries',
      value: formatCount(night.retries.rows),
      note: plural(night.refused_429, 'answer') + ' with 429',
    },
    {
      label: 'Realtime calls',
      value: formatCount(night.realtime.calls),
      note: `for ${plural(night.realtime.rows, 'row')}`,
    },
    { label: 'Succeeded', value: formatCount(night.rows['succeeded'] ?? 0), note: `of ${plural(view.rows, 'row')}` },
    { label: 'Input', value: formatBytes(view.bytes), note: `about ${formatCount(view.input_tokens)} tokens` },
  ];
}

function charts(slices: readonly Slice[], rows: number): Markup[] {
  const chart = (id: string, title: string, yLabel: string, series: LineChart['series']): Markup =>
    lineChart({
      ...{ id, title, yLabel, series, x: slices.map(({ toMs }) => toMs) },
      ...{ xLabel: 'since the start', xKind: 'duration_ms' },
    });
  const trouble = (what: keyof Slice['happened']): number[] => slices.map(({ happened }) => happened[what] ?? 0);
  return [
    chart('done', `Rows done, of ${formatCount(rows)}`, 'rows', [
      { label: 'done', values: slices.map(({ doneRows }) => doneRows), area: true },
    ]),
    chart('queue', 'Requests in the queue of the API', 'requests', [
      { label: 'queued', values: slices.map(({ queuedRows }) => queuedRows), step: true, area: true },
    ]),
    chart('open', 'Batches open', 'batches', [
      { label: 'open', values: slices.map(({ openBatches }) => openBatches), step: true, area: true },
    ]),
    chart('troubles', 'Troubles', 'in a slice', [
      { label: 'retries', values: trouble('retried') },
      { label: '429', values: trouble('limited') },
      { label: 'failed calls', values: trouble('failed_calls') },
      { label: 'downloads again', values: trouble('refetched') },
    ]),
  ];
}

function troubles(night: NightView): Markup[] {
  const bars = [
    ...Object.entries(night.retries.by_reason).map(([reason, count]) => ({ label: `rows again: ${reason}`, count })),
    ...Object.entries(night.failed_calls).map(([call, count]) => ({ label: `call: ${call}`, count })),
    { label: 'downloads repeated', count: night.downloads_repeated },
    { label: 'answers of creates lost', count: night.batches.answers_lost },
    { label: 'batches expired', count: night.batches.expired },
    ...Object.entries(night.failures).map(([reason, count]) => ({ label: `rows lost: ${reason}`, count })),
  ].filter(({ count }) => count > 0);
  if (bars.length === 0) return [paragraph('Nothing.', 'quiet')];
  const list = bars.map(({ label, count }) => ({ label, value: count, text: formatCount(count) }));
  const told = night.remarks.map(({ after_seconds: after, text }) => `+${duration(after)} ${text}`);
  return [barTable({ bars: list }), bullets(told)];
}

function chance({ range }: RehearsalView): ReportSection[] {
  if (range.seeds < 2) return [];
  const { ends_after_seconds: end, cost_usd: cost } = range;
  const text = (value: number | null, write: (value: number) => string): string =>
    value === null ? 'unknown' : write(value);
  const line = (label: string, of: 'best' | 'median' | 'worst'): string[] => [
    label,
    text(end[of], duration),
    text(cost[of], formatUsd),
  ];
  return [
    {
      title: `Chance: ${range.seeds} nights`,
      body: dataTable({
        head: ['', 'end', 'cost'],
        numbers: [1, 2],
        rows: [line('best', 'best'), line('median', 'median'), line('worst', 'worst')],
      }),
    },
  ];
}

function grounds(view: RehearsalView): Markup[] {
  return [
    dataTable({
      head: ['', 'taken', 'from'],
      rows: view.grounds.map(({ what, text, source }) => [what, text, source]),
    }),
    bullets(view.notes),
  ];
}

function duration(seconds: number): string {
  return formatDuration(seconds * 1_000);
}
