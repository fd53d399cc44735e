/**
 * The machine of a simulation: a simulated API under a virtual clock, one ledger and one disk that outlive every crash,
 * and incarnations of the real engine that do not.
 */
import { Writable } from 'node:stream';
import { createFormatter, errorsLine } from '../../src/adapters/sinks/formatter.ts';
import { connectAnthropic } from '../../src/adapters/anthropic/api.ts';
import { Db } from '../../src/adapters/sqlite/db.ts';
import { storeOn } from '../../src/adapters/sqlite/store.ts';
import { silentLogger } from '../../src/base/log.ts';
import { seededRng, type Rng } from '../../src/base/random.ts';
import { VirtualClock } from '../../src/base/virtual-clock.ts';
import type { BatchApi, Files } from '../../src/domain/ports.ts';
import { createRowReader } from '../../src/domain/row/reader.ts';
import type { RowSource, SourceRecord } from '../../src/domain/source.ts';
import type { Store } from '../../src/domain/store.ts';
import type { ApiEngine } from '../../src/engine/engine.ts';
import type { EngineEvent } from '../../src/engine/events.ts';
import { ingest, type IngestReport } from '../../src/engine/ingest.ts';
import { drive, type DriveEnd } from '../../src/engine/runner.ts';
import { sweep } from '../../src/engine/sweep.ts';
import { createSimWorld, type SimWorld } from '../../src/tools/sim/world.ts';
import { createMemoryFiles, type MemoryDisk } from '../support/memory-files.ts';
import { fenced, fencedStore, Life, MemoryLocks } from './fence.ts';
import type { InputRow, Plan } from './plan.ts';
import { EventLog, watchedFetch } from './watch.ts';

export const OUTPUT = '/out/results.jsonl';
/** Opening a chunk's two files, and reading a request. */
const READS_BEFORE_CALL = 3;
const ORIGIN = 'http://sim.test';

/** Bugs that a canary plants between the engine and its ports. */
export interface Sabotage {
  readonly store?: (store: Store, machine: Machine) => Store;
  readonly api?: (api: BatchApi, machine: Machine) => BatchApi;
  readonly files?: (files: Files, machine: Machine) => Files;
  /** Ports go on working after the crash of their incarnation. */
  readonly zombies?: boolean;
}

export interface Incarnation {
  readonly life: Life;
  readonly engine: ApiEngine;
  readonly stop: AbortController;
}

/** Whole milliseconds, as the machine's own clock gives them. */
class WholeClock extends VirtualClock {
  override sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return super.sleep(Math.ceil(ms), signal);
  }
}

export class Machine {
  readonly plan: Plan;
  readonly clock: VirtualClock = new WholeClock();
  readonly world: SimWorld;
  readonly db = new Db(':memory:');
  readonly store: Store;
  readonly disk: MemoryDisk;
  readonly locks = new MemoryLocks();
  readonly log: EventLog;
  readonly violations: string[] = [];
  readonly counts = { timeouts: 0, requests: 0, crashes: 0 };
  readonly #sabotage: Sabotage;
  #lives = 0;

  constructor(plan: Plan, sabotage: Sabotage = {}, log = new EventLog()) {
    this.plan = plan;
    this.log = log;
    this.#sabotage = sabotage;
    this.store = storeOn(this.db);
    this.disk = createMemoryFiles({ seed: plan.seed });
    this.disk.makeFolder('/out');
    this.world = createSimWorld(
      {
        seed: plan.seed,
        faults: plan.faults,
        rates: plan.rates,
        batchDurationMs: plan.batchDurationMs,
        latencyMs: plan.latencyMs,
        messageLatencyMs: plan.messageLatencyMs,
        listLagMs: plan.listLagMs,
        expiresAfterMs: plan.expiresAfterMs,
        limits: { batchQueueMax: plan.queueMax },
      },
      this.clock,
    );
  }

  violation(text: string): void {
    if (this.violations.length < 5) this.violations.push(text);
  }

  /** A new process with the same settings. */
  async start(): Promise<Incarnation> {
    const life = new Life();
    const { clock, plan } = this;
    const nth = this.#lives++;
    const sabotage = this.#sabotage;
    const alive = sabotage.zombies === true ? (): void => undefined : life.alive;
    const disk = slowly(this.disk.files(), clock, {
      rng: seededRng(`disk|${plan.seed}|${nth}`),
      msMax: plan.diskMsMax,
    });
    const files = fenced(sabotage.files?.(disk, this) ?? disk, alive);
    const { api } = await connectAnthropic({
      files,
      clock,
      apiKey: 'sk-ant-sim',
      baseURL: ORIGIN,
      stderr: new Writable({ write: (_chunk, _encoding, done) => done() }),
      fetch: watchedFetch({
        ...{ world: this.world, clock, log: this.log, counts: this.counts },
        maxBatches: plan.maxBatches,
        underWayMs: plan.diskMsMax * READS_BEFORE_CALL,
        violation: (text) => this.violation(text),
      }),
    });
    const stop = new AbortController();
    const engine: ApiEngine = {
      store: fencedStore(sabotage.store?.(this.store, this) ?? this.store, alive),
      files,
      locks: this.locks.port(life),
      clock,
      rng: seededRng(`engine|${plan.seed}|${nth}`),
      log: silentLogger,
      formats: { formatter: createFormatter, errorsLine },
      openOutput: (path) => files.create(path),
      emit: (event) => this.#heard(life, event),
      signal: stop.signal,
      api: fenced(sabotage.api?.(api, this) ?? api, alive),
      pacing: {
        maxBatches: plan.maxBatches,
        concurrency: plan.concurrency,
        pollIntervalMs: 30_000,
        reconcileGraceMs: plan.graceMs,
        giveUpMs: 3_600_000,
      },
    };
    return { life, engine, stop };
  }

