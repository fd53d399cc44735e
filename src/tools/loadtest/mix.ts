/**
 * What is asked: kinds of requests and their shares, from a mix file or made of flags and rows. The file is read
 * strictly, because a share that is silently left out makes another test of it.
 *
 *     requests:
 *       - { model: claude-haiku-5-5, share: 80, prompt_tokens: 500, max_tokens: 200 }
 *       - { model: claude-sonnet-5-5, share: 20, prompt: 'Summarize: …', max_tokens: 1000, system: 'Be brief.' }
 */
import { BatchrunError } from '../../base/errors.ts';
import type { Rng } from '../../base/random.ts';
import { addedTokensMost } from '../../domain/estimate/added-tokens.ts';
import { closest } from '../../domain/row/closest.ts';
import { isObject, type JsonObject } from '../../domain/row/shape.ts';

/** One kind of request. */
export interface MixEntry {
  /** How reports call it. */
  readonly name: string;
  readonly model: string;
  readonly maxTokens: number;
  /** Against the shares of the others. */
  readonly share: number;
  readonly ask: Ask;
  /** Messages of one conversation. */
  readonly turns: number;
  readonly betas: readonly string[];
  /** Further params: system, stop_sequences, … */
  readonly params: JsonObject;
  /** Tokens that the API puts before a request at most (estimate/added-tokens.ts). */
  readonly addedTokens: number;
}

/** Where the messages come from. */
export type Ask =
  /** Made up, of about so many tokens each. */
  | { readonly kind: 'tokens'; readonly tokens: number }
  /** The first text begins a conversation, the next ones go on with it; then they begin again. */
  | { readonly kind: 'texts'; readonly texts: readonly string[] }
  /** Whole params of rows, of which one is drawn. */
  | { readonly kind: 'rows'; readonly rows: readonly JsonObject[] };

export interface MixDefaults {
  readonly model: string | undefined;
  readonly maxTokens: number;
  readonly turns: number;
  readonly system: string | undefined;
  readonly betas: readonly string[];
  readonly params: JsonObject;
}

const FIELDS = ['name', 'model', 'share', 'prompt', 'prompt_tokens', 'max_tokens', 'system', 'turns'];
const ENTRIES_MAX = 100;
const PROMPT_TOKENS_MAX = 1_000_000;
const TURNS_MAX = 100;

/** `file` is for messages. */
export function readMix(value: unknown, file: string, defaults: MixDefaults): readonly MixEntry[] {
  const list = isObject(value) ? value['requests'] : value;
  if (isObject(value)) refuseUnknown(value, ['requests'], file);
  if (!Array.isArray(list) || list.length === 0) {
    throw refused(file, 'must be a list of kinds of requests, or have one under "requests"');
  }
  if (list.length > ENTRIES_MAX)
    throw refused(file, `has ${list.length} kinds of requests; ${ENTRIES_MAX} is the most`);
  const entries = list.map((entry: unknown, at) => readEntry(entry, `${file}: request ${at + 1}`, defaults));
  const models = new Set(entries.map(({ name }) => name));
  // Tables go by name: two kinds of one name would be one line.
  return models.size === entries.length
    ? entries
    : entries.map((one, at) => ({ ...one, name: `${at + 1} ${one.name}` }));
}

