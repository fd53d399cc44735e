/**
 * Which of the rows whose turn it is may be called now: those whose request can be read, that the budget allows, and that
 * the limits have room for. A row that is too large for what is left waits at the front and gets its share of what flows
 * in; smaller ones go past it meanwhile.
 */
import { addRequest, noSums } from '../../domain/chunk-text.ts';
import { wishesOf, type RowRecord, type RunRecord } from '../../domain/model.ts';
import { budgetBlock, budgetOf, reservationOf, surely, type BudgetView } from '../budget/budget.ts';
import type { CallKey } from './call-keys.ts';
import { readHome } from '../retry/home-chunk.ts';
import type { Go, Ticket } from '../pacing/pacer.ts';
import type { RequestReader, SizedRequest } from '../retry/requests.ts';
import { blockRun, type Session } from '../session.ts';
import { rowKey, type Line, type TakenRow, type Taking } from './waiting-rows.ts';

export interface PaidRow {
  readonly run: RunRecord;
  readonly row: RowRecord;
  readonly request: SizedRequest;
  readonly ticket: Ticket<CallKey>;
  readonly reservedUsd: number;
}

export interface Passed {
  readonly paid: readonly PaidRow[];
  readonly left: readonly TakenRow[];
  /** Rows whose request cannot be read: the lane lets go of them. */
  readonly unread: number;
  /** Until the limits let the next one through; null where something else is waited for. */
  readonly waitMs: number | null;
}

/** Rows of a model at the front that what flows in is put aside for. More would leave nothing for those that go past them. */
const WAITERS_MAX = 2;
/** Requests of rows that could not go are kept: they are asked for again in a moment. */
const KEPT_REQUESTS_MAX = 64;
const KEPT_BYTES_MAX = 4_000_000;

/** Rows of a line that are looked at in vain: smaller ones may go past the first. */
const MISSES_MAX = 32;
/** The same of a model: its runs share what its limits let through. */
const MODEL_MISSES_MAX = 128;
/**
 * Rows that nobody has looked at before, beyond the free slots: to find those of other lines behind a long one that cannot
 * go. Each is read once for that, and stands in its line from then on.
 */
const FRESH_LOOKS_MAX = 256;

/** Shorter waits are the usual pace. */
const WAIT_SAID_MS_MIN = 10_000;

export class LaneGate {
  readonly #session: Session;
  readonly #requests: RequestReader;
  readonly #kept = new Map<string, SizedRequest>();
  /** Each with its model: the pools of others have lines of their own. */
  readonly #waiters = new Map<string, string>();
  /** Until when each pool was last said to have no room. */
  readonly #said = new Map<string, number>();
  #keptBytes = 0;

  constructor(session: Session, requests: RequestReader) {
    this.#session = session;
    this.#requests = requests;
  }

