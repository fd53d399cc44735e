/**
 * How much room there is for another batch: slots (`--max-batches`) over all runs of this state, and requests in the
 * queue of an organization, where batches of other programs count as well. What waits is known, not tried.
 */
import type { ApiFailure } from '../../domain/failure-router.ts';
import { requestCount, type BatchInfo } from '../../domain/model.ts';
import { refusalOf } from '../../domain/pacing/refusal.ts';
import type { KeyLink } from '../engine.ts';
import { KeyLoad } from '../keys/key-book.ts';
import { noteForeign, noteOwn } from './foreign.ts';
import { openBatchRecords } from '../poll/poll.ts';
import { serverNowMs, type Session } from '../session.ts';

/** A batch ends 24 h after its create; the clocks of two servers may differ. */
const SECOND_BATCH_SLACK_MS = 3_600_000;
/** A batch may take so long to show in the list (facts, section 1.12: seconds); until then its lease stands for it. */
const LEASE_MS = 60_000;
/** A create takes as long as its upload: ten minutes for the API, and the body at no less than 50 kB/s. */
const CREATE_LEASE_MS_MIN = 900_000;

interface Load {
  batches: number;
  rows: number;
}

export class BatchRoom {
  readonly #session: Session;
  readonly #load: KeyLoad;
  /** What is open of ours, by organization. */
  readonly #own = new Map<string, Load>();
  /** Of these what was taken for creates whose answer is not there yet. */
  readonly #asked = new Map<string, Load>();
  readonly #ownIds: Set<string>;
  #slots: number;

  private constructor(session: Session, parts: { slots: number; load: KeyLoad; ids: Set<string> }) {
    this.#session = session;
    this.#slots = parts.slots;
    this.#load = parts.load;
    this.#ownIds = parts.ids;
  }

