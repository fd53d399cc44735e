/**
 * The live page of a load test (`--web`): where it begins and ends. What it shows and steers is tools/loadtest/live.ts.
 */
import { BatchrunError } from '../base/errors.ts';
import type { LoadControl } from '../tools/loadtest/live.ts';
import type { Context } from './context.ts';

export interface LoadPage {
  /** Called when the report has been printed. */
  close(): Promise<void>;
}

export function startLoadtestPage(_context: Context, _control: LoadControl): Promise<LoadPage> {
  throw new BatchrunError('E_USAGE', 'the live page of --web is not built yet', { hint: 'Leave --web out.' });
}
