/**
 * Reads a regular expression of a rules file: what JavaScript writes, less what cannot be found in one pass over a text
 * (looking around, back references). Errors say what is wrong at which character.
 */
import { DIGITS, folded, negated, NO_LINE_END, single, SPACES, united, WORDS, type CharSet } from './char-set.ts';

export type PatternNode =
  | { readonly kind: 'char'; readonly set: CharSet }
  | { readonly kind: 'sequence' | 'choice'; readonly of: readonly PatternNode[] }
  | { readonly kind: 'repeat'; readonly of: PatternNode; readonly min: number; readonly max: number }
  | { readonly kind: 'place'; readonly place: Place };

/** `^`, `$`, `\b`, `\B`. */
export type Place = 'start' | 'end' | 'edge' | 'inside';

export class PatternError extends Error {}

const GROUPS_DEEP_MAX = 50;
const REPEATS_MAX = 1_000;
const CLASS_ESCAPES: Readonly<Record<string, CharSet>> = {
  d: DIGITS,
  D: negated(DIGITS),
  w: WORDS,
  W: negated(WORDS),
  s: SPACES,
  S: negated(SPACES),
};
const CHAR_ESCAPES: Readonly<Record<string, number>> = { n: 0x0a, r: 0x0d, t: 0x09, f: 0x0c, v: 0x0b, 0: 0 };

export function parsePattern(text: string, { ignoreCase }: { readonly ignoreCase: boolean }): PatternNode {
  return new Parser(text, ignoreCase).read();
}

class Parser {
  readonly #text: string;
  readonly #ignoreCase: boolean;
  #at = 0;
  #deep = 0;

  constructor(text: string, ignoreCase: boolean) {
    this.#text = text;
    this.#ignoreCase = ignoreCase;
  }

