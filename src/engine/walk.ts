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
import { WindowCache, WindowReader } from './windows.ts';

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

/** Result files of retries, and of chunks of retries, that are open at once. */
const RETRY_FILES_MAX = 4;

/** A chunk that is being walked. Its files are open as long as it is: memory does not grow with the chunks. */
interface Stream {
  readonly chunk: ChunkRecord;
  readonly index: RequestIndex;
  readonly outcomes: Uint8Array | null;
  readonly results: ResultIndex | null;
  readonly rowsPath: string;
  readonly rows: WindowReader;
  /** Opened for the first answer that lies there. */
  answers: WindowReader | null;
  /** Its wire ids up to the number of the row; null where its batch was adopted, with ids of the user's own. */
  readonly wirePrefix: string | null;
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
    for (let next = await walk.next(); next !== null; next = await walk.next()) yield next;
  } finally {
    await walk.close();
  }
}

class Walk {
  readonly #scope: WalkScope;
  readonly #run: RunRecord;
  readonly #tag: string;
  readonly #only: ReadonlySet<number> | undefined;
  readonly #retryFiles: WindowCache;
  readonly #records: RecordCursor;
  readonly #skipped: AsyncGenerator<InvalidEntry, undefined>;
  readonly #open: Stream[] = [];
  #upcoming: ChunkRecord[] | undefined;
  #nextSkipped: InvalidEntry | undefined;

  constructor(scope: WalkScope, run: RunRecord, only: ReadonlySet<number> | undefined) {
    this.#scope = scope;
    this.#run = run;
    this.#tag = tagOf(run.id);
    this.#only = only;
    this.#retryFiles = new WindowCache(scope.files, RETRY_FILES_MAX);
    this.#records = new RecordCursor(scope.store, run.id);
    this.#skipped = only ? noRows() : skippedRows(scope, run);
  }

  async close(): Promise<void> {
    for (const stream of this.#open.splice(0)) await closeStream(stream);
    await this.#retryFiles.close();
    await this.#skipped.return(undefined);
  }

  /** The next row in the order of the input; null at the end. */
  async next(): Promise<WalkedRow | null> {
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
      await closeStream(first);
    }
  }

  async #begin(): Promise<void> {
    this.#upcoming = (await this.#scope.store.chunks(this.#run.id, { kind: 'input' }))
      .filter((chunk) => chunk.state !== 'split' && (this.#only?.has(chunk.chunkNo) ?? true))
      .sort((a, b) => a.firstSeq - b.firstSeq);
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
    return {
      chunk,
      index: decodeRequestIndex(blobs.requests),
      outcomes: blobs.outcomes,
      results: blobs.results === null ? null : decodeResultIndex(blobs.results),
      rowsPath,
      rows: await WindowReader.open(files, rowsPath),
      answers: null,
      wirePrefix: chunk.wire === 'own' ? null : wireId(this.#tag, chunk.chunkNo, 0).slice(0, -1),
      at: 0,
    };
  }

  async #row(stream: Stream, at: number): Promise<WalkedRow> {
    const { chunk, index, outcomes, results, wirePrefix } = stream;
    const seq = index.seqs[at] ?? 0;
    const entryBytes = stream.rows.read(index.rowOffsets[at] ?? 0, index.rowBytes[at] ?? 0);
    // Nearly always it is in the window already: a turn of the loop for each row would cost more than the rest.
    const entryText = (entryBytes instanceof Promise ? await entryBytes : entryBytes).toString();
    const entry = decodeRowEntry(entryText, stream.rowsPath);
    const home = { homeChunkNo: chunk.chunkNo, homeIndex: at };
    const outcome = (outcomes?.[at] ?? OUTCOME.pending) & 15;
    const length = results?.lengths[at] ?? 0;
    if (outcome === OUTCOME.succeeded && results && length > 0) {
      stream.answers ??= await WindowReader.open(this.#scope.files, paths.results(this.#run.id, chunk.chunkNo));
      const line = stream.answers.read(results.offsets[at] ?? 0, length);
      // Written out: an object that begins with a spread costs ten microseconds here.
      return {
        seq,
        entry,
        state: 'succeeded',
        lane: 'batch',
        resultLine: line instanceof Promise ? await line : line,
        wireId: wirePrefix === null ? entry.id : `${wirePrefix}${at}`,
        errorType: null,
        errorMessage: null,
        attempts: 1,
        home,
        params: undefined,
      };
    }
    const base = { seq, entry, home, params: undefined };
    const record = await this.#records.at(seq);
    if (record) return { ...base, ...(await this.#fromRecord(record, wirePrefix === null ? entry.id : null)) };
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
    const resultLine = await (await this.#retryFiles.get(path)).read(result.offset, result.length);
    const lane = realtime ? 'realtime' : 'batch';
    const id = this.#checked(record, { chunkNo: result.chunkNo, id: idIn(resultLine), ownId });
    return { state, attempts, lane, resultLine, wireId: id, errorType, errorMessage: null };
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

async function closeStream({ rows, answers }: Stream): Promise<void> {
  await rows.close();
  await answers?.close();
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
