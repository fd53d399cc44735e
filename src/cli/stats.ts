/**
 * `batchrun stats`: see its issue.
 */
import { BatchrunError } from '../base/errors.ts';
import type { Context } from './context.ts';

export function runStats(_context: Context, _results: string): Promise<number> {
  return Promise.reject(new BatchrunError('E_BUG', 'this must not happen: stats is being built'));
}
