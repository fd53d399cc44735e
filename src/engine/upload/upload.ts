/**
 * Makes batches of sealed chunks, as many as the caps allow: slots, the queue of the organization, creates a minute, the
 * budget of the run. What waits for one of these is known and not tried.
 */
import type { ChunkRecord, RunRecord } from '../../domain/model.ts';
import { wishesOf } from '../../domain/model.ts';
import { budgetBlock, budgetOf, reservationOf, surely } from '../budget/budget.ts';
import { BatchRoom } from './batch-room.ts';
import { warmCache } from '../cache/cache-warmer.ts';
import { createBatchOf } from './create-batch.ts';
import type { KeyLink } from '../engine.ts';
import { usableKeys } from '../keys/key-book.ts';
import { blockRun, type Session } from '../session.ts';
import { planUploads, type PlannedUpload } from './upload-plan.ts';

export interface UploadRound {
  readonly uploaded: number;
  /** The caps are used in full; sealed chunks wait for a slot. */
  readonly full: boolean;
  /** Sealed chunks that wait, for a slot or a time. */
  readonly waiting: number;
}

/**
 * Chunks sent at once. While the API works on one create the line is free for the next; more than this would only share
 * the line, and hold more creates in doubt if it broke.
 */
const UPLOADS_AT_ONCE = 4;
/** From this size on an upload fills the line for itself: ten seconds at 25 Mbit/s. */
const ALONE_BYTES_MIN = 32_000_000;
/** A look at the list, and the create. */
const CALLS_OF_A_CREATE = 2;

/** Uploads until a cap, a wait or the end of the chunks: by priority, then runs in their order, chunks in theirs. */
export async function uploadRound(session: Session, runIds: readonly string[]): Promise<UploadRound> {
  for (let uploaded = 0; ;) {
    const plan = await planUploads(session, runIds);
    if (plan.length === 0) return { uploaded, full: false, waiting: 0 };
    const round = new Round(session, runIds, { plan, room: await BatchRoom.open(session) });
    const end = await round.run();
    uploaded += end.uploaded;
    // The parts of a chunk that was split are chunks like any other.
    if (!end.split) return { uploaded, full: end.full, waiting: end.waiting };
  }
}

interface Next {
  readonly upload: PlannedUpload;
  readonly link: KeyLink;
}

class Round {
  readonly #session: Session;
  readonly #runIds: readonly string[];
  readonly #waiting: PlannedUpload[];
  readonly #room: BatchRoom;
  readonly #overBudget = new Set<string>();
  #uploaded = 0;
  #full = false;
  #stopped = false;
  #split = false;
  #underWay = 0;
  /** One that fills the line is under way. */
  #alone = false;

  constructor(
    session: Session,
    runIds: readonly string[],
    { plan, room }: { readonly plan: PlannedUpload[]; readonly room: BatchRoom },
  ) {
    this.#session = session;
    this.#runIds = runIds;
    this.#waiting = plan;
    this.#room = room;
  }

