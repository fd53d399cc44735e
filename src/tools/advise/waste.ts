/**
 * What in a text costs tokens and tells a model nothing: dead white space, tags, encoded data. Counted in characters that
 * would go; each kind for itself, so what one takes another may take, too.
 */
export const WASTE_KINDS = ['blank', 'indent', 'html', 'base64'] as const;
export type WasteKind = (typeof WASTE_KINDS)[number];

/** Each begins where its run begins, so that a megabyte of blanks is gone through once. */
const TRAILING = /(?<![ \t\u00a0])[ \t\u00a0]+(?=\r?\n|$)/g;
const INNER = /(?<=\S)[ \t\u00a0]{2,}(?=\S)/g;
const EMPTY_LINES = /(?:\r?\n){3,}/g;
/** Lines that begin as pretty-printed JSON does: blanks, then a key, a bracket or a value with its comma. */
const JSON_INDENTS =
  /(?<=[{}[\],])\r?\n[ \t]*(?=["{}[\]\d-])|(?<="|\d|true|false|null)\r?\n[ \t]*(?=[}\]])|(?<=":) (?=["{[\d-])/g;
const TAGS = /<\/?[a-zA-Z][^<>]{0,500}>|<!--[^<]{0,2000}?-->|&(?:nbsp|amp|lt|gt|quot|#\d{1,5});/g;
const ENCODED = /(?:data:[\w/+.-]{1,60};base64,)?(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{200,}={0,2}/g;
/** A text is hardly HTML for one `<b>` in it, or JSON for one bracket at the end of a line. */
const TAGS_MIN = 3;

export function wasteOf(text: string): Readonly<Record<WasteKind, number>> {
  return {
    blank: /\s\s|\s$|^\s/.test(text) ? blankChars(text) : 0,
    indent: text.includes('\n') && /[{[]/.test(text) ? charsOf(text, JSON_INDENTS, TAGS_MIN) : 0,
    html: text.includes('<') ? charsOf(text, TAGS, TAGS_MIN) : 0,
    base64: text.length >= 200 ? charsOf(text, ENCODED, 1) : 0,
  };
}

/** Blanks at the ends of lines, all of a run within a line but one, more than one empty line, blanks before the text. */
function blankChars(text: string): number {
  const start = text.length - text.trimStart().length;
  const rest = start === 0 ? text : text.slice(start);
  return start + charsOf(rest, TRAILING, 1) + charsOf(rest, INNER, 1, 1) + charsOf(rest, EMPTY_LINES, 1, 2);
}

/** `stays`: of each that is found so many characters stay. */
function charsOf(text: string, pattern: RegExp, least: number, stays = 0): number {
  let chars = 0;
  let count = 0;
  for (const [found] of text.matchAll(pattern)) {
    chars += Math.max(0, found.length - stays);
    count++;
  }
  return count < least ? 0 : chars;
}
