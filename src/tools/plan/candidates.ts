/**
 * The ways in which the rows could go: as they are, and all of them with another model. For each of its models a candidate
 * has the tokens of its rows, with their error band.
 */
import { addMix, noSums, type MixSums } from '../../domain/chunk-text.ts';
import { raisedByCounts } from '../../domain/input-raise.ts';
import { within, type Band } from '../../domain/estimate/band.ts';
import { estimateOutput, type OutputEstimate, type SeenOutput } from '../../domain/estimate/output.ts';
import { requestTokens, textTokens } from '../../domain/estimate/request-tokens.ts';
import { COUNT_ERROR, estimateTotal, type SamplePoint } from '../../domain/estimate/total.ts';
import { tokensFromBytes } from '../../domain/estimate/tokenizer.ts';
import type { ModelMix, ModelPart } from '../../domain/model.ts';
import type { Counts } from './counts.ts';
import type { LookedRow, SampleLook } from './look.ts';

export interface InputEstimate {
  readonly tokens: Band;
  /** `counted`: by the API, on a sample; `estimated`: from the bytes of a sample; `bytes`: from nothing but bytes. */
  readonly basis: 'counted' | 'estimated' | 'bytes';
  readonly sampleRows: number;
  /** Of the total at 95 %, from the spread of the sample alone. */
  readonly samplingError: number;
  /** What each count or estimate may be off by itself. */
  readonly countError: number;
}

export interface CandidatePart {
  readonly model: string;
  readonly part: ModelPart;
  readonly input: InputEstimate;
  readonly output: OutputEstimate;
  /** Tokens of the prefix that all rows share. */
  readonly prefixTokens: number;
  /** Tokens of the longest row, at the high end. */
  readonly longestTokens: number;
}

export interface Candidate {
  /** The name of its model, or what stands for several. */
  readonly label: string;
  /** As the rows are. */
  readonly own: boolean;
  readonly parts: readonly CandidatePart[];
}

export interface CandidateQuestion {
  readonly look: SampleLook;
  readonly counts: Counts;
  readonly mix: ModelMix;
  /** Models for all rows, beside the rows' own. */
  readonly compared: readonly string[];
  readonly outputTold: number | undefined;
  /** What answers of a model were in earlier runs. */
  readonly seen: (model: string) => readonly SeenOutput[];
}

/** Without an answer to look at, nothing is known of it: from the size alone, and a factor of two. */
const BYTES_ERROR = 1;

export function candidatesOf(question: CandidateQuestion): Candidate[] {
  const { mix, compared } = question;
  const own = Object.entries(mix).filter(([, part]) => part.rows > 0);
  const [first] = own;
  const label = own.length === 1 && first ? first[0] : `as the rows say (${own.length} models)`;
  const asIs: Candidate = { label, own: true, parts: own.map(([model, part]) => partOf(question, model, part)) };
  const whole = sumOfParts(mix);
  const others = compared.filter((model) => !(own.length === 1 && first?.[0] === model));
  return [asIs, ...others.map((model) => ({ label: model, own: false, parts: [partOf(question, model, whole)] }))];
}

function partOf(question: CandidateQuestion, model: string, part: ModelPart): CandidatePart {
  const { look, counts } = question;
  const input = inputOf(question, model, part);
  const scale = calibration(look.rows, model, counts);
  const prefixTokens = textTokens(model, look.prefix.text).expected * scale;
  const longest = look.rows.reduce((most, row) => Math.max(most, tallest(row, model, counts)), 0);
  const output = estimateOutput({
    ...{ rows: part.rows, maxTokens: part.maxTokens },
    ...{ told: question.outputTold, seen: question.seen(model) },
  });
  return { model, part: raisedPart(question, model, part), input, output, prefixTokens, longestTokens: longest };
}

/** What is reckoned with at the most, as a submit does that has rows counted. */
function raisedPart({ look, counts }: CandidateQuestion, model: string, part: ModelPart): ModelPart {
  const tokensOf = counts.byModel.get(model)?.tokens;
  const counted = look.rows.flatMap((row) => {
    const tokens = tokensOf?.get(row.seq);
    return tokens === undefined ? [] : [{ ...row, model, tokens }];
  });
  return raisedByCounts({ [model]: part }, counted)[model] ?? part;
}

function inputOf({ look, counts, mix }: CandidateQuestion, model: string, part: ModelPart): InputEstimate {
  const spread = look.rows.filter(({ isLongest }) => !isLongest);
  const population = { rows: part.rows, bytes: Math.max(1, part.bytes - part.rows * look.frameBytes) };
  // Of a mix each model's own rows stand for it; where the sample has too few of them, all do.
  const ownRows = spread.filter((row) => row.model === model);
  const rows = mix[model] === part && ownRows.length >= Math.min(OWN_ROWS_MIN, part.rows) ? ownRows : spread;
  const counted = countedPoints(rows, model, counts);
  const fromCounts = estimateTotal(population, counted, COUNT_ERROR);
  if (fromCounts) {
    const { tokens, samplingError } = fromCounts;
    return { tokens, basis: 'counted', sampleRows: counted.length, samplingError, countError: COUNT_ERROR };
  }
  const bands = rows.map((row) => requestTokens(model, row.text));
  const points = rows.map((row, at) => ({ bytes: row.bytes, tokens: bands[at]?.expected ?? 0 }));
  const sum = (end: keyof Band): number => bands.reduce((total, band) => total + band[end], 0);
  const countError = sum('expected') > 0 ? sum('high') / sum('expected') - 1 : 0;
  const estimated = estimateTotal(population, points, countError);
  if (estimated) {
    const { tokens, samplingError } = estimated;
    return { tokens, basis: 'estimated', sampleRows: points.length, samplingError, countError };
  }
  const tokens = within(tokensFromBytes(model, part.bytes), BYTES_ERROR);
  return { tokens, basis: 'bytes', sampleRows: 0, samplingError: 0, countError: BYTES_ERROR };
}

const OWN_ROWS_MIN = 8;

function countedPoints(rows: readonly LookedRow[], model: string, counts: Counts): SamplePoint[] {
  const count = counts.byModel.get(model);
  return rows.flatMap(({ seq, bytes }) => {
    const tokens = count?.tokens.get(seq);
    return tokens === undefined ? [] : [{ bytes, tokens }];
  });
}

/** What the API counts, over what the rule says of the same rows; 1 where nothing was counted. */
function calibration(rows: readonly LookedRow[], model: string, counts: Counts): number {
  let [seen, said] = [0, 0];
  for (const row of rows) {
    const tokens = counts.byModel.get(model)?.tokens.get(row.seq);
    if (tokens === undefined) continue;
    seen += tokens;
    said += requestTokens(model, row.text).expected;
  }
  return said > 0 ? seen / said : 1;
}

function tallest(row: LookedRow, model: string, counts: Counts): number {
  return counts.byModel.get(model)?.tokens.get(row.seq) ?? requestTokens(model, row.text).high;
}

function sumOfParts(mix: ModelMix): ModelPart {
  const sums: MixSums = { all: noSums() };
  // Routes keep rows in their lanes also where another model answers; what is compared is one lane with the other.
  for (const { lanes: _lanes, ...part } of Object.values(mix)) addMix(sums, { all: part });
  return sums['all'] ?? noSums();
}
