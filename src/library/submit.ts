/**
 * From a program's rows to a run: the same reading, checks and sealing as `batchrun submit`.
 */
import { resolve } from 'node:path';
import { BatchrunError } from '../base/errors.ts';
import { BATCH_BYTES_MAX, CHUNK_ROWS_DEFAULT, MAX_ATTEMPTS_DEFAULT } from '../domain/limits.ts';
import { wishesOf, type ModelMix, type RunSettings, type RunWishes } from '../domain/model.ts';
import type { CacheSettings } from '../domain/cache/settings.ts';
import type { BatchApi } from '../domain/ports.ts';
import { toSchema, type ReadSchema } from '../domain/schema/read-schema.ts';
import type { RowSource } from '../domain/source.ts';
import type { Engine } from '../engine/engine.ts';
import type { IngestReport, IngestRequest } from '../engine/ingest/ingest.ts';
import { refuseUnpriced } from '../engine/ingest/refuse-wishes.ts';
import { checkOutputs, fillIn, type OutputChoice } from '../host/output-check.ts';
import type { CacheChoice } from '../host/prompt-cache.ts';
import { hashSettings, sameRun } from '../host/same-run.ts';
import { tell } from './guarded.ts';
import type { RowsInput, RunChanges, SubmitOptions } from './options.ts';
import { readerOf, routesOf, rowsOf, sourceOf, type ReadingOf } from './reading.ts';
import { inputsOf } from './rows.ts';

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
  /** For counts of tokens; null where nobody may be asked. */
  readonly api: BatchApi | null;
  /** Takes what is worth knowing of what was decided before the rows were read. */
  readonly say: (text: string) => void;
  /** Asks the API about what was read, before it counts. */
  readonly ask: (report: IngestReport) => Promise<ModelMix>;
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
  const inputs = inputsOf(input);
  const schema = options.schema && toSchema(options.schema, { file: 'schema', shown: '`schema`' });
  if (schema) await engine.schemas.compile(schema.kept);
  const routes = routesOf(options);
  const opened = await sourceOf(input, options, engine.signal);
  const nowMs = engine.clock.now();
  const settingHashes = hashSettings({ ...options, routes, schema: schema?.kept.schema });
  const cache = await cacheOf(request, { source: opened, settingHashes, read: { options, schema, routes, nowMs } });
  const { source } = cache;
  const rows = rowsOf(
    { source, options, schema, routes, nowMs, cache: cache.prefixes },
    { inputCount: inputs.length, folder: request.stateFolder, signal: engine.signal },
  );
  const choice = outputOf(options);
  const wishes = wishesIn(options);
  return {
    rows,
    inputs,
    run: {
      name: options.name ?? null,
      origin,
      workspace: request.workspace,
      settings: settingsOf(options, { source, schema, wishes, cache: cache.settings, maxQueued: request.maxQueued }),
      settingHashes,
      ...choice,
    },
    scope: { origin, workspaceHeader: request.workspaceHeader, name: options.name ?? null },
    onInvalid: options.onInvalid ?? 'fail',
    ...(routes ? { routes } : {}),
    again: options.again === true,
    dryRun,
    confirm: async (report, known, fingerprint) => {
      if (known) return report.mix;
      refuseUnpriced(wishesOf({ settings: { wishes } }), report.mix);
      const created = { id: '{run}', createdAtMs: engine.clock.now() };
      const runs = await engine.store.runs();
      // The same submit beside this one has made the same run.
      const others =
        options.again === true ? runs : runs.filter((run) => run.fingerprint !== fingerprint || run.canceled);
      checkOutputs({ choice: filledIn(choice, created), inputs, runId: null, runs: others });
      return request.ask(report);
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

/** What rows get marks for; says what that comes to. Loaded where it is asked for. */
async function cacheOf(
  { engine, input, options, origin, api, say }: RequestOf,
  of: {
    readonly source: RowSource;
    readonly settingHashes: Readonly<Record<string, string>>;
    readonly read: Omit<ReadingOf, 'source'>;
  },
): Promise<CacheChoice> {
  const { source, settingHashes } = of;
  const { cache: mode = 'off', prompt, system, limit, lane } = options;
  if (mode === 'off') return { source, prefixes: [], settings: null };
  const { chooseCache } = await import('../host/prompt-cache.ts');
  return chooseCache({
    ...{ mode, limit, source, api, say, store: engine.store, signal: engine.signal, nowMs: of.read.nowMs },
    texts: { prompt, system },
    lane: lane === 'realtime' ? 'realtime' : 'batch',
    // Only of files, which can be opened twice.
    reopen: () => sourceOf(input, options, engine.signal),
    read: readerOf({ source, ...of.read }),
    same: sameRun({ origin, inputs: inputsOf(input), settingHashes }),
  });
}

function settingsOf(
  options: SubmitOptions,
  of: {
    readonly source: RowSource;
    readonly schema: ReadSchema | undefined;
    readonly wishes: Partial<RunWishes>;
    readonly cache: CacheSettings | null;
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
    ...(of.cache === null ? {} : { cache: of.cache }),
    ...(dedupe || reuse ? { coalesce: { dedupe, reuse } } : {}),
  };
}

/** What is asked for; the rest is as it is, or as usual. */
export function wishesIn(options: RunChanges): Partial<RunWishes> {
  const { priority, lane, deadline, maxCostUsd, budgetMode, retryTruncated, onSchemaError, pilot } = options;
  const wishes = {
    ...{ priority, lane, budgetMode, retryTruncated, onSchemaError, pilot },
    maxCostUsd: maxCostUsd === 'none' ? null : maxCostUsd,
    deadlineMs: deadline === 'none' ? null : deadline?.getTime(),
  };
  return Object.fromEntries(Object.entries(wishes).filter(([, wish]) => wish !== undefined));
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
