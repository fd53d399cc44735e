/**
 * The realtime lane: rows that are called now, at full price: retries, runs that ask for it, and what must make a
 * deadline. The pacer says when a call may go; the lane waits for it, so that a stop never waits for a limit.
 *
 * A row is committed as `in_realtime` before its call leaves, and its slot becomes free only when its answer is durable
 * in the append log and the ledger: so a crash repeats at most the calls under way, never more (promise P2). Answers
 * that arrive while others are being committed go together in the next transaction.
 */
import pLimit from 'p-limit';
import { groupBy } from '../../base/collections.ts';
import { failpoint } from '../../base/failpoint.ts';
import { wishesOf, type RowRecord, type RunRecord } from '../../domain/model.ts';
import type { Priority } from '../../domain/priority.ts';
import { callKeys } from './call-keys.ts';
import { isHomeBlocked } from '../retry/home-chunk.ts';
import { LaneGate, type PaidRow } from './lane-gate.ts';
import { LaneCaller, type PaidCall } from './realtime-call.ts';
import { RealtimeLogs } from './realtime-logs.ts';
import { settleAnswers, type Answer } from './realtime-settle.ts';
import { RequestReader } from '../retry/requests.ts';
import type { Session } from '../session.ts';
import { rowKey, WaitingRows, type Taking } from './waiting-rows.ts';

export { REALTIME_CHUNK_NO } from './realtime-settle.ts';

/** A pump commits to disk: at high rates the rows of so many milliseconds go together. */
const PUMP_INTERVAL_MS_MIN = 20;

export class RealtimeLane {
  readonly #session: Session;
  readonly #limit: ReturnType<typeof pLimit>;
  readonly #requests: RequestReader;
  readonly #logs: RealtimeLogs;
  readonly #gate: LaneGate;
  readonly #caller: LaneCaller;
  readonly #waiting = new WaitingRows();
  /** Rows that are being looked at or called, until their answers are committed. */
  readonly #underWay = new Set<string>();
  readonly #wake: () => void;
  #answers: Answer[] = [];
  #settling: Promise<void> | undefined;
  #pumping: Promise<void> | undefined;
  #pumpAgain = false;
  #draining = false;
  /** Waits until a limit lets the next row through. */
  #timer: { readonly stop: AbortController; readonly atMs: number } | undefined;
  #failure: { readonly error: unknown } | undefined;
  readonly #broken = new AbortController();
  #drained: (() => void)[] = [];

  constructor(session: Session, runIds: readonly string[], wake: () => void) {
    const { store, files, pacing } = session.engine;
    this.#session = session;
    this.#wake = wake;
    this.#limit = pLimit(pacing.concurrency);
    this.#requests = new RequestReader(store, files);
    this.#logs = new RealtimeLogs(session);
    this.#gate = new LaneGate(session, this.#requests);
    this.#caller = new LaneCaller(session, runIds, this.#broken.signal);
  }

  /** Is this row the lane's already? */
  has(row: { readonly runId: string; readonly seq: number }): boolean {
    return this.#waiting.has(row) || this.#underWay.has(rowKey(row));
  }

  /** Which rows are the lane's as of now, whatever becomes of them later. */
  snapshot(): (row: RowRecord) => boolean {
    const keys = new Set([...this.#waiting.keys(), ...this.#underWay]);
    return (row) => keys.has(rowKey(row));
  }

  /** `priority`: that of its chunk; null: that of its run. */
  offer(run: RunRecord, row: RowRecord, priority: Priority | null = null): void {
    this.#waiting.add({ run, row, priority: priority ?? wishesOf(run).priority });
  }

  /** Rows of this run that wait for a slot. */
  waiting(runId: string): number {
    return this.#waiting.count(runId);
  }

  /** Calls under way, until their answers are committed. */
  get #running(): number {
    return this.#session.slots.lane;
  }

  set #running(count: number) {
    this.#session.slots.lane = count;
  }

  get busy(): boolean {
    return this.#isMoving || this.#timer !== undefined;
  }

