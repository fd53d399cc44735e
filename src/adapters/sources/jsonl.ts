/**
 * JSON Lines: one record a line, as fast as the engine's own JSON.parse allows.
 *
 * Lines are cut from the chunks as bytes; a chunk is checked for UTF-8 in one native call and its lines are
 * decoded once. One broken line is one problem and the next line is read as if nothing had been. A line above the
 * bound is never held: its bytes are dropped as they come. Blank lines are skipped and still counted.
 */
import { isAscii, isUtf8 } from 'node:buffer';
import { messageOf } from '../../base/errors.ts';
import { formatBytes } from '../../base/units.ts';
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
): AsyncGenerator<readonly SourceRecord[], void, undefined> {
  const reader = new LineReader(options);
  for await (const chunk of chunks) {
    const records = reader.push(chunk);
    if (records.length > 0) yield records;
  }
  const last = reader.end();
  if (last.length > 0) yield last;
}

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
  #records: SourceRecord[] = [];

  constructor(options: ReadOptions) {
    this.#file = options.file;
    this.#recordBytesMax = options.recordBytesMax;
  }

  push(chunk: Buffer): readonly SourceRecord[] {
    this.#records = [];
    let start = 0;
    if (this.#heldBytes > 0 || this.#dropping) {
      const end = chunk.indexOf(LF);
      if (end < 0) {
        this.#hold(chunk);
        return this.#records;
      }
      this.#hold(chunk.subarray(0, end));
      this.#finishHeld();
      start = end + 1;
    }
    const stop = chunk.lastIndexOf(LF) + 1;
    if (stop > start) this.#readLines(chunk.subarray(start, stop));
    this.#hold(chunk.subarray(Math.max(start, stop)));
    return this.#records;
  }

  /** The last line needs no line break. */
  end(): readonly SourceRecord[] {
    this.#records = [];
    if (this.#heldBytes > 0 || this.#dropping) this.#finishHeld();
    return this.#records;
  }

  #hold(part: Buffer): void {
    if (part.length === 0 || this.#dropping) return;
    this.#held.push(part);
    this.#heldBytes += part.length;
    // The carriage return of a line end is not counted against the line.
    if (this.#heldBytes <= this.#recordBytesMax + 1) return;
    this.#dropping = true;
    this.#held = [];
    this.#heldBytes = 0;
  }

  #finishHeld(): void {
    const dropped = this.#dropping;
    const [only] = this.#held;
    const line = this.#held.length === 1 && only ? only : Buffer.concat(this.#held);
    this.#held = [];
    this.#heldBytes = 0;
    this.#dropping = false;
    if (dropped) this.#problem(tooLong(this.#recordBytesMax));
    else this.#readBytes(line, 0, line.length);
    this.#line++;
  }

  /** Lines that are all there, each with its line break. */
  #readLines(bytes: Buffer): void {
    if (!isAscii(bytes)) {
      for (let start = 0; start < bytes.length; this.#line++) {
        const end = bytes.indexOf(LF, start);
        this.#readBytes(bytes, start, end);
        start = end + 1;
      }
      return;
    }
    const text = bytes.toString('latin1');
    for (let start = 0; start < text.length; this.#line++) {
      const end = text.indexOf('\n', start);
      if (end - start > this.#recordBytesMax) this.#problem(tooLong(this.#recordBytesMax));
      else if (end > start) this.#parse(text.slice(start, end));
      start = end + 1;
    }
  }

  #readBytes(bytes: Buffer, start: number, end: number): void {
    if (end === start) return;
    if (end - start > this.#recordBytesMax) {
      this.#problem(tooLong(this.#recordBytesMax));
    } else if (isUtf8(bytes.subarray(start, end))) {
      this.#parse(bytes.toString('utf8', start, end));
    } else {
      this.#problem(notUtf8(firstInvalidByte(bytes, start, end) - start, 'line'));
    }
  }

  #parse(text: string): void {
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch (error) {
      if (text.trim() !== '') this.#problem({ code: 'json', message: `not valid JSON: ${jsonComplaint(error)}` });
      return;
    }
    this.#records.push({ file: this.#file, line: this.#line, value });
  }

  #problem(problem: RowProblem): void {
    this.#records.push({ file: this.#file, line: this.#line, value: undefined, problem });
  }
}

export function tooLong(bytesMax: number): RowProblem {
  return { code: 'too_long', message: `the record is longer than ${formatBytes(bytesMax)}, the most that is read` };
}

export function notUtf8(byte: number, of: string): RowProblem {
  return { code: 'utf8', message: `not valid UTF-8 at byte ${byte} of the ${of}: save the file as UTF-8` };
}

/** What the engine says, without the piece of the row that it quotes: prompts stay private. */
export function jsonComplaint(error: unknown): string {
  const message = messageOf(error);
  const token = /^Unexpected token '[\s\S]{1,2}'/.exec(message);
  if (token) return token[0];
  if (message.endsWith('is not valid JSON')) return 'this is no JSON value';
  return message.replace(/ in JSON at position (\d+).*$/s, ' at character $1').slice(0, 120);
}
