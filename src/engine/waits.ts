/**
 * Waits that the API has asked for outlive the process that was told: a job that starts every minute must not ask again
 * before a `retry-after` of an hour is over.
 */
import type { WaitRecord } from '../domain/store-steps.ts';
import type { KeyLink } from './engine.ts';
import type { Session } from './session.ts';

/** A wait shorter than this is over before another process could be in time to break it. */
const KEPT_MS_MIN = 1_000;

export class WaitKeeper {
  readonly #session: Session;
  /** Until when, by key and kind, as the ledger has it; on the clock that never jumps. */
  readonly #saved = new Map<string, number>();

  constructor(session: Session) {
    this.#session = session;
  }

  /** Takes over what earlier processes were told. A clock that was set back makes no wait longer than it was asked for. */
  async load(): Promise<void> {
    const { engine, keys } = this.#session;
    const { store, clock } = engine;
    for (const link of keys.links) {
      const { origin, workspace } = link.api;
      const [nowMs, tickMs] = [clock.now(), clock.monotonicMs()];
      for (const { kind, untilMs, askedMs } of await store.waits(origin, workspace)) {
        const leftMs = Math.min(untilMs - nowMs, askedMs);
        if (leftMs <= 0) continue;
        const endsAtMs = tickMs + leftMs;
        this.#saved.set(`${workspace} ${kind}`, endsAtMs);
        const pace = keys.paceOf(link);
        if (kind === 'batches') pace.quietUntilMs = Math.max(pace.quietUntilMs, endsAtMs);
        else this.#session.callsNotBeforeMs = Math.max(this.#session.callsNotBeforeMs, endsAtMs);
      }
    }
  }

  /** Writes down what is new: under each key that it concerns, because the next pool may hold another part of them. */
  async save(): Promise<void> {
    const { keys, callsNotBeforeMs } = this.#session;
    for (const link of keys.links) {
      await this.#keep(link, 'batches', keys.paceOf(link).quietUntilMs);
      await this.#keep(link, 'messages', callsNotBeforeMs);
    }
  }

  async #keep({ api }: KeyLink, kind: WaitRecord['kind'], untilMs: number): Promise<void> {
    const { engine, driver } = this.#session;
    const { origin, workspace } = api;
    const askedMs = Math.ceil(untilMs - engine.clock.monotonicMs());
    const name = `${workspace} ${kind}`;
    if (askedMs < KEPT_MS_MIN || this.#saved.get(name) === untilMs) return;
    this.#saved.set(name, untilMs);
    await driver.recordWait({ origin, workspace, kind, untilMs: engine.clock.now() + askedMs, askedMs });
  }
}
