/**
 * Where a text stops being JSON, and why: what the parser says of it differs from Node to Node, often names no place, and
 * quotes the text.
 */
import { messageOf } from '../base/errors.ts';

export interface JsonPlace {
  /** From 1. */
  readonly line: number;
  readonly column: number;
}

/** The first character that cannot stand where it stands, or the end of the text. */
export function jsonErrorPlace(text: string): JsonPlace {
  const before = text.slice(0, new JsonScan(text).errorAt()).split('\n');
  return { line: before.length, column: (before.at(-1)?.length ?? 0) + 1 };
}

/** What the engine says, without the piece of the text that it quotes: prompts and keys stay private. */
export function jsonComplaint(error: unknown): string {
  const message = messageOf(error);
  const token = /^Unexpected token '[\s\S]{1,2}'/.exec(message);
  if (token) return token[0];
  if (message.endsWith('is not valid JSON')) return 'this is no JSON value';
  return message.replace(/ in JSON at position (\d+).*$/s, ' at character $1').slice(0, 120);
}

const SPACE = /[ \t\n\r]*/y;
const STRING = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
/** Of a string that does not end well: as far as it is one. */
const STRING_PART = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*/y;
const SCALAR = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y;

class JsonScan {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  errorAt(): number {
    // One entry for each list or object that is open; deep ones are no matter for the stack.
    const open: ('}' | ']')[] = [];
    for (;;) {
      this.#take(SPACE);
      const opener = this.#text[this.#at];
      if (opener === '{' || opener === '[') {
        this.#at++;
        open.push(opener === '{' ? '}' : ']');
        this.#take(SPACE);
        if (this.#text[this.#at] !== open.at(-1)) {
          if (opener === '{' && !this.#key()) return this.#at;
          continue;
        }
      } else if (!this.#take(STRING) && !this.#take(SCALAR)) return this.#stuck();
      if (!this.#afterValue(open)) return this.#at;
    }
  }

  /** Closes what ends here, and goes on to the next value; false where the text ends or is no JSON. */
  #afterValue(open: ('}' | ']')[]): boolean {
    for (;;) {
      this.#take(SPACE);
      const closer = open.at(-1);
      const next = this.#text[this.#at];
      if (closer !== undefined && next === closer) {
        this.#at++;
        open.pop();
        continue;
      }
      if (closer === undefined || next !== ',') return false;
      this.#at++;
      return closer === ']' || this.#key();
    }
  }

  /** A key with its colon. */
  #key(): boolean {
    this.#take(SPACE);
    if (!this.#take(STRING)) {
      this.#stuck();
      return false;
    }
    this.#take(SPACE);
    if (this.#text[this.#at] !== ':') return false;
    this.#at++;
    return true;
  }

  #stuck(): number {
    this.#take(STRING_PART);
    return this.#at;
  }

  #take(pattern: RegExp): boolean {
    pattern.lastIndex = this.#at;
    if (!pattern.test(this.#text)) return false;
    this.#at = pattern.lastIndex;
    return true;
  }
}
