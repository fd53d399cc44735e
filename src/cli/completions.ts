/**
 * `batchrun completions`: room for the completions of shells.
 */
import { BatchrunError } from '../base/errors.ts';
import type { Context } from './context.ts';

export function runCompletions(_context: Context, _shell: string): Promise<number> {
  throw new BatchrunError('E_USAGE', 'completions are not built yet');
}
