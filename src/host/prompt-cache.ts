/**
 * `--cache`: before the inputs are read, the first rows say what all of them may share, and whether it pays to keep it in
 * the prompt cache. What was decided for the same inputs and settings before is decided again, whatever prices say by
 * now: a submit that is repeated must come to the same requests, and so to the same run.
 */
import { isBatchrunError } from '../base/errors.ts';
import { formatCount, formatUsd } from '../base/units.ts';
import { CacheMarker } from '../domain/cache/marker.ts';
import { findPrefixes, type FoundPrefix } from '../domain/cache/find-prefixes.ts';
import { decide, type MeasuredHits, type PrefixUse, type Saving } from '../domain/cache/pays.ts';
import { cacheOf, hitShare, type CacheMode, type CacheSettings } from '../domain/cache/settings.ts';
import { readMarkedRow } from '../domain/cache/warm-up.ts';
import { hasOwnMarks, type MarkedPrefix } from '../domain/cache/blocks.ts';
import type { CacheTtl } from '../domain/cache/ttl.ts';
import type { Lane, RunRecord } from '../domain/model.ts';
import { modelFacts } from '../domain/models.ts';
import { tokensFromBytes } from '../domain/estimate/tokenizer.ts';
import type { JsonObject } from '../domain/row/shape.ts';
import type { RowReading, RowSource, SourceRecord } from '../domain/source.ts';
import { compileTemplate } from '../domain/row/template.ts';
import type { BatchApi } from '../domain/ports.ts';
import type { Store } from '../domain/store.ts';
import { firstRows } from './first-rows.ts';

/** Looked at before the inputs are read: enough to see several kinds of rows, and read in an instant. */
const FIRST = { rows: 500, bytes: 4_000_000 } as const;
/** Where the table has no bound: that of most models (facts, section 2). */
const TOKENS_MIN_UNKNOWN = 1_024;
/** Of a count: the turn of the user behind the prefix, and what frames it. */
const COUNT_SLACK_TOKENS = 8;
/** Runs that hits are measured on, newest first, and how many tokens say something. */
const MEASURED_RUNS = 5;
const MEASURED_TOKENS_MIN = 100_000;

/** What is written once for all rows. */
export interface SharedTexts {
  readonly prompt?: string | undefined;
  readonly system?: string | undefined;
}

export interface CacheRequest {
  readonly mode: Exclude<CacheMode, 'off'>;
  readonly lane: Lane;
  readonly limit: number | undefined;
  readonly source: RowSource;
  /** The same inputs once more; called where they can be opened twice. */
  readonly reopen: () => Promise<RowSource>;
  readonly texts: SharedTexts;
  /** Null where nobody may be asked. */
  readonly api: BatchApi | null;
  readonly signal: AbortSignal;
  readonly store: Store;
  readonly nowMs: number;
  /** What it comes to, or why to nothing. */
  readonly say: (text: string) => void;
  /** What names a run of the same: its settings by their hashes, and the API that it goes to. */
  readonly same: (run: RunRecord) => boolean;
  /** Without any marks. */
  readonly read: (record: SourceRecord) => RowReading;
}

export interface CacheChoice {
  /** To be read in place of the one that was given. */
  readonly source: RowSource;
  readonly prefixes: readonly MarkedPrefix[];
  readonly settings: CacheSettings | null;
}

/** What rows get marks for. Says what it comes to, and why where it comes to nothing. */
export async function chooseCache(request: CacheRequest): Promise<CacheChoice> {
  const { limit = Infinity } = request;
  const first = await firstRows(request, FIRST);
  const sample = paramsOf(first.records.slice(0, limit), request.read);
  const rows = Math.min(limit, first.about ?? Infinity);
  const chooser = new Chooser(request, { sample, rows: Number.isFinite(rows) ? rows : sample.length });
  const settings = await chooser.choose();
  return { source: first.source, prefixes: chooser.marked, settings };
}

/** Rows that cannot be sent are the business of whoever reads them all. */
function paramsOf(records: readonly SourceRecord[], read: CacheRequest['read']): JsonObject[] {
  return records.flatMap((record) => {
    const reading = read(record);
    return reading.ok ? [JSON.parse(reading.row.paramsJson) as JsonObject] : [];
  });
}

