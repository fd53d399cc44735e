/**
 * Pilots of runs that are driven: their chunks are released into the realtime lane, and when the last row is answered the
 * rest may go. One that was refused blocks its run. What of a run is held back meanwhile, pilot-hold.ts says.
 */
import { wishesOf, type RunRecord } from '../../domain/model.ts';
import { pilotChunksOf } from '../../domain/pilot.ts';
import { lookAtPilot } from './pilot-look.ts';
import { blockRefused, PILOT_REFUSED } from './pilot-hold.ts';
import { mayRelease, releaseChunk } from '../realtime/release.ts';
import type { Session } from '../session.ts';

export interface PilotRound {
  /** Runs whose pilot is under way: their waiting rows go to the lane. */
  readonly open: readonly string[];
  /** Rows that have been released just now. */
  readonly released: number;
}

export async function pilotRound(session: Session, runIds: readonly string[]): Promise<PilotRound> {
  const { store } = session.engine;
  const open: string[] = [];
  let released = 0;
  for (const runId of runIds) {
    const run = await store.run(runId);
    if (!run || (run.state !== 'ready' && run.state !== 'active')) continue;
    if (pilotChunksOf(run).length === 0) await letGo(session, run);
    else if (!session.pilots.passed.has(runId)) {
      const { state, sealed, refused } = await lookAtPilot(store, run);
      if (state === 'passed') tellPassed(session, run);
      if (refused) await blockRefused(session, run, refused);
      if (state !== 'open' || !mayRelease(session, run)) continue;
      open.push(runId);
      session.pilots.flying.add(runId);
      for (const chunkNo of sealed) {
        const chunk = await store.chunk(runId, chunkNo);
        if (chunk?.state === 'sealed' && !session.blocks.stopsChunk(chunk)) {
          released += await releaseChunk(session, chunk);
        }
      }
    }
  }
  return { open, released };
}

/** Only what this process has seen under way is news. */
function tellPassed({ pilots, engine }: Session, run: RunRecord): void {
  pilots.passed.add(run.id);
  if (!pilots.flying.delete(run.id)) return;
  engine.emit({ kind: 'pilot.passed', runId: run.id, rows: wishesOf(run).pilot });
}

/** Somebody has said to go on all the same (`--pilot 0`), also while this process drives. */
async function letGo({ blocks, pilots, driver, engine }: Session, run: RunRecord): Promise<void> {
  pilots.refusing.delete(run.id);
  if (!blocks.release(run.id, 'run', PILOT_REFUSED)) return;
  await driver.setBlocks(run.id, blocks.of(run.id), engine.clock.now());
}
