/**
 * A line of the screen as spans of text with a style each: made without knowing colours, and put into so many columns at
 * the end. What others wrote is made harmless here, in one place.
 */
import type { Symbols } from '../terminal/symbols.ts';
import { folded } from '../terminal/symbols.ts';
import type { Paint } from '../terminal/ui.ts';
import { asciiOf, clean, clip, widthOf } from './width.ts';

export interface Span {
  readonly text: string;
  readonly style?: keyof Paint | undefined;
}

export type Line = readonly Span[];

/** A part of a line; where there is not room for all, those with the highest rank go first. Rank 0 stays. */
export interface Part {
  readonly spans: Line;
  readonly rank: number;
}

export function part(rank: number, text: string, style?: keyof Paint): Part {
  return { rank, spans: text === '' ? [] : [{ text, style }] };
}

/** As many parts as fit into the columns, with two blanks between them. */
export function fit(parts: readonly Part[], columns: number, indent = ''): Line {
  const kept = parts.filter(({ spans }) => spans.length > 0);
  const width = (): number => kept.reduce((sum, { spans }) => sum + widthOfLine(spans) + 2, indent.length - 2);
  while (width() > columns && kept.some(({ rank }) => rank > 0)) {
    const last = Math.max(...kept.map(({ rank }) => rank));
    kept.splice(
      kept.findLastIndex(({ rank }) => rank === last),
      1,
    );
  }
  const spans = kept.flatMap((one, at) => (at === 0 ? one.spans : [{ text: '  ' }, ...one.spans]));
  return indent === '' ? spans : [{ text: indent }, ...spans];
}

/** The rest of the columns between the two. */
export function apart(left: Line, right: Line, columns: number): Line {
  const gap = columns - widthOfLine(left) - widthOfLine(right);
  return gap < 2 ? left : [...left, { text: ' '.repeat(gap) }, ...right];
}

export function widthOfLine(line: Line): number {
  return line.reduce((sum, { text }) => sum + widthOf(clean(text)), 0);
}

export interface InkOptions {
  readonly columns: number;
  readonly paint: Paint;
  readonly symbols: Symbols;
}

/** The line as the terminal gets it. */
export function inked(line: Line, { columns, paint, symbols }: InkOptions): string {
  let left = columns;
  let text = '';
  for (const [at, span] of line.entries()) {
    if (left <= 0) break;
    const all = symbols.unicode ? clean(span.text) : asciiOf(folded(clean(span.text)));
    // Where more follows that has no room, the cut shows as well.
    const isCut = widthOf(all) === left && line.slice(at + 1).some((next) => next.text.trim() !== '');
    const shown = clip(isCut ? `${all} ` : all, left, symbols.ellipsis);
    left -= widthOf(shown);
    text += span.style === undefined ? shown : paint[span.style](shown);
  }
  return text;
}
