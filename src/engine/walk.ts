/**
 * Walks the rows of a run in input order and says of each what became of it: from the outcome bytes of its chunk, from
 * its own record where it has one, or from the list of skipped rows. Reads the ledger and the files, changes nothing,
 * and works on a run that is not finished as well.
 *
 * Chunks are walked side by side where their rows lie between each other (rows with different betas): a merge by seq.
 */
import { BatchrunError } from '../base/errors.ts';
import { describeLocalError } from '../domain/local-errors.ts';
import { paths, tagOf } from '../domain/ids.ts';
import type { ChunkRecord, Lane, RowRecord, RowState, RunRecord } from '../domain/model.ts';
import {
  decodeRequestIndex,
  decodeResultIndex,
  OUTCOME,
  type RequestIndex,
  type ResultIndex,
} from '../domain/packed-index.ts';
import type { Files } from '../domain/ports.ts';
import { wireId } from '../domain/result-line.ts';
import { decodeRowEntry, type InvalidEntry, type RowEntry } from '../domain/row-file.ts';
import type { Store } from '../domain/store.ts';
import { rowStateOfChunk } from '../domain/transitions.ts';
import { REALTIME_CHUNK_NO } from './realtime.ts';
import { noRows, RecordCursor, skippedRows } from './walk-sources.ts';
import { WindowCache } from './windows.ts';

/** What became of a row. */
export interface WalkedRow {
  readonly seq: number;
  readonly entry: RowEntry;
  readonly state: RowState;
  readonly lane: Lane | null;
  /** The API's line, or our own in its shape; null where there is none. A slice: valid until the next row. */
  readonly resultLine: Buffer | null;
  /** The custom_id in that line. */
  readonly wireId: string | null;
  readonly errorType: string | null;
  readonly errorMessage: string | null;
  readonly attempts: number;
  /** Where its request lies; null for a skipped row. */
  readonly home: { readonly homeChunkNo: number; readonly homeIndex: number } | null;
  /** Of a skipped row: its params as far as they could be made. */
  readonly params: unknown;
}

export interface WalkScope {
  readonly store: Store;
  readonly files: Files;
}

/** Files that are open at once for each kind. */
const OPEN_FILES_MAX = 20;

interface Stream {
  readonly chunk: ChunkRecord;
  readonly index: RequestIndex;
  readonly outcomes: Uint8Array | null;
  readonly results: ResultIndex | null;
  at: number;
}

/** All rows, or with `only` the rows of these input chunks (and no skipped ones). */
export async function* walkRows(
  scope: WalkScope,
  run: RunRecord,
  only?: ReadonlySet<number>,
): AsyncGenerator<WalkedRow> {
  const walk = new Walk(scope, run, only);
  try {
    yield* walk.rows();
  } finally {
    await walk.close();
  }
}

class Walk {
  readonly #scope: WalkScope;
  readonly #run: RunRecord;
  readonly #only: ReadonlySet<number> | undefined;
  readonly #rowFiles: WindowCache;
  readonly #resultFiles: WindowCache;
  readonly #records: RecordCursor;

  constructor(scope: WalkScope, run: RunRecord, only: ReadonlySet<number> | undefined) {
    this.#scope = scope;
    this.#run = run;
    this.#only = only;
    this.#rowFiles = new WindowCache(scope.files, OPEN_FILES_MAX);
    this.#resultFiles = new WindowCache(scope.files, OPEN_FILES_MAX);
    this.#records = new RecordCursor(scope.store, run.id);
  }

  async close(): Promise<void> {
    await this.#rowFiles.close();
    await this.#resultFiles.close();
  }

