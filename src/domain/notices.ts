/**
 * Notices: what of a run is worth a message to somebody who is not looking, told once for each cause. What was decided,
 * sent and settled stands in the ledger's events, so that a job which starts every five minutes says "blocked" once.
 *
 * A notice is decided (`notice.due`), delivered, and noted (`notice.sent`), in this order: a death in between delivers it
 * again, under the same id. No prompt, answer, key or address of a receiver is in any of it.
 */
import { createHash } from 'node:crypto';
import type { NoticeEvent } from './notice-events.ts';
import type { EventRecord } from './store-steps.ts';

export { NOTICE_EVENTS, type NoticeEvent } from './notice-events.ts';

/** Ways out, one of each at most. */
export type NoticeChannelName = 'webhook' | 'command';

export const NOTICE_WATCH = 'notice.watch';
export const NOTICE_DUE = 'notice.due';
export const NOTICE_SENT = 'notice.sent';
/** A process is through with its tries, and it was not taken. */
export const NOTICE_FAILED = 'notice.failed';
export const NOTICE_SETTLED = 'notice.settled';
/** What the ledger has on notices. `watch`: somebody waits for the end of the run; `settled`: a cause is gone. */
export const NOTICE_KINDS = [NOTICE_WATCH, NOTICE_DUE, NOTICE_SENT, NOTICE_FAILED, NOTICE_SETTLED] as const;

/** One that was decided this long ago and could not be sent is no news any more. */
export const NOTICE_KEPT_MS = 24 * 3_600_000;
/** From this share of --max-cost on. */
export const BUDGET_SHARE = 0.8;
/** A limiter that keeps to its limits meets hardly any 429; a twentieth means that it is wrong about them. */
const REFUSED_SHARE = 0.05;
/** Below so many calls a single 429 would be more than that share. */
const REFUSED_CALLS_MIN = 20;
/** As long as most limits need to fill up again, several times over. */
export const REFUSED_WINDOW_MS = 5 * 60_000;
/** Shorter outages of the API are over before anybody has read of them. */
export const OUTAGE_TOLD_AFTER_MS = 10 * 60_000;
/** Between two notices about 429s: who was told can do nothing about it within minutes. */
export const RATE_LIMITED_PAUSE_MS = 3_600_000;

export interface DueNotice {
  /** The same for every try, from whatever process. */
  readonly id: string;
  readonly runId: string;
  readonly event: NoticeEvent;
  /** Told once: `end:<time>`, `blocked:<reason>:<times settled>`, … */
  readonly cause: string;
  readonly atMs: number;
  readonly message: string;
  readonly hint: string | null;
  readonly exit: number | null;
  readonly code: string | null;
  readonly details: Readonly<Record<string, unknown>>;
  /** Where it still has to go. */
  readonly to: readonly NoticeChannelName[];
}

export function noticeId(runId: string, cause: string): string {
  const hash = createHash('sha256').update(`${runId}\n${cause}`).digest('hex');
  return `ntc_${hash.slice(0, 24)}`;
}

/** As the ledger keeps it. */
export function dueData(due: DueNotice): Readonly<Record<string, unknown>> {
  const { id, event, cause, message, hint, exit, code, details, to } = due;
  return { id, event, cause, message, hint, exit, code, details, to };
}

/** What is known of the notices of one run. */
export class NoticeBook {
  readonly #due = new Map<string, DueNotice>();
  readonly #sent = new Map<string, Set<string>>();
  readonly #failed = new Map<string, Set<string>>();
  readonly #settled = new Map<string, number>();
  /** Causes that may be settled, and were not since they were last told. */
  readonly #open = new Set<string>();
  watched = false;

