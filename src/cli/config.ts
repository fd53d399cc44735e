/**
 * `batchrun config`: see its issue.
 */
import { BatchrunError } from '../base/errors.ts';
import type { Context } from './context.ts';

export function runConfig(_context: Context, _command: string | undefined): Promise<number> {
  return Promise.reject(new BatchrunError('E_BUG', 'this must not happen: config is being built'));
}
