/**
 * Colours and columns for terminals. Without a terminal, with NO_COLOR or --no-color, text comes out plain.
 */
import { plainJson } from '../../base/units.ts';
import type { Symbols } from './symbols.ts';

export interface Paint {
  readonly bold: (text: string) => string;
  readonly dim: (text: string) => string;
  readonly green: (text: string) => string;
  readonly yellow: (text: string) => string;
  readonly red: (text: string) => string;
  readonly cyan: (text: string) => string;
}

export function createPaint(color: boolean): Paint {
  const paint = (code: number) => (text: string) => (color && text !== '' ? `\u001b[${code}m${text}\u001b[0m` : text);
  return { bold: paint(1), dim: paint(2), green: paint(32), yellow: paint(33), red: paint(31), cyan: paint(36) };
}

/** One object for programs, on a line. */
export function jsonText(value: unknown): string {
  return `${plainJson(value)}\n`;
}

/** A bar of so many columns. What has begun shows, and only all of it is full. */
export function bar(share: number, width: number, { full, partial, empty }: Symbols): string {
  const steps = partial.length + 1;
  const all = width * steps;
  const given = Number.isFinite(share) ? Math.min(1, Math.max(0, share)) : 0;
  const done = given === 1 ? all : Math.min(all - 1, Math.max(given > 0 ? 1 : 0, Math.floor(given * all)));
  const whole = Math.floor(done / steps);
  const part = partial[(done % steps) - 1] ?? '';
  return `${full.repeat(whole)}${part}${empty.repeat(width - whole - part.length)}`;
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

/** The state of a run as `status` and `list` say it. */
export function stateWord(run: {
  readonly state: string;
  readonly canceled: boolean;
  readonly blocked: readonly unknown[];
}): string {
  if (run.blocked.length > 0) return 'blocked';
  return run.state === 'done' && run.canceled ? 'canceled' : run.state;
}
