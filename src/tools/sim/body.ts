/**
 * Reads the body of a batch create one request at a time.
 *
 * A body may hold 256 MB: parsed at once it would take several times that. Here the bytes are scanned for the
 * borders of the requests, each is parsed on its own and can be let go, and what is left of the frame is parsed
 * too, so exactly what JSON allows is taken. Anything else is the API's 400 "not valid JSON".
 */
import { isUtf8 } from 'node:buffer';
import { invalidRequest, type Refusal } from './http.ts';

export interface BatchBody {
  /** The body with an empty `requests` array. */
  readonly frame: unknown;
  /** Undefined: the body has no array of that name. */
  readonly requests: Iterable<ScannedRequest> | undefined;
}

export interface ScannedRequest {
  readonly value: unknown;
  readonly bytes: number;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const OPEN_BRACKET = 0x5b;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACKET = 0x5d;
const CLOSE_BRACE = 0x7d;

export function readBatchBody(body: Buffer, loneSurrogate: 'refuse' | 'accept'): BatchBody {
  if (!isUtf8(body)) throw notJson('invalid utf-8');
  const start = findRequests(body);
  if (start === undefined) return { frame: parseJson(body.toString('utf8'), loneSurrogate), requests: undefined };
  const spans = scanElements(body, start);
  const frame = `${body.toString('utf8', 0, start)}${body.toString('utf8', spans.end)}`;
  return { frame: parseJson(frame, loneSurrogate), requests: parseSpans(body, spans.borders, loneSurrogate) };
}

/** Parses a whole body as the API does. */
export function parseBody(body: Buffer, loneSurrogate: 'refuse' | 'accept'): unknown {
  if (!isUtf8(body)) throw notJson('invalid utf-8');
  return parseJson(body.toString('utf8'), loneSurrogate);
}

function parseJson(text: string, loneSurrogate: 'refuse' | 'accept'): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    // Not the engine's own message: it quotes the text, and that may be a prompt.
    throw notJson(
      error instanceof SyntaxError && text.trim() === '' ? 'EOF while parsing a value' : 'unexpected character',
    );
  }
  if (loneSurrogate === 'refuse' && hasLoneSurrogate(text, value)) throw notJson('no low surrogate in string');
  return value;
}

function notJson(why: string): Refusal {
  return invalidRequest(`The request body is not valid JSON: ${why}`);
}

/** JSON.stringify escapes exactly the surrogates that stand alone; texts without such escapes need no look. */
function hasLoneSurrogate(text: string, value: unknown): boolean {
  if (!/\\u[dD][89a-fA-F]/.test(text)) return false;
  return /(?<!\\)(?:\\\\)*\\ud[89a-f]/.test(JSON.stringify(value));
}

/** Offset just after the `[` of a top-level member `requests`. */
function findRequests(body: Buffer): number | undefined {
  let depth = 0;
  let key = '';
  for (let at = 0; at < body.length; at++) {
    const byte = body[at];
    if (byte === QUOTE) {
      const end = stringEnd(body, at);
      if (depth === 1) key = body.toString('utf8', at + 1, end);
      at = end;
    } else if (byte === OPEN_BRACKET && depth === 1 && key === 'requests') return at + 1;
    else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) depth++;
    else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) depth--;
    else if (byte === COMMA && depth === 1) key = '';
  }
  return undefined;
}

/** Borders of the elements (from, to, from, to, …) and the offset of the array's closing bracket. */
function scanElements(body: Buffer, start: number): { borders: number[]; end: number } {
  const borders: number[] = [];
  let depth = 0;
  let from = start;
  for (let at = start; at < body.length; at++) {
    const byte = body[at];
    if (byte === QUOTE) at = stringEnd(body, at);
    else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) depth++;
    else if (depth > 0 && (byte === CLOSE_BRACE || byte === CLOSE_BRACKET)) depth--;
    else if (depth === 0 && byte === COMMA) {
      borders.push(from, at);
      from = at + 1;
    } else if (depth === 0 && (byte === CLOSE_BRACKET || byte === CLOSE_BRACE)) {
      const isEmpty = borders.length === 0 && body.toString('utf8', from, at).trim() === '';
      if (!isEmpty) borders.push(from, at);
      return { borders, end: at };
    }
  }
  throw notJson('EOF while parsing a list');
}

/** Offset of the quote that ends the string which begins at `at`, or the end of the body. */
function stringEnd(body: Buffer, at: number): number {
  let end = body.indexOf(QUOTE, at + 1);
  while (end !== -1) {
    let slashes = 0;
    while (body[end - 1 - slashes] === BACKSLASH) slashes++;
    if (slashes % 2 === 0) return end;
    end = body.indexOf(QUOTE, end + 1);
  }
  return body.length;
}

function* parseSpans(
  body: Buffer,
  borders: readonly number[],
  loneSurrogate: 'refuse' | 'accept',
): Iterable<ScannedRequest> {
  for (let at = 0; at < borders.length; at += 2) {
    const from = borders[at] ?? 0;
    const to = borders[at + 1] ?? 0;
    yield { value: parseJson(body.toString('utf8', from, to), loneSurrogate), bytes: to - from };
  }
}
