/**
 * Drives runs: takes the lock, recovers, and goes round by round until everything is done, nothing can move any more,
 * or somebody says stop. It can be killed at any instant; the next one goes on.
 *
 * A round: cancel what is to be canceled, collect what has ended, send rows that wait for a retry on their way, upload
 * into free slots, finish runs. Then it waits for the earliest of: the next poll, a retry, an answer.
 */
import { BatchrunError } from '../base/errors.ts';
import { failpoint } from '../base/failpoint.ts';
import type { RunRecord } from '../domain/model.ts';
import type { AsCompleted } from './as-completed.ts';
import { cancelRound } from './cancel.ts';
import { collectRound } from './collect.ts';
import { lockedError, tryDrive, type DriveHolder } from './driver.ts';
import type { ApiEngine } from './engine.ts';
import { writeOutputs } from './output.ts';
import { openBatchRecords, poll, pollInterval } from './poll.ts';
import { RealtimeLane } from './realtime.ts';
import { hasOpenWork, recover } from './recover.ts';
import { retryRound } from './retry.ts';
import { newSession, type Session } from './session.ts';
import { uploadRound } from './upload.ts';

export interface DriveRequest {
  /** Runs to bring to their end; null: every unfinished run of this origin. */
  readonly runIds: readonly string[] | null;
  /** `upload`: only until the caps are full. `finish`: to the end. */
  readonly goal: 'upload' | 'finish';
  /** A single pass: poll, collect, submit, retry what is due. */
  readonly once: boolean;
  readonly holder: DriveHolder;
  readonly retryLockMs: number;
  readonly asCompleted: AsCompleted | null;
  /** Told when the driver has the lock and knows its runs. */
  readonly onDriving?: (runIds: readonly string[]) => Promise<void>;
}

/** Why the driving ended. Which runs are how far is in the ledger. */
export type DriveEnd = 'done' | 'uploaded' | 'once' | 'blocked' | 'stopped' | 'unreachable';

export async function drive(engine: ApiEngine, request: DriveRequest): Promise<DriveEnd> {
  const driving = await tryDrive(engine, request.holder, request.retryLockMs);
  if (!driving) {
    if (engine.signal.aborted) return 'stopped';
    throw await lockedError(engine);
  }
  try {
    const runner = new Runner(newSession(engine, driving.driver), request);
    return await runner.run();
  } finally {
    await driving.lock.release();
  }
}

/** Without anything to wait for, the loop still looks again after this: a canceling run, a ready run of others. */
const IDLE_LOOK_MS = 5_000;

class Runner {
  readonly #session: Session;
  readonly #engine: ApiEngine;
  readonly #request: DriveRequest;
  /** What this process drives to the goal. */
  #runIds: string[] = [];
  /** Runs that were submitted beside it: only uploaded, as their submit would have done. */
  readonly #handedOver: string[] = [];
  #lane: RealtimeLane;
  #wake = new AbortController();
  #nextPollMs = 0;

  constructor(session: Session, request: DriveRequest) {
    this.#session = session;
    this.#engine = session.engine;
    this.#request = request;
    this.#lane = new RealtimeLane(session, this.#runIds, () => this.#wake.abort());
  }

  async run(): Promise<DriveEnd> {
    await recover(this.#session);
    this.#runIds.push(...(await this.#scope()));
    await this.#request.onDriving?.(this.#runIds);
    let end: DriveEnd;
    try {
      end = await this.#untilEnd();
    } catch (error) {
      await this.#lane.drain().catch(() => undefined);
      throw error;
    }
    await this.#lane.drain();
    return end;
  }

  async #untilEnd(): Promise<DriveEnd> {
    for (;;) {
      const end = this.#request.goal === 'upload' ? await this.#upload() : await this.#finish();
      // A stop is a stop; whoever comes next finds the runs that became ready meanwhile.
      if (end === 'stopped' || end === 'unreachable') return end;
      const fresh = await this.#letGo();
      if (fresh.length === 0) return end;
      await this.#adopt();
      this.#takeOver(fresh.filter((id) => !this.#runIds.includes(id)));
    }
  }

