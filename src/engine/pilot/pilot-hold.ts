/**
 * Whether a pilot holds back the rest of its run, and what stops a run whose pilot was refused. Whoever is about to send
 * something asks here first: the upload, the release of sealed chunks, the lanes of retries.
 */
import { isBatchrunError } from '../../base/errors.ts';
import type { Block, RowRecord, RunRecord } from '../../domain/model.ts';
import { isRefusal, pilotChunksOf } from '../../domain/pilot.ts';
import { lookAtPilot, type PilotLook } from './pilot-look.ts';
import { RowNames } from '../output/row-names.ts';
import { blockRun, type Session } from '../session.ts';

/** As in `PilotLook`; `passed` and `none` hold nothing back. */
async function pilotState(session: Session, run: RunRecord): Promise<PilotLook['state']> {
  if (pilotChunksOf(run).length === 0) return 'none';
  if (session.pilots.passed.has(run.id)) return 'passed';
  return (await lookAtPilot(session.engine.store, run)).state;
}

/** May nothing but the pilot of this run be sent now? */
export async function pilotHolds(session: Session, run: RunRecord): Promise<boolean> {
  const state = await pilotState(session, run);
  return state === 'open' || state === 'refused';
}

/** Before the refusal is in the ledger: no call that has not begun may begin any more. */
export function noteRefusal(session: Session, { run, row }: RefusedRow, errorType: string): void {
  if (isRefusal(errorType) && pilotChunksOf(run).includes(row.homeChunkNo)) session.pilots.refusing.add(run.id);
}

interface RefusedRow {
  readonly run: RunRecord;
  readonly row: RowRecord;
}

/** What was noted is in the ledger now: the run stands still until a person has decided. */
export async function stopRefused(session: Session, runId: string): Promise<void> {
  if (!session.pilots.refusing.has(runId)) return;
  const run = await session.engine.store.run(runId);
  const look = run ? await lookAtPilot(session.engine.store, run) : null;
  if (run && look?.refused) await blockRefused(session, run, look.refused);
}

export async function blockRefused(session: Session, run: RunRecord, row: RowRecord): Promise<void> {
  await blockRun(session, run.id, {
    reason: PILOT_REFUSED,
    scope: 'run',
    message: `the pilot of ${run.id} was refused: ${row.errorType ?? 'an error'} for ${await placeOf(session, run, row)}; nothing but the pilot was sent`,
    hint: `\`batchrun results ${run.id} --only failed\` shows it. \`batchrun cancel ${run.id}\` stops the run, so that the mended rows can be submitted; \`batchrun collect ${run.id} --pilot 0\` sends the rest all the same.`,
    sinceMs: session.engine.clock.now(),
  } satisfies Block);
}

export const PILOT_REFUSED = 'pilot_refused';

/** Where the row stands in the input: its id is the user's own, and stays out of the ledger. */
async function placeOf({ engine }: Session, run: RunRecord, row: RowRecord): Promise<string> {
  const names = new RowNames(engine, run.id);
  try {
    const { line, file = 0 } = await names.of(row.homeChunkNo, row.homeIndex);
    return `line ${line} of ${run.inputs[file] === '-' ? 'stdin' : (run.inputs[file] ?? 'the input')}`;
  } catch (error) {
    if (!isBatchrunError(error, 'E_STATE_CORRUPT') && !isBatchrunError(error, 'E_FILE')) throw error;
    return `row ${row.seq + 1} of the input`;
  } finally {
    await names.close();
  }
}
