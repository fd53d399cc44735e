/**
 * Tries of one notice: a few, with growing waits of full jitter, never before the receiver asks for it, and never beyond a
 * bound for all of them together.
 */
import type { Clock } from '../../base/clock.ts';
import type { Rng } from '../../base/random.ts';

export interface Patience {
  readonly triesMax: number;
  /** All tries and waits together. */
  readonly totalMsMax: number;
  readonly baseMs: number;
}

export const PATIENCE: Patience = { triesMax: 4, totalMsMax: 30 * 1_000, baseMs: 1_000 };

/** Why a try failed, and what that means for the next. */
export class NotTaken extends Error {
  /** False where another try cannot do better. */
  readonly passing: boolean;
  readonly retryAfterMs: number;

  constructor(why: string, passing: boolean, retryAfterMs = 0) {
    super(why);
    this.passing = passing;
    this.retryAfterMs = retryAfterMs;
  }
}

export interface Trying {
  readonly clock: Clock;
  readonly rng: Rng;
  readonly patience: Patience;
  readonly signal: AbortSignal;
  readonly patient: boolean;
}

/** Throws what the last try came to. */
export async function withPatience(work: () => Promise<void>, trying: Trying): Promise<void> {
  const { clock, rng, patience, signal, patient } = trying;
  const startMs = clock.monotonicMs();
  for (let tries = 1; ; tries++) {
    try {
      await work();
      return;
    } catch (error) {
      const failure = error instanceof NotTaken ? error : new NotTaken(String(error), false);
      const waitMs = Math.max(failure.retryAfterMs, rng.next() * patience.baseMs * 2 ** (tries - 1));
      const isLate = clock.monotonicMs() - startMs + waitMs > patience.totalMsMax;
      if (!failure.passing || !patient || tries >= patience.triesMax || isLate) throw failure;
      await clock.sleep(waitMs, signal);
      // Nobody waits any more, and perhaps the wait was not over.
      if (signal.aborted) throw failure;
    }
  }
}
