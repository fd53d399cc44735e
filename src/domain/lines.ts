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
const NOTHING = Buffer.alloc(0);

/** Looks at a line: the bytes [start, end) of `source`, which begin at `offset` in the stream. True: that is enough. */
export type LineVisit = (source: Buffer, start: number, end: number, offset: number) => boolean;

export class LineSplitter {
  readonly #options: LineOptions;
  #rest: Buffer[] = [];
  #restBytes = 0;
  #offset = 0;

  constructor(options: LineOptions) {
    this.#options = options;
  }

  /** Visits the lines that end in this piece; what is kept of the last one is a copy. True where a visit had enough. */
  visit(piece: Buffer, visit: LineVisit): boolean {
    let start = 0;
    for (let end = piece.indexOf(LINE_FEED); end >= 0; end = piece.indexOf(LINE_FEED, start)) {
      if (
        this.#restBytes > 0
          ? this.#visitJoined(piece.subarray(start, end), visit)
          : visit(piece, start, end, this.#offset)
      )
        return true;
      this.#offset += end - start + 1;
      start = end + 1;
    }
    if (start === piece.length) return false;
    this.#rest.push(Buffer.from(piece.subarray(start)));
    this.#restBytes += piece.length - start;
    if (this.#restBytes > this.#options.lineBytesMax) this.#options.tooLong(this.#restBytes);
    return false;
  }

  /** Visits the last line, where it has no line feed. */
  visitRest(visit: LineVisit): void {
    if (this.#restBytes > 0) this.#visitJoined(NOTHING, visit);
  }

  #visitJoined(last: Buffer, visit: LineVisit): boolean {
    const bytes = Buffer.concat([...this.#rest, last]);
    const enough = visit(bytes, 0, bytes.length, this.#offset);
    this.#offset += this.#restBytes;
    this.#rest = [];
    this.#restBytes = 0;
    return enough;
  }
}

/** All lines of a stream of pieces. */
export async function* linesOf(pieces: AsyncIterable<Buffer>, options: LineOptions): AsyncGenerator<Line> {
  const splitter = new LineSplitter(options);
  let lines: Line[] = [];
  let whole = true;
  const gather: LineVisit = (source, start, end, offset) => {
    lines.push({ bytes: source.subarray(start, end), offset, whole });
    return false;
  };
  for await (const piece of pieces) {
    splitter.visit(piece, gather);
    yield* lines;
    lines = [];
  }
  whole = false;
  splitter.visitRest(gather);
  yield* lines;
}