  add(event: EventRecord): void {
    const { kind, data } = event;
    if (kind === NOTICE_WATCH) this.watched = true;
    if (kind === NOTICE_DUE) this.decide(readDue(event));
    if (kind === NOTICE_SENT) put(this.#sent, data);
    if (kind === NOTICE_FAILED) put(this.#failed, data);
    if (kind === NOTICE_SETTLED) this.settle(String(data['cause']));
  }

  decide(due: DueNotice): void {
    this.#due.set(due.cause, due);
    const numbered = /^(.*):\d+$/.exec(due.cause)?.[1];
    if (isSettled(due.event, due.cause) && numbered !== undefined) this.#open.add(numbered);
  }

  /** What the cause was is gone: when it comes again, that is news. */
  settle(base: string): void {
    this.#settled.set(base, (this.#settled.get(base) ?? 0) + 1);
    this.#open.delete(base);
  }

  /** The cause as it is called until it is settled. */
  numbered(base: string): string {
    return `${base}:${this.#settled.get(base) ?? 0}`;
  }

  has(cause: string): boolean {
    return this.#due.has(cause);
  }

  get open(): readonly string[] {
    return [...this.#open];
  }

  /** When one of this kind was last decided; -Infinity where none was. */
  lastAtMs(event: NoticeEvent): number {
    return Math.max(-Infinity, ...[...this.#due.values()].filter((due) => due.event === event).map(({ atMs }) => atMs));
  }

  /**
   * Decided, not sent to these, and still news. Who decided it within the last `busyMs` may be at it still, unless it is
   * noted as failed.
   */
  pending(channels: readonly NoticeChannelName[], nowMs: number, busyMs = 0): readonly DueNotice[] {
    return [...this.#due.values()].flatMap((due) => {
      const isBusy = due.atMs > nowMs - busyMs;
      const to = due.to.filter((name) => {
        if (!channels.includes(name) || this.#sent.get(due.id)?.has(name) === true) return false;
        return !isBusy || this.#failed.get(due.id)?.has(name) === true;
      });
      const base = due.cause.replace(/:\d+$/, '');
      const gone = isSettled(due.event, due.cause) && this.numbered(base) !== due.cause;
      return to.length === 0 || gone || due.atMs < nowMs - NOTICE_KEPT_MS ? [] : [{ ...due, to }];
    });
  }
}

/** A way out, under the id of its notice. */
function put(channels: Map<string, Set<string>>, data: EventRecord['data']): void {
  const id = String(data['id']);
  channels.set(id, (channels.get(id) ?? new Set()).add(String(data['to'])));
}

/** Blocks, errors and outages come and go; all other causes are told once for good. */
function isSettled(event: NoticeEvent, cause: string): boolean {
  return event === 'blocked' || event === 'api_down' || (event === 'failed' && cause.startsWith('error:'));
}

/** Fields that an earlier version did not write are missing, never wrong. */
function readDue({ runId, atMs, data }: EventRecord): DueNotice {
  const text = (value: unknown): string | null => (typeof value === 'string' ? value : null);
  return {
    id: String(data['id']),
    runId,
    event: data['event'] as NoticeEvent,
    cause: String(data['cause']),
    atMs,
    message: text(data['message']) ?? '',
    hint: text(data['hint']),
    exit: typeof data['exit'] === 'number' ? data['exit'] : null,
    code: text(data['code']),
    details: (data['details'] ?? {}) as DueNotice['details'],
    to: (data['to'] ?? []) as readonly NoticeChannelName[],
  };
}

/** Calls of the last minutes, and how many of them were refused, in slots of ten seconds. */
export class RefusalGauge {
  readonly #slots = new Map<number, { calls: number; refused: number }>();

  count(refused: boolean, nowMs: number): void {
    const at = Math.floor(nowMs / SLOT_MS);
    const slot = this.#slots.get(at) ?? { calls: 0, refused: 0 };
    slot.calls++;
    if (refused) slot.refused++;
    this.#slots.set(at, slot);
    for (const old of this.#slots.keys()) if (old <= at - REFUSED_WINDOW_MS / SLOT_MS) this.#slots.delete(old);
  }

  /** Null where few enough are refused, or too few were made to say. */
  get alert(): { readonly calls: number; readonly refused: number } | null {
    const slots = [...this.#slots.values()];
    const calls = slots.reduce((sum, slot) => sum + slot.calls, 0);
    const refused = slots.reduce((sum, slot) => sum + slot.refused, 0);
    return calls >= REFUSED_CALLS_MIN && refused > calls * REFUSED_SHARE ? { calls, refused } : null;
  }
}

const SLOT_MS = 10_000;
