/**
 * What a command that only uploads waits for: refusals that are over in a moment. A longer wait is left to collect, and so
 * is room that is lacking: only the end of a batch makes some. An API that is not there has its own bound (`--give-up`).
 */
import type { Session } from '../session.ts';
import type { UploadRound } from './upload.ts';

/** In all, while nothing can be uploaded: one refusal after the other must not hold the command for ever. */
const PATIENCE_MS = 60_000;

export class UploadPatience {
  readonly #session: Session;
  /** For chunks of others, after the own work: an API that is not there is no more than another refusal. */
  readonly #forOthers: boolean;
  #waitedMs = 0;

  constructor(session: Session, forOthers: boolean) {
    this.#session = session;
    this.#forOthers = forOthers;
  }

  /** The wait until the next try; null where what is left of this round is not waited for. */
  waitMs({ uploaded, waiting, full }: UploadRound): number | null {
    const { engine, createNotBeforeMs, quietUntilMs, reach } = this.#session;
    if (uploaded > 0) this.#waitedMs = 0;
    const waitMs = Math.max(createNotBeforeMs, quietUntilMs) - engine.clock.monotonicMs();
    if (waiting === 0 || full || waitMs <= 0) return null;
    if (this.#forOthers || reach.silentForMs() === 0) {
      if (this.#waitedMs + waitMs > PATIENCE_MS) return null;
      this.#waitedMs += waitMs;
    }
    return waitMs;
  }
}
