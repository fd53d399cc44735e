/**
 * A load test under way: sends what users or arrivals ask for, counts what comes back, and stops at the first of its
 * bounds. What is under way when it stops may end by itself, because the slowest answers are the ones that matter; who
 * asks for the stop waits a few seconds at most.
 */
import type { Clock } from '../../base/clock.ts';
import { seededRng, type Rng } from '../../base/random.ts';
import type { LoadAnswer, LoadClient } from '../../domain/load.ts';
import { Agenda } from './agenda.ts';
import { Arrivals } from './arrivals.ts';
import { answerUsd, Budget, worstRequestUsd } from './budget.ts';
import { Conversation } from './conversation.ts';
import { Feed } from './feed.ts';
import type { NewTimes } from './histogram.ts';
import { isRefused } from './knee.ts';
import type { LoadChange, LoadControl, LoadPoint, LoadSnapshot, LoadState } from './live.ts';
import { MixDraw } from './mix.ts';
import type { LoadSource, Sending, Turn } from './sending.ts';
import { IN_FLIGHT_MAX, type EndedBy, type LoadSettings } from './settings.ts';
import { snapshotOf } from './snapshot.ts';
import { noCounts, Tally } from './tally.ts';
import { Users } from './users.ts';

export interface LoadParts {
  readonly clock: Clock;
  readonly client: LoadClient;
  readonly newTimes: NewTimes;
  /** Told of each second as it ends. */
  readonly onPoint?: (point: LoadPoint) => void;
}

/** Whoever stops a test does not want to wait for a timeout. */
const GRACE_MS = 5_000;
const SECOND_MS = 1_000;
/** Whoever changes the load more often than that is no person: the last ones are told. */
const CHANGES_MAX = 1_000;
/** After so many answers of which none is good, and none can become so, the rest would be no better. */
const HOPELESS_COUNT = 20;
const HOPELESS =
  /^(authentication_error|permission_error|billing_error|not_found_error|invalid_request_error|request_too_large|http_(401|403|404|405)|connection_(econnrefused|enotfound|eai_again))$/;

export class LoadSession implements LoadControl, Sending {
  readonly settings: LoadSettings;
  readonly agenda: Agenda;
  readonly tally: Tally;
  readonly budget: Budget;
  readonly startMs: number;
  readonly startedAt: string;
  readonly changes: LoadChange[] = [];
  #state: LoadState = 'running';
  #endedBy: EndedBy | null = null;
  #inFlight = 0;
  /** Seconds that are told. */
  #ticked = 0;
  #stoppedMs: number | null = null;
  #endMs: number | null = null;
  readonly #parts: LoadParts;
  readonly #draw: MixDraw;
  readonly #texts: Rng;
  readonly #thinking: Rng;
  readonly #source: LoadSource;
  readonly #listeners = new Set<() => void>();

  constructor(settings: LoadSettings, parts: LoadParts) {
    this.settings = settings;
    this.#parts = parts;
    this.agenda = new Agenda(parts.clock);
    this.tally = new Tally(parts.newTimes);
    this.budget = new Budget(settings.maxCostUsd);
    this.startMs = parts.clock.monotonicMs();
    this.startedAt = new Date(parts.clock.now()).toISOString();
    const { entries, load, seed } = settings;
    this.#draw = new MixDraw(entries, seededRng(`${seed}|mix`));
    this.#texts = seededRng(`${seed}|texts`);
    this.#thinking = seededRng(`${seed}|think`);
    this.#source =
      load.kind === 'closed' ? new Users(this, load) : new Feed(this, new Arrivals(load.plan, arrivalRng(seed)));
  }

  get isRunning(): boolean {
    return this.#state === 'running';
  }

  get state(): LoadState {
    return this.#state;
  }

  get endedBy(): EndedBy | null {
    return this.#endedBy;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  get users(): number {
    return this.#source.users;
  }

  /** Of the closed model, as it was asked for last. */
  get wantedUsers(): number | null {
    return this.#source.wantedUsers;
  }

  get wantedPerSecond(): number | null {
    return this.isRunning ? this.#source.wantedPerSecond : null;
  }

