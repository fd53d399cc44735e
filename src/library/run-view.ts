/**
 * A run as programs see it: that of `batchrun status --json`, with what a person must do in the words of the library.
 */
import { plain } from '../base/units.ts';
import type { RunRecord } from '../domain/model.ts';
import type { Store } from '../domain/store.ts';
import type { RunView } from '../engine/views/run-view.ts';
import { viewRun } from '../engine/views/status.ts';
import { libraryText } from './words.ts';

export async function viewForPrograms(store: Store, run: RunRecord): Promise<RunView> {
  const view = await viewRun(store, run);
  const blocked = view.blocked.map((block) => ({
    ...block,
    message: libraryText(block.message),
    hint: libraryText(block.hint),
  }));
  return plain({ ...view, blocked });
}
