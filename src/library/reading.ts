/**
 * How a program's rows become requests: where they are read from, which of them and in which order, and what the options
 * make of each. The same steps as of the command line.
 */
import { openSource } from '../adapters/sources/open-source.ts';
import { BatchrunError } from '../base/errors.ts';
import type { MarkedPrefix } from '../domain/cache/blocks.ts';
import { prepareRows, type PreparedRows } from '../domain/row/prepare-rows.ts';
import { assertCuts, cutsOf } from '../domain/row/cuts.ts';
import { createRowReader, type RowDefaults } from '../domain/row/reader.ts';
import { assertPlaceholders, compileTemplate, type Template } from '../domain/row/template.ts';
import { readRoutes } from '../domain/routing/read-rules.ts';
import type { Route } from '../domain/routing/rules.ts';
import type { ReadSchema } from '../domain/schema/read-schema.ts';
import type { RowReading, RowSource, SourceRecord } from '../domain/source.ts';
import { arranged } from '../host/arrange.ts';
import { checkRules } from '../host/rules-check.ts';
import type { RowsInput, SubmitOptions } from './options.ts';
import { pathsOf, rowsSource } from './rows.ts';

export interface ReadingOf {
  readonly source: RowSource;
  readonly options: SubmitOptions;
  readonly schema: ReadSchema | undefined;
  readonly routes: readonly Route[] | undefined;
  readonly nowMs: number;
  readonly cache?: readonly MarkedPrefix[];
}

/** Through JSON, as everything that is sent: what its owner does to the object later changes nothing. */
function plain<T>(value: T): T {
  return JSON.parse(JSON.stringify(value)) as T;
}

export function routesOf({ routes }: SubmitOptions): readonly Route[] | undefined {
  return routes === undefined ? undefined : readRoutes(plain(routes), '`routes`');
}

export async function sourceOf(input: RowsInput, options: SubmitOptions, signal: AbortSignal): Promise<RowSource> {
  const paths = pathsOf(input);
  if (!paths) return rowsSource(input as Exclude<RowsInput, string | readonly string[]>, signal);
  if (paths.includes('-')) {
    throw new BatchrunError('E_USAGE', 'a library does not read stdin: pass the rows as an iterable', {
      hint: 'For lines of JSON: an async generator that yields JSON.parse(line) for each.',
    });
  }
  const { inputFormat: format } = options;
  const { Readable } = await import('node:stream');
  return openSource(paths, { stdin: Readable.from([]), ...(format === undefined ? {} : { format }) });
}

/** `folder`: where rows may be put aside that are shuffled. */
export function rowsOf(
  of: ReadingOf,
  {
    inputCount,
    folder,
    signal,
  }: { readonly inputCount: number; readonly folder: string; readonly signal: AbortSignal },
): PreparedRows {
  const { options } = of;
  return prepareRows({
    source: arranged(of.source, options, folder),
    read: readerOf(of),
    inputCount,
    limit: options.limit ?? null,
    stopping: () => signal.aborted,
  });
}

export function readerOf({
  source,
  options,
  schema,
  routes,
  nowMs,
  cache = [],
}: ReadingOf): (record: SourceRecord) => RowReading {
  const { model, maxTokens, params, betas, idColumn, truncate } = options;
  if (routes) checkRules(routes, { columns: source.columns, file: '`routes`', nowMs });
  const cuts = truncate === undefined ? undefined : cutsOf(truncate);
  const template = (text: string | undefined, flag: string): Template | undefined => {
    if (text === undefined) return undefined;
    const compiled = compileTemplate(text, flag, cuts);
    assertPlaceholders(compiled, source.columns, flag);
    return compiled;
  };
  const prompt = template(options.prompt, '--prompt');
  const system = template(options.system, '--system');
  const used = [prompt, system].flatMap((one) => one?.placeholders ?? []);
  if (cuts) assertCuts(cuts, used, source.columns);
  const defaults: RowDefaults = {
    nowMs,
    ...(model === undefined ? {} : { model }),
    ...(maxTokens === undefined ? {} : { maxTokens }),
    ...(system === undefined ? {} : { system }),
    ...(prompt === undefined ? {} : { prompt }),
    ...(params === undefined ? {} : { params: plain(params) }),
    ...(schema === undefined ? {} : { format: schema.format }),
    ...(betas === undefined ? {} : { betas }),
    ...(idColumn === undefined ? {} : { idColumn }),
    ...(cache.length === 0 ? {} : { cache }),
    ...(routes === undefined ? {} : { routing: { routes } }),
    ...(cuts === undefined ? {} : { cuts: true }),
    ...(options.dropUnsupported === true ? { dropUnsupported: true } : {}),
    ...(options.preflight === false ? { modelRules: false } : {}),
  };
  const reader = createRowReader(defaults);
  return (record) => reader.read(record);
}