interface Sampled {
  readonly sample: readonly JsonObject[];
  /** In all, as far as that can be told before they are read. */
  readonly rows: number;
}

class Chooser {
  readonly marked: MarkedPrefix[] = [];
  readonly #request: CacheRequest;
  readonly #sampled: Sampled;
  readonly #refused: string[] = [];
  readonly #reasons: string[] = [];
  readonly #tokens = new Map<string, number>();

  constructor(request: CacheRequest, sampled: Sampled) {
    this.#request = request;
    this.#sampled = sampled;
  }

  async choose(): Promise<CacheSettings> {
    const { sample } = this.#sampled;
    const { mode, nowMs } = this.#request;
    const found = findPrefixes(sample, {
      heads: headsOf(this.#request.texts),
      bytesMin: (model) => bytesMin(model, nowMs),
    });
    const earlier = await this.#earlier();
    const runs = await this.#request.store.runs();
    for (const prefix of found) {
      const kept = earlier?.prefixes.find(({ key }) => key === prefix.key);
      if (kept) this.#use(prefix, kept.ttl, kept.tokens);
      else if (earlier?.refused.includes(prefix.key) === true) this.#refuse(prefix, earlier.declined ?? 'as before');
      else await this.#decide(prefix, runs);
    }
    if (this.marked.length === 0) {
      const why = this.#reasons[0] ?? noneText(sample);
      this.#request.say(`cache: not used: ${why}`);
      return { mode, prefixes: [], refused: this.#refused, declined: why };
    }
    const prefixes = this.marked.map(({ key, model, ttl }) => ({
      key,
      model,
      ttl,
      tokens: this.#tokens.get(key) ?? 0,
    }));
    return { mode, prefixes, refused: this.#refused, declined: null };
  }

  /** The decision of a run of the same inputs and settings. */
  async #earlier(): Promise<CacheSettings | null> {
    const runs = (await this.#request.store.runs()).filter((run) => !run.canceled && this.#request.same(run));
    const last = runs.findLast((run) => cacheOf(run) !== null);
    return last ? cacheOf(last) : null;
  }

  async #decide(prefix: FoundPrefix, runs: readonly RunRecord[]): Promise<void> {
    const { model } = prefix;
    const { mode, lane, nowMs } = this.#request;
    const least = tokensMin(model, nowMs);
    const tokens = await this.#count(prefix);
    if (tokens < least) {
      const why = `the shared prefix has about ${formatCount(tokens)} tokens, ${model} caches from ${formatCount(least)}`;
      this.#refuse(prefix, why);
      return;
    }
    const { sample, rows } = this.#sampled;
    const use: PrefixUse = {
      ...{ model, lane, prefixTokens: tokens },
      promptTokens: tokensFromBytes(model, meanBytes(sample)),
      rows: Math.max(prefix.rows, Math.round((rows * prefix.rows) / sample.length)),
    };
    const verdict = decide(use, mode, await this.#measured(model, runs));
    if (!verdict.use) {
      this.#refuse(prefix, whyNot(model, use, verdict.why, verdict.best));
      return;
    }
    this.#use(prefix, verdict.ttl, tokens);
    const share =
      prefix.rows === sample.length ? 'all rows' : `${Math.round((100 * prefix.rows) / sample.length)}% of the rows`;
    this.#request.say(
      `cache: ${formatCount(tokens)} tokens that ${share} begin with are kept for ${verdict.ttl}${savingText(verdict)}`,
    );
  }

  #use(prefix: FoundPrefix, ttl: CacheTtl, tokens: number): void {
    const { rows: _rows, bytes: _bytes, ...shared } = prefix;
    this.marked.push({ ...shared, ttl });
    this.#tokens.set(prefix.key, tokens);
  }

  #refuse({ key }: FoundPrefix, why: string): void {
    this.#refused.push(key);
    this.#reasons.push(why);
  }

