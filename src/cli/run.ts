/**
 * `batchrun run`: submit and collect in one, for cron. Killed and run again with the same input it goes on; finished and
 * run again it does nothing.
 */
import type { Context } from './context.ts';
import { runSubmit } from './submit.ts';

export function runRun(context: Context, inputs: readonly string[], argv: readonly string[]): Promise<number> {
  return runSubmit(context, inputs, { command: 'run', argv, wait: true });
}
