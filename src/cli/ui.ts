/**
 * Colours and columns for terminals. Without a terminal, with NO_COLOR or --no-color, text comes out plain.
 */

export interface Paint {
  readonly bold: (text: string) => string;
  readonly dim: (text: string) => string;
  readonly green: (text: string) => string;
  readonly yellow: (text: string) => string;
  readonly red: (text: string) => string;
}

export function createPaint(color: boolean): Paint {
  const paint = (code: number) => (text: string) => (color && text !== '' ? `\u001b[${code}m${text}\u001b[0m` : text);
  return { bold: paint(1), dim: paint(2), green: paint(32), yellow: paint(33), red: paint(31) };
}

/** Rows of cells with aligned columns; numbers (cells that begin with a digit or $) to the right. */
export function table(rows: readonly (readonly string[])[], indent = '  '): string {
  const widths: number[] = [];
  for (const row of rows) row.forEach((cell, at) => (widths[at] = Math.max(widths[at] ?? 0, cell.length)));
  return rows
    .map((row) => {
      const cells = row.map((cell, at) => {
        const width = widths[at] ?? 0;
        return /^[\d$]/.test(cell) && at > 0 ? cell.padStart(width) : cell.padEnd(width);
      });
      return (indent + cells.join('  ')).trimEnd();
    })
    .join('\n');
}
