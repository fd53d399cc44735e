/**
 * Which rows of an input are read, and in which order: --sample and --shuffle, by --seed. They stand between the source and
 * everything else, so all that follows (ids, checks, the fingerprint) is as of an input that has just these rows in just
 * this order; a row without an id keeps its line in the file as its name.
 */
import { BatchrunError } from '../base/errors.ts';
import { plural } from '../base/units.ts';
import { drawBy, sampled, SEED_DEFAULT } from '../domain/row/draw.ts';
import { shuffled } from '../domain/row/shuffle.ts';
import type { RowSource, SourceRecord } from '../domain/source.ts';
import { OwnSpool } from '../engine/ingest/spools.ts';
import { openSpools } from './spools.ts';

/** As the flags of the command line and the options of the library name them. */
export interface Drawing {
  readonly sample?: number | undefined;
  readonly shuffle?: boolean | undefined;
  readonly seed?: number | undefined;
  readonly limit?: number | undefined;
}

/** `folder`: where rows may be put aside. */
export function arranged(source: RowSource, drawing: Drawing, folder: string): RowSource {
  const { sample: share, shuffle = false, seed = SEED_DEFAULT, limit = null } = drawing;
  if (share === undefined && !shuffle) return source;
  if (share === 0) {
    throw new BatchrunError('E_USAGE', '--sample 0% would leave no row', { hint: 'Give a share such as 1%.' });
  }
  const records = (): AsyncIterable<Iterable<SourceRecord>> => {
    const chosen = share === undefined ? source.records() : sampledOf(source, { share, draw: drawBy(seed, 'sample') });
    return shuffle ? shuffledOf(chosen, { limit, seed, folder }) : chosen;
  };
  return { columns: source.columns, records, progress: () => source.progress() };
}

async function* sampledOf(
  source: RowSource,
  options: Parameters<typeof sampled>[1],
): AsyncGenerator<Iterable<SourceRecord>> {
  const seen = { rows: 0, chosen: 0 };
  for await (const records of source.records()) yield sampled(records, options, seen);
  if (seen.rows === 0 || seen.chosen > 0) return;
  throw new BatchrunError('E_INPUT_EMPTY', `--sample chose none of ${plural(seen.rows, 'row')}`, {
    hint: 'Give a larger share, or another --seed.',
  });
}

async function* shuffledOf(
  records: AsyncIterable<Iterable<SourceRecord>>,
  { limit, seed, folder }: { readonly limit: number | null; readonly seed: number; readonly folder: string },
): AsyncGenerator<Iterable<SourceRecord>> {
  let spool: OwnSpool | undefined;
  const openSpool = async () => {
    spool = new OwnSpool(await openSpools(folder));
    return spool.open();
  };
  try {
    yield* shuffled(records, { draw: drawBy(seed, 'shuffle'), limit, openSpool });
  } finally {
    await spool?.close();
  }
}
