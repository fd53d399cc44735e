/**
 * A plan in text: calm tables of at most a hundred columns. The JSON twin is the PlanView itself.
 */
import { formatBytes, formatCount, formatDuration, formatUsd, plural } from '../../base/units.ts';
import type { Band } from '../../domain/estimate/band.ts';
import type { DeadlineView, PlanView, RaiseView, SplitView } from '../../tools/plan/view.ts';
import { createPaint, table, type Paint } from '../terminal/ui.ts';

/** Paragraphs are broken at so many columns. */
const WIDTH = 96;

export function planText(view: PlanView, { color }: { readonly color: boolean }): string {
  const paint = createPaint(color);
  const blocks = [
    headText(view, paint),
    `${paint.bold('cost by lane')}${paint.dim('  expected (from to)')}\n${costText(view)}`,
    cachingText(view, paint),
    savingText(view, paint),
    `${paint.bold('models side by side')}${paint.dim('  all rows with each, batch lane')}\n${modelsText(view)}`,
    `${paint.bold('time by lane')}\n${timeText(view)}`,
    raiseText(view.raise, paint),
    deadlineText(view.deadline, paint),
    budgetText(view, paint),
    `${paint.bold('recommended')}\n${recommendedText(view, paint)}`,
    `${paint.bold('what this takes for granted')}\n${bullets(view.assumptions)}`,
    paint.dim(asOfText(view)),
  ];
  return blocks.filter((block) => block !== '').join('\n\n');
}

function headText({ rows, chunks, bytes, models, asked }: PlanView, paint: Paint): string {
  const [own] = models;
  const skipped = rows.invalid > 0 ? `, ${formatCount(rows.invalid)} invalid` : '';
  const error = `${own.input_basis === 'counted' ? 'counted on a sample' : 'estimated'}, +-${(own.input_error * 100).toFixed(own.input_error < 0.1 ? 1 : 0)} %`;
  const lines = [
    ['rows', formatCount(rows.total), `${plural(chunks, 'batch', 'batches')}, ${formatBytes(bytes)}${skipped}`],
    ['input tokens', formatCount(own.input_tokens.expected), `${range(own.input_tokens, formatCount)}, ${error}`],
    [
      'output tokens',
      formatCount(own.output_tokens.expected),
      `${range(own.output_tokens, formatCount)}, at most ${formatCount(own.output_tokens_max)}`,
    ],
  ];
  const offline =
    asked.why_not === null ? '' : `\n${paint.yellow(`  offline: nothing was counted by the API (${asked.why_not})`)}`;
  return `${paint.bold(own.label)}\n${table(lines)}${offline}`;
}

function costText({ models: [own] }: PlanView): string {
  const { batch, realtime } = own.cost_usd;
  const line = (name: string, cost: Band | null, worst: number | null): string[] => [
    name,
    cost === null ? 'unknown' : formatUsd(cost.expected),
    cost === null ? '' : range(cost, formatUsd),
    worst === null ? '' : `at most ${formatUsd(worst)}`,
  ];
  const lines = [line('batch', batch.plain, batch.worst)];
  if (batch.cached !== null) lines.push(line('batch, prefix cached', batch.cached, null));
  lines.push(line('realtime', realtime.plain, realtime.worst));
  if (realtime.cached !== null) lines.push(line('realtime, prefix cached', realtime.cached, null));
  return table(lines);
}

function cachingText({ models: [own] }: PlanView, paint: Paint): string {
  const { caching } = own;
  const title = paint.bold('caching');
  if (!caching.possible) return `${title}  no: ${caching.why}`;
  const saved = caching.saved_usd ?? 0;
  const prefix = `${formatCount(caching.prefix_tokens)} tokens are the same at the start of all rows (the model keeps ${formatCount(caching.min_tokens ?? 0)} and more)`;
  const result = caching.pays
    ? `saves about ${formatUsd(saved)} in the batch lane: --cache auto`
    : `would cost about ${formatUsd(-saved)} more`;
  return `${title}\n${wrapped(`${prefix}; ${result}. ${capital(sentence(caching.why))}`, '  ', '  ')}`;
}