  /** A pump may be about to start calls: it has paid for them already. */
  get #isMoving(): boolean {
    return this.#running > 0 || this.#settling !== undefined || this.#pumping !== undefined;
  }

  /** When the next waiting row may go, in the past where it only lacks a slot or is blocked; null when none waits. */
  nextAtMs(): number | null {
    const nextMs = this.#waiting.nextAtMs();
    const { clock } = this.#session.engine;
    // Rows are due by the ledger's clock, the lane by the one that never jumps.
    const dueMs = nextMs === null ? null : clock.monotonicMs() + nextMs - clock.now();
    return dueMs === null ? null : Math.max(dueMs, this.#session.callsNotBeforeMs);
  }

  /** Starts as many calls as slots and limits allow. Throws what went wrong in the background. */
  async pump(): Promise<void> {
    if (this.#failure) throw this.#failure.error;
    this.#pumpAgain = true;
    this.#pumping ??= this.#pumpAll();
    await this.#pumping;
  }

  /** Waits for the calls under way and commits their answers. Until it is over no other call begins. */
  async drain(): Promise<void> {
    this.#draining = true;
    this.#stopTimer();
    while (this.#isMoving && !this.#failure) await new Promise<void>((resolve) => this.#drained.push(resolve));
    this.#draining = false;
    await this.#requests.close();
    await this.#logs.close();
    if (this.#failure) throw this.#failure.error;
  }

  /** One pump at a time: who asks meanwhile gets another one after it. Its end and its being over are one step. */
  async #pumpAll(): Promise<void> {
    try {
      while (this.#pumpAgain) {
        this.#pumpAgain = false;
        await this.#pumpOnce();
      }
    } finally {
      this.#pumping = undefined;
    }
  }

  async #pumpOnce(): Promise<void> {
    const { clock, pacing, signal } = this.#session.engine;
    if (this.#draining || signal.aborted || clock.monotonicMs() < this.#session.callsNotBeforeMs) return;
    const { slots: all, pacer } = this.#session;
    const slots = all.leftForLane(pacer.concurrency(pacing.concurrency));
    if (slots <= 0) return;
    all.promised = slots;
    const taking = this.#waiting.begin(
      clock.now(),
      ({ run, row }) => this.#mayCall(run.id) && !isHomeBlocked(this.#session, row),
    );
    const taken: string[] = [];
    const next: Taking['next'] = (isClosed) => {
      const row = taking.next(isClosed);
      // In one step: the planner must see at any time that it is the lane's.
      if (row) this.#underWay.add(rowKey(row.waiting.row));
      if (row) taken.push(rowKey(row.waiting.row));
      return row;
    };
    const passed = await this.#guarded(() => this.#gate.pass(next, slots, callKeys(this.#session)));
    const paid = new Set(passed.paid.map(({ row }) => rowKey(row)));
    for (const key of taken) if (!paid.has(key)) this.#underWay.delete(key);
    for (const left of passed.left) this.#waiting.putBack(left);
    taking.end();
    // Whoever plans looks at them again, and finds their chunk blocked.
    if (passed.unread > 0) this.#wake();
    this.#running += passed.paid.length;
    all.promised = 0;
    for (const [runId, group] of groupBy(passed.paid, ({ run }) => run.id)) await this.#claimAndStart(runId, group);
    if (passed.waitMs !== null) this.#setTimer(passed.waitMs);
  }

  #mayCall(runId: string): boolean {
    return !this.#session.blocks.stopsSending(runId) && !this.#session.pilots.refusing.has(runId);
  }

  async #claimAndStart(runId: string, group: readonly PaidRow[]): Promise<void> {
    const claimed = await this.#guarded(() => this.#claim(runId, group));
    const pledgedUsd = group.reduce((sum, { reservedUsd }) => sum + reservedUsd, 0);
    this.#session.pledges.keep(runId, pledgedUsd);
    failpoint('retry.realtime_claim');
    const calls = new Map(claimed.map((row) => [row.seq, row]));
    for (const paid of group) {
      const row = calls.get(paid.row.seq);
      if (row) this.#start({ ...paid, row });
      else {
        await this.#guarded(() => this.#session.pacer.refund(paid.ticket));
        this.#release(paid.row);
      }
    }
  }

  async #claim(runId: string, group: readonly PaidRow[]): Promise<readonly RowRecord[]> {
    // A log that cannot be opened is found out before anything is paid for it.
    if (await this.#session.engine.store.run(runId)) await this.#logs.of(runId);
    const reserved = new Map(group.map(({ row, reservedUsd }) => [row.seq, reservedUsd]));
    const seqs = [...reserved.keys()];
    return this.#session.driver.claimRealtime(runId, seqs, this.#session.engine.clock.now(), reserved);
  }

  /** What fails between the taking of rows and their start ends the lane: nobody would give their slots back. */
  async #guarded<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      this.#fail(error);
      throw error;
    }
  }

  /** A row that may not be called after all gives its slot back; the planner looks at it again. */
  #release(row: { readonly runId: string; readonly seq: number }): void {
    this.#underWay.delete(rowKey(row));
    this.#running--;
  }

  #start(call: PaidCall): void {
    this.#limit(() => this.#caller.call(call)).then(
      (answer) => {
        if (this.#failure) return;
        this.#answers.push(answer);
        this.#settling ??= this.#settleAll();
      },
      (error: unknown) => this.#fail(error),
    );
  }

  #setTimer(waitMs: number): void {
    if (this.#draining) return;
    const { clock } = this.#session.engine;
    const ms = Math.max(PUMP_INTERVAL_MS_MIN, Math.ceil(waitMs));
    const atMs = clock.monotonicMs() + ms;
    if (this.#timer && this.#timer.atMs <= atMs) return;
    this.#timer?.stop.abort();
    const timer = { stop: new AbortController(), atMs };
    this.#timer = timer;
    clock
      .sleep(ms, timer.stop.signal)
      .then(async () => {
        if (this.#timer !== timer) return;
        this.#timer = undefined;
        await this.pump();
        if (!this.#isMoving) this.#tellAll();
      })
      .catch((error: unknown) => this.#fail(error));
  }

  #stopTimer(): void {
    this.#timer?.stop.abort();
    this.#timer = undefined;
  }

  async #settleAll(): Promise<void> {
    try {
      // After a failure of our own nothing more is committed: another process may be at it already.
      while (this.#answers.length > 0 && !this.#failure) {
        const answers = this.#answers;
        this.#answers = [];
        for (const [, group] of groupBy(answers, ({ run }) => run.id)) {
          await settleAnswers(this.#session, this.#logs, group);
        }
        for (const { row } of answers) this.#release(row);
        // The slots that have become free are filled at once, not at the next turn of the driver's loop.
        await this.pump();
      }
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#settling = undefined;
      // As long as calls are under way the lane goes on by itself; the driver is needed when it has come to rest.
      if (this.#running === 0) this.#tellAll();
    }
  }

  #fail(error: unknown): void {
    this.#failure ??= { error };
    this.#stopTimer();
    this.#broken.abort();
    this.#tellAll();
  }

  #tellAll(): void {
    for (const resolve of this.#drained.splice(0)) resolve();
    this.#wake();
  }
}
