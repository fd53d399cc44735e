/**
 * A load in numbers as a page.
 */
import { formatCount, formatDuration, formatUsd } from '../../base/units.ts';
import { barTable, bullets, dataTable, paragraph } from '../report/blocks.ts';
import type { Report, ReportSection } from '../report/page.ts';
import type { CapacityModel, CapacityView } from './capacity.ts';

export function capacityReport(view: CapacityView): Omit<Report, 'assets'> {
  const { rows, rpm } = view.load;
  const load = rows === null ? `${formatCount(rpm ?? 0)} requests a minute` : `${formatCount(rows)} rows`;
  return {
    title: `Capacity for ${load}`,
    subtitle: `${formatCount(view.input_tokens)} tokens in and ${formatCount(view.output_tokens)} out each`,
    sections: [costs(view), ...view.models.map((model) => section(view, model))],
    footer: `Prices as of ${view.as_of.prices}, tiers ${view.as_of.tiers}, speeds ${view.as_of.speeds}.`,
  };
}

function costs({ models, load }: CapacityView): ReportSection {
  const bars = models.flatMap(({ model, cost }) =>
    (['batch', 'realtime'] as const).map((lane) => {
      const usd = load.rows === null ? cost[lane].month_usd : cost[lane].job_usd;
      return { label: `${model}, ${lane}`, value: usd, text: money(usd), tone: lane === 'batch' ? 1 : 2 };
    }),
  );
  const rows = models.flatMap(({ model, cost }) =>
    (['batch', 'realtime'] as const).map((lane) => {
      const { request_usd: one, job_usd: job, day_usd: day, month_usd: month } = cost[lane];
      return [`${model}, ${lane}`, money(one), job === null ? '' : money(job), money(day), money(month)];
    }),
  );
  return {
    title: 'Cost',
    body: [
      barTable({ caption: load.rows === null ? 'USD a month' : 'USD for all rows', bars }),
      dataTable({ head: ['', 'a request', 'the job', 'a day', 'a month'], rows, numbers: [1, 2, 3, 4] }),
    ],
  };
}

function section(view: CapacityView, { model, needs, tiers, problems, recommendation }: CapacityModel): ReportSection {
  const needRows = needs.map((need) => [
    need.within_seconds === null ? 'all the time' : `within ${formatDuration(need.within_seconds * 1_000)}`,
    ...[need.rpm, need.itpm, need.otpm].map(formatCount),
    need.tier ?? 'custom',
  ]);
  const tierRows = tiers.map((one) => [
    one.tier,
    one.batch_seconds === null ? '' : formatDuration(one.batch_seconds * 1_000),
    one.realtime_seconds === null ? '' : formatDuration(one.realtime_seconds * 1_000),
    formatUsd(one.monthly_cap_usd),
    one.qualifies,
  ]);
  const advice = `Recommended: the ${recommendation.lane} lane, ${recommendation.ask_sales ? 'a custom tier' : `the ${recommendation.tier} tier`} (${recommendation.qualifies}).`;
  return {
    title: model,
    body: [
      dataTable({
        caption: 'What realtime calls need',
        head: ['', 'rpm', 'itpm', 'otpm', 'tier'],
        rows: needRows,
        numbers: [1, 2, 3],
      }),
      dataTable({
        caption: 'Tiers of today',
        head: ['tier', 'batch', 'realtime', 'monthly cap', 'how to get it'],
        rows: tierRows,
        numbers: [1, 2, 3],
        chosen: tiers.findIndex(({ tier }) => tier === view.account_tier),
      }),
      ...problems.map((problem) => paragraph(problem, 'warn')),
      paragraph(advice),
      bullets(recommendation.reasons),
    ],
  };
}

function money(usd: number | null): string {
  return usd === null ? 'unknown' : formatUsd(usd);
}
