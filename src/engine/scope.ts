/**
 * Which runs a driver drives: those it was asked for, to its goal; and those that were submitted or canceled while it
 * held the lock, as far as their own process would have gone. A run that becomes ready is never left to nobody.
 */
import type { RunRecord } from '../domain/model.ts';
import type { ApiEngine } from './engine.ts';
import type { Session } from './session.ts';

export interface ScopeRequest {
  /** Runs to bring to their end; null: every unfinished run of this origin. */
  readonly runIds: readonly string[] | null;
  readonly goal: 'upload' | 'finish';
  /** Asked again and again of runs that are not driven to the goal yet: somebody here may come to wait for one. */
  readonly wants?: (runId: string) => boolean;
}

export class DriveScope {
  readonly #engine: ApiEngine;
  readonly #request: ScopeRequest;
  /** Driven to the goal. Others may keep this list: it only grows. */
  readonly runIds: string[] = [];
  /** Only uploaded, as their submit would have done. */
  readonly #handedOver: string[] = [];

  constructor(engine: ApiEngine, request: ScopeRequest) {
    this.#engine = engine;
    this.#request = request;
  }

  get handedOver(): readonly string[] {
    return [...this.#handedOver];
  }

  /** All runs whose chunks are uploaded. */
  get uploading(): readonly string[] {
    return [...this.runIds, ...this.#handedOver];
  }

  async begin(): Promise<void> {
    const asked = this.#request.runIds;
    const runs = asked === null ? await this.#engine.store.runs() : [];
    const open = runs.filter((run) => run.state !== 'done' && run.origin === this.#engine.api.origin);
    this.runIds.push(...(asked ?? open.map((run) => run.id)));
  }

  /** Takes up what was submitted or canceled beside us. */
  async adopt(): Promise<void> {
    const known = new Set(this.uploading);
    for (const run of await this.#engine.store.runs()) {
      if (this.#isWanted(run)) this.#promote(run.id);
      if (known.has(run.id) || this.runIds.includes(run.id) || !this.#concerns(run)) continue;
      const everything = this.#request.goal === 'finish' && this.#request.runIds === null;
      if (run.state === 'canceling' || everything) this.runIds.push(run.id);
      else this.#handedOver.push(run.id);
    }
  }

  /**
   * Lets go, unless a run has come up that nobody has looked at: then it is taken up, and the driving goes on (false).
   * The look and the letting go are one transaction.
   */
  async letGo({ driver }: Session): Promise<boolean> {
    const others = (await this.#engine.store.runs()).filter((run) => !this.#concerns(run)).map((run) => run.id);
    const known = new Set([...this.uploading, ...others]);
    const fresh = await driver.letGo(known, this.#engine.clock.now());
    if (fresh.length > 0) await this.adopt();
    return fresh.length === 0;
  }

  /** A stop is a stop: whoever comes next finds what has come up meanwhile. */
  async stop({ driver }: Session): Promise<void> {
    const all = (await this.#engine.store.runs()).map((run) => run.id);
    await driver.letGo(new Set(all), this.#engine.clock.now());
  }

  #isWanted(run: RunRecord): boolean {
    return run.state !== 'done' && run.origin === this.#engine.api.origin && this.#request.wants?.(run.id) === true;
  }

  /** From only being uploaded, or from nothing, to the goal. */
  #promote(runId: string): void {
    const at = this.#handedOver.indexOf(runId);
    if (at >= 0) this.#handedOver.splice(at, 1);
    if (!this.runIds.includes(runId)) this.runIds.push(runId);
  }

  #concerns(run: RunRecord): boolean {
    if (run.origin !== this.#engine.api.origin) return false;
    return run.state === 'ready' || (run.state === 'canceling' && this.#request.goal === 'finish');
  }
}