  /** Lets go unless a run was submitted beside us that nobody has looked at yet. */
  async #letGo(): Promise<readonly string[]> {
    const known = new Set([...this.#runIds, ...this.#handedOver, ...(await this.#foreignRuns())]);
    const fresh = await this.#session.driver.letGo(known, this.#engine.clock.now());
    return fresh;
  }

  /** Runs that are not ours to drive: of another origin, or there before us and not asked for. */
  async #foreignRuns(): Promise<string[]> {
    const runs = await this.#engine.store.runs();
    const driver = await this.#engine.store.driver();
    return runs
      .filter((run) => run.origin !== this.#engine.api.origin || !this.#concerns(run, driver?.sinceMs ?? 0))
      .map((run) => run.id);
  }

  /** Was it submitted beside us, or canceled while we drive to the end? */
  #concerns(run: RunRecord, sinceMs: number): boolean {
    if (run.state === 'canceling') return this.#request.goal === 'finish';
    return (run.readyAtMs ?? 0) >= sinceMs;
  }

  async #scope(): Promise<readonly string[]> {
    if (this.#request.runIds !== null) return this.#request.runIds;
    const runs = await this.#engine.store.runs();
    return runs.filter((run) => run.state !== 'done' && run.origin === this.#engine.api.origin).map((run) => run.id);
  }

  async #upload(): Promise<DriveEnd> {
    const all = [...this.#runIds, ...this.#handedOver];
    let polledForRoom = false;
    for (;;) {
      const round = await uploadRound(this.#session, all);
      if (this.#engine.signal.aborted) return 'stopped';
      if (this.#unreachable()) return 'unreachable';
      if (round.full && !polledForRoom) {
        // The ledger may be behind: batches that have ended since the last look are slots.
        polledForRoom = true;
        await poll(this.#session, all);
        continue;
      }
      const waitMs = this.#session.createNotBeforeMs - this.#engine.clock.now();
      if (round.waiting > 0 && !round.full && waitMs > 0 && waitMs <= this.#uploadPatienceMs()) {
        await this.#engine.clock.sleep(waitMs, this.#engine.signal);
        continue;
      }
      return (await this.#allBlocked(all)) ? 'blocked' : 'uploaded';
    }
  }

  /** A short wait is waited here; a long one (a full queue) is left to collect. An API that is not there has its own bound. */
  #uploadPatienceMs(): number {
    return this.#session.reach.silentForMs(this.#engine.clock.now()) > 0 ? Infinity : 60_000;
  }

  async #finish(): Promise<DriveEnd> {
    for (;;) {
      const moved = await this.#round();
      if (await this.#isDone()) return 'done';
      if (this.#engine.signal.aborted) return 'stopped';
      if (this.#unreachable()) return 'unreachable';
      if (await this.#allBlocked(this.#runIds)) return 'blocked';
      if (this.#request.once && !moved && !this.#lane.busy) return 'once';
      if (!moved) await this.#sleep();
    }
  }

  /** One round. True when something moved, so that the next round may find more to do at once. */
  async #round(): Promise<boolean> {
    const { clock } = this.#engine;
    const session = this.#session;
    await this.#adopt();
    await cancelRound(session, this.#runIds);
    if (clock.now() >= this.#nextPollMs) await this.#poll();
    failpoint('poll.ended');
    const collected = await collectRound(session, this.#runIds);
    const sealed = await retryRound(session, this.#lane, this.#runIds);
    await this.#lane.pump();
    const { uploaded } = await uploadRound(session, [...this.#runIds, ...this.#handedOver]);
    await this.#request.asCompleted?.print(this.#runIds);
    const finished = await this.#finishRuns();
    this.#engine.emit({ kind: 'changed' });
    return collected > 0 || sealed > 0 || uploaded > 0 || finished > 0;
  }

  /** Runs that were submitted or canceled beside us are taken up at once, not only at the end. */
  async #adopt(): Promise<void> {
    const known = new Set([...this.#runIds, ...this.#handedOver]);
    const sinceMs = (await this.#engine.store.driver())?.sinceMs ?? 0;
    for (const run of await this.#engine.store.runs()) {
      if (known.has(run.id) || run.origin !== this.#engine.api.origin) continue;
      if (run.state === 'canceling') this.#runIds.push(run.id);
      else if (run.state === 'ready' && (run.readyAtMs ?? 0) >= sinceMs) this.#takeOver([run.id]);
    }
  }

  #takeOver(runIds: readonly string[]): void {
    const everything = this.#request.goal === 'finish' && this.#request.runIds === null;
    (everything ? this.#runIds : this.#handedOver).push(...runIds);
  }

  async #poll(): Promise<void> {
    const { clock, pacing } = this.#engine;
    const result = await poll(this.#session, this.#runIds);
    const nowMs = clock.now();
    const open = await openBatchRecords(this.#session, this.#runIds);
    const youngest = open.length === 0 ? 0 : nowMs - Math.max(...open.map((batch) => batch.createdAtMs));
    this.#nextPollMs = nowMs + pollInterval(pacing.pollIntervalMs, Math.max(0, youngest), result.retryAfterMs);
  }

  async #finishRuns(): Promise<number> {
    let finished = 0;
    for (const runId of this.#runIds) {
      const run = await this.#engine.store.run(runId);
      if (!run || (run.state !== 'active' && run.state !== 'canceling')) continue;
      if (await hasOpenWork(this.#session, run)) continue;
      await writeOutputs(this.#engine, run);
      await this.#session.driver.finishRun(runId, this.#engine.clock.now());
      this.#engine.emit({ kind: 'run.done', runId });
      finished++;
    }
    return finished;
  }

  async #isDone(): Promise<boolean> {
    for (const runId of this.#runIds) {
      const run = await this.#engine.store.run(runId);
      if (run && run.state !== 'done') return false;
    }
    return true;
  }

  /** Is every unfinished run at a point where only a person can help? */
  async #allBlocked(runIds: readonly string[]): Promise<boolean> {
    let blocked = 0;
    for (const runId of runIds) {
      const run = await this.#engine.store.run(runId);
      if (!run || run.state === 'done') continue;
      if (this.#session.blocks.of(runId).length === 0 || (await this.#canMove(run))) return false;
      blocked++;
    }
    return blocked > 0;
  }

  async #canMove(run: RunRecord): Promise<boolean> {
    if (this.#lane.busy) return true;
    const { blocks } = this.#session;
    const sending = !blocks.stopsSending(run.id);
    // A refused key cannot look either: nothing moves until somebody mends it.
    if (!sending && blocks.of(run.id).some((block) => block.scope === 'key')) return false;
    if (this.#request.goal === 'upload') return sending;
    const open = await this.#engine.store.chunks(run.id, {
      states: ['sealed', 'submitting', 'uncertain', 'submitted', 'ended'],
    });
    if (open.some((chunk) => !blocks.stopsChunk(chunk) && (sending || chunk.state !== 'sealed'))) return true;
    return sending && run.rows.retry > 0;
  }

  #unreachable(): boolean {
    return this.#session.reach.silentForMs(this.#engine.clock.now()) > this.#engine.pacing.giveUpMs;
  }

  async #sleep(): Promise<void> {
    const { clock, signal, emit } = this.#engine;
    const nowMs = clock.now();
    const times = [this.#nextPollMs, nowMs + IDLE_LOOK_MS, ...(await this.#dueTimes())];
    // What is due already was tried in this round: only what lies ahead is waited for.
    const untilMs = Math.min(...times.filter((atMs) => atMs > nowMs));
    emit({ kind: 'waiting', untilMs });
    if (!this.#wake.signal.aborted) await clock.sleep(untilMs - nowMs, AbortSignal.any([signal, this.#wake.signal]));
    this.#wake = new AbortController();
  }

  async #dueTimes(): Promise<number[]> {
    const times: number[] = [];
    const lane = this.#lane.nextAtMs();
    if (lane !== null && !this.#lane.busy) times.push(lane);
    if (this.#session.createNotBeforeMs > this.#engine.clock.now()) times.push(this.#session.createNotBeforeMs);
    for (const wait of this.#session.fetchWaits.values()) times.push(wait.notBeforeMs);
    for (const runId of this.#runIds) {
      const retryMs = await this.#engine.store.nextRetryAtMs(runId);
      if (retryMs !== null && retryMs > this.#engine.clock.now()) times.push(retryMs);
    }
    return times;
  }
}

/** The error of an end that is not success, for the command line. */
export function unreachableError(cause: string, giveUpMs: number): BatchrunError {
  return new BatchrunError(
    'E_API_UNREACHABLE',
    `the API could not be reached for ${Math.round(giveUpMs / 60_000)} minutes: ${cause}`,
  );
}
