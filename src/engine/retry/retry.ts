/**
 * Where rows that need another attempt go: few at once to the realtime lane, many into a new chunk at half the price,
 * none at all when the user wants that. One place decides, so that no row can be in two lanes.
 */
import { laneOfMix } from '../../domain/lane-mix.ts';
import { isSent, laneOfWaiting } from '../../domain/lanes.ts';
import type { RunRecord } from '../../domain/model.ts';
import { pilotChunksOf } from '../../domain/pilot.ts';
import { sealFollowers } from '../copies/followers.ts';
import { isHomeBlocked, readHome, standStill } from './home-chunk.ts';
import { pilotHolds } from '../pilot/pilot-hold.ts';
import type { RealtimeLane } from '../realtime/realtime.ts';
import { RequestReader } from './requests.ts';
import { RetryChunks } from './retry-chunks.ts';
import type { Session } from '../session.ts';

/** Row records read at a time. */
const PAGE_ROWS = 1_000;
/** Rows that the lane holds in memory; the others wait in the ledger. */
const LANE_ROWS_MAX = 5_000;

/**
 * Sends the waiting rows of these runs on their way; those of runs that are `hurrying` to the realtime lane. Gives how many
 * new chunks were sealed.
 */
export async function retryRound(
  session: Session,
  lane: RealtimeLane,
  runIds: readonly string[],
  hurrying: ReadonlySet<string> = new Set(),
): Promise<number> {
  let sealed = 0;
  for (const runId of runIds) {
    const run = await session.engine.store.run(runId);
    if (run?.state !== 'active' || run.rows.retry === 0) continue;
    if (session.blocks.stopsSending(runId)) continue;
    // All that wait are in the lane already: reading them again would be for nothing.
    if (run.rows.retry === lane.waiting(runId) || lane.waiting(runId) > LANE_ROWS_MAX / 2) continue;
    if (run.settings.retryLane === 'none') await giveUp(session, run);
    const followers = await sealFollowers(session, run);
    // Rows that wait for other rows are none of those that wait to be sent.
    const now = followers > 0 ? ((await session.engine.store.run(runId)) ?? run) : run;
    const pilot = (await pilotHolds(session, now)) ? new Set(pilotChunksOf(now)) : null;
    const assigned = await assign(session, lane, { run: now, hurries: hurrying.has(runId), pilot });
    sealed += assigned.sealed + followers;
    if (assigned.stuckRows > 0) await standStill(session, runId, assigned.stuckRows);
  }
  return sealed;
}

/** `--retry-lane none`: what was tried is not tried again. Rows that were held, or that `batchrun retry` wants, go on. */
async function giveUp(session: Session, run: RunRecord): Promise<void> {
  for (let afterSeq = -1; ;) {
    const rows = await session.engine.store.rowRecords(run.id, { states: ['retry'], afterSeq, limit: PAGE_ROWS });
    const last = rows.at(-1);
    if (!last) return;
    afterSeq = last.seq;
    const steps = rows
      .filter((row) => row.attempts > 0)
      .map((row) => {
        const to = row.errorType === 'expired' ? ('expired' as const) : ('failed' as const);
        return { seq: row.seq, to, errorType: row.errorType ?? 'unknown' };
      });
    await session.driver.giveUpRows(run.id, steps, session.engine.clock.now());
  }
}

interface Assigned {
  readonly sealed: number;
  /** Rows whose chunk file cannot be read. */
  readonly stuckRows: number;
}

interface Waiting {
  readonly run: RunRecord;
  readonly hurries: boolean;
  /** Only rows of these chunks may go, and only into the realtime lane; null: all rows may. */
  readonly pilot: ReadonlySet<number> | null;
}

async function assign(session: Session, lane: RealtimeLane, { run, hurries, pilot }: Waiting): Promise<Assigned> {
  const { store, files } = session.engine;
  const requests = new RequestReader(store, files);
  const chunks = new RetryChunks(session, run, requests);
  let stuckRows = 0;
  try {
    for (let afterSeq = -1; ;) {
      // The lane goes on while this page is read and worked through. What it has before the read may have moved by then.
      const isLanes = lane.snapshot();
      const rows = await store.rowRecords(run.id, { states: ['retry'], afterSeq, limit: PAGE_ROWS });
      const last = rows.at(-1);
      if (!last) break;
      afterSeq = last.seq;
      for (const row of rows) {
        const isStuck = isHomeBlocked(session, row);
        if (!isStuck && isLanes(row)) continue;
        if (pilot?.has(row.homeChunkNo) === false) continue;
        const opened = isStuck ? null : await readHome(session, row, () => requests.chunk(run.id, row.homeChunkNo));
        // A row of a copy chunk is never sent itself (followers.ts).
        if (!opened || !isSent(opened.chunk)) {
          stuckRows++;
          continue;
        }
        const { requestBytes } = opened.index.at(row.homeIndex);
        const { betas, mix } = opened.chunk;
        const routed = laneOfMix(mix);
        const where = pilot ? 'realtime' : laneOfWaiting(run, { requestBytes, betas, hurries, routed });
        if (where === 'realtime' && lane.waiting(run.id) >= LANE_ROWS_MAX) {
          // Not all rows were looked at: nobody knows yet whether all are stuck.
          return { sealed: await chunks.sealAll(), stuckRows: 0 };
        }
        if (where === 'realtime') lane.offer(run, row, opened.chunk.priority);
        else if (!(await chunks.add(row, opened.chunk))) stuckRows++;
      }
    }
    return { sealed: await chunks.sealAll(), stuckRows };
  } finally {
    await chunks.abort();
    await requests.close();
  }
}
