/**
 * From what an advisor has seen to advice: what to do, and what it saves. The dearest first. Savings are estimates, and do
 * not add up: what one takes away another would have taken, too.
 */
import { modelFacts } from '../../domain/models.ts';
import { worstCostUsd } from '../../domain/reserve.ts';
import type { Advisor, PartSums } from './advisor.ts';
import { tokensOfText, type LaneUsd, type TokensByModel } from './by-model.ts';
import type { SharedText } from './shared-ends.ts';
import { WASTE_KINDS, type WasteKind } from './waste.ts';

export type AdviceKind =
  'cache_system' | 'cache_lead' | 'truncate' | 'shared_end' | 'dedupe' | WasteKind | 'max_tokens' | 'unused_columns';

export interface Advice {
  readonly kind: AdviceKind;
  /** A column or another part of the request; null for the whole. */
  readonly part: { readonly name: string; readonly kind: PartSums['kind'] } | null;
  readonly rows: number;
  /** Input tokens that are no longer sent, or are read from the cache. */
  readonly tokens: number;
  readonly usd: LaneUsd;
  readonly details: Readonly<Record<string, unknown>>;
}

export interface ColumnView {
  readonly name: string;
  readonly kind: PartSums['kind'];
  /** Of all bytes that are sent. */
  readonly share: number;
  readonly tokens: number;
  readonly chars: Readonly<Record<'p50' | 'p90' | 'p99' | 'max', number>>;
  readonly cuts: readonly {
    readonly chars: number;
    readonly rows: number;
    readonly tokens: number;
    readonly usd: LaneUsd;
  }[];
}

export interface AdviceReport {
  readonly rows: number;
  readonly invalid: number;
  readonly tokens: number;
  readonly usd: LaneUsd;
  readonly advice: readonly Advice[];
  readonly columns: readonly ColumnView[];
}

export interface AdviceOptions {
  readonly nowMs: number;
  /** Output tokens of an answer as earlier runs had them, by model. */
  readonly answers: ReadonlyMap<
    string,
    { readonly rows: number; readonly outputTokens: number; readonly cutOff: number }
  >;
  /** Columns that stand in no template and are not the id; none where rows are requests. */
  readonly unused: readonly string[];
}

/** Less than this share of all tokens is not worth a word. */
const SHARE_MIN = 0.005;
/** A text that fewer rows share is not called shared. */
const SHARED_MIN = 0.5;
const ENDS_MIN = 0.2;
/** A cut may touch so many of the rows: what is cut may have been needed. */
const CUT_ROWS_MAX = 0.1;
const MAX_TOKENS_FACTOR = 8;
const MAX_TOKENS_ROOM = 3;
const ANSWERS_MIN = 20;
const CHARS_SHOWN = 40;

export function adviceOf(advisor: Advisor, options: AdviceOptions): AdviceReport {
  const { all, rows, invalid } = advisor;
  const promptTokens = all.tokens / Math.max(1, rows);
  const parts = [...advisor.parts.values()].filter((part) => part.all.tokens > 0);
  const worth = ({ tokens }: Advice): boolean => tokens >= all.tokens * SHARE_MIN;
  const savings = [
    ...cached(advisor, promptTokens, options.nowMs),
    ...repeated(advisor, promptTokens),
    ...parts.flatMap((part) => [
      ...wasted(part, promptTokens),
      ...shortened(part, promptTokens),
      ...sharedEnds(part, promptTokens),
    ]),
  ].filter(worth);
  const ranked = savings.sort(
    (one, other) => (other.usd.batch ?? 0) - (one.usd.batch ?? 0) || other.tokens - one.tokens,
  );
  return {
    rows,
    invalid,
    tokens: all.tokens,
    usd: all.usd(promptTokens),
    advice: [...ranked, ...answers(advisor, options), ...unused(options, rows)],
    columns: parts
      .map((part) => viewColumn(part, all.tokens, promptTokens))
      .sort((one, other) => other.share - one.share),
  };
}

/** The system text and what the first messages begin with: plain input every time, or read from the cache. */
function cached(advisor: Advisor, promptTokens: number, nowMs: number): Advice[] {
  const [system] = advisor.systems.shared(SHARED_MIN);
  const [lead] = advisor.leads.shared(SHARED_MIN);
  // A lead is kept together with the system text before it.
  const before = system && advisor.systems.rows > 0 ? system.text : '';
  const found: Advice[] = [];
  if (system) found.push(cacheAdvice('cache_system', system, { before: '', promptTokens, nowMs }));
  if (lead) found.push(cacheAdvice('cache_lead', lead, { before, promptTokens, nowMs }));
  return found;
}

