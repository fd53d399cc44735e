/**
 * `batchrun diff`: see its issue.
 */
import { BatchrunError } from '../base/errors.ts';
import type { Context } from './context.ts';

export function runDiff(_context: Context, _a: string, _b: string): Promise<number> {
  return Promise.reject(new BatchrunError('E_BUG', 'this must not happen: diff is being built'));
}
