/**
 * The realtime lane: rows that need another attempt now, at full price, at most `--concurrency` at once.
 *
 * A row is committed as `in_realtime` before its call leaves, and its slot becomes free only when its answer is durable
 * in the append log and the ledger: so a crash repeats at most the calls under way, never more (promise P2). Answers
 * that arrive while others are being committed go together in the next transaction.
 */
import pLimit from 'p-limit';
import { groupBy } from '../base/collections.ts';
import { failpoint } from '../base/failpoint.ts';
import { routeRealtime, type ApiFailure } from '../domain/failure-router.ts';
import { tagOf } from '../domain/ids.ts';
import { PLAIN_MAX_TOKENS_MAX, RETRY_AFTER_SAID_MS } from '../domain/limits.ts';
import type { RowRecord, RunRecord } from '../domain/model.ts';
import { localErrorLine, parseResultLine, realtimeResultLine, wireId, type ResultLine } from '../domain/result-line.ts';
import type { RealtimeSettled } from '../domain/store-steps.ts';
import { isHomeBlocked, readHome } from './home-chunk.ts';
import { RealtimeLogs } from './realtime-logs.ts';
import { RequestReader } from './requests.ts';
import { StopReasonSum, UsageSum } from './result-scan.ts';
import { rowKey, WaitingRows, type WaitingRow } from './waiting-rows.ts';
import { apiFailureOf, blockAll, causeOf, waitBefore, type Session } from './session.ts';

/** In wire ids and result locations the realtime log counts as chunk 0. */
export const REALTIME_CHUNK_NO = 0;

interface Answer extends WaitingRow {
  /** The line for the log, or null where there is nothing to keep. */
  readonly line: string | null;
  readonly parsed: ResultLine | null;
  readonly settled: Omit<RealtimeSettled, 'result'>;
}

export class RealtimeLane {
  readonly #session: Session;
  readonly #runIds: readonly string[];
  readonly #limit: ReturnType<typeof pLimit>;
  readonly #requests: RequestReader;
  readonly #logs: RealtimeLogs;
  readonly #waiting = new WaitingRows();
  /** Rows that are being called, until their answers are committed. */
  readonly #underWay = new Set<string>();
  readonly #wake: () => void;
  #answers: Answer[] = [];
  #running = 0;
  /** Pauses in a row without an answer between them. */
  #pauses = 0;
  #settling: Promise<void> | undefined;
  #failure: { readonly error: unknown } | undefined;
  readonly #broken = new AbortController();
  #drained: (() => void)[] = [];