function cacheAdvice(
  kind: 'cache_system' | 'cache_lead',
  { text, saved }: SharedText,
  of: { readonly before: string; readonly promptTokens: number; readonly nowMs: number },
): Advice {
  const short = saved.models().filter((model) => {
    const least = modelFacts(model, of.nowMs).cacheTokensMin;
    return least !== undefined && tokensOfText(model, of.before + text) < least;
  });
  const [model = ''] = short;
  const tooShort = short.length === saved.models().length;
  return {
    kind,
    part: null,
    rows: saved.rows,
    tokens: saved.tokens,
    usd: tooShort ? { batch: 0, realtime: 0 } : saved.usdCached(of.promptTokens),
    details: {
      begins: text.slice(0, CHARS_SHOWN),
      chars: text.length,
      tokens_each: Math.round(saved.tokens / saved.rows),
      ...(tooShort ? { too_short_for: model, tokens_min: modelFacts(model, of.nowMs).cacheTokensMin } : {}),
    },
  };
}

function repeated({ repeats }: Advisor, promptTokens: number): Advice[] {
  const { rows, saved, isExact } = repeats;
  if (rows === 0) return [];
  const details = { exact: isExact };
  return [{ kind: 'dedupe', part: null, rows, tokens: saved.tokens, usd: saved.usd(promptTokens), details }];
}

function wasted(part: PartSums, promptTokens: number): Advice[] {
  return WASTE_KINDS.map((kind) => plain(kind, part, { saved: part.waste[kind], promptTokens }));
}

/** The cut that saves most among those that leave nearly all rows whole. */
function shortened(part: PartSums, promptTokens: number): Advice[] {
  if (part.kind !== 'column') return [];
  const { lengths } = part;
  const cut = lengths.cuts().find(({ saved }) => saved.rows <= lengths.count * CUT_ROWS_MAX);
  return cut ? [plain('truncate', part, { saved: cut.saved, promptTokens, details: { chars: cut.chars } })] : [];
}

function sharedEnds(part: PartSums, promptTokens: number): Advice[] {
  return (
    part.ends
      .shared(ENDS_MIN)
      // What JSON ends with is not a phrase that could go.
      .filter(({ text }) => !/[}\]]\s*$/.test(text))
      .slice(0, 3)
      .map(({ text, saved }) => {
        const details = { chars: text.length, ends: text.slice(-CHARS_SHOWN) };
        return plain('shared_end', part, { saved, promptTokens, details });
      })
  );
}

function plain(
  kind: AdviceKind,
  { name, kind: partKind }: PartSums,
  of: { readonly saved: TokensByModel; readonly promptTokens: number; readonly details?: Advice['details'] },
): Advice {
  const { saved, promptTokens, details = {} } = of;
  const part = { name, kind: partKind };
  return { kind, part, rows: saved.rows, tokens: saved.tokens, usd: saved.usd(promptTokens), details };
}

/** max_tokens cost nothing by themselves; in a budget the most that an answer may cost is set aside. */
function answers({ maxTokens }: Advisor, options: AdviceOptions): Advice[] {
  return [...maxTokens].flatMap(([model, asked]): Advice[] => {
    const seen = options.answers.get(model);
    const each = asked.sum / asked.rows;
    if (!seen || seen.rows < ANSWERS_MIN || seen.cutOff > 0) return [];
    const mean = seen.outputTokens / seen.rows;
    if (each < mean * MAX_TOKENS_FACTOR) return [];
    const enough = roundUp(mean * MAX_TOKENS_ROOM);
    const freed = Math.max(0, asked.sum - Math.min(each, enough) * asked.rows);
    const budget = (lane: 'batch' | 'realtime'): number | null =>
      worstCostUsd({ [model]: { rows: asked.rows, bytes: 0, maxTokens: freed, cachingRows: 0 } }, lane);
    const details = {
      ...{ model, max_tokens: Math.round(each), mean_answer: Math.round(mean), answers: seen.rows, enough },
      budget_usd: { batch: budget('batch'), realtime: budget('realtime') },
    };
    return [{ kind: 'max_tokens', part: null, rows: asked.rows, tokens: 0, usd: { batch: 0, realtime: 0 }, details }];
  });
}

/** 1, 2 or 5 with zeros: a number that people choose. */
function roundUp(value: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(1, value)));
  return ([1, 2, 5, 10].find((step) => step * power >= value) ?? 10) * power;
}

function unused({ unused: columns }: AdviceOptions, rows: number): Advice[] {
  if (columns.length === 0) return [];
  const none = { tokens: 0, usd: { batch: 0, realtime: 0 } };
  return [{ kind: 'unused_columns', part: null, rows, ...none, details: { columns } }];
}

function viewColumn(part: PartSums, allTokens: number, promptTokens: number): ColumnView {
  const { name, kind, all, lengths } = part;
  const at = (share: number): number => lengths.percentile(share);
  return {
    name,
    kind,
    share: allTokens === 0 ? 0 : all.tokens / allTokens,
    tokens: all.tokens,
    chars: { p50: at(0.5), p90: at(0.9), p99: at(0.99), max: lengths.max },
    cuts:
      kind !== 'column'
        ? []
        : lengths.cuts().map(({ chars, saved }) => ({
            ...{ chars, rows: saved.rows, tokens: saved.tokens, usd: saved.usd(promptTokens) },
          })),
  };
}