  /** To the last answer. */
  get elapsedMs(): number {
    return (this.#endMs ?? this.nowMs()) - this.startMs;
  }

  /** As long as requests were sent. */
  get sendingMs(): number {
    return (this.#stoppedMs ?? this.nowMs()) - this.startMs;
  }

  nowMs(): number {
    return this.#parts.clock.monotonicMs();
  }

  /** Resolves when the last answer is there. */
  async run(): Promise<void> {
    this.agenda.at(this.startMs + this.settings.durationMs, () => this.#end('duration'));
    this.#tickAt(1);
    this.#watchKnee();
    this.#source.begin();
    await this.agenda.run(() => !this.isRunning && this.#inFlight === 0);
    this.#endMs = this.nowMs();
    // Of the last second, which need not have been whole; a test that ends on the second has none.
    if (this.tally.points.length === 0 || !this.tally.isSecondEmpty) this.#tick(this.#ticked);
    this.#setState('done');
  }

  newConversation(): Conversation {
    return new Conversation(this.#draw.next(), this.#texts);
  }

  thinkMs(): number {
    const [from, to] = this.settings.thinkMs;
    return from + (to - from) * this.#thinking.next();
  }

  send({ conversation, stage, intendedAtMs }: Turn, heard: (answer: LoadAnswer) => void): boolean {
    const { tally, settings } = this;
    const { entry } = conversation;
    if (tally.counts.sent >= settings.maxRequests) {
      this.#end('max_requests');
      return false;
    }
    const { name, model, betas } = entry;
    if (this.#inFlight >= IN_FLIGHT_MAX) {
      tally.noteUnsent({ name, stage });
      return false;
    }
    const body = conversation.next(settings.stream);
    const worstUsd = worstRequestUsd(entry, Buffer.byteLength(body)) ?? 0;
    if (!this.budget.reserve(worstUsd)) {
      this.#end('max_cost');
      return false;
    }
    tally.noteSent({ name, stage });
    this.#inFlight++;
    const { stream, timeoutMs } = settings;
    const call = { body, stream, betas, timeoutMs, keepsText: conversation.goesOn };
    void this.#parts.client.send(call).then((answer) => {
      this.#inFlight--;
      const costUsd = answerUsd(answer, model);
      this.budget.settle(worstUsd, answer, costUsd);
      const outcome = tally.note({ name, model, stage, intendedAtMs, answer, costUsd });
      if (outcome === 'failed') this.#lookForHope();
      heard(answer);
      if (!this.isRunning && this.#inFlight === 0) this.agenda.wake();
    });
    return true;
  }

  setUsers(users: number): void {
    if (!this.isRunning || !Number.isFinite(users)) return;
    const wanted = Math.min(IN_FLIGHT_MAX, Math.max(0, Math.round(users)));
    this.#source.setUsers(wanted);
    this.#noteChange({ users: wanted, per_second: null });
  }

  setRate(perSecond: number): void {
    if (!this.isRunning || !(perSecond > 0 && Number.isFinite(perSecond))) return;
    this.#source.setRate(perSecond);
    this.#noteChange({ users: null, per_second: perSecond });
  }

  stop(): void {
    if (this.#state === 'done') return;
    this.#end('stopped');
    this.agenda.at(this.nowMs() + GRACE_MS, () => this.#parts.client.cancelAll());
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  snapshot(): LoadSnapshot {
    return snapshotOf(this);
  }

  #end(by: EndedBy): void {
    if (!this.isRunning) return;
    this.#endedBy = by;
    this.#stoppedMs = this.nowMs();
    this.tally.noteStop();
    this.#setState('stopping');
    this.agenda.wake();
  }

  #setState(state: LoadState): void {
    this.#state = state;
    this.#changed();
  }

  #noteChange(to: Pick<LoadChange, 'users' | 'per_second'>): void {
    const at_seconds = Math.round(this.nowMs() - this.startMs) / 1_000;
    this.changes.push({ at_seconds, ...to });
    if (this.changes.length > CHANGES_MAX) this.changes.shift();
    this.#changed();
  }

  #changed(): void {
    for (const listener of [...this.#listeners]) listener();
  }

  #tickAt(second: number): void {
    this.agenda.at(this.startMs + second * SECOND_MS, () => {
      this.#tick(second - 1);
      this.#changed();
      this.#tickAt(second + 1);
    });
  }

  #tick(second: number): void {
    const now = { second, users: this.users, in_flight: this.#inFlight, wanted_per_second: this.wantedPerSecond };
    this.#ticked = second + 1;
    this.#parts.onPoint?.(this.tally.tick(now));
  }

  /** Steps end one step after the first with refusals: the knee is known, and more would only be refused. */
  #watchKnee(): void {
    const { load } = this.settings;
    if (load.kind !== 'open') return;
    const isRefusedAt = (at: number): boolean => isRefused(this.tally.stages[at]?.counts ?? noCounts());
    load.plan.stages.forEach(({ toMs }, at) => {
      this.agenda.at(this.startMs + toMs, () => {
        if (load.shape === 'steps' && at > 0 && isRefusedAt(at - 1)) this.#end('knee');
        else if (!isRefusedAt(at)) for (const watch of this.tally.watches.values()) watch.calm();
      });
    });
  }

  #lookForHope(): void {
    const { counts, failures } = this.tally;
    if (counts.succeeded > 0 || counts.rateLimited > 0 || counts.failed < HOPELESS_COUNT) return;
    if ([...failures.keys()].every((kind) => HOPELESS.test(kind))) this.#end('nothing_succeeds');
  }
}

/** The same draws tell beforehand how many arrivals there will be. */
export function arrivalRng(seed: number): Rng {
  return seededRng(`${seed}|arrivals`);
}
