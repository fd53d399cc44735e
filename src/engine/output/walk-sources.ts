/**
 * The two lists beside the chunks that a walk merges in: rows with records of their own, and rows that were skipped.
 */
import { BatchrunError } from '../../base/errors.ts';
import { paths } from '../../domain/ids.ts';
import type { RowRecord, RunRecord } from '../../domain/model.ts';
import type { Files } from '../../domain/ports.ts';
import { decodeInvalidEntry, rowFileLines, type InvalidEntry } from '../../domain/row-file.ts';
import type { Store } from '../../domain/store.ts';
import { WindowCache } from './windows.ts';

/** Records read at a time. */
const PAGE_ROWS = 2_000;

/** Row records in the order of their seq, read page by page as the walk goes on. */
export class RecordCursor {
  readonly #store: Pick<Store, 'rowRecords'>;
  readonly #runId: string;
  #page: readonly RowRecord[] = [];
  #at = 0;
  #lastSeq = -1;
  #ended = false;

  constructor(store: Pick<Store, 'rowRecords'>, runId: string) {
    this.#store = store;
    this.#runId = runId;
  }

  /** Nothing before this seq will be asked for. */
  skipTo(seq: number): void {
    this.#lastSeq = Math.max(this.#lastSeq, seq - 1);
  }

  /** The record of this row, if it has one. Seqs must be asked for in rising order. */
  async at(seq: number): Promise<RowRecord | null> {
    for (;;) {
      const record = this.#page[this.#at];
      if (record && record.seq > seq) return null;
      if (record?.seq === seq) return record;
      if (record) {
        this.#at++;
        continue;
      }
      if (this.#ended) return null;
      this.#page = await this.#store.rowRecords(this.#runId, { afterSeq: this.#lastSeq, limit: PAGE_ROWS });
      this.#at = 0;
      this.#lastSeq = this.#page.at(-1)?.seq ?? this.#lastSeq;
      this.#ended = this.#page.length < PAGE_ROWS;
    }
  }
}

/**
 * The skipped rows of a run in the order of their seq. Invalid rows were written in that order; duplicates were found
 * at the end of ingest, so their places are sorted first (16 bytes for each).
 */
export async function* skippedRows(
  scope: { readonly files: Files },
  run: RunRecord,
): AsyncGenerator<InvalidEntry, undefined> {
  const { files } = scope;
  const both = [paths.invalid(run.id), paths.duplicates(run.id)];
  const places = (await Promise.all(both.map((path) => placesIn(files, path)))).flat().sort((a, b) => a.seq - b.seq);
  if (places.length !== run.rows.invalid) {
    const names = both.map((path) => files.locate(path)).join(' and ');
    throw new BatchrunError(
      'E_STATE_CORRUPT',
      `${names} hold ${places.length} skipped rows; ${run.rows.invalid} were committed`,
    );
  }
  const readers = new WindowCache(files, 2);
  try {
    for (const place of places) {
      const reader = await readers.get(place.path);
      yield decodeInvalidEntry((await reader.read(place.offset, place.length)).toString(), files.locate(place.path));
    }
  } finally {
    await readers.close();
  }
  return undefined;
}

interface Place {
  readonly seq: number;
  readonly path: string;
  readonly offset: number;
  readonly length: number;
}

async function placesIn(files: Files, path: string): Promise<Place[]> {
  if ((await files.size(path)) === null) return [];
  const places: Place[] = [];
  for await (const { bytes, offset } of rowFileLines(files.stream(path))) {
    const { seq } = decodeInvalidEntry(bytes.toString(), files.locate(path));
    places.push({ seq, path, offset, length: bytes.length });
  }
  return places;
}

/** No skipped rows: for a walk over some chunks only. */
// eslint-disable-next-line @typescript-eslint/require-await
export async function* noRows(): AsyncGenerator<InvalidEntry, undefined> {
  return undefined;
}
