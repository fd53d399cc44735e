/**
 * One run in the hands of a program (run.ts): it may be done, under way, or left by another process. Whoever waits for it
 * brings it to its end.
 */
import { BatchrunError, isBatchrunError } from '../base/errors.ts';
import type { RowState, RunRecord } from '../domain/model.ts';
import { OPEN_ROW_STATES, RETRYABLE_ROW_STATES } from '../domain/transitions.ts';
import type { RunView } from '../engine/views/run-view.ts';
import { walkRows } from '../engine/output/walk.ts';
import { checkChanges, checkRun } from './check-options.ts';
import { EventFeed } from './events.ts';
import type { House } from './house.ts';
import type { RunChanges } from './options.ts';
import type { SubmitReport } from './report.ts';
import type { ResultRow } from './result-row.ts';
import type { ResultsOptions, Run } from './run.ts';
import { viewForPrograms } from './run-view.ts';
import { toResultRow } from './to-result-row.ts';
import { inLibraryWords, libraryError } from './words.ts';

export interface RunParts {
  readonly house: House;
  readonly id: string;
  readonly name: string | null;
  readonly report: SubmitReport | null;
}

export function createRun(parts: RunParts): Run {
  const handle = new RunHandle(parts);
  const { id, name, report } = parts;
  return {
    ...{ id, name, report },
    wait: (options) => inLibraryWords(() => handle.wait(options)),
    events: () => handle.events(),
    results: (options) => handle.results(options),
    status: () => inLibraryWords(() => handle.status()),
    start: () => void handle.ended().catch(() => undefined),
    cancel: () => inLibraryWords(() => handle.cancel()),
    change: (changes) => inLibraryWords(() => handle.change(changes)),
    retry: (options) => inLibraryWords(() => handle.retry(options)),
  };
}

class RunHandle {
  readonly #house: House;
  readonly #id: string;

  constructor({ house, id }: RunParts) {
    this.#house = house;
    this.#id = id;
  }

  async wait(options: NonNullable<Parameters<Run['wait']>[0]> = {}): Promise<RunView> {
    checkRun.wait(options);
    const { signal } = options;
    signal?.throwIfAborted();
    await (signal ? unlessAborted(this.ended(), signal) : this.ended());
    return this.status();
  }

  events(): EventFeed {
    const { hub } = this.#house;
    return new EventFeed({ hub, runId: this.#id, rows: () => this.#rows(), ended: () => this.ended() });
  }

  async *results(options: ResultsOptions = {}): AsyncGenerator<ResultRow, undefined> {
    checkRun.results(options);
    const { only, id, messages = false } = options;
    const states = only && new Set(only);
    const run = await this.#record();
    const walk = walkRows(this.#house.engine, run);
    try {
      // Closing waits for the step that is being taken, not for a reader that has stopped to read.
      for (let row = await this.#step(walk); row; row = await this.#step(walk)) {
        if (id !== undefined && row.entry.id !== id) continue;
        if (states ? states.has(row.state) : !OPEN_ROW_STATES.includes(row.state)) yield toResultRow(row, messages);
        if (id !== undefined) return;
      }
    } catch (error) {
      throw libraryError(error);
    } finally {
      await walk.return(undefined);
    }
  }

  async #step<T>(walk: AsyncGenerator<T, unknown>): Promise<T | null> {
    const next = await this.#house.during(() => walk.next());
    return next.done === true ? null : next.value;
  }

  async status(): Promise<RunView> {
    const run = await this.#record();
    return this.#house.during(() => viewForPrograms(this.#house.store, run));
  }

  /** Resolves when the run is done; drives it until then. */
  async ended(): Promise<void> {
    const run = await this.#record();
    if (run.state === 'done') return;
    await this.#house.assertOrigin(run);
    await this.#house.driving.ended(run.id);
  }

  async cancel(): Promise<RunView> {
    const run = await this.#record();
    if (run.state === 'done') return this.status();
    await this.#house.assertOrigin(run);
    const { store, engine } = this.#house;
    if (run.state !== 'canceling') await store.requestCancel(run.id, engine.clock.now());
    try {
      await this.ended();
    } catch (error) {
      // Whoever drives stops its batches.
      if (!isBatchrunError(error, 'E_LOCKED')) throw error;
    }
    return this.status();
  }

  async change(changes: RunChanges): Promise<RunView> {
    checkChanges(changes);
    const run = await this.#record();
    await this.#house.during(() => this.#house.change(run, changes));
    return this.status();
  }

  async retry(options: NonNullable<Parameters<Run['retry']>[0]> = {}): Promise<number> {
    checkRun.retry(options);
    const { only = RETRYABLE_ROW_STATES } = options;
    const run = await this.#record();
    if (run.state !== 'done') {
      throw new BatchrunError('E_RUN_NOT_DONE', `${run.id} is ${run.state}: its rows are still being tried`, {
        hint: 'Wait for it first.',
      });
    }
    await this.#house.assertOrigin(run);
    let rows = 0;
    await this.#house.driving.asDriver(async ({ driver, engine }) => {
      rows = await driver.reopen(run.id, only, engine.clock.now());
    });
    if (rows > 0) this.ended().catch(() => undefined);
    return rows;
  }

  async #record(): Promise<RunRecord> {
    const run = await this.#house.during(() => this.#house.store.run(this.#id));
    if (run) return run;
    throw new BatchrunError('E_RUN_UNKNOWN', `there is no run "${this.#id}" any more`);
  }

  async #rows(): Promise<Readonly<Record<RowState | 'total', number>>> {
    const { totalRows: total, rows } = await this.#record();
    return { total, ...rows };
  }
}

function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason as Error);
    signal.addEventListener('abort', onAbort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}
