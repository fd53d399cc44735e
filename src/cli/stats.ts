/**
 * `batchrun stats <results>`: what is in a results file, ours or the API's own. No state, no key, no network; memory does
 * not grow with the file.
 */
import { BatchrunError } from '../base/errors.ts';
import { hashOf } from '../domain/id-hash.ts';
import { IdLedger } from '../engine/ingest/id-ledger.ts';
import { readResults, type BrokenLines } from '../tools/results/read-results.ts';
import { ResultStats } from '../tools/stats/result-stats.ts';
import { loadSpreads } from '../tools/stats/spread.ts';
import { openInput, type Context } from './context.ts';
import { EXIT } from './drive/outcome.ts';
import { statsText, type StatsView } from './render/stats-text.ts';
import { withScratch } from './files/scratch.ts';
import { jsonText } from './terminal/ui.ts';

/** Ids that are named; all are counted. */
const IDS_SHOWN_MAX = 10;
const LINES_SHOWN_MAX = 5;

export async function runStats(context: Context, file: string): Promise<number> {
  const { flags, terminal } = context;
  const view = await withScratch(async (files) => {
    const ids = new IdLedger(files, 'stats');
    const stats = new ResultStats(await loadSpreads());
    const broken = await readResults(await openInput([file], flags), readingOf(context), (row) => {
      stats.add(row);
      return ids.add(hashOf(row.id));
    });
    const report = stats.report();
    if (report.rows === 0 && broken.count === 0) {
      throw new BatchrunError('E_INPUT_EMPTY', `there are no rows in ${file}`);
    }
    return { file, ...report, duplicate_ids: await duplicates(context, file, ids), broken: numbers(broken) };
  });
  if (flags.json === true) await terminal.data(jsonText(view));
  else await terminal.text(`${statsText(view, { color: terminal.dataColor })}\n`);
  return view.broken.count > 0 ? EXIT.usage : EXIT.ok;
}

function readingOf({ flags, signal }: Context): {
  readonly idColumn: string | undefined;
  readonly signal: AbortSignal;
} {
  return { idColumn: flags.idColumn, signal };
}

function numbers({ count, shown }: BrokenLines): StatsView['broken'] {
  return { count, shown };
}

/** The first of them by name: the file is read again for that, where it can be. */
async function duplicates(context: Context, file: string, ids: IdLedger): Promise<StatsView['duplicate_ids']> {
  let count = 0;
  let wanted: ReadonlySet<number> = new Set();
  for await (const hashes of ids.duplicateHashes()) {
    if (count === 0) wanted = hashes;
    count += hashes.size;
  }
  if (count === 0 || file === '-') return { count, shown: [] };
  const lines = new Map<string, number[]>();
  await readResults(await openInput([file], context.flags), readingOf(context), ({ id }, line) => {
    if (!wanted.has(hashOf(id))) return undefined;
    const known = lines.get(id);
    if (known && known.length < LINES_SHOWN_MAX) known.push(line);
    else if (!known && lines.size < IDS_SHOWN_MAX) lines.set(id, [line]);
    return undefined;
  });
  return { count, shown: [...lines].map(([id, places]) => ({ id, lines: places })) };
}
