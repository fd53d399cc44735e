/**
 * Sets of characters (code points) as ranges: what a class of a pattern, `.` or one letter stands for.
 */

/** Pairs of first and last, sorted, apart from each other. */
export type CharSet = readonly number[];

const LAST = 0x10_ffff;
/** In a range that is longer, only the letters of ASCII have their other case added. */
const FOLD_MAX = 2_000;

export const DIGITS: CharSet = [0x30, 0x39];
export const WORDS: CharSet = [0x30, 0x39, 0x41, 0x5a, 0x5f, 0x5f, 0x61, 0x7a];
/** As JavaScript has `\s`. */
export const SPACES: CharSet = united([
  ...[0x09, 0x0d, 0x20, 0x20, 0xa0, 0xa0, 0x16_80, 0x16_80, 0x20_00, 0x20_0a],
  ...[0x20_28, 0x20_29, 0x20_2f, 0x20_2f, 0x20_5f, 0x20_5f, 0x30_00, 0x30_00, 0xfe_ff, 0xfe_ff],
]);
/** `.`: anything but the end of a line. */
export const NO_LINE_END: CharSet = negated([0x0a, 0x0a, 0x0d, 0x0d, 0x20_28, 0x20_29]);

export function single(char: number): CharSet {
  return [char, char];
}

/** From pairs in any order. */
export function united(pairs: readonly number[]): CharSet {
  const ranges: [number, number][] = [];
  for (let at = 0; at < pairs.length; at += 2) ranges.push([pairs[at] ?? 0, pairs[at + 1] ?? 0]);
  ranges.sort((one, other) => one[0] - other[0]);
  const set: number[] = [];
  for (const [first, last] of ranges) {
    const end = set.at(-1);
    if (end !== undefined && first <= end + 1) set[set.length - 1] = Math.max(end, last);
    else set.push(first, last);
  }
  return set;
}

export function negated(set: CharSet): CharSet {
  const rest: number[] = [];
  let from = 0;
  for (let at = 0; at < set.length; at += 2) {
    const first = set[at] ?? 0;
    if (first > from) rest.push(from, first - 1);
    from = (set[at + 1] ?? 0) + 1;
  }
  if (from <= LAST) rest.push(from, LAST);
  return rest;
}

/** With the other case of each letter. */
export function folded(set: CharSet): CharSet {
  const pairs = [...set];
  for (let at = 0; at < set.length; at += 2) {
    const first = set[at] ?? 0;
    const last = set[at + 1] ?? 0;
    if (last - first <= FOLD_MAX) {
      for (let char = first; char <= last; char++) addCases(pairs, char);
    } else {
      for (let char = 0x41; char <= 0x7a; char++) if (char >= first && char <= last) addCases(pairs, char);
    }
  }
  return united(pairs);
}

function addCases(pairs: number[], char: number): void {
  const text = String.fromCodePoint(char);
  for (const other of [text.toLowerCase(), text.toUpperCase()]) {
    const code = other.codePointAt(0) ?? char;
    // One that becomes two letters ("ß") has no other case here.
    if (code !== char && String.fromCodePoint(code) === other) pairs.push(code, code);
  }
}

export function hasChar(set: CharSet, char: number): boolean {
  for (let at = 0; at < set.length; at += 2) {
    if (char < (set[at] ?? 0)) return false;
    if (char <= (set[at + 1] ?? 0)) return true;
  }
  return false;
}
