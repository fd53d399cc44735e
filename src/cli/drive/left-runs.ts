/**
 * What becomes of a run whose command finds another process driving: whoever is turned away must know whether its rows
 * are on their way, and which command goes on.
 */
import type { RunRecord } from '../../domain/model.ts';
import type { Store } from '../../domain/store.ts';

/**
 * The other process ("it") takes up what is ready, and is of its own base URL, and sends that; the answers it waits for
 * only when it was started for all runs. Whether it goes on with what is under way hangs on what it was started for, too.
 * The ledger does not say, so nothing is promised that only some drivers do.
 */
export async function leftRunText(store: Store, run: RunRecord): Promise<string> {
  const goesOn = `\`batchrun collect ${run.id}\``;
  if (run.state === 'done') return `${run.id} is done; ${goesOn} shows what came of it`;
  if (run.state !== 'ready') {
    return `${run.id} is ${run.state} and is left as it is here; ${goesOn} goes on with it when that process has ended`;
  }
  // Where all runs are of one base URL the driver is, too.
  const isSure = (await store.runs()).every(({ origin }) => origin === run.origin);
  const where = isSure ? '' : `, if it works with ${run.origin} as well`;
  return `it sends the rows of ${run.id}${where}; ${goesOn} fetches their answers when that process has ended`;
}
