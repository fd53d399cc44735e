/**
 * Watches a command while it drives and decides what somebody has to be told (domain/notices.ts says once for what).
 * It only listens: nothing waits for it but the end of the command, and that not long. What cannot be told is logged and
 * stays due in the ledger; the next command tells it.
 */
import type { Clock } from '../../base/clock.ts';
import { isBatchrunError, messageOf } from '../../base/errors.ts';
import { redact, type Logger } from '../../base/log.ts';
import { nextCommands } from '../../domain/fail-if.ts';
import { endText, type NoticeSender } from '../../domain/notice-body.ts';
import {
  dueData,
  NOTICE_DUE,
  NOTICE_KEPT_MS,
  NOTICE_KINDS,
  NOTICE_SETTLED,
  NOTICE_WATCH,
  NoticeBook,
  noticeId,
  RATE_LIMITED_PAUSE_MS,
  RefusalGauge,
  type DueNotice,
  type NoticeEvent,
} from '../../domain/notices.ts';
import type { RunRecord } from '../../domain/model.ts';
import type { DriveEnd } from '../../engine/runner.ts';
import type { EngineEvent } from '../../engine/events.ts';
import { budgetAlert, deadlineAlert, rateAlert, vanishAlert, type Alert, type AlertLedger } from './alerts.ts';
import { OUTAGE_CAUSE, OutageWatch } from './outage-watch.ts';
import { CLOSE_MS_MAX, Outbox, type NoticeChannel, type OutboxLedger } from './outbox.ts';

export type NotifyLedger = AlertLedger & OutboxLedger;

export interface NotifierParts {
  readonly ledger: NotifyLedger;
  readonly clock: Clock;
  readonly log: Logger;
  readonly channels: readonly NoticeChannel[];
  readonly on: ReadonlySet<NoticeEvent>;
  readonly exitOf: (run: RunRecord) => number;
  readonly sender: NoticeSender;
  /** Aborted by Ctrl-C: what is under way gets a few seconds. */
  readonly signal: AbortSignal;
}

/** The ledger is looked at for alerts at most this often. */
const LOOK_INTERVAL_MS = 1_000;
/** Results vanish by the day. */
const VANISH_INTERVAL_MS = 3_600_000;
/** Of the ledger's notices the newest are read: thousands of runs, each with a few. */
const NOTICES_READ_MAX = 65_536;
/** Causes of other processes' making: not a failure of the run. */
const OTHERS: readonly string[] = ['E_LOCKED', 'E_FENCED'];

export class Notifier {
  readonly #parts: NotifierParts;
  readonly #outbox: Outbox;
  readonly #books = new Map<string, NoticeBook>();
  readonly #refusals = new RefusalGauge();
  /** Runs of which something could be sent: what stood in their way is gone. */
  readonly #moved = new Set<string>();
  readonly #outages: OutageWatch;
  #runIds: readonly string[] = [];
  #tail: Promise<void> = Promise.resolve();
  #lookedMs = -Infinity;
  #vanishLookedMs = -Infinity;
  #began = false;