  /** The whole machine goes down: every process with it, and what was not synced. */
  crash(lives: readonly Life[], where: string): void {
    for (const life of lives) life.die(where);
    this.counts.crashes++;
    this.disk.crash();
    this.log.add(this.clock.now(), `crash ${where}`);
  }

  #heard(life: Life, event: EngineEvent): void {
    if (life.dead) return;
    this.log.add(this.clock.now(), JSON.stringify(event));
    if (event.kind === 'changed') this.#checkCounters();
  }

  /** The counters of a run are kept, never counted: their sum must be its rows after every round. */
  #checkCounters(): void {
    const sum =
      'row_waiting+row_in_batch+row_retry+row_in_realtime+row_succeeded+row_failed+row_expired+row_canceled+row_invalid';
    const wrong = this.db.all<{ id: string; sum: number; total: number }>(
      `SELECT id, ${sum} AS sum, total_rows AS total FROM runs WHERE state <> 'ingesting' AND ${sum} <> total_rows`,
    );
    for (const run of wrong) this.violation(`the counters of ${run.id} add up to ${run.sum}; it has ${run.total} rows`);
  }
}

/** A disk that takes its time: what runs beside a read or a write gets its turn in between. */
function slowly(files: Files, clock: VirtualClock, { rng, msMax }: { rng: Rng; msMax: number }): Files {
  if (msMax === 0) return files;
  const pause = (): Promise<void> => clock.sleep(Math.floor(rng.next() * msMax));
  return {
    ...files,
    create: async (path) => {
      await pause();
      return files.create(path);
    },
    open: async (path) => {
      await pause();
      const reader = await files.open(path);
      return {
        bytes: reader.bytes,
        close: () => reader.close(),
        read: async (offset, length) => {
          await pause();
          return reader.read(offset, length);
        },
      };
    },
  };
}

/** `batchrun submit`'s first half: read, check, seal. */
export async function submit(engine: ApiEngine, plan: Plan): Promise<IngestReport> {
  await sweep(engine);
  const reader = createRowReader({ nowMs: engine.clock.now() });
  return ingest(engine, {
    source: sourceOf(plan.rows),
    read: (record) => reader.read(record),
    inputs: ['/in/rows.jsonl'],
    run: {
      name: null,
      origin: engine.api.origin,
      workspace: engine.api.workspace,
      settings: {
        chunkRows: plan.chunkRows,
        chunkBytes: 256_000_000,
        maxAttempts: plan.maxAttempts,
        retryLane: plan.retryLane,
        failIf: null,
        defuseFormulas: false,
        columns: [],
      },
      settingHashes: {},
      output: OUTPUT,
      format: 'jsonl',
      errors: null,
      overwrite: true,
    },
    scope: { origin: engine.api.origin, workspaceHeader: null, name: null },
    limit: null,
    onInvalid: 'skip',
    again: false,
    dryRun: false,
  });
}

/** Rows in memory, a few at a time. */
export function sourceOf(rows: readonly InputRow[]): RowSource {
  const records = rows.map(({ customId, params, betas }, at): SourceRecord => {
    const value = {
      ...(customId === undefined ? {} : { custom_id: customId }),
      params,
      ...(betas.length > 0 ? { betas } : {}),
    };
    return { file: 0, line: at + 1, value };
  });
  return {
    columns: [],
    async *records() {
      for (let at = 0; at < records.length; at += 7) yield records.slice(at, at + 7);
    },
    progress: () => ({ readBytes: 0, totalBytes: null }),
  };
}

/** The user's id of a row, or the one that it gets. */
export function idOf(row: InputRow, at: number): string {
  return row.customId ?? String(at + 1);
}

export type Command = 'run' | 'submit' | 'collect' | 'once';
export type CommandEnd = DriveEnd | 'nothing';

/** One command as the command line would carry it out. */
export async function command(engine: ApiEngine, plan: Plan, what: Command): Promise<CommandEnd> {
  const holder = { pid: 1, host: 'sim', command: what };
  const base = { holder, retryLockMs: 0, asCompleted: null, once: what === 'once' };
  if (what === 'collect' || what === 'once') {
    const open = (await engine.store.runs()).filter((run) => run.state !== 'done');
    if (open.length === 0) return 'nothing';
    return drive(engine, { ...base, runIds: null, goal: 'finish' });
  }
  const report = await submit(engine, plan);
  const runId = report.verdict.kind === 'exists' ? report.verdict.runId : report.runId;
  if (what === 'submit' && (await engine.store.run(runId))?.state === 'done') return 'nothing';
  return drive(engine, { ...base, runIds: [runId], goal: what === 'submit' ? 'upload' : 'finish' });
}