  constructor(session: Session, runIds: readonly string[], wake: () => void) {
    const { store, files, pacing } = session.engine;
    this.#session = session;
    this.#runIds = runIds;
    this.#wake = wake;
    this.#limit = pLimit(pacing.concurrency);
    this.#requests = new RequestReader(store, files);
    this.#logs = new RealtimeLogs(session);
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

  offer(run: RunRecord, row: RowRecord): void {
    this.#waiting.add({ run, row });
  }

  /** Rows of this run that wait for a slot. */
  waiting(runId: string): number {
    return this.#waiting.count(runId);
  }

  get busy(): boolean {
    return this.#running > 0 || this.#settling !== undefined;
  }

  /** When the next waiting row may go, in the past where it only lacks a slot or is blocked; null when none waits. */
  nextAtMs(): number | null {
    const nextMs = this.#waiting.nextAtMs();
    const { clock } = this.#session.engine;
    // Rows are due by the ledger's clock, the lane by the one that never jumps.
    const dueMs = nextMs === null ? null : clock.monotonicMs() + nextMs - clock.now();
    return dueMs === null ? null : Math.max(dueMs, this.#session.callsNotBeforeMs);
  }

  /** Starts as many calls as there are slots and rows whose time has come. Throws what went wrong in the background. */
  async pump(): Promise<void> {
    if (this.#failure) throw this.#failure.error;
    const { clock, pacing, signal } = this.#session.engine;
    const nowMs = clock.now();
    if (signal.aborted || clock.monotonicMs() < this.#session.callsNotBeforeMs) return;
    const free = pacing.concurrency - this.#running;
    if (free <= 0) return;
    const due = this.#waiting.take(
      nowMs,
      free,
      ({ run, row }) => !this.#session.blocks.stopsSending(run.id) && !isHomeBlocked(this.#session, row),
    );
    // Before the first await: the planner must see that these are taken.
    for (const { row } of due) this.#underWay.add(rowKey(row));
    this.#running += due.length;
    for (const [runId, group] of groupBy(due, ({ run }) => run.id)) {
      const seqs = group.map(({ row }) => row.seq);
      const claimed = await this.#claim(runId, seqs, nowMs);
      failpoint('retry.realtime_claim');
      const calls = new Map(claimed.map((row) => [row.seq, row]));
      for (const { run, row } of group) {
        const call = calls.get(row.seq);
        if (call) this.#start({ run, row: call });
        else this.#release(row);
      }
    }
  }

  /** Waits for the calls under way and commits their answers. */
  async drain(): Promise<void> {
    while (this.busy && !this.#failure) await new Promise<void>((resolve) => this.#drained.push(resolve));
    await this.#requests.close();
    await this.#logs.close();
    if (this.#failure) throw this.#failure.error;
  }

  /** A claim that fails ends the lane: its slots are taken, and nobody would give them back. */
  async #claim(runId: string, seqs: readonly number[], nowMs: number): Promise<readonly RowRecord[]> {
    try {
      // A log that cannot be opened is found out before anything is paid for it.
      if (await this.#session.engine.store.run(runId)) await this.#logs.of(runId);
      return await this.#session.driver.claimRealtime(runId, seqs, nowMs);
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

  #start(claimed: WaitingRow): void {
    this.#limit(() => this.#call(claimed)).then(
      (answer) => {
        if (this.#failure) return;
        this.#answers.push(answer);
        this.#settling ??= this.#settleAll();
      },
      (error: unknown) => this.#fail(error),
    );
  }

  async #call({ run, row }: WaitingRow): Promise<Answer> {
    const { api } = this.#session.engine;
    // A call under way is paid: a stop waits for its answer. Only a failure of our own breaks it off.
    const { signal } = this.#broken;
    const id = wireId(tagOf(run.id), REALTIME_CHUNK_NO, row.seq);
    const request = await readHome(this.#session, row, () => this.#requests.sized(run.id, row));
    if (!request) {
      // Nothing was called: it waits again, as if it had not been claimed.
      const settled = { seq: row.seq, to: 'retry', errorType: row.errorType, notBeforeMs: 0, burnt: false } as const;
      return { run, row, line: null, parsed: null, settled };
    }
    const { paramsJson, betas, maxTokens } = request;
    try {
      const message = await api.createMessage({ paramsJson, betas, stream: maxTokens > PLAIN_MAX_TOKENS_MAX, signal });
      this.#session.reach.heard();
      this.#pauses = 0;
      const line = realtimeResultLine(id, message);
      const settled = { seq: row.seq, to: 'succeeded', errorType: null, notBeforeMs: 0, burnt: true } as const;
      return { run, row, line, parsed: parseResultLine(line), settled };
    } catch (error) {
      const failure = apiFailureOf(error);
      if (!failure) throw error;
      return this.#afterFailure({ run, row }, id, failure);
    }
  }

  async #afterFailure({ run, row }: WaitingRow, id: string, failure: ApiFailure): Promise<Answer> {
    const { clock, emit } = this.#session.engine;
    this.#session.reach.silent(failure, clock.monotonicMs());
    const { maxAttempts } = run.settings;
    const verdict = routeRealtime(failure, row.attempts, maxAttempts);
    const errorType = 'errorType' in verdict ? verdict.errorType : (failure.type ?? verdict.reason);
    const base = { seq: row.seq, errorType, notBeforeMs: 0 };
    if (verdict.kind === 'failed') {
      const line = localErrorLine(id, errorType, failure.message);
      return { run, row, line, parsed: null, settled: { ...base, to: 'failed', burnt: true } };
    }
    if (verdict.kind === 'blocked') {
      await blockAll(this.#session, this.#runIds, verdict);
      return { run, row, line: null, parsed: null, settled: { ...base, to: 'retry', burnt: false } };
    }
    const waitMs = failure.connection === 'aborted' ? 0 : waitBefore(this.#session, row.attempts, verdict.waitMs);
    this.#pauseAfter(failure, waitMs);
    const cause = causeOf(failure);
    emit({ kind: 'retry.scheduled', runId: run.id, seq: row.seq, attempt: row.attempts, maxAttempts, waitMs, cause });
    const settled = {
      ...base,
      to: 'retry',
      notBeforeMs: clock.now() + waitMs,
      burnt: verdict.countsAsAttempt,
    } as const;
    return { run, row, line: null, parsed: null, settled };
  }

  /**
   * What is not about this row is about all: a limit, an API that is not there, a wait that the API asks for. No call
   * before that time, and the pauses grow as long as nothing gets through.
   */
  #pauseAfter(failure: ApiFailure, waitMs: number): void {
    const everyones = failure.status === 429 || failure.connection === 'never_made' || failure.retryAfterMs !== null;
    if (!everyones) return;
    this.#pauses++;
    const { clock, emit } = this.#session.engine;
    const pauseMs = Math.max(waitMs, waitBefore(this.#session, this.#pauses, failure.retryAfterMs));
    const untilMs = clock.monotonicMs() + pauseMs;
    if (untilMs <= this.#session.callsNotBeforeMs) return;
    this.#session.callsNotBeforeMs = untilMs;
    if (pauseMs > RETRY_AFTER_SAID_MS) {
      emit({ kind: 'lane.paused', untilMs: clock.now() + pauseMs, cause: causeOf(failure) });
    }
  }

  async #settleAll(): Promise<void> {
    try {
      // After a failure of our own nothing more is committed: another process may be at it already.
      while (this.#answers.length > 0 && !this.#failure) {
        const answers = this.#answers;
        this.#answers = [];
        for (const [, group] of groupBy(answers, ({ run }) => run.id)) await this.#settle(group);
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

  async #settle(answers: readonly Answer[]): Promise<void> {
    const run = answers[0]?.run;
    if (!run) return;
    failpoint('retry.realtime_answer');
    const { driver, engine } = this.#session;
    const log = await this.#logs.of(run.id);
    const usage = new UsageSum('realtime');
    const stopReasons = new StopReasonSum();
    const rows: RealtimeSettled[] = [];
    const lines: Buffer[] = [];
    let offset = log.bytes;
    for (const { line, parsed, settled } of answers) {
      if (line === null) {
        rows.push({ ...settled, result: null });
        continue;
      }
      const bytes = Buffer.from(`${line}\n`);
      rows.push({ ...settled, result: { chunkNo: REALTIME_CHUNK_NO, offset, length: bytes.length - 1 } });
      lines.push(bytes);
      offset += bytes.length;
      if (!parsed) continue;
      usage.add(parsed);
      stopReasons.add(parsed);
    }
    // Whoever has lost the lock must not write over what the next driver has committed there.
    await driver.assertDriving();
    await log.append(Buffer.concat(lines));
    await log.sync();
    failpoint('retry.realtime_log');
    const sums = { usage: usage.entries(), stopReasons: stopReasons.counts };
    await driver.settleRealtime({ runId: run.id, atMs: engine.clock.now(), logBytes: log.bytes, rows, ...sums });
    const succeeded = rows.filter((row) => row.to === 'succeeded').length;
    engine.emit({ kind: 'rows.settled', runId: run.id, succeeded, rest: rows.length - succeeded });
  }

  #fail(error: unknown): void {
    this.#failure ??= { error };
    this.#broken.abort();
    this.#tellAll();
  }

  #tellAll(): void {
    for (const resolve of this.#drained.splice(0)) resolve();
    this.#wake();
  }
}
