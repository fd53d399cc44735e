/**
 * A plan as a page: the same numbers as the text, with the costs and the time of each lane to look at.
 */
import { formatBytes, formatCount, formatDuration, formatUsd, plural } from '../../base/units.ts';
import type { Band } from '../../domain/estimate/band.ts';
import { barTable, bullets, dataTable, figures, paragraph, type Bar } from '../report/blocks.ts';
import { lineChart } from '../report/line-chart.ts';
import type { Markup } from '../report/markup.ts';
import type { Report, ReportSection } from '../report/page.ts';
import type { PlanView } from './view.ts';

export function planReport(view: PlanView, input: string): Omit<Report, 'assets'> {
  const { rows, chunks, bytes, as_of: of } = view;
  return {
    title: `Plan of ${input}`,
    subtitle: `${plural(rows.total, 'row')}, ${plural(chunks, 'batch', 'batches')}, ${formatBytes(bytes)}; nothing was sent`,
    sections: [
      summary(view),
      costs(view),
      caching(view),
      time(view),
      ...deadline(view),
      { title: 'What this takes for granted', body: bullets(view.assumptions) },
    ],
    footer: `Prices as of ${of.prices}, tiers ${of.tiers}, speeds ${of.speeds}, tokenizers ${of.tokenizers}.`,
  };
}

function summary({ models: [own], recommendation, asked, budget }: PlanView): ReportSection {
  const { batch, realtime } = own.cost_usd;
  const cards = figures([
    { label: 'Batch lane', value: usd(batch.plain), note: spanUsd(batch.plain) },
    { label: 'Realtime lane', value: usd(realtime.plain), note: spanUsd(realtime.plain) },
    { label: 'Batch time', value: duration(own.lanes.batch.seconds.expected), note: spanTime(own.lanes.batch.seconds) },
    {
      label: 'Realtime time',
      value: duration(own.lanes.realtime.seconds.expected),
      note: spanTime(own.lanes.realtime.seconds),
    },
    { label: 'Input tokens', value: formatCount(own.input_tokens.expected), note: spanCount(own.input_tokens) },
    { label: 'Output tokens', value: formatCount(own.output_tokens.expected), note: spanCount(own.output_tokens) },
  ]);
  const notes: Markup[] = [];
  if (asked.why_not !== null) notes.push(paragraph(`Nothing was counted by the API: ${asked.why_not}.`, 'warn'));
  if (budget !== null) {
    notes.push(paragraph(`Budget of ${formatUsd(budget.max_usd)} in the ${budget.lane} lane: ${budget.verdict}.`));
  }
  const advice = paragraph(`Recommended: ${recommendation.lane}, ${recommendation.model}.`);
  return { title: 'In short', body: [cards, ...notes, advice, bullets(recommendation.reasons)] };
}

function costs({ models, recommendation }: PlanView): ReportSection {
  const bars: Bar[] = models.flatMap((view) => [
    bar(`${view.label}, batch`, view.cost_usd.batch.plain, 1, view.label === recommendation.model),
    bar(`${view.label}, realtime`, view.cost_usd.realtime.plain, 2, false),
  ]);
  const rows = models.map((view) => [
    view.label,
    formatCount(view.input_tokens.expected),
    formatCount(view.output_tokens.expected),
    usd(view.cost_usd.batch.plain),
    usd(view.cost_usd.batch.cached),
    usd(view.cost_usd.realtime.plain),
    `${view.answer_seconds.toFixed(1)}s (${view.speed_word})`,
    view.fits ? 'yes' : view.problems.join('; '),
  ]);
  return {
    title: 'Models side by side',
    body: [
      barTable({ caption: 'USD for all rows; the line is the error band', bars }),
      dataTable({
        head: ['model', 'tokens in', 'tokens out', 'batch', 'batch, cached', 'realtime', 'an answer', 'fits'],
        rows,
        numbers: [1, 2, 3, 4, 5],
        chosen: models.findIndex((view) => view.label === recommendation.model),
      }),
    ],
  };
}

function bar(label: string, cost: Band | null, tone: number, chosen: boolean): Bar {
  if (cost === null) return { label, value: null, text: 'unknown', tone, chosen };
  return { label, value: cost.expected, low: cost.low, high: cost.high, text: formatUsd(cost.expected), tone, chosen };
}

