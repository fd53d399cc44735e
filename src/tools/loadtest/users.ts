/**
 * The closed model: users who ask, wait for the answer, think, and ask again. Whoever waits asks nothing meanwhile, so
 * such a load never grows beyond its users, however slow the answers are.
 */
import type { Conversation } from './conversation.ts';
import type { LoadSource, Sending } from './sending.ts';
import type { ClosedLoad } from './settings.ts';

export class Users implements LoadSource {
  /** Users come when they have thought: there is no rate. */
  readonly wantedPerSecond = null;
  readonly #sending: Sending;
  readonly #spawnEveryMs: number;
  #wanted: number;
  #active = 0;
  #spawning = false;

  constructor(sending: Sending, { users, spawnPerSecond }: ClosedLoad) {
    this.#sending = sending;
    this.#wanted = users;
    this.#spawnEveryMs = spawnPerSecond === null ? 0 : 1_000 / spawnPerSecond;
  }

  get wantedUsers(): number {
    return this.#wanted;
  }

  get users(): number {
    return this.#active;
  }

  begin(): void {
    this.#spawn(this.#sending.startMs);
  }

  setUsers(users: number): void {
    this.#wanted = users;
    this.#spawn(this.#sending.nowMs());
  }

  setRate(): void {
    // See wantedPerSecond.
  }

  #spawn(atMs: number): void {
    if (this.#spawning || this.#active >= this.#wanted) return;
    this.#spawning = true;
    this.#sending.agenda.at(atMs, () => {
      this.#spawning = false;
      if (!this.#sending.isRunning || this.#active >= this.#wanted) return;
      this.#active++;
      this.#ask(null, atMs);
      this.#spawn(atMs + this.#spawnEveryMs);
    });
  }

  #ask(begun: Conversation | null, intendedAtMs: number): void {
    const sending = this.#sending;
    if (!sending.isRunning || this.#active > this.#wanted) {
      this.#active--;
      return;
    }
    const conversation = begun ?? sending.newConversation();
    const sent = sending.send({ conversation, stage: null, intendedAtMs }, (answer) => {
      const goesOn = conversation.hear(answer);
      const thinkMs = sending.thinkMs();
      const atMs = sending.nowMs() + thinkMs;
      // At once, and not by way of the agenda: at thousands of answers a second that is what takes the time.
      if (thinkMs === 0) this.#ask(goesOn ? conversation : null, atMs);
      else sending.agenda.at(atMs, () => this.#ask(goesOn ? conversation : null, atMs));
    });
    if (!sent) this.#active--;
  }
}
