/**
 * From a program's rows to a run: the same reading, checks and sealing as `batchrun submit`.
 */
import { resolve } from 'node:path';
import { openSource } from '../adapters/sources/open-source.ts';
import { BatchrunError } from '../base/errors.ts';
import { settingHash } from '../domain/fingerprint.ts';
import { BATCH_BYTES_MAX, CHUNK_ROWS_DEFAULT, MAX_ATTEMPTS_DEFAULT } from '../domain/limits.ts';
import { wishesOf, type RunSettings, type RunWishes } from '../domain/model.ts';
import { prepareRows } from '../domain/row/prepare-rows.ts';
import { createRowReader, type RowDefaults } from '../domain/row/reader.ts';
import { assertPlaceholders, compileTemplate, type Template } from '../domain/row/template.ts';
import { toSchema, type ReadSchema } from '../domain/schema/read-schema.ts';
import type { RowSource } from '../domain/source.ts';
import type { Engine } from '../engine/engine.ts';
import type { IngestReport, IngestRequest } from '../engine/ingest.ts';
import { refuseUnpriced } from '../engine/refuse-wishes.ts';
import { checkOutputs, fillIn, type OutputChoice } from '../host/output-check.ts';
import { tell } from './guarded.ts';
import type { RowsInput, SubmitOptions } from './options.ts';
import { inputsOf, pathsOf, rowsSource } from './rows.ts';

export interface RequestOf {
  readonly engine: Engine;
  readonly input: RowsInput;
  readonly options: SubmitOptions;
  /** Where it goes; empty where nothing is to be sent. */
  readonly origin: string;
  readonly workspace: string;
  readonly workspaceHeader: string | null;
  readonly maxQueued: number | undefined;
  /** Where rows may be put aside while they are read. */
  readonly stateFolder: string;
  readonly dryRun: boolean;
  /** Asks the API about what was read, before it counts. */
  readonly ask: (report: IngestReport) => Promise<void>;
}

/** The engine for one reading: it stops with the options' own signal, and tells of nothing but the reading. */
export function readingEngine(engine: Engine, { signal, onProgress }: SubmitOptions): Engine {
  return {
    ...engine,
    signal: signal ? AbortSignal.any([engine.signal, signal]) : engine.signal,
    emit: (event) => {
      if (event.kind !== 'ingest.progress' || !onProgress) return;
      const { rows, readBytes, totalBytes } = event;
      tell(onProgress, { rows, readBytes, totalBytes });
    },
  };
}

export async function ingestRequest(request: RequestOf): Promise<IngestRequest> {
  const { engine, input, options, origin, dryRun } = request;
  checkOptions(options);
  const paths = pathsOf(input);
  const inputs = inputsOf(input);
  const schema = options.schema && toSchema(options.schema, { file: 'schema', shown: '`schema`' });
  if (schema) await engine.schemas.compile(schema.kept);
  const source = await sourceOf(input, paths, { options, signal: engine.signal });
  const rows = prepareRows({
    source,
    read: readerOf(source, options, { schema, nowMs: engine.clock.now() }),
    inputCount: inputs.length,
    limit: options.limit ?? null,
    stopping: () => engine.signal.aborted,
  });
  const choice = outputOf(options);
  const wishes = wishesIn(options);
  const others = await engine.store.runs();
  return {
    rows,
    inputs,
    run: {
      name: options.name ?? null,
      origin,
      workspace: request.workspace,
      settings: settingsOf(options, { source, schema, wishes, maxQueued: request.maxQueued }),
      settingHashes: hashSettings(options),
      ...choice,
    },
    scope: { origin, workspaceHeader: request.workspaceHeader, name: options.name ?? null },
    onInvalid: options.onInvalid ?? 'fail',
    again: options.again === true,
    dryRun,
    confirm: async (report, known) => {
      if (known) return;
      refuseUnpriced(wishesOf({ settings: { wishes } }), report.mix);
      const created = { id: '{run}', createdAtMs: engine.clock.now() };
      checkOutputs({ choice: filledIn(choice, created), inputs, runId: null, runs: others });
      await request.ask(report);
    },
  };
}

function checkOptions(options: SubmitOptions): void {
  const { output, errors, lane, pilot = 0 } = options;
  if (output === '-' || errors === '-') {
    throw new BatchrunError(
      'E_USAGE',
      'a library does not write to stdout: `output` and `errors` take the path of a file',
      {
        hint: 'Leave them out and iterate over `run.results()`.',
      },
    );
  }
  if (lane === 'batch' && pilot > 0) {
    throw new BatchrunError('E_USAGE', '`pilot` and `lane: "batch"` cannot both be given: a pilot is called', {
      hint: 'Leave one of them out.',
    });
  }
}

