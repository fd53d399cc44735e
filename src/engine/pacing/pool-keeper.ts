/**
 * What is known of the account's limits outlives the process: the next one begins where this one ended, and `status`,
 * `limits` and the metrics have something to show meanwhile.
 */
import type { PoolSnapshot } from '../../domain/pacing/snapshot.ts';
import { BatchRoom } from '../upload/batch-room.ts';
import { BATCH_CLASS } from './batch-limits.ts';
import type { Session } from '../session.ts';

/** Not more often than this: a round may last a millisecond. */
const SAVE_INTERVAL_MS = 5_000;

export class PoolKeeper {
  readonly #session: Session;
  #savedAtMs = -Infinity;
  #saved = '';

  constructor(session: Session) {
    this.#session = session;
  }

  async load(): Promise<void> {
    const { store, api } = this.#session.engine;
    const { keys, pacer } = this.#session;
    const known = await store.pools(api.origin);
    // What was noted while nobody knew whose the key is, is its organization's.
    const named = known.map((pool) => {
      const link = keys.links.find((one) => one.api.workspace === pool.organization);
      return link ? { ...pool, organization: keys.organizationOf(link) } : pool;
    });
    pacer.restore(named);
  }

  /** `now`: at the end, whenever the last time was. */
  async save(now = false): Promise<void> {
    const { engine, driver, pacer } = this.#session;
    const tickMs = engine.clock.monotonicMs();
    if (!now && tickMs - this.#savedAtMs < SAVE_INTERVAL_MS) return;
    this.#savedAtMs = tickMs;
    const snapshots = await this.#withOpen(await pacer.pools.snapshots());
    const news = JSON.stringify(snapshots.map(({ atMs: _at, levels: _levels, ...rest }) => rest));
    if (snapshots.length === 0 || news === this.#saved) return;
    this.#saved = news;
    await driver.recordPools(engine.api.origin, snapshots, engine.clock.now());
  }

  async #withOpen(snapshots: readonly PoolSnapshot[]): Promise<readonly PoolSnapshot[]> {
    if (!snapshots.some(({ rateClass }) => rateClass === BATCH_CLASS)) return snapshots;
    const room = await BatchRoom.open(this.#session);
    return snapshots.map((snapshot) => {
      if (snapshot.rateClass !== BATCH_CLASS) return snapshot;
      const { batches, rows } = room.openAt(snapshot.organization);
      return { ...snapshot, open: { batches, requests: rows } };
    });
  }
}
