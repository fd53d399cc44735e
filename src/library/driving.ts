/**
 * The driver of one state folder in this process: brings the runs that somebody here waits for to their end, one driving
 * for all of them. It begins when a run is wanted and rests when none is.
 */
import { BatchrunError } from '../base/errors.ts';
import { formatDuration } from '../base/units.ts';
import type { RunRecord } from '../domain/model.ts';
import type { DriveHolder } from '../engine/driver.ts';
import type { ApiEngine } from '../engine/engine.ts';
import { drive, type DriveEnd } from '../engine/runner.ts';
import type { Session } from '../engine/session.ts';
import type { EventHub } from './events.ts';

export interface DrivingParts {
  /** The engine with its API; without a signal of its own it is given one here. */
  readonly engine: () => Promise<ApiEngine>;
  readonly hub: EventHub;
  readonly holder: DriveHolder;
  readonly retryLockMs: number;
  /** Everything is to stop. */
  readonly signal: AbortSignal;
}

/** What is done as the driver, before anything is driven. */
type Step = (session: Session) => Promise<void>;

interface Waiting {
  readonly promise: Promise<void>;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export class Driving {
  readonly #parts: DrivingParts;
  readonly #wanted = new Map<string, Waiting>();
  #steps: { readonly work: Step; readonly waiting: Waiting }[] = [];
  #loop: Promise<void> | null = null;
  /** Ends the driving that is under way, so that it begins anew with a step. */
  #pause = new AbortController();

  constructor(parts: DrivingParts) {
    this.#parts = parts;
    parts.hub.listen((event) => {
      if (event.kind === 'run.done') this.#resolve(event.runId);
    });
  }

  /** Brings this run to its end. Rejects with what keeps it from that: E_LOCKED, E_BLOCKED, E_NOT_FINISHED, … */
  ended(runId: string): Promise<void> {
    const waiting = this.#wanted.get(runId) ?? newWaiting();
    this.#wanted.set(runId, waiting);
    this.#begin();
    return waiting.promise;
  }

  /** Does this as the driver. What is driven stops for it, and goes on. */
  asDriver(work: Step): Promise<void> {
    const waiting = newWaiting();
    this.#steps.push({ work, waiting });
    this.#pause.abort();
    this.#begin();
    return waiting.promise;
  }

  /** Resolves when nothing is driven any more. */
  async rest(): Promise<void> {
    while (this.#loop) await this.#loop;
  }

  #begin(): void {
    this.#loop ??= this.#drive();
  }

  /** Its end and its being over are one step: who is told of the end and wants a run again begins another one. */
  async #drive(): Promise<void> {
    // Nothing of it happens before #begin knows of it.
    await Promise.resolve();
    try {
      while (this.#wanted.size > 0 || this.#steps.length > 0) {
        if (this.#parts.signal.aborted) throw stopped();
        await this.#once(await this.#parts.engine());
      }
    } catch (error) {
      for (const { waiting } of this.#steps.splice(0)) waiting.reject(error);
      for (const [runId, waiting] of this.#wanted) {
        this.#wanted.delete(runId);
        waiting.reject(error);
      }
    } finally {
      this.#loop = null;
    }
  }

  async #once(engine: ApiEngine): Promise<void> {
    const { holder, retryLockMs, signal } = this.#parts;
    this.#pause = new AbortController();
    const steps = this.#steps;
    this.#steps = [];
    const first = async (session: Session): Promise<void> => {
      for (const { work, waiting } of steps) await work(session).then(waiting.resolve, waiting.reject);
      steps.length = 0;
    };
    try {
      const end = await drive(
        { ...engine, signal: AbortSignal.any([signal, this.#pause.signal]) },
        {
          runIds: [...this.#wanted.keys()],
          wants: (runId) => this.#wanted.has(runId),
          goal: 'finish',
          once: false,
          holder,
          retryLockMs,
          asCompleted: null,
          first,
        },
      );
      await this.#settle(engine, end);
    } finally {
      // A stop before they had their turn: they are next, or fail with everything else.
      this.#steps.unshift(...steps);
    }
  }

  async #settle(engine: ApiEngine, end: DriveEnd): Promise<void> {
    const open: RunRecord[] = [];
    for (const [runId, waiting] of this.#wanted) {
      const run = await engine.store.run(runId);
      if (!run) this.#reject(runId, waiting, new BatchrunError('E_RUN_UNKNOWN', `there is no run "${runId}" any more`));
      else if (run.state === 'done') this.#resolve(runId);
      else open.push(run);
    }
    if (end === 'unreachable') {
      const forMs = formatDuration(engine.pacing.giveUpMs);
      throw new BatchrunError('E_API_UNREACHABLE', `the API could not be reached for ${forMs}`);
    }
    if (end !== 'blocked') return;
    for (const run of open) {
      const waiting = this.#wanted.get(run.id);
      if (waiting) this.#reject(run.id, waiting, blockedError(run));
    }
  }

  #resolve(runId: string): void {
    this.#wanted.get(runId)?.resolve();
    this.#wanted.delete(runId);
  }

  #reject(runId: string, waiting: Waiting, error: BatchrunError): void {
    this.#wanted.delete(runId);
    waiting.reject(error);
  }
}

function blockedError({ id, blocked }: RunRecord): BatchrunError {
  const [first] = blocked;
  return new BatchrunError('E_BLOCKED', `${id} cannot go on: ${first?.message ?? 'a person must act'}`, {
    details: { blocked: blocked.map(({ reason, scope, message, hint }) => ({ reason, scope, message, hint })) },
    ...(first ? { hint: first.hint } : {}),
  });
}

export function stopped(): BatchrunError {
  return new BatchrunError('E_NOT_FINISHED', 'stopped before the run was done; the state is kept', {
    hint: 'Open the state again, in this process or another, and wait for the run: it goes on where it stopped.',
  });
}

function newWaiting(): Waiting {
  let resolve: () => void = () => undefined;
  let reject: (error: unknown) => void = () => undefined;
  const promise = new Promise<void>((done, failed) => {
    resolve = done;
    reject = failed;
  });
  // A program that does not wait for a run must not end because of it: whoever waits later is told.
  promise.catch(() => undefined);
  return { promise, resolve, reject };
}
