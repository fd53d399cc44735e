/**
 * Prompt caching in a submit: what rows get marks for, before the inputs are read; and what `--cache auto` would save,
 * once they are.
 */
import { sampleRows } from '../engine/row-sample.ts';
import type { Engine } from '../engine/engine.ts';
import type { IngestReport } from '../engine/ingest.ts';
import type { JsonObject } from '../domain/row/shape.ts';
import type { RowSource } from '../domain/source.ts';
import type { ApiLink, Context } from './context.ts';
import { absoluteInputs, rowReading, type Texts } from './prepare.ts';
import type { CacheChoice } from './prompt-cache.ts';

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
  const { chooseCache } = await import('./prompt-cache.ts');
  const hashes = stableText(request.settingHashes);
  const paths = JSON.stringify(absoluteInputs(inputs));
  return chooseCache(context, {
    ...request,
    read: rowReading(source, { flags, texts, argv }),
    same: (run) =>
      run.origin === origin && JSON.stringify(run.inputs) === paths && stableText(run.settingHashes) === hashes,
  });
}

function stableText(hashes: Readonly<Record<string, string>>): string {
  return JSON.stringify(Object.entries(hashes).sort(([one], [other]) => (one < other ? -1 : 1)));
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
  const { cacheHint } = await import('./prompt-cache.ts');
  const sample = await sampleRows(engine, report.runId, { count, longest: 0 });
  const params = sample.map(({ paramsJson }) => JSON.parse(paramsJson) as JsonObject);
  const lane = flags.realtime === true ? 'realtime' : 'batch';
  const hint = cacheHint(params, { mix: report.mix, texts, lane });
  if (hint !== null) terminal.talk(hint);
}
