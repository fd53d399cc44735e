/** Whether the API answers at all, as its calls go: `--give-up` counts from its last answer. */
import type { ApiFailure } from '../domain/failure-router.ts';

/** Is the API there at all? Remembers since when not, for --give-up. */
export class Reach {
  #sinceMs: number | null = null;
  #cause = '';

  heard(): void {
    this.#sinceMs = null;
  }

  /** A call that got no answer. */
  silent(failure: ApiFailure, nowMs: number): void {
    if (failure.status !== null || failure.connection === 'aborted') return this.heard();
    this.#sinceMs ??= nowMs;
    this.#cause = failure.message;
  }

  get cause(): string {
    return this.#cause;
  }

  silentForMs(nowMs: number): number {
    return this.#sinceMs === null ? 0 : nowMs - this.#sinceMs;
  }
}
