/**
 * Which beginning (or end) many texts have in common, seen one after the other: a few candidates are kept, each as long as
 * all texts that joined it have it in common. What one or two texts begin with makes room for others.
 */
import { tokensOfText, TokensByModel } from './by-model.ts';

/** Shorter ones are words that any two texts may begin with. */
const CHARS_MIN = 60;
/** No text is looked at any further. */
const CHARS_MAX = 64 * 1024;
const CANDIDATES_MAX = 12;
/** A candidate of several texts is not cut down to less than this part of it by the next one. */
const JOIN_SHARE = 0.8;

interface Candidate {
  text: string;
  rows: number;
  readonly byModel: Map<string, number>;
}

export interface SharedText {
  readonly text: string;
  readonly saved: TokensByModel;
}

export class SharedEnds {
  readonly #fromEnd: boolean;
  #candidates: Candidate[] = [];
  rows = 0;

  constructor(side: 'start' | 'end') {
    this.#fromEnd = side === 'end';
  }

  add(model: string, text: string): void {
    this.rows++;
    if (text.length < CHARS_MIN) return;
    let best: Candidate | undefined;
    let bestChars = 0;
    for (const candidate of this.#candidates) {
      const chars = this.#common(candidate.text, text);
      const enough = candidate.rows === 1 ? CHARS_MIN : Math.max(CHARS_MIN, candidate.text.length * JOIN_SHARE);
      if (chars >= enough && chars > bestChars) [best, bestChars] = [candidate, chars];
    }
    if (!best) return this.#begin(model, text);
    best.text = this.#end(best.text, bestChars);
    best.rows++;
    best.byModel.set(model, (best.byModel.get(model) ?? 0) + 1);
  }

  /** Those that at least this share of the texts have, the most tokens first. */
  shared(share: number): readonly SharedText[] {
    return this.#candidates
      .filter(({ rows }) => rows >= 2 && rows >= this.rows * share)
      .map(({ text, byModel }) => {
        const whole = this.#whole(text);
        const saved = new TokensByModel();
        for (const [model, rows] of byModel) saved.addRows(model, tokensOfText(model, whole), rows);
        return { text: whole, saved };
      })
      .filter(({ text }) => text.trim().length >= CHARS_MIN)
      .sort((one, other) => other.saved.tokens - one.saved.tokens);
  }

  #begin(model: string, text: string): void {
    const fresh = { text: this.#end(text, CHARS_MAX), rows: 1, byModel: new Map([[model, 1]]) };
    if (this.#candidates.length < CANDIDATES_MAX) {
      this.#candidates.push(fresh);
      return;
    }
    // The oldest of those that nearly nobody joined.
    const fewest = Math.min(...this.#candidates.map(({ rows }) => rows));
    this.#candidates.splice(
      this.#candidates.findIndex(({ rows }) => rows === fewest),
      1,
    );
    this.#candidates.push(fresh);
  }

  #common(one: string, other: string): number {
    const most = Math.min(one.length, other.length);
    let chars = 0;
    if (this.#fromEnd) {
      while (chars < most && one.charCodeAt(one.length - 1 - chars) === other.charCodeAt(other.length - 1 - chars))
        chars++;
    } else while (chars < most && one.charCodeAt(chars) === other.charCodeAt(chars)) chars++;
    return chars;
  }

  #end(text: string, chars: number): string {
    if (chars >= text.length) return text;
    return this.#fromEnd ? text.slice(text.length - chars) : text.slice(0, chars);
  }

  /** Without half a character at its open end. */
  #whole(text: string): string {
    return this.#fromEnd ? text.replace(/^[\udc00-\udfff]/, '') : text.replace(/[\ud800-\udbff]$/, '');
  }
}
