/**
 * A few characters of two texts, from shortly before the place where they part.
 */

const BEFORE_CHARS = 12;
const CHARS = 48;

export function excerpts(a: string, b: string): readonly [string, string] {
  let parting = 0;
  while (parting < a.length && a[parting] === b[parting]) parting++;
  let start = parting <= BEFORE_CHARS * 2 ? 0 : parting - BEFORE_CHARS;
  // Not in the middle of a character.
  if (isLowSurrogate(a, start)) start--;
  return [excerpt(a, start), excerpt(b, start)];
}

function excerpt(text: string, start: number): string {
  let end = Math.min(text.length, start + CHARS);
  if (isLowSurrogate(text, end)) end--;
  const part = text.slice(start, end).replace(/\s+/g, ' ');
  return `${start > 0 ? '…' : ''}${part}${end < text.length ? '…' : ''}`;
}

function isLowSurrogate(text: string, at: number): boolean {
  return (text.charCodeAt(at) & 0xfc00) === 0xdc00;
}
