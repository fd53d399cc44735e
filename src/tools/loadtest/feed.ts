/**
 * The open model: conversations arrive by a plan, whether or not answers come. What a stalled server has not answered
 * piles up, as it does with real arrivals.
 */
import type { Arrivals } from './arrivals.ts';
import type { Conversation } from './conversation.ts';
import type { LoadSource, Sending } from './sending.ts';

export class Feed implements LoadSource {
  readonly wantedUsers = null;
  readonly #sending: Sending;
  readonly #arrivals: Arrivals;
  /** Arrivals of an older plan are let go. */
  #plan = 0;
  #open = 0;

  constructor(sending: Sending, arrivals: Arrivals) {
    this.#sending = sending;
    this.#arrivals = arrivals;
  }

  /** Conversations under way. */
  get users(): number {
    return this.#open;
  }

  get wantedPerSecond(): number {
    return this.#arrivals.rateAt(this.#sending.nowMs() - this.#sending.startMs);
  }

  begin(): void {
    this.#next();
  }

  setUsers(): void {
    // Arrivals are as many as the rate says.
  }

  setRate(perSecond: number): void {
    this.#plan++;
    this.#arrivals.hold(perSecond, this.#sending.nowMs() - this.#sending.startMs);
    this.#next();
  }

  #next(): void {
    const arrival = this.#arrivals.next();
    // The end of the time ends the test, not that of the arrivals: rates are over the time that was asked for.
    if (!arrival) return;
    const { agenda, startMs } = this.#sending;
    const plan = this.#plan;
    const intendedAtMs = startMs + arrival.atMs;
    agenda.at(intendedAtMs, () => {
      if (plan !== this.#plan || !this.#sending.isRunning) return;
      this.#open++;
      this.#ask(this.#sending.newConversation(), arrival.stage, intendedAtMs);
      this.#next();
    });
  }

  #ask(conversation: Conversation, stage: number | null, intendedAtMs: number): void {
    const sending = this.#sending;
    const sent =
      sending.isRunning &&
      sending.send({ conversation, stage, intendedAtMs }, (answer) => {
        if (!conversation.hear(answer)) {
          this.#open--;
          return;
        }
        const atMs = sending.nowMs() + sending.thinkMs();
        sending.agenda.at(atMs, () => this.#ask(conversation, stage, atMs));
      });
    if (!sent) this.#open--;
  }
}
