/**
 * The way in for programs: one state folder, its runs, and one driver for those that somebody waits for.
 */
import { resolve } from 'node:path';
import { BatchrunError } from '../base/errors.ts';
import type { RunView } from '../engine/views/run-view.ts';
import { checkBatchrunOptions, checkRunName, checkSubmitOptions } from './check-options.ts';
import type { House } from './house.ts';
import type { BatchrunOptions, RowsInput, SubmitOptions } from './options.ts';
import type { SubmitReport } from './report.ts';
import type { Run } from './run.ts';
import { inLibraryWords } from './words.ts';

/** A state folder and what can be done with it. Made by `createBatchrun`. */
export interface Batchrun {
  /**
   * Reads and checks all rows, keeps them, and begins to send them. Resolves when they are safe: from then on a crash
   * loses nothing. The same rows with the same settings are the same run: it goes on, and is not paid again. Rejects
   * before anything is sent, for example with `E_INPUT_INVALID` (the problems are in `details`) or `E_CREDENTIALS`.
   */
  submit(input: RowsInput, options?: SubmitOptions): Promise<Run>;
  /**
   * Reads and checks only. Nothing is sent or kept, no key is needed, and the state folder is neither made nor opened:
   * so what earlier runs could answer (`reuse`) is not known to it.
   */
  check(input: RowsInput, options?: SubmitOptions): Promise<SubmitReport>;
  /**
   * A run by its id, the beginning of it, its name, or `latest`. Of several runs with one name, such as those of a nightly
   * job, the newest: `runs()` gives all. Rejects with `E_RUN_UNKNOWN`, and with `E_RUN_AMBIGUOUS` where more than one id
   * begins so.
   */
  run(wanted: string): Promise<Run>;
  /** All runs of the state folder, oldest first, as `batchrun status --json` shows them. */
  runs(): Promise<readonly RunView[]>;
  /** One of them. */
  status(run: string | Pick<Run, 'id'>): Promise<RunView>;
  /** Stops what is under way safely, and lets the state go. What is not finished goes on with the next process. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Nothing is opened, and nothing read from the environment, before the first call. */
export function createBatchrun(options: BatchrunOptions = {}): Batchrun {
  return new Front(options);
}

class Front implements Batchrun {
  readonly #options: BatchrunOptions;
  readonly #stateFolder: string;
  readonly #closing = new AbortController();
  readonly #signal: AbortSignal;
  /** Checks under way: they need no state. */
  readonly #checks = new Set<Promise<unknown>>();
  #house: Promise<House> | undefined;
  #closed: Promise<void> | undefined;

  constructor(options: BatchrunOptions) {
    checkBatchrunOptions(options);
    this.#options = options;
    this.#stateFolder = resolve(options.state ?? '.batchrun');
    const { signal } = options;
    this.#signal = signal ? AbortSignal.any([signal, this.#closing.signal]) : this.#closing.signal;
  }

  async submit(input: RowsInput, options: SubmitOptions = {}): Promise<Run> {
    checkSubmitOptions(input, options);
    const run = await this.#inHouse((house) =>
      house.during(async () => {
        const { runId, report } = await house.submit(input, options);
        return this.#handle(house, runId, report);
      }),
    );
    if (options.start !== false) run.start();
    return run;
  }

  async check(input: RowsInput, options: SubmitOptions = {}): Promise<SubmitReport> {
    checkSubmitOptions(input, options);
    this.#assertOpen();
    const checking = this.#check(input, options);
    this.#checks.add(checking);
    try {
      return await checking;
    } finally {
      this.#checks.delete(checking);
    }
  }

  async run(wanted: string): Promise<Run> {
    checkRunName(wanted);
    if (!(await this.#hasState())) throw this.#unknown(wanted);
    return this.#inHouse((house) =>
      house.during(async () => {
        const { selectRun } = await import('../engine/views/select-run.ts');
        const { id } = await selectRun(house.store, wanted, this.#stateFolder);
        return this.#handle(house, id, null);
      }),
    );
  }

  async runs(): Promise<readonly RunView[]> {
    if (!(await this.#hasState())) return [];
    return this.#inHouse(({ store, during }) =>
      during(async () => {
        const { viewForPrograms } = await import('./run-view.ts');
        const views: RunView[] = [];
        for (const run of await store.runs()) views.push(await viewForPrograms(store, run));
        return views;
      }),
    );
  }

  async status(run: string | Pick<Run, 'id'>): Promise<RunView> {
    return (await this.run(idOf(run))).status();
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #check(input: RowsInput, wanted: SubmitOptions): Promise<SubmitReport> {
    const { checkInput } = await import('./checking.ts');
    return inLibraryWords(() => checkInput({ options: this.#options, input, wanted, signal: this.#signal }));
  }

  async #close(): Promise<void> {
    // Whoever hears of the end finds it closed.
    await Promise.resolve();
    this.#closing.abort();
    await Promise.allSettled(this.#checks);
    const house = await this.#house?.catch(() => null);
    await house?.close();
  }

  /** Looking does not make a state. */
  async #hasState(): Promise<boolean> {
    this.#assertOpen();
    if (this.#house) return true;
    const { hasState } = await import('../host/state-folder.ts');
    if (this.#closed) throw new BatchrunError('E_NOT_FINISHED', 'closed before the state was looked at');
    return inLibraryWords(() => Promise.resolve(this.#stateFolder).then(hasState));
  }

  /** With the state open; what goes wrong is said in the words of the library. */
  #inHouse<T>(work: (house: House) => Promise<T>): Promise<T> {
    return inLibraryWords(async () => work(await this.#open()));
  }

  #open(): Promise<House> {
    this.#assertOpen();
    this.#house ??= this.#openHouse().catch((error: unknown) => {
      this.#house = undefined;
      throw error;
    });
    return this.#house;
  }

  async #openHouse(): Promise<House> {
    const { openStore } = await import('../host/state-folder.ts');
    const store = await openStore(this.#stateFolder);
    try {
      const { House } = await import('./house.ts');
      return new House({
        options: this.#options,
        stateFolder: this.#stateFolder,
        store,
        signal: this.#signal,
      });
    } catch (error) {
      await store.close();
      throw error;
    }
  }

  async #handle(house: House, id: string, report: SubmitReport | null): Promise<Run> {
    const { createRun } = await import('./run-handle.ts');
    const run = await house.store.run(id);
    if (!run) throw this.#unknown(id);
    return createRun({ house, id, name: run.name, report });
  }

  #unknown(wanted: string): BatchrunError {
    return new BatchrunError('E_RUN_UNKNOWN', `there is no run "${wanted}" in ${this.#stateFolder}`, {
      hint: '`batchrun.runs()` gives the runs of this state folder.',
    });
  }

  #assertOpen(): void {
    if (!this.#closed) return;
    throw new BatchrunError('E_USAGE', 'this batchrun is closed', { hint: 'Make another one with `createBatchrun`.' });
  }
}

/** Of whatever was passed: that it is no name of a run is said by whoever looks for it. */
function idOf(run: string | Pick<Run, 'id'>): string {
  return typeof run === 'object' && (run as unknown) !== null ? run.id : (run as string);
}
