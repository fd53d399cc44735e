/**
 * A JSON array of records, or a whole API body `{"requests":[…]}`, with stream-json: one element at a time in memory.
 *
 * The text is fed in pieces that end at line breaks, so that the line of each element is known. stream-json's
 * verifier sees each piece before its parser does: where the text is broken, it says the exact place, and every
 * element before it is still handed on. What follows a broken place cannot be told apart into elements any more:
 * it becomes one problem `unread`, which must never be skipped in silence.
 */
import { Assembler } from 'stream-json/assembler.js';
import { jsonParser } from 'stream-json/core/parser.js';
import type { Token } from 'stream-json/core/parser.js';
import { jsonVerifier } from 'stream-json/core/utils/verifier.js';
import { BatchrunError, messageOf } from '../../base/errors.ts';
import { formatBytes } from '../../base/units.ts';
import type { RowProblem, SourceRecord } from '../../domain/source.ts';
import type { ReadOptions } from './jsonl.ts';
import { openTailBytes, Utf8Watch } from './utf8.ts';
import type { WatchedBytes } from './utf8.ts';

const LF = 10;
/** Bounds what is checked and parsed in one go, so that an element above its bound is noticed soon. */
const PIECE_BYTES = 64 * 1_024;

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
  /** The element under way: its line (0: there is none), its bytes so far, whether some of them are not UTF-8. */
  #elementLine = 0;
  #elementBytes = 0;
  #elementInvalid = false;
  #records: SourceRecord[] = [];
  stopped = false;

  constructor(options: ArrayReadOptions) {
    this.#options = options;
  }

  push(stretch: WatchedBytes): readonly SourceRecord[] {
    this.#records = [];
    const invalid = stretch.invalid.map((place) => place - stretch.offset);
    let nextInvalid = 0;
    const { bytes } = stretch;
    for (let start = 0; start < bytes.length && !this.stopped;) {
      const bad = invalid[nextInvalid];
      const end = bad === start ? start + 1 : pieceEnd(bytes, start, bad ?? bytes.length);
      if (bad === start) nextInvalid++;
      this.#feed(bytes, { start, end, valid: bad !== start });
      start = end;
    }
    return this.#records;
  }

  end(stretch: WatchedBytes): readonly SourceRecord[] {
    const records = this.push(stretch);
    const nothing = this.#place === 'before' && this.#prefix === 0;
    if (!this.stopped && this.#place !== 'closed' && !nothing) this.#stop('the file ends in the middle of the array');
    return records;
  }

  #feed(bytes: Buffer, piece: { start: number; end: number; valid: boolean }): void {
    const text = bytes.toString('utf8', piece.start, piece.end);
    const complaint = this.#complaint(text);
    this.#consume(complaint === undefined ? text : text.slice(0, Math.max(0, complaint.offset - this.#chars)));
    if (complaint !== undefined) {
      this.#stop(`${complaint.message} at character ${complaint.offset - this.#lineStartChars + 1}`);
      return;
    }
    this.#chars += text.length;
    if (this.#elementLine > 0) {
      if (!piece.valid) this.#elementInvalid = true;
      this.#elementBytes += piece.end - piece.start;
      if (this.#elementBytes > this.#options.recordBytesMax) {
        this.#stop(`an element is longer than ${formatBytes(this.#options.recordBytesMax)}, the most that is read`);
      }
    }
    if (bytes[piece.end - 1] === LF) {
      this.#line++;
      this.#lineStartChars = this.#chars;
    }
  }

  #complaint(text: string): { readonly message: string; readonly offset: number } | undefined {
    try {
      this.#verify(text);
      return undefined;
    } catch (error) {
      const offset = error instanceof Error && 'offset' in error ? Number(error.offset) : this.#chars;
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

/** Up to the next line break, the next bad byte or the most that is fed in one go, and never inside a character. */
function pieceEnd(bytes: Buffer, start: number, stop: number): number {
  const end = bytes.indexOf(LF, start);
  const most = Math.min(stop, end < 0 ? bytes.length : end + 1);
  if (most - start <= PIECE_BYTES) return most;
  const cut = start + PIECE_BYTES;
  return cut - openTailBytes(bytes.subarray(start, cut));
}

/** What the parser returns: nothing (a symbol), or its tokens under `values`. */
function tokensOf(result: unknown): readonly Token[] {
  if (typeof result !== 'object' || result === null || !('values' in result)) return [];
  return Array.isArray(result.values) ? (result.values as readonly Token[]) : [];
}
