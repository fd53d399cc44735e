/**
 * What a load test asks, from its flags: a mix file, rows of inputs, one prompt, or texts that are made up.
 */
import { BatchrunError } from '../../base/errors.ts';
import { formatCount } from '../../base/units.ts';
import { addedTokensMost } from '../../domain/estimate/added-tokens.ts';
import { isObject, type JsonObject } from '../../domain/row/shape.ts';
import type { PreparedRow } from '../../domain/source.ts';
import { readMix, type MixDefaults, type MixEntry } from '../../tools/loadtest/mix.ts';
import { openInput, type Context } from '../context.ts';
import { readDataValue } from '../files/data-file.ts';
import type { Flags } from '../flags/options.ts';
import { readTexts, rowReading } from '../submit/prepare.ts';

const MODEL_DEFAULT = 'claude-haiku-5-5';
const MAX_TOKENS_DEFAULT = 256;
const PROMPT_TOKENS_DEFAULT = 200;
/** So many rows are enough variety for any load, and are held in memory. */
const ROWS_MAX = 10_000;
const ROW_BYTES_MAX = 64 * 1024 * 1024;

export interface Asked {
  readonly inputs: readonly string[];
  readonly argv: readonly string[];
  /** Something is paid: then no model is assumed. */
  readonly charged: boolean;
}

export async function requestsOf(context: Context, asked: Asked): Promise<readonly MixEntry[]> {
  const { flags } = context;
  const { inputs, charged } = asked;
  if (flags.mix !== undefined) return mixOf(flags, flags.mix, inputs);
  if (inputs.length > 0) return rowsOf(context, asked);
  const { prompt, system, params } = readTexts(flags);
  const given = sortParams(flags, params);
  const model = given.model ?? (charged ? undefined : MODEL_DEFAULT);
  if (model === undefined) throw new BatchrunError('E_NO_MODEL', 'there is no model to test: --model is missing');
  return [
    {
      ...{ name: model, model, share: 1, turns: flags.turns ?? 1, betas: given.betas },
      maxTokens: given.maxTokens,
      ask:
        prompt === undefined ? { kind: 'tokens', tokens: PROMPT_TOKENS_DEFAULT } : { kind: 'texts', texts: [prompt] },
      params: withSystem(given.params, system),
      addedTokens: addedTokensMost(given.params),
    },
  ];
}

function mixOf(flags: Flags, file: string, inputs: readonly string[]): readonly MixEntry[] {
  if (inputs.length > 0 || flags.prompt !== undefined || flags.promptFile !== undefined) {
    throw new BatchrunError('E_USAGE', '--mix says what is asked: inputs and --prompt cannot be given beside it', {
      hint: 'Put the prompts into the mix file, under "prompt".',
    });
  }
  const { system, params } = readTexts(flags);
  return readMix(readDataValue(file, { what: 'the mix of --mix' }), file, {
    ...{ ...sortParams(flags, params), turns: flags.turns ?? 1, system },
  });
}

/** One kind of request for each model and set of betas: they have limits and prices of their own. */
async function rowsOf(context: Context, { inputs, argv }: Asked): Promise<readonly MixEntry[]> {
  const { flags, terminal } = context;
  const kinds = new Map<string, RowKind>();
  const { rows, whole } = await readAll(context, inputs, argv);
  for (const row of rows) {
    const name = [row.model, ...row.betas].join(' ');
    const kind = kinds.get(name) ?? { row, maxTokens: 0, addedTokens: 0, rows: [] };
    kinds.set(name, kind);
    kind.maxTokens = Math.max(kind.maxTokens, row.maxTokens);
    kind.addedTokens = Math.max(kind.addedTokens, row.addedTokens);
    const params: unknown = JSON.parse(row.paramsJson);
    if (isObject(params)) kind.rows.push(params);
  }
  if (!whole && flags.quiet !== true) {
    terminal.talk(`The load is drawn from the first ${formatCount(rows.length)} rows.`);
  }
  return [...kinds].map(([name, { row, maxTokens, addedTokens, rows: list }]) => ({
    ...{ name, model: row.model, maxTokens, share: list.length, turns: flags.turns ?? 1, betas: row.betas },
    ...{ ask: { kind: 'rows', rows: list }, params: {}, addedTokens },
  }));
}