/** What other rooms find: routes, and rows that ask the same. */
function savingText({ routes, duplicates }: PlanView, paint: Paint): string {
  const blocks: string[] = [];
  if (routes !== null) {
    const lines = routes.map((one) => [
      one.route ?? '(no rule)',
      one.model,
      one.lane,
      plural(one.rows, 'row'),
      one.cost_usd === null ? 'unknown' : formatUsd(one.cost_usd),
    ]);
    blocks.push(`${paint.bold('routes')}\n${table(lines)}`);
  }
  if (duplicates !== null && duplicates.rows > 0) {
    const saved = duplicates.saved_usd === null ? '' : ` and save up to ${formatUsd(duplicates.saved_usd)}`;
    const about = duplicates.exact ? '' : 'about ';
    blocks.push(
      `${paint.bold('duplicates')}  --dedupe would send ${about}${plural(duplicates.rows, 'row')} fewer${saved}`,
    );
  }
  return blocks.join('\n\n');
}

function modelsText({ models, recommendation }: PlanView): string {
  const head = ['model', 'cost', 'from to', 'cached', 'an answer', 'fits'];
  const lines = models.map((view) => [
    `${view.label === recommendation.model ? '*' : ' '} ${view.label}`,
    ...bandCells(view.cost_usd.batch.plain),
    view.cost_usd.batch.cached === null ? '-' : formatUsd(view.cost_usd.batch.cached.expected),
    `${view.speed_word}, ${view.answer_seconds.toFixed(1)}s`,
    view.fits ? 'yes' : 'no',
  ]);
  const problems = models.flatMap((view) => view.problems.map((problem) => `  ! ${problem}`));
  return [table([head, ...lines]), ...problems].join('\n');
}

function bandCells(band: Band | null): string[] {
  return band === null ? ['unknown', ''] : [formatUsd(band.expected), range(band, formatUsd)];
}

const BINDS: Readonly<Record<string, string>> = {
  batch_duration: 'how long a batch takes',
  queue: 'the queue of the account',
  max_batches: '--max-batches',
  batch_calls: 'calls a minute of the batch endpoints',
  rpm: 'requests a minute',
  itpm: 'input tokens a minute',
  otpm: 'output tokens a minute',
  tpm: 'tokens a minute',
  concurrency: '--concurrency',
};

/** A time that caching makes shorter by less is not worth a line. */
const CACHED_GAIN = 0.9;

function timeText({ models: [own], limits }: PlanView): string {
  const { batch, realtime } = own.lanes;
  const time = (band: Band): string[] => [
    formatDuration(band.expected * 1_000),
    range(band, (seconds) => formatDuration(seconds * 1_000)),
  ];
  const waves = batch.waves > 1 ? `, ${batch.waves} waves of ${batch.at_once}` : '';
  const rate = `${formatCount(realtime.rows_per_minute)} rows a minute`;
  const whose = limits.tier === null ? 'limits of the account' : `limits of the ${limits.tier} tier`;
  const lines = limits.lines.map((limit) => [
    `${limit.rate_class} ${limit.name}`,
    formatCount(limit.value),
    limit.source,
  ]);
  const cached = own.lanes.realtime_cached;
  return [
    table([
      ['batch', ...time(batch.seconds), `binds: ${BINDS[batch.binding] ?? batch.binding}${waves}`],
      ['realtime', ...time(realtime.seconds), `binds: ${BINDS[realtime.binding] ?? realtime.binding}, ${rate}`],
      ...(cached === null || cached.seconds > realtime.seconds.expected * CACHED_GAIN
        ? []
        : [
            [
              'realtime, cached',
              formatDuration(cached.seconds * 1_000),
              '',
              `binds: ${BINDS[cached.binding] ?? cached.binding}`,
            ],
          ]),
    ]),
    `  by the ${limits.assumed ? 'assumed ' : ''}${whose}:`,
    table(lines, '    '),
  ].join('\n');
}

