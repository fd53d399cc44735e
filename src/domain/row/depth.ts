/** How deeply a row may be nested: counted, since how much the stack holds differs from Node to Node and thread to thread. */
import type { RowProblem } from '../source.ts';

/** Levels of lists and objects in a row. The API takes far fewer; what reads and writes JSON here takes 2,000 and more. */
export const DEPTH_MAX = 1_000;

export const TOO_DEEP: RowProblem = {
  code: 'too_deep',
  message: 'the row is nested too deeply, or too large, to be written as JSON',
};

/** Has the value more than so many levels? Looks no deeper than that. */
export function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (levels === 0) return true;
  if (Array.isArray(value)) {
    for (const item of value) if (isDeeper(item, levels - 1)) return true;
    return false;
  }
  for (const key in value) if (isDeeper((value as Readonly<Record<string, unknown>>)[key], levels - 1)) return true;
  return false;
}
