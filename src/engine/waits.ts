/**
 * Waits that the API has asked for outlive the process that was told: a job that starts every minute must not ask again
 * before a `retry-after` of an hour is over.
 */
import type { WaitRecord } from '../domain/store-steps.ts';
import type { Session } from './session.ts';

/** A wait shorter than this is over before another process could be in time to break it. */
const KEPT_MS_MIN = 1_000;

export class WaitKeeper {
  readonly #session: Session;
  /** Until when, by kind, as the ledger has it; on the clock that never jumps. */
  readonly #saved = new Map<WaitRecord['kind'], number>();

  constructor(session: Session) {
    this.#session = session;
  }

  /** Takes over what earlier processes were told. A clock that was set back makes no wait longer than it was asked for. */
  async load(): Promise<void> {
    const { store, api, clock } = this.#session.engine;
    const [nowMs, tickMs] = [clock.now(), clock.monotonicMs()];
    for (const { kind, untilMs, askedMs } of await store.waits(api.origin, api.workspace)) {
      const leftMs = Math.min(untilMs - nowMs, askedMs);
      if (leftMs <= 0) continue;
      const endsAtMs = tickMs + leftMs;
      this.#saved.set(kind, endsAtMs);
      if (kind === 'batches') this.#session.quietUntilMs = endsAtMs;
      else this.#session.callsNotBeforeMs = endsAtMs;
    }
  }

  /** Writes down what is new. */
  async save(): Promise<void> {
    await this.#keep('batches', this.#session.quietUntilMs);
    await this.#keep('messages', this.#session.callsNotBeforeMs);
  }

  async #keep(kind: WaitRecord['kind'], untilMs: number): Promise<void> {
    const { engine, driver } = this.#session;
    const askedMs = Math.ceil(untilMs - engine.clock.monotonicMs());
    if (askedMs < KEPT_MS_MIN || this.#saved.get(kind) === untilMs) return;
    this.#saved.set(kind, untilMs);
    const { origin, workspace } = engine.api;
    await driver.recordWait({ origin, workspace, kind, untilMs: engine.clock.now() + askedMs, askedMs });
  }
}
