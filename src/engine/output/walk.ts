/**
 * Walks the rows of a run in input order and says of each what became of it: from the outcome bytes of its chunk, from
 * its own record where it has one, or from the list of skipped rows. Reads the ledger and the files, changes nothing,
 * and works on a run that is not finished as well.
 *
 * Chunks are walked side by side where their rows lie between each other (rows with different betas): a merge by seq.
 */
import { BatchrunError } from '../../base/errors.ts';
import { describeLocalError } from '../../domain/local-errors.ts';
import { paths, tagOf } from '../../domain/ids.ts';
import { isSent } from '../../domain/lanes.ts';
import type { ChunkRecord, Lane, RowRecord, RunRecord } from '../../domain/model.ts';
import { decodeRequestIndex, decodeResultIndex, OUTCOME } from '../../domain/packed-index.ts';
import type { Files } from '../../domain/ports.ts';
import { wireId } from '../../domain/result-line.ts';
import { decodeRowEntry, type InvalidEntry } from '../../domain/row-file.ts';
import type { Store } from '../../domain/store.ts';
import { hasDeviant, publicErrorType, SCHEMA_ERROR } from '../../domain/schema-error.ts';
import { rowStateOfChunk } from '../../domain/transitions.ts';
import { REALTIME_CHUNK_NO } from '../realtime/realtime.ts';
import { noRows, RecordCursor, skippedRows } from './walk-sources.ts';
import { SucceededRow, toSkipped, type Stream, type WalkedRow } from './walked-row.ts';
import { WindowCache, WindowReader } from './windows.ts';

export interface WalkScope {
  readonly store: Pick<Store, 'chunks' | 'chunkIndex' | 'rowRecords'>;
  readonly files: Files;
}

/** Result files of retries, and of chunks of retries, that are open at once. */
const RETRY_FILES_MAX = 4;

/** All rows, or with `only` the rows of these input chunks (and no skipped ones). */
export async function* walkRows(
  scope: WalkScope,
  run: RunRecord,
  only?: ReadonlySet<number>,
): AsyncGenerator<WalkedRow> {
  const walk = new Walk(scope, run, only);
  try {
    for (let next = await walk.next(); next !== null; next = await walk.next()) yield next;
  } finally {
    await walk.close();
  }
}

/** To be closed. */
export class Walk {
  readonly #scope: WalkScope;
  readonly #run: RunRecord;
  readonly #tag: string;
  readonly #only: ReadonlySet<number> | undefined;
  readonly #retryFiles: WindowCache;
  readonly #records: RecordCursor;
  readonly #skipped: AsyncGenerator<InvalidEntry, undefined>;
  readonly #open: Stream[] = [];
  /** Of the chunk that was closed last. */
  readonly #memory: { rows: Buffer | undefined; answers: Buffer | undefined } = { rows: undefined, answers: undefined };
  #upcoming: ChunkRecord[] | undefined;
  #nextSkipped: InvalidEntry | undefined;

  constructor(scope: WalkScope, run: RunRecord, only?: ReadonlySet<number>) {
    this.#scope = scope;
    this.#run = run;
    this.#tag = tagOf(run.id);
    this.#only = only;
    this.#retryFiles = new WindowCache(scope.files, RETRY_FILES_MAX);
    this.#records = new RecordCursor(scope.store, run.id);
    this.#skipped = only ? noRows() : skippedRows(scope, run);
  }

