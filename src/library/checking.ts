/**
 * `check`: reads and checks rows as `submit` does, in a folder for temporary files and a ledger in memory. The state
 * folder is neither made nor opened, and no process handler is left behind: what was needed goes away with the check.
 */
import { ingest } from '../engine/ingest/ingest.ts';
import { makeScratchFolder } from '../host/scratch.ts';
import { openPassingStore } from '../host/state-folder.ts';
import { createEngine, createLog } from './context.ts';
import { EventHub } from './events.ts';
import type { BatchrunOptions, RowsInput, SubmitOptions } from './options.ts';
import { toReport, type SubmitReport } from './report.ts';
import { ingestRequest, readingEngine } from './submit.ts';
import { libraryText } from './words.ts';

export interface CheckOf {
  readonly options: BatchrunOptions;
  readonly input: RowsInput;
  readonly wanted: SubmitOptions;
  readonly signal: AbortSignal;
}

export async function checkInput({ options, input, wanted, signal }: CheckOf): Promise<SubmitReport> {
  const scratch = makeScratchFolder();
  try {
    const store = await openPassingStore();
    try {
      const base = createEngine({
        ...{ stateFolder: scratch.path, store, signal, passing: true },
        ...{ log: createLog(options), hub: new EventHub() },
      });
      const engine = readingEngine(base, wanted);
      const said: string[] = [];
      const request = await ingestRequest({
        ...{ engine, input, options: wanted, stateFolder: scratch.path },
        ...{ origin: '', workspace: '', workspaceHeader: null, maxQueued: options.maxQueued, dryRun: true },
        ...{ api: null, say: (text: string) => void said.push(libraryText(text)) },
        ask: ({ mix }) => Promise.resolve(mix),
      });
      return toReport(await ingest(engine, request), wanted, { resumed: false, warnings: [], cache: said });
    } finally {
      await store.close();
    }
  } finally {
    scratch.remove();
  }
}