  /** As the ledger and the last looks at the lists have it. */
  static async open(session: Session): Promise<BatchRoom> {
    const { store, api } = session.engine;
    const runs = (await store.runs()).filter((run) => run.state !== 'done' && run.origin === api.origin);
    const records = await openBatchRecords(
      session,
      runs.map((run) => run.id),
    );
    const load = new KeyLoad(session.keys);
    for (const { workspace, counts } of records) load.add(workspace, requestCount(counts));
    let slots = 0;
    let doubtRows = 0;
    for (const run of runs) {
      const counts = await store.chunkCounts(run.id);
      slots += counts.submitting + counts.uncertain + counts.submitted;
      // One that the API no longer shows is over a day after it was made, whatever the ledger knows of it.
      const seconds = await store.secondBatches(run.id);
      slots += seconds.filter((batch) => batch.expiresAtMs + SECOND_BATCH_SLACK_MS > serverNowMs(session)).length;
      if (counts.submitting + counts.uncertain === 0) continue;
      const doubtful = await store.chunks(run.id, { states: ['submitting', 'uncertain'] });
      doubtRows += doubtful.reduce((sum, chunk) => sum + chunk.rowCount, 0);
    }
    const room = new BatchRoom(session, { slots, load, ids: new Set(records.map((batch) => batch.id)) });
    for (const { workspace, counts } of records)
      room.#add(room.#own, room.#organizationAt(workspace), requestCount(counts));
    // Nobody knows yet where a batch in doubt is: it counts everywhere.
    for (const organization of session.keys.organizations) loadOf(room.#own, organization).rows += doubtRows;
    return room;
  }

  /** All slots of this state are taken. */
  get isFull(): boolean {
    return this.#slots >= this.#session.engine.pacing.maxBatches;
  }

  get load(): KeyLoad {
    return this.#load;
  }

  /** Does a batch of so many rows fit into the queue of this key's organization? */
  fits(link: KeyLink, rows: number): boolean {
    const organization = this.#session.keys.organizationOf(link);
    const { rowsMax, batchesMax } = this.#session.pacer.pools.batchLimits(organization);
    const open = this.#openAt(organization);
    // One that is larger than the whole queue is tried when it is empty: it could never go else.
    if (open.rows === 0) return true;
    return open.rows + rows <= rowsMax && open.batches < batchesMax;
  }

  /** Takes the room for a create at once: the next one is asked about while this one is under way. */
  take(link: KeyLink, rows: number): void {
    this.#slots++;
    const organization = this.#session.keys.organizationOf(link);
    this.#add(this.#own, organization, rows);
    this.#add(this.#asked, organization, rows);
    this.#load.add(link.api.workspace, rows);
  }

  /** Nothing was made of it. */
  giveBack(link: KeyLink, rows: number): void {
    this.#slots--;
    const organization = this.#session.keys.organizationOf(link);
    this.#add(this.#own, organization, -rows);
    this.#add(this.#asked, organization, -rows);
  }

  /**
   * Room that was taken here, against other processes that share the limiter. Gives what ends it; null where they have
   * taken it.
   */
  async lease(link: KeyLink, rows: number, id: string): Promise<((made: boolean) => Promise<void>) | null> {
    const { pacer, keys } = this.#session;
    const organization = keys.organizationOf(link);
    const { rowsMax, batchesMax } = pacer.pools.batchLimits(organization);
    const open = this.#openAt(organization);
    const others = { openBatches: Math.max(0, open.batches - 1), openRows: Math.max(0, open.rows - rows) };
    const lease = { organization, id, rows, ttlMs: CREATE_LEASE_MS_MIN, ...others };
    return pacer.lease(
      { ...lease, batchesMax, rowsMax: others.openRows === 0 ? Math.max(rows, rowsMax) : rowsMax },
      LEASE_MS,
    );
  }

  /** The newest batches of a workspace: those that are not ours take room as well. */
  noteListed(link: KeyLink, batches: readonly BatchInfo[]): void {
    noteForeign(this.#session, link, { batches, ownIds: this.#ownIds });
  }

  /** A create was answered: its batch is ours, also where a look beside it has shown it already. */
  noteMade(link: KeyLink, rows: number, batchId: string): void {
    this.#add(this.#asked, this.#session.keys.organizationOf(link), -rows);
    this.#ownIds.add(batchId);
    noteOwn(this.#session, link, batchId);
  }

  /** The API says that the queue, or the number of batches, is at its limit: then what is surely open is the limit. */
  noteRefused(link: KeyLink, failure: ApiFailure): void {
    const refusal = refusalOf(failure);
    const pace = this.#session.keys.paceOf(link);
    pace.lacksRoom = false;
    if (refusal?.kind !== 'rate' || (refusal.bucket !== 'queue' && refusal.bucket !== 'batches')) return;
    pace.lacksRoom = true;
    const organization = this.#session.keys.organizationOf(link);
    const open = this.#openAt(organization);
    const asked = loadOf(this.#asked, organization);
    const seen = Math.max(1, refusal.bucket === 'queue' ? open.rows - asked.rows : open.batches - asked.batches);
    const limit = { value: refusal.limit ?? seen, isTold: refusal.limit !== null };
    this.#session.pacer.pools.hearBatchLimit(organization, refusal.bucket, limit);
  }

  /** What is open there, by the ledger and by the list. */
  openAt(organization: string): Readonly<Load> {
    return this.#openAt(organization);
  }

  #openAt(organization: string): Load {
    const own = loadOf(this.#own, organization);
    const foreign = this.#session.foreign.get(organization);
    return { batches: own.batches + (foreign?.batches ?? 0), rows: own.rows + (foreign?.rows ?? 0) };
  }

  #organizationAt(workspace: string): string {
    const { keys } = this.#session;
    return keys.organizationOf(keys.placeOf(workspace)?.links[0] ?? keys.links[0]);
  }

  #add(loads: Map<string, Load>, organization: string, rows: number): void {
    const load = loadOf(loads, organization);
    load.batches += rows < 0 ? -1 : 1;
    load.rows += rows;
  }
}

function loadOf(loads: Map<string, Load>, organization: string): Load {
  const load = loads.get(organization) ?? { batches: 0, rows: 0 };
  loads.set(organization, load);
  return load;
}
