/**
 * A JSON array of records, or a whole API body `{"requests":[…]}`: one element at a time in memory.
 *
 * Objects that lie whole in a chunk, which are almost all, are read at once (json-elements.ts). Everything else goes
 * through stream-json: the beginning and the end of the array, elements that go on in the next chunk, and what is not
 * as it should be. It is fed in pieces that end at line breaks, so that the line of each element is known. stream-json's
 * verifier sees each piece before its parser does: where the text is broken, it says the exact place, and every
 * element before it is still handed on. What follows a broken place cannot be told apart into elements any more:
 * it becomes one problem `unread`, which must never be skipped in silence.
 */
import { isAscii } from 'node:buffer';
import { Assembler } from 'stream-json/assembler.js';
import { jsonParser } from 'stream-json/core/parser.js';
import type { Token } from 'stream-json/core/parser.js';
import { jsonVerifier } from 'stream-json/core/utils/verifier.js';
import { BatchrunError, messageOf } from '../../base/errors.ts';
import { formatBytes } from '../../base/units.ts';
import type { RowProblem, SourceRecord } from '../../domain/source.ts';
import { CommaFinder, takeWholeObjects } from './json-elements.ts';
import type { ReadOptions } from './jsonl.ts';
import { Utf8Watch } from './utf8.ts';
import type { WatchedBytes } from './utf8.ts';

/** Bounds what is checked and parsed in one go, so that an element above its bound is noticed soon. */
const PIECE_CHARS = 64 * 1_024;
/** What stands in the text for a byte that is not UTF-8. */
const REPLACED = '\ufffd';
/** A UTF-16 unit takes three bytes at most. */
const UNIT_BYTES_MAX = 3;

export interface ArrayReadOptions extends ReadOptions {
  readonly name: string;
  /** The array is the value of `requests` in an object. */
  readonly wrapped: boolean;
}

export async function* readJsonArray(
  chunks: AsyncIterable<Buffer>,
  options: ArrayReadOptions,
): AsyncGenerator<readonly SourceRecord[], void, undefined> {
  const watch = new Utf8Watch();
  const reader = new ArrayReader(options);
  for await (const chunk of chunks) {
    const records = reader.push(watch.push(chunk));
    if (records.length > 0) yield records;
    if (reader.stopped) return;
  }
  const last = reader.end(watch.end());
  if (last.length > 0) yield last;
}

/** `after` is between the end of the array and the end of the object around it. */
type Place = 'before' | 'inside' | 'after' | 'closed';

class ArrayReader {
  readonly #options: ArrayReadOptions;
  readonly #verify = jsonVerifier({ jsonStreaming: false });
  readonly #parse = jsonParser({ packValues: true, streamValues: false, jsonStreaming: false });
  readonly #assembler = new Assembler();
  #place: Place = 'before';
  /** Tokens before the array: `{` and `requests` of the wrapping object. */
  #prefix = 0;
  #line = 1;
  #elements = 0;
  #chars = 0;
  #lineStartChars = 0;
  /** Of these characters stream-json has not seen any: objects that were read at once. */
  #unseenChars = 0;
  readonly #commas = new CommaFinder();
  /** The last thing was the comma after an element: here objects can be read at once. */
  #between = false;
  /** The element under way: its line (0: there is none), its bytes so far, whether some of them are not UTF-8. */
  #elementLine = 0;
  #elementBytes = 0;
  #elementInvalid = false;
  /** There is nothing but ASCII in the stretch that is read. */
  #ascii = false;
  #records: SourceRecord[] = [];
  stopped = false;

  constructor(options: ArrayReadOptions) {
    this.#options = options;
  }

