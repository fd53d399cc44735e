/**
 * One way in which the rows could go, in numbers: tokens, cost by lane with and without caching, time by lane, and what
 * stands against it.
 */
import { CACHE_HITS, CACHE_LIFE } from '../../domain/estimate/cache-facts.ts';
import { costBand, loadCostUsd, type CacheUse, type LoadPart } from '../../domain/estimate/load-cost.ts';
import { mapBand, sumBands, widthOf, type Band } from '../../domain/estimate/band.ts';
import { splitByLane } from '../../domain/lane-mix.ts';
import type { Lane, LaneMode, PartSums } from '../../domain/model.ts';
import { modelFacts } from '../../domain/models.ts';
import { priceOf } from '../../domain/pricing.ts';
import { worstRunCostUsd } from '../../domain/reserve.ts';
import { speedOf } from '../../domain/speeds.ts';
import type { PlanAccount } from './account.ts';
import { answerSeconds } from './answer-time.ts';
import type { Candidate, CandidatePart } from './candidates.ts';
import type { ModelCount } from './counts.ts';
import { lanesOf, type LaneTimes } from './lane-view.ts';
import type { CachingView, CostView, ModelView } from './view.ts';

export interface ModelQuestion {
  readonly candidate: Candidate;
  readonly account: PlanAccount;
  readonly chunks: number;
  readonly batchesMax: number;
  readonly concurrency: number;
  readonly nowMs: number;
  /** By model: rows above the price step of long prompts, for each end of the band of tokens. */
  readonly longRows: (part: CandidatePart, end: keyof Band) => LongRows;
  readonly refusals: (model: string) => ModelCount | undefined;
}

type CostQuestion = Pick<ModelQuestion, 'longRows'>;

export interface LongRows {
  readonly rows: number;
  readonly inputTokens: number;
}

export interface Planned {
  readonly view: ModelView;
  readonly times: LaneTimes;
  /** Expected cost of an average row, by lane; null where a price is not known. */
  readonly rowUsd: Readonly<Record<Lane, number | null>>;
}

export function planModel(question: ModelQuestion): Planned {
  const { candidate } = question;
  const { parts } = candidate;
  const input = sumBands(parts.map((part) => part.input.tokens));
  const output = sumBands(parts.map((part) => part.output.tokens));
  const caching = cachingOf(question);
  const cost = { batch: costOf(question, 'batch', caching), realtime: costOf(question, 'realtime', caching) };
  const [first] = parts;
  const cachedTokens = caching.possible && first ? first.prefixTokens * CACHE_HITS.realtime.expected : null;
  const times = lanesOf({ ...question, cachedTokens });
  const problems = problemsOf(question);
  const rows = parts.reduce((sum, { part }) => sum + part.rows, 0);
  const answer = answerOf(question);
  const perRow = (lane: Lane): number | null => {
    const plain = cost[lane].plain;
    return plain === null ? null : plain.expected / Math.max(1, rows);
  };
  const view: ModelView = {
    label: candidate.label,
    own: candidate.own,
    models: parts.map(({ model }) => model),
    input_tokens: mapBand(input, Math.round),
    output_tokens: mapBand(output, Math.round),
    output_tokens_max: parts.reduce((sum, { part }) => sum + part.maxTokens, 0),
    input_basis: worstBasis(parts),
    output_basis: parts[0]?.output.basis ?? 'assumed',
    sample_rows: parts.reduce((sum, part) => sum + part.input.sampleRows, 0),
    input_error: widthOf(input),
    cost_usd: cost,
    caching,
    ...answer,
    fits: problems.length === 0,
    problems,
    lanes: times.view,
  };
  return { view, times, rowUsd: { batch: perRow('batch'), realtime: perRow('realtime') } };
}

/** What is least known counts for all. */
function worstBasis(parts: readonly CandidatePart[]): string {
  const bases = parts.map(({ input }) => input.basis);
  return (['bytes', 'estimated', 'counted'] as const).find((basis) => bases.includes(basis)) ?? 'bytes';
}

/** An average answer, and by what it is known. */
function answerOf({
  candidate,
  account,
}: ModelQuestion): Pick<ModelView, 'answer_seconds' | 'answer_basis' | 'speed_word'> {
  const { seconds, measured } = answerSeconds(candidate, account);
  const word = speedOf(candidate.parts[0]?.model ?? '').word;
  return { answer_seconds: seconds, answer_basis: measured ? 'measured' : 'table', speed_word: word };
}

function costOf(question: ModelQuestion, lane: Lane, caching: CachingView): CostView {
  const band = (cached: boolean): Band | null =>
    costBand((end) =>
      sumOrNull(question.candidate.parts.map((part) => partCost(question, { part, lane, end, cached }))),
    );
  const worst = worstOf(question.candidate.parts, lane);
  const plain = band(false);
  // Where rows were counted the worst case holds for them: an estimate above it is an error of the estimate.
  const within = plain && worst !== null ? mapBand(plain, (usd) => Math.min(usd, worst)) : plain;
  return { plain: within, cached: caching.possible ? band(true) : null, worst };
}

/** What a budget sets aside for all rows, so that no command says another worst case than this one. */
function worstOf(parts: readonly CandidatePart[], lane: Lane): number | null {
  return worstRunCostUsd(Object.fromEntries(parts.map(({ model, part }) => [model, part])), modeOf(lane));
}

/** Rows that a route calls are called in a run of batches, too. */
function modeOf(lane: Lane): LaneMode {
  return lane === 'batch' ? 'auto' : 'realtime';
}

