/**
 * Prompt caching in a submit: what rows get marks for, before the inputs are read; and what `--cache auto` would save,
 * once they are.
 */
import { sampleRows } from '../../engine/preflight/row-sample.ts';
import type { Engine } from '../../engine/engine.ts';
import type { IngestReport } from '../../engine/ingest/ingest.ts';
import type { JsonObject } from '../../domain/row/shape.ts';
import type { RowSource } from '../../domain/source.ts';
import { sameRun } from '../../host/same-run.ts';
import { openInput, systemNow, type ApiLink, type Context } from '../context.ts';
import { absoluteInputs, rowReading, type Texts } from './prepare.ts';
import type { CacheChoice } from '../../host/prompt-cache.ts';

/** Rows that a hint is taken from, and how many bytes are read for them at most. */
const HINT_ROWS = 40;
const HINT_BYTES_MAX = 2_000_000;

export interface CacheInputs {
  readonly inputs: readonly string[];
  readonly texts: Texts;
  readonly argv: readonly string[];
  readonly engine: Engine;
  readonly link: ApiLink | null;
  readonly source: RowSource;
  readonly origin: string;
  readonly settingHashes: Readonly<Record<string, string>>;
}

/** Loaded where it is asked for. */
export async function cacheOfInputs(context: Context, request: CacheInputs): Promise<CacheChoice> {
  const { flags } = context;
  const { source, texts, argv, origin, inputs } = request;
  if (flags.cache === undefined || flags.cache === 'off') return { source, prefixes: [], settings: null };
  const { chooseCache } = await import('../../host/prompt-cache.ts');
  const { terminal, signal } = context;
  return chooseCache({
    ...{ source, texts, signal, mode: flags.cache, limit: flags.limit, nowMs: systemNow() },
    lane: flags.realtime === true ? 'realtime' : 'batch',
    reopen: () => openInput(inputs, flags),
    api: request.link?.api ?? null,
    store: request.engine.store,
    say: (text) => {
      if (flags.quiet !== true) terminal.talk(text);
    },
    read: rowReading(source, { flags, texts, argv }),
    same: sameRun({ origin, inputs: absoluteInputs(inputs), settingHashes: request.settingHashes }),
  });
}

/** Said once, in a line, where it is worth one. */
export async function sayCacheHint(
  { flags, terminal }: Context,
  engine: Engine,
  { report, texts }: { readonly report: IngestReport; readonly texts: Texts },
): Promise<void> {
  if (flags.quiet === true || (flags.cache !== undefined && flags.cache !== 'off')) return;
  const parts = Object.values(report.mix);
  // Rows that cache by themselves need no word about it.
  if (parts.some(({ cachingRows = 0 }) => cachingRows > 0)) return;
  const rows = parts.reduce((sum, part) => sum + part.rows, 0);
  const count = Math.min(HINT_ROWS, Math.floor((HINT_BYTES_MAX * rows) / Math.max(1, report.bytes)));
  if (rows < HINT_ROWS || count < 2) return;
  const { cacheHint } = await import('../../host/cache-hint.ts');
  const sample = await sampleRows(engine, report.runId, { count, longest: 0 });
  const params = sample.map(({ paramsJson }) => JSON.parse(paramsJson) as JsonObject);
  const lane = flags.realtime === true ? 'realtime' : 'batch';
  const hint = cacheHint(params, { mix: report.mix, texts, lane, nowMs: systemNow() });
  if (hint !== null) terminal.talk(hint);
}
