/**
 * The plan of an input: puts together what the rooms of this folder find out. It is told everything and asks nobody.
 */
import type { Band } from '../../domain/estimate/band.ts';
import { answerDeadline, type DeadlineAnswer, type Split } from '../../domain/estimate/deadline-split.ts';
import { TOKENIZER_FACTS_AS_OF } from '../../domain/estimate/tokenizer.ts';
import { TIERS, TIERS_AS_OF } from '../../domain/pacing/tiers.ts';
import { rateClassOf } from '../../domain/pacing/rate-class.ts';
import { PRICES_AS_OF } from '../../domain/prices.ts';
import { worstCostUsd } from '../../domain/reserve.ts';
import { SPEEDS_AS_OF } from '../../domain/speeds.ts';
import { assumptionsOf } from './assumptions.ts';
import { planModel, type Planned } from './model-view.ts';
import type { PlanQuestion } from './question.ts';
import { raisesOf } from './raise.ts';
import { recommend } from './recommend.ts';
import type { BudgetView, DeadlineView, LimitLine, PlanView, SplitView } from './view.ts';

export function makePlan(question: PlanQuestion): PlanView {
  const { account, rows, chunks, bytes, nowMs, batchesMax, concurrency } = question;
  const planned = question.candidates.map((candidate) =>
    planModel({
      ...{ candidate, account, chunks, batchesMax, concurrency, nowMs, longRows: question.longRows },
      refusals: (model) => question.counts.byModel.get(model),
    }),
  );
  const own = planned[0];
  if (!own) throw new RangeError('a plan is of at least one candidate');
  const models = [own.view, ...planned.slice(1).map(({ view }) => view)] as const;
  const answer = deadlineAnswer(question, own);
  const budget = budgetView(question, own);
  return {
    rows: { ...rows, to_send: rows.total - rows.invalid },
    chunks,
    bytes,
    asked: { count_tokens: question.offline === null, why_not: question.offline },
    models,
    limits: limitsView(question),
    batch_duration: { seconds: own.times.view.batch.seconds, batches: account.batchMs.batches },
    raise: raisesOf(own.times, account.tier),
    deadline: answer && deadlineView(question, own, answer),
    budget,
    recommendation: recommend({ models, deadline: answer, budget, rows: rows.total - rows.invalid }),
    assumptions: assumptionsOf(question, own),
    routes: question.routes,
    duplicates: question.duplicates,
    as_of: {
      ...{ prices: PRICES_AS_OF, tiers: TIERS_AS_OF },
      ...{ speeds: SPEEDS_AS_OF, tokenizers: TOKENIZER_FACTS_AS_OF },
    },
  };
}

function deadlineAnswer({ deadlineMs, nowMs }: PlanQuestion, { times }: Planned): DeadlineAnswer | null {
  if (deadlineMs === null) return null;
  return answerDeadline({
    withinMs: Math.max(0, deadlineMs - nowMs),
    batch: times.batchLane,
    rowsPerMinute: times.realtime.rowsPerMinute,
    latencyMs: times.realtimeLane.latencyMs,
  });
}

function deadlineView({ deadlineMs, nowMs }: PlanQuestion, own: Planned, answer: DeadlineAnswer): DeadlineView {
  const atMs = deadlineMs ?? nowMs;
  return {
    at: new Date(atMs).toISOString(),
    seconds: Math.max(0, (atMs - nowMs) / 1_000),
    batch: answer.batch,
    realtime: answer.realtime,
    split: answer.split && splitView(own, answer.split),
    sure_split: answer.sureSplit && splitView(own, answer.sureSplit),
    late_rows: answer.lateRows,
  };
}

function splitView({ rowUsd }: Planned, { batchRows, realtimeRows }: Split): SplitView {
  const { batch, realtime } = rowUsd;
  const cost = batch === null || realtime === null ? null : batch * batchRows + realtime * realtimeRows;
  return { batch_rows: batchRows, realtime_rows: realtimeRows, cost_usd: cost };
}

/** What --max-cost sets aside is the worst case of reserve.ts: a plan promises no more than the run will keep. */
function budgetView({ maxCostUsd, lane, rows, candidates }: PlanQuestion, { view }: Planned): BudgetView | null {
  if (maxCostUsd === null) return null;
  const { plain } = view.cost_usd[lane];
  const parts = candidates[0]?.parts ?? [];
  const worst = worstCostUsd(Object.fromEntries(parts.map(({ model, part }) => [model, part])), lane);
  const toSend = rows.total - rows.invalid;
  const rowsSurely = worst === null || worst <= 0 ? null : Math.min(toSend, Math.floor((toSend * maxCostUsd) / worst));
  const verdict = verdictOf({ plain, worst, maxCostUsd });
  return { max_usd: maxCostUsd, lane, verdict, rows_surely: rowsSurely };
}

function verdictOf(of: {
  readonly plain: Band | null;
  readonly worst: number | null;
  readonly maxCostUsd: number;
}): string {
  const { plain, worst, maxCostUsd } = of;
  if (plain === null || worst === null) return 'unknown';
  if (worst <= maxCostUsd) return 'fits';
  return plain.expected <= maxCostUsd ? 'likely' : 'unlikely';
}

function limitsView({ account, candidates }: PlanQuestion): PlanView['limits'] {
  const { queue, calls } = account.batch;
  const lines: LimitLine[] = [
    { name: 'queue', rate_class: 'batches', value: queue.value, source: queue.source },
    { name: 'batch_rpm', rate_class: 'batches', value: calls.value, source: calls.source },
  ];
  const models = candidates[0]?.parts.map(({ model }) => model) ?? [];
  const seen = new Set<string>();
  for (const model of models) {
    const rateClass = rateClassOf(model);
    if (seen.has(rateClass)) continue;
    seen.add(rateClass);
    const { requests, input, output, tokens } = account.limitsOf(model);
    for (const [name, limit] of [
      ['rpm', requests],
      ['itpm', input],
      ['otpm', output],
      ['tpm', tokens],
    ] as const) {
      if (limit) lines.push({ name, rate_class: rateClass, value: limit.value, source: limit.source });
    }
  }
  const tier = account.tier;
  return { tier, assumed: account.assumed, lines, monthly_cap_usd: tier === null ? null : TIERS[tier].monthlyCapUsd };
}
