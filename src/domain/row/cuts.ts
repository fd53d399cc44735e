/**
 * `--truncate column=4000`: columns are cut to so many characters before a template is filled with them. What is carried to
 * the output stays whole, and so does what the rules of `--routes` look at.
 */
import { BatchrunError } from '../../base/errors.ts';
import { formatCount } from '../../base/units.ts';
import type { RowNotice } from '../source.ts';
import { closest } from './closest.ts';

export interface Cut {
  readonly chars: number;
  /** The same object for every row and template, so that a row is counted once. */
  readonly notice: RowNotice;
}

/** By the name that stands in a template. */
export type Cuts = ReadonlyMap<string, Cut>;

/** A row that is a request already has nothing that a template would put in. */
export const CUT_NOTHING: RowNotice = {
  code: 'not_truncated',
  message: 'a row brings its own messages: --truncate cuts only what {{column}} puts into --prompt or --system',
};

export function cutsOf(charsByColumn: Readonly<Record<string, number>>): Cuts {
  return new Map(
    Object.entries(charsByColumn).map(([column, chars]) => [
      column,
      {
        chars,
        notice: {
          code: 'truncated',
          message: `{{${column}}} was cut to ${formatCount(chars)} characters (--truncate)`,
        },
      },
    ]),
  );
}

/** The first `chars` characters (code points): never half of one. */
export function cutText(text: string, chars: number): string {
  if (text.length <= chars) return text;
  let at = 0;
  for (let count = 0; count < chars && at < text.length; count++) at += isPair(text, at) ? 2 : 1;
  return at >= text.length ? text : text.slice(0, at);
}

function isPair(text: string, at: number): boolean {
  const first = text.charCodeAt(at);
  if (first < 0xd800 || first > 0xdbff) return false;
  const second = text.charCodeAt(at + 1);
  return second >= 0xdc00 && second <= 0xdfff;
}

/** A cut that cuts nothing is a mistake that costs money. `used`: the names that stand in the templates. */
export function assertCuts(cuts: Cuts, used: readonly string[], columns: readonly string[]): void {
  for (const column of cuts.keys()) {
    if (used.includes(column)) continue;
    const exists = columns.includes(column);
    if (columns.length > 0 && !exists) {
      const nearest = closest(column, columns);
      const meant = nearest === undefined ? '' : ` Did you mean ${nearest}?`;
      throw new BatchrunError(
        'E_USAGE',
        `--truncate names ${column}, but the input has the columns: ${columns.slice(0, 50).join(', ')}`,
        { hint: `Name a column that {{…}} of --prompt or --system puts in.${meant}` },
      );
    }
    const nearest = closest(column, used);
    const meant = nearest === undefined ? '' : ` Did you mean ${nearest}?`;
    throw new BatchrunError('E_USAGE', `--truncate ${column} has no effect: no template has {{${column}}} in it`, {
      hint: `It cuts what {{column}} puts into --prompt or --system; rows that are requests already are sent as they are.${meant}`,
    });
  }
}
