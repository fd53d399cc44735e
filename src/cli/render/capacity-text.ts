/**
 * A load in numbers, in text. The JSON twin is the CapacityView itself.
 */
import { formatCount, formatDuration, formatUsd } from '../../base/units.ts';
import type { CapacityModel, CapacityView, Need } from '../../tools/plan/capacity.ts';
import { createPaint, table, type Paint } from '../terminal/ui.ts';

export function capacityText(view: CapacityView, { color }: { readonly color: boolean }): string {
  const paint = createPaint(color);
  const { rows, rpm } = view.load;
  const load = rows === null ? `${formatCount(rpm ?? 0)} requests a minute` : `${formatCount(rows)} rows`;
  const each = `${formatCount(view.input_tokens)} tokens in and ${formatCount(view.output_tokens)} out each`;
  const blocks = [
    `${paint.bold(load)}, ${each}`,
    `${paint.bold('cost')} ${paint.dim(`prices of ${view.as_of.prices}`)}\n${costTable(view)}`,
    ...view.models.map((model) => modelBlock(view, model, paint)),
  ];
  return blocks.join('\n\n');
}

function costTable(view: CapacityView): string {
  const isJob = view.load.rows !== null;
  const head = [
    '',
    'lane',
    'a request',
    ...(isJob ? ['the job'] : []),
    isJob ? 'daily: a month' : 'a day',
    ...(isJob ? [] : ['a month']),
  ];
  const lines = view.models.flatMap(({ model, cost }) =>
    (['batch', 'realtime'] as const).map((lane) => {
      const { request_usd: one, job_usd: job, day_usd: day, month_usd: month } = cost[lane];
      const sums = isJob ? [usd(job), usd(month)] : [usd(day), usd(month)];
      return [lane === 'batch' ? model : '', lane, usd(one), ...sums];
    }),
  );
  return table([head, ...lines]);
}

function modelBlock(view: CapacityView, model: CapacityModel, paint: Paint): string {
  const { recommendation: advice } = model;
  const tier = advice.ask_sales ? 'a custom tier' : `the ${advice.tier} tier`;
  const lines = [
    paint.bold(model.model),
    table(needLines(model.needs)),
    ...(view.load.rows === null ? [] : [table(tierLines(view, model))]),
    ...model.problems.map((problem) => paint.yellow(`  ! ${problem}`)),
    `  ${paint.green('recommended')}: the ${advice.lane} lane, ${tier}`,
    ...advice.reasons.map((reason) => `    ${reason}`),
    `    how to get it: ${advice.qualifies}`,
  ];
  return lines.join('\n');
}

function needLines(needs: readonly Need[]): string[][] {
  return [
    ['realtime needs', 'rpm', 'itpm', 'otpm', 'calls at once', 'tier'],
    ...needs.map((need) => [
      need.within_seconds === null ? 'all the time' : `within ${formatDuration(need.within_seconds * 1_000)}`,
      formatCount(need.rpm),
      formatCount(need.itpm),
      formatCount(need.otpm),
      formatCount(need.calls_at_once),
      need.tier ?? 'custom: ask sales',
    ]),
  ];
}

function tierLines(view: CapacityView, { tiers }: CapacityModel): string[][] {
  return [
    ['on the tier', 'batch', 'realtime', 'binds', 'monthly cap'],
    ...tiers.map((one) => [
      one.tier === view.account_tier ? `${one.tier} (yours)` : one.tier,
      seconds(one.batch_seconds),
      seconds(one.realtime_seconds),
      one.binding ?? '',
      formatUsd(one.monthly_cap_usd),
    ]),
  ];
}

function seconds(value: number | null): string {
  return value === null ? '' : formatDuration(value * 1_000);
}

function usd(value: number | null): string {
  return value === null ? 'unknown' : formatUsd(value);
}
