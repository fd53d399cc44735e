/**
 * Rows that are tried again need their request, which lies in the chunk file that they were sealed into. Where that file
 * is gone or damaged its chunk is blocked, and with it only the rows that live there: they wait in `retry`, and every
 * other row, chunk and run goes on.
 */
import { isBatchrunError, messageOf } from '../../base/errors.ts';
import { plural } from '../../base/units.ts';
import { isSent } from '../../domain/lanes.ts';
import { OPEN_CHUNK_STATES } from '../../domain/transitions.ts';
import type { HomePlace } from './requests.ts';
import { blockRun, type Session } from '../session.ts';

type Row = HomePlace & { readonly runId: string };

const HINT =
  'Submit the same input again: the file is made anew from it. Or bring it back from a backup, and `batchrun collect` goes on.';

/** Did an earlier look at the chunk file of this row find it damaged? */
export function isHomeBlocked(session: Session, { runId, homeChunkNo }: Row): boolean {
  return session.blocks.stopsChunk({ runId, chunkNo: homeChunkNo });
}

/** What `read` finds in the chunk file of this row; null, and the chunk is blocked, where that cannot be read. */
export async function readHome<T>(session: Session, row: Row, read: () => Promise<T>): Promise<T | null> {
  try {
    return await read();
  } catch (error) {
    if (!isBatchrunError(error, 'E_STATE_CORRUPT') && !isBatchrunError(error, 'E_FILE')) throw error;
    await blockRun(session, row.runId, {
      reason: 'chunk_damaged',
      scope: `chunk:${row.homeChunkNo}`,
      message: `rows of chunk ${row.homeChunkNo} cannot be tried again: ${messageOf(error)}`,
      hint: `${HINT} These rows wait; nothing of them was sent again.`,
      sinceMs: session.engine.clock.now(),
    });
    return null;
  }
}

/**
 * So many waiting rows of a run have a chunk file that cannot be read. When they are all that is left to be moved, the
 * run itself stands still until a person has acted; before that, nothing else of it is held up.
 */
export async function standStill(session: Session, runId: string, stuckRows: number): Promise<void> {
  const { store, clock } = session.engine;
  const run = await store.run(runId);
  if (run?.rows.retry !== stuckRows || run.rows.in_realtime > 0) return;
  const open = await store.chunks(runId, { states: OPEN_CHUNK_STATES });
  // A copy chunk waits for the others, and may do so for these rows.
  if (open.some((chunk) => isSent(chunk) && !session.blocks.stopsChunk(chunk))) return;
  await blockRun(session, runId, {
    reason: 'chunk_damaged',
    scope: 'run',
    message: `${plural(stuckRows, 'row')} of ${runId} cannot be tried again, and nothing else is left to do`,
    hint: HINT,
    sinceMs: clock.now(),
  });
}
