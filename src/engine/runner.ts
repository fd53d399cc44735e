/**
 * Drives runs: takes the lock, recovers, and goes round by round until everything is done, nothing can move any more,
 * or somebody says stop. It can be killed at any instant; the next one goes on.
 *
 * A round: cancel what is to be canceled, collect what has ended, send rows that wait for a retry on their way, upload
 * into free slots, finish runs. Then it waits for the earliest of: the next poll, a retry, an answer.
 */
import { failpoint } from '../base/failpoint.ts';
import type { AsCompleted } from './output/as-completed.ts';
import { fetchBeside } from './beside.ts';
import { cancelRound, stopCanceled, stopSpares } from './poll/cancel.ts';
import { collectRound } from './collect/collect.ts';
import { copyRound } from './copies/copy-answers.ts';
import { lockedError, tryDrive, type DriveHolder } from './driver.ts';
import type { ApiEngine } from './engine.ts';
import { finishOutputs } from './output/finish-outputs.ts';
import { hurryRound, sayDeadlines } from './deadline/hurry.ts';
import { openBatchRecords, poll, pollInterval } from './poll/poll.ts';
import { pilotRound } from './pilot/pilot.ts';
import { Keepers } from './keepers.ts';
import { RealtimeLane } from './realtime/realtime.ts';
import { hasOpenWork, recover } from './recover.ts';
import { retryRound } from './retry/retry.ts';
import { DriveScope, type ScopeRequest } from './scope.ts';
import { newSession, serverNowMs, type Session } from './session.ts';
import { allBlocked } from './standstill.ts';
import { UploadPatience } from './upload/upload-patience.ts';
import { uploadRound } from './upload/upload.ts';

/** The goal is `upload` until the caps are full, or `finish`. */
export interface DriveRequest extends ScopeRequest {
  /** A single pass: poll, collect, submit, retry what is due. */
  readonly once: boolean;
  /** Results that other unfinished runs have paid for are fetched beside; nothing of them is sent or written. */
  readonly beside?: boolean;
  readonly holder: DriveHolder;
  readonly retryLockMs: number;
  readonly asCompleted: AsCompleted | null;
  /** Told when the driver has the lock and knows its runs. */
  readonly onDriving?: (runIds: readonly string[]) => Promise<void>;
  /** What the command came for, done once as the driver and before anything is driven. */
  readonly first?: (session: Session) => Promise<void>;
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
  readonly #scope: DriveScope;
  readonly #lane: RealtimeLane;
  readonly #keepers: Keepers;
  #wake = new AbortController();
  #nextPollMs = 0;
  #waitsForRoom = false;
  #pilotOfOthers = false;
  #roundMs = 0;

  constructor(session: Session, request: DriveRequest) {
    this.#session = session;
    this.#engine = session.engine;
    this.#request = request;
    this.#scope = new DriveScope(session.engine, request);
    this.#keepers = new Keepers(session);
    this.#lane = new RealtimeLane(session, this.#scope.runIds, () => this.#wake.abort());
  }

