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
import { OwnSpool } from '../engine/spools.ts';
import { openSpools } from './context.ts';
import type { Flags } from './options.ts';

export function arranged(source: RowSource, flags: Flags, stateFolder: string): RowSource {
  const { sample: share, shuffle = false, seed = SEED_DEFAULT } = flags;
  if (share === undefined && !shuffle) return source;
  if (share === 0) {
    throw new BatchrunError('E_USAGE', '--sample 0% would leave no row', { hint: 'Give a share such as 1%.' });
  }
  const records = (): AsyncIterable<Iterable<SourceRecord>> => {
    const chosen = share === undefined ? source.records() : sampledOf(source, { share, draw: drawBy(seed, 'sample') });
    return shuffle ? shuffledOf(chosen, { flags, seed, stateFolder }) : chosen;
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
  { flags, seed, stateFolder }: { readonly flags: Flags; readonly seed: number; readonly stateFolder: string },
): AsyncGenerator<Iterable<SourceRecord>> {
  let spool: OwnSpool | undefined;
  const openSpool = async () => {
    spool = new OwnSpool(await openSpools(stateFolder));
    return spool.open();
  };
  try {
    yield* shuffled(records, { draw: drawBy(seed, 'shuffle'), limit: flags.limit ?? null, openSpool });
  } finally {
    await spool?.close();
  }
}
