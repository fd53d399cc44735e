/**
 * `batchrun serve`: room for the web page.
 */
import { BatchrunError } from '../base/errors.ts';
import type { Context } from './context.ts';

export function runServe(_context: Context): Promise<number> {
  throw new BatchrunError('E_USAGE', 'serve is not built yet');
}
