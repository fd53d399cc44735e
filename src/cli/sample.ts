/**
 * `batchrun sample`: see its issue.
 */
import { BatchrunError } from '../base/errors.ts';
import type { Context } from './context.ts';

export function runSample(_context: Context, _inputs: readonly string[]): Promise<number> {
  return Promise.reject(new BatchrunError('E_BUG', 'this must not happen: sample is being built'));
}
