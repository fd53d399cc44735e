/**
 * `batchrun check`: see its issue.
 */
import { BatchrunError } from '../base/errors.ts';
import type { Context } from './context.ts';

export function runCheck(_context: Context, _inputs: readonly string[], _argv: readonly string[]): Promise<number> {
  return Promise.reject(new BatchrunError('E_BUG', 'this must not happen: check is being built'));
}