  async run(): Promise<UploadRound & { readonly split: boolean }> {
    // The first goes alone: a key that is refused, or an API that is not there, is found out once.
    await this.#next();
    const lanes = Array.from({ length: Math.min(UPLOADS_AT_ONCE, this.#waiting.length) }, () => this.#lane());
    // All of them are waited for, also where one fails: what is under way must be over before anybody goes on.
    for (const lane of await Promise.allSettled(lanes)) if (lane.status === 'rejected') throw lane.reason;
    return { uploaded: this.#uploaded, full: this.#full, waiting: this.#waiting.length, split: this.#split };
  }

  async #lane(): Promise<void> {
    try {
      while (!this.#stopped && (await this.#next()));
    } catch (error) {
      this.#stopped = true;
      throw error;
    }
  }

  /** Sends the next chunk that may go. False where none may now. */
  async #next(): Promise<boolean> {
    const next = this.#takeNext();
    if (!next) return false;
    this.#underWay++;
    this.#alone = next.upload.chunk.bytes >= ALONE_BYTES_MIN;
    try {
      return await this.#send(next);
    } finally {
      this.#underWay--;
      this.#alone = false;
    }
  }

  async #send({ upload, link }: Next): Promise<boolean> {
    const rows = upload.chunk.rowCount;
    const reservedUsd = await this.#reserve(upload);
    if (reservedUsd === null) {
      this.#room.giveBack(link, rows);
      return true;
    }
    const free = await this.#callsAreFree(link);
    const lease = free ? await this.#room.lease(link, rows, leaseId(upload.chunk)) : null;
    if (!lease) {
      if (free) this.#full = true;
      this.#session.pledges.takeBack(upload.run.id, reservedUsd);
      this.#room.giveBack(link, rows);
      this.#waiting.unshift(upload);
      return false;
    }
    let made: boolean;
    try {
      await warmCache(this.#session, { ...upload, link });
      made = await this.#createUnlessStopped(upload, link, reservedUsd);
    } catch (error) {
      // Nobody here comes back to it, and it may have been made: others count it as long as a list may not show it.
      await lease(true).catch(() => undefined);
      throw error;
    }
    await lease(made);
    if (made) this.#uploaded++;
    else await this.#lookAgain(upload, link);
    return true;
  }

  /** It waits again, unless it is in doubt, or another one's by now. */
  async #lookAgain(upload: PlannedUpload, link: KeyLink): Promise<void> {
    const { store } = this.#session.engine;
    const chunk = await store.chunk(upload.chunk.runId, upload.chunk.chunkNo);
    const run = await store.run(upload.run.id);
    // What may have been made holds its room.
    if (chunk?.state === 'uncertain' || chunk?.state === 'submitted') return;
    this.#room.giveBack(link, upload.chunk.rowCount);
    if (chunk?.state === 'split') this.#split = true;
    if (chunk?.state !== 'sealed' || (run?.state !== 'ready' && run?.state !== 'active')) return;
    this.#waiting.unshift({ ...upload, chunk });
  }

  /** While the cache was warmed somebody may have wanted to stop. */
  async #createUnlessStopped(upload: PlannedUpload, link: KeyLink, reservedUsd: number): Promise<boolean> {
    if (!this.#session.engine.signal.aborted) return this.#create(upload, link, reservedUsd);
    this.#session.pledges.takeBack(upload.run.id, reservedUsd);
    return false;
  }

  async #create({ chunk, run }: PlannedUpload, link: KeyLink, reservedUsd: number): Promise<boolean> {
    let pledgedUsd = reservedUsd;
    const keep = (): void => {
      this.#session.pledges.keep(run.id, pledgedUsd);
      pledgedUsd = 0;
    };
    try {
      return await createBatchOf(this.#session, {
        ...{ chunk, link, runIds: this.#runIds },
        onListed: (batches) => this.#room.noteListed(link, batches),
        onRecorded: keep,
        onMade: (batchId) => this.#room.noteMade(link, chunk.rowCount, batchId),
        onRefused: (failure) => this.#room.noteRefused(link, failure),
      });
    } finally {
      keep();
    }
  }

  /** The first in its turn that a key has room for. */
  #takeNext(): Next | null {
    const { engine, keys } = this.#session;
    for (const [at, upload] of this.#waiting.entries()) {
      const { run, chunk } = upload;
      if (engine.signal.aborted || this.#stopped) return null;
      const { blocks } = this.#session;
      if (blocks.stopsSending(run.id) || blocks.stopsChunk(chunk) || this.#overBudget.has(run.id)) continue;
      const links = usableKeys(this.#session, keys.several ? this.#room.load : null);
      const free = links.filter((link) => keys.createTimeOf(link) <= engine.clock.monotonicMs());
      if (free.length === 0) {
        // A wait is over at a known time. But where room is lacking it is no longer lacking when a batch has ended.
        if (links.length > 0 && links.every((one) => keys.paceOf(one).lacksRoom)) this.#full = true;
        return null;
      }
      const link = this.#room.isFull ? undefined : free.find((one) => this.#room.fits(one, chunk.rowCount));
      if (!link) {
        // What comes later in its turn does not go past it: else a large chunk would wait for ever.
        this.#full = true;
        return null;
      }
      if (this.#underWay > 0 && (this.#alone || chunk.bytes >= ALONE_BYTES_MIN)) return null;
      this.#waiting.splice(at, 1);
      this.#room.take(link, chunk.rowCount);
      return { upload, link };
    }
    return null;
  }

  /** Each create is two calls of the batch endpoints, which have a limit of their own. */
  async #callsAreFree(link: KeyLink): Promise<boolean> {
    const { keys, pacer, engine } = this.#session;
    const waitMs = await pacer.takeBatchCalls(keys.organizationOf(link), link.label, CALLS_OF_A_CREATE);
    if (waitMs === 0) return true;
    keys.paceOf(link).callsNotBeforeMs = engine.clock.monotonicMs() + waitMs;
    return false;
  }

  /** What the batch may cost, reserved; null where the budget of its run does not allow it. */
  async #reserve({ run, chunk }: PlannedUpload): Promise<number | null> {
    if (wishesOf(run).maxCostUsd === null) return 0;
    const session = this.#session;
    const { fresh, view, usd } = await surely(session, async () => {
      const now = (await session.engine.store.run(run.id)) ?? run;
      const left = await budgetOf(session, now);
      const cost = left && (await reservationOf(session, now, { mix: chunk.mix, lane: 'batch', view: left }));
      return { fresh: now, view: left, usd: cost };
    });
    if (!view) return 0;
    const pledgedUsd = session.pledges.of(run.id);
    if (usd !== null && !view.unknown && usd <= view.leftUsd - pledgedUsd) {
      session.pledges.add(run.id, usd);
      return usd;
    }
    this.#overBudget.add(run.id);
    // While something is under way its settling may make room.
    const open = (pledgedUsd > 0 || (await this.#isUnderWay(fresh))) && usd !== null && !view.unknown;
    if (!open) {
      await blockRun(session, run.id, budgetBlock(fresh, view, usd, session.engine.clock.now()));
    }
    return null;
  }

  async #isUnderWay(run: RunRecord): Promise<boolean> {
    const { submitting, uncertain, submitted, ended } = await this.#session.engine.store.chunkCounts(run.id);
    return submitting + uncertain + submitted + ended + run.rows.in_realtime > 0;
  }
}

function leaseId({ runId, chunkNo }: ChunkRecord): string {
  return `${runId}:${chunkNo}`;
}
