/**
 * Which lane and which model, and why. Lanes can be told by price and time; of models only whether they fit, what they
 * cost and how fast they answer. Whether a cheaper one is good enough, only a trial on some rows says.
 */
import { formatCount, formatDuration, formatUsd } from '../../base/units.ts';
import type { DeadlineAnswer } from '../../domain/estimate/deadline-split.ts';
import type { BudgetView, ModelView, RecommendationView } from './view.ts';

export interface RecommendQuestion {
  readonly models: readonly [ModelView, ...ModelView[]];
  readonly deadline: DeadlineAnswer | null;
  readonly budget: BudgetView | null;
  readonly rows: number;
}

/** A few rows are done before a batch would have begun. */
const FEW_ROWS = 100;
/** And cost so little that half the price is no reason to wait. */
const FEW_USD = 0.5;

export function recommend(question: RecommendQuestion): RecommendationView {
  const { lane, why } = laneOf(question);
  const { model, reasons } = modelOf(question, lane);
  return { lane, model, reasons: [why, ...reasons] };
}

function laneOf({ models, deadline, rows }: RecommendQuestion): {
  readonly lane: RecommendationView['lane'];
  readonly why: string;
} {
  const [own] = models;
  const { batch, realtime } = own.lanes;
  const batchText = formatDuration(batch.seconds.expected * 1_000);
  const realtimeText = formatDuration(realtime.seconds.expected * 1_000);
  if (deadline !== null) return laneForDeadline(deadline, { rows, batchText, realtimeText });
  const usd = own.cost_usd.realtime.plain?.expected ?? Infinity;
  if (own.cost_usd.batch.plain === null && own.cost_usd.realtime.plain !== null) {
    return { lane: 'realtime', why: 'realtime: no batch price of the model is known' };
  }
  const quicker = realtime.seconds.expected < batch.seconds.expected;
  if (rows <= FEW_ROWS && usd <= FEW_USD && quicker) {
    return { lane: 'realtime', why: `realtime: so few rows are done in about ${realtimeText}, for ${formatUsd(usd)}` };
  }
  return {
    lane: 'batch',
    why: `batch: half the price; it takes about ${batchText}, and no --deadline says that is too long`,
  };
}

function laneForDeadline(
  deadline: DeadlineAnswer,
  {
    rows,
    batchText,
    realtimeText,
  }: { readonly rows: number; readonly batchText: string; readonly realtimeText: string },
): { readonly lane: RecommendationView['lane']; readonly why: string } {
  if (deadline.batch === 'sure') {
    return { lane: 'batch', why: 'batch: it makes the deadline even if batches are slow, at half the price' };
  }
  if (deadline.batch === 'likely') {
    // The rest of the way is the engine's: it moves rows when batches are late, as long as the other lane can take them.
    const safe = deadline.realtime === 'no' ? '' : ', and --deadline moves what is late to the realtime lane in time';
    return { lane: 'batch', why: `batch: expected in about ${batchText}, before the deadline${safe}` };
  }
  if (deadline.split && deadline.split.batchRows > 0) {
    const { batchRows, realtimeRows } = deadline.split;
    return {
      lane: 'split',
      why: `split: ${formatCount(batchRows)} rows in batches and ${formatCount(realtimeRows)} realtime make the deadline`,
    };
  }
  if (deadline.realtime !== 'no') {
    return { lane: 'realtime', why: `realtime: done in about ${realtimeText}; batches would be late` };
  }
  const late = `${formatCount(deadline.lateRows)} of ${formatCount(rows)} rows`;
  return { lane: 'realtime', why: `realtime: no lane makes the deadline; about ${late} would be late` };
}

function modelOf(
  { models, budget }: RecommendQuestion,
  lane: RecommendationView['lane'],
): { readonly model: string; readonly reasons: string[] } {
  const [own] = models;
  const price = (view: ModelView): number =>
    view.cost_usd[lane === 'realtime' ? 'realtime' : 'batch'].plain?.expected ?? Infinity;
  const fitting = models.filter((view) => view.fits).sort((one, other) => price(one) - price(other));
  const [cheapest] = fitting;
  if (!own.fits) {
    const why = `${own.label} does not fit: ${own.problems[0] ?? ''}`;
    if (!cheapest) return { model: own.label, reasons: [why, 'none of the compared models fits'] };
    return { model: cheapest.label, reasons: [why, `${cheapest.label} is the cheapest that fits`, ...trial(cheapest)] };
  }
  if (!cheapest || cheapest === own) {
    return {
      model: own.label,
      reasons: [`${own.label}: it fits, and none of the compared models is cheaper`, ...faster(own, models)],
    };
  }
  const times = price(own) / price(cheapest);
  const reasons = [
    `${own.label}: it is what you chose, and it fits`,
    `${cheapest.label} would cost ${formatUsd(price(cheapest))}, ${times.toFixed(1)} times less; ${trial(cheapest)[0] ?? ''}`,
  ];
  if (budget?.verdict === 'unlikely') reasons.push(`with ${own.label} the budget most probably does not reach`);
  return { model: own.label, reasons };
}

function trial({ label }: ModelView): string[] {
  return [`whether it is good enough says a trial: --sample 1% --model ${label}`];
}

function faster(own: ModelView, models: readonly ModelView[]): string[] {
  const quick = models
    .filter((view) => view !== own && view.fits)
    .sort((one, other) => one.answer_seconds - other.answer_seconds)[0];
  if (!quick || quick.answer_seconds >= own.answer_seconds) return ['no compared model answers faster'];
  return [
    `${quick.label} answers faster (about ${quick.answer_seconds.toFixed(1)}s a call against ${own.answer_seconds.toFixed(1)}s)`,
  ];
}
