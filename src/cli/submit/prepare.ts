/**
 * From flags to an ingest: texts from files, the template against the input's columns, the defaults of rows. Whatever
 * is missing is answered with a complete command that uses the file's real columns.
 */
import { readFileSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import { BatchrunError, fileReasonOf, messageOf, systemCodeOf } from '../../base/errors.ts';
import type { MarkedPrefix } from '../../domain/cache/blocks.ts';
import { MODEL_FACTS_AS_OF, modelFacts } from '../../domain/models.ts';
import type { Route } from '../../domain/routing/rules.ts';
import { closest } from '../../domain/row/closest.ts';
import { assertCuts, cutsOf, type Cuts } from '../../domain/row/cuts.ts';
import { createRowReader, type RowDefaults } from '../../domain/row/reader.ts';
import type { RoutingOptions } from '../../domain/row/row-routing.ts';
import { isObject, type JsonObject } from '../../domain/row/shape.ts';
import { assertNoSingleBraces, assertPlaceholders, compileTemplate, type Template } from '../../domain/row/template.ts';
import type { RowReading, RowSource, SourceRecord } from '../../domain/source.ts';
import { checkRules } from '../../host/rules-check.ts';
import { hashSettings as hashShaping } from '../../host/same-run.ts';
import { systemNow } from '../context.ts';
import type { Flags } from '../flags/options.ts';
import { readRules } from '../files/rules-file.ts';
import { readSchema, type SchemaFile } from '../files/schema-file.ts';
import { correctedCommand } from '../help/corrected-command.ts';
import { shellQuote } from '../../base/shell.ts';

export interface Texts {
  readonly prompt: string | undefined;
  readonly system: string | undefined;
  readonly params: JsonObject | undefined;
  /** Of --routes. */
  readonly routes?: readonly Route[] | undefined;
  readonly schema?: SchemaFile | undefined;
}

const KNOWN_BETTER = `That is known as of ${MODEL_FACTS_AS_OF}; if it is served all the same, add --no-preflight.`;
/** Examples in corrected commands: the cheapest model of the price table, and room for a short answer. */
const EXAMPLE_MODEL = 'claude-haiku-5-5';
const EXAMPLE_MAX_TOKENS = '1024';

export function readTexts(flags: Flags): Texts {
  return {
    prompt: textOf('prompt', flags.prompt, flags.promptFile),
    system: textOf('system', flags.system, flags.systemFile),
    params: flags.params === undefined ? undefined : parseParams(flags.params),
    routes: readRules(flags),
    schema: flags.schema === undefined ? undefined : readSchema(flags.schema),
  };
}

function textOf(flag: string, text: string | undefined, file: string | undefined): string | undefined {
  if (file === undefined) return text;
  if (text !== undefined) throw new BatchrunError('E_USAGE', `--${flag} and --${flag}-file cannot both be given`);
  try {
    return readFileSync(resolve(file), 'utf8')
      .replace(/^\uFEFF/, '')
      .replace(/\r?\n$/, '');
  } catch (error) {
    const is = systemCodeOf(error) === 'ENOENT' ? 'is not there' : `cannot be read: ${fileReasonOf(error)}`;
    throw new BatchrunError('E_INPUT_MISSING', `the file ${file} of --${flag}-file ${is}`, {
      hint: `Check the path that --${flag}-file names.`,
    });
  }
}

function parseParams(text: string): JsonObject {
  try {
    const parsed: unknown = JSON.parse(text);
    if (isObject(parsed)) return parsed;
  } catch (error) {
    throw new BatchrunError('E_USAGE', `--params is not JSON: ${messageOf(error)}`, {
      hint: `Write for example --params '{"stop_sequences":["END"]}'.`,
    });
  }
  throw new BatchrunError('E_USAGE', '--params must be a JSON object');
}

/** The settings that shape requests, as hashes: a later submit can name the flag that differs. */
export function hashSettings(flags: Flags, texts: Texts): Record<string, string> {
  const { prompt, system, params, routes, schema } = texts;
  return hashShaping({ ...flags, prompt, system, params, routes, schema: schema?.kept.schema });
}

export interface ReadingRequest {
  readonly flags: Flags;
  readonly texts: Texts;
  readonly argv: readonly string[];
  /** What rows get marks for. */
  readonly cache?: readonly MarkedPrefix[] | undefined;
  /** Sees each row as the rules of --routes see it. */
  readonly onRow?: NonNullable<RoutingOptions['onRow']>;
}

/** How records become rows. Refuses at once what can be seen from the flags and the columns. */
export function rowReading(source: RowSource, request: ReadingRequest): (record: SourceRecord) => RowReading {
  return firstRowChecked(everyRowReading(source, request), request.argv);
}

/** The same for those who want to hear of every row, also where all of them lack what a flag gives. */
export function everyRowReading(source: RowSource, request: ReadingRequest): (record: SourceRecord) => RowReading {
  const { flags, texts, argv, onRow, cache = [] } = request;
  const { routes } = texts;
  const nowMs = systemNow();
  if (flags.model !== undefined && flags.preflight !== false) refuseRetired(flags.model, nowMs);
  if (routes) checkRules(routes, { columns: source.columns, file: flags.routes ?? '--routes', nowMs });
  const cuts = flags.truncate === undefined ? undefined : cutsOf(flags.truncate);
  const prompt = texts.prompt === undefined ? undefined : templateFor(texts.prompt, source, '--prompt', cuts);
  const system = texts.system === undefined ? undefined : templateFor(texts.system, source, '--system', cuts);
  const used = [prompt, system].flatMap((template) => template?.placeholders ?? []);
  if (prompt?.text.trim() === '') throw emptyPrompt(flags);
  if (flags.idColumn !== undefined) assertIdColumn(flags.idColumn, source.columns);
  if (prompt && used.length === 0) assertNoSingleBraces(prompt, source.columns);
  const hasModel =
    flags.model !== undefined || texts.params?.['model'] !== undefined || routes?.some(({ use }) => use.model) === true;
  const hasMaxTokens =
    flags.maxTokens !== undefined ||
    texts.params?.['max_tokens'] !== undefined ||
    routes?.some(({ use }) => use.maxTokens) === true;
  if (source.columns.length > 0 && (!prompt || !hasModel || !hasMaxTokens)) {
    throw missing(source.columns, { prompt: !prompt, model: !hasModel, maxTokens: !hasMaxTokens, argv });
  }
  if (cuts) assertCuts(cuts, used, source.columns);
  const routing = routes && { routes, ...(onRow ? { onRow } : {}) };
  const defaults = defaultsOf(flags, { prompt, system, texts, nowMs, cache });
  const reader = createRowReader({ ...defaults, ...(routing ? { routing } : {}), ...(cuts ? { cuts: true } : {}) });
  return (record) => reader.read(record);
}

function defaultsOf(
  flags: Flags,
  parts: {
    readonly prompt: Template | undefined;
    readonly system: Template | undefined;
    readonly texts: Pick<Texts, 'params' | 'schema'>;
    readonly nowMs: number;
    readonly cache: readonly MarkedPrefix[];
  },
): RowDefaults {
  return {
    nowMs: parts.nowMs,
    ...(flags.model === undefined ? {} : { model: flags.model }),
    ...(flags.maxTokens === undefined ? {} : { maxTokens: flags.maxTokens }),
    ...(parts.system === undefined ? {} : { system: parts.system }),
    ...(parts.prompt === undefined ? {} : { prompt: parts.prompt }),
    ...(parts.texts.params === undefined ? {} : { params: parts.texts.params }),
    ...(parts.texts.schema === undefined ? {} : { format: parts.texts.schema.format }),
    ...(flags.betas === undefined ? {} : { betas: flags.betas }),
    ...(flags.idColumn === undefined ? {} : { idColumn: flags.idColumn }),
    ...(parts.cache.length === 0 ? {} : { cache: parts.cache }),
    ...(flags.dropUnsupported === true ? { dropUnsupported: true } : {}),
    ...(flags.preflight === false ? { modelRules: false } : {}),
  };
}

function templateFor(text: string, source: RowSource, flag: string, cuts: Cuts | undefined): Template {
  const template = compileTemplate(text, flag, cuts);
  assertPlaceholders(template, source.columns, flag);
  return template;
}

function emptyPrompt({ promptFile }: Flags): BatchrunError {
  const what = promptFile === undefined ? '--prompt' : `the file ${promptFile} of --prompt-file`;
  return new BatchrunError('E_TEMPLATE', `${what} is empty`, { hint: 'Say what to ask of each row.' });
}

/** One answer, not the same problem for each row. */
function assertIdColumn(name: string, columns: readonly string[]): void {
  if (columns.length === 0 || columns.includes(name)) return;
  const meant = closest(name, columns);
  throw new BatchrunError(
    'E_USAGE',
    `--id-column names "${name}", but the input has the columns: ${columns.join(', ')}`,
    { hint: meant === undefined ? 'Name one of them.' : `Did you mean --id-column ${shellQuote(meant)}?` },
  );
}

function refuseRetired(model: string, nowMs: number): void {
  const facts = modelFacts(model, nowMs);
  if (facts.status !== 'retired') return;
  const successor = facts.successor === undefined ? '' : ` Its successor is ${facts.successor}.`;
  throw new BatchrunError(
    'E_MODEL_RETIRED',
    `${model} is no longer served (ended ${facts.retires ?? 'some time ago'})`,
    {
      hint: `Choose a model that is still served with --model.${successor} ${KNOWN_BETTER}`,
    },
  );
}

/**
 * When the very first row already lacks what a flag gives, it is the flag that is missing and not the row: then the
 * answer is a corrected command, not twenty equal problems.
 */
function firstRowChecked(
  read: (record: SourceRecord) => RowReading,
  argv: readonly string[],
): (record: SourceRecord) => RowReading {
  let first = true;
  return (record) => {
    const reading = read(record);
    if (first && !reading.ok) {
      const codes = new Set(reading.problems.map((problem) => problem.code));
      const needs = {
        prompt: codes.has('no_prompt'),
        model: codes.has('no_model'),
        maxTokens: reading.problems.some(
          (problem) => problem.code === 'missing_param' && problem.message.includes('max_tokens'),
        ),
      };
      if (needs.prompt || needs.model || needs.maxTokens) {
        const columns = isObject(record.value) ? Object.keys(record.value) : [];
        // A row that needs a prompt is checked for the rest only once it has one.
        const unknown = needs.prompt
          ? { ...needs, model: !argv.includes('--model'), maxTokens: !argv.includes('--max-tokens') }
          : needs;
        throw missing(columns, { ...unknown, argv });
      }
    }
    first = false;
    return reading;
  };
}

interface Missing {
  readonly prompt: boolean;
  readonly model: boolean;
  readonly maxTokens: boolean;
  readonly argv: readonly string[];
}

function missing(columns: readonly string[], { prompt, model, maxTokens, argv }: Missing): BatchrunError {
  const more: string[] = [];
  if (model) more.push('--model', EXAMPLE_MODEL);
  if (maxTokens) more.push('--max-tokens', EXAMPLE_MAX_TOKENS);
  const column = likelyText(columns);
  if (prompt) more.push('--prompt', `Classify this text: {{${column}}}`);
  const hint = `For example:\n  ${correctedCommand(argv, more)}`;
  const shown = columns.length === 0 ? '' : ` (the input has: ${columns.slice(0, 20).join(', ')})`;
  if (prompt) {
    return new BatchrunError('E_NO_PROMPT', `--prompt is missing: it says how a row becomes a message${shown}`, {
      hint,
    });
  }
  if (model) return new BatchrunError('E_NO_MODEL', '--model is missing, and the rows name no model', { hint });
  return new BatchrunError('E_USAGE', '--max-tokens is missing, and the rows have no max_tokens', { hint });
}

/** The column that most likely holds the text: one that is called so, else the first that does not look like an id. */
function likelyText(columns: readonly string[]): string {
  const named = columns.find((column) =>
    /^(text|content|body|message|query|question|prompt|description|comment|review)$/i.test(column),
  );
  return (
    named ??
    columns.find((column) => !/^(id|custom_id|.*_id|seq|nr|no|date|time)$/i.test(column)) ??
    columns[0] ??
    'text'
  );
}

/** Inputs as they are kept: absolute, `-` for stdin. */
export function absoluteInputs(inputs: readonly string[]): string[] {
  return inputs.map((input) => (input === '-' ? '-' : resolve(input)));
}

/** How an input is called in messages. */
export function shortInput(input: string): string {
  return input === '-' ? 'stdin' : basename(input);
}
