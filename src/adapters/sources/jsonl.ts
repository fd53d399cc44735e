/**
 * JSON Lines: one record a line, as fast as the engine's own JSON.parse allows.
 *
 * Lines are cut from the chunks as bytes; a chunk is checked for UTF-8 in one native call and its lines are
 * decoded once. One broken line is one problem and the next line is read as if nothing had been. A line above the
 * bound is never held: its bytes are dropped as they come. Blank lines are skipped and still counted.
 */
import { isAscii, isUtf8 } from 'node:buffer';
import { formatBytes } from '../../base/units.ts';
import { jsonComplaint } from '../../domain/json-place.ts';
import type { RowProblem, SourceRecord } from '../../domain/source.ts';
import { firstInvalidByte } from './utf8.ts';

const LF = 10;

export interface ReadOptions {
  /** Index into the list of inputs. */
  readonly file: number;
  /** One record may have so many bytes. */
  readonly recordBytesMax: number;
}

export async function* readJsonLines(
  chunks: AsyncIterable<Buffer>,
  options: ReadOptions,
): AsyncGenerator<Iterable<SourceRecord>, void, undefined> {
  const reader = new LineReader(options);
  for await (const chunk of chunks) yield reader.push(chunk);
  yield reader.end();
}

/** What is known of the text of the lines being read. */
type TextKind = 'ascii' | 'utf8' | 'unknown';

class LineReader {
  readonly #file: number;
  readonly #recordBytesMax: number;
  /** The number of the line that begins at the next byte after what is held. */
  #line = 1;
  /** The beginning of a line whose end has not come yet. */
  #held: Buffer[] = [];
  #heldBytes = 0;
  /** The line under way is above the bound: only its end matters. */
  #dropping = false;

  constructor(options: ReadOptions) {
    this.#file = options.file;
    this.#recordBytesMax = options.recordBytesMax;
  }

  /** Lines are parsed as they are taken: what is parsed dies young, and the garbage collector has little to move. */
  *push(chunk: Buffer): Generator<SourceRecord> {
    let start = 0;
    if (this.#heldBytes > 0 || this.#dropping) {
      const end = chunk.indexOf(LF);
      if (end < 0) {
        this.#hold(chunk);
        return;
      }
      this.#hold(chunk.subarray(0, end));
      const record = this.#finishHeld();
      if (record) yield record;
      start = end + 1;
    }
    const stop = chunk.lastIndexOf(LF) + 1;
    if (stop > start) yield* this.#readLines(chunk.subarray(start, stop));
    this.#hold(chunk.subarray(Math.max(start, stop)));
  }

  /** The last line needs no line break. */
  *end(): Generator<SourceRecord> {
    if (this.#heldBytes === 0 && !this.#dropping) return;
    const record = this.#finishHeld();
    if (record) yield record;
  }

  #hold(part: Buffer): void {
    if (part.length === 0 || this.#dropping) return;
    // A copy: the memory of a chunk is used again.
    this.#held.push(Buffer.from(part));
    this.#heldBytes += part.length;
    // The carriage return of a line end is not counted against the line.
    if (this.#heldBytes <= this.#recordBytesMax + 1) return;
    this.#dropping = true;
    this.#held = [];
    this.#heldBytes = 0;
  }

  #finishHeld(): SourceRecord | undefined {
    const record = this.#dropping ? this.#problem(tooLong(this.#recordBytesMax)) : this.#readHeld();
    this.#held = [];
    this.#heldBytes = 0;
    this.#dropping = false;
    this.#line++;
    return record;
  }

  /** A line may have hundreds of megabytes: its pieces, its bytes and its text must not all be alive at once. */
  #readHeld(): SourceRecord | undefined {
    const text = this.#heldText();
    if (typeof text !== 'string') return text;
    return this.#parse(text, false);
  }

  #heldText(): string | SourceRecord | undefined {
    const bytes = Buffer.concat(this.#held);
    this.#held = [];
    return this.#textOf(bytes, 0, bytes.length, 'unknown');
  }

  /** Lines that are all there, each with its line break. */
  *#readLines(bytes: Buffer): Generator<SourceRecord> {
    // One native look at all of them, where most inputs have nothing to be looked at line by line.
    const kind = isAscii(bytes) ? 'ascii' : isUtf8(bytes) ? 'utf8' : 'unknown';
    for (let start = 0; start < bytes.length; this.#line++) {
      const end = bytes.indexOf(LF, start);
      const record = this.#readLine(bytes, start, end, kind);
      if (record) yield record;
      start = end + 1;
    }
  }

  #readLine(bytes: Buffer, start: number, end: number, kind: TextKind): SourceRecord | undefined {
    const text = this.#textOf(bytes, start, end, kind);
    // Without a backslash no string has anything escaped in it, and so nothing that would have to be.
    return typeof text === 'string' ? this.#parse(text, kind === 'ascii' && !text.includes('\\')) : text;
  }

  /** The text of a line, or what is wrong with it; nothing for an empty one. */
  #textOf(bytes: Buffer, start: number, end: number, kind: TextKind): string | SourceRecord | undefined {
    if (end === start) return undefined;
    if (end - start > this.#recordBytesMax) return this.#problem(tooLong(this.#recordBytesMax));
    if (kind === 'unknown' && !isUtf8(bytes.subarray(start, end))) {
      return this.#problem(notUtf8(firstInvalidByte(bytes, start, end) - start, 'line'));
    }
    return bytes.toString(kind === 'ascii' ? 'latin1' : 'utf8', start, end);
  }

  #parse(text: string, plain: boolean): SourceRecord | undefined {
    try {
      const value: unknown = JSON.parse(text);
      return { file: this.#file, line: this.#line, value, plain };
    } catch (error) {
      if (text.trim() === '') return undefined;
      return this.#problem({ code: 'json', message: `not valid JSON: ${jsonComplaint(error)}` });
    }
  }

  #problem(problem: RowProblem): SourceRecord {
    return { file: this.#file, line: this.#line, value: undefined, problem };
  }
}

export function tooLong(bytesMax: number): RowProblem {
  return { code: 'too_long', message: `the record is longer than ${formatBytes(bytesMax)}, the most that is read` };
}

export function notUtf8(byte: number, of: string): RowProblem {
  return { code: 'utf8', message: `not valid UTF-8 at byte ${byte} of the ${of}: save the file as UTF-8` };
}