function raiseText(raises: readonly RaiseView[], paint: Paint): string {
  if (raises.length === 0) return '';
  const lines = raises.flatMap((raise) => [
    `  ${raise.lane}: ${BINDS[raise.limit] ?? raise.limit} from ${formatCount(raise.from)} to ${formatCount(raise.to)}: ${formatDuration(raise.seconds_then * 1_000)} instead of ${formatDuration(raise.seconds_now * 1_000)}`,
    wrapped(raise.how, '    ', '    '),
  ]);
  return `${paint.bold('what to raise')}\n${lines.join('\n')}`;
}

function deadlineText(deadline: DeadlineView | null, paint: Paint): string {
  if (deadline === null) return '';
  const words: Readonly<Record<string, string>> = {
    sure: 'yes, even if batches are slow',
    likely: 'most probably',
    no: 'no',
  };
  const split = (name: string, one: SplitView | null): string[] =>
    one === null
      ? [name, 'no']
      : [
          name,
          `${plural(one.batch_rows, 'row')} by batches, ${formatCount(one.realtime_rows)} realtime`,
          one.cost_usd === null ? '' : formatUsd(one.cost_usd),
        ];
  const lines = [
    ['all by batches', words[deadline.batch] ?? deadline.batch, ''],
    ['all realtime', words[deadline.realtime] ?? deadline.realtime, ''],
    split('cheapest split', deadline.split),
    split('if batches are slow', deadline.sure_split),
  ];
  const late =
    deadline.late_rows > 0 ? `\n${paint.yellow(`  ! about ${plural(deadline.late_rows, 'row')} would be late`)}` : '';
  return `${paint.bold('deadline')}  ${deadline.at}, in ${formatDuration(deadline.seconds * 1_000)}\n${table(lines)}${late}`;
}

function budgetText({ budget, rows }: PlanView, paint: Paint): string {
  if (budget === null) return '';
  const words: Readonly<Record<string, string>> = {
    fits: 'all rows fit, however long the answers are',
    likely: 'all rows are expected to fit',
    unlikely: 'most probably it does not reach for all rows',
    unknown: 'nobody can tell: a price is not known',
  };
  const surely =
    budget.rows_surely === null
      ? ''
      : `; it surely reaches for ${formatCount(budget.rows_surely)} of ${formatCount(rows.to_send)}`;
  return `${paint.bold('budget')}  ${formatUsd(budget.max_usd)} in the ${budget.lane} lane: ${words[budget.verdict] ?? budget.verdict}${surely}`;
}

function recommendedText({ recommendation }: PlanView, paint: Paint): string {
  return [`  ${paint.green(`${recommendation.lane}, ${recommendation.model}`)}`, bullets(recommendation.reasons)].join(
    '\n',
  );
}

function asOfText({ as_of: of }: PlanView): string {
  return `as of: prices ${of.prices}, tiers ${of.tiers}, speeds ${of.speeds}, tokenizers ${of.tokenizers}\nNothing was sent and no run was made.`;
}

function range({ low, high }: Band, format: (value: number) => string): string {
  return `${format(low)} to ${format(high)}`;
}

function bullets(lines: readonly string[]): string {
  return lines.map((line) => wrapped(sentence(line), '  - ', '    ')).join('\n');
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function sentence(text: string): string {
  return /[.!?]$/.test(text) ? text : `${text}.`;
}

function wrapped(text: string, first: string, rest: string): string {
  const lines: string[] = [];
  let line = first;
  for (const word of text.split(' ')) {
    if (line.length + word.length > WIDTH && line.trim() !== '-' && line.trim() !== '') {
      lines.push(line.trimEnd());
      line = rest;
    }
    line += `${word} `;
  }
  lines.push(line.trimEnd());
  return lines.join('\n');
}
