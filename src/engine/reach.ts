/**
 * Whether the API answers at all, as its calls go: `--give-up` counts from its last answer. A silence that lasts is told
 * once, and its end too; a single lost connection is not.
 */
import type { ApiFailure } from '../domain/failure-router.ts';

export interface Silence {
  readonly forMs: number;
  readonly cause: string;
}

/** So long a silence is no slip: by then a call has been made again a few times. */
const TOLD_AFTER_MS = 15_000;

/** Is the API there at all? Remembers since when not. */
export class Reach {
  readonly #tell: (silence: Silence | null) => void;
  #sinceMs: number | null = null;
  #cause = '';
  #isTold = false;

  /** Told of a silence, and with null that it is over. */
  constructor(tell: (silence: Silence | null) => void) {
    this.#tell = tell;
  }

  heard(): void {
    this.#sinceMs = null;
    if (this.#isTold) this.#tell(null);
    this.#isTold = false;
  }

  /** A call that got no answer. */
  silent(failure: ApiFailure, nowMs: number): void {
    if (failure.status !== null || failure.connection === 'aborted') return this.heard();
    this.#sinceMs ??= nowMs;
    this.#cause = failure.message;
    if (this.silentForMs(nowMs) >= TOLD_AFTER_MS) this.say(nowMs);
  }

  /** Tells of a silence that was not told yet, however short: for those who stop now. */
  say(nowMs: number): void {
    if (this.#sinceMs === null || this.#isTold) return;
    this.#isTold = true;
    this.#tell({ forMs: this.silentForMs(nowMs), cause: this.#cause });
  }

  silentForMs(nowMs: number): number {
    return this.#sinceMs === null ? 0 : nowMs - this.#sinceMs;
  }
}
