/**
 * One state folder that is open in this process: the ledger, the engine on it, the way to the API and the driver. Loaded
 * when a program first does something: importing batchrun costs next to nothing.
 */
import { BatchrunError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { raisedByCounts } from '../domain/input-raise.ts';
import { wishesOf, type ModelMix, type RunRecord } from '../domain/model.ts';
import type { Limiter } from '../domain/pacing/limiter.ts';
import type { Store } from '../domain/store.ts';
import type { ApiEngine, Engine } from '../engine/engine.ts';
import { ingest, type IngestReport } from '../engine/ingest/ingest.ts';
import { preflight } from '../engine/preflight/preflight.ts';
import { hopelessModels, passedOver, refuseHopeless } from '../engine/preflight/preflight-refusal.ts';
import { refuseLatePilot, refuseUnpriced } from '../engine/ingest/refuse-wishes.ts';
import { sweep } from '../engine/cleanup/sweep.ts';
import { logEvent } from '../host/event-fields.ts';
import {
  connectLimiter,
  createEngine,
  createLog,
  openAccount,
  pacingOf,
  thisProcess,
  workspaceHeader,
  type Account,
} from './context.ts';
import { Driving, stopped } from './driving.ts';
import { EventHub } from './events.ts';
import type { BatchrunOptions, RowsInput, RunChanges, SubmitOptions } from './options.ts';
import { toReport, type SubmitReport } from './report.ts';
import { inputsOf } from './rows.ts';
import { movedText } from '../host/output-check.ts';
import type { MovedOutput } from '../domain/store-steps.ts';
import { changeOutputs, deliver } from './settle-outputs.ts';
import { libraryDetails, libraryText } from './words.ts';
import { filledIn, ingestRequest, readingEngine, wishesIn } from './submit.ts';

export interface Submitted {
  readonly runId: string;
  readonly report: SubmitReport;
}

export interface HouseParts {
  readonly options: BatchrunOptions;
  readonly stateFolder: string;
  readonly store: Store;
  readonly signal: AbortSignal;
}

export class House {
  readonly store: Store;
  readonly hub = new EventHub();
  readonly driving: Driving;
  readonly engine: Engine;
  readonly #options: BatchrunOptions;
  readonly #stateFolder: string;
  readonly #log: Logger;
  readonly #signal: AbortSignal;
  /** What works on the ledger now, apart from the driver. */
  readonly #working = new Set<Promise<unknown>>();
  #closing = false;
  #account: Promise<Account> | undefined;
  #limiter: Promise<Limiter> | undefined;

  constructor({ options, stateFolder, store, signal }: HouseParts) {
    this.store = store;
    this.#options = options;
    this.#signal = signal;
    this.#stateFolder = stateFolder;
    this.#log = createLog(options);
    this.hub.listen((event) => logEvent(this.#log, libraryDetails(event)));
    this.engine = createEngine({ stateFolder, store, log: this.#log, hub: this.hub, signal });
    this.driving = new Driving({
      engine: () => this.#apiEngine(),
      hub: this.hub,
      holder: thisProcess(),
      retryLockMs: options.retryLockMs ?? 0,
      signal,
    });
  }

  /** Credentials and base URL. Looked for once; where there are none the next call looks again. */
  account(): Promise<Account> {
    const { files } = this.engine;
    this.#account ??= openAccount({ options: this.#options, files, log: this.#log, signal: this.#signal }).catch(
      (error: unknown) => {
        this.#account = undefined;
        throw error;
      },
    );
    return this.#account;
  }

  async submit(input: RowsInput, options: SubmitOptions): Promise<Submitted> {
    // Before anything is read: a missing key must not be found after ten minutes of reading.
    const { api } = await this.account();
    await sweep(this.engine);
    const warnings: string[] = [];
    const said: string[] = [];
    const { report, verdict } = await this.#read(input, options, {
      ...{ api, origin: api.origin, workspace: api.workspace, workspaceHeader: workspaceHeader(api) },
      say: (text) => void said.push(libraryText(text)),
      ask: async (read) => {
        const asked = await this.#preflight(read, input, options);
        warnings.push(...asked.warnings.map((line) => libraryText(line)));
        return asked.mix;
      },
    });
    if (verdict.kind === 'pruned') {
      const { runId } = verdict.tombstone;
      throw new BatchrunError('E_RUN_UNKNOWN', `the same rows were run as ${runId}, which was pruned since`, {
        hint: 'Nothing was sent. To pay for them again, submit them with `again: true`.',
        details: { runId, output: verdict.tombstone.output },
      });
    }
    const resumed = verdict.kind === 'exists';
    const runId = verdict.kind === 'exists' ? verdict.runId : report.runId;
    const settled = await this.#settle(runId, options, resumed);
    const moved = [...(verdict.kind === 'ready' ? (verdict.moved ?? []) : []), ...settled];
    warnings.push(...moved.map((one) => movedText(one, runId)));
    return { runId, report: toReport(report, options, { resumed, warnings, cache: said }) };
  }

  /** A run belongs to the API it was made for: its batches are nowhere else. */
  async assertOrigin(run: RunRecord): Promise<void> {
    const { api } = await this.account();
    if (run.origin === api.origin) return;
    throw new BatchrunError('E_ORIGIN', `${run.id} was submitted to ${run.origin}; the base URL is ${api.origin} now`);
  }

  /** What is wanted of a run from now on. Whoever drives it, here or elsewhere, keeps to it from its next round on. */
  async change(run: RunRecord, changes: RunChanges): Promise<void> {
    const asked = wishesIn(changes);
    refuseLatePilot(run, wishesOf(run), asked);
    refuseUnpriced({ ...wishesOf(run), ...asked }, run.mix);
    await this.store.changeWishes(run.id, asked);
  }

  /** Does this while the ledger is open: closing waits for it. Rejects with E_NOT_FINISHED where it is closed already. */
  readonly during = async <T>(work: () => Promise<T>): Promise<T> => {
    if (this.#closing) throw stopped();
    const working = work();
    this.#working.add(working);
    try {
      return await working;
    } finally {
      this.#working.delete(working);
    }
  };

  /** What is under way is stopped safely before this, by the signal. */
  async close(): Promise<void> {
    this.#closing = true;
    while (this.#working.size > 0) await Promise.allSettled(this.#working);
    await this.driving.rest();
    const limiter = await this.#limiter?.catch(() => null);
    await limiter?.close();
    await this.store.close();
  }

  async #read(
    input: RowsInput,
    options: SubmitOptions,
    of: Pick<Parameters<typeof ingestRequest>[0], 'api' | 'say' | 'origin' | 'workspace' | 'workspaceHeader' | 'ask'>,
  ): Promise<{ report: IngestReport; verdict: IngestReport['verdict'] }> {
    const engine = readingEngine(this.engine, options);
    const { maxQueued } = this.#options;
    const report = await ingest(
      engine,
      await ingestRequest({ ...of, engine, input, options, maxQueued, stateFolder: this.#stateFolder, dryRun: false }),
    );
    return { report, verdict: report.verdict };
  }

  async #preflight({ runId, mix }: IngestReport, input: RowsInput, options: SubmitOptions): Promise<Asked> {
    if (options.preflight === false) return { warnings: [], mix };
    const { api: first, keys } = await this.account();
    // Of several keys the first that the API takes: what it says of models and rows it says to all.
    const api = keys?.find((key) => !key.refused)?.api ?? first;
    const report = await preflight(this.engine, { api, runId, mix, inputs: inputsOf(input) });
    const hopeless = hopelessModels(report, options.lane !== 'realtime');
    refuseHopeless(report, hopeless, options.onInvalid ?? 'fail');
    return { warnings: [...hopeless, ...passedOver(report)], mix: raisedByCounts(mix, report.counted) };
  }

  /** Now that the run has an id, its outputs have their names; and what is wanted of a run that exists may be new. */
  async #settle(runId: string, options: SubmitOptions, resumed: boolean): Promise<readonly MovedOutput[]> {
    const run = await this.store.run(runId);
    if (!run) return [];
    if (!resumed) {
      // As the ledger has them: what had no place for a date or an id was taken with the run, and may be another's by now.
      const filled = filledIn(run, run);
      if (filled.output === run.output && filled.errors === run.errors) return [];
      return this.store.setOutput(runId, filled, this.engine.clock.now());
    }
    if (run.state === 'done') return deliver(this.engine, run, options);
    await this.change(run, options);
    return changeOutputs(this.engine, run, options);
  }

  async #apiEngine(): Promise<ApiEngine> {
    const { api, keys, admin } = await this.account();
    const { limiter: url } = this.#options;
    if (url !== undefined) {
      this.#limiter ??= connectLimiter(url, this.#log).catch((error: unknown) => {
        // The next driving tries anew: a password may have been put right meanwhile.
        this.#limiter = undefined;
        throw error;
      });
    }
    const limiter = await this.#limiter;
    return {
      ...this.engine,
      api,
      pacing: pacingOf(this.#options),
      ...(keys ? { keys } : {}),
      ...(limiter ? { limiter } : {}),
      ...(admin ? { admin } : {}),
    };
  }
}

/** What a preflight came to. */
interface Asked {
  readonly warnings: readonly string[];
  /** Of the run, raised where rows have more tokens than was reckoned with. */
  readonly mix: ModelMix;
}
