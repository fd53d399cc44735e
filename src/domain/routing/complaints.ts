/**
 * What is wrong with a rules file, in the words that name the place and the nearest known name.
 */
import { closest } from '../row/closest.ts';
import { shown, type JsonObject } from '../row/shape.ts';

/** What is wrong, and where: `when.all[0].column`. */
export type Complaint = (place: string, message: string) => void;

interface Naming {
  readonly known: readonly string[];
  readonly place: string;
  readonly complain: Complaint;
}

/** A value that must be one of a few words and is none of them. */
export function refuseOther(value: unknown, { known, place, complain }: Naming): void {
  complain(place, `it must be one of ${known.join(', ')}, and is ${shown(value)}${didYouMean(value, known)}`);
}

/** Names that are not known, each with the one that was perhaps meant. */
export function refuseUnknown(value: JsonObject, { known, place, complain }: Naming): void {
  for (const name of Object.keys(value)) {
    if (known.includes(name)) continue;
    const meant = didYouMean(name, known);
    complain(place, `${shown(name)} is not known${meant === '' ? `; there are ${known.join(', ')}` : meant}`);
  }
}

export function didYouMean(value: unknown, known: readonly string[]): string {
  const nearest = typeof value === 'string' ? closest(value, known) : undefined;
  return nearest === undefined ? '' : `; did you mean ${nearest}?`;
}