export interface PartCost {
  readonly part: CandidatePart;
  readonly lane: Lane;
  readonly end: keyof Band;
  readonly cached: boolean;
}

/** In both lanes, where routes part the rows. */
function partCost(question: CostQuestion, cost: PartCost): number | null {
  const { model, part } = cost.part;
  const lanes = splitByLane({ [model]: part }, modeOf(cost.lane));
  return sumOrNull(LANES.map((lane) => shareCost(question, { ...cost, lane }, lanes[lane][model])));
}

/** What some of the rows of a part cost: input by their bytes, answers by their max_tokens. Nothing where there are none. */
export function shareCost(question: CostQuestion, cost: PartCost, some: PartSums | undefined): number | null {
  if (!some) return 0;
  const { part, input, output } = cost.part;
  const bytes = some.bytes / Math.max(1, part.bytes);
  const answers = some.maxTokens / Math.max(1, part.maxTokens);
  const scaled: CandidatePart = {
    ...cost.part,
    part: some,
    input: { ...input, tokens: mapBand(input.tokens, (count) => count * bytes) },
    output: { ...output, tokens: mapBand(output.tokens, (count) => count * answers) },
  };
  const long = question.longRows(cost.part, cost.end);
  return laneCost({ ...cost, part: scaled }, { rows: long.rows * bytes, inputTokens: long.inputTokens * bytes });
}

const LANES: readonly Lane[] = ['batch', 'realtime'];

function laneCost({ part, lane, end, cached }: PartCost, long: LongRows): number | null {
  const { model, part: mix, input, output } = part;
  const outputEach = output.tokens[end] / Math.max(1, mix.rows);
  const loads: LoadPart[] = [
    {
      rows: mix.rows - long.rows,
      inputTokens: Math.max(0, input.tokens[end] - long.inputTokens),
      outputTokens: outputEach * (mix.rows - long.rows),
    },
    { rows: long.rows, inputTokens: long.inputTokens, outputTokens: outputEach * long.rows },
  ];
  return loadCostUsd(model, lane, loads, cached ? cacheUse(part, lane, end) : null);
}

/** Cheap is where tokens are few and hits are many. */
function cacheUse({ prefixTokens }: CandidatePart, lane: Lane, end: keyof Band): CacheUse {
  const hits = CACHE_HITS[lane];
  const hitShare = end === 'low' ? hits.high : end === 'high' ? hits.low : hits.expected;
  return { prefixTokens, life: CACHE_LIFE[lane], hitShare };
}

function cachingOf(question: ModelQuestion): CachingView {
  const { candidate, nowMs } = question;
  const [first] = candidate.parts;
  const prefix = Math.round(first?.prefixTokens ?? 0);
  const least = modelFacts(first?.model ?? '', nowMs).cacheTokensMin ?? null;
  const base = { prefix_tokens: prefix, min_tokens: least, hit_share: CACHE_HITS };
  const no = (why: string): CachingView => ({ ...base, possible: false, pays: false, saved_usd: null, why });
  if (candidate.parts.length !== 1 || !first) return no('the rows name several models, each with a cache of its own');
  if ((first.part.cachingRows ?? 0) > 0) return no('rows have cache_control already: hits are not in these numbers');
  if (prefix === 0) return no('the rows do not begin with the same blocks');
  if (least === null) return no('the shortest prefix that this model keeps is not known');
  if (prefix < least) return no(`the rows share ${prefix} tokens, and the model keeps no prefix below ${least}`);
  const cost = (cached: boolean): number | null =>
    partCost(question, { part: first, lane: 'batch', end: 'expected', cached });
  const [plain, withCache] = [cost(false), cost(true)];
  if (plain === null || withCache === null) return no('the price of caching is not known for this model');
  const saved = plain - withCache;
  const why =
    saved > 0
      ? 'most rows read the shared prefix at a tenth of its price or less'
      : 'writing the prefix costs more than reads save';
  return { ...base, possible: true, pays: saved > 0, saved_usd: saved, why };
}

function problemsOf({ candidate, nowMs, refusals }: ModelQuestion): string[] {
  const problems: string[] = [];
  for (const { model, part, longestTokens } of candidate.parts) {
    const facts = modelFacts(model, nowMs);
    const price = priceOf(model);
    if (facts.status === 'retired') problems.push(`${model} is no longer served`);
    if (facts.status === 'ending') problems.push(`${model} ends on ${facts.retires ?? 'a day that is near'}`);
    if (price === null) problems.push(`no price of ${model} is known`);
    else if (price.batchInput === null) problems.push(`no batch price of ${model} is known`);
    const answer = part.maxTokens / Math.max(1, part.rows);
    if (facts.maxTokens !== undefined && answer > (facts.longMaxTokens ?? facts.maxTokens)) {
      problems.push(`max_tokens is above the ${facts.maxTokens} that ${model} can write`);
    }
    if (facts.contextTokens !== undefined && longestTokens + answer > facts.contextTokens) {
      problems.push(`the longest row may not fit into the ${facts.contextTokens} tokens of ${model}`);
    }
    const refused = refusals(model);
    if (refused && refused.refused > 0) {
      problems.push(
        `${model} refuses ${refused.refused} of the sampled rows (${refused.refusal ?? 'no reason given'})`,
      );
    }
  }
  return problems;
}

function sumOrNull(list: readonly (number | null)[]): number | null {
  let total = 0;
  for (const one of list) {
    if (one === null) return null;
    total += one;
  }
  return total;
}