  push(stretch: WatchedBytes): readonly SourceRecord[] {
    this.#records = [];
    const { bytes, offset } = stretch;
    this.#ascii = isAscii(bytes);
    let start = 0;
    for (const place of stretch.invalid) {
      const bad = place - offset;
      this.#read(bytes.toString('utf8', start, bad));
      start = bad + 1;
      if (this.#place === 'inside') this.#commas.next(REPLACED, 0, REPLACED.length);
      this.#feed(REPLACED, false);
    }
    this.#read(bytes.toString('utf8', start));
    return this.#records;
  }

  end(stretch: WatchedBytes): readonly SourceRecord[] {
    const records = this.push(stretch);
    const nothing = this.#place === 'before' && this.#prefix === 0;
    if (!this.stopped && this.#place !== 'closed' && !nothing) this.#stop('the file ends in the middle of the array');
    return records;
  }

  /** A text without bytes that are not UTF-8. */
  #read(text: string): void {
    for (let at = 0; at < text.length && !this.stopped;) {
      if (this.#between) at = this.#takeObjects(text, at);
      const end = this.#pieceEnd(text, at);
      this.#feed(copyOf(text.slice(at, end)), true);
      at = end;
    }
  }

  /** Up to the next line break, the bracket that may open the array, the comma after an element, or the most at once. */
  #pieceEnd(text: string, start: number): number {
    const lineEnd = text.indexOf('\n', start);
    const most = Math.min(lineEnd < 0 ? text.length : lineEnd + 1, start + PIECE_CHARS);
    if (this.#place === 'inside') return this.#commas.next(text, start, most);
    const bracket = text.slice(start, most).indexOf('[');
    return bracket < 0 ? most : start + bracket + 1;
  }

  /** Reads objects that lie whole in the text; gives the place where stream-json must go on. */
  #takeObjects(text: string, from: number): number {
    const { file, recordBytesMax } = this.#options;
    const base = this.#chars - from;
    let lineEnd = text.indexOf('\n', from);
    const countLines = (place: number): void => {
      for (; lineEnd >= 0 && lineEnd < place; lineEnd = text.indexOf('\n', lineEnd + 1)) {
        this.#line++;
        this.#lineStartChars = base + lineEnd + 1;
      }
    };
    const end = takeWholeObjects({
      text,
      at: from,
      charsMax: recordBytesMax / UNIT_BYTES_MAX,
      take: (value, source, begin) => {
        countLines(begin);
        const plain = this.#ascii && !source.includes('\\');
        this.#records.push({ file, line: this.#line, element: ++this.#elements, value, plain });
        this.#commas.count++;
      },
    });
    countLines(end);
    this.#chars += end - from;
    this.#unseenChars += end - from;
    return end;
  }

  #feed(text: string, valid: boolean): void {
    if (text === '' || this.stopped) return;
    const complaint = this.#complaint(text);
    this.#consume(complaint === undefined ? text : text.slice(0, Math.max(0, complaint.offset - this.#chars)));
    if (complaint !== undefined) {
      this.#stop(`${complaint.message} at character ${complaint.offset - this.#lineStartChars + 1}`);
      return;
    }
    this.#chars += text.length;
    if (this.#elementLine > 0) {
      if (!valid) this.#elementInvalid = true;
      this.#elementBytes += valid ? Buffer.byteLength(text) : 1;
      if (this.#elementBytes > this.#options.recordBytesMax) {
        this.#stop(`an element is longer than ${formatBytes(this.#options.recordBytesMax)}, the most that is read`);
      }
    }
    if (text.endsWith('\n')) {
      this.#line++;
      this.#lineStartChars = this.#chars;
    }
    // The parser may still wait for the end of a literal that is none: then it has fewer elements than there are commas.
    const { found, count } = this.#commas;
    this.#between = found && this.#place === 'inside' && this.#elementLine === 0 && this.#elements === count;
  }

  #complaint(text: string): { readonly message: string; readonly offset: number } | undefined {
    try {
      this.#verify(text);
      return undefined;
    } catch (error) {
      const seen = error instanceof Error && 'offset' in error ? Number(error.offset) : null;
      const offset = seen === null ? this.#chars : seen + this.#unseenChars;
      const message = messageOf(error)
        .replace(/^ERROR at .*?: /s, '')
        .replace(/^Verifier (cannot parse input: |has )?/, '');
      return { message: `not valid JSON: ${message}`, offset };
    }
  }

  #consume(text: string): void {
    if (text === '') return;
    for (const token of tokensOf(this.#parse(text))) {
      if (this.#place === 'inside') this.#element(token);
      else if (this.#place === 'before') this.#open(token);
      else if (token.name === 'endObject') this.#place = 'closed';
      else if (!this.stopped) this.#stop('there are more keys after the array of requests');
    }
  }

  #open(token: Token): void {
    const wanted: readonly string[] = this.#options.wrapped
      ? ['startObject', 'keyValue', 'startArray']
      : ['startArray'];
    const fits = token.name === wanted[this.#prefix] && (token.name !== 'keyValue' || token.value === 'requests');
    if (!fits) {
      throw new BatchrunError('E_INPUT_FORMAT', `${this.#options.name} is neither a JSON array nor {"requests":[…]}`, {
        hint: 'Take the array out of its object first: jq -c ".key[]" FILE > FILE.jsonl',
      });
    }
    this.#prefix++;
    if (token.name === 'startArray') this.#place = 'inside';
  }

  #element(token: Token): void {
    if (this.#elementLine === 0) {
      if (token.name === 'endArray') {
        this.#place = this.#options.wrapped ? 'after' : 'closed';
        return;
      }
      this.#elementLine = this.#line;
    }
    this.#assembler.consume(token);
    if (!this.#assembler.done) return;
    const value: unknown = this.#assembler.current;
    this.#push(this.#elementInvalid ? undefined : value, this.#elementInvalid ? NOT_UTF8 : undefined);
  }

  #push(value: unknown, problem?: RowProblem): void {
    const { file } = this.#options;
    const line = this.#elementLine;
    const element = ++this.#elements;
    const record = { file, line, element, value };
    this.#records.push(problem === undefined ? record : { ...record, problem });
    this.#elementLine = 0;
    this.#elementBytes = 0;
    this.#elementInvalid = false;
  }

  #stop(message: string): void {
    this.stopped = true;
    const begun = this.#elementLine > 0 ? ` (in the element that begins on line ${this.#elementLine})` : '';
    this.#elementLine = this.#line;
    this.#push(undefined, {
      code: 'unread',
      message: `${message}${begun}: nothing from there to the end of the file could be read`,
    });
  }
}

const NOT_UTF8: RowProblem = {
  code: 'utf8',
  message: 'the element has bytes that are not valid UTF-8: save the file as UTF-8',
};

/** A text with memory of its own: a slice, and each value that is cut out of it, would keep the whole chunk alive. */
function copyOf(slice: string): string {
  return Buffer.from(slice, 'utf16le').toString('utf16le');
}

/** What the parser returns: nothing (a symbol), or its tokens under `values`. */
function tokensOf(result: unknown): readonly Token[] {
  if (typeof result !== 'object' || result === null || !('values' in result)) return [];
  return Array.isArray(result.values) ? (result.values as readonly Token[]) : [];
}
