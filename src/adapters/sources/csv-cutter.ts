/**
 * Cuts bytes into rows at their line ends; in a CSV, line ends inside quoted cells do not count. A quote counts only where
 * a cell begins, so that a stray one (5" pipe) does not swallow the rest of the file.
 */

const LF = 10;
const QUOTE = 34;

export interface CutterOptions {
  readonly lineByte: 10 | 13;
  /** Of a CSV; null where there are no quotes to look at. */
  readonly delimiter: number | null;
  readonly rowBytesMax: number;
  /** Must throw; called with the line on which the row begins. */
  readonly tooLong: (line: number) => never;
}

export class CsvCutter {
  readonly #options: CutterOptions;
  #held: Buffer[] = [];
  #heldBytes = 0;
  #inQuotes = false;
  /** The chunk ended with a quote in a quoted cell: what follows says whether the cell ended. */
  #quoteOpen = false;
  /** The last byte of what is held: a quote behind a delimiter begins a cell. */
  #lastByte = -1;
  #line = 1;
  #rowLine = 1;

  constructor(options: CutterOptions) {
    this.#options = options;
  }

  /** The rows that end in this chunk, without their line ends. Slices of it, or copies where a row began earlier. */
  push(chunk: Buffer): Buffer[] {
    const rows: Buffer[] = [];
    let start = 0;
    for (let at = 0; at <= chunk.length;) {
      const end = this.#rowEnd(chunk, at, start);
      if (end < 0) break;
      this.#finish(chunk.subarray(start, end), rows);
      start = end + 1;
      at = start;
    }
    this.#hold(chunk.subarray(start));
    return rows;
  }

  /** The last row needs no line end. */
  end(): Buffer[] {
    const rows: Buffer[] = [];
    if (this.#heldBytes > 0) this.#finish(Buffer.alloc(0), rows);
    return rows;
  }

  /** All rows of bytes that are whole. */
  all(bytes: Buffer): Buffer[] {
    return [...this.push(bytes), ...this.end()];
  }

  /** The place of the line end that ends the row, or -1 where it is not in this chunk. */
  #rowEnd(chunk: Buffer, from: number, rowStart: number): number {
    const { lineByte, delimiter } = this.#options;
    let at = from;
    if (delimiter === null) return chunk.indexOf(lineByte, at);
    if (this.#quoteOpen && at < chunk.length) {
      this.#quoteOpen = false;
      if (chunk[at] === QUOTE) at++;
      else this.#inQuotes = false;
    }
    for (;;) {
      if (this.#inQuotes) {
        const quote = chunk.indexOf(QUOTE, at);
        if (quote < 0) return -1;
        if (quote === chunk.length - 1) {
          this.#quoteOpen = true;
          return -1;
        }
        if (chunk[quote + 1] === QUOTE) at = quote + 2;
        else {
          this.#inQuotes = false;
          at = quote + 1;
        }
        continue;
      }
      const end = chunk.indexOf(lineByte, at);
      const stop = end < 0 ? chunk.length : end;
      const quote = chunk.subarray(at, stop).indexOf(QUOTE);
      if (quote < 0) return end;
      at += quote;
      const before = at > rowStart ? chunk[at - 1] : this.#heldBytes > 0 ? this.#lastByte : delimiter;
      this.#inQuotes = before === delimiter;
      at++;
    }
  }

  #finish(last: Buffer, rows: Buffer[]): void {
    const row = this.#heldBytes === 0 ? last : Buffer.concat([...this.#held, last]);
    if (row.length > this.#options.rowBytesMax) this.#options.tooLong(this.#rowLine);
    if (!isBlank(row)) rows.push(row);
    this.#line += 1 + breaksIn(row, this.#options.lineByte);
    this.#rowLine = this.#line;
    this.#held = [];
    this.#heldBytes = 0;
    this.#inQuotes = false;
    this.#quoteOpen = false;
  }

  #hold(part: Buffer): void {
    if (part.length === 0) return;
    // A copy: the memory of a chunk is used again.
    this.#held.push(Buffer.from(part));
    this.#heldBytes += part.length;
    this.#lastByte = part[part.length - 1] ?? -1;
    if (this.#heldBytes > this.#options.rowBytesMax) this.#options.tooLong(this.#rowLine);
  }
}

/** Spaces, tabs and the carriage return of a line end. */
function isBlank(row: Buffer): boolean {
  for (const byte of row) if (byte !== 32 && byte !== 9 && byte !== 13 && byte !== LF) return false;
  return true;
}

function breaksIn(row: Buffer, lineByte: number): number {
  let count = 0;
  for (let at = row.indexOf(lineByte); at >= 0; at = row.indexOf(lineByte, at + 1)) count++;
  return count;
}