  read(): PatternNode {
    const node = this.#choice();
    if (this.#at < this.#text.length) throw this.#error('there is a ) without its (');
    return node;
  }

  #choice(): PatternNode {
    const of = [this.#sequence()];
    while (this.#take('|')) of.push(this.#sequence());
    const [only] = of;
    return of.length === 1 && only ? only : { kind: 'choice', of };
  }

  #sequence(): PatternNode {
    const of: PatternNode[] = [];
    while (this.#at < this.#text.length && !this.#sees('|') && !this.#sees(')')) of.push(this.#repeated());
    return { kind: 'sequence', of };
  }

  #repeated(): PatternNode {
    const start = this.#at;
    const of = this.#atom();
    const times = this.#times();
    if (!times) return of;
    if (of.kind === 'place') throw this.#error('a place (^, $, \\b) cannot be repeated', start);
    // Whether the longest or the shortest is taken does not matter for "is it there".
    this.#take('?');
    if (this.#times()) throw this.#error('two repetitions follow each other');
    return { kind: 'repeat', of, ...times };
  }

  #times(): { readonly min: number; readonly max: number } | undefined {
    if (this.#take('*')) return { min: 0, max: Infinity };
    if (this.#take('+')) return { min: 1, max: Infinity };
    if (this.#take('?')) return { min: 0, max: 1 };
    const found = /^\{(\d+)(?:(,)(\d*))?\}/.exec(this.#text.slice(this.#at, this.#at + 30));
    if (!found) return undefined;
    const [all, least = '0', comma, most = ''] = found;
    const min = Number(least);
    const max = comma === undefined ? min : most === '' ? Infinity : Number(most);
    if (max < min) throw this.#error(`${all} has its numbers the wrong way round`);
    if (min > REPEATS_MAX || (max > REPEATS_MAX && max !== Infinity)) {
      throw this.#error(`${all}: at most ${REPEATS_MAX} repetitions can be counted`);
    }
    this.#at += all.length;
    return { min, max };
  }

  #atom(): PatternNode {
    const start = this.#at;
    const char = this.#next();
    switch (char) {
      case '(':
        return this.#group(start);
      case '[':
        return { kind: 'char', set: this.#class(start) };
      case '.':
        return { kind: 'char', set: NO_LINE_END };
      case '^':
        return { kind: 'place', place: 'start' };
      case '$':
        return { kind: 'place', place: 'end' };
      case '\\':
        return this.#escape(start);
      case '*':
      case '+':
      case '?':
        throw this.#error(`there is nothing before the ${char} that could be repeated`, start);
      default:
        return this.#char(char.codePointAt(0) ?? 0);
    }
  }

  #group(start: number): PatternNode {
    if (++this.#deep > GROUPS_DEEP_MAX) throw this.#error(`groups are nested more than ${GROUPS_DEEP_MAX} deep`, start);
    if (this.#take('?')) {
      const named = /^<[A-Za-z_]\w*>/.exec(this.#text.slice(this.#at));
      if (named) this.#at += named[0].length;
      else if (!this.#take(':')) {
        throw this.#error('looking ahead or behind and flags, (?=…) (?!…) (?<=…) (?i…), are not supported', start);
      }
    }
    const node = this.#choice();
    if (!this.#take(')')) throw this.#error('the ( is never closed with )', start);
    this.#deep--;
    return node;
  }

  #escape(start: number): PatternNode {
    if (this.#take('b')) return { kind: 'place', place: 'edge' };
    if (this.#take('B')) return { kind: 'place', place: 'inside' };
    const set = this.#escaped(start);
    return { kind: 'char', set: this.#fold(set) };
  }

  /** What follows a backslash, in a class or outside. */
  #escaped(start: number): CharSet {
    if (this.#at >= this.#text.length) throw this.#error('it ends with a backslash', start);
    const char = this.#next();
    const known = CLASS_ESCAPES[char];
    if (known) return known;
    const code = CHAR_ESCAPES[char];
    if (code !== undefined && !(char === '0' && /\d/.test(this.#text[this.#at] ?? ''))) return single(code);
    if (char === 'x' || char === 'u') return single(this.#hex(char, start));
    if (/[1-9k]/.test(char)) throw this.#error('back references (\\1, \\k<name>) are not supported', start);
    if (/[A-Za-z0-9]/.test(char)) throw this.#error(`\\${char} is not supported`, start);
    return single(char.codePointAt(0) ?? 0);
  }

  #hex(kind: string, start: number): number {
    const shape = kind === 'x' ? /^([0-9a-f]{2})/i : /^(?:([0-9a-f]{4})|\{([0-9a-f]{1,6})\})/i;
    const found = shape.exec(this.#text.slice(this.#at, this.#at + 8));
    const code = parseInt(found?.[1] ?? found?.[2] ?? '', 16);
    if (!found || !(code <= 0x10_ffff)) throw this.#error(`\\${kind} needs the number of a character in hex`, start);
    this.#at += found[0].length;
    return code;
  }

  #class(start: number): CharSet {
    const not = this.#take('^');
    const pairs: number[] = [];
    while (!this.#take(']')) {
      if (this.#at >= this.#text.length) throw this.#error('the [ is never closed with ]', start);
      const at = this.#at;
      const first = this.#classChar();
      if (!this.#sees('-') || this.#text[this.#at + 1] === ']' || this.#at + 1 >= this.#text.length) {
        pairs.push(...first);
        continue;
      }
      this.#at++;
      const last = this.#classChar();
      const [from, to] = [first[0] ?? 0, last[0] ?? 0];
      if (first.length > 2 || last.length > 2 || first[1] !== from || last[1] !== to) {
        throw this.#error('a range goes from one character to another', at);
      }
      if (to < from) throw this.#error('a range has its ends the wrong way round', at);
      pairs.push(from, to);
    }
    const set = this.#fold(united(pairs));
    return not ? negated(set) : set;
  }

  #classChar(): CharSet {
    const start = this.#at;
    const char = this.#next();
    if (char !== '\\') return single(char.codePointAt(0) ?? 0);
    if (this.#take('b')) return single(0x08);
    return this.#escaped(start);
  }

  #char(code: number): PatternNode {
    return { kind: 'char', set: this.#fold(single(code)) };
  }

  #fold(set: CharSet): CharSet {
    return this.#ignoreCase ? folded(set) : set;
  }

  /** The next character, whole. */
  #next(): string {
    const char = String.fromCodePoint(this.#text.codePointAt(this.#at) ?? 0);
    this.#at += char.length;
    return char;
  }

  #sees(char: string): boolean {
    return this.#text[this.#at] === char;
  }

  #take(char: string): boolean {
    if (!this.#sees(char)) return false;
    this.#at++;
    return true;
  }

  #error(message: string, at = this.#at): PatternError {
    return new PatternError(`${message} (character ${at + 1})`);
  }
}
