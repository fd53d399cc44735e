/**
 * An outage of the API is worth a notice when it has lasted: most are over before anybody has read of them, and the work
 * goes on by itself. Told once, whatever processes meet it, and its end to those who were told of it.
 */
import type { Clock } from '../../base/clock.ts';
import { OUTAGE_TOLD_AFTER_MS, type NoticeBook } from '../../domain/notices.ts';
import type { EngineEvent } from '../../engine/events.ts';
import { outageText, type OutageWords } from '../../engine/outage/outage-text.ts';
import type { Alert } from './alerts.ts';

/** What a book calls it; a number says which one. */
export const OUTAGE_CAUSE = 'api_down';

export interface OutageWatchParts {
  readonly clock: Clock;
  readonly books: ReadonlyMap<string, NoticeBook>;
  /** Does somebody wait for this run still? */
  readonly isOpen: (runId: string) => Promise<boolean>;
  readonly firstOpen: () => Promise<string | null>;
  readonly tell: (runId: string, alert: Alert) => Promise<void>;
  readonly settle: (runId: string, base: string) => Promise<void>;
}

export class OutageWatch {
  readonly #parts: OutageWatchParts;
  #outage: OutageWords | null = null;
  #isTold = false;

  constructor(parts: OutageWatchParts) {
    this.#parts = parts;
  }

  /** What follows from it is done with `then`, one thing after the other. */
  hear(event: EngineEvent, then: (work: () => Promise<void>) => void): void {
    if (event.kind === 'api.unreachable') this.#outage = { ...event, kind: 'silent' };
    if (event.kind === 'api.errors') this.#outage = { ...event, kind: 'errors' };
    if (event.kind === 'api.answers') {
      this.#outage = null;
      this.#isTold = false;
      then(() => this.#over());
    }
    const outage = this.#outage;
    if (outage === null || this.#isTold) return;
    if (this.#parts.clock.now() - outage.sinceMs < OUTAGE_TOLD_AFTER_MS) return;
    this.#isTold = true;
    then(() => this.#down(outage));
  }

  async #down(outage: OutageWords): Promise<void> {
    const { books, isOpen, firstOpen, tell } = this.#parts;
    for (const [runId, book] of books) if (book.open.includes(OUTAGE_CAUSE) && (await isOpen(runId))) return;
    const runId = await firstOpen();
    const book = runId === null ? undefined : books.get(runId);
    if (runId === null || book === undefined) return;
    const { kind, cause } = outage;
    await tell(runId, {
      event: 'api_down',
      cause: book.numbered(OUTAGE_CAUSE),
      message: outageText(outage),
      hint: 'Nothing is lost: batches go on at the API, and it is asked again and again. `batchrun doctor` looks at the connection.',
      details: { kind, since: new Date(outage.sinceMs).toISOString(), cause },
    });
  }

  async #over(): Promise<void> {
    const { books, tell, settle } = this.#parts;
    for (const [runId, book] of books) {
      if (!book.open.includes(OUTAGE_CAUSE)) continue;
      const cause = book.numbered(OUTAGE_CAUSE);
      const message = 'the API answers again';
      await tell(runId, { event: 'api_up', cause: cause.replace(OUTAGE_CAUSE, 'api_up'), message });
      await settle(runId, OUTAGE_CAUSE);
    }
  }
}
