/**
 * Notices on their way: on each way out one after the other, and no way waits for another. Each is noted in the ledger when
 * it was taken. A receiver that does not answer costs a command seconds at its end, never its work nor its exit code.
 */
import type { Clock } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { wishesOf } from '../../domain/model.ts';
import { noticeBody, type NoticeBody, type NoticeFacts, type NoticeSender } from '../../domain/notice-body.ts';
import { NOTICE_FAILED, NOTICE_SENT, type DueNotice, type NoticeChannelName } from '../../domain/notices.ts';
import type { Store } from '../../domain/store.ts';

export interface DeliverOptions {
  /** Aborted when nobody waits any more. */
  readonly signal: AbortSignal;
  /** Is it worth more than one try? Not where this receiver has just failed again and again. */
  readonly patient: boolean;
}

/** A way out. Throws where the notice was not taken, with a message that says why and holds no secret. */
export interface NoticeChannel {
  readonly name: NoticeChannelName;
  deliver(body: NoticeBody, options: DeliverOptions): Promise<void>;
}

export type OutboxLedger = Pick<Store, 'run' | 'usage' | 'note'>;

export interface OutboxParts {
  readonly ledger: OutboxLedger;
  readonly clock: Clock;
  readonly log: Logger;
  readonly channels: readonly NoticeChannel[];
  readonly sender: NoticeSender;
  readonly signal: AbortSignal;
}

/** A command waits this long at its end: enough for all tries of one notice. */
export const CLOSE_MS_MAX = 40_000;
/** After Ctrl-C: enough for an answer that is on its way. */
export const STOP_MS_MAX = 3_000;

export class Outbox {
  readonly #parts: OutboxParts;
  readonly #over = new AbortController();
  readonly #failing = new Set<NoticeChannelName>();
  /** The last of each way out: a webhook that hangs must not keep anything from the command. */
  readonly #tails = new Map<NoticeChannelName, Promise<void>>();

  constructor(parts: OutboxParts) {
    this.#parts = parts;
  }

  put(due: DueNotice): void {
    for (const channel of this.#parts.channels) {
      if (!due.to.includes(channel.name)) continue;
      const before = this.#tails.get(channel.name) ?? Promise.resolve();
      this.#tails.set(
        channel.name,
        before.then(() => this.#deliver(due, channel)),
      );
    }
  }

  async close(): Promise<void> {
    const { clock, signal } = this.#parts;
    const told = new AbortController();
    const late = (async () => {
      await clock.sleep(CLOSE_MS_MAX, AbortSignal.any([signal, told.signal]));
      if (signal.aborted) await clock.sleep(STOP_MS_MAX, told.signal);
      this.#over.abort();
    })();
    await Promise.all(this.#tails.values());
    told.abort();
    await late;
  }

  async #deliver(due: DueNotice, channel: NoticeChannel): Promise<void> {
    const { ledger, clock, log, sender } = this.#parts;
    const { id, runId, event } = due;
    const to = channel.name;
    const what = { notice: id, about: event, run: runId, to };
    try {
      const body = noticeBody(due, await this.#facts(runId), sender);
      const patient = !this.#failing.has(channel.name);
      await channel.deliver(body, { signal: this.#over.signal, patient });
      this.#failing.delete(channel.name);
      await ledger.note(runId, NOTICE_SENT, clock.now(), { id, to });
      log.info('notify.sent', what);
    } catch (error) {
      this.#failing.add(channel.name);
      log.warn('notify.not_sent', { ...what, why: messageOf(error) });
      // What is older is the next command's in any case: a receiver that is down for a day fills no ledger.
      const nowMs = clock.now();
      if (due.atMs > nowMs - CLOSE_MS_MAX) await ledger.note(runId, NOTICE_FAILED, nowMs, { id, to }).catch(() => null);
    }
  }

  async #facts(runId: string): Promise<NoticeFacts> {
    try {
      const run = await this.#parts.ledger.run(runId);
      const usage = await this.#parts.ledger.usage(runId);
      const isPriced = usage.every((entry) => entry.unpricedRows === 0);
      const spentUsd = isPriced ? usage.reduce((sum, entry) => sum + entry.costUsd, 0) : null;
      return { run, spentUsd, budgetUsd: run === null ? null : wishesOf(run).maxCostUsd };
    } catch {
      // A ledger that cannot be read is what the notice is about, most likely.
      return { run: null, spentUsd: null, budgetUsd: null };
    }
  }
}
