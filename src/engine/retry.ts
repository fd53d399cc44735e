/**
 * Where rows that need another attempt go: few at once to the realtime lane, many into a new chunk at half the price,
 * none at all when the user wants that. One place decides, so that no row can be in two lanes.
 */
import { failpoint } from '../base/failpoint.ts';
import { tagOf } from '../domain/ids.ts';
import { laneOfMix } from '../domain/lane-mix.ts';
import { laneOfWaiting } from '../domain/lanes.ts';
import type { ChunkRecord, Lane, RowRecord, RunRecord } from '../domain/model.ts';
import { pilotChunksOf } from '../domain/pilot.ts';
import { ChunkWriter } from './chunk-writer.ts';
import { isHomeBlocked, readHome, standStill } from './home-chunk.ts';
import { pilotHolds } from './pilot-hold.ts';
import type { RealtimeLane } from './realtime.ts';
import { RequestReader } from './requests.ts';
import type { Session } from './session.ts';

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
    const pilot = (await pilotHolds(session, run)) ? new Set(pilotChunksOf(run)) : null;
    const assigned = await assign(session, lane, { run, hurries: hurrying.has(runId), pilot });
    sealed += assigned.sealed;
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
        if (!opened) {
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

const NO_LINE = Buffer.alloc(0);

/** What a row's new chunk takes over from the one that it comes from. */
type Home = Pick<ChunkRecord, 'betas' | 'priority' | 'mix'>;

/** New chunks of rows that wait, one open per set of betas, priority and lane. */
class RetryChunks {
  readonly #session: Session;
  readonly #run: RunRecord;
  readonly #requests: RequestReader;
  readonly #open = new Map<string, { readonly writer: ChunkWriter; readonly seqs: number[] }>();
  #nextNo: number | undefined;
  #sealed = 0;

  constructor(session: Session, run: RunRecord, requests: RequestReader) {
    this.#session = session;
    this.#run = run;
    this.#requests = requests;
  }

  /** False where the request of the row cannot be read: it goes on waiting. */
  async add(row: RowRecord, home: Home): Promise<boolean> {
    const { chunkRows, chunkBytes } = this.#run.settings;
    const request = await readHome(this.#session, row, () => this.#requests.sized(this.#run.id, row));
    if (!request) return false;
    const { paramsJson, ...kind } = request;
    const lane = laneOfMix(home.mix);
    const key = `${home.betas.join(',')}|${home.priority ?? ''}|${lane ?? ''}`;
    let open = this.#open.get(key);
    const params = Buffer.from(paramsJson);
    const full = (writer: ChunkWriter): boolean =>
      writer.rowCount >= chunkRows || writer.bytes + writer.requestBytes(params.length) > chunkBytes;
    if (open && full(open.writer)) {
      await this.#seal(key);
      open = undefined;
    }
    if (!open) {
      open = { writer: await this.#newWriter(home, lane), seqs: [] };
      this.#open.set(key, open);
    }
    open.seqs.push(row.seq);
    await open.writer.add({ seq: row.seq, params, line: NO_LINE, kind });
    return true;
  }

  async sealAll(): Promise<number> {
    for (const key of [...this.#open.keys()]) await this.#seal(key);
    return this.#sealed;
  }

  /** What was begun and not sealed is garbage; its rows still wait. */
  async abort(): Promise<void> {
    for (const { writer } of this.#open.values()) await writer.abort();
    this.#open.clear();
  }

  async #newWriter({ betas, priority }: Home, lane: Lane | null): Promise<ChunkWriter> {
    const { store, files } = this.#session.engine;
    const runId = this.#run.id;
    this.#nextNo ??= ((await store.chunks(runId)).at(-1)?.chunkNo ?? 0) + 1;
    const chunkNo = this.#nextNo++;
    return new ChunkWriter(files, {
      runId,
      tag: tagOf(runId),
      chunkNo,
      kind: 'retry',
      betas,
      priority,
      lane,
      parentNo: null,
    });
  }

  async #seal(key: string): Promise<void> {
    const open = this.#open.get(key);
    if (!open) return;
    const { engine, driver } = this.#session;
    const chunk = await open.writer.seal(driver.assertDriving);
    this.#open.delete(key);
    failpoint('retry.chunk_file');
    await driver.sealRetryChunk(this.#run.id, chunk, open.seqs, engine.clock.now());
    this.#sealed++;
    engine.emit({ kind: 'retry.chunk', runId: this.#run.id, chunkNo: chunk.chunkNo, rows: chunk.rowCount });
  }
}
