/** What a driver has learnt of the API and what must outlive it, each kept where the next process looks for it. */
import { OutageKeeper } from './outage/outages.ts';
import { PoolKeeper } from './pacing/pool-keeper.ts';
import type { Session } from './session.ts';
import { WaitKeeper } from './waits.ts';

export class Keepers {
  readonly #waits: WaitKeeper;
  readonly #pools: PoolKeeper;
  readonly #outages: OutageKeeper;

  constructor(session: Session) {
    this.#waits = new WaitKeeper(session);
    this.#pools = new PoolKeeper(session);
    this.#outages = new OutageKeeper(session);
  }

  /** Before anything is asked: an earlier process may have been told to wait. */
  async load(): Promise<void> {
    await this.#waits.load();
    await this.#pools.load();
  }

  /** The runs are known. */
  begin(runIds: readonly string[]): Promise<void> {
    return this.#outages.load(runIds);
  }

  async save(runIds: readonly string[], isLast = false): Promise<void> {
    await this.#waits.save();
    await this.#pools.save(isLast);
    await this.#outages.save(runIds);
  }
}
