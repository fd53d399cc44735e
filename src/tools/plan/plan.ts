/**
 * The plan of an input: puts together what the rooms of this folder find out. It is told everything and asks nobody.
 */
import type { Band } from '../../domain/estimate/band.ts';
import { answerDeadline, type DeadlineAnswer, type Split } from '../../domain/estimate/deadline-split.ts';
import { TOKENIZER_FACTS_AS_OF } from '../../domain/estimate/tokenizer.ts';
import { TIERS, TIERS_AS_OF } from '../../domain/pacing/tiers.ts';
import { rateClassOf } from '../../domain/pacing/rate-class.ts';
import { PRICES_AS_OF } from '../../domain/prices.ts';
import { SPEEDS_AS_OF } from '../../domain/speeds.ts';
import { assumptionsOf } from './assumptions.ts';
import { planModel, shareCost, type Planned } from './model-view.ts';
import type { PlanQuestion, PlanRoute } from './question.ts';
import { raisesOf } from './raise.ts';
import { recommend } from './recommend.ts';
import type { BudgetView, DeadlineView, LimitLine, PlanView, RouteView, SplitView } from './view.ts';

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
    routes: question.routes?.map((route) => routeView(question, route)) ?? null,
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

/** A share of the cost of all rows, by what the rules took: they add up to it, whatever was put around the rows since. */
function routeView(question: PlanQuestion, { route, model, lane, sums }: PlanRoute): RouteView {
  const part = question.candidates[0]?.parts.find((one) => one.model === model);
  const of = (question.routes ?? []).filter((one) => one.model === model);
  const scaled = (key: 'bytes' | 'maxTokens'): number =>
    (sums[key] * (part?.part[key] ?? 0)) /
    Math.max(
      1,
      of.reduce((sum, one) => sum + one.sums[key], 0),
    );
  const some = { ...sums, bytes: scaled('bytes'), maxTokens: scaled('maxTokens') };
  const cost = part && shareCost(question, { part, lane, end: 'expected', cached: false }, some);
  return { route, model, lane, rows: sums.rows, cost_usd: cost ?? null };
}

function budgetView({ maxCostUsd, lane, rows }: PlanQuestion, { view }: Planned): BudgetView | null {
  if (maxCostUsd === null) return null;
  const { plain, worst } = view.cost_usd[lane];
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
