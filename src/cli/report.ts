/**
 * `batchrun report run`: room for the report on a run.
 */
import { BatchrunError } from '../base/errors.ts';
import type { Context } from './context.ts';

export function runReport(_context: Context, _what: string, _run: string): Promise<number> {
  throw new BatchrunError('E_USAGE', 'report is not built yet');
}