/** The dearest that a row of it may be. */
interface RowKind {
  readonly row: PreparedRow;
  maxTokens: number;
  addedTokens: number;
  readonly rows: JsonObject[];
}

async function readAll(
  { flags, signal }: Context,
  inputs: readonly string[],
  argv: readonly string[],
): Promise<{ readonly rows: readonly PreparedRow[]; readonly whole: boolean }> {
  const source = await openInput(inputs, flags);
  const read = rowReading(source, { flags, texts: readTexts(flags), argv });
  const rows: PreparedRow[] = [];
  let bytes = 0;
  for await (const records of source.records()) {
    for (const record of records) {
      if (rows.length >= ROWS_MAX || bytes >= ROW_BYTES_MAX) return { rows, whole: false };
      const reading = read(record);
      if (!reading.ok) {
        const [problem] = reading.problems;
        throw new BatchrunError(
          'E_INPUT_INVALID',
          `line ${record.line} of ${inputs[record.file] ?? 'the input'} cannot be sent: ${problem?.message ?? 'unknown'}`,
          { hint: '`batchrun check` lists all problems of an input.' },
        );
      }
      rows.push(reading.row);
      bytes += reading.row.paramsJson.length;
    }
    if (signal.aborted) throw new BatchrunError('E_NOT_FINISHED', 'interrupted while reading the input');
  }
  if (rows.length === 0) throw new BatchrunError('E_INPUT_EMPTY', `there are no rows in ${inputs.join(', ')}`);
  return { rows, whole: true };
}

/**
 * What costs are counted by must not hide in --params: model, max_tokens and betas of it count as what they are, where no
 * flag says them (as in submit).
 */
function sortParams(
  flags: Flags,
  given: JsonObject = {},
): Pick<MixDefaults, 'model' | 'maxTokens' | 'betas' | 'params'> {
  const { model, max_tokens: maxTokens, betas = [], ...params } = given;
  for (const [name, hint] of NOT_IN_PARAMS) {
    if (name in params) throw new BatchrunError('E_USAGE', `a load test takes no "${name}" in --params`, { hint });
  }
  if (model !== undefined && (typeof model !== 'string' || model.trim() === '')) {
    throw new BatchrunError('E_USAGE', '"model" of --params must be a text');
  }
  if (maxTokens !== undefined && !(Number.isSafeInteger(maxTokens) && Number(maxTokens) >= 1)) {
    throw new BatchrunError('E_USAGE', '"max_tokens" of --params must be a whole number from 1');
  }
  const isNames = Array.isArray(betas) && betas.every((beta): beta is string => typeof beta === 'string');
  if (!isNames) throw new BatchrunError('E_USAGE', '"betas" of --params must be a list of texts');
  return {
    model: flags.model ?? model,
    maxTokens: flags.maxTokens ?? (maxTokens === undefined ? MAX_TOKENS_DEFAULT : Number(maxTokens)),
    betas: [...new Set([...(flags.betas ?? []), ...betas])],
    params,
  };
}

/** What would be written over, or falsify what is counted. */
const NOT_IN_PARAMS: readonly (readonly [string, string])[] = [
  ['messages', 'Give what is asked with --prompt, --mix or a file of rows.'],
  ['stream', 'Add --stream: the time to the first token is measured then.'],
  ['speed', 'Leave it out: its price is not known, and no bound on the cost would hold.'],
];

function withSystem(params: JsonObject, system: string | undefined): JsonObject {
  return { ...params, ...(system === undefined ? {} : { system }) };
}

/** Bytes of the largest first request of a kind, for what it can cost at most. */
export function largestBytes({ ask, params, model }: MixEntry): number {
  const around = Buffer.byteLength(JSON.stringify(params)) + model.length + 200;
  if (ask.kind === 'tokens') return around + ask.tokens * BYTES_PER_TOKEN_MOST;
  const texts = ask.kind === 'texts' ? ask.texts : ask.rows.map((row) => JSON.stringify(row));
  return around + texts.reduce((most, text) => Math.max(most, Buffer.byteLength(JSON.stringify(text))), 0);
}

/** Made up texts are plain English (prompts.ts). */
const BYTES_PER_TOKEN_MOST = 5;
