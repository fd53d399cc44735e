/**
 * What a walk over a run (walk.ts) says of each row.
 */
import type { ChunkRecord } from '../../domain/model.ts';
import { isSent } from '../../domain/lanes.ts';
import type { OutputLane, OutputRecord } from '../../domain/output-record.ts';
import type { RequestIndex, ResultIndex } from '../../domain/packed-index.ts';
import { decodeRowEntry, idJsonOf, type InvalidEntry, type RowEntry } from '../../domain/row-file.ts';
import type { WindowReader } from './windows.ts';

/**
 * What became of a row: its output record before its entry is parsed. `resultLine` may be a line of our own in the API's
 * shape, and is a slice: valid until the next row.
 */
export interface WalkedRow extends Omit<OutputRecord, 'customId' | 'columns'> {
  readonly entry: RowEntry;
  /** Its id as it stands in the row file, in JSON, where that lies at hand. A slice: valid until the next row. */
  readonly idJson: Buffer | null;
  /** Where its request lies; null for a skipped row. */
  readonly home: { readonly homeChunkNo: number; readonly homeIndex: number } | null;
  /** Of a skipped row: its params as far as they could be made. */
  readonly params: unknown;
}

/** A chunk that is being walked. Its files are open as long as it is: memory does not grow with the chunks. */
export interface Stream {
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

/** A row whose answer is a line of its chunk's own results. What is in its entry is parsed only for whoever asks. */
export class SucceededRow implements WalkedRow {
  readonly seq: number;
  readonly resultLine: Buffer;
  readonly state = 'succeeded';
  readonly errorType = null;
  readonly errorMessage = null;
  readonly params = undefined;
  readonly #stream: Stream;
  readonly #at: number;
  readonly #line: Buffer;
  #entry: RowEntry | undefined;

  constructor(stream: Stream, at: number, line: Buffer, resultLine: Buffer) {
    this.seq = stream.index.seqs[at] ?? 0;
    this.resultLine = resultLine;
    this.#stream = stream;
    this.#at = at;
    this.#line = line;
  }

  get entry(): RowEntry {
    return (this.#entry ??= decodeRowEntry(this.#line.toString(), this.#stream.rowsPath));
  }

  get lane(): OutputLane {
    return isSent(this.#stream.chunk) ? 'batch' : 'copy';
  }

  get attempts(): number {
    return isSent(this.#stream.chunk) ? 1 : 0;
  }

  get idJson(): Buffer | null {
    return idJsonOf(this.#line);
  }

  get wireId(): string {
    const { wirePrefix } = this.#stream;
    return wirePrefix === null ? this.entry.id : `${wirePrefix}${this.#at}`;
  }

  get home(): WalkedRow['home'] {
    return { homeChunkNo: this.#stream.chunk.chunkNo, homeIndex: this.#at };
  }
}

/** A row that was not sent. */
export function toSkipped(entry: InvalidEntry): WalkedRow {
  return {
    seq: entry.seq,
    entry,
    idJson: null,
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
