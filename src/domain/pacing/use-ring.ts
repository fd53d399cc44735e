/**
 * What one key used of one pool in the last hour, and of that in the last minute, rolling: pure, every time is passed in
 * and is the clock of the machine.
 *
 * Use is kept in cells: five seconds long for the last two minutes, a minute long before that (and all of it that comes
 * from the ledger). A cell that lies partly outside the time that is asked for counts with the share that is inside, so
 * the last minute is right to within the use of five seconds, whatever second of the minute it is.
 *
 * A clock that is set back takes the cells with it, as if it had stood still: nothing is lost, nothing counts twice, and
 * nothing lies in the future and stays there. One that is set forward lets an hour pass, as a machine that sleeps does.
 */
import { MINUTE_MS } from './limiter.ts';
import type { MinuteUse } from './snapshot.ts';

export type UseCounts = Omit<MinuteUse, 'minute'>;

export const NO_USE: UseCounts = { requests: 0, inputTokens: 0, outputTokens: 0, refused: 0, retried: 0 };

interface Cell {
  fromMs: number;
  readonly lengthMs: number;
  counts: UseCounts;
}

const HOUR_MS = 60 * MINUTE_MS;
const SLOT_MS = 5_000;
/** Before this slots become minutes. Twice the minute that is asked for, so that none of it is ever coarse. */
const SLOTS_KEPT_MS = 2 * MINUTE_MS;
/** Calls end in another order than they are told; a clock that is further back than this was set. */
const DISORDER_MS = SLOT_MS;

export class UseRing {
  #cells: Cell[] = [];
  #newestMs = -Infinity;

  static fromJson(minutes: readonly MinuteUse[]): UseRing {
    const ring = new UseRing();
    for (const { minute, requests, inputTokens, outputTokens, refused, retried } of minutes) {
      const fromMs = minute * MINUTE_MS;
      const counts = { requests, inputTokens, outputTokens, refused, retried };
      ring.#cells.push({ fromMs, lengthMs: MINUTE_MS, counts });
      ring.#newestMs = Math.max(ring.#newestMs, fromMs);
    }
    return ring;
  }

  add(atMs: number, counts: Partial<UseCounts>): void {
    this.#setBack(this.#aheadMs(atMs));
    this.#newestMs = Math.max(this.#newestMs, atMs);
    const fromMs = Math.floor(atMs / SLOT_MS) * SLOT_MS;
    const cell = this.#cellAt(fromMs, SLOT_MS);
    cell.counts = sum(cell.counts, { ...NO_USE, ...counts });
  }

  /** The sixty seconds until now. A cell that is only partly in them gives fractions. */
  lastMinute(nowMs: number): UseCounts {
    return this.#last(MINUTE_MS, nowMs);
  }

  lastHour(nowMs: number): UseCounts {
    return this.#last(HOUR_MS, nowMs);
  }

  /** By the minute, oldest first; for the ledger. */
  toJson(): MinuteUse[] {
    const minutes = new Map<number, UseCounts>();
    for (const { fromMs, counts } of this.#cells) {
      const minute = Math.floor(fromMs / MINUTE_MS);
      minutes.set(minute, sum(minutes.get(minute) ?? NO_USE, counts));
    }
    return [...minutes].map(([minute, counts]) => ({ minute, ...counts })).sort((a, b) => a.minute - b.minute);
  }

  #last(windowMs: number, nowMs: number): UseCounts {
    // Looking does not move the cells, it moves the look: whoever looks may have another clock than whoever adds.
    const untilMs = nowMs + this.#aheadMs(nowMs);
    let total = NO_USE;
    for (const { fromMs, lengthMs, counts } of this.#cells) {
      // What a cell that is not over holds has come by now.
      const endMs = Math.min(fromMs + lengthMs, Math.max(untilMs, fromMs + 1));
      const insideMs = endMs - Math.max(fromMs, untilMs - windowMs);
      if (insideMs > 0) total = sum(total, scaled(counts, insideMs / (endMs - fromMs)));
    }
    return total;
  }

  /** How far the newest use is ahead of a clock that was set back; 0 where it was not. */
  #aheadMs(nowMs: number): number {
    const aheadMs = this.#newestMs - nowMs;
    return aheadMs > DISORDER_MS ? aheadMs : 0;
  }

  #setBack(byMs: number): void {
    if (byMs === 0) return;
    for (const cell of this.#cells) cell.fromMs -= byMs;
    this.#newestMs -= byMs;
  }

  #cellAt(fromMs: number, lengthMs: number): Cell {
    const known = this.#cells.findLast((cell) => cell.fromMs === fromMs && cell.lengthMs === lengthMs);
    if (known) return known;
    const cell = { fromMs, lengthMs, counts: NO_USE };
    this.#cells.push(cell);
    if (lengthMs === SLOT_MS) this.#tidy();
    return cell;
  }

  /** Old slots become minutes, old minutes go: some sixty cells stay for minutes and twenty-five for slots. */
  #tidy(): void {
    const old = this.#cells.filter((cell) => cell.lengthMs === SLOT_MS && this.#isBefore(cell, SLOTS_KEPT_MS));
    this.#cells = this.#cells.filter((cell) => !old.includes(cell));
    for (const { fromMs, counts } of old) {
      const minute = this.#cellAt(Math.floor(fromMs / MINUTE_MS) * MINUTE_MS, MINUTE_MS);
      minute.counts = sum(minute.counts, counts);
    }
    this.#cells = this.#cells.filter((cell) => !this.#isBefore(cell, HOUR_MS));
  }

  #isBefore({ fromMs, lengthMs }: Cell, agoMs: number): boolean {
    return fromMs + lengthMs <= this.#newestMs - agoMs;
  }
}

export function sum(a: UseCounts, b: UseCounts): UseCounts {
  return {
    requests: a.requests + b.requests,
    inputTokens: a.inputTokens + b.inputTokens,
    outputTokens: a.outputTokens + b.outputTokens,
    refused: a.refused + b.refused,
    retried: a.retried + b.retried,
  };
}

function scaled(a: UseCounts, by: number): UseCounts {
  return {
    requests: a.requests * by,
    inputTokens: a.inputTokens * by,
    outputTokens: a.outputTokens * by,
    refused: a.refused * by,
    retried: a.retried * by,
  };
}
