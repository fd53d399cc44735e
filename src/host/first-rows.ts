/**
 * The first rows of the inputs, looked at before all of them are read. Inputs that can be opened twice are; of stdin and
 * pipes what was read is kept and handed on again, so that nothing is missing afterwards.
 */
import type { RowSource, SourceRecord } from '../domain/source.ts';

export interface FirstRows {
  readonly records: readonly SourceRecord[];
  /** There are no more. */
  readonly isAll: boolean;
  /** How many there may be in all, by how much of the inputs was read; null where their size is not known. */
  readonly about: number | null;
  /** To be read in place of the source that was given. */
  readonly source: RowSource;
}

export interface Bounds {
  readonly rows: number;
  readonly bytes: number;
}

export async function firstRows(
  { source, reopen }: { readonly source: RowSource; readonly reopen: () => Promise<RowSource> },
  bounds: Bounds,
): Promise<FirstRows> {
  const isTwice = source.progress().totalBytes !== null;
  const read = isTwice ? await reopen() : source;
  const batches = read.records()[Symbol.asyncIterator]();
  const kept: SourceRecord[][] = [];
  let count = 0;
  let isAll = false;
  for (;;) {
    const next = await batches.next();
    if (next.done === true) {
      isAll = true;
      break;
    }
    const batch = [...next.value];
    kept.push(isTwice ? batch.slice(0, Math.max(0, bounds.rows - count)) : batch);
    count += batch.length;
    if (count >= bounds.rows || read.progress().readBytes >= bounds.bytes) break;
  }
  const { readBytes, totalBytes } = read.progress();
  const share = totalBytes === null || totalBytes === 0 ? 0 : Math.min(1, readBytes / totalBytes);
  if (isTwice) await batches.return?.();
  return {
    records: kept.flat().slice(0, bounds.rows),
    isAll,
    about: isAll ? count : share === 0 ? null : Math.round(count / share),
    source: isTwice ? source : replayed(source, kept, batches),
  };
}

function replayed(source: RowSource, kept: SourceRecord[][], rest: AsyncIterator<Iterable<SourceRecord>>): RowSource {
  return {
    columns: source.columns,
    async *records() {
      try {
        // Let go as they are taken: what was looked at is not held beside all that follows.
        for (let batch = kept.shift(); batch; batch = kept.shift()) yield batch;
        for (let next = await rest.next(); next.done !== true; next = await rest.next()) yield next.value;
      } finally {
        await rest.return?.();
      }
    },
    progress: () => source.progress(),
  };
}