  constructor(parts: NotifierParts) {
    this.#parts = parts;
    this.#outbox = new Outbox(parts);
    this.#outages = new OutageWatch({
      ...{ clock: parts.clock, books: this.#books, firstOpen: () => this.#firstOpen() },
      isOpen: async (runId) => (await parts.ledger.run(runId))?.state !== 'done',
      tell: (runId, alert) => this.#tell(runId, alert),
      settle: (runId, base) => this.#settleOne(runId, base),
    });
  }

  /** The command drives these runs from now on. */
  begin(runIds: readonly string[]): void {
    this.#began = true;
    this.#runIds = runIds;
    this.#then(async () => {
      await this.#load();
      for (const runId of runIds) await this.#watch(runId);
      for (const runId of runIds) await this.#tellIf(runId, deadlineAlert);
    });
  }

  /**
   * For commands that find nothing to drive: what an earlier one could not tell. They take no lock, so what is young is
   * left alone: the driver that decided it may be delivering it.
   */
  catchUp(): void {
    this.#then(() => this.#load(CLOSE_MS_MAX));
  }

  readonly observe = (event: EngineEvent): void => {
    this.#outages.hear(event, (work) => this.#then(work));
    switch (event.kind) {
      case 'run.done':
        this.#moved.add(event.runId);
        this.#then(() => this.#end(event.runId));
        break;
      case 'blocked':
        this.#then(() => this.#blocked(event));
        break;
      case 'deadline.late':
        this.#then(() => this.#tellIf(event.runId, deadlineAlert));
        break;
      case 'call.ended':
        this.#refusals.count(event.refused, this.#parts.clock.monotonicMs());
        if (event.refused && this.#refusals.alert) this.#then(() => this.#rateLimited());
        break;
      case 'upload.done':
      case 'rows.settled':
      case 'chunk.collected':
        this.#moved.add(event.runId);
        break;
      case 'changed':
        this.#look();
        break;
      case 'waiting':
        this.#vanish();
        break;
      default:
    }
  };

  /** The driving is over, by itself. */
  ended(end: DriveEnd, exit: number): void {
    if (!this.#began) return;
    if (end === 'unreachable') {
      this.#then(() => this.#died({ code: 'E_API_UNREACHABLE', exit, message: 'the API could not be reached' }));
    } else if (end !== 'stopped') {
      this.#then(() => this.#settle());
    }
  }

  /** The command ends with this error. */
  failed(error: unknown): void {
    if (!this.#began) return;
    const { code, exit } = isBatchrunError(error) ? error : { code: 'E_BUG', exit: 1 };
    if (!OTHERS.includes(code)) this.#then(() => this.#died({ code, exit, message: messageOf(error) }));
  }

  /** Waits until all is told, or known to fail; not long. */
  async finish(): Promise<void> {
    if (this.#began) {
      this.#look(true);
      this.#vanish(true);
    }
    await this.#tail;
    await this.#outbox.close();
  }

  /** One thing after the other. What goes wrong must not stop the work: the engine meets the same ledger. */
  #then(work: () => Promise<void>): void {
    this.#tail = this.#tail.then(work).catch((error: unknown) => {
      this.#parts.log.warn('notify.not_decided', { why: messageOf(error) });
    });
  }

  async #load(busyMs = 0): Promise<void> {
    const { ledger, channels, clock } = this.#parts;
    for (const event of await ledger.events(null, { kinds: NOTICE_KINDS, limit: NOTICES_READ_MAX, newest: true })) {
      this.#book(event.runId).add(event);
    }
    const nowMs = clock.now();
    const names = channels.map(({ name }) => name);
    for (const book of this.#books.values())
      for (const due of book.pending(names, nowMs, busyMs)) this.#outbox.put(due);
    // Of a run that somebody waits for, the process may have died between its end and the word about it.
    for (const run of await ledger.runs()) {
      const agoMs = run.doneAtMs === null ? Infinity : nowMs - run.doneAtMs;
      const isFresh = agoMs < NOTICE_KEPT_MS && agoMs >= busyMs;
      if (run.state === 'done' && isFresh && this.#book(run.id).watched) await this.#end(run.id);
    }
  }

  #book(runId: string): NoticeBook {
    const book = this.#books.get(runId) ?? new NoticeBook();
    this.#books.set(runId, book);
    return book;
  }

  async #watch(runId: string): Promise<void> {
    const book = this.#book(runId);
    if (book.watched) return;
    book.watched = true;
    await this.#parts.ledger.note(runId, NOTICE_WATCH, this.#parts.clock.now(), {});
  }

  async #end(runId: string): Promise<void> {
    const run = await this.#parts.ledger.run(runId);
    if (typeof run?.doneAtMs !== 'number') return;
    const exit = this.#parts.exitOf(run);
    const hint = exit === 0 ? null : `${nextCommands(run.id, run.rows).join(', ')}.`;
    const files = { output: run.output, errors: run.errors };
    const event = exit === 0 ? 'done' : 'failed';
    await this.#tell(runId, { event, cause: `end:${run.doneAtMs}`, message: endText(run), hint, exit, details: files });
  }

  async #blocked({ runId, reason, message, hint }: Extract<EngineEvent, { kind: 'blocked' }>): Promise<void> {
    const cause = this.#book(runId).numbered(`blocked:${reason}`);
    await this.#tell(runId, { event: 'blocked', cause, message: `blocked: ${message}`, hint, details: { reason } });
  }

  async #died({ code, exit, message }: { readonly code: string; readonly exit: number; readonly message: string }) {
    const runId = await this.#firstOpen();
    if (runId === null) return;
    const cause = this.#book(runId).numbered(`error:${code}`);
    const text = `${this.#parts.sender.command} ended with an error: ${redact(message)}`;
    await this.#tell(runId, { event: 'failed', cause, message: text, exit, code });
  }

  async #rateLimited(): Promise<void> {
    const { alert } = this.#refusals;
    const runId = await this.#firstOpen();
    if (alert === null || runId === null) return;
    const nowMs = this.#parts.clock.now();
    const lastMs = Math.max(...[...this.#books.values()].map((book) => book.lastAtMs('rate_limited')));
    if (nowMs - lastMs >= RATE_LIMITED_PAUSE_MS) await this.#tell(runId, rateAlert(alert, nowMs));
  }

  /** A process tells about itself through one of its runs: the first that is not done. */
  async #firstOpen(): Promise<string | null> {
    for (const runId of this.#runIds) {
      const run = await this.#parts.ledger.run(runId).catch(() => null);
      if (run && run.state !== 'done') return runId;
    }
    return this.#runIds[0] ?? null;
  }

  #look(isLast = false): void {
    const nowMs = this.#parts.clock.monotonicMs();
    if (!isLast && nowMs - this.#lookedMs < LOOK_INTERVAL_MS) return;
    this.#lookedMs = nowMs;
    this.#then(async () => {
      for (const runId of this.#runIds) await this.#tellIf(runId, budgetAlert);
    });
  }

  /** When the driver waits, what can be collected is. Other runs of the state have perhaps nobody who looks. */
  #vanish(isLast = false): void {
    const nowMs = this.#parts.clock.monotonicMs();
    if (!isLast && nowMs - this.#vanishLookedMs < VANISH_INTERVAL_MS) return;
    this.#vanishLookedMs = nowMs;
    this.#then(async () => {
      for (const run of await this.#parts.ledger.runs()) await this.#tellIf(run.id, vanishAlert);
    });
  }

  async #tellIf(runId: string, look: (ledger: AlertLedger, run: RunRecord, nowMs: number) => Promise<Alert | null>) {
    const { ledger, clock } = this.#parts;
    const run = await ledger.run(runId);
    const alert = run === null ? null : await look(ledger, run, clock.now());
    if (alert !== null) await this.#tell(runId, alert);
  }

  /** Blocks and errors that this drive did not meet again, though it could have: the next one is news. */
  async #settle(): Promise<void> {
    for (const runId of this.#runIds) {
      const run = await this.#parts.ledger.run(runId);
      if (run === null) continue;
      const book = this.#book(runId);
      for (const base of book.open) {
        const isThere = run.blocked.some(({ reason }) => base === `blocked:${reason}`);
        const isGone = base.startsWith('error:') || run.state === 'done' || this.#moved.has(runId);
        if (isThere || !isGone || base === OUTAGE_CAUSE) continue;
        await this.#settleOne(runId, base);
      }
    }
  }

  async #settleOne(runId: string, base: string): Promise<void> {
    this.#book(runId).settle(base);
    await this.#parts.ledger.note(runId, NOTICE_SETTLED, this.#parts.clock.now(), { cause: base });
  }

  async #tell(runId: string, alert: Alert): Promise<void> {
    const { ledger, clock, channels, on } = this.#parts;
    const { event, cause, message, hint = null, exit = null, code = null, details = {} } = alert;
    const book = this.#book(runId);
    if (!on.has(event) || book.has(cause)) return;
    const to = channels.map(({ name }) => name);
    const id = noticeId(runId, cause);
    const atMs = clock.now();
    const due: DueNotice = { id, runId, event, cause, atMs, message, hint, exit, code, details, to };
    book.decide(due);
    try {
      await ledger.note(runId, NOTICE_DUE, atMs, dueData(due));
    } finally {
      // A ledger that cannot be written is one more reason to tell it.
      this.#outbox.put(due);
    }
  }
}