async function sourceOf(
  input: RowsInput,
  paths: readonly string[] | null,
  { options, signal }: { readonly options: SubmitOptions; readonly signal: AbortSignal },
): Promise<RowSource> {
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

interface ReaderOf {
  readonly schema: ReadSchema | undefined;
  readonly nowMs: number;
}

function readerOf(
  source: RowSource,
  options: SubmitOptions,
  { schema, nowMs }: ReaderOf,
): Parameters<typeof prepareRows>[0]['read'] {
  const { model, maxTokens, params, betas, idColumn } = options;
  const prompt = templateOf(options.prompt, source, 'prompt');
  const system = templateOf(options.system, source, 'system');
  const defaults: RowDefaults = {
    nowMs,
    ...(model === undefined ? {} : { model }),
    ...(maxTokens === undefined ? {} : { maxTokens }),
    ...(system === undefined ? {} : { system }),
    ...(prompt === undefined ? {} : { prompt }),
    // Through JSON, as everything that is sent.
    ...(params === undefined ? {} : { params: JSON.parse(JSON.stringify(params)) as Record<string, unknown> }),
    ...(schema === undefined ? {} : { format: schema.format }),
    ...(betas === undefined ? {} : { betas }),
    ...(idColumn === undefined ? {} : { idColumn }),
    ...(options.dropUnsupported === true ? { dropUnsupported: true } : {}),
    ...(options.preflight === false ? { modelRules: false } : {}),
  };
  const reader = createRowReader(defaults);
  return (record) => reader.read(record);
}

function templateOf(text: string | undefined, source: RowSource, name: string): Template | undefined {
  if (text === undefined) return undefined;
  const template = compileTemplate(text, `--${name}`);
  assertPlaceholders(template, source.columns, `--${name}`);
  return template;
}

function settingsOf(
  options: SubmitOptions,
  of: {
    readonly source: RowSource;
    readonly schema: ReadSchema | undefined;
    readonly wishes: Partial<RunWishes>;
    readonly maxQueued: number | undefined;
  },
): RunSettings {
  const { dedupe = false, reuse = false } = options;
  return {
    chunkRows: Math.min(options.chunkRows ?? CHUNK_ROWS_DEFAULT, of.maxQueued ?? Infinity),
    chunkBytes: options.chunkBytes ?? BATCH_BYTES_MAX,
    maxAttempts: options.maxAttempts ?? MAX_ATTEMPTS_DEFAULT,
    retryLane: options.retryLane ?? 'auto',
    failIf: null,
    defuseFormulas: options.defuseFormulas !== false,
    columns: of.source.columns.filter((column) => column !== (options.idColumn ?? 'custom_id')),
    ...(of.schema ? { schema: of.schema.kept } : {}),
    wishes: of.wishes,
    ...(dedupe || reuse ? { coalesce: { dedupe, reuse } } : {}),
  };
}

/** What is asked for; the rest is as it is, or as usual. */
export function wishesIn(options: SubmitOptions): Partial<RunWishes> {
  const { priority, lane, deadline, maxCostUsd, budgetMode, retryTruncated, onSchemaError, pilot } = options;
  const wishes = {
    ...{ priority, lane, maxCostUsd, budgetMode, retryTruncated, onSchemaError, pilot },
    deadlineMs: deadline?.getTime(),
  };
  return Object.fromEntries(Object.entries(wishes).filter(([, wish]) => wish !== undefined));
}

/** Under the names of the flags: a later submit of either kind can say which one differs. */
function hashSettings(options: SubmitOptions): Record<string, string> {
  const settings: Record<string, unknown> = {
    model: options.model,
    'max-tokens': options.maxTokens,
    system: options.system,
    prompt: options.prompt,
    params: options.params,
    schema: options.schema,
    betas: options.betas,
    'id-column': options.idColumn,
    'drop-unsupported': options.dropUnsupported,
    limit: options.limit,
    name: options.name,
  };
  return Object.fromEntries(Object.entries(settings).map(([flag, value]) => [flag, settingHash(value ?? null)]));
}

export function outputOf({ output, errors, format, overwrite }: SubmitOptions): OutputChoice {
  return {
    output: output === undefined ? null : resolve(output),
    format: format ?? (output?.toLowerCase().endsWith('.csv') === true ? 'csv' : 'jsonl'),
    errors: errors === undefined ? null : resolve(errors),
    overwrite: overwrite === true,
  };
}

export function filledIn(choice: OutputChoice, run: Parameters<typeof fillIn>[1]): OutputChoice {
  const fill = (path: string | null): string | null => (path === null ? null : fillIn(path, run));
  return { ...choice, output: fill(choice.output), errors: fill(choice.errors) };
}