  /** As the API counts it, where it can be asked; else by its size. */
  async #count(prefix: FoundPrefix): Promise<number> {
    const { api, signal } = this.#request;
    const estimate = tokensFromBytes(prefix.model, prefix.bytes);
    const request = api && this.#requestOf(prefix);
    if (!api || !request) return estimate;
    try {
      const counted = await api.countTokens({ paramsJson: JSON.stringify(request), betas: [], signal });
      return Math.max(0, counted - COUNT_SLACK_TOKENS);
    } catch (error) {
      // It is asked for nothing but a better number: whatever is wrong with the API is said by who needs it.
      if (isBatchrunError(error, 'E_API')) return estimate;
      throw error;
    }
  }

  /** A row of the sample, cut off where the prefix ends. */
  #requestOf(prefix: FoundPrefix): JsonObject | null {
    const marker = new CacheMarker([{ ...prefix, ttl: '5m' }]);
    for (const params of this.#sampled.sample) {
      const marked = marker.mark(params);
      if (marked !== params) return readMarkedRow(marked)?.warmUp ?? null;
    }
    return null;
  }

  async #measured(model: string, runs: readonly RunRecord[]): Promise<MeasuredHits> {
    const { store } = this.#request;
    const seen = new Map<CacheTtl, { tokens: number; read: number; runs: number }>();
    for (const run of runs.toReversed()) {
      const prefixes = (cacheOf(run)?.prefixes ?? []).filter((prefix) => prefix.model === model);
      const [first] = prefixes;
      if (!first || prefixes.some(({ ttl }) => ttl !== first.ttl)) continue;
      const sum = seen.get(first.ttl) ?? { tokens: 0, read: 0, runs: 0 };
      if (sum.runs >= MEASURED_RUNS) continue;
      const usage = (await store.usage(run.id)).filter(({ lane }) => lane === this.#request.lane);
      const read = usage.reduce((total, entry) => total + entry.cacheReadTokens, 0);
      const hits = hitShare(usage);
      if (hits === null) continue;
      seen.set(first.ttl, {
        tokens: sum.tokens + read / Math.max(hits, 1e-9),
        read: sum.read + read,
        runs: sum.runs + 1,
      });
    }
    return (ttl) => {
      const sum = seen.get(ttl);
      return sum && sum.tokens >= MEASURED_TOKENS_MIN ? sum.read / sum.tokens : null;
    };
  }
}

/** The texts that are the same in all rows before the first thing that is not. */
export function headsOf({ prompt, system }: SharedTexts): string[] {
  return [prompt, system].flatMap((text) => (text === undefined ? [] : [compileTemplate(text).head]));
}

export function tokensMin(model: string, nowMs: number): number {
  return modelFacts(model, nowMs).cacheTokensMin ?? TOKENS_MIN_UNKNOWN;
}

export function bytesMin(model: string, nowMs: number): number {
  const least = tokensMin(model, nowMs);
  return (least * least) / tokensFromBytes(model, least);
}

export function meanBytes(sample: readonly JsonObject[]): number {
  const bytes = sample.reduce((sum, params) => sum + Buffer.byteLength(JSON.stringify(params)), 0);
  return bytes / Math.max(1, sample.length);
}

function noneText(sample: readonly JsonObject[]): string {
  if (sample.length < 2) return 'there are no two rows to share anything';
  const isTheirs = sample.some(hasOwnMarks);
  return isTheirs ? 'the rows have cache_control of their own' : 'the rows share no beginning';
}

function whyNot(model: string, use: PrefixUse, why: 'no_price' | 'does_not_pay', best: Saving | null): string {
  if (why === 'no_price' || !best) return `no price of ${model} for cached tokens is known (--prices FILE)`;
  const what = `${formatCount(use.prefixTokens)} shared tokens in about ${formatCount(use.rows)} rows`;
  return best.expectedUsd > 0
    ? `${what} would save ${formatUsd(best.expectedUsd)}, too little for a call beforehand`
    : `${what} would cost ${formatUsd(-best.expectedUsd)} more than it saves`;
}

function savingText({ expectedUsd, lowUsd }: Saving): string {
  if (Number.isNaN(expectedUsd)) return '';
  const low = lowUsd < 0 ? `${formatUsd(-lowUsd)} more` : `${formatUsd(lowUsd)} less`;
  const expected = expectedUsd < 0 ? `${formatUsd(-expectedUsd)} more` : `${formatUsd(expectedUsd)} less`;
  return `: about ${expected} than without, ${low} if few rows find them`;
}