  async close(): Promise<void> {
    for (const stream of this.#open.splice(0)) await this.#closeStream(stream);
    await this.#retryFiles.close();
    await this.#skipped.return(undefined);
  }

  /**
   * The next row in the order of the input; null at the end. A promise only where something has to be read: a turn of
   * the loop for each row would cost more than the rest.
   */
  next(): WalkedRow | null | Promise<WalkedRow | null> {
    const [first] = this.#open;
    // Nearly always one chunk is open, and the next row of all is its next one.
    if (first && this.#open.length === 1 && first.at < first.index.rowCount) {
      const seq = seqOf(first);
      const upcoming = this.#upcoming?.[0];
      if (!(upcoming && upcoming.firstSeq < seq) && !(this.#nextSkipped && this.#nextSkipped.seq < seq)) {
        return this.#row(first, first.at++);
      }
    }
    return this.#nextOfMany();
  }

  async #nextOfMany(): Promise<WalkedRow | null> {
    if (this.#upcoming === undefined) await this.#begin();
    for (;;) {
      const first = earliest(this.#open);
      const firstSeq = first ? seqOf(first) : Infinity;
      const upcoming = this.#upcoming?.[0];
      if (upcoming && upcoming.firstSeq < firstSeq) {
        this.#upcoming?.shift();
        this.#open.push(await this.#openStream(upcoming));
        continue;
      }
      const skipped = this.#nextSkipped;
      if (skipped !== undefined && skipped.seq < firstSeq) {
        await this.#readSkipped();
        return toSkipped(skipped);
      }
      if (!first) return null;
      if (first.at < first.index.rowCount) return this.#row(first, first.at++);
      this.#open.splice(this.#open.indexOf(first), 1);
      await this.#closeStream(first);
    }
  }

  async #begin(): Promise<void> {
    this.#upcoming = (await this.#scope.store.chunks(this.#run.id, { kind: 'input' }))
      .filter((chunk) => chunk.state !== 'split' && (this.#only?.has(chunk.chunkNo) ?? true))
      .sort((a, b) => a.firstSeq - b.firstSeq);
    // Of a run with a million failures not all are read for the rows of one chunk.
    this.#records.skipTo(this.#upcoming[0]?.firstSeq ?? 0);
    await this.#readSkipped();
  }

  async #readSkipped(): Promise<void> {
    const next = await this.#skipped.next();
    this.#nextSkipped = next.done === true ? undefined : next.value;
  }

  async #openStream(chunk: ChunkRecord): Promise<Stream> {
    const { store, files } = this.#scope;
    const blobs = await store.chunkIndex(this.#run.id, chunk.chunkNo);
    const rowsPath = paths.rows(this.#run.id, chunk.chunkNo);
    const rows = await WindowReader.open(files, rowsPath, this.#memory.rows);
    this.#memory.rows = undefined;
    return {
      chunk,
      index: decodeRequestIndex(blobs.requests),
      outcomes: blobs.outcomes,
      results: blobs.results === null ? null : decodeResultIndex(blobs.results),
      rowsPath,
      rows,
      answers: null,
      wirePrefix: chunk.wire === 'own' ? null : wireId(this.#tag, chunk.chunkNo, 0).slice(0, -1),
      at: 0,
    };
  }

  /** The next chunk is read into the same memory: that of many would be more than all the rest. */
  async #closeStream({ rows, answers }: Stream): Promise<void> {
    this.#memory.rows = await rows.close();
    if (answers) this.#memory.answers = await answers.close();
  }

  #row(stream: Stream, at: number): WalkedRow | Promise<WalkedRow> {
    const { index, results } = stream;
    const line = stream.rows.read(index.rowOffsets[at] ?? 0, index.rowBytes[at] ?? 0);
    // Whoever it is handed to may have to wait for something else before: then nobody would meet its error.
    if (line instanceof Promise) line.catch(() => undefined);
    const length = results?.lengths[at] ?? 0;
    const succeeded = ((stream.outcomes?.[at] ?? OUTCOME.pending) & 15) === OUTCOME.succeeded;
    if (!succeeded || length === 0) return this.#rowOfItsOwn(stream, at, line);
    const answer = stream.answers?.read(results?.offsets[at] ?? 0, length);
    if (!answer || answer instanceof Promise || line instanceof Promise) return this.#loaded(stream, at, line, answer);
    return new SucceededRow(stream, at, line, answer);
  }

  /** The same, once its lines are read. */
  async #loaded(
    stream: Stream,
    at: number,
    line: Buffer | Promise<Buffer>,
    answer: Buffer | Promise<Buffer> | undefined,
  ): Promise<WalkedRow> {
    stream.answers ??= await WindowReader.open(
      this.#scope.files,
      paths.results(this.#run.id, stream.chunk.chunkNo),
      this.#memory.answers,
    );
    this.#memory.answers = undefined;
    const offset = stream.results?.offsets[at] ?? 0;
    const read = answer ?? stream.answers.read(offset, stream.results?.lengths[at] ?? 0);
    const [entry, result] = await Promise.all([Promise.resolve(line), Promise.resolve(read)]);
    return new SucceededRow(stream, at, entry, result);
  }

  /** A row that has a record, or nothing yet. */
  async #rowOfItsOwn(stream: Stream, at: number, line: Buffer | Promise<Buffer>): Promise<WalkedRow> {
    const { chunk, index, wirePrefix } = stream;
    const seq = index.seqs[at] ?? 0;
    const entry = decodeRowEntry((await line).toString(), stream.rowsPath);
    const home = { homeChunkNo: chunk.chunkNo, homeIndex: at };
    const base = { seq, entry, idJson: null, home, params: undefined };
    const record = await this.#records.at(seq);
    if (record) {
      const more = await this.#fromRecord(record, wirePrefix === null ? entry.id : null);
      return { ...base, ...more, ...(isSent(chunk) || more.lane === null ? {} : { lane: 'copy' }) };
    }
    const state = rowStateOfChunk(chunk.state) ?? 'canceled';
    const errorType = state === 'canceled' ? 'batchrun_canceled' : null;
    const errorMessage = errorType === null ? null : describeLocalError(errorType);
    return { ...base, state, lane: null, resultLine: null, wireId: null, errorType, errorMessage, attempts: 0 };
  }

  /** `ownId` is the custom_id of the row in its first batch where that was adopted. */
  async #fromRecord(
    record: RowRecord,
    ownId: string | null,
  ): Promise<Omit<WalkedRow, 'seq' | 'entry' | 'idJson' | 'home' | 'params'>> {
    const { state, attempts, result } = record;
    const settled = state !== 'retry' && state !== 'in_realtime' && state !== 'waiting';
    const errorType = state === 'succeeded' ? null : record.errorType;
    if (!result || !settled) {
      const errorMessage = errorType === null ? null : describeLocalError(errorType);
      const type = publicErrorType(errorType);
      return { state, attempts, lane: null, resultLine: null, wireId: null, errorType: type, errorMessage };
    }
    const realtime = result.chunkNo === REALTIME_CHUNK_NO;
    const path = realtime ? paths.realtime(this.#run.id) : paths.results(this.#run.id, result.chunkNo);
    const resultLine = await (await this.#retryFiles.get(path)).read(result.offset, result.length);
    const lane: Lane = realtime ? 'realtime' : 'batch';
    const id = this.#checked(record, { chunkNo: result.chunkNo, id: idIn(resultLine), ownId });
    const base = { state, attempts, lane, resultLine, wireId: id };
    // Its line is an answer, which does not say what is wrong with it.
    if (hasDeviant({ errorType, result }))
      return { ...base, errorType: SCHEMA_ERROR, errorMessage: describeLocalError(errorType ?? '') };
    return { ...base, errorType, errorMessage: null };
  }

  /** A damaged file must never give a row the answer of another one. */
  #checked(
    record: RowRecord,
    { chunkNo, id, ownId }: { readonly chunkNo: number; readonly id: string | null; readonly ownId: string | null },
  ): string {
    const tag = this.#tag;
    if (ownId !== null && id === ownId && chunkNo === record.homeChunkNo) return ownId;
    const index = chunkNo === REALTIME_CHUNK_NO ? record.seq : chunkNo === record.homeChunkNo ? record.homeIndex : null;
    const belongs = index === null ? id?.startsWith(`${tag}-${chunkNo}-`) === true : id === wireId(tag, chunkNo, index);
    if (belongs && id !== null) return id;
    throw new BatchrunError('E_STATE_CORRUPT', `the result line of row ${record.seq} is not what its index says`);
  }
}

function earliest(open: readonly Stream[]): Stream | undefined {
  let first = open[0];
  // Almost always there is one; with many sets of betas, a few.
  for (const stream of open) if (first && seqOf(stream) < seqOf(first)) first = stream;
  return first;
}

/** Of a chunk without more rows -1: it is the first to be looked at, and closed. */
function seqOf(stream: Stream): number {
  return stream.index.seqs[stream.at] ?? -1;
}

/** The custom_id of a result line: the API and we ourselves write it first. */
function idIn(line: Buffer): string | null {
  const start = '{"custom_id":"';
  const head = line.subarray(0, 128).toString('latin1');
  if (!head.startsWith(start)) return (JSON.parse(line.toString()) as { custom_id?: string }).custom_id ?? null;
  return head.slice(start.length, head.indexOf('"', start.length));
}