  async *rows(): AsyncGenerator<WalkedRow> {
    const { store } = this.#scope;
    const chunks = (await store.chunks(this.#run.id, { kind: 'input' }))
      .filter((chunk) => chunk.state !== 'split' && (this.#only?.has(chunk.chunkNo) ?? true))
      .sort((a, b) => a.firstSeq - b.firstSeq);
    const skipped = this.#only ? noRows() : skippedRows(this.#scope, this.#run);
    let nextSkipped = await skipped.next();
    const open: Stream[] = [];
    for (;;) {
      const first = earliest(open);
      const firstSeq = first ? seqOf(first) : Infinity;
      const upcoming = chunks[0];
      if (upcoming && upcoming.firstSeq < firstSeq) {
        chunks.shift();
        open.push(await this.#open(upcoming));
        continue;
      }
      if (nextSkipped.done !== true && nextSkipped.value.seq < firstSeq) {
        yield toSkipped(nextSkipped.value);
        nextSkipped = await skipped.next();
        continue;
      }
      if (!first) return;
      yield await this.#row(first);
      first.at++;
      if (first.at >= first.index.rowCount) open.splice(open.indexOf(first), 1);
    }
  }

  async #open(chunk: ChunkRecord): Promise<Stream> {
    const blobs = await this.#scope.store.chunkIndex(this.#run.id, chunk.chunkNo);
    return {
      chunk,
      index: decodeRequestIndex(blobs.requests),
      outcomes: blobs.outcomes,
      results: blobs.results === null ? null : decodeResultIndex(blobs.results),
      at: 0,
    };
  }

  async #row(stream: Stream): Promise<WalkedRow> {
    const { chunk, index, outcomes, results, at } = stream;
    const place = index.at(at);
    const path = paths.rows(this.#run.id, chunk.chunkNo);
    const rows = await this.#rowFiles.get(path);
    const entry = decodeRowEntry((await rows.read(place.rowOffset, place.rowBytes)).toString(), path);
    const base = { seq: place.seq, entry, home: { homeChunkNo: chunk.chunkNo, homeIndex: at }, params: undefined };
    const outcome = (outcomes?.[at] ?? OUTCOME.pending) & 15;
    const line = results?.at(at);
    if (outcome === OUTCOME.succeeded && line) {
      const file = await this.#resultFiles.get(paths.results(this.#run.id, chunk.chunkNo));
      const resultLine = await file.read(line.offset, line.length);
      const id = chunk.wire === 'own' ? entry.id : wireId(tagOf(this.#run.id), chunk.chunkNo, at);
      return { ...base, ...SUCCEEDED, lane: 'batch', resultLine, wireId: id, attempts: 1 };
    }
    const record = await this.#records.at(place.seq);
    if (record) return { ...base, ...(await this.#fromRecord(record, chunk.wire === 'own' ? entry.id : null)) };
    const state = rowStateOfChunk(chunk.state) ?? 'canceled';
    const errorType = state === 'canceled' ? 'batchrun_canceled' : null;
    const errorMessage = errorType === null ? null : describeLocalError(errorType);
    return { ...base, state, lane: null, resultLine: null, wireId: null, errorType, errorMessage, attempts: 0 };
  }

  /** `ownId` is the custom_id of the row in its first batch where that was adopted. */
  async #fromRecord(
    record: RowRecord,
    ownId: string | null,
  ): Promise<Omit<WalkedRow, 'seq' | 'entry' | 'home' | 'params'>> {
    const { state, attempts, result } = record;
    const settled = state !== 'retry' && state !== 'in_realtime' && state !== 'waiting';
    const errorType = state === 'succeeded' ? null : record.errorType;
    if (!result || !settled) {
      const errorMessage = errorType === null ? null : describeLocalError(errorType);
      return { state, attempts, lane: null, resultLine: null, wireId: null, errorType, errorMessage };
    }
    const realtime = result.chunkNo === REALTIME_CHUNK_NO;
    const path = realtime ? paths.realtime(this.#run.id) : paths.results(this.#run.id, result.chunkNo);
    const resultLine = await (await this.#resultFiles.get(path)).read(result.offset, result.length);
    const lane = realtime ? 'realtime' : 'batch';
    const id = this.#checked(record, { chunkNo: result.chunkNo, id: idIn(resultLine), ownId });
    return { state, attempts, lane, resultLine, wireId: id, errorType, errorMessage: null };
  }

  /** A damaged file must never give a row the answer of another one. */
  #checked(
    record: RowRecord,
    { chunkNo, id, ownId }: { readonly chunkNo: number; readonly id: string | null; readonly ownId: string | null },
  ): string {
    const tag = tagOf(this.#run.id);
    if (ownId !== null && id === ownId && chunkNo === record.homeChunkNo) return ownId;
    const index = chunkNo === REALTIME_CHUNK_NO ? record.seq : chunkNo === record.homeChunkNo ? record.homeIndex : null;
    const belongs = index === null ? id?.startsWith(`${tag}-${chunkNo}-`) === true : id === wireId(tag, chunkNo, index);
    if (belongs && id !== null) return id;
    throw new BatchrunError('E_STATE_CORRUPT', `the result line of row ${record.seq} is not what its index says`);
  }
}

const SUCCEEDED = { state: 'succeeded', errorType: null, errorMessage: null } as const;

function earliest(open: readonly Stream[]): Stream | undefined {
  let first = open[0];
  // Almost always there is one; with many sets of betas, a few.
  for (const stream of open) if (first && seqOf(stream) < seqOf(first)) first = stream;
  return first;
}

function seqOf(stream: Stream): number {
  return stream.index.seqs[stream.at] ?? Infinity;
}

/** The custom_id of a result line: the API and we ourselves write it first. */
function idIn(line: Buffer): string | null {
  const start = '{"custom_id":"';
  const head = line.subarray(0, 128).toString('latin1');
  if (!head.startsWith(start)) return (JSON.parse(line.toString()) as { custom_id?: string }).custom_id ?? null;
  return head.slice(start.length, head.indexOf('"', start.length));
}

/** A row that was not sent. */
export function toSkipped(entry: InvalidEntry): WalkedRow {
  return {
    seq: entry.seq,
    entry,
    state: 'invalid',
    lane: null,
    resultLine: null,
    wireId: null,
    errorType: `batchrun_${entry.problems[0]?.code ?? 'invalid'}`,
    errorMessage: entry.problems.map((problem) => problem.message).join('; '),
    attempts: 0,
    home: null,
    params: entry.params,
  };
}