  async run(): Promise<DriveEnd> {
    await recover(this.#session);
    await this.#keepers.load();
    await this.#request.first?.(this.#session);
    await this.#scope.begin();
    await this.#keepers.begin(this.#scope.runIds);
    await this.#request.onDriving?.(this.#scope.runIds);
    let end: DriveEnd;
    try {
      end = await this.#untilEnd();
    } catch (error) {
      await this.#lane.drain().catch(() => undefined);
      throw error;
    }
    return end;
  }

  async #untilEnd(): Promise<DriveEnd> {
    for (;;) {
      const end = this.#request.goal === 'upload' ? await this.#upload(this.#scope.uploading) : await this.#finish();
      // Calls under way are answered before the driving ends: nothing can be committed after it.
      await this.#lane.drain();
      if (end === 'stopped' || end === 'once' || end === 'uploaded') this.#session.reach.say();
      // Before anything is printed: whoever reads may be gone.
      await this.#keepers.save(this.#scope.uploading, true);
      await this.#request.asCompleted?.print(this.#scope.runIds);
      if (end === 'stopped' || end === 'unreachable') {
        await this.#scope.stop(this.#session);
        return end;
      }
      if (await this.#scope.letGo(this.#session)) return end;
    }
  }

  async #upload(all: readonly string[], forOthers = false): Promise<DriveEnd> {
    // What an earlier process left in doubt is looked at first: it says what must not be sent now.
    await poll(this.#session);
    let polledForRoom = false;
    const patience = new UploadPatience(this.#session, forOthers);
    for (;;) {
      const flying = await this.#fly(all);
      const round = await uploadRound(this.#session, all);
      if (this.#engine.signal.aborted) return 'stopped';
      if (this.#unreachable()) return 'unreachable';
      if (flying) {
        await this.#sleep();
        continue;
      }
      if (round.full && !polledForRoom) {
        // The ledger may be behind: batches that have ended since the last look are slots.
        polledForRoom = true;
        await poll(this.#session);
        continue;
      }
      const waitMs = patience.waitMs(round);
      if (waitMs !== null) {
        await this.#engine.clock.sleep(waitMs, this.#engine.signal);
        continue;
      }
      await stopCanceled(this.#session);
      await sayDeadlines(this.#session, all);
      return (await this.#isStuck(all)) ? 'blocked' : 'uploaded';
    }
  }

  /** Pilots of runs that are only uploaded: before their rows are answered nothing else of them goes. */
  async #fly(runIds: readonly string[]): Promise<boolean> {
    this.#roundMs = this.#engine.clock.monotonicMs();
    const { open } = await pilotRound(this.#session, runIds);
    await retryRound(this.#session, this.#lane, open);
    await this.#lane.pump();
    return open.length > 0;
  }

  async #finish(): Promise<DriveEnd> {
    for (;;) {
      // On a finished run nothing is asked and nothing written.
      if (await this.#isDone()) return await this.#leave();
      const moved = await this.#round();
      if (await this.#isDone()) return await this.#leave();
      if (!moved && this.#request.beside === true && (await fetchBeside(this.#session, this.#scope))) continue;
      if (this.#engine.signal.aborted) return 'stopped';
      if (this.#unreachable()) return 'unreachable';
      if (await this.#isStuck(this.#scope.runIds)) return 'blocked';
      if (this.#request.once && !moved && !this.#lane.busy) return 'once';
      if (!moved) await this.#sleep();
    }
  }

  /**
   * The own runs are done, and that is what this command comes to. What was handed over, in the last moment perhaps, is sent
   * as its submit would have done, where that is possible now; else whoever comes next sends it.
   */
  async #leave(): Promise<DriveEnd> {
    const { handedOver } = this.#scope;
    if (handedOver.length > 0) await this.#upload(handedOver, true);
    return 'done';
  }

  /** One round. True when something moved, so that the next round may find more to do at once. */
  async #round(): Promise<boolean> {
    const { clock } = this.#engine;
    const session = this.#session;
    this.#roundMs = clock.monotonicMs();
    // What was submitted or canceled beside us is taken up at once, not only at the end.
    await this.#scope.adopt();
    await cancelRound(session, this.#scope.runIds);
    if (clock.monotonicMs() >= this.#nextPollMs) await this.#poll();
    failpoint('poll.ended');
    const collected = await collectRound(session, this.#scope.runIds);
    const copied = await copyRound(session, this.#scope.runIds);
    const pilots = await pilotRound(session, this.#scope.uploading);
    const others = pilots.open.filter((runId) => !this.#scope.runIds.includes(runId));
    this.#pilotOfOthers = others.length > 0;
    const hurrying = await hurryRound(session, this.#lane, this.#scope.runIds);
    const sealed = await retryRound(session, this.#lane, [...this.#scope.runIds, ...others], hurrying);
    await this.#lane.pump();
    const { uploaded, full } = await uploadRound(session, this.#scope.uploading);
    this.#waitsForRoom = full;
    await this.#request.asCompleted?.print(this.#scope.runIds);
    const finished = await this.#finishRuns();
    await this.#keepers.save(this.#scope.uploading);
    this.#engine.emit({ kind: 'changed' });
    const progressed = collected + copied > 0 || pilots.released > 0;
    return progressed || sealed > 0 || uploaded > 0 || finished > 0;
  }

  async #poll(): Promise<void> {
    const { clock, pacing } = this.#engine;
    const result = await poll(this.#session);
    const open = await openBatchRecords(this.#session, this.#scope.runIds);
    // How old a batch is goes by the clock of the API, when to look again by the one that never jumps.
    const nowMs = serverNowMs(this.#session);
    // One that is being stopped ends soon, and its rows may be waited for. And while chunks wait for room, every batch
    // that has ended is room that stands empty until the next look.
    const isSoon = this.#waitsForRoom || open.length === 0 || open.some((batch) => batch.status === 'canceling');
    const youngest = isSoon ? 0 : nowMs - Math.max(...open.map((batch) => batch.createdAtMs));
    const intervalMs = pollInterval(pacing.pollIntervalMs, Math.max(0, youngest), result.retryAfterMs);
    this.#nextPollMs = clock.monotonicMs() + Math.max(intervalMs, this.#session.pacer.pools.lookIntervalMs);
  }

  async #finishRuns(): Promise<number> {
    let finished = 0;
    for (const runId of this.#scope.runIds) {
      const run = await this.#engine.store.run(runId);
      // A run of which every answer was there already is ready, and done.
      if (!run || run.state === 'done') continue;
      if (this.#session.blocks.stopsOutput(runId) || (await hasOpenWork(this.#session, run))) continue;
      if (!(await stopSpares(this.#session, runId))) continue;
      // What was settled since the last look: after this nobody prints for the run any more.
      await this.#request.asCompleted?.print([runId]);
      if (!(await finishOutputs(this.#session, run))) continue;
      // Another run may have taken its file meanwhile: then the next round writes what it has to where it belongs now.
      if (!(await this.#session.driver.finishRun(runId, this.#engine.clock.now(), run))) {
        finished++;
        continue;
      }
      this.#engine.emit({ kind: 'run.done', runId });
      finished++;
    }
    return finished;
  }

  async #isDone(): Promise<boolean> {
    // A run that was handed over waits for its pilot before it can be uploaded.
    if (this.#pilotOfOthers) return false;
    for (const runId of this.#scope.runIds) {
      const run = await this.#engine.store.run(runId);
      if (run && run.state !== 'done') return false;
    }
    return true;
  }

  #isStuck(runIds: readonly string[]): Promise<boolean> {
    return allBlocked(this.#session, this.#lane, { runIds, goal: this.#request.goal });
  }

  #unreachable(): boolean {
    return this.#session.reach.awayForMs() > this.#engine.pacing.giveUpMs;
  }

  async #sleep(): Promise<void> {
    const { clock, signal, emit, pacing } = this.#engine;
    const nowMs = clock.monotonicMs();
    const times = [
      this.#nextPollMs,
      this.#session.quietUntilMs,
      nowMs + (pacing.idleLookMs ?? IDLE_LOOK_MS),
      ...(await this.#dueTimes()),
    ];
    // What was due when this round began was tried in it; what came due meanwhile is tried in the next, at once.
    const untilMs = Math.min(...times.filter((atMs) => atMs > this.#roundMs));
    emit({ kind: 'waiting', untilMs: clock.now() + untilMs - nowMs });
    if (!this.#wake.signal.aborted) await clock.sleep(untilMs - nowMs, AbortSignal.any([signal, this.#wake.signal]));
    this.#wake = new AbortController();
  }

  /** On the clock that never jumps. */
  async #dueTimes(): Promise<number[]> {
    const { clock, store } = this.#engine;
    const times: number[] = [];
    const lane = this.#lane.nextAtMs();
    if (lane !== null && !this.#lane.busy) times.push(lane);
    times.push(this.#session.createNotBeforeMs);
    for (const wait of this.#session.fetchWaits.values()) times.push(wait.notBeforeMs);
    for (const runId of this.#scope.runIds) {
      const retryMs = await store.nextRetryAtMs(runId);
      if (retryMs !== null) times.push(clock.monotonicMs() + retryMs - clock.now());
    }
    return times;
  }
}