function readEntry(entry: unknown, where: string, defaults: MixDefaults): MixEntry {
  if (!isObject(entry)) throw refused(where, 'must be an object');
  refuseUnknown(entry, FIELDS, where);
  const model = textIn(entry, 'model', where) ?? defaults.model;
  if (model === undefined) throw refused(where, 'names no model, and --model is not given');
  const tokens = numberIn(entry, 'prompt_tokens', where, { min: 1, max: PROMPT_TOKENS_MAX, whole: true });
  const texts = textsIn(entry, where);
  if ((tokens === undefined) === (texts === undefined)) {
    throw refused(where, 'needs either "prompt" (a text, or a list of the texts of a conversation) or "prompt_tokens"');
  }
  const ask: Ask = texts === undefined ? { kind: 'tokens', tokens: tokens ?? 1 } : { kind: 'texts', texts };
  const system = textIn(entry, 'system', where) ?? defaults.system;
  const params = system === undefined ? defaults.params : { ...defaults.params, system };
  return {
    name: textIn(entry, 'name', where) ?? model,
    model,
    ask,
    share: numberIn(entry, 'share', where, { min: 0, max: Number.MAX_SAFE_INTEGER, above: true }) ?? 1,
    maxTokens: numberIn(entry, 'max_tokens', where, { min: 1, max: 1_000_000, whole: true }) ?? defaults.maxTokens,
    turns: numberIn(entry, 'turns', where, { min: 1, max: TURNS_MAX, whole: true }) ?? defaults.turns,
    betas: defaults.betas,
    params,
    addedTokens: addedTokensMost(params),
  };
}

/** Draws by shares. */
export class MixDraw {
  readonly #entries: readonly MixEntry[];
  readonly #sum: number;
  readonly #rng: Rng;

  constructor(entries: readonly MixEntry[], rng: Rng) {
    this.#entries = entries;
    this.#sum = entries.reduce((sum, { share }) => sum + share, 0);
    this.#rng = rng;
  }

  next(): MixEntry {
    let left = this.#rng.next() * this.#sum;
    for (const entry of this.#entries) {
      left -= entry.share;
      if (left < 0) return entry;
    }
    const last = this.#entries.at(-1);
    if (!last) throw new BatchrunError('E_BUG', 'this must not happen: a mix of nothing');
    return last;
  }
}

function refuseUnknown(entry: JsonObject, known: readonly string[], where: string): void {
  for (const name of Object.keys(entry)) {
    if (known.includes(name)) continue;
    const nearest = closest(name, known);
    throw refused(where, `"${name}" is not known${nearest === undefined ? '' : `; did you mean ${nearest}?`}`);
  }
}

function textIn(entry: JsonObject, name: string, where: string): string | undefined {
  const value = entry[name];
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'string' || value.trim() === '') throw refused(where, `"${name}" must be a text`);
  return value;
}

function textsIn(entry: JsonObject, where: string): readonly string[] | undefined {
  const value = entry['prompt'];
  if (!Array.isArray(value)) {
    const text = textIn(entry, 'prompt', where);
    return text === undefined ? undefined : [text];
  }
  const texts = value.filter((text): text is string => typeof text === 'string' && text.trim() !== '');
  if (texts.length === 0 || texts.length < value.length)
    throw refused(where, '"prompt" must be a text or a list of texts');
  return texts;
}

interface Bounds {
  readonly min: number;
  readonly max: number;
  readonly whole?: boolean;
  /** The least is not allowed itself. */
  readonly above?: boolean;
}

function numberIn(entry: JsonObject, name: string, where: string, bounds: Bounds): number | undefined {
  const value = entry[name];
  if (value === undefined || value === null) return undefined;
  // `80%` of a YAML file is a text.
  const number = typeof value === 'string' && /^\d+(\.\d+)?%$/.test(value) ? Number.parseFloat(value) : value;
  const { min, max, whole = false, above = false } = bounds;
  const fits =
    typeof number === 'number' &&
    Number.isFinite(number) &&
    number >= min &&
    number <= max &&
    !(above && number === min);
  if (fits && (!whole || Number.isInteger(number))) return number;
  throw refused(where, `"${name}" must be a ${whole ? 'whole ' : ''}number ${above ? `above ${min}` : `from ${min}`}`);
}

function refused(where: string, what: string): BatchrunError {
  return new BatchrunError('E_CONFIG', `${where} ${what}`, {
    hint: 'A mix is for example {"requests": [{"model": "claude-haiku-5-5", "share": 80, "prompt_tokens": 500, "max_tokens": 200}]}.',
  });
}
