/**
 * One run in the hands of a program. It may be done, under way, or left by another process: whoever waits for it brings
 * it to its end.
 */
import { BatchrunError, isBatchrunError } from '../base/errors.ts';
import { ROW_STATES, type RowState, type RunRecord } from '../domain/model.ts';
import { OPEN_ROW_STATES } from '../domain/transitions.ts';
import { viewRun, type RunView } from '../engine/status.ts';
import { walkRows } from '../engine/walk.ts';
import { EventFeed, type RunEvent } from './events.ts';
import type { House, SubmitReport } from './house.ts';
import { toResultRow, type ResultRow } from './result-row.ts';

export interface ResultsOptions {
  /** Only rows in these states; without it all that have come to an end. */
  readonly only?: readonly RowState[];
  /** Only the row with this id. */
  readonly id?: string;
  /** With the whole message of the API in each row: twice the work. */
  readonly messages?: boolean;
}

/** One run: what it is, what happens to it, and what came of it. */
export interface Run {
  readonly id: string;
  readonly name: string | null;
  /** What its submit found; null for a run that was looked up. */
  readonly report: SubmitReport | null;
  /**
   * Brings the run to its end and gives it as it is then; rows may have failed. Rejects with a `BatchrunError` where it
   * cannot: `E_LOCKED` (another process drives the state), `E_BLOCKED` (a person must act), `E_API_UNREACHABLE`,
   * `E_NOT_FINISHED` (stopped). An aborted `signal` ends the waiting alone: the run goes on.
   */
  wait(options?: { readonly signal?: AbortSignal }): Promise<RunView>;
  /**
   * What happens to it from now on, until it is done; it is driven as by `wait`, and throws what that would. Each call
   * gives a reader of its own. A reader that is slow holds nothing up, and `break` ends only the reading.
   */
  events(): AsyncIterableIterator<RunEvent>;
  /** What became of its rows, in the order of the input, from disk: one at a time, also while the run is under way. */
  results(options?: ResultsOptions): AsyncIterableIterator<ResultRow>;
  /** As `batchrun status --json` shows it. */
  status(): Promise<RunView>;
  /** Begins to drive it, and does not wait. */
  start(): void;
  /** Stops its batches, collects what they had finished, and gives the run as it is at the end. */
  cancel(): Promise<RunView>;
  /** Another try for rows of a finished run. Gives how many there are; the run goes on by itself. */
  retry(options?: { readonly only?: readonly ('failed' | 'expired' | 'canceled')[] }): Promise<number>;
}

export interface RunParts {
  readonly house: House;
  readonly id: string;
  readonly name: string | null;
  readonly report: SubmitReport | null;
}

const RETRYABLE = ['failed', 'expired', 'canceled'] as const;

export function createRun(parts: RunParts): Run {
  const handle = new RunHandle(parts);
  const { id, name, report } = parts;
  return {
    ...{ id, name, report },
    wait: (options) => handle.wait(options?.signal),
    events: () => handle.events(),
    results: (options) => handle.results(options),
    status: () => handle.status(),
    start: () => void handle.ended().catch(() => undefined),
    cancel: () => handle.cancel(),
    retry: (options) => handle.retry(options?.only ?? RETRYABLE),
  };
}

class RunHandle {
  readonly #house: House;
  readonly #id: string;

  constructor({ house, id }: RunParts) {
    this.#house = house;
    this.#id = id;
  }

  async wait(signal?: AbortSignal): Promise<RunView> {
    signal?.throwIfAborted();
    await (signal ? unlessAborted(this.ended(), signal) : this.ended());
    return this.status();
  }

  events(): EventFeed {
    const { hub } = this.#house;
    return new EventFeed({ hub, runId: this.#id, rows: () => this.#rows(), ended: this.ended() });
  }

  async *results({ only, id, messages = false }: ResultsOptions = {}): AsyncGenerator<ResultRow, undefined> {
    const states = only && new Set(only);
    for (const state of only ?? []) {
      if (ROW_STATES.includes(state)) continue;
      throw new BatchrunError('E_USAGE', `there is no row state "${state}"`, {
        hint: `There are ${ROW_STATES.join(', ')}.`,
      });
    }
    for await (const row of walkRows(this.#house.engine, await this.#record())) {
      if (id !== undefined && row.entry.id !== id) continue;
      if (states ? states.has(row.state) : !OPEN_ROW_STATES.includes(row.state)) yield toResultRow(row, messages);
      if (id !== undefined) return;
    }
  }

  async status(): Promise<RunView> {
    return viewRun(this.#house.store, await this.#record());
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

  async retry(only: readonly (typeof RETRYABLE)[number][]): Promise<number> {
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
    const run = await this.#house.store.run(this.#id);
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
