/**
 * How the pilot of a run stands, from the ledger alone: for the driver, and for `status`.
 */
import type { RowRecord, RunRecord } from '../../domain/model.ts';
import { isRefusal, PILOT_ROWS_MAX, pilotChunksOf } from '../../domain/pilot.ts';
import type { Store } from '../../domain/store.ts';

export interface PilotLook {
  /**
   * `none`: nothing goes first. `open`: rows of it are not answered yet. `refused`: the API refused one for what it is.
   */
  readonly state: 'none' | 'open' | 'passed' | 'refused';
  /** Chunks of it whose rows nobody has called yet. */
  readonly sealed: readonly number[];
  /** The first row that was refused. */
  readonly refused: RowRecord | null;
}

/** What this process knows of pilots; all of it follows from the ledger. */
export interface PilotBook {
  /** Runs of which nothing is held back any more: their pilot is over, or there is none. */
  readonly passed: Set<string>;
  /** Runs whose pilot is under way. */
  readonly flying: Set<string>;
  /** Runs of whose pilot a row was refused just now: the ledger may not know it yet. */
  readonly refusing: Set<string>;
}

const NONE: PilotLook = { state: 'none', sealed: [], refused: null };

type Ledger = Pick<Store, 'chunk' | 'rowRecords'>;

export async function lookAtPilot(store: Ledger, run: RunRecord): Promise<PilotLook> {
  const chunkNos = pilotChunksOf(run);
  if (chunkNos.length === 0) return NONE;
  const sealed: number[] = [];
  let firstSeq = Infinity;
  for (const chunkNo of chunkNos) {
    const chunk = await store.chunk(run.id, chunkNo);
    // One whose rows were all duplicates of others is gone.
    if (!chunk) continue;
    firstSeq = Math.min(firstSeq, chunk.firstSeq);
    if (chunk.state === 'sealed') sealed.push(chunkNo);
  }
  const own = new Set(chunkNos);
  const rowsIn = async (...states: RowRecord['state'][]): Promise<readonly RowRecord[]> => {
    const rows = await store.rowRecords(run.id, { states, afterSeq: firstSeq - 1, limit: PILOT_ROWS_MAX });
    return rows.filter((row) => own.has(row.homeChunkNo));
  };
  if (firstSeq === Infinity) return NONE;
  // In this order: the lane goes on meanwhile, and a row that fails between the two looks must be seen by one of them.
  const isOpen = sealed.length > 0 || (await rowsIn('retry', 'in_realtime', 'waiting', 'in_batch')).length > 0;
  const refused = (await rowsIn('failed')).find((row) => isRefusal(row.errorType)) ?? null;
  if (refused) return { state: 'refused', sealed, refused };
  return { state: isOpen ? 'open' : 'passed', sealed, refused: null };
}