function caching({ models: [own] }: PlanView): ReportSection {
  const { caching: plan, cost_usd: cost } = own;
  if (!plan.possible) return { title: 'Prompt caching', body: paragraph(`It would not help: ${plan.why}.`) };
  const saved = plan.saved_usd ?? 0;
  return {
    title: 'Prompt caching',
    body: [
      paragraph(
        `${formatCount(plan.prefix_tokens)} tokens are the same at the start of all rows. In the batch lane caching ${saved > 0 ? 'saves' : 'costs'} about ${formatUsd(Math.abs(saved))}${saved > 0 ? '' : ' more'}.`,
      ),
      barTable({
        bars: [
          bar('batch, as it is', cost.batch.plain, 1, !plan.pays),
          bar('batch, prefix cached', cost.batch.cached, 3, plan.pays),
          bar('realtime, as it is', cost.realtime.plain, 2, false),
          bar('realtime, prefix cached', cost.realtime.cached, 4, false),
        ],
      }),
    ],
  };
}

/** Points of the chart of time. */
const STEPS = 120;

function time(view: PlanView): ReportSection {
  const [own] = view.models;
  const rows = view.rows.to_send;
  const { batch, realtime } = own.lanes;
  const endSeconds = Math.max(batch.seconds.expected, realtime.seconds.expected) * 1.05;
  const x = Array.from({ length: STEPS + 1 }, (_, at) => (at / STEPS) * endSeconds * 1_000);
  const perWave = Math.ceil(rows / batch.waves);
  const waveMs = (batch.seconds.expected * 1_000) / batch.waves;
  const limits = view.limits.lines.map((limit) => [
    `${limit.rate_class} ${limit.name}`,
    formatCount(limit.value),
    limit.source,
  ]);
  return {
    title: 'Time by lane',
    body: [
      paragraph(
        `Batch: about ${duration(batch.seconds.expected)}, bound by ${batch.binding.replaceAll('_', ' ')}. Realtime: about ${duration(realtime.seconds.expected)}, bound by ${realtime.binding.replaceAll('_', ' ')}.`,
      ),
      lineChart({
        ...{ id: 'time', title: 'Rows done, as expected', x, xKind: 'duration_ms', xLabel: 'time', yLabel: 'rows' },
        series: [
          { label: 'batch', step: true, values: x.map((ms) => Math.min(rows, Math.floor(ms / waveMs) * perWave)) },
          {
            label: 'realtime',
            area: true,
            values: x.map((ms) => Math.min(rows, (realtime.rows_per_minute * ms) / 60_000)),
          },
        ],
      }),
      bullets(
        view.raise.map(
          (raise) =>
            `${raise.lane}: ${raise.limit} from ${formatCount(raise.from)} to ${formatCount(raise.to)} makes it ${duration(raise.seconds_then)} instead of ${duration(raise.seconds_now)} (${raise.how})`,
        ),
      ),
      dataTable({
        caption: view.limits.assumed ? 'Limits that are assumed' : 'Limits of the account',
        head: ['limit', 'value', 'known from'],
        rows: limits,
        numbers: [1],
      }),
    ],
  };
}

function deadline({ deadline: wanted }: PlanView): ReportSection[] {
  if (wanted === null) return [];
  const { split, sure_split: sure } = wanted;
  const row = (name: string, one: typeof split): string[] =>
    one === null
      ? [name, 'no', '', '']
      : [
          name,
          formatCount(one.batch_rows),
          formatCount(one.realtime_rows),
          one.cost_usd === null ? 'unknown' : formatUsd(one.cost_usd),
        ];
  const late =
    wanted.late_rows > 0 ? paragraph(`About ${plural(wanted.late_rows, 'row')} would be late.`, 'bad') : null;
  return [
    {
      title: `Deadline ${wanted.at}`,
      body: [
        paragraph(`In ${duration(wanted.seconds)}. All by batches: ${wanted.batch}. All realtime: ${wanted.realtime}.`),
        dataTable({
          head: ['', 'by batches', 'realtime', 'cost'],
          rows: [row('cheapest split', split), row('if batches are slow', sure)],
          numbers: [1, 2, 3],
        }),
        late,
      ],
    },
  ];
}

function usd(cost: Band | null): string {
  return cost === null ? 'unknown' : formatUsd(cost.expected);
}

function spanUsd(cost: Band | null): string {
  return cost === null ? 'a price is not known' : `${formatUsd(cost.low)} to ${formatUsd(cost.high)}`;
}

function spanCount({ low, high }: Band): string {
  return `${formatCount(low)} to ${formatCount(high)}`;
}

function spanTime({ low, high }: Band): string {
  return `${duration(low)} to ${duration(high)}`;
}

function duration(seconds: number): string {
  return formatDuration(seconds * 1_000);
}
