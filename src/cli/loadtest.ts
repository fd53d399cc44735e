/**
 * `batchrun loadtest`: room for the load tester.
 */
import { BatchrunError } from '../base/errors.ts';
import type { Context } from './context.ts';

export function runLoadtest(_context: Context, _prompts: readonly string[]): Promise<number> {
  throw new BatchrunError('E_USAGE', 'loadtest is not built yet');
}
