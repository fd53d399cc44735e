/**
 * A line made of parts, of which the least telling go first where the terminal is narrow.
 */

export interface LinePart {
  readonly text: string;
  /** Where the terminal is narrow, parts with the highest rank are left out first. */
  readonly rank: number;
  readonly paint?: (text: string) => string;
}

export const plain = (text: string): string => text;

/** As many parts as fit, in their order; colours take no room. */
export function fitted(parts: readonly LinePart[], columns: number): string {
  const kept = parts.filter((part) => part.text !== '');
  const width = (): number => kept.reduce((sum, part) => sum + part.text.length + 2, -2);
  while (width() > columns && kept.length > 1) {
    const last = Math.max(...kept.map((part) => part.rank));
    kept.splice(
      kept.findLastIndex((part) => part.rank === last),
      1,
    );
  }
  return kept.map((part) => (part.paint ?? plain)(part.text)).join('  ');
}

/** `950`, `38.5k`, `1.2M`: for rates, where the last digits mean nothing. */
export function shortCount(count: number): string {
  if (count < 1_000) return String(Math.round(count));
  if (count < 1_000_000) return `${(count / 1_000).toFixed(1)}k`;
  return `${(count / 1_000_000).toFixed(1)}M`;
}