  /** Rows come from `next` as long as there are slots, until all lines have room for none, or enough were looked at. */
  async pass(next: Taking['next'], slots: number, keys: readonly CallKey[]): Promise<Passed> {
    const paid: PaidRow[] = [];
    const left: TakenRow[] = [];
    const closed = new ClosedLines();
    const purses = new Map<string, Purse>();
    let waitMs: number | null = null;
    let unread = 0;
    let looks = slots + FRESH_LOOKS_MAX;
    while (paid.length < slots) {
      const one = next(closed.has);
      if (!one) break;
      if (one.line === null && looks-- === 0) {
        // The limits may have room for what comes behind: the next round goes on from here.
        left.push(one);
        waitMs = 0;
        break;
      }
      const { run, row } = one.waiting;
      const request = await this.#request(row);
      if (!request) {
        unread++;
        continue;
      }
      const line = { runId: run.id, model: request.model };
      const stays = (): void => void left.push({ ...one, line });
      if (closed.has(line)) {
        stays();
        continue;
      }
      const purse = purses.get(run.id) ?? (await openPurse(this.#session, run));
      purses.set(run.id, purse);
      const reservedUsd = await purse.reserve(request);
      if (reservedUsd === null) {
        closed.miss(line);
        stays();
        continue;
      }
      const waiter = this.#waiterFor(row, request.model);
      const size = { ...request, runId: run.id, requestBytes: Buffer.byteLength(request.paramsJson) };
      const go = await this.#session.pacer.take(size, keys, waiter);
      if (go.kind === 'go') {
        this.#drop(row);
        if (waiter !== null) this.#waiters.delete(waiter);
        paid.push({ run, row, request, ticket: go.ticket, reservedUsd });
        continue;
      }
      purse.giveBack(reservedUsd);
      if (go.everyone) closed.close(request.model);
      else closed.missOfLimits(line);
      if (waiter !== null) this.#waiters.set(waiter, request.model);
      if (waiter !== null) this.#sayWait(go);
      waitMs = Math.min(waitMs ?? Infinity, go.waitMs);
      this.#keep(row, request);
      stays();
    }
    // Where no slot is left the rows behind were not asked for, and may be next.
    if (paid.length < slots) this.#forgetGone(left);
    return { paid, left, unread, waitMs: paid.length < slots ? waitMs : null };
  }

  /** A wait that a person would wonder about, once for each. */
  #sayWait({ pool, bucket, waitMs }: Extract<Go<CallKey>, { kind: 'wait' }>): void {
    const { clock, emit } = this.#session.engine;
    const atMs = clock.monotonicMs() + waitMs;
    if (waitMs < WAIT_SAID_MS_MIN || pool === '' || atMs < (this.#said.get(pool) ?? 0) + WAIT_SAID_MS_MIN) return;
    this.#said.set(pool, atMs);
    emit({ kind: 'lane.limited', untilMs: clock.now() + waitMs, pool, bucket });
  }

  /** Null where the chunk file cannot be read: then its chunk is blocked, and the row waits. */
  async #request(row: RowRecord): Promise<SizedRequest | null> {
    const kept = this.#kept.get(rowKey(row));
    if (kept) return kept;
    return readHome(this.#session, row, () => this.#requests.sized(row.runId, row));
  }

  #keep(row: RowRecord, request: SizedRequest): void {
    if (this.#kept.has(rowKey(row))) return;
    if (this.#kept.size >= KEPT_REQUESTS_MAX || this.#keptBytes > KEPT_BYTES_MAX) return;
    this.#kept.set(rowKey(row), request);
    this.#keptBytes += request.paramsJson.length;
  }

  #drop(row: RowRecord): void {
    const kept = this.#kept.get(rowKey(row));
    if (!kept) return;
    this.#kept.delete(rowKey(row));
    this.#keptBytes -= kept.paramsJson.length;
  }

  #waiterFor(row: RowRecord, model: string): string | null {
    const key = rowKey(row);
    if (this.#waiters.has(key)) return key;
    let others = 0;
    for (const other of this.#waiters.values()) if (other === model) others++;
    return others < WAITERS_MAX ? key : null;
  }

  /** Rows that are asked for no more, because their run was canceled or their turn has changed. */
  #forgetGone(asked: readonly TakenRow[]): void {
    const keys = new Set(asked.map(({ waiting }) => rowKey(waiting.row)));
    for (const waiter of this.#waiters.keys()) if (!keys.has(waiter)) this.#waiters.delete(waiter);
    for (const [key, request] of this.#kept) {
      if (keys.has(key)) continue;
      this.#kept.delete(key);
      this.#keptBytes -= request.paramsJson.length;
    }
  }
}

/** Lines of which no more rows are looked at in this round. */
class ClosedLines {
  readonly #models = new Set<string>();
  readonly #misses = new Map<string, number>();

  readonly has = ({ runId, model }: Line): boolean =>
    this.#models.has(model) || (this.#misses.get(`${runId}:${model}`) ?? 0) >= MISSES_MAX;

  /** For all runs. */
  close(model: string): void {
    this.#models.add(model);
  }

  /** The run has no room for a row. */
  miss({ runId, model }: Line): void {
    this.#count(`${runId}:${model}`);
  }

  /** The limits have none, and they are those of all runs. */
  missOfLimits(line: Line): void {
    this.miss(line);
    if (this.#count(line.model) >= MODEL_MISSES_MAX) this.close(line.model);
  }

  #count(key: string): number {
    const misses = (this.#misses.get(key) ?? 0) + 1;
    this.#misses.set(key, misses);
    return misses;
  }
}

interface Purse {
  /** What the call may cost, promised until the ledger shows it; null where the budget does not allow it. */
  reserve(request: SizedRequest): Promise<number | null>;
  giveBack(usd: number): void;
}

const FREE: Purse = { reserve: () => Promise.resolve(0), giveBack: () => undefined };

/** The budget of a run as long as one round takes. */
async function openPurse(session: Session, known: RunRecord): Promise<Purse> {
  if (wishesOf(known).maxCostUsd === null) return FREE;
  const { pledges } = session;
  const look = async (): Promise<Look> => {
    const run = (await session.engine.store.run(known.id)) ?? known;
    return { run, view: await budgetOf(session, run), kept: pledges.kept };
  };
  let now = await surely(session, look);
  return {
    reserve: async (request) => {
      if (pledges.kept !== now.kept) now = await surely(session, look);
      const { run, view } = now;
      if (!view) return 0;
      const usd = await callUsd(session, { run, view }, request);
      if (usd !== null && usd <= view.leftUsd - pledges.of(run.id) && !view.unknown) {
        pledges.add(run.id, usd);
        return usd;
      }
      await stopAtCap(session, run, view, usd);
      return null;
    },
    giveBack: (usd) => pledges.takeBack(known.id, usd),
  };
}

interface Look {
  readonly run: RunRecord;
  readonly view: BudgetView | null;
  readonly kept: number;
}

async function callUsd(
  session: Session,
  { run, view }: { readonly run: RunRecord; readonly view: BudgetView },
  request: SizedRequest,
): Promise<number | null> {
  const part = noSums();
  addRequest(part, Buffer.byteLength(request.paramsJson), request);
  return reservationOf(session, run, { mix: { [request.model]: part }, lane: 'realtime', view });
}

/** Nothing under way can make room any more: a person has to raise the budget. */
async function stopAtCap(session: Session, run: RunRecord, view: BudgetView, nextUsd: number | null): Promise<void> {
  const counts = await session.engine.store.chunkCounts(run.id);
  const underWay = counts.submitting + counts.uncertain + counts.submitted + counts.ended + run.rows.in_realtime;
  // Calls of this round are not in the ledger yet.
  if ((underWay > 0 || session.pledges.of(run.id) > 0) && nextUsd !== null && !view.unknown) return;
  await blockRun(session, run.id, budgetBlock(run, view, nextUsd, session.engine.clock.now()));
}
