/**
 * How many columns a text takes on a terminal, and texts of others made harmless: a name must not move the cursor, turn
 * the direction of writing or break a line. Terminals differ on rare signs; a line that is a column off is cut by the
 * screen, and the next one begins where it should.
 */
const SEGMENTER = new Intl.Segmenter('en', { granularity: 'grapheme' });

/** Signs without a picture: controls, breaks of lines and what turns the direction of writing. */
const UNSHOWN = /[\p{Cc}\p{Zl}\p{Zp}\p{Cs}\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/gu;
const ASCII_ONLY = /^[\x20-\x7e]*$/;

/** Breaks and tabs become spaces, other controls go. */
export function clean(text: string): string {
  if (ASCII_ONLY.test(text)) return text;
  return text.replace(/[\t\n\r\u0085\u2028\u2029]+/g, ' ').replace(UNSHOWN, '');
}

export function widthOf(text: string): number {
  if (ASCII_ONLY.test(text)) return text.length;
  let width = 0;
  for (const { segment } of SEGMENTER.segment(text)) width += widthOfSign(segment);
  return width;
}

/** At most so many columns; where something is left out, the last of them says so. */
export function clip(text: string, columns: number, ellipsis: string): string {
  if (columns <= 0) return '';
  if (widthOf(text) <= columns) return text;
  let kept = '';
  let width = 0;
  for (const { segment } of SEGMENTER.segment(text)) {
    const own = widthOfSign(segment);
    if (width + own > columns - 1) break;
    kept += segment;
    width += own;
  }
  return kept + ellipsis;
}

/** What a terminal without UTF-8 can show of it. */
export function asciiOf(text: string): string {
  if (ASCII_ONLY.test(text)) return text;
  let shown = '';
  for (const { segment } of SEGMENTER.segment(text)) shown += ASCII_ONLY.test(segment) ? segment : '?';
  return shown;
}

/** Text in lines of at most so many columns, broken between words; a word that is longer is cut. */
export function wrapped(text: string, columns: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    const longer = line === '' ? word : `${line} ${word}`;
    if (widthOf(longer) <= columns || line === '') line = longer;
    else {
      lines.push(line);
      line = word;
    }
  }
  return line === '' ? lines : [...lines, line];
}

function widthOfSign(sign: string): number {
  const code = sign.codePointAt(0) ?? 0;
  if (code < 0x300) return code < 0x20 || (code >= 0x7f && code < 0xa0) ? 0 : 1;
  if (/^[\p{M}\p{Cf}]/u.test(sign)) return 0;
  if (/\p{Emoji_Presentation}/u.test(sign) || sign.includes('\ufe0f')) return 2;
  return WIDE.some(([from, to]) => code >= from && code <= to) ? 2 : 1;
}

/** East Asian Wide and Fullwidth (Unicode 16, UAX 11), without the emoji, which are told by their property. */
const WIDE: readonly (readonly [number, number])[] = [
  [0x1100, 0x115f],
  [0x2e80, 0x303e],
  [0x3041, 0x4dbf],
  [0x4e00, 0xa4cf],
  [0xa960, 0xa97f],
  [0xac00, 0xd7a3],
  [0xf900, 0xfaff],
  [0xfe10, 0xfe19],
  [0xfe30, 0xfe6f],
  [0xff01, 0xff60],
  [0xffe0, 0xffe6],
  [0x16fe0, 0x18cff],
  [0x1aff0, 0x1b2ff],
  [0x1f200, 0x1f265],
  [0x20000, 0x3fffd],
];
