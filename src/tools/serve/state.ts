/**
 * What the page looks at: the ledger of a state folder, which may not be there yet, and its files. Nothing is written.
 */
import { BatchrunError } from '../../base/errors.ts';
import type { RunRecord } from '../../domain/model.ts';
import type { Formats } from '../../domain/output-record.ts';
import type { Files } from '../../domain/ports.ts';
import type { Store } from '../../domain/store.ts';
import type { ProgressLedger } from '../progress/progress.ts';

export type ServeLedger = ProgressLedger &
  Pick<Store, 'run' | 'chunk' | 'chunkIndex' | 'rowRecord' | 'batch' | 'tombstones'>;

export interface ServeState {
  /** Where it lies, for the eyes of its owner. */
  readonly folder: string;
  /** Null while nothing was ever submitted here. */
  ledger(): Promise<ServeLedger | null>;
  readonly files: Files;
  readonly formats: Formats;
}

export interface OpenedRun {
  readonly ledger: ServeLedger;
  readonly run: RunRecord;
}

/** By its whole id: pages know it. Throws E_RUN_UNKNOWN. */
export async function openRun(state: ServeState, runId: string | undefined): Promise<OpenedRun> {
  const ledger = await state.ledger();
  const run = runId === undefined ? null : ((await ledger?.run(runId)) ?? null);
  if (ledger && run) return { ledger, run };
  throw new BatchrunError('E_RUN_UNKNOWN', `there is no run "${(runId ?? '').slice(0, 64)}" in ${state.folder}`);
}
