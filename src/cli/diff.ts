/**
 * `batchrun diff <a> <b>`: which rows differ between two results files, by their ids, in whatever order the files are:
 * two prompts or two models side by side. No state, no key, no network. Memory stays flat: rows are sorted into buckets
 * in a temporary folder, which needs about as much disk as both files.
 */
import { BatchrunError } from '../base/errors.ts';
import { Buckets, bucketCount } from '../tools/diff/buckets.ts';
import { diffBuckets } from '../tools/diff/diff-files.ts';
import { readResults, type BrokenLines } from '../tools/results/read-results.ts';
import { openInput, type Context } from './context.ts';
import { EXIT } from './drive/outcome.ts';
import { diffText, type DiffFile, type DiffView } from './render/diff-text.ts';
import { withScratch } from './files/scratch.ts';
import { jsonText } from './terminal/ui.ts';

export async function runDiff(context: Context, a: string, b: string): Promise<number> {
  const { flags, terminal, signal } = context;
  if (a === '-' && b === '-') throw new BatchrunError('E_USAGE', 'only one of the two files can be stdin (-)');
  const view = await withScratch(async (files): Promise<DiffView> => {
    // Both before the first is read: a missing second file must not be found after minutes.
    const sources = [await openInput([a], flags), await openInput([b], flags)] as const;
    const sizes = sources.map((source) => source.progress().totalBytes);
    const packed = [a, b].map((file) => /\.gz$/i.test(file));
    const count = Math.max(...sizes.map((bytes, at) => bucketCount(bytes, packed[at] === true)));
    const sides = [new Buckets(files, 'a', count), new Buckets(files, 'b', count)] as const;
    const options = { idColumn: flags.idColumn, signal };
    const broken: BrokenLines[] = [];
    for (const [at, source] of sources.entries()) {
      const buckets = sides[at === 0 ? 0 : 1];
      broken.push(await readResults(source, options, (row, line) => buckets.add(row, line)));
      await buckets.close();
    }
    const { duplicatesInA, duplicatesInB, ...report } = await diffBuckets({ a: sides[0], b: sides[1], count, signal });
    const fileOf = (file: string, at: 0 | 1, duplicates: number): DiffFile => {
      const { count: brokenCount = 0, shown = [] } = broken[at] ?? {};
      return { file, rows: sides[at].rows, duplicates, broken: { count: brokenCount, shown } };
    };
    return { file_a: fileOf(a, 0, duplicatesInA), file_b: fileOf(b, 1, duplicatesInB), ...report };
  });
  if (flags.json === true) await terminal.data(jsonText(view));
  else await terminal.text(`${diffText(view, { color: terminal.dataColor })}\n`);
  // That files differ is what was asked, and no failure; what could not be read is one.
  return view.file_a.broken.count + view.file_b.broken.count > 0 ? EXIT.usage : EXIT.ok;
}
