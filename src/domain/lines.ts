/**
 * Lines out of pieces of bytes: for our own row files and for the API's result files. A line is handed on as a slice
 * of the piece it lies in, and copied only when it reaches over the end of one.
 */

export interface LineOptions {
  /** A longer line ends the reading: `tooLong` is called with the bytes seen so far, and must throw. */
  readonly lineBytesMax: number;
  readonly tooLong: (bytes: number) => never;
}

export interface Line {
  /** Without its line feed. */
  readonly bytes: Buffer;
  /** Where it begins in the stream. */
  readonly offset: number;
  /** False for a last line without a line feed. */
  readonly whole: boolean;
}

const LINE_FEED = 10;

export class LineSplitter {
  readonly #options: LineOptions;
  #rest: Buffer[] = [];
  #restBytes = 0;
  #offset = 0;

  constructor(options: LineOptions) {
    this.#options = options;
  }

  /** The lines that end in this piece. */
  *push(piece: Buffer): Generator<Line> {
    let start = 0;
    for (let end = piece.indexOf(LINE_FEED); end >= 0; end = piece.indexOf(LINE_FEED, start)) {
      yield this.#line(piece.subarray(start, end), true);
      start = end + 1;
    }
    if (start < piece.length) {
      this.#rest.push(piece.subarray(start));
      this.#restBytes += piece.length - start;
      if (this.#restBytes > this.#options.lineBytesMax) this.#options.tooLong(this.#restBytes);
    }
  }

  /** Copies what is kept of a line that goes on: the memory of the pieces is used again. */
  keep(): void {
    const last = this.#rest.at(-1);
    if (last) this.#rest[this.#rest.length - 1] = Buffer.from(last);
  }

  /** The last line, where it has no line feed. */
  *end(): Generator<Line> {
    if (this.#restBytes > 0) yield this.#line(Buffer.alloc(0), false);
  }

  #line(last: Buffer, whole: boolean): Line {
    const bytes = this.#rest.length === 0 ? last : Buffer.concat([...this.#rest, last]);
    const offset = this.#offset;
    this.#rest = [];
    this.#restBytes = 0;
    this.#offset += bytes.length + (whole ? 1 : 0);
    return { bytes, offset, whole };
  }
}

/** All lines of a stream of pieces. */
export async function* linesOf(pieces: AsyncIterable<Buffer>, options: LineOptions): AsyncGenerator<Line> {
  const splitter = new LineSplitter(options);
  for await (const piece of pieces) yield* splitter.push(piece);
  yield* splitter.end();
}
