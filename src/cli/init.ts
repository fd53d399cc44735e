/**
 * `batchrun init`: see its issue.
 */
import { BatchrunError } from '../base/errors.ts';
import type { Context } from './context.ts';

export function runInit(_context: Context): Promise<number> {
  return Promise.reject(new BatchrunError('E_BUG', 'this must not happen: init is being built'));
}
